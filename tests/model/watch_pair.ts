/** A watch, and the copy of what it watches that its consumer keeps by it. */
import assert from "node:assert/strict";
import type { Change, Key, KeyEncoding } from "../../mod.ts";
import { assertEntry, show } from "./compare.ts";
import { type ModelCommit, type ModelEntry, type ModelRange } from "./model.ts";
import { beginningOf, keyName, plainOf, randomKey } from "./values.ts";
import { behindPrefix } from "./versioned.ts";
import type { World } from "./world.ts";

const ALL: ModelRange = { start: "", end: undefined };

/** Both, and how far they are. */
export class WatchPair {
  readonly #world: World;
  readonly #watch: AsyncIterator<Change<Key>[], undefined>;
  readonly #space: string;
  readonly #encoding: KeyEncoding;
  /** What is watched: ranges, or single keys as ranges. */
  readonly #wanted: readonly ModelRange[];
  #initial: boolean;
  #copy = new Map<string, ModelEntry>();
  /** The last change that concerns it, and the last one it was told of. */
  #newest: number;
  #seen: number;

  constructor(world: World) {
    const { random, pool } = world;
    const { handle, name, encoding } = world.pickSpace();
    this.#world = world;
    this.#space = name;
    this.#encoding = encoding;
    this.#initial = random.chance(0.4);
    this.#newest = this.#seen = world.model.version;
    const kind = random.below(3);
    const keys = Array.from({ length: random.between(1, 5) }, () => randomKey(random, pool, encoding));
    const options = this.#initial ? { initial: true } : undefined;
    if (kind === 0) {
      this.#wanted = [ALL];
      this.#watch = handle.watch(random.chance(0.5) ? undefined : {}, options);
    } else if (kind === 1) {
      const prefix = beginningOf(random, keys[0]!);
      const start = keyName(prefix);
      this.#wanted = [{ start, end: behindPrefix(start) }];
      this.#watch = handle.watch({ prefix }, options);
    } else {
      this.#wanted = keys.map(keyName).map((start) => ({ start, end: `${start}\0` }));
      this.#watch = handle.watch({ keys }, options);
    }
    if (!this.#initial) this.#copyAll(0);
  }

  /** Learns of a commit. */
  note(commit: ModelCommit): void {
    if (this.#wanted.some((range) => this.#world.model.touches(commit, this.#space, range))) {
      this.#newest = commit.version;
    }
  }

  /** Takes in all that waits, then compares the copy with the model. */
  async catchUp(): Promise<void> {
    const { model, now } = this.#world;
    if (this.#initial) {
      this.#initial = false;
      const changes = await this.#next();
      this.#seen = this.#newest = model.version;
      if (changes[0]?.type === "reset") return this.#copyAll(0);
      this.#copyAll(now);
      const found = new Map(changes.map((change) => [keyName(change.key!), change]));
      for (const change of changes) {
        assert.equal(change.type, "set", "what a watch gives first");
        const expected = this.#copy.get(keyName(change.key!));
        assertEntry(change.entry, expected, `what a watch gives first: ${show(keyName(change.key!))}`);
      }
      assert.equal(found.size, this.#copy.size, "how many entries a watch gives first");
      return;
    }
    while (this.#seen < this.#newest) {
      for (const change of await this.#next()) {
        assert.ok(change.version >= this.#seen, "changes come in the order of their versions");
        assert.ok(change.version <= model.version, "a change of the future");
        this.#seen = change.version;
        this.#take(change);
      }
    }
    this.#compare();
  }

  async #next(): Promise<Change<Key>[]> {
    const { value, done } = await this.#watch.next();
    assert.ok(done !== true, "the watch ended");
    assert.ok(value !== undefined);
    return value;
  }

  #take(change: Change<Key>): void {
    const { type, key, entry } = change;
    if (type === "reset") return this.#copyAll(0);
    if (type === "deleteRange") {
      const start = change.start === undefined ? "" : keyName(change.start);
      const end = change.end === undefined ? undefined : keyName(change.end);
      for (const name of [...this.#copy.keys()]) {
        if (name >= start && (end === undefined || name < end)) this.#copy.delete(name);
      }
      return;
    }
    const name = keyName(key!);
    assert.equal(typeof key === "string", this.#encoding === "utf8", "the key's type");
    const wanted = this.#wanted.some(({ start, end }) => name >= start && (end === undefined || name < end));
    assert.ok(wanted, `a change of ${show(name)}, which is not watched`);
    if (type === "delete") return void this.#copy.delete(name);
    const { value, version, timestamp, tags, expiresAt } = entry!;
    assert.equal(version, change.version, "the version of a change and of its entry");
    this.#copy.set(name, { value: plainOf(value as object), version, timestamp, tags, expiresAt });
  }

  /** Takes over all there is; what has expired by `moment` is left out. */
  #copyAll(moment: number): void {
    const { model } = this.#world;
    const view = model.at({ version: model.version, moment });
    this.#copy = new Map(
      this.#wanted.flatMap((range) => view.list(this.#space, range, [])).map(({ key, item }) => [key, item]),
    );
  }

  /** An expired entry may be in the copy or not: that it expires is no change, and compaction may have removed it. */
  #compare(): void {
    const { model, now } = this.#world;
    const view = model.at({ version: model.version, moment: 0 });
    const expected = new Map(
      this.#wanted.flatMap((range) => view.list(this.#space, range, [])).map(({ key, item }) => [key, item]),
    );
    const what = `the copy kept by a watch of ${this.#space || "the root"}`;
    for (const [key, item] of expected) {
      const copied = this.#copy.get(key);
      if (copied === undefined && item.expiresAt !== undefined && item.expiresAt <= now) continue;
      assert.equal(copied?.version, item.version, `${what}: ${show(key)}`);
      assert.equal(copied?.value, item.value, `${what}: value of ${show(key)}`);
      assert.equal(copied?.tags.join("\n"), item.tags.join("\n"), `${what}: tags of ${show(key)}`);
      assert.equal(copied?.expiresAt, item.expiresAt, `${what}: expiresAt of ${show(key)}`);
    }
    for (const key of this.#copy.keys()) assert.ok(expected.has(key), `${what}: ${show(key)} should be gone`);
  }

  /** Ends it. */
  async end(): Promise<void> {
    await this.#watch.return?.();
  }
}

/** Begins a watch, catches up with one, or ends one. */
export async function useWatch(world: World): Promise<void> {
  const { random, watches } = world;
  if (watches.length === 0 || (watches.length < 4 && random.chance(0.2))) {
    watches.push(new WatchPair(world));
    return;
  }
  const at = random.below(watches.length);
  await watches[at]!.catchUp();
  if (random.chance(0.1)) {
    await watches[at]!.end();
    watches.splice(at, 1);
  }
}
