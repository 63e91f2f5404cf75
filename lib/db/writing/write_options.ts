/**
 * What writing calls take beside key and value.
 *
 * @module
 */
import { checkOptions, choiceOption, numberOption, timeOption } from "../../base/options.ts";
import type { Durability } from "../../engine/types.ts";
import { encodeTags } from "../data/tags.ts";

/** Options of any write. */
export interface WriteOptions {
  /** When the promise resolves; the default is the database's. */
  durability?: Durability | undefined;
}

/** What is kept beside a value. A write without them clears tags and expiry. */
export interface EntryOptions {
  /** At most 64 tags of 1 to 255 bytes each. */
  tags?: readonly string[] | undefined;
  /** The entry vanishes so many ms after the call. */
  expireIn?: number | undefined;
  /** The entry vanishes at this time: a `Date` or ms since the Unix epoch. Not together with `expireIn`. */
  expiresAt?: Date | number | undefined;
}

/** Options of `set`. */
export interface SetOptions extends EntryOptions, WriteOptions {}

/** Entry options, checked. */
export interface CheckedEntryOptions {
  /** The tags' bytes. */
  tags: readonly Uint8Array[];
  /** ms since the Unix epoch. */
  expiresAt: number | undefined;
}

const DURABILITIES = ["commit", "interval", "buffered"] as const;
const ENTRY_NAMES = ["tags", "expireIn", "expiresAt"];
const SET_NAMES = [...ENTRY_NAMES, "durability"];

/** Of an entry with nothing beside its value. */
export const PLAIN: CheckedEntryOptions = { tags: [], expiresAt: undefined };

/** The durability that a write asks for. */
export function durabilityOption(call: string, checked: Record<string, unknown>): Durability | undefined {
  return choiceOption(call, checked, "durability", undefined, DURABILITIES);
}

/** Checks options that hold nothing but the durability. */
export function writeOptions(call: string, options: unknown): Durability | undefined {
  return options === undefined ? undefined : durabilityOption(call, checkOptions(call, options, ["durability"]));
}

/** Checks the options of `set`; `now` is the clock that `expireIn` counts from. */
export function setOptions(
  call: string,
  options: unknown,
  now: () => number,
): CheckedEntryOptions & { durability?: Durability | undefined } {
  if (options === undefined) return PLAIN;
  const checked = checkOptions(call, options, SET_NAMES);
  return { ...entryOptions(call, checked, now), durability: durabilityOption(call, checked) };
}

/** Checks what is to be kept beside a value, in options whose names are checked already. */
export function entryOptions(
  call: string,
  checked: Record<string, unknown>,
  now: () => number,
): CheckedEntryOptions {
  const tags = encodeTags(call, checked["tags"]);
  const at = timeOption(call, checked, "expiresAt", undefined);
  const within = numberOption(call, checked, "expireIn", undefined, {
    min: Number.MIN_VALUE,
    max: Number.MAX_SAFE_INTEGER,
    integer: false,
  });
  if (at !== undefined && within !== undefined) {
    throw new TypeError(`${call}: both expireIn and expiresAt; give one of them`);
  }
  const expiresAt = within === undefined ? at : now() + within;
  return { tags, expiresAt: expiresAt === undefined ? undefined : storableTime(expiresAt) };
}

/**
 * A time of expiry as it can be stored. Rounded up: an entry is never gone before its time. What lies before 1970 is as
 * gone as what expired in 1970.
 */
export function storableTime(time: number): number {
  return Math.min(Math.max(Math.ceil(time), 0), Number.MAX_SAFE_INTEGER);
}

/** Checks the options of an entry in a builder: those of `set` without the durability, which belongs to the commit. */
export function builderOptions(call: string, options: unknown, now: () => number): CheckedEntryOptions {
  return options === undefined ? PLAIN : entryOptions(call, checkOptions(call, options, ENTRY_NAMES), now);
}
