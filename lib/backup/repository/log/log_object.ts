/**
 * Writing one object of an archived log.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import { checkObject } from "../../../format/repository/object.ts";
import type { RepositoryContext } from "../core/context.ts";
import { putObject, storedPieces } from "../core/objects.ts";

/** Writes a log object; one that is there under the name was written by an earlier try, and is checked. */
export async function putLogObject(
  context: RepositoryContext,
  key: string,
  raw: () => AsyncIterable<Uint8Array>,
  options: { signal?: AbortSignal | undefined; onStored?: ((count: number) => void) | undefined },
): Promise<{ storedBytes: number; made: boolean }> {
  const { signal, onStored } = options;
  const compression = context.compression ?? "zstd";
  for (let tries = 0;; tries++) {
    const put = await putObject(context, key, raw, { compression, verify: true, signal, onStored });
    if (put !== undefined) return { storedBytes: put.storedBytes, made: true };
    try {
      const found = await checkObject(storedPieces(context, key, undefined, signal), key);
      return { storedBytes: found.storedBytes, made: false };
    } catch (error) {
      if (!(error instanceof IntegrityError) || tries > 0) throw error;
      await context.store.delete(key);
    }
  }
}
