/** Random writes: each is sent without being awaited, and the model is told at once, because calls commit in call order. */
import assert from "node:assert/strict";
import type { Commit, EntryOptions, Key, SetManyItem, Value } from "../../mod.ts";
import { encodeText } from "../../lib/base/bytes.ts";
import { assertEntry, randomRange, show } from "./compare.ts";
import type { ModelOperation } from "./model.ts";
import { keyName, plainOf, randomKey, randomTag, randomValue } from "./values.ts";
import type { Durability, SpaceHandle, World } from "./world.ts";

/** A write on its way. */
export interface Sent {
  promise: Promise<unknown>;
  /** Throws when it resolved to something else than it must. */
  check: (result: unknown) => void;
  /** The version it makes; undefined: none. */
  version: number | undefined;
  durability: Durability | undefined;
}

/** An entry to write, as the caller gives it and as the model takes it. */
export interface RandomEntry {
  key: Key;
  value: Value;
  options: EntryOptions;
  operation: ModelOperation;
  /** Changes what the caller gave: the database must have copied it. */
  scramble(): void;
}

/** A random entry for a key space. */
export function randomEntry(world: World, { name, encoding }: SpaceHandle, small = false): RandomEntry {
  const { random, pool } = world;
  let key = randomKey(random, pool, encoding);
  const plain = keyName(key);
  // A key may come in the other form too.
  if (typeof key === "string" && random.chance(0.1)) key = encodeText(key);
  const blob = small ? 0 : world.options.blobBytes ?? 16_384;
  const value = randomValue(random, { blob, huge: !small });
  const options: EntryOptions = {};
  let tags: string[] = [];
  if (random.chance(0.4)) {
    options.tags = tags = Array.from({ length: random.below(4) }, () => randomTag(random));
  }
  let expiresAt: number | undefined;
  if (random.chance(0.2)) {
    const within = random.weighted<number>([[8, random.between(1, 2000)], [1, random.between(1, 20) / 4]]);
    if (random.chance(0.6)) options.expireIn = within;
    else if (random.chance(0.1)) options.expiresAt = world.now - within;
    else options.expiresAt = random.chance(0.5) ? world.now + within : new Date(world.now + Math.ceil(within));
    expiresAt = Math.ceil(
      world.now + (options.expiresAt === undefined ? within : Number(options.expiresAt) - world.now),
    );
  }
  const operation: ModelOperation = {
    type: "set",
    space: name,
    key: plain,
    value: plainOf(value),
    tags: [...new Set(tags)],
    expiresAt,
  };
  const scramble = (): void => {
    if (key instanceof Uint8Array) key.fill(0x55);
    if (value instanceof Uint8Array) value.fill(0xaa);
    else if (Array.isArray(value)) value.length = 0;
    tags.length = 0;
  };
  return { key, value, options, operation, scramble };
}

function randomDurability(world: World): Durability | undefined {
  return world.random.pick([undefined, undefined, "commit", "interval", "buffered"] as const);
}

function commitOf(result: unknown, expected: Commit, what: string): void {
  assert.deepEqual(result, expected, what);
}

function sent(
  world: World,
  what: string,
  durability: Durability | undefined,
  promise: Promise<unknown>,
  operations: readonly ModelOperation[],
): Sent {
  const expected = world.expect(operations);
  world.note(what);
  return { promise, check: (result) => commitOf(result, expected, what), version: expected.version, durability };
}

function withDurability(durability: Durability | undefined): { durability?: Durability } {
  return durability === undefined ? {} : { durability };
}

/** Sends a `set`. */
export function sendSet(world: World, space: SpaceHandle = world.pickSpace()): Sent {
  const { key, value, options, operation, scramble } = randomEntry(world, space);
  const durability = randomDurability(world);
  const given = Object.keys(options).length === 0 && durability === undefined
    ? undefined
    : { ...options, ...withDurability(durability) };
  const promise = space.handle.set(key, value, given);
  scramble();
  return sent(world, `set ${describe(operation)}`, durability, promise, [operation]);
}

