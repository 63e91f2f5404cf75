/**
 * What `sum`, `min` and `max` make of a value, as Deno KV has it: all three of `KvU64`, and `sum` of two numbers or two
 * bigints as well.
 *
 * @module
 */
import { KvU64, u64Of, wrappingSum } from "./u64.ts";

/** A mutation that depends on the value that is there. */
export type Arithmetic = "sum" | "min" | "max";

/** Stands for a value that nothing can be done with. */
export const OTHER: unique symbol = Symbol("another value");

/** A value as arithmetic sees it; undefined: there is none. */
export type Operand = KvU64 | number | bigint | typeof OTHER;

/** What arithmetic sees of a value that is there. */
export function operandOf(value: unknown): Operand {
  const u64 = u64Of(value);
  if (u64 !== undefined) return new KvU64(u64);
  return typeof value === "number" || typeof value === "bigint" ? value : OTHER;
}

/** The new value; `TypeError` when the two don't go together. */
export function combine(type: Arithmetic, current: Operand | undefined, operand: Operand): KvU64 | number | bigint {
  if (operand instanceof KvU64) {
    if (current === undefined) return operand;
    if (!(current instanceof KvU64)) {
      throw new TypeError(`Failed to perform '${type}' mutation on a non-U64 value in the database`);
    }
    return new KvU64(combineU64(type, current.value, operand.value));
  }
  if (type !== "sum") throw new TypeError(`Failed to perform '${type}' mutation on a non-U64 operand`);
  return add(current, operand);
}

function combineU64(type: Arithmetic, a: bigint, b: bigint): bigint {
  if (type === "sum") return wrappingSum(a, b);
  return (type === "min") === (a < b) ? a : b;
}

function add(current: Operand | undefined, operand: number | bigint | typeof OTHER): KvU64 | number | bigint {
  if (operand === OTHER) throw new TypeError("Failed to perform 'sum' mutation with what is no number");
  if (current === undefined) return operand;
  if (current === OTHER) throw new TypeError("unsupported value type");
  if (typeof current === "number" && typeof operand === "number") return current + operand;
  if (typeof current === "bigint" && typeof operand === "bigint") return current + operand;
  if (current instanceof KvU64 && typeof operand === "bigint" && operand >= 0n && operand < 2n ** 64n) {
    return new KvU64(wrappingSum(current.value, operand));
  }
  throw new TypeError(`Cannot sum ${nameOf(current)} with ${nameOf(operand)}`);
}

function nameOf(operand: KvU64 | number | bigint): string {
  if (operand instanceof KvU64) return "KvU64";
  return typeof operand === "number" ? "Number" : "BigInt";
}
