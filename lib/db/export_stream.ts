/**
 * Export as a stream. What makes its pieces is loaded when the first is asked for, as most programs never ask.
 *
 * @module
 */
import { anyOf } from "../base/abort.ts";
import { checkOptions, choiceOption } from "../base/options.ts";
import type { Engine } from "../engine/types.ts";
import { toReadableStream } from "../backup/archive/streams.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "../backup/long_work.ts";
import type { Context } from "./context.ts";
import { backupFloor } from "./rest.ts";

/** Options of `exportStream`. */
export interface ExportStreamOptions extends LongWorkOptions {
  /** `"tar"`: as `export("x.tar")`; `"jsonl"`: as `backup("x.jsonl")`. */
  format?: "tar" | "jsonl" | undefined;
}

type UntilClosed = Context["untilClosed"];

/**
 * The database as a stream. The point in time is that of the first read; until then nothing is held. The reader sets the
 * pace; cancelling lets go of the pinned version, and closing the database ends it with `ClosedError`.
 */
export function exportStream(
  engine: Engine,
  options?: ExportStreamOptions,
  untilClosed?: UntilClosed,
): ReadableStream<Uint8Array> {
  const call = "db.exportStream";
  const checked = checkOptions(call, options, ["format", ...LONG_OPTIONS]);
  const format = choiceOption(call, checked, "format", "tar", ["tar", "jsonl"]);
  return toReadableStream(pieces(engine, format, longOptions(call, checked), untilClosed));
}

async function* pieces(
  engine: Engine,
  format: "tar" | "jsonl",
  options: LongWorkOptions,
  untilClosed: UntilClosed | undefined,
): AsyncGenerator<Uint8Array> {
  const { exportPieces } = await backupFloor();
  const { closing, forget } = untilClosed?.("exportStream") ?? {};
  try {
    yield* exportPieces(engine, format, { ...options, signal: anyOf(options.signal, closing) });
  } catch (error) {
    throw closing?.aborted ? closing.reason : error;
  } finally {
    forget?.();
  }
}
