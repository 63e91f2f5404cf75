/** Lists that are read a little now and a little later: whatever happens meanwhile, they show what was there at first. */
import assert from "node:assert/strict";
import type { Entry, Key, KeyEncoding } from "../../mod.ts";
import { assertEntry, assertKey, randomRange, show } from "./compare.ts";
import type { ModelEntry } from "./model.ts";
import { randomTag } from "./values.ts";
import type { Found } from "./versioned.ts";
import type { World } from "./world.ts";

/** A list that has begun. */
export class HeldList {
  readonly #list: AsyncIterator<Entry<Key>, undefined> | Iterator<Entry<Key>, undefined>;
  readonly #expected: readonly Found<ModelEntry>[];
  readonly #encoding: KeyEncoding;
  readonly #what: string;
  #at = 0;

  private constructor(
    list: AsyncIterator<Entry<Key>, undefined> | Iterator<Entry<Key>, undefined>,
    expected: readonly Found<ModelEntry>[],
    encoding: KeyEncoding,
    what: string,
  ) {
    this.#list = list;
    this.#expected = expected;
    this.#encoding = encoding;
    this.#what = what;
  }

  /** Begins one, at present or at a snapshot. */
  static async begin(world: World): Promise<HeldList> {
    const { random, model } = world;
    const { handle, name, encoding } = world.pickSpace();
    const { given, plain } = randomRange(world, encoding, false);
    const tags = random.chance(0.3) ? [randomTag(random)] : [];
    const reverse = random.chance(0.4);
    const range = tags.length === 0 ? given : { ...given, tag: tags[0]! };
    const list = random.chance(0.7) ? handle.list(range, { reverse }) : handle.listSync(range, { reverse });
    const expected = model.at(world.point()).list(name, plain, tags);
    if (reverse) expected.reverse();
    const what = `the list of ${name} from ${show(plain.start)} begun at version ${model.version}`;
    const held = new HeldList(list, expected, encoding, what);
    await held.read(1);
    return held;
  }

  /** Whether all was read. */
  get ended(): boolean {
    return this.#at > this.#expected.length;
  }

  /** Reads so many more. */
  async read(count: number): Promise<void> {
    for (; count > 0 && !this.ended; count--) {
      const { value, done } = await this.#list.next();
      const expected = this.#expected[this.#at++];
      const what = `${this.#what}, item ${this.#at}`;
      assert.equal(done === true, expected === undefined, `${what}: ${done ? "it ends early" : "it goes on"}`);
      if (expected === undefined) return;
      assertKey(value!.key, expected.key, this.#encoding, what);
      assertEntry(value, expected.item, what);
    }
  }

  /** Leaves it. */
  async end(): Promise<void> {
    await this.#list.return?.();
  }
}

/** Begins a list, reads on in one, or leaves one. */
export async function useList(world: World): Promise<void> {
  const { random, lists } = world;
  if (lists.length === 0 || (lists.length < 4 && random.chance(0.4))) {
    lists.push(await HeldList.begin(world));
    return;
  }
  const at = random.below(lists.length);
  const list = lists[at]!;
  await list.read(random.weighted([[5, random.between(1, 5)], [1, 1000]]));
  if (list.ended || random.chance(0.1)) {
    await list.end();
    lists.splice(at, 1);
  }
}
