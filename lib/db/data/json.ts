/**
 * Which values JSON can hold without loss, and the path to what it can't.
 *
 * @module
 */
import { hasLoneSurrogate, nameOf } from "./keys.ts";

/** Arrays and objects within each other: far more than data has, and less than any runtime's stack and JSON can do. */
export const DEPTH_MAX = 1000;

type Path = (string | number)[];

/** Names that can follow a dot; all others are written in brackets. */
const PLAIN_NAME = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** `value.a[3]["b c"]`. */
function written(path: Path): string {
  let out = "value";
  for (const step of path) {
    if (typeof step === "number") out += `[${step}]`;
    else out += PLAIN_NAME.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  }
  return out;
}

function refuse(call: string, path: Path, why: string): never {
  throw new TypeError(`${call}: ${written(path)} is ${why}`);
}

function checkDepth(call: string, depth: number): void {
  if (depth <= DEPTH_MAX) return;
  throw new RangeError(`${call}: the value has more than 1,000 arrays and objects within each other`);
}

/** Refuses what JSON would drop or bend; returns whether `value` is done with (not an object to look into). */
function checkLeaf(call: string, value: unknown, path: Path): boolean {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) refuse(call, path, `${value}, which JSON cannot hold`);
      return true;
    case "string":
      if (hasLoneSurrogate(value)) refuse(call, path, "a string with a lone surrogate, which is not text");
      return true;
    case "bigint":
      return refuse(call, path, "a bigint, which JSON cannot hold; store it as a string");
    case "function":
    case "symbol":
      return refuse(call, path, `a ${typeof value}, which JSON cannot hold`);
    case "object":
      break;
    default:
      return true;
  }
  if (value === null) return true;
  if (value instanceof Map || value instanceof Set) {
    refuse(call, path, `${nameOf(value)}, which JSON would empty; convert it to an array or object`);
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || isShared(value)) {
    refuse(call, path, `bytes (${nameOf(value)}) inside JSON; store them as a value of their own or as a string`);
  }
  return false;
}

/** Whether it is memory that threads share; some contexts have none. */
export function isShared(value: unknown): boolean {
  return typeof SharedArrayBuffer !== "undefined" && value instanceof SharedArrayBuffer;
}

function isBoxed(value: object): boolean {
  return value instanceof Number || value instanceof String || value instanceof Boolean || value instanceof BigInt;
}

/**
 * Refuses what keeps its contents where JSON doesn't look, as a promise does that should have been awaited, a RegExp or a
 * Blob: they have a tag of their own and no properties, or are there to be iterated over, as what `list` gives. An error
 * has some at times, and never its message among them.
 */
function checkObject(call: string, value: object, names: readonly string[], path: Path): void {
  if (value instanceof Error) {
    refuse(call, path, `${nameOf(value)}, whose message JSON would drop; convert it to an object`);
  }
  if (names.length > 0 || Array.isArray(value)) return;
  if (Symbol.asyncIterator in value) {
    refuse(call, path, "an asynchronous iterable, which JSON would empty; gather what it gives, as by Array.fromAsync");
  }
  const isPlain = Object.prototype.toString.call(value) === "[object Object]";
  if (isPlain && !(Symbol.iterator in value)) return;
  const advice = value instanceof Promise ? "await it" : "convert it to an array or object";
  refuse(call, path, `${nameOf(value)}, which JSON would empty; ${advice}`);
}

/**
 * Refuses a value that JSON can't hold. Returns true when `JSON.stringify` will see just what was checked here, false
 * when it would call `toJSON` or unbox, so that the result has to be checked as it is made (see `jsonText`).
 */
export function checkJson(call: string, value: unknown): boolean {
  const path: Path = [];
  const open = new Set<object>();
  const walk = (item: unknown): boolean => {
    if (typeof item !== "object" || item === null) return checkLeaf(call, item, path);
    // What says itself how it reads as JSON is checked by jsonText, which sees what it says.
    if (typeof (item as { toJSON?: unknown }).toJSON === "function") return false;
    checkLeaf(call, item, path);
    const object: object = item;
    if (isBoxed(object)) return false;
    if (open.has(object)) refuse(call, path, "a cycle, which JSON cannot hold");
    open.add(object);
    checkDepth(call, open.size);
    if (Array.isArray(object)) {
      for (let i = 0; i < object.length; i++) {
        path.push(i);
        if (!walk(object[i])) return false;
        path.pop();
      }
    } else {
      const names = Object.keys(object);
      checkObject(call, object, names, path);
      for (const key of names) {
        path.push(key);
        if (hasLoneSurrogate(key)) refuse(call, path, "named with a lone surrogate, which is not text");
        if (!walk((object as Record<string, unknown>)[key])) return false;
        path.pop();
      }
    }
    open.delete(object);
    return true;
  };
  return walk(value);
}

/** The JSON of a value, checked as `JSON.stringify` makes it: after `toJSON`, before it drops anything. */
export function jsonText(call: string, value: unknown): string {
  const path: Path = [];
  const holders: object[] = [];
  const text = JSON.stringify(value, function (this: unknown, key: string, item: unknown): unknown {
    const holder = this as Record<string, unknown>;
    while (holders.length > 0 && holders.at(-1) !== holder) holders.pop();
    if (holders.length === 0) {
      holders.push(holder); // the wrapper object around the root; adds no step to the path
    } else {
      path[holders.length - 2] = Array.isArray(holder) ? Number(key) : key;
      path.length = holders.length - 1;
      if (hasLoneSurrogate(key)) refuse(call, path, "named with a lone surrogate, which is not text");
    }
    const original = holder[key];
    // A Buffer, or a BigInt whose prototype was patched, has become something else by now.
    if (original !== item) checkLeaf(call, original, path);
    const plain = item instanceof Number || item instanceof String || item instanceof BigInt ? item.valueOf() : item;
    if (checkLeaf(call, plain, path)) return plain;
    if (holders.includes(plain as object)) refuse(call, path, "a cycle, which JSON cannot hold");
    if (!isBoxed(plain as object)) checkObject(call, plain as object, Object.keys(plain as object), path);
    holders.push(plain as object);
    checkDepth(call, holders.length - 1);
    return plain;
  });
  if (text === undefined) throw new TypeError(`${call}: toJSON gave undefined, which is no value; use null`);
  return text;
}