/** Sends a `delete`. */
export function sendDelete(world: World): Sent {
  const { handle, name, encoding } = world.pickSpace();
  const key = randomKey(world.random, world.pool, encoding);
  const operation: ModelOperation = { type: "delete", space: name, key: keyName(key) };
  const durability = randomDurability(world);
  const promise = handle.delete(key, withDurability(durability));
  if (key instanceof Uint8Array) key.fill(0x55);
  return sent(world, `delete ${describe(operation)}`, durability, promise, [operation]);
}

/** The operations of a `deleteRange`: an empty range is none. */
export function rangeOperations(space: string, start: string, end: string | undefined): ModelOperation[] {
  return end !== undefined && start >= end ? [] : [{ type: "deleteRange", space, start, end }];
}

/** Sends a `deleteRange`. */
export function sendDeleteRange(world: World): Sent {
  const { handle, name, encoding } = world.pickSpace();
  const { given, plain: { start, end } } = randomRange(world, encoding, true);
  const operations = rangeOperations(name, start, end);
  const durability = randomDurability(world);
  const promise = handle.deleteRange(given, withDurability(durability));
  return sent(world, `deleteRange ${name} ${show(start)} to ${end && show(end)}`, durability, promise, operations);
}

/** Sends a `clear`: of a namespace mostly, or there would never be much. */
export function sendClear(world: World): Sent {
  const space = world.random.chance(0.15) ? world.spaces[0]! : world.random.pick(world.spaces.slice(1));
  const promise = space.handle.clear();
  return sent(world, `clear ${space.name}`, undefined, promise, [{ type: "clear", space: space.name }]);
}

/** Sends an atomic operation over several key spaces, with checks that hold or don't. */
export function sendAtomic(world: World): Sent {
  const { random, model } = world;
  const atomic = world.spaces[0]!.handle.atomic();
  const operations: ModelOperation[] = [];
  const view = model.at(world.point());
  let holds = true;
  for (let i = random.below(3); i > 0; i--) {
    const { handle, name, encoding } = world.pickSpace();
    const key = randomKey(random, world.pool, encoding);
    const there = view.get(name, keyName(key))?.version ?? null;
    const version = random.chance(0.9) ? there : random.pick([null, 0, model.version, model.version + 1]);
    holds &&= version === there;
    atomic.in(handle).check({ key, version });
  }
  for (let i = random.below(7); i > 0; i--) {
    const space = world.pickSpace();
    const at = atomic.in(space.handle);
    const kind = random.weighted([[70, "set"], [20, "delete"], [8, "range"]]);
    if (kind === "set") {
      const { key, value, options, operation, scramble } = randomEntry(world, space);
      at.set(key, value, options);
      scramble();
      operations.push(operation);
    } else if (kind === "delete") {
      const key = randomKey(random, world.pool, space.encoding);
      at.delete(key);
      operations.push({ type: "delete", space: space.name, key: keyName(key) });
    } else {
      const { given, plain: { start, end } } = randomRange(world, space.encoding, true);
      at.deleteRange(given);
      operations.push(...rangeOperations(space.name, start, end));
    }
  }
  const durability = randomDurability(world);
  const promise = atomic.commit(withDurability(durability));
  const what = `atomic of ${operations.length}${holds ? "" : ", refused"}: ${operations.map(describe).join(", ")}`;
  world.note(what);
  if (!holds) {
    return {
      promise,
      check: (result) => assert.deepEqual(result, { ok: false }, what),
      version: undefined,
      durability,
    };
  }
  const expected = world.expect(operations);
  const check = (result: unknown): void => assert.deepEqual(result, { ok: true, ...expected }, what);
  return { promise, check, version: expected.version, durability };
}

/** One of the writes that commit in call order. */
export function sendWrite(world: World): Sent {
  world.operations++;
  return world.random.weighted<(world: World) => Sent>([
    [60, (world) => sendSet(world)],
    [15, sendDelete],
    [6, sendDeleteRange],
    [1, sendClear],
    [18, sendAtomic],
  ])(world);
}

