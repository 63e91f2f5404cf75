/** What the tests of object stores share: bytes to put, and ways of reading what is there. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { StorageError } from "../../lib/base/errors.ts";
import type { ObjectStore, StoredObject } from "../../lib/storage/object_store.ts";

/** Makes an empty store. */
export type MakeStore = () => ObjectStore | Promise<ObjectStore>;

/** The bytes of a text. */
export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** `length` bytes that differ from their neighbours and from those a piece further. */
export function pattern(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    out[i] = state >>> 16;
  }
  return out;
}

/** All bytes of an object that must be there. */
export async function bytesOf(object: StoredObject | undefined): Promise<Uint8Array> {
  assert.ok(object !== undefined, "the object is there");
  const parts: Uint8Array[] = [];
  for await (const piece of object.body) parts.push(piece.slice());
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** The text of an object, undefined when there is none. */
export async function textOf(store: ObjectStore, key: string): Promise<string | undefined> {
  const object = await store.get(key);
  return object === undefined ? undefined : new TextDecoder().decode(await bytesOf(object));
}

/** All keys that a listing gives, page by page. */
export async function keysOf(
  store: ObjectStore,
  options: { prefix?: string; after?: string; limit?: number } = {},
): Promise<string[]> {
  const keys: string[] = [];
  let after = options.after;
  for (let page = 0; page < 1000; page++) {
    const { objects, next } = await store.list({ ...options, after });
    assert.ok(objects.length <= (options.limit ?? 1000), "no page is longer than its limit");
    keys.push(...objects.map(({ key }) => key));
    if (next === undefined) return keys;
    assert.ok(after === undefined || next > after, "each page goes on behind the one before");
    after = next;
  }
  throw new Error("the listing does not end");
}

/** Pieces of these bytes, and whether their producer was told to end or came to its end. */
export function streamed(
  bytes: Uint8Array,
  pieceBytes: number,
  each?: (piece: number) => unknown,
): AsyncIterable<Uint8Array> & { closed: boolean } {
  const pieces = async function* (): AsyncGenerator<Uint8Array> {
    // One array for all pieces, as a producer may that saves memory.
    const buffer = new Uint8Array(pieceBytes);
    try {
      for (let at = 0, piece = 0; at < bytes.length; at += pieceBytes, piece++) {
        await each?.(piece);
        const part = bytes.subarray(at, at + pieceBytes);
        buffer.set(part);
        yield buffer.subarray(0, part.length);
      }
    } finally {
      stream.closed = true;
    }
  };
  const stream = { closed: false, [Symbol.asyncIterator]: pieces };
  return stream;
}

/** Asserts that an error is a `StorageError` about this call. */
export function isStorageError(operation: string, key: string, words = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof StorageError, `expected a StorageError, got ${error}`);
    assert.equal(error.operation, operation);
    assert.equal(error.key, key);
    assert.match(error.message, /^Cannot .+: .+ \(STORAGE\)$/);
    assert.match(error.message, words);
    return true;
  };
}

/** Whether both hold the same bytes; of millions of them `assert.deepEqual` takes seconds. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
