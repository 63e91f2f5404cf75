/** Comparisons of what the database gives with what the model says. */
import assert from "node:assert/strict";
import type { Entry, Key, KeyEncoding, KeyRange, Reader } from "../../mod.ts";
import type { ModelContent, ModelEntry, ModelRange, ModelView } from "./model.ts";
import type { SpaceHandle, World } from "./world.ts";
import { beginningOf, keyName, plainOf, randomKey, randomTag } from "./values.ts";
import { behindPrefix, type Found } from "./versioned.ts";

/** A key, cut for messages. */
export function show(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}...` : key);
}

/** An entry must be the model's, with all that belongs to it. `own`: a transaction's own, which has no version yet. */
export function assertEntry(actual: Entry<Key> | undefined, expected: ModelEntry | undefined, what: string): void {
  if (actual === undefined || expected === undefined) {
    assert.equal(actual?.version, expected?.version, `${what}: there or not`);
    return;
  }
  assert.equal(actual.version, expected.version, `${what}: version`);
  if (expected.version !== 0) assert.equal(actual.timestamp, expected.timestamp, `${what}: timestamp`);
  assert.equal(actual.expiresAt, expected.expiresAt, `${what}: expiresAt`);
  assert.equal(actual.tags.join("\n"), expected.tags.join("\n"), `${what}: tags`);
  assertValue(actual.value, expected, what);
}

/** A value must be the model's. */
export function assertValue(actual: unknown, expected: ModelEntry | undefined, what: string): void {
  const plain = actual === undefined ? undefined : plainOf(actual as object);
  if (plain !== expected?.value) {
    assert.fail(`${what}: value ${show(plain ?? "undefined")} instead of ${show(expected?.value ?? "undefined")}`);
  }
}

/** A key must come in its key space's own type. */
export function assertKey(actual: Key, expected: string, encoding: KeyEncoding, what: string): void {
  assert.equal(typeof actual === "string", encoding === "utf8", `${what}: the key's type`);
  const name = keyName(actual);
  if (name !== expected) assert.fail(`${what}: key ${show(name)} instead of ${show(expected)}`);
}

/** A range as callers state it, and as the model does. */
export interface RangePair {
  given: KeyRange<Key>;
  plain: ModelRange;
}

/** A random range; `bound`: one that `deleteRange` takes. */
export function randomRange(world: World, encoding: KeyEncoding, bound: boolean): RangePair {
  const { random, pool } = world;
  const given: KeyRange<Key> = {};
  let start = "";
  let end: string | undefined;
  const key = (): Key => randomKey(random, pool, encoding);
  const shape = random.below(bound ? 8 : 10);
  if (shape === 0 || shape === 1 || shape === 7) {
    given.prefix = beginningOf(random, key());
    start = keyName(given.prefix);
    end = behindPrefix(start);
  }
  if (shape >= 1 && shape < 6) {
    let [low, high] = [key(), key()];
    if (keyName(low) > keyName(high) && random.chance(0.9)) [low, high] = [high, low];
    if (shape !== 4) {
      given.start = low;
      if (keyName(low) > start) start = keyName(low);
    }
    if (shape !== 5) {
      given.end = high;
      if (end === undefined || keyName(high) < end) end = keyName(high);
    }
  }
  if (shape === 6) given.prefix = key(), start = keyName(given.prefix), end = behindPrefix(start);
  return { given, plain: { start, end } };
}

/** A reading handle and its key space. */
export interface ReadSpace {
  handle: Reader<Key>;
  name: string;
  encoding: KeyEncoding;
}

/** Learns what a transaction reads. */
export interface ReadNotes {
  key(space: string, key: string): void;
  range(space: string, range: ModelRange, exact: boolean): void;
}

/** Reads one key in one of the ways there are. */
export async function readKey(world: World, space: ReadSpace, view: ModelView, notes?: ReadNotes): Promise<void> {
  const { random, pool } = world;
  const { handle, name, encoding } = space;
  const key = randomKey(random, pool, encoding);
  const plain = keyName(key);
  const expected = view.get(name, plain);
  const what = `${name}:${show(plain)}`;
  notes?.key(name, plain);
  switch (random.below(8)) {
    case 0:
      return assertValue(await handle.get(key), expected, `get ${what}`);
    case 1:
      return assertValue(handle.getSync(key), expected, `getSync ${what}`);
    case 2:
      return assert.equal(await handle.has(key), expected !== undefined, `has ${what}`);
    case 3:
      return assert.equal(handle.hasSync(key), expected !== undefined, `hasSync ${what}`);
    case 4:
      return assertEntry(await handle.getEntry(key), expected, `getEntry ${what}`);
    case 5:
      return assertEntry(handle.getEntrySync(key), expected, `getEntrySync ${what}`);
  }
  const keys = [key, ...Array.from({ length: random.below(5) }, () => randomKey(random, pool, encoding))];
  for (const one of keys) notes?.key(name, keyName(one));
  const items = keys.map((one) => view.get(name, keyName(one)));
  const values = random.chance(0.5) ? await handle.getMany(keys) : handle.getManySync(keys);
  assert.equal(values.length, keys.length);
  values.forEach((value, i) => assertValue(value, items[i], `getMany ${name}:${show(keyName(keys[i]!))}`));
}

