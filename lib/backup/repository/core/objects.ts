/**
 * Objects of a repository on their way in and out: sealed, sent at the allowed rate, and proven to be there.
 *
 * @module
 */
import { DecryptionError, IntegrityError, NotFoundError, PermissionError } from "../../../base/errors.ts";
import { throwIfAborted } from "../../../base/abort.ts";
import {
  type ObjectCompression,
  type ObjectDigest,
  type ObjectTotals,
  readBack,
  readObject,
  writeObject,
  type WrittenObject,
} from "../../../format/repository/object.ts";
import { contentName } from "../../../format/repository/object_name.ts";
import type { Pace } from "../../../base/pace.ts";
import type { Bandwidth } from "./bandwidth.ts";
import type { RepositoryContext } from "./context.ts";

/** How an object is written. */
export interface PutObjectOptions {
  /** How it is compressed. */
  compression: ObjectCompression;
  /** How hard. */
  level?: number | undefined;
  /** Proves that it is there as it was written: by the store's own checksum, or else by reading it back. */
  verify: boolean;
  /** What its SHA-256 has to be, hexadecimal; an object with another fails to read back as `IntegrityError`. */
  expected?: string | undefined;
  /** What its trailer has the digest of; of the raw bytes unless given. */
  digest?: ObjectDigest;
  /** A limit of the call's own. */
  bandwidth?: Bandwidth | undefined;
  /** Hears of raw bytes read. */
  onBytes?: ((count: number) => void) | undefined;
  /** Hears of stored bytes sent; what it throws ends the put. */
  onStored?: ((count: number) => void) | undefined;
  /** Lets writers of the database go first. */
  pace?: Pace | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/**
 * Writes an object unless one is there; undefined when one is (whose content the caller checks). `pieces` is asked for once.
 */
export async function putObject(
  context: RepositoryContext,
  key: string,
  pieces: () => AsyncIterable<Uint8Array>,
  options: PutObjectOptions,
): Promise<WrittenObject | undefined> {
  const { signal, bandwidth, onBytes, onStored, pace } = options;
  const readsBack = options.verify && !checksItself(context);
  let totals: WrittenObject | undefined;
  async function* raw(): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces()) {
      throwIfAborted(signal);
      onBytes?.(piece.length);
      yield piece;
      await pace?.took(piece.length, signal);
    }
  }
  async function* sealed(): AsyncGenerator<Uint8Array> {
    const source = writeObject(raw(), {
      compression: options.compression,
      ...(options.level === undefined ? {} : { level: options.level }),
      ...(context.ring === undefined ? {} : { ring: context.ring }),
      ...(readsBack && options.expected !== undefined ? { expected: options.expected } : {}),
      ...(options.digest === undefined ? {} : { digest: options.digest }),
      randomBytes: context.randomBytes,
    });
    try {
      for (;;) {
        const step = await source.next();
        if (step.done) {
          totals = step.value;
          return;
        }
        onStored?.(step.value.length);
        yield step.value;
      }
    } finally {
      await source.return(undefined as never);
    }
  }
  const put = await context.store.put(key, context.bandwidth.limit(sealed(), bandwidth, signal), {
    ifAbsent: true,
    tag: false,
    signal,
  });
  if (put === undefined) return undefined;
  if (totals === undefined) {
    throw new IntegrityError(`${key} in ${context.name}: the store took it before all of it was sent; check the store`);
  }
  if (readsBack) await verifyStored(context, key, totals, options);
  return totals;
}

/** Whether the store has checked what it took, so that it need not be read back. */
export function checksItself({ store }: RepositoryContext): boolean {
  return store.capabilities.checksums === true;
}

/** Reads an object back and holds it against what was sent. No key is needed, and nothing is unpacked. */
async function verifyStored(
  context: RepositoryContext,
  key: string,
  sent: WrittenObject,
  { signal, pace }: PutObjectOptions,
): Promise<void> {
  async function* stored(): AsyncGenerator<Uint8Array> {
    for await (const piece of storedPieces(context, key, { signal, unchecked: true })) {
      yield piece;
      await pace?.took(piece.length, signal);
    }
  }
  const found = await readBack(stored(), `${key} in ${context.name}`);
  const { rawBytes, storedBytes, check, written } = found;
  const isSame = written === sent.written && check === sent.check;
  if (isSame && rawBytes === sent.rawBytes && storedBytes === sent.storedBytes) return;
  throw new IntegrityError(
    `${key} in ${context.name} does not read back as it was written; check the disk or the store, then try again`,
    { path: key },
  );
}

