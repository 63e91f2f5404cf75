/**
 * Export as a stream. What makes its pieces is loaded when the first is asked for, as most programs never ask.
 *
 * @module
 */
import { checkOptions, choiceOption } from "../base/options.ts";
import type { Engine } from "../engine/types.ts";
import { toReadableStream } from "../backup/archive/streams.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "../backup/long_work.ts";
import { backupFloor } from "./rest.ts";

/** Options of `exportStream`. */
export interface ExportStreamOptions extends LongWorkOptions {
  /** `"tar"`: as `export("x.tar")`; `"jsonl"`: as `backup("x.jsonl")`. */
  format?: "tar" | "jsonl" | undefined;
}

/**
 * The database as a stream. The point in time is that of the first read; until then nothing is held. The reader sets the
 * pace; cancelling lets go of the pinned version.
 */
export function exportStream(engine: Engine, options?: ExportStreamOptions): ReadableStream<Uint8Array> {
  const call = "db.exportStream";
  const checked = checkOptions(call, options, ["format", ...LONG_OPTIONS]);
  const format = choiceOption(call, checked, "format", "tar", ["tar", "jsonl"]);
  return toReadableStream(pieces(engine, format, longOptions(call, checked)));
}

async function* pieces(
  engine: Engine,
  format: "tar" | "jsonl",
  options: LongWorkOptions,
): AsyncGenerator<Uint8Array> {
  const { exportPieces } = await backupFloor();
  yield* exportPieces(engine, format, options);
}
