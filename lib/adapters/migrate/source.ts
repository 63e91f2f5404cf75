/**
 * What a source of entries is, and the few things that sources have in common.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isText, toHex } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Storable } from "../../db/data/values.ts";
import type { KeyEncoding } from "../../engine/types.ts";

/**
 * Where entries come from: what `fromLevel`, `fromSqlite` and the others return, or one of your own.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 * import { type MigrationSource, migrate } from "@holdfast/db/migrate";
 *
 * const squares: MigrationSource = {
 *   id: "squares",
 *   async open() {
 *     return {
 *       async *entries(_encoding, after = "0") {
 *         for (let n = Number(after) + 1; n <= 10; n++) yield { position: String(n), key: `square/${n}`, value: n * n };
 *       },
 *       async close() {},
 *     };
 *   },
 * };
 * await using db = await DB.open(":memory:");
 * console.log((await migrate(db, squares)).entries); // 10
 * ```
 */
export interface MigrationSource {
  /** Kind and place, without secrets: what the target remembers it by. */
  readonly id: string;
  /**
   * How it is read, such as its options, as far as that decides what becomes of entries. A migration that was interrupted
   * is not gone on with in another way, which would leave half of them in each. Default: nothing is compared.
   */
  readonly plan?: string | undefined;
  /**
   * What tells it from another one in its place, such as size and checksum: asked once all of it came in, and by a run that
   * finds it so, which says in its report where the two differ. Default: nothing is compared.
   */
  stamp?(): Promise<string>;
  /** Opens it for reading. */
  open(): Promise<OpenSource>;
}

/** A source that is open. */
export interface OpenSource {
  /** How many entries there are, where that is known. */
  readonly total?: number | undefined;
  /**
   * The entries in an order of the source's own, the same each time: from the first one on, or from what follows `after`,
   * the position of an earlier entry. `encoding` says what keys are in the target.
   */
  entries(encoding: KeyEncoding, after: string | undefined): AsyncIterable<SourceItem>;
  /** Whether `entries` can go on behind this position. Where not, they begin anew, and are counted anew. Default: always. */
  goesOn?(after: string): boolean;
  /** Lets go of it. */
  close(): Promise<void>;
}

/** What a source gives: an entry, or something that can't be one. */
export type SourceItem = SourceEntry | UnsupportedItem;

/** An entry to be written. */
export interface SourceEntry {
  /** Where to go on behind it; left out where that is not known, so that an interruption goes back to an earlier one. */
  readonly position?: string | undefined;
  /** Its key. */
  readonly key: Key;
  /** Its value. */
  readonly value: Storable;
  /** When it expires, ms since the Unix epoch. */
  readonly expiresAt?: number | undefined;
  /** Its tags. */
  readonly tags?: readonly string[] | undefined;
  /** About as many bytes it has, for progress; counted unless given. */
  readonly bytes?: number | undefined;
}

/** Something that can't be an entry. */
export interface UnsupportedItem {
  /** As in an entry. */
  readonly position?: string | undefined;
  /** What it is called in the source, as a message shows it. */
  readonly shown: string;
  /** Why it can't be an entry. */
  readonly unsupported: string;
}

/** How bytes and texts of a source become values. */
export type ValueForm = "auto" | "text" | "json" | "bytes";

/** The forms, for checks of options. */
export const VALUE_FORMS: readonly ValueForm[] = ["auto", "text", "json", "bytes"];

/** A value or key can't be kept; the message says why. */
export class Unsupported extends Error {
  /** Why, without a full stop. */
  constructor(reason: string) {
    super(reason);
    this.name = "Unsupported";
  }
}

/** What is made of the fields of an entry, or why there is none. `shown`: its key, as a message shows it. */
export function itemOf(
  position: string | undefined,
  shown: unknown,
  make: () => Omit<SourceEntry, "position">,
): SourceItem {
  try {
    return { position, ...make() };
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === undefined) throw error;
    return { position, shown: showKey(shown), unsupported: reason };
  }
}

