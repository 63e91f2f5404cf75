/**
 * What the structured clone algorithm keeps and JSON doesn't, as text: the text of the package `devalue`, which is JSON
 * with the values in a list that refer to each other by number. Reading it makes values of known kinds only and runs
 * nothing.
 *
 * What may be kept is decided here and not by the runtime's `structuredClone`: V8 and JavaScriptCore keep different things
 * of errors and boxed numbers, and a file must read the same everywhere.
 *
 * (1) An object is kept as its own enumerable properties, of whatever class it is.
 * (2) What is something of the platform without such properties (a Promise, a Blob, a URL) is refused, as are functions,
 *     symbols, proxies and shared memory: nothing is lost without a word.
 * (3) Of an array of numbers or a DataView, the bytes that it shows are kept; its buffer may have been longer.
 * (4) What lies in each other is limited as in JSON: writing and reading call themselves for each level, and a runtime with
 *     a larger stack must not write what another one can't read.
 *
 * @module
 */
import { types } from "node:util";
import type * as Devalue from "devalue";
import { describeValue } from "../../base/options.ts";
import { HoldfastError } from "../../base/errors.ts";
import { DEPTH_MAX } from "../../db/data/json.ts";

/** Values as text, and back. */
export interface StructuredCodec {
  /** The text of a value; `TypeError` for one that can't be kept. */
  encode(value: unknown): string;
  /** The value of such a text. */
  decode(text: string): unknown;
}

/** The errors whose class is kept, as the structured clone algorithm has it. */
const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/** How the message begins of what can't be read; whoever knows the key may say it instead. */
export const UNREADABLE = "Cannot read a value";

/** An error's properties, as far as they are kept. */
interface ErrorParts {
  name: string;
  message?: string;
  stack?: string;
  cause?: unknown;
}

/** An array with properties of its own, as the result of `RegExp.exec` is one. */
interface ArrayParts {
  items: unknown[];
  more: Record<string, unknown>;
}

/** What the list of an array that is mostly holes begins with: `[-7, length, index, value, ...]`. */
const SPARSE = -7;

/** Loads the package; it is needed before the first value is read or written. `purpose`: what for, in messages. */
export async function loadStructuredCodec(purpose: string): Promise<StructuredCodec> {
  let devalue: typeof Devalue;
  try {
    devalue = await import("devalue");
  } catch (cause) {
    throw new HoldfastError(
      "NOT_INSTALLED",
      `Cannot ${purpose}: the package "devalue" could not be loaded; install it beside Holdfast (NOT_INSTALLED)`,
      { cause },
    );
  }
  return codecWith(devalue);
}

function codecWith({ stringify, parse, DevalueError }: typeof Devalue): StructuredCodec {
  return {
    encode(value) {
      try {
        const text = stringify(value, { Error: errorParts, Array: arrayParts }, { operations });
        checkLevels(text);
        return text;
      } catch (error) {
        // Of a stack that ended all runtimes say so.
        if (error instanceof RangeError && error.message.includes("call stack")) throw tooDeep();
        if (!(error instanceof DevalueError)) throw error;
        throw new TypeError(`${describeValue(value)} could not be cloned: ${error.message} at value${error.path}`);
      }
    },
    decode(text) {
      // A cycle asks for an error or array before its parts are complete, and must get the same one as everybody else.
      const made = new Map<object, object>();
      const once = <T extends object>(parts: object, make: () => T): T => {
        const known = made.get(parts) ?? make();
        made.set(parts, known);
        return known as T;
      };
      try {
        return parse(text, {
          Error: (parts: ErrorParts) => fillError(once(parts, () => makeError(parts)), parts),
          Array: (parts: ArrayParts) => fillArray(once(parts, (): unknown[] => []), parts),
        });
      } catch (cause) {
        throw new HoldfastError(
          "CORRUPTION",
          `${UNREADABLE}: it is not what Holdfast writes, though its checksum holds; the database was written to by ` +
            "other means (CORRUPTION)",
          { cause },
        );
      }
    },
  };
}

function refuse(value: unknown): never {
  throw new TypeError(`${describeValue(value)} could not be cloned.`);
}

function tooDeep(): RangeError {
  return new RangeError("the value has more than 1,000 values within each other");
}

/** A level takes at least so many characters of a text: those of `[1],`. */
const LEVEL_CHARS = 4;

/**
 * Refuses what lies too deep (4). A text is a list in the order in which values were met, so a value lies in the last one
 * before it that names its place. An error takes two levels, an array with properties three.
 */
