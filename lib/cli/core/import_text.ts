/**
 * A text that comes in: its pieces, counted, and what its first line says it is.
 *
 * @module
 */
import { crc32 } from "../../base/checksum.ts";
import { CommandFailure } from "./exit_code.ts";

/** What was read of a file so far. */
export interface Read {
  /** Bytes. */
  bytes: number;
  /** Their checksum. */
  sum: number;
}

/** The pieces as they come, counted. */
export async function* counted(pieces: AsyncIterable<Uint8Array>, read: Read): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    read.bytes += piece.length;
    read.sum = crc32(piece, read.sum);
    yield piece;
  }
}

/** What a text may be. */
export type Format = "jsonl" | "tsv" | "portable";

/** A text whose first line was looked at. */
export interface Begun {
  /** What it is. */
  format: Format;
  /** All of it. */
  pieces: AsyncIterable<Uint8Array>;
  /** The line whose entry was given last. */
  where: string;
  /** Lets go of what nobody has read to its end. */
  close(): Promise<void>;
}

/**
 * Looks at the first line for what it may be, and gives the text as if nobody had looked. What can't be read fails here,
 * before a database is made.
 */
export async function begun(
  source: AsyncIterable<Uint8Array>,
  format: Format | undefined,
  name: string,
): Promise<Begun> {
  const iterator = source[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let start = "";
  let ended = false;
  // A header of a portable file has a few hundred bytes.
  while (!ended && start.length < 4096 && !start.trimStart().includes("\n")) {
    const { value, done } = await iterator.next();
    ended = done === true;
    if (done) break;
    seen.push(value.slice());
    start += new TextDecoder().decode(value);
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* seen;
      if (!ended) yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  }
  const isEmpty = ended && start.trim() === "";
  return {
    format: format ?? (isEmpty ? "jsonl" : formatOf(start.trimStart(), name)),
    ...{ pieces: pieces(), where: "" },
    close: async () => void await iterator.return?.(),
  };
}

/** How an entry may begin, and no document of entries does. Of a long line there is no more than that to see. */
const ENTRY = /^\{\s*"(?:key|value|encoding|kind|tags|namespace|expiresAt|expires_at)"\s*:/;

function formatOf(start: string, name: string): Format {
  const [line = ""] = start.split("\n", 1);
  if (line.startsWith("{")) return ENTRY.test(line) || isEntry(line) ? "jsonl" : "portable";
  if (line.startsWith("[")) return "portable";
  if (line.includes("\t")) return "tsv";
  throw new CommandFailure(`${name} is no file of entries that is known; give --format`);
}

function isEntry(line: string): boolean {
  try {
    const { key, value } = JSON.parse(line) as Record<string, unknown>;
    return key !== undefined && value !== undefined;
  } catch {
    return false;
  }
}
