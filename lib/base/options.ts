/**
 * Checks of what callers pass in, so that every call refuses the same mistakes in the same words: an unknown option or a
 * value of the wrong type is a `TypeError`, a number out of range a `RangeError`. An option that is `undefined` counts as
 * left out.
 *
 * Messages: `DB.open: option "durability" must be one of "commit", "interval", "buffered", not "sync"`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** Options once their names are known to be right; the values are still unchecked. */
export type CheckedOptions = Record<string, unknown>;

/** The least and the greatest value of a number, both allowed. */
export interface NumberRange {
  /** The least value. */
  min: number;
  /** The greatest value. */
  max: number;
  /** Whether fractions are refused; true unless stated. */
  integer?: boolean;
}

/** A value as a message shows it: short, on one line, with strings in quotes. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol") return "a symbol";
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : "a Date";
  if (typeof value === "object" && value !== null) {
    const name = Object.getPrototypeOf(value)?.constructor?.name;
    if (typeof name !== "string" || name === "" || name === "Object") return "an object";
    return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
  }
  return String(value);
}

/**
 * Whether what `value` holds lies in its properties. A `Date`, a `Map`, a promise or a signal that stands where a record
 * should has none, and would pass for an empty one: all that it was meant to say would be ignored.
 */
export function isRecord(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const kind = Object.getPrototypeOf(value);
  if (kind === Object.prototype || kind === null) return true;
  return kind.constructor?.name === "Object" || Object.keys(value).length > 0; // of another realm; of a class with fields
}

/**
 * The options of `call` with their names checked: a copy that holds the known ones only, so that a getter is read once.
 * Throws `TypeError` for what is not an object and for an unknown name, with the nearest known one. `what` they are, if not
 * options.
 */
