/**
 * The heart of the model: a plain sorted array of keys, and of each key all it ever held. Nothing is clever here, so that
 * nothing can be wrong in the same way as in the database.
 *
 * A key is a binary string, one character for each byte: such strings compare as their bytes do.
 */

/** What a key held from one version on; `item` undefined: nothing. */
export interface Held<T> {
  version: number;
  item: T | undefined;
}

/** A key and what it holds. */
export interface Found<T> {
  key: string;
  item: T;
}

/** Bytes as a binary string. */
export function nameOf(bytes: Uint8Array): string {
  let name = "";
  for (let i = 0; i < bytes.length; i++) name += String.fromCharCode(bytes[i]!);
  return name;
}

/** A binary string as bytes. */
export function bytesOf(name: string): Uint8Array {
  const bytes = new Uint8Array(name.length);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  return bytes;
}

/** The first string that does not begin with `prefix` but sorts behind all that do; undefined: there is none. */
export function behindPrefix(prefix: string): string | undefined {
  let length = prefix.length;
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length--;
  if (length === 0) return undefined;
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1);
}

/** Sorted keys with all their versions. */
export class Versioned<T> {
  /** Every key that ever held something, sorted. */
  readonly keys: string[] = [];
  readonly #held = new Map<string, Held<T>[]>();

  /** What a key holds from `version` on; undefined deletes. The last call of one version counts. */
  put(key: string, version: number, item: T | undefined): void {
    let held = this.#held.get(key);
    if (held === undefined) {
      if (item === undefined) return;
      this.#held.set(key, held = []);
      this.keys.splice(this.firstAt(key), 0, key);
    }
    const last = held[held.length - 1];
    if (last?.version === version) last.item = item;
    else held.push({ version, item });
  }

  /** Deletes `start <= key < end`; without `end` all from `start` on. */
  deleteRange(start: string, end: string | undefined, version: number): void {
    for (let i = this.firstAt(start); i < this.keys.length; i++) {
      const key = this.keys[i]!;
      if (end !== undefined && key >= end) return;
      const held = this.#held.get(key)!;
      if (held[held.length - 1]?.item !== undefined) this.put(key, version, undefined);
    }
  }

  /** What a key held at a version. */
  at(key: string, version: number): T | undefined {
    const held = this.#held.get(key);
    if (held === undefined) return undefined;
    for (let i = held.length - 1; i >= 0; i--) if (held[i]!.version <= version) return held[i]!.item;
    return undefined;
  }

  /** All that was held in a range at a version, in order. */
  list(start: string, end: string | undefined, version: number): Found<T>[] {
    const found: Found<T>[] = [];
    for (let i = this.firstAt(start); i < this.keys.length; i++) {
      const key = this.keys[i]!;
      if (end !== undefined && key >= end) break;
      const item = this.at(key, version);
      if (item !== undefined) found.push({ key, item });
    }
    return found;
  }

  /** Forgets all that came after a version. */
  truncate(version: number): void {
    for (const held of this.#held.values()) {
      while (held.length > 0 && held[held.length - 1]!.version > version) held.pop();
    }
  }

  /** Forgets what nobody can see who reads at `version` or later. */
  forget(version: number): void {
    for (let i = this.keys.length - 1; i >= 0; i--) {
      const held = this.#held.get(this.keys[i]!)!;
      let first = 0;
      while (first + 1 < held.length && held[first + 1]!.version <= version) first++;
      if (held[first]?.item === undefined && (held[first]?.version ?? 0) <= version) first++;
      held.splice(0, first);
      if (held.length === 0) {
        this.#held.delete(this.keys[i]!);
        this.keys.splice(i, 1);
      }
    }
  }

  /** Where in `keys` the first one stands that is not below `key`. */
  firstAt(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
