/**
 * Messages as rows of the database: what waits to be delivered survives whatever the program does not.
 *
 * ```
 * key   := f0 | due u64, ms since the Unix epoch | sequence u64 | opening 8 bytes        all above any user's key
 * value := { message, backoff: ms[], keys: bytes[] }                                     as `values.ts` keeps values
 * ```
 *
 * So rows lie in the order in which they are due, and those due at the same time in the order in which they were sent:
 * sequences go on by one from the µs at opening. `opening` is drawn anew at each opening, and keeps two of them apart.
 *
 * @module
 */
import { encodeEntryKey } from "./keys.ts";
import type { KvEnqueueOptions } from "./types.ts";

/** What a row holds. */
export interface MessageRow {
  /** What is delivered. */
  message: unknown;
  /** ms before each further attempt. */
  backoff: number[];
  /** The keys, in bytes, that get it when no attempt succeeds. */
  keys: Uint8Array[];
}

const SPACE = 0xf0;
const KEY_BYTES = 1 + 8 + 8 + 8;
const DELAY_MAX = 30 * 24 * 60 * 60 * 1000;
const INTERVALS_MAX = 5;
const INTERVAL_MAX = 60 * 60 * 1000;
/** Deno KV's, when nothing is said. */
const BACKOFF = [100, 1000, 5000, 30_000, 60_000];

/** All messages. */
export const MESSAGES: { start: Uint8Array; end: Uint8Array } = {
  start: Uint8Array.of(SPACE),
  end: Uint8Array.of(SPACE + 1),
};

/** The key of a message's row. */
export function messageKey(due: number, sequence: number, opening: Uint8Array): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  const view = new DataView(key.buffer);
  key[0] = SPACE;
  view.setBigUint64(1, BigInt(due));
  view.setBigUint64(9, BigInt(sequence));
  key.set(opening, 17);
  return key;
}

/** When a row is due. */
export function dueOf(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1));
}

/** The key of the same message at another time. */
export function rescheduled(key: Uint8Array, due: number): Uint8Array {
  const later = key.slice();
  new DataView(later.buffer).setBigUint64(1, BigInt(due));
  return later;
}

/** The times of a message, checked: ms until it is due, and before each further attempt. */
export function messageOptions(options: KvEnqueueOptions | null | undefined): { delay: number; backoff: number[] } {
  const delay: unknown = options?.delay ?? 0;
  if (typeof delay !== "number") throw new TypeError(`Delay must be a number, not ${typeof delay}`);
  if (Number.isNaN(delay)) throw new TypeError("Delay cannot be NaN");
  if (delay < 0) throw new TypeError(`Delay must be >= 0: received ${delay}`);
  if (delay > DELAY_MAX) throw new TypeError(`Delay cannot be greater than 30 days: received ${delay}`);
  return { delay: Math.trunc(delay), backoff: backoffOf(options?.backoffSchedule) };
}

function backoffOf(schedule: unknown): number[] {
  if (schedule === undefined || schedule === null) return BACKOFF;
  if (!Array.isArray(schedule)) throw new TypeError("Invalid backoffSchedule, an array of ms is expected");
  if (schedule.length > INTERVALS_MAX) {
    throw new TypeError(`Invalid backoffSchedule, max ${INTERVALS_MAX} intervals allowed`);
  }
  return schedule.map((interval: unknown, index) => {
    if (typeof interval !== "number" || !(interval >= 0 && interval <= INTERVAL_MAX)) {
      throw new TypeError(`Invalid backoffSchedule, interval at index ${index} is invalid`);
    }
    return Math.trunc(interval);
  });
}

/** The keys that a message goes to when it can't be delivered, in bytes. */
export function undeliveredKeys(options: KvEnqueueOptions | null | undefined): Uint8Array[] {
  const keys: unknown = options?.keysIfUndelivered ?? [];
  if (!Array.isArray(keys)) throw new TypeError("keysIfUndelivered must be an array of keys");
  return keys.map((key) => encodeEntryKey(key));
}