/**
 * The stored bytes of an object, at the allowed rate; each piece is used up when the next is asked for. One that is not
 * there is `NotFoundError`. `unchecked`: the caller holds them against what the object says of itself.
 */
export async function* storedPieces(
  context: RepositoryContext,
  key: string,
  options: {
    bandwidth?: Bandwidth | undefined;
    signal?: AbortSignal | undefined;
    unchecked?: boolean | undefined;
  } = {},
): AsyncGenerator<Uint8Array> {
  const { bandwidth, signal, unchecked } = options;
  const found = await context.store.get(key, { reuse: true, unchecked, signal });
  if (found === undefined) {
    throw new NotFoundError(`${key} is missing in ${context.name}; run verify, then repair (NOT_FOUND)`, { path: key });
  }
  yield* context.bandwidth.limit(found.body, bandwidth, signal);
}

/** The raw bytes of an object, each checked before it is given. `done` hears what they amounted to. */
export async function* objectPieces(
  context: RepositoryContext,
  key: string,
  options: {
    bandwidth?: Bandwidth | undefined;
    signal?: AbortSignal | undefined;
    done?: ((totals: ObjectTotals) => void) | undefined;
    /** A piece is used up once the next one is asked for. */
    reuse?: boolean | undefined;
    /** The caller holds the raw bytes against a digest of his own. */
    unchecked?: boolean | undefined;
    /** The stored bytes, where they were fetched before. */
    stored?: AsyncIterable<Uint8Array> | undefined;
  } = {},
): AsyncGenerator<Uint8Array> {
  const { bandwidth, signal, stored } = options;
  const source = readObject(stored ?? storedPieces(context, key, { bandwidth, signal, unchecked: true }), {
    name: `${key} in ${context.name}`,
    ...(context.ring === undefined ? {} : { ring: context.ring }),
    reuse: options.reuse ?? false,
    unchecked: options.unchecked ?? false,
  });
  try {
    for (;;) {
      const step = await source.next();
      if (step.done) {
        options.done?.(step.value);
        return;
      }
      yield step.value;
    }
  } catch (error) {
    // The repository is open with its key, so an object that this key does not open is not one of its own.
    if (!(error instanceof DecryptionError) || context.keyless) throw error;
    throw new IntegrityError(`${key} in ${context.name} is not of this repository: ${error.message}`, {
      path: key,
      cause: error,
    });
  } finally {
    await source.return(undefined as never);
  }
}

/** Whether the object under a key holds, whole, the content of that name; not, where it may not be read. */
export async function holdsContent(
  context: RepositoryContext,
  key: string,
  content: string,
  options: { bandwidth?: Bandwidth | undefined; signal?: AbortSignal | undefined; onBytes?: (count: number) => void },
): Promise<ObjectTotals | undefined> {
  let totals: ObjectTotals | undefined;
  const pieces = objectPieces(context, key, { ...options, reuse: true, done: (found) => totals = found });
  try {
    for await (const piece of pieces) options.onBytes?.(piece.length);
  } catch (error) {
    const isOther = error instanceof IntegrityError || error instanceof NotFoundError;
    if (isOther || error instanceof PermissionError) return undefined;
    throw error;
  }
  return totals !== undefined && contentName(totals.sha256, context.ring) === content ? totals : undefined;
}

/** The length of an object, undefined when none is there. Whoever may not look at it finds it in the listing. */
export async function storedBytesOf(
  { store }: RepositoryContext,
  key: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  try {
    return (await store.head(key, { signal }))?.size;
  } catch (error) {
    if (!(error instanceof PermissionError)) throw error;
  }
  const { objects } = await store.list({ prefix: key, limit: 1, signal });
  return objects.find((object) => object.key === key)?.size;
}

/**
 * Makes sure that an object which was found there stays, and says whether it is still there. The put that made it may have
 * failed at its last step, so that the power could take it again; one more that finds it there says that it is durable. A
 * store that wants the bytes first gets none: nothing is sent twice.
 */
export async function keepFound(
  context: RepositoryContext,
  key: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { store } = context;
  const unsent = new Error(`${key} is not sent again`);
  // deno-lint-ignore require-yield
  async function* nothing(): AsyncGenerator<Uint8Array> {
    throw unsent;
  }
  try {
    await store.put(key, nothing(), { ifAbsent: true, tag: false, signal });
    return true;
  } catch (error) {
    if (error !== unsent) throw error;
    return await store.head(key, { signal }) !== undefined;
  }
}
