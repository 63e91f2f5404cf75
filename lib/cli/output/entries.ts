/**
 * Keys and values for people. Nothing of them reaches a terminal as a control sequence.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Key } from "../../db/data/keys.ts";
import type { Value } from "../../db/data/values.ts";
import { textOf } from "./json.ts";

/** Control characters, those that turn the direction of text, and what separates lines. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const NAMES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text in which what can't be seen is written out. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (one) => NAMES[one] ?? `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A key in one line; bytes that are no text as hex. */
export function showKey(key: Key): string {
  if (typeof key === "string") return visible(key);
  const text = textOf(key);
  return text === undefined || visible(text) !== text ? `0x${hex(key)}` : text;
}

/** A value in one line, of at most so many characters. */
export function showValue(value: Value, max: number): string {
  if (value instanceof Uint8Array) {
    const start = hex(value.subarray(0, 16));
    return shorten(`<${value.length} bytes${start === "" ? "" : ` ${start}${value.length > 16 ? "…" : ""}`}>`, max);
  }
  return shorten(visible(typeof value === "string" ? value.slice(0, max + 1) : JSON.stringify(value)), max);
}

/** Hexadecimal digits. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

/** What is too long ends in an ellipsis. */
export function shorten(text: string, max: number): string {
  if (text.length <= max) return text;
  // Not in the middle of a pair of surrogates.
  const end = /[\ud800-\udbff]/.test(text.charAt(max - 2)) ? max - 2 : max - 1;
  return `${text.slice(0, end)}…`;
}
