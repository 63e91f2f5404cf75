/**
 * Writing one object of an archived log.
 *
 * @module
 */
import { IntegrityError, PermissionError } from "../../../base/errors.ts";
import type { LogPiece } from "../../../format/repository/archived_log.ts";
import { checkObject } from "../../../format/repository/object.ts";
import type { RepositoryContext } from "../core/context.ts";
import { putObject, type PutObjectOptions, storedBytesOf, storedPieces } from "../core/objects.ts";

/** How a log object is written. */
export interface PutLogOptions {
  /** Proves that it is there; `true` unless given. */
  verify?: boolean | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** A log object that is there. */
export interface PutLog {
  /** Its bytes. */
  storedBytes: number;
}

/** How each is written: the chain in its name covers the raw bytes already. */
export const LOG_DIGEST = "body";

/** The raw bytes of a log object: its head (`writeLogHead`), then the pieces. */
export async function* rawLog(start: Uint8Array, pieces: readonly LogPiece[]): AsyncGenerator<Uint8Array> {
  yield start;
  for (const { bytes } of pieces) yield bytes;
}

/** Writes a log object; one that is there under the name was written by an earlier try, and is checked. */
export async function putLogObject(
  context: RepositoryContext,
  key: string,
  raw: () => AsyncIterable<Uint8Array>,
  { verify = true, ...options }: PutLogOptions,
): Promise<PutLog> {
  const how: PutObjectOptions = {
    ...options,
    compression: context.compression ?? "zstd",
    digest: LOG_DIGEST,
    verify,
  };
  if (!verify) return await putUnseen(context, key, raw, how);
  for (let tries = 0;; tries++) {
    const put = await putObject(context, key, raw, how);
    if (put !== undefined) return { storedBytes: put.storedBytes };
    try {
      const found = await checkObject(storedPieces(context, key, { signal: options.signal, unchecked: true }), key);
      return { storedBytes: found.storedBytes };
    } catch (error) {
      if (!(error instanceof IntegrityError) || tries > 0) throw error;
      await context.store.delete(key);
    }
  }
}

/** Reads nothing: neither what is written, nor what an earlier try has written. */
async function putUnseen(
  context: RepositoryContext,
  key: string,
  raw: () => AsyncIterable<Uint8Array>,
  options: PutObjectOptions,
): Promise<PutLog> {
  for (;;) {
    let refused: PermissionError | undefined;
    try {
      const put = await putObject(context, key, raw, options);
      if (put !== undefined) return { storedBytes: put.storedBytes };
    } catch (error) {
      // A store may have to look at what is in the way, to tell that from what it put itself.
      if (!(error instanceof PermissionError)) throw error;
      refused = error;
    }
    const storedBytes = await storedBytesOf(context, key, options.signal);
    if (storedBytes !== undefined) return { storedBytes };
    if (refused !== undefined) throw refused;
  }
}