/** Waits for writes, in any order, and compares what they resolve to. */
export async function settleWrites(world: World, writes: readonly Sent[]): Promise<void> {
  for (const { promise, check, version, durability } of writes) {
    check(await promise);
    if (version !== undefined) world.acknowledge(version, durability);
  }
  world.assertVersion();
}

/** One write. */
export async function writeOne(world: World): Promise<void> {
  await settleWrites(world, [sendWrite(world)]);
}

/** Several writes at once; meanwhile each read sees the state after some of them. */
export async function writeBurst(world: World): Promise<void> {
  const { random, model, db } = world;
  const writes: Sent[] = [];
  world.note("burst");
  for (let i = random.between(2, 12); i > 0; i--) {
    writes.push(sendWrite(world));
    if (random.chance(0.3)) await undefined;
    const { handle, name, encoding } = world.pickSpace();
    const key = randomKey(random, world.pool, encoding);
    const expected = model.at(world.point(db.version)).get(name, keyName(key));
    assertEntry(
      handle.getEntrySync(key),
      expected,
      `amid writes, at version ${db.version}: ${name}:${show(keyName(key))}`,
    );
  }
  await settleWrites(world, writes);
}

/** `setMany` from one of the kinds of sources there are. */
export async function writeMany(world: World): Promise<void> {
  const { random } = world;
  const space = world.pickSpace();
  // Small enough for one commit: where setMany begins the next is its own affair.
  const entries = Array.from({ length: random.below(40) }, () => randomEntry(world, space, true));
  const items = entries.map(({ key, value, options }): SetManyItem<Key> =>
    Object.keys(options).length === 0 && random.chance(0.5) ? [key, value] : { key, value, ...options }
  );
  const durability = randomDurability(world);
  const failAt = random.chance(0.1) ? random.below(items.length + 1) : undefined;
  world.note(
    `setMany of ${items.length} in ${space.name}${failAt === undefined ? "" : `, its source fails at ${failAt}`}`,
  );
  function* source(): Generator<SetManyItem<Key>> {
    for (let i = 0; i <= items.length; i++) {
      if (i === failAt) throw new Error("the source failed");
      if (i < items.length) yield items[i]!;
    }
  }
  async function* slowSource(): AsyncGenerator<SetManyItem<Key>> {
    for (const item of source()) {
      if (random.chance(0.2)) await undefined;
      yield item;
    }
  }
  const from = failAt !== undefined || random.chance(0.4) ? random.chance(0.5) ? source() : slowSource() : items;
  const before = { version: world.model.version, timestamp: world.model.timestamp };
  const writing = space.handle.setMany(from, withDurability(durability));
  if (failAt !== undefined) {
    // Too little for a first commit: nothing is in.
    await assert.rejects(writing, (error: Error & { committed?: number }) => {
      return error.message === "the source failed" && error.committed === 0;
    });
    return world.assertVersion();
  }
  const result = await writing;
  for (const { scramble } of entries) scramble();
  const expected = entries.length === 0 ? before : world.expect(entries.map(({ operation }) => operation));
  assert.deepEqual(result, { ...expected, count: entries.length }, "setMany");
  if (entries.length > 0) world.acknowledge(expected.version, durability);
  world.assertVersion();
}

function describe(operation: ModelOperation): string {
  if (operation.type === "set") {
    const { space, key, tags, expiresAt } = operation;
    return `${space}:${show(key)}${tags.length > 0 ? ` tagged ${tags}` : ""}${expiresAt ? ` until ${expiresAt}` : ""}`;
  }
  if (operation.type === "clear") return `all of ${operation.space}`;
  if (operation.type === "delete") return `no ${operation.space}:${show(operation.key)}`;
  return `none in ${operation.space} from ${show(operation.start)} to ${operation.end && show(operation.end)}`;
}