/** Lists a random range in one of the ways there are. */
export async function readRange(world: World, space: ReadSpace, view: ModelView, notes?: ReadNotes): Promise<void> {
  const { random } = world;
  const { handle, name, encoding } = space;
  const { given, plain } = randomRange(world, encoding, false);
  const tags = random.chance(0.3) ? Array.from({ length: random.between(1, 2) }, () => randomTag(random)) : [];
  const reverse = random.chance(0.4);
  const limit = random.chance(0.3) ? random.below(8) : undefined;
  const range = tags.length === 0 ? given : { ...given, tag: tags.length === 1 ? tags[0]! : tags };
  const options = { ...(reverse ? { reverse } : {}), ...(limit === undefined ? {} : { limit }) };
  let expected = view.list(name, plain, tags);
  if (reverse) expected.reverse();
  if (limit !== undefined && limit <= expected.length) {
    expected = expected.slice(0, limit);
    // What was read ends with the last entry given.
    const last = expected[expected.length - 1]?.key;
    if (last !== undefined) {
      notes?.range(name, reverse ? { ...plain, start: last } : { ...plain, end: `${last}\0` }, tags.length === 0);
    }
  } else if (limit !== 0) notes?.range(name, plain, tags.length === 0);
  const what = `list of ${name} from ${show(plain.start)} to ${plain.end && show(plain.end)}${
    reverse ? " reversed" : ""
  }${tags.length > 0 ? ` with tags ${tags}` : ""}${limit === undefined ? "" : ` limit ${limit}`}`;
  switch (random.below(5)) {
    case 0: {
      const list: Entry<Key>[] = [];
      for await (const entry of handle.list(range, options)) list.push(entry);
      return assertEntries(list, expected, encoding, what);
    }
    case 1:
      return assertEntries([...handle.listSync(range, options)], expected, encoding, `${what} (sync)`);
    case 2: {
      const keys: Key[] = [];
      for await (const key of handle.keys(range, options)) keys.push(key);
      return assertKeys(keys, expected, encoding, `${what} (keys)`);
    }
    case 3:
      return assertKeys([...handle.keysSync(range, options)], expected, encoding, `${what} (keysSync)`);
  }
  assert.equal(await handle.count(range, options), expected.length, `${what} (count)`);
}

/** A list must hold these entries and no others, in this order. */
export function assertEntries(
  actual: readonly Entry<Key>[],
  expected: readonly Found<ModelEntry>[],
  encoding: KeyEncoding,
  what: string,
): void {
  assertKeys(actual.map(({ key }) => key), expected, encoding, what);
  actual.forEach((entry, i) => assertEntry(entry, expected[i]!.item, `${what}, ${show(expected[i]!.key)}`));
}

function assertKeys(
  actual: readonly Key[],
  expected: readonly Found<ModelEntry>[],
  encoding: KeyEncoding,
  what: string,
): void {
  const names = actual.map(keyName);
  const missing = expected.find(({ key }) => !names.includes(key));
  if (missing !== undefined) assert.fail(`${what}: ${show(missing.key)} of version ${missing.item.version} is missing`);
  const known = new Set(expected.map(({ key }) => key));
  const extra = names.find((name) => !known.has(name));
  if (extra !== undefined) assert.fail(`${what}: ${show(extra)} should not be there`);
  assert.equal(names.length, expected.length, `${what}: a key comes twice`);
  actual.forEach((key, i) => assertKey(key, expected[i]!.key, encoding, what));
}

/** Everything that the handles show must be the model's, in both directions. */
export function assertAll(spaces: readonly ReadSpace[], view: ModelView, what: string): void {
  for (const { handle, name, encoding } of spaces) {
    const expected = view.list(name, { start: "", end: undefined }, []);
    assertEntries([...handle.listSync()], expected, encoding, `${what}: all of ${name || "the root"}`);
    const reversed = [...handle.keysSync({}, { reverse: true })];
    assertKeys(reversed, expected.slice().reverse(), encoding, `${what}: all of ${name || "the root"} reversed`);
    const tags = new Set(expected.flatMap(({ item }) => item.tags));
    for (const tag of tags) {
      const tagged = expected.filter(({ item }) => item.tags.includes(tag));
      assertEntries([...handle.listSync({ tag })], tagged, encoding, `${what}: ${name} tagged ${tag}`);
    }
  }
}

/** The namespaces must be these. */
export function assertNames(spaces: readonly SpaceHandle[], names: readonly string[], what: string): void {
  for (const { name, handle } of spaces) {
    if (!("namespaces" in handle)) continue;
    const start = name === "" ? "" : `${name}/`;
    const expected = names.filter((one) =>
      one.startsWith(start) && one !== name && !one.slice(start.length).includes("/")
    )
      .map((one) => one.slice(start.length));
    const actual = (handle as { namespaces(): string[] }).namespaces();
    assert.deepEqual(actual.toSorted(), expected.toSorted(), `${what}: namespaces in ${name || "the root"}`);
  }
}

/** A content as a view: what a copy must show, with the versions it has or all of one. */
export function viewOf(content: ModelContent, moment: number, version?: number, timestamp?: number): ModelView {
  const list = (space: string, { start, end }: ModelRange, tags: readonly string[]): Found<ModelEntry>[] =>
    (content.entries.get(space) ?? [])
      .filter(({ key }) => key >= start && (end === undefined || key < end))
      .filter(({ item }) => (item.expiresAt === undefined || item.expiresAt > moment))
      .filter(({ item }) => tags.every((tag) => item.tags.includes(tag)))
      .map(({ key, item }) =>
        version === undefined ? { key, item } : { key, item: { ...item, version, timestamp: timestamp! } }
      );
  return { list, get: (space, key) => list(space, { start: key, end: `${key}\0` }, [])[0]?.item };
}
