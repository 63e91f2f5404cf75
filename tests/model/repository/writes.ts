/** Random writes, each noted in the chronicle as soon as it is made. */
import assert from "node:assert/strict";
import type { EntryOptions, Key, KeySpace, WriteOptions } from "../../../mod.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import { NoSpaceError } from "../../../lib/base/errors.ts";
import { beginningOf, keyName, randomKey, randomTag, randomValue } from "../values.ts";
import type { Home } from "./home.ts";
import type { World } from "./world.ts";

/** The namespaces that may be written to, and whether their keys look as the root's do. */
const NAMESPACES: readonly (readonly [path: readonly string[], asRoot: boolean])[] = [
  [["users"], true],
  [["users", "drafts"], false],
  [["raw é"], true],
];

interface Space {
  handle: KeySpace<Key>;
  encoding: "utf8" | "bytes";
  name: string;
}

function pickSpace({ random }: World, { db, settings: { encoding } }: Home): Space {
  if (random.chance(0.6)) return { handle: db, encoding, name: "" };
  const [path, asRoot] = random.pick(NAMESPACES);
  const own = asRoot === (encoding === "utf8") ? "utf8" : "bytes";
  const [outer, inner] = path;
  // The outer one must be of its own kind, whichever is written to first.
  const at = db.namespace<Key>(outer!, { keyEncoding: encoding });
  if (inner === undefined) return { handle: at, encoding, name: outer! };
  return { handle: at.namespace<Key>(inner, { keyEncoding: own }), encoding: own, name: path.join("/") };
}

function randomOptions({ random, time }: World): EntryOptions {
  const options: EntryOptions = {};
  if (random.chance(0.4)) options.tags = Array.from({ length: random.below(4) }, () => randomTag(random));
  if (random.chance(0.2)) {
    const within = random.weighted<number>([[3, random.between(1, 5000)], [3, 86_400_000 * random.between(1, 400)]]);
    if (random.chance(0.5)) options.expireIn = within;
    else options.expiresAt = time.clock() + within;
  }
  return options;
}

function randomDurability({ random }: World): WriteOptions {
  const durability = random.pick([undefined, undefined, "commit", "interval", "buffered"] as const);
  return durability === undefined ? {} : { durability };
}

/** What a commit resolves to has come to whoever waits for it. */
async function turns(): Promise<void> {
  for (let i = 0; i < 8; i++) await undefined;
}

/** One commit. */
export async function writeOne(world: World, home: Home): Promise<void> {
  const { random } = world;
  const { db, settings } = home;
  const space = pickSpace(world, home);
  const { handle, encoding } = space;
  const blob = settings.options.blobBytes ?? 16_384;
  const key = (): Key => randomKey(random, settings.pool, encoding);
  const value = (): ReturnType<typeof randomValue> => randomValue(random, { blob, huge: true });
  const how = randomDurability(world);
  const write = random.weighted<[string, () => Promise<unknown>]>([
    [60, ["set", () => handle.set(key(), value(), { ...randomOptions(world), ...how })]],
    [12, ["delete", () => handle.delete(key(), how)]],
    [4, ["deleteRange", () => handle.deleteRange({ prefix: beginningOf(random, key()) }, how)]],
    [1, ["clear", () => random.chance(0.7) && handle !== db ? handle.clear(how) : db.clear(how)]],
    [6, ["setMany", () => {
      const items = Array.from(
        { length: random.between(1, 20) },
        () => ({ key: key(), value: value(), ...randomOptions(world) }),
      );
      return handle.setMany(items, how);
    }]],
    [8, ["transaction", () =>
      db.transaction(async (tx) => {
        const in_ = handle === db ? tx : tx.in(handle);
        await tx.get(randomKey(random, settings.pool, settings.encoding));
        for (let i = random.between(1, 5); i > 0; i--) in_.set(key(), value(), randomOptions(world));
        if (random.chance(0.4)) in_.delete(key());
        tx.set(randomKey(random, settings.pool, settings.encoding), "of a transaction");
      }, how)]],
    [5, ["atomic", () => {
      let atomic = handle.atomic().set(key(), value(), randomOptions(world)).delete(key());
      if (random.chance(0.3)) atomic = atomic.deleteRange({ prefix: beginningOf(random, key()) }).set(key(), value());
      return atomic.commit(how);
    }]],
  ]);
  const before = home.pending;
  home.pending = "anything";
  // Many values at once may be several commits.
  const stop = engineOf(db)!.onCommit(({ version }) => {
    home.note();
    // A namespace that the commit made is listed once its promise has resolved.
    // When an accident comes first, what was noted stays.
    turns().then(() => void (db.version === version && home.note())).catch(() => {});
  });
  try {
    await write[1]();
  } catch (error) {
    if (error instanceof NoSpaceError) home.pending = before;
    throw error;
  } finally {
    stop();
  }
  const { version } = home.note();
  home.answered();
  const mode = how.durability ?? settings.options.durability ?? "commit";
  if (mode === "commit") home.allDurable(version);
  if (mode === "interval") home.written = Math.max(home.written, version);
  world.note(`${home.name} ${write[0]} in "${space.name}" makes version ${version}`);
}

/** Several writers at once, each of which sets a few keys of its own, one after the other. */
export async function writeAtOnce(world: World, home: Home): Promise<void> {
  const { random } = world;
  const { db, settings: { pool, encoding, options } } = home;
  const keys = new Map<string, Key>();
  for (let i = random.between(2, 60); i > 0; i--) {
    const key = randomKey(random, pool, encoding);
    keys.set(keyName(key), key);
  }
  const all = [...keys.values()];
  const each = random.between(1, 4);
  world.note(`${home.name}: ${all.length} keys by writers of ${each} at once`);
  home.pending = "anything";
  home.pendingMost = all.length;
  const writers: Promise<void>[] = [];
  for (let from = 0; from < all.length; from += each) {
    const how = random.chance(0.7) ? { durability: "commit" as const } : randomDurability(world);
    const mode = how.durability ?? options.durability ?? "commit";
    const value = `${world.step} ${from} `.repeat(random.between(1, 20));
    const write = async (): Promise<void> => {
      let last = 0;
      for (const key of all.slice(from, from + each)) {
        const { version } = await db.set(key, value, how);
        assert.ok(version > last, `${home.name}: the order of a writer's calls`);
        last = version;
        if (mode === "commit") home.durable = Math.max(home.durable, version);
        if (mode !== "buffered") home.written = Math.max(home.written, version);
      }
    };
    writers.push(write());
  }
  const results = await Promise.allSettled(writers);
  home.noteEach();
  for (const result of results) if (result.status === "rejected") throw result.reason;
  home.answered();
  world.note(`that makes version ${home.version}`);
}

/** A few commits, now and then with time going by in between. */
export async function writeSome(world: World, home: Home, most = 6): Promise<void> {
  const { random, time } = world;
  for (let i = random.between(1, most); i > 0; i--) {
    await writeOne(world, home);
    if (random.chance(0.4)) time.step(random.between(1, 40));
  }
}
