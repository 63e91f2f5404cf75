/**
 * The options of an object store's calls, checked: every kind refuses the same mistakes in the same words.
 *
 * @module
 */
import { booleanOption, checkOptions, numberOption, signalOption, stringOption, timeOption } from "../base/options.ts";

/** The longest page of a listing, and the one unless asked otherwise: what the buckets give at once. */
export const PAGE_MAX = 1000;

/** Options of `put`, checked. */
export interface CheckedPut {
  /** Only when nothing is there. */
  ifAbsent: boolean;
  /** Only over the object with this tag. */
  ifMatch: string | undefined;
  /** Whether anyone asks for the tag. */
  tag: boolean;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** Options of `get`, checked. */
export interface CheckedGet {
  /** The first byte. */
  offset: number;
  /** At most so many bytes; may be `Infinity`. */
  length: number;
  /** Whether memory of pieces may be used again. */
  reuse: boolean;
  /** Whether checksums are left to the caller. */
  unchecked: boolean;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** Options of `list`, checked. */
export interface CheckedList {
  /** What each key begins with. */
  prefix: string;
  /** What each key comes after; undefined: from the first key on. */
  after: string | undefined;
  /** The longest page. */
  limit: number;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** Checks options of `put`. */
export function checkPut(options: unknown): CheckedPut {
  const checked = checkOptions("put", options, ["ifAbsent", "ifMatch", "tag", "signal"]);
  const ifAbsent = booleanOption("put", checked, "ifAbsent", false);
  const ifMatch = stringOption("put", checked, "ifMatch", undefined);
  if (ifAbsent && ifMatch !== undefined) throw new TypeError("put: ifAbsent and ifMatch exclude each other");
  const tag = booleanOption("put", checked, "tag", true);
  return { ifAbsent, ifMatch, tag, signal: signalOption("put", checked) };
}

/** Checks options of `get`. */
export function checkGet(options: unknown): CheckedGet {
  const checked = checkOptions("get", options, ["offset", "length", "reuse", "unchecked", "signal"]);
  const range = { min: 0, max: Number.MAX_SAFE_INTEGER };
  const offset = numberOption("get", checked, "offset", 0, range);
  const length = numberOption("get", checked, "length", undefined, range) ?? Infinity;
  const reuse = booleanOption("get", checked, "reuse", false);
  const unchecked = booleanOption("get", checked, "unchecked", false);
  return { offset, length, reuse, unchecked, signal: signalOption("get", checked) };
}

/** Checks options of `list`. The empty prefix is fine, and so is the empty `after`. */
export function checkList(options: unknown): CheckedList {
  const checked = checkOptions("list", options, ["prefix", "after", "limit", "signal"]);
  const text = (name: string): string | undefined =>
    checked[name] === "" ? "" : stringOption("list", checked, name, undefined);
  const limit = numberOption("list", checked, "limit", PAGE_MAX, { min: 1, max: PAGE_MAX });
  return { prefix: text("prefix") ?? "", after: text("after"), limit, signal: signalOption("list", checked) };
}

/** Checks options of `probe`. */
export function checkProbe(options: unknown): { write: boolean; signal: AbortSignal | undefined } {
  const checked = checkOptions("probe", options, ["write", "signal"]);
  return { write: booleanOption("probe", checked, "write", false), signal: signalOption("probe", checked) };
}

/** Checks options of `cleanUp`. */
export function checkCleanUp(options: unknown): { before: number; signal: AbortSignal | undefined } {
  const checked = checkOptions("cleanUp", options, ["before", "signal"]);
  const before = timeOption("cleanUp", checked, "before", undefined);
  if (before === undefined) throw new TypeError('cleanUp: option "before" is missing');
  return { before, signal: signalOption("cleanUp", checked) };
}

/** Checks the options of a call that takes a signal only. */
export function checkSignal(call: string, options: unknown): AbortSignal | undefined {
  return signalOption(call, checkOptions(call, options, ["signal"]));
}
