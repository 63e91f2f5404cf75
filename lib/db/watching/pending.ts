/**
 * The changes that wait for a watcher.
 *
 * (1) Of each key only the newest change waits, as a key and a version: a consumer that stays away costs keys, not values.
 * (2) Changes wait in the order of their versions.
 * (3) Too many of them, or a restore, give way to one reset.
 *
 * @module
 */
import { compareBytes, copyBytes } from "../../base/bytes.ts";
import type { CommitEvent } from "../../engine/types.ts";
import { visitChanges } from "./change.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Bounds } from "../data/ranges.ts";

/** More keys than this waiting become a reset: reading everything again is then as cheap as going through them. */
export const PENDING_KEYS_MAX = 10_000;

/** A change that waits. */
export type PendingChange =
  | { type: "set" | "delete"; key: Uint8Array; version: number }
  | { type: "deleteRange"; start: Uint8Array; end: Uint8Array; version: number };

/** What a watcher wants to hear of: a range, or certain keys. */
export interface Wanted {
  /** The key space. */
  definition: Definition;
  /** The users' keys wanted; undefined: all in the bounds. */
  keys: Uint8Array[] | undefined;
  /** The bounds, for the prefix that the key space has now. */
  bounds: (prefix: Uint8Array) => Bounds;
}

/** Gathers what is wanted. */
export class PendingChanges {
  readonly #context: Context;
  readonly #wanted: Wanted;
  readonly #names: Set<string> | undefined;
  readonly #changes: Map<string, PendingChange> = new Map();
  #ranges = 0;
  /** The version of a reset that waits. */
  reset: number | undefined;

  /** Nothing waits yet. */
  constructor(context: Context, wanted: Wanted) {
    this.#context = context;
    this.#wanted = wanted;
    this.#names = wanted.keys && new Set(wanted.keys.map(nameOf));
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.reset === undefined && this.#changes.size === 0;
  }

  /** Takes in a commit. */
  add(event: CommitEvent | { reset: true; version: number }): void {
    if ("reset" in event) return this.#resetAt(event.version);
    const { definition } = this.#wanted;
    const { version } = event;
    visitChanges(this.#context, version, event.ops, {
      set: (whose, key) => whose === definition && this.#note("set", key, version),
      delete: (whose, key) => whose === definition && this.#note("delete", key, version),
      deleteRange: (whose, start, end) => whose === definition && this.#noteRange(start, end, version),
      reset: () => this.#resetAt(version),
    });
    if (this.#changes.size > PENDING_KEYS_MAX) this.#resetAt(version);
  }

  /** The oldest change, taken out. */
  take(): PendingChange | undefined {
    for (const [name, change] of this.#changes) {
      this.#changes.delete(name);
      return change;
    }
    return undefined;
  }

  /** Forgets what waits. */
  clear(): void {
    this.#changes.clear();
    this.reset = undefined;
  }

  #resetAt(version: number): void {
    this.#changes.clear();
    this.reset = version;
  }

  #note(type: "set" | "delete", key: Uint8Array, version: number): void {
    const { prefix } = this.#wanted.definition;
    const { start, end } = this.#wanted.bounds(prefix);
    if (compareBytes(key, start) < 0 || compareBytes(key, end) >= 0) return;
    const name = nameOf(key.subarray(prefix.length));
    if (this.#names !== undefined && !this.#names.has(name)) return;
    if (this.reset !== undefined) return void (this.reset = version);
    this.#changes.delete(name); // so that it moves to the end, where its version belongs
    this.#changes.set(name, { type, key: copyBytes(key), version });
  }

  #noteRange(start: Uint8Array, end: Uint8Array, version: number): void {
    const { prefix } = this.#wanted.definition;
    if (this.#wanted.keys !== undefined) {
      for (const one of this.#wanted.keys) {
        const key = new Uint8Array(prefix.length + one.length);
        key.set(prefix);
        key.set(one, prefix.length);
        if (compareBytes(key, start) >= 0 && compareBytes(key, end) < 0) this.#note("delete", key, version);
      }
      return;
    }
    const bounds = this.#wanted.bounds(prefix);
    const from = compareBytes(start, bounds.start) > 0 ? start : bounds.start;
    const to = compareBytes(end, bounds.end) < 0 ? end : bounds.end;
    if (compareBytes(from, to) >= 0) return;
    if (this.reset !== undefined) return void (this.reset = version);
    for (const [name, change] of this.#changes) {
      const inside = change.type === "deleteRange"
        ? compareBytes(change.start, from) >= 0 && compareBytes(change.end, to) <= 0
        : compareBytes(change.key, from) >= 0 && compareBytes(change.key, to) < 0;
      if (inside) this.#changes.delete(name);
    }
    const range: PendingChange = { type: "deleteRange", start: copyBytes(from), end: copyBytes(to), version };
    this.#changes.set(`range ${this.#ranges++}`, range);
  }
}

/** Bytes as a string that no name of a range equals: each byte one character, behind a mark. */
function nameOf(bytes: Uint8Array): string {
  let name = "=";
  for (let i = 0; i < bytes.length; i++) name += String.fromCharCode(bytes[i]!);
  return name;
}
