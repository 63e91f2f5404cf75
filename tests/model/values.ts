/** Random keys, values and tags, and the plain strings by which the model compares them. */
import type { Key, Value } from "../../mod.ts";
import { encodeText } from "../../lib/base/bytes.ts";
import type { Random } from "./random.ts";
import { bytesOf, nameOf } from "./versioned.ts";

/** A value as a string: equal for equal values of the same kind, and only for these. */
export function plainOf(value: Value | object): string {
  if (value instanceof Uint8Array) return `bytes ${nameOf(value)}`;
  if (typeof value === "string") return `text ${value}`;
  return `json ${JSON.stringify(value)}`;
}

/** A key as a binary string. */
export function keyName(key: Key): string {
  return nameOf(typeof key === "string" ? encodeText(key) : key);
}

const TEXTS = ["a", "b", "user/", "é", "ß", "日本", "😀", "\u{10ffff}", "\uffff", "\0", "\n", '"', "\\", "zz"];

function randomText(random: Random, pieces: number): string {
  let text = "";
  for (let i = 0; i < pieces; i++) text += random.pick(TEXTS);
  return text;
}

function randomJson(random: Random, depth: number): Value {
  const kind = random.below(depth > 0 ? 8 : 5);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return random.between(-1e9, 1e9);
  if (kind === 3) return random.next() * 10 ** random.between(-20, 20);
  if (kind === 4) return [];
  if (kind < 7) {
    const object: Record<string, Exclude<Value, Uint8Array> | undefined> = {};
    for (let i = random.below(4); i > 0; i--) {
      object[random.pick(["id", "name", "é", "", "x"])] = inner(random, depth - 1);
    }
    return object;
  }
  return Array.from({ length: random.below(4) }, () => inner(random, depth - 1));
}

function inner(random: Random, depth: number): Exclude<Value, Uint8Array> {
  return random.chance(0.4) ? randomText(random, random.below(4)) : randomJson(random, depth) as null;
}

/** A value of any kind: mostly small, some large enough for a blob, a few so large that they are read asynchronously. */
export function randomValue(random: Random, sizes: { blob: number; huge: boolean }): Value {
  const size = random.weighted([
    [60, random.below(24)],
    [20, random.below(160)],
    [6, sizes.blob + random.below(200)],
    [sizes.huge ? 0.3 : 0, 66_000 + random.below(2000)],
    [1, 0],
  ]);
  const kind = random.weighted([[40, "bytes"], [30, "text"], [30, "json"]]);
  if (kind === "bytes") return random.chance(0.5) ? random.bytes(size) : new Uint8Array(size).fill(random.below(256));
  if (kind === "text") return randomText(random, size >>> 1);
  return size > 100 ? { text: "x".repeat(size), n: random.below(1000) } : randomJson(random, 3);
}

/** The keys of one run, for key spaces of text and of bytes: few enough to be met again and again. */
export interface KeyPool {
  text: readonly string[];
  bytes: readonly string[];
}

/** Keys that are short, long, one the beginning of another, and whose UTF-16 order is not that of their bytes. */
export function keyPool(random: Random): KeyPool {
  const count = random.pick([6, 40, 150]);
  const text = new Set<string>();
  const stems = Array.from({ length: 4 }, () => randomText(random, random.between(1, 3)));
  while (text.size < count) {
    text.add(random.weighted([
      [40, `user/${String(random.below(900)).padStart(3, "0")}`],
      [30, random.pick(stems) + randomText(random, random.below(3))],
      [20, randomText(random, random.between(1, 4))],
      [2, randomText(random, 1).repeat(random.between(100, 400))],
    ]));
  }
  const bytes = new Set<string>();
  while (bytes.size < count) {
    bytes.add(random.weighted([
      [40, nameOf(random.bytes(random.between(1, 3)))],
      [30, random.pick(["\0", "\xff", "\0\xff", "\x80"]).repeat(random.between(1, 4))],
      [20, "stem" + nameOf(random.bytes(random.below(3)))],
      [2, nameOf(random.bytes(random.between(200, 500)))],
    ]));
  }
  return { text: [...text], bytes: [...bytes] };
}

/** A key of the pool as the caller gives it; bytes in an array of their own. */
export function randomKey(random: Random, pool: KeyPool, encoding: "utf8" | "bytes"): Key {
  return encoding === "utf8" ? random.pick(pool.text) : bytesOf(random.pick(pool.bytes));
}

/** The beginning of a key. */
export function beginningOf(random: Random, key: Key): Key {
  if (typeof key !== "string") return key.subarray(0, random.between(1, key.length));
  const characters = [...key];
  return characters.slice(0, random.between(1, characters.length)).join("");
}

const TAGS = ["red", "green", "blue", "ä", "long ".repeat(20), "red2"];

/** One of few tags. */
export function randomTag(random: Random): string {
  return random.pick(TAGS);
}
