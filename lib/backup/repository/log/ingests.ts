/**
 * Files that joined a database without passing through its log (a restore into it): archived before the record that names
 * them, so that the archived log is complete.
 *
 * @module
 */
import { HistoryGoneError } from "../../../base/errors.ts";
import type { Engine } from "../../../engine/types.ts";
import { forEachOperation, type IngestInfo } from "../../../format/log/batch.ts";
import type { ArchivedIngest } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import type { ShipOptions } from "./shipment.ts";
import { fileSource, type KnownObjects, place } from "../making/place.ts";

/** The operation's code leads the record of every ingest. */
const INGEST = 3;

/** What joined the database with a commit; undefined for all others. */
export function ingestOfCommit(ops: Uint8Array): IngestInfo | undefined {
  if (ops[0] !== INGEST) return undefined;
  let found: IngestInfo | undefined;
  forEachOperation(ops, {
    put() {},
    delete() {},
    deleteRange() {},
    ingest(info) {
      found = info;
    },
  });
  return found;
}

/** Archives the files of one ingest. When one is gone already, so is this part of the history. */
export async function shipIngest(
  context: RepositoryContext,
  engine: Engine,
  version: number,
  info: IngestInfo,
  known: KnownObjects,
  { verify = true, signal }: Pick<ShipOptions, "verify" | "signal">,
): Promise<ArchivedIngest> {
  const files = engine.ingestedFiles(info);
  if (files === undefined) {
    throw new HistoryGoneError(
      `The files that joined ${engine.path} with version ${version} were rewritten before they were archived (HISTORY_GONE)`,
    );
  }
  const archived: ArchivedIngest = { version, files: [] };
  for (const { kind, number, path, size, sha256 } of files) {
    const source = fileSource(engine.fs, path, size, sha256);
    const { object, stored } = await place(context, source, known, {
      compression: context.compression ?? "none",
      verify,
      signal,
    });
    archived.files.push({ kind, number, size, object, stored });
  }
  return archived;
}
