/**
 * Selectors and cursors: which keys a list covers, in bytes. Cursors are those of Deno KV: the key of the last entry
 * without what all keys of the selector begin with, in URL-safe base64.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { compareBytes, concatBytes, sharedPrefix, startsWith } from "../../base/bytes.ts";
import { encodeKey, PARTS_END } from "./keys.ts";
import type { KvKey } from "./types.ts";

/** `start <= key < end`. */
export interface KeyBounds {
  start: Uint8Array;
  end: Uint8Array;
}

/** A selector of whose shape something is known: its keys are copied, but not yet checked. */
export interface CheckedSelector {
  prefix?: KvKey;
  start?: KvKey;
  end?: KvKey;
}

/** A selector in bytes. */
export interface Selection extends KeyBounds {
  /** What the bounds given say, for the check of cursors. */
  givenStart: Uint8Array | undefined;
  givenEnd: Uint8Array | undefined;
  /** What all of its keys begin with. */
  common: Uint8Array;
}

/** Checks which of the three a selector has. */
export function checkSelector(selector: object): CheckedSelector {
  const checked: CheckedSelector = {};
  for (const name of ["prefix", "start", "end"] as const) {
    const key = Object.hasOwn(selector, name) ? (selector as CheckedSelector)[name] : undefined;
    if (key !== undefined) checked[name] = Array.isArray(key) ? [...key] : key;
  }
  const { prefix, start, end } = checked;
  if (prefix !== undefined && start !== undefined && end !== undefined) {
    throw new TypeError("Selector can not specify both 'start' and 'end' key when specifying 'prefix'");
  }
  if (prefix === undefined && (start === undefined || end === undefined)) {
    throw new TypeError("Selector must specify either 'prefix' or both 'start' and 'end' key");
  }
  return checked;
}

/** The bytes of a selector. */
export function selectionOf(selector: CheckedSelector): Selection {
  const start = selector.start && encodeKey(selector.start);
  const end = selector.end && encodeKey(selector.end);
  if (selector.prefix === undefined) {
    if (compareBytes(start!, end!) > 0) throw new TypeError("Start key is greater than end key");
    const common = start!.subarray(0, sharedPrefix(start!, end!));
    return { start: start!, end: end!, givenStart: start, givenEnd: end, common };
  }
  const prefix = encodeKey(selector.prefix);
  const within = (key: Uint8Array): boolean => startsWith(key, prefix) && key.length > prefix.length;
  if (start !== undefined && !within(start)) throw new TypeError("Start key is not in the keyspace defined by prefix");
  if (end !== undefined && !within(end)) throw new TypeError("End key is not in the keyspace defined by prefix");
  return {
    start: start ?? concatBytes(prefix, Uint8Array.of(0)),
    end: end ?? concatBytes(prefix, Uint8Array.of(PARTS_END)),
    givenStart: start,
    givenEnd: end,
    common: prefix,
  };
}

/** What is left of a selection behind a cursor, in the order of the list. */
export function behindCursor(selection: Selection, cursor: string, reverse: boolean): KeyBounds {
  const bytes = new Uint8Array(Buffer.from(cursor, "base64url"));
  // What is no base64 is passed over by the decoder.
  if (encodeCursor(bytes) !== cursor) throw new TypeError("invalid cursor");
  const { common, givenStart, givenEnd } = selection;
  let { start, end } = selection;
  if (reverse) end = concatBytes(common, bytes);
  else start = concatBytes(common, bytes, Uint8Array.of(0));
  if (givenStart !== undefined && compareBytes(start, givenStart) < 0) throw new TypeError("cursor out of bounds");
  if (givenEnd !== undefined && compareBytes(end, givenEnd) > 0) throw new TypeError("cursor out of bounds");
  // A cursor with a first byte that no part has must not lead to rows that are no entries.
  if (compareBytes(end, selection.end) > 0) end = selection.end;
  return { start, end };
}

/** The cursor behind a key of a selection. */
export function cursorOf(selection: Selection, key: Uint8Array): string {
  return encodeCursor(key.subarray(selection.common.length));
}

function encodeCursor(bytes: Uint8Array): string {
  // Deno's has its padding.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64").replaceAll("+", "-")
    .replaceAll("/", "_");
}
