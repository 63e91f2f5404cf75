/**
 * Writing a segment anew, record by record, under a number of its own.
 *
 * @module
 */
import { ByteWriter } from "../../base/bytes.ts";
import type { FileHandle } from "../../files/file_system.ts";
import { writeCommitHead } from "../../format/log/batch.ts";
import { writeFooter, writeRecord } from "../../format/log/frame.ts";
import { checksumSeed, readFileHeader, writeFileHeader } from "../../format/identity.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { readCommits } from "./log_segment.ts";
import { unsettled } from "./unsettled.ts";
import type { Store } from "../store.ts";

/** Bytes handed to the system at a time. */
const PIECE_BYTES = 1024 * 1024;

/** A finished segment of which nothing is durable yet. */
export interface CopiedSegment {
  /** What the manifest is to say of it. */
  meta: LogMeta;
  /** Makes all of it durable but its name. To be called once: it gives the file back. */
  sync: () => Promise<void>;
}

/** Copies the records of a segment up to its `end` into a new, finished one. Nothing stays when it fails. */
export async function copySegment(store: Store, from: LogMeta): Promise<CopiedSegment> {
  const number = store.newNumber();
  const path = store.filePathOf("log", number);
  const handle = await store.fs.open(path, "create");
  try {
    const end = await copyRecords(store, from, number, handle);
    return { meta: { ...from, number, end }, sync: () => syncAndClose(handle) };
  } catch (error) {
    await handle.close().catch(() => {});
    await store.fs.remove(path).catch(() => {});
    throw error;
  }
}

/** Writes the whole file; returns where its records end. */
async function copyRecords(
  { fs, path, database }: Store,
  from: LogMeta,
  number: number,
  to: FileHandle,
): Promise<number> {
  const header = writeFileHeader("log", { database, lineage: from.lineage, number });
  const seed = checksumSeed(readFileHeader("log", header, to.path));
  const head = new ByteWriter(32);
  const out = new ByteWriter(4096);
  let written = 0;
  out.bytes(header);
  for (const { version, timestamp, ops } of readCommits(fs, path, { number: from.number, database }, from.end)) {
    head.reset();
    // Synced to 0: of a segment that was not yet named by the manifest (see row 11 of recovery.ts).
    writeCommitHead(head, version, timestamp, 0);
    writeRecord(out, seed, written + out.length, head.view(), ops);
    if (out.length < PIECE_BYTES) continue;
    written += out.length;
    await to.append(out.view());
    out.reset();
  }
  const end = written + out.length;
  writeFooter(out, seed, end);
  await to.append(out.view());
  return end;
}

async function syncAndClose(handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    throw unsettled(error, handle.path);
  } finally {
    await handle.close();
  }
}
