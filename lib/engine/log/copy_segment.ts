/**
 * Writing a segment anew, record by record, under a number of its own.
 *
 * @module
 */
import { ByteWriter } from "../../base/bytes.ts";
import { writeCommit } from "../../format/log/batch.ts";
import { writeRecord } from "../../format/log/frame.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { LogSegment, readCommits } from "./log_segment.ts";
import type { Store } from "../store.ts";

/** Bytes handed to the system at a time. */
const PIECE_BYTES = 1024 * 1024;

/** Copies the records of a segment up to its `end` into a new, finished and synced one. Nothing stays when it fails. */
export async function copySegment(store: Store, from: LogMeta): Promise<LogMeta> {
  const { fs, path, database } = store;
  const number = store.newNumber();
  const to = await LogSegment.create(fs, path, { kind: "log", database, lineage: from.lineage, number });
  try {
    const payload = new ByteWriter(4096);
    const out = new ByteWriter(4096);
    for (const { version, timestamp, ops } of readCommits(fs, path, { number: from.number, database }, from.end)) {
      payload.reset();
      // Synced to 0: of a segment that was not yet named by the manifest (see row 11 of recovery.ts).
      writeCommit(payload, version, timestamp, 0, ops);
      writeRecord(out, to.seed, to.end + out.length, payload.view());
      to.note(version, timestamp);
      if (out.length < PIECE_BYTES) continue;
      await to.append(out.view());
      out.reset();
    }
    await to.append(out.view());
    return await to.finish();
  } catch (error) {
    await fs.remove(store.filePathOf("log", number)).catch(() => {});
    throw error;
  } finally {
    await to.close();
  }
}
