/**
 * Objects in memory: for tests, and for databases that live there too.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { concatBytes, copyBytes } from "../base/bytes.ts";
import { BodyReader } from "./body_reader.ts";
import { checkKey } from "./object_key.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "./object_store.ts";
import { checkGet, checkList, checkPut, checkSignal } from "./store_options.ts";

interface MemoryObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** What a body gives at once. */
const PIECE_BYTES = 2 ** 20;

/** An object store in memory. It lasts as long as someone holds it. */
export class MemoryStore implements ObjectStore {
  readonly name = "memory";
  readonly capabilities: StoreCapabilities = { ifAbsent: true, ifMatch: true, ranges: true };
  readonly #objects = new Map<string, MemoryObject>();
  /** The keys in order. */
  readonly #keys: string[] = [];
  #puts = 0;

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    checkKey("put", key);
    const { ifAbsent, ifMatch, signal } = checkPut(options);
    const bytes = await read(body, signal);
    // From here on without a pause: condition and put are one step.
    const present = this.#objects.get(key);
    if (ifAbsent && present !== undefined) return undefined;
    if (ifMatch !== undefined && present?.etag !== ifMatch) return undefined;
    // Numbered, so that no two puts are taken for one another, whatever their bytes.
    const etag = `put-${++this.#puts}`;
    this.#objects.set(key, { bytes, etag });
    if (present === undefined) this.#keys.splice(this.#indexOf(key), 0, key);
    return { etag };
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    checkKey("get", key);
    const { offset, length, signal } = checkGet(options);
    throwIfAborted(signal);
    const found = this.#objects.get(key);
    if (found === undefined) return undefined;
    const size = found.bytes.length;
    const range = found.bytes.subarray(offset, Math.min(size, offset + length));
    return { size, etag: range.length === size ? found.etag : undefined, body: pieces(range, signal) };
  }

  async head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    checkKey("head", key);
    throwIfAborted(checkSignal("head", options));
    const found = this.#objects.get(key);
    return found === undefined ? undefined : { key, size: found.bytes.length };
  }

  async list(options?: ListOptions): Promise<ListPage> {
    const { prefix, after, limit, signal } = checkList(options);
    throwIfAborted(signal);
    const objects: ObjectInfo[] = [];
    let at = this.#indexOf(after !== undefined && after > prefix ? after : prefix);
    if (this.#keys[at] === after) at++;
    for (; this.#keys[at]?.startsWith(prefix); at++) {
      if (objects.length === limit) return { objects, next: objects.at(-1)!.key };
      const key = this.#keys[at]!;
      objects.push({ key, size: this.#objects.get(key)!.bytes.length });
    }
    return { objects, next: undefined };
  }

  async delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkKey("delete", key);
    throwIfAborted(checkSignal("delete", options));
    if (this.#objects.delete(key)) this.#keys.splice(this.#indexOf(key), 1);
  }

  /** How many keys come before this one. */
  #indexOf(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#keys[middle]! < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** All of a body, in memory of its own. */
async function read(body: ObjectBody, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const reader = new BodyReader(body, signal);
  try {
    const parts: Uint8Array[] = [];
    for (let piece = await reader.next(); piece !== undefined; piece = await reader.next()) {
      parts.push(copyBytes(piece));
    }
    throwIfAborted(signal);
    return parts.length === 1 ? parts[0]! : concatBytes(...parts);
  } finally {
    await reader.close();
  }
}

async function* pieces(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    throwIfAborted(signal);
    // Copied: what a reader does to its bytes must not reach the object.
    yield copyBytes(bytes.subarray(at, at + PIECE_BYTES));
  }
}
