/**
 * When an entry of Keyv vanishes: the third argument of `set`, which is another thing in each major.
 *
 * Keyv takes a number that is not finite for "never", and so do both.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import type { EntryOptions } from "../../db/writing/write_options.ts";

/** What to keep beside a value; nothing when it does not expire. */
type Expiry = Pick<EntryOptions, "expireIn" | "expiresAt">;

/**
 * A time of expiry lies after this one, in September 2001, and a `ttl` below it: as such it is more than 31 years. What is
 * taken for the other would be gone at once, without a word.
 */
const FIRST_TIME = 1e12;

/** The last time that a `Date` can hold. */
const LAST_TIME = 8.64e15;

/** What is gone at once is written nevertheless: it must not leave an older value in its place. */
const GONE: Expiry = { expiresAt: 0 };

/** For a time, ms since the Unix epoch. */
export function expiryAt(call: string, expires: unknown): Expiry {
  const time = numberOf(call, "expires", expires);
  if (time === undefined) return {};
  if (time <= 0) return GONE;
  if (time < FIRST_TIME) {
    throw new RangeError(
      `${call}: expires must be a time, ms since the Unix epoch, not ${time}; for Keyv 5, which gives ms from now, there ` +
        "is Keyv5Holdfast",
    );
  }
  return { expiresAt: Math.min(time, LAST_TIME) };
}

/** For ms from now. */
export function expiryIn(call: string, ttl: unknown): Expiry {
  const ms = numberOf(call, "ttl", ttl);
  if (ms === undefined) return {};
  return ms > 0 ? { expireIn: Math.min(ms, LAST_TIME) } : GONE;
}

function numberOf(call: string, name: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") throw new TypeError(`${call}: ${name} must be a number, not ${describeValue(value)}`);
  return Number.isFinite(value) ? value : undefined;
}
