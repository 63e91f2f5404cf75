/**
 * Unsigned 64-bit integers, as values that `sum`, `min` and `max` work on.
 *
 * @module
 */

const MAX = 2n ** 64n - 1n;

/**
 * An unsigned 64-bit integer as a value of its own kind: what `sum`, `min` and `max` work on. `Deno.KvU64` is accepted
 * wherever this one is; what is read is always this one.
 *
 * @example
 * ```ts
 * import { KvU64, openKv } from "@holdfast/db/kv";
 *
 * using kv = await openKv(":memory:");
 * await kv.set(["visits"], new KvU64(41n));
 * await kv.atomic().sum(["visits"], 1n).commit();
 * console.log((await kv.get<KvU64>(["visits"])).value?.value); // 42n
 * ```
 */
export class KvU64 {
  /** The integer. */
  readonly value: bigint;

  /** Throws `TypeError` for what is no bigint, `RangeError` for one that needs a sign or more than 64 bits. */
  constructor(value: bigint) {
    if (typeof value !== "bigint") throw new TypeError(`Value must be a bigint: received ${typeof value}`);
    if (value < 0n) throw new RangeError(`Value must be a positive bigint: received ${value}`);
    if (value > MAX) throw new RangeError("Value must fit in a 64-bit unsigned integer");
    this.value = value;
    Object.freeze(this);
  }

  /** The integer. */
  valueOf(): bigint {
    return this.value;
  }

  /** The integer in decimal. */
  toString(): string {
    return this.value.toString();
  }

  /** `KvU64`. */
  get [Symbol.toStringTag](): string {
    return "KvU64";
  }
}

/** The integer of a `KvU64`, ours or Deno's; undefined when `value` is none. */
export function u64Of(value: unknown): bigint | undefined {
  if (value instanceof KvU64) return value.value;
  if (typeof value !== "object" || value === null) return undefined;
  const { [Symbol.toStringTag]: tag, value: inner } = value as { [Symbol.toStringTag]?: unknown; value?: unknown };
  return tag === "Deno.KvU64" && typeof inner === "bigint" ? inner : undefined;
}

/** The sum as 64 bits hold it: past the largest it goes on from 0. */
export function wrappingSum(a: bigint, b: bigint): bigint {
  return (a + b) & MAX;
}
