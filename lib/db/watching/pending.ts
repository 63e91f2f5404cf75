/**
 * The changes that wait for a watcher.
 *
 * (1) Of each key only the newest change waits, as a key and a version: a consumer that stays away costs keys, not values.
 * (2) Changes wait in the order of their versions.
 * (3) Too many of them, or a restore, give way to one reset.
 *
 * @module
 */
import { compareBytes, concatBytes, copyBytes } from "../../base/bytes.ts";
import type { Definition } from "../catalog/definition.ts";
import { wholeSpace } from "../data/ranges.ts";

/** More keys than this waiting become a reset: reading everything again is then as cheap as going through them. */
export const PENDING_KEYS_MAX = 10_000;

/** A change that waits. */
export type PendingChange =
  | { type: "set" | "delete"; key: Uint8Array; version: number }
  | { type: "deleteRange"; start: Uint8Array; end: Uint8Array; version: number };

/** What a watcher wants to hear of: keys that begin alike, or certain keys. */
export interface Wanted {
  /** The key space. */
  definition: Definition;
  /** The users' keys wanted; undefined: all that begin with `prefix`. */
  keys: Uint8Array[] | undefined;
  /**
   * What the users' keys begin with, be it nothing. As bytes: a restore may bring the namespace another encoding, in which
   * that is no key.
   */
  prefix: Uint8Array;
}

/** Gathers what is wanted. */
export class PendingChanges {
  /** What is. */
  readonly wanted: Wanted;
  readonly #onChange: () => void;
  readonly #changes: Map<string, PendingChange> = new Map();
  #ranges = 0;
  /** Changes up to this version are known. */
  from = 0;
  /** The version of a reset that waits. */
  reset: number | undefined;

  /** Nothing waits yet. `onChange`: called when something does. */
  constructor(wanted: Wanted, onChange: () => void) {
    this.wanted = wanted;
    this.#onChange = onChange;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.reset === undefined && this.#changes.size === 0;
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

  /** What waited is part of what has to be read again. */
  resetAt(version: number): void {
    if (version <= this.from) return;
    this.#changes.clear();
    this.reset = version;
    this.#onChange();
  }

  /** Takes in the change of a key that is wanted; `name`: that of the user's key. */
  note(type: "set" | "delete", name: string, key: Uint8Array, version: number): void {
    if (version <= this.from) return;
    if (this.reset !== undefined) return this.resetAt(version);
    this.#changes.delete(name); // so that it moves to the end, where its version belongs
    this.#changes.set(name, { type, key: copyBytes(key), version });
    this.#changed(version);
  }

  /** Takes in that a range was deleted, as far as it is wanted. */
  noteRange(start: Uint8Array, end: Uint8Array, version: number): void {
    if (version <= this.from) return;
    const { definition, keys, prefix } = this.wanted;
    if (keys !== undefined) {
      for (const one of keys) {
        const key = concatBytes(definition.prefix, one);
        if (compareBytes(key, start) >= 0 && compareBytes(key, end) < 0) this.note("delete", nameOf(one), key, version);
      }
      return;
    }
    const bounds = wholeSpace(concatBytes(definition.prefix, prefix));
    const from = compareBytes(start, bounds.start) > 0 ? start : bounds.start;
    const to = compareBytes(end, bounds.end) < 0 ? end : bounds.end;
    if (compareBytes(from, to) >= 0) return;
    if (this.reset !== undefined) return this.resetAt(version);
    for (const [name, change] of this.#changes) {
      const inside = change.type === "deleteRange"
        ? compareBytes(change.start, from) >= 0 && compareBytes(change.end, to) <= 0
        : compareBytes(change.key, from) >= 0 && compareBytes(change.key, to) < 0;
      if (inside) this.#changes.delete(name);
    }
    const range: PendingChange = { type: "deleteRange", start: copyBytes(from), end: copyBytes(to), version };
    this.#changes.set(`range ${this.#ranges++}`, range);
    this.#changed(version);
  }

  #changed(version: number): void {
    if (this.#changes.size > PENDING_KEYS_MAX) this.resetAt(version);
    else this.#onChange();
  }
}

/** Bytes as a string that no name of a range equals: each byte one character, behind a mark. */
export function nameOf(bytes: Uint8Array): string {
  let name = "=";
  for (let i = 0; i < bytes.length; i++) name += String.fromCharCode(bytes[i]!);
  return name;
}
