/**
 * The rule that every case is held against: an input decodes, or an error of the library says why not. Nothing else: no other
 * error, no loop that doesn't end, no memory out of proportion, nothing left on a prototype.
 */
import { DecodeError } from "../../lib/base/bytes.ts";
import { HoldfastError } from "../../lib/base/errors.ts";
import type { AllocationWatch } from "./allocations.ts";
import { Steps, type Target } from "./target.ts";

/** Inputs are shorter than this ... */
export const INPUT_BYTES_MAX = 64 * 1024;

/** ... and none of them may make a buffer longer than this. */
export const BUFFER_BYTES_MAX: number = 64 * 2 ** 20;

/** So many steps every decoder may take, and so many more for each byte: several reads of all that is there. */
const STEPS_MIN = 20_000;
const STEPS_PER_BYTE = 64;

/** A case that broke the rule. */
export class Violation extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "Violation";
  }
}

/** What came of an input that kept the rule: "decoded", or the shape of the error, in which numbers and names don't count. */
export async function judge(target: Target, input: Uint8Array, watch: AllocationWatch): Promise<string> {
  const steps = new Steps(STEPS_MIN + STEPS_PER_BYTE * input.length);
  const given = input.slice();
  let shape = "decoded";
  watch.reset();
  try {
    const decoded = target.decode(input, steps);
    checkPrototypes(decoded instanceof Promise ? await decoded : decoded);
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (!isRefusal(target, error)) throw new Violation(`threw ${describe(error)}`, error);
    shape = shapeOf(error as Error);
  }
  if (steps.exceeded) throw new Violation("does not end");
  if (watch.largest > BUFFER_BYTES_MAX) throw new Violation(`asked for ${watch.largest} bytes at once`);
  const polluted = pollution();
  if (polluted !== undefined) throw new Violation(`left something on ${polluted}`);
  // A decoder that writes to its input could make a good copy of it bad.
  if (given.some((byte, i) => byte !== input[i])) throw new Violation("changed its input");
  return shape;
}

function isRefusal(target: Target, error: unknown): boolean {
  if (target.refuses?.(error)) return true;
  return error instanceof DecodeError ? !target.coded : error instanceof HoldfastError;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const at = error.stack?.split("\n").find((line) => line.includes("lib/"))?.trim() ?? "";
  return `${error.name}: ${error.message.slice(0, 300)} ${at}`;
}

/** An error without what differs from input to input and from runtime to runtime. */
export function shapeOf(error: Error): string {
  return `${error.name} ${error.message}`
    .replace(/"(?:[^"\\]|\\.)*"/g, "S")
    .replace(/(?<=[:,] |\bfield )[\w$.[\]-]+(?= is | holds |;)/g, "F")
    .replace(/ is .*, not /s, " is V, not ")
    .replace(/not known here, .*?;/s, "not known here, F;")
    .replace(/(?:Unexpected|Expected|JSON Parse|JSON parse|Bad |Unterminated|Exponent|No number|Invalid ).*/s, "...")
    .replace(/(?:\(|: )(?:[A-Z][a-z]+ ){0,2}(?:invalid|incorrect|unexpected|unknown) .*/s, "...")
    .replace(/\b[0-9a-f]{8,}\b/g, "H")
    .replace(/[\d.]+(?:e[+-]?\d+)?/g, "N")
    .replace(/[^\x20-\x7e]+/g, "~")
    .slice(0, 100);
}

const PROTOTYPES: readonly [string, object][] = [
  ["Object.prototype", Object.prototype],
  ["Array.prototype", Array.prototype],
  ["Function.prototype", Function.prototype],
  ["String.prototype", String.prototype],
  ["Uint8Array.prototype", Uint8Array.prototype],
];
const keysOf = (one: object): number => Reflect.ownKeys(one).length;
const before = PROTOTYPES.map(([, one]) => keysOf(one));

/** The prototype that has more or fewer properties than when this file was loaded. */
function pollution(): string | undefined {
  return PROTOTYPES.find(([, one], i) => keysOf(one) !== before[i])?.[0];
}

/** So many objects of what was decoded are looked at. */
const LOOKED_AT_MAX = 2000;

/** What a name like `__proto__` in the input could do: an object whose prototype came with it. */
function checkPrototypes(decoded: unknown): void {
  const seen = new Set<unknown>();
  const waiting: unknown[] = [decoded];
  while (waiting.length > 0 && seen.size < LOOKED_AT_MAX) {
    const one = waiting.pop();
    if (typeof one !== "object" || one === null || seen.has(one) || ArrayBuffer.isView(one)) continue;
    seen.add(one);
    const prototype = Object.getPrototypeOf(one) as object | null;
    const maker = prototype && Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as unknown;
    if (prototype !== null && typeof maker !== "function") throw new Violation("decoded an object with a prototype");
    waiting.push(...(one instanceof Map ? [...one.values()] : Object.values(one)).slice(0, LOOKED_AT_MAX));
  }
}