function checkLevels(text: string): void {
  if (text.length < LEVEL_CHARS * DEPTH_MAX) return;
  const values = JSON.parse(text) as unknown[];
  const levels = new Uint16Array(values.length);
  levels[0] = 1;
  for (let place = 0; place < values.length; place++) {
    const value = values[place];
    if (typeof value !== "object" || value === null) continue;
    const level = levels[place]!;
    const noteAt = (named: unknown): void => {
      if (typeof named !== "number" || named <= place) return;
      if (level > DEPTH_MAX) throw tooDeep();
      levels[named] = level + 1;
    };
    if (!Array.isArray(value)) {
      for (const name in value) noteAt((value as Record<string, unknown>)[name]);
    } else {
      // Of one that is mostly holes every second number is an index.
      const isSparse = value[0] === SPARSE;
      for (let i = isSparse ? 3 : 0; i < value.length; i += isSparse ? 2 : 1) noteAt(value[i]);
    }
  }
}

const operations: Partial<Devalue.StringifyOperations> = {
  tagOf,
  isThenable: () => false,
  shapeOf: (value: unknown) => ({ kind: "plain", keys: Object.keys(value as object) }),
  typeOf(value: unknown) {
    if (typeof value === "function" || typeof value === "symbol") refuse(value);
    return value === null ? "null" : typeof value;
  },
  viewInfo(given: unknown) {
    const view = given as ArrayBufferView;
    const { byteOffset, byteLength } = view;
    const isAll = byteLength === view.buffer.byteLength;
    const buffer = isAll ? view.buffer : view.buffer.slice(byteOffset, byteOffset + byteLength);
    const length = (view as Uint8Array).length ?? byteLength;
    return { buffer, byteOffset: 0, byteLength, length, bufferByteLength: byteLength };
  },
};

/** What kind of object it is, by what it is and not by what it says. */
function tagOf(value: unknown): string {
  const object = value as object;
  if (types.isProxy(object)) refuse(object);
  if (Array.isArray(object)) return "Array";
  if (types.isDate(object)) return "Date";
  if (types.isMap(object)) return "Map";
  if (types.isSet(object)) return "Set";
  if (types.isRegExp(object)) return "RegExp";
  if (types.isArrayBuffer(object)) return "ArrayBuffer";
  if (types.isDataView(object)) return "DataView";
  if (types.isTypedArray(object)) return object[Symbol.toStringTag];
  if (types.isSymbolObject(object)) refuse(object);
  if (types.isBoxedPrimitive(object)) return "Number";
  // Of the platform (2): all such classes name themselves. In Bun the reason of an aborted signal has properties, too.
  if (object instanceof DOMException) refuse(object);
  if (Symbol.toStringTag in object && Object.keys(object).length === 0) refuse(object);
  return "Object";
}

function errorParts(value: unknown): ErrorParts | undefined {
  if (typeof value !== "object" || value === null || !types.isNativeError(value)) return undefined;
  // An error to two of the runtimes, whose name and message lie where nothing would be kept of them.
  if (value instanceof DOMException) refuse(value);
  const error = value as Error;
  const parts: ErrorParts = { name: Object.hasOwn(ERRORS, String(error.name)) ? error.name : "Error" };
  if (Object.hasOwn(error, "message")) parts.message = String(error.message);
  if (typeof error.stack === "string") parts.stack = error.stack;
  if (Object.hasOwn(error, "cause")) parts.cause = error.cause;
  return parts;
}

function makeError(parts: ErrorParts): Error {
  const { name } = parts;
  const Kind = Object.hasOwn(ERRORS, name) ? ERRORS[name as keyof typeof ERRORS] : Error;
  const error = new Kind();
  delete error.stack;
  return error;
}

function fillError(error: Error, parts: ErrorParts): Error {
  for (const name of ["message", "stack", "cause"] as const) {
    if (!Object.hasOwn(parts, name)) continue;
    Object.defineProperty(error, name, { value: parts[name], writable: true, configurable: true, enumerable: false });
  }
  return error;
}

function arrayParts(value: unknown): ArrayParts | undefined {
  if (!Array.isArray(value) || types.isProxy(value)) return undefined;
  const keys = Object.keys(value);
  // Indices come first.
  if (keys.length === 0 || isIndex(keys.at(-1)!)) return undefined;
  const parts: ArrayParts = { items: [], more: {} };
  parts.items.length = value.length;
  for (const key of keys) {
    const item: unknown = value[key as unknown as number];
    if (isIndex(key)) parts.items[Number(key)] = item;
    else Object.defineProperty(parts.more, key, { value: item, enumerable: true });
  }
  return parts;
}

function isIndex(key: string): boolean {
  const number = Number(key);
  return number < 2 ** 32 - 1 && String(number >>> 0) === key;
}

function fillArray(array: unknown[], parts: ArrayParts): unknown[] {
  if (parts.items === undefined) return array;
  array.length = parts.items.length;
  return Object.assign(array, parts.items, parts.more);
}
