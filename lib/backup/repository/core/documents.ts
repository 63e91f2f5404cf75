/**
 * Reading and writing the small objects of a repository: documents, and listings of keys.
 *
 * @module
 */
import { createHash } from "node:crypto";
import {
  DecryptionError,
  HoldfastError,
  IntegrityError,
  StorageError,
  UnsupportedFormatError,
} from "../../../base/errors.ts";
import { type DocumentKind, openDocument, sealDocument, UNCHECKED } from "../../../format/repository/document.ts";
import { backupDocument } from "../../../format/repository/backup_document.ts";
import { headDocument } from "../../../format/repository/head_document.ts";
import { gcMark, leaseDocument, proof } from "../../../format/repository/house_documents.ts";
import { type Shape, ShapeError } from "../../../format/manifest/json_shape.ts";
import type { ObjectInfo, ObjectStore } from "../../../storage/object_store.ts";
import type { RepositoryContext } from "./context.ts";
import { runPool, SMALL_REQUESTS } from "./pool.ts";

/** No document is larger: a manifest of 10 TiB in files of 8 MiB has 300 bytes for each. */
const DOCUMENT_BYTES_MAX = 512 * 2 ** 20;

/** A document and the tag of its bytes. */
export interface ReadDocument<T> {
  /** What it says. */
  body: T;
  /** For `ifMatch`. */
  etag: string | undefined;
}

/** Stores try again what fails as a call; a body that breaks off is asked for once more here. */
const BODY_TRIES = 3;

/** All bytes of an object, or undefined when there is none. */
export async function readBytes(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array; etag: string | undefined } | undefined> {
  for (let tries = 1;; tries++) {
    const state = { answered: false };
    try {
      return await readOnce(store, key, maxBytes, state, signal);
    } catch (error) {
      const brokeOff = state.answered && error instanceof StorageError && error.retryable;
      if (!brokeOff || tries === BODY_TRIES || signal?.aborted) throw error;
    }
  }
}

async function readOnce(
  store: ObjectStore,
  key: string,
  maxBytes: number,
  state: { answered: boolean },
  signal: AbortSignal | undefined,
): Promise<{ bytes: Uint8Array; etag: string | undefined } | undefined> {
  const found = await store.get(key, { signal });
  state.answered = true;
  if (found === undefined) return undefined;
  if (found.size > maxBytes) {
    // Ends the body.
    for await (const _ of found.body) break;
    throw new IntegrityError(`${key} in ${store.name} has ${found.size} bytes, more than it may have; run verify`);
  }
  const bytes = new Uint8Array(found.size);
  let at = 0;
  for await (const piece of found.body) {
    if (at + piece.length > bytes.length) break;
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes.length) {
    throw new IntegrityError(`${key} in ${store.name} gave ${at} bytes of ${bytes.length}; try again, then run verify`);
  }
  // A store that decides no conditions may have no tags.
  return { bytes, etag: found.etag || contentTag(bytes) };
}

/** Names bytes where a store has no tag for them. */
export function contentTag(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Reads a document; undefined when there is none. Damage, and a wrong signature, is `IntegrityError`. */
export async function readDocument<T>(
  context: RepositoryContext,
  kind: DocumentKind,
  key: string,
  shape: Shape<T>,
  signal?: AbortSignal,
): Promise<ReadDocument<T> | undefined> {
  const found = await readBytes(context.store, key, DOCUMENT_BYTES_MAX, signal);
  if (found === undefined) return undefined;
  return { body: openContextDocument(context, kind, found.bytes, key, shape), etag: found.etag };
}

/**
 * Whether an error says that what was read is not what this repository wrote there: damaged, another repository's, or of a
 * newer format. Whatever else goes wrong says nothing of the object.
 */
export function isDamage(error: unknown): boolean {
  return error instanceof IntegrityError || error instanceof UnsupportedFormatError || error instanceof DecryptionError;
}

/** Reads the bytes of a document; without a key its signature can't be checked, the rest is. */
export function openContextDocument<T>(
  context: RepositoryContext,
  kind: DocumentKind,
  bytes: Uint8Array,
  key: string,
  shape: Shape<T>,
): T {
  const name = `${key} in ${context.name}`;
  return openDocument(kind, bytes, name, shape, context.keyless ? UNCHECKED : context.ring);
}

/** What each kind must be for its readers. */
const SHAPES = {
  backup: backupDocument,
  head: headDocument,
  lease: leaseDocument,
  gc: gcMark,
  proof,
} satisfies Partial<Record<DocumentKind, Shape<unknown>>>;

/** Writes a document; undefined when the condition did not hold. One that no reader would take is refused as an error of ours. */
export async function writeDocument(
  context: RepositoryContext,
  kind: keyof typeof SHAPES,
  key: string,
  body: object,
  condition: { ifAbsent?: boolean; ifMatch?: string | undefined } = {},
): Promise<{ etag: string } | undefined> {
  try {
    SHAPES[kind](JSON.parse(JSON.stringify(body)), "");
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    throw new HoldfastError(
      "INTERNAL",
      `Cannot write ${key} to ${context.name}: no reader would take it (${error.message}); please report it (INTERNAL)`,
      { cause: error },
    );
  }
  return await context.store.put(key, sealDocument(kind, body, context.ring), condition);
}

/** All documents below a prefix, in the order of their keys. One that went meanwhile is left out. */
export async function readAllDocuments<T>(
  context: RepositoryContext,
  kind: DocumentKind,
  prefix: string,
  shape: Shape<T>,
  onDamage?: (key: string, error: unknown) => void,
): Promise<{ key: string; body: T }[]> {
  const keys = await allKeys(context.store, prefix);
  const bodies = new Map<string, T>();
  await runPool(keys, SMALL_REQUESTS, async ({ key }) => {
    if (!key.endsWith(".json")) return;
    try {
      const found = await readDocument(context, kind, key, shape);
      if (found !== undefined) bodies.set(key, found.body);
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(key, error);
    }
  });
  return keys.flatMap(({ key }) => bodies.has(key) ? [{ key, body: bodies.get(key)! }] : []);
}

/** Every key below a prefix. It is complete, or it rejects: what a part of a listing lacks must never count as absent. */
export async function allKeys(store: ObjectStore, prefix: string, signal?: AbortSignal): Promise<ObjectInfo[]> {
  const all: ObjectInfo[] = [];
  for await (const object of eachKey(store, prefix, signal)) all.push(object);
  return all;
}

/** The first key below a prefix. A page may have none of several, and more may follow. */
export async function firstKey(store: ObjectStore, prefix: string): Promise<string | undefined> {
  for await (const { key } of eachKey(store, prefix)) return key;
  return undefined;
}

/** As `allKeys`, one by one. */
export async function* eachKey(store: ObjectStore, prefix: string, signal?: AbortSignal): AsyncGenerator<ObjectInfo> {
  let after: string | undefined;
  for (;;) {
    const page = await store.list({ prefix, after, signal });
    yield* page.objects;
    if (page.next === undefined) return;
    if (after !== undefined && page.next <= after) {
      throw new IntegrityError(`The listing of ${prefix} in ${store.name} does not move on; nothing was decided by it`);
    }
    after = page.next;
  }
}