export function checkOptions(
  call: string,
  options: unknown,
  known: readonly string[],
  what = "options",
): CheckedOptions {
  const checked: CheckedOptions = {};
  if (options === undefined) return checked;
  if (!isRecord(options) && !hasSome(options, known)) {
    throw new TypeError(`${call}: ${what} must be an object, not ${describeValue(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new TypeError(`${call}: unknown option "${name}"${remedyFor(name, known)}`);
  }
  for (const name of known) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) checked[name] = value;
  }
  return checked;
}

/** More are no help in one line. */
const LISTED_MAX = 8;

/** The name that was likely meant, or all there are where they are few. */
function remedyFor(name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  if (near !== undefined) return `; did you mean "${near}"?`;
  if (known.length === 0 || known.length > LISTED_MAX) return "";
  return `; there ${known.length === 1 ? "is" : "are"} ${known.map((each) => `"${each}"`).join(", ")}`;
}

/** Whether an object has one of the names, be it by its class: as a getter, say. */
function hasSome(value: unknown, names: readonly string[]): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return names.some((name) => name in value);
}

function wrong(call: string, name: string, expected: string, value: unknown): string {
  return `${call}: option "${name}" must be ${expected}, not ${describeValue(value)}`;
}

/** `true` or `false`. */
export function booleanOption<F extends boolean | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
): boolean | F {
  const value = options[name];
  if (value === undefined) return fallback;
  if (typeof value !== "boolean") throw new TypeError(wrong(call, name, "true or false", value));
  return value;
}

/** A number within `range`; `RangeError` when outside of it. */
export function numberOption<F extends number | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
  range: NumberRange,
): number | F {
  const value = options[name];
  if (value === undefined) return fallback;
  if (typeof value !== "number") throw new TypeError(wrong(call, name, "a number", value));
  const integer = range.integer ?? true;
  // Stated positively so that NaN, which compares false with everything, is refused.
  if (!(value >= range.min && value <= range.max) || (integer && !Number.isInteger(value))) {
    const above = range.min === Number.MIN_VALUE; // nobody means 5e-324
    const least = above ? "above 0" : range.max === Infinity ? `of at least ${range.min}` : `from ${range.min}`;
    const bounds = range.max === Infinity ? least : `${least}${above ? ", up" : ""} to ${range.max}`;
    throw new RangeError(wrong(call, name, `${integer ? "a whole number" : "a number"} ${bounds}`, value));
  }
  return value;
}

/** One of a list of strings. */
export function choiceOption<C extends string, F extends C | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
  choices: readonly C[],
): C | F {
  const value = options[name];
  if (value === undefined) return fallback;
  if (!(choices as readonly unknown[]).includes(value)) {
    const list = choices.map((choice) => `"${choice}"`).join(", ");
    throw new TypeError(wrong(call, name, choices.length === 1 ? list : `one of ${list}`, value));
  }
  return value as C;
}

/** A string that is not empty. */
export function stringOption<F extends string | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
): string | F {
  const value = options[name];
  if (value === undefined) return fallback;
  if (typeof value !== "string") throw new TypeError(wrong(call, name, "a string", value));
  if (value === "") throw new TypeError(wrong(call, name, "a string that is not empty", value));
  return value;
}

/** A function; its parameters can't be checked, so the caller names its type. */
export function functionOption<T extends (...args: never[]) => unknown>(
  call: string,
  options: CheckedOptions,
  name: string,
): T | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (typeof value !== "function") throw new TypeError(wrong(call, name, "a function", value));
  return value as T;
}

/** An `AbortSignal`, also one of another realm. */
export function signalOption(call: string, options: CheckedOptions, name = "signal"): AbortSignal | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal !== "object" || signal === null || typeof signal.aborted !== "boolean" ||
    typeof signal.addEventListener !== "function"
  ) {
    throw new TypeError(wrong(call, name, "an AbortSignal", value));
  }
  return signal as AbortSignal;
}

/** A time as `Date` or milliseconds since the Unix epoch, given back in milliseconds. */
export function timeOption<F extends number | undefined>(
  call: string,
  options: CheckedOptions,
  name: string,
  fallback: F,
): number | F {
  const value = options[name];
  if (value === undefined) return fallback;
  const time = value instanceof Date ? value.getTime() : value;
  if (typeof time !== "number") {
    throw new TypeError(wrong(call, name, "a Date or milliseconds since the Unix epoch", value));
  }
  if (!(Math.abs(time) <= TIME_MAX)) throw new RangeError(wrong(call, name, "a time that a Date can hold", value));
  return time;
}

/** A `Date` reaches 100,000,000 days to either side of the epoch. */
const TIME_MAX = 8.64e15;

/**
 * A clock, `Date.now` when left out, that gives whole ms. `RangeError` whenever it is asked and gives a time that is none, or of
 * which no later one can be stored or written with a year of four digits.
 */
export function clockOption(call: string, options: CheckedOptions, name = "clock"): () => number {
  const clock = functionOption<() => number>(call, options, name) ?? Date.now;
  return () => {
    const time = Math.floor(clock());
    // Stated positively, as above.
    if (time >= 0 && time <= CLOCK_MAX) return time;
    throw new RangeError(
      `${call}: option "${name}" must give ms since the Unix epoch, from 1970 to the year 9999, not ${
        describeValue(time)
      }`,
    );
  };
}

/** The last ms of the year 9999. */
const CLOCK_MAX = 253_402_300_799_999;

/** What a URL begins with: two letters or more, since one is a drive. */
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]+):\/\//;

/** The scheme of a text that is a URL, such as `"s3"`; undefined for a path. */
export function schemeOf(text: unknown): string | undefined {
  return typeof text === "string" ? SCHEME.exec(text)?.[1]?.toLowerCase() : undefined;
}

/**
 * The file path that `path` names: a string as it is, or a `file:` URL, also as a string. Throws `TypeError` for anything else;
 * a directory named `https:` is nobody's wish.
 */
export function pathOf(call: string, path: string | URL): string {
  if (path instanceof URL) {
    if (path.protocol !== "file:") {
      throw new TypeError(`${call}: path must be a string or a file: URL, not a ${path.protocol} URL`);
    }
    return fileURLToPath(path);
  }
  if (typeof path !== "string") {
    throw new TypeError(`${call}: path must be a string or a file: URL, not ${describeValue(path)}`);
  }
  if (path === "") throw new TypeError(`${call}: path must not be empty; "." is the current directory`);
  if (path.includes("\0")) throw new TypeError(`${call}: path must not contain a zero character`);
  const scheme = schemeOf(path);
  if (scheme === undefined) return path;
  if (scheme !== "file") throw new TypeError(`${call}: ${scheme}:// is not a path; give a path or a file: URL`);
  return fileURLToPath(path);
}

/** The known name that `name` most likely meant, or undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
  // A third of the letters wrong is still a slip; more is another word, and so is one with all of them wrong.
  let best = Math.min(Math.max(2, Math.floor(name.length / 3)) + 1, name.length);
  let nearest: string | undefined;
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase());
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

/** How many letters must be added, dropped, replaced or swapped with their neighbour to get from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let above: number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(above[j]! + 1, row[j - 1]! + 1, above[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
}
