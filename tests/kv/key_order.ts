/** The order of keys by comparing their parts, not bytes: read off Deno KV, not off ours. */
import type { Key, Part } from "./operations.ts";

/** Of what kind a part is, in their order. */
export function rank(part: Part): number {
  if (part instanceof Uint8Array) return 0;
  const at = ["string", "bigint", "number", "boolean"].indexOf(typeof part);
  if (at < 0) throw new TypeError("no part");
  return at + 1;
}

/** Numbers in order: -0 below 0, NaN above all. */
function compareNumbers(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
  return a === b ? (Object.is(a, -0) ? -1 : 1) : a < b ? -1 : 1;
}

function compareSequences(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** The order of parts: of what kind they are, then what they are. */
export function compareParts(a: Part, b: Part): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (a instanceof Uint8Array) return compareSequences([...a], [...b as Uint8Array]);
  if (typeof a === "number") return compareNumbers(a, b as number);
  if (typeof a === "string") return compareSequences(codePoints(a), codePoints(b as string));
  return a === b ? 0 : (a as bigint) < (b as bigint) ? -1 : 1;
}

function codePoints(text: string): number[] {
  return Array.from(text.toWellFormed(), (char) => char.codePointAt(0)!);
}

/** The order of keys: part by part, a shorter one before those that go on. */
export function compareKeys(a: Key, b: Key): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compareParts(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