/** Why a value or key can't be kept, where that is what an error says; undefined: it is about something else. */
export function reasonOf(error: unknown): string | undefined {
  const isReason = error instanceof Unsupported || error instanceof TypeError || error instanceof RangeError ||
    (error instanceof HoldfastError && error.code === "INVALID_VALUE");
  return isReason ? error.message : undefined;
}

/** The value that bytes stand for. */
export function valueOfBytes(bytes: Uint8Array, form: ValueForm): Storable {
  if (form === "bytes" || (form === "auto" && !isText(bytes))) return plainBytes(bytes);
  if (!isText(bytes)) {
    throw new Unsupported(
      `its value is not UTF-8, so it is no ${form === "json" ? "JSON" : "text"}; keep values as bytes`,
    );
  }
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  if (form !== "json") return text;
  let value: Storable;
  try {
    value = JSON.parse(text) as Storable;
  } catch (error) {
    throw new Unsupported(`its value is no JSON: ${(error as Error).message}`);
  }
  const rounded = roundedIn(text);
  if (rounded === undefined) return value;
  throw new Unsupported(`its value has the number ${rounded}, which JavaScript would round; keep values as text`);
}

/** What `JSON.parse` tells of a value beside it. */
type ReadAs = (name: string, value: unknown, as: { source?: string }) => unknown;

/** The first whole number in a text of JSON that a number doesn't hold, nor is one as JavaScript itself writes it. */
export function roundedIn(text: string): string | undefined {
  // With up to 15 digits each is held, or one as JavaScript itself writes it; few texts have one as long.
  if (!/[\d.]{16}/.test(text)) return undefined;
  let rounded: string | undefined;
  const look: ReadAs = (_name, value, { source = "" }) => {
    if (typeof value !== "number" || source.length < 16) return value;
    const whole = wholeOf(source);
    if (whole === undefined) return value;
    const isHeld = Number.isFinite(value) && (BigInt(value) === whole || wholeOf(String(value)) === whole);
    if (!isHeld) rounded ??= source;
    return value;
  };
  JSON.parse(text, look as (name: string, value: unknown) => unknown);
  return rounded;
}

/** More digits than the largest number has, and few enough to be counted out. */
const WHOLE_DIGITS_MAX = 400;

/** The whole number that a number of JSON spells, also as `12.0` or `1.2e1`; undefined for a fraction. */
function wholeOf(source: string): bigint | undefined {
  const [, sign, before = "", after = "", power = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/.exec(source) ??
    [];
  const digits = `${before}${after}`.replace(/0+$/, "");
  if (digits === "" || /^0+$/.test(digits)) return 0n;
  const zeros = Number(power) - after.length + (before.length + after.length - digits.length);
  if (zeros < 0) return undefined;
  // What is as large is no number of JavaScript's, whatever its last digits are.
  return BigInt(`${sign}${digits}`) * 10n ** BigInt(Math.min(zeros, WHOLE_DIGITS_MAX));
}

/** Bytes without what Buffer adds to them. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The bytes of what `toHex` wrote. */
export function bytesOfHex(hex: string): Uint8Array {
  return plainBytes(Buffer.from(hex, "hex"));
}

/** A key as a message shows it: text in quotes, or bytes as hexadecimal, or what a source has in its place. */
export function showKey(key: unknown): string {
  if (typeof key === "string") return JSON.stringify(key.length > 80 ? `${key.slice(0, 77)}...` : key);
  if (key instanceof Uint8Array) {
    if (isText(key)) return showKey(new TextDecoder().decode(key));
    return `0x${toHex(key.subarray(0, 40))}${key.length > 40 ? "..." : ""}`;
  }
  if (Array.isArray(key)) return `[${key.map(showKey).join(", ")}]`;
  return typeof key === "bigint" ? `${key}n` : String(key);
}
