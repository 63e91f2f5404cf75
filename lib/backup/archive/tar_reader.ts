/**
 * Reads a tar archive of one flat directory as a stream, and trusts nothing in it.
 *
 * What is taken: regular files with plain names, as our writer, GNU tar, bsdtar and busybox write them, with or without
 * `./` or one common folder before each name. What is refused with `IntegrityError`: absolute paths, `..`, deeper paths,
 * links, devices, duplicate names, wrong checksums, absurd lengths, an archive that ends early.
 *
 * @module
 */
import { DecodeError } from "../../base/bytes.ts";
import { IntegrityError } from "../../base/errors.ts";
import { describeValue } from "../../base/options.ts";
import { PIECE_BYTES, PieceReader } from "./streams.ts";
import { decodePax, decodeTarHeader, padded, TAR_BLOCK, type TarHeader } from "./tar_header.ts";

/** A long name or an extended header is at most this long; real ones have a few hundred bytes. */
const EXTENDED_BYTES_MAX = 64 * 2 ** 10;
/** No database comes near this many files; an archive that does is meant to eat memory. */
const MEMBERS_MAX = 1_000_000;
/**
 * Headers in a row that bring no file (folders, long names, extended headers): a flat directory has a few, and an archive
 * that goes on with them would be read for ever.
 */
const FILELESS_MAX = 100;
/** 64 PiB: above what file systems hold. */
const SIZE_MAX = 2 ** 56;

const OTHER_TYPES: Record<string, string> = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "6": "a named pipe",
  K: "a long link",
  S: "a sparse file",
};

/** One file of an archive. */
export interface TarEntry {
  /** Its name, without any folder. */
  name: string;
  /** How many bytes it has. */
  size: number;
  /** Its bytes; what is not read is skipped. */
  pieces: AsyncIterable<Uint8Array>;
}

/** The files of the archive in `pieces`, one after the other; `source` names it in errors. */
export async function* readTar(pieces: AsyncIterable<Uint8Array>, source: string): AsyncGenerator<TarEntry> {
  const reader = new PieceReader(pieces);
  const seen = new Set<string>();
  let folder: string | undefined;
  let extended: { name?: string; size?: number } = {};
  let fileless = 0;
  try {
    for (;;) {
      const at = reader.offset;
      const header = await nextHeader(reader, source);
      if (header === undefined) return;
      if (++fileless > FILELESS_MAX) throw refusal(source, at, `${FILELESS_MAX} headers in a row bring no file`);
      if ("xgLK".includes(header.type)) {
        if (header.type === "K") throw refusal(source, at, "it holds a link");
        const more = await readExtended(reader, header, source);
        if (header.type !== "g") extended = { ...extended, ...more };
        continue;
      }
      const size = extended.size ?? header.size;
      const name = extended.name ?? header.name;
      extended = {};
      if (size > SIZE_MAX) throw refusal(source, at, `${describeValue(name)} claims ${size} bytes`);
      const parts = plainParts(name, source, at);
      if (header.type === "5") {
        if (parts.length > 1) throw refusal(source, at, `it holds the nested folder ${describeValue(name)}`);
        if (size !== 0) throw refusal(source, at, `the folder ${describeValue(name)} has contents of its own`);
        continue;
      }
      if (header.type !== "0" && header.type !== "7") {
        const what = OTHER_TYPES[header.type] ?? `a member of the unknown type ${describeValue(header.type)}`;
        throw refusal(source, at, `${describeValue(name)} is ${what}`);
      }
      if (parts.length === 0) throw refusal(source, at, "it holds a file without a name");
      const own = parts.length === 2 ? parts[0]! : "";
      if (parts.length > 2 || (folder !== undefined && folder !== own)) {
        throw refusal(source, at, `${describeValue(name)} lies in another folder than the files before it`);
      }
      folder = own;
      const base = parts.at(-1)!;
      if (seen.has(base)) throw refusal(source, at, `it holds ${describeValue(base)} twice`);
      if (seen.size >= MEMBERS_MAX) throw refusal(source, at, `it holds more than ${MEMBERS_MAX} files`);
      seen.add(base);
      fileless = 0;
      const body = { left: size };
      yield { name: base, size, pieces: bodyPieces(reader, body, source, base) };
      for await (const _ of bodyPieces(reader, body, source, base)) { /* what the reader left */ }
      await skip(reader, padded(size) - size, source);
    }
  } finally {
    await reader.close();
  }
}

async function nextHeader(reader: PieceReader, source: string): Promise<TarHeader | undefined> {
  const at = reader.offset;
  const block = await reader.exactly(TAR_BLOCK);
  if (block.length < TAR_BLOCK) throw refusal(source, at + block.length, "it ends early");
  try {
    return decodeTarHeader(block);
  } catch (error) {
    if (error instanceof DecodeError) throw refusal(source, at + error.offset, error.message);
    throw error;
  }
}

async function readExtended(
  reader: PieceReader,
  header: TarHeader,
  source: string,
): Promise<{ name?: string; size?: number }> {
  const at = reader.offset;
  if (header.size > EXTENDED_BYTES_MAX) throw refusal(source, at, `an extended header of ${header.size} bytes`);
  const bytes = await reader.exactly(header.size);
  if (bytes.length < header.size) throw refusal(source, reader.offset, "it ends early");
  await skip(reader, padded(header.size) - header.size, source);
  const found: { name?: string; size?: number } = {};
  try {
    if (header.type === "L") {
      found.name = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/\0+$/, "");
      return found;
    }
    const records = decodePax(bytes);
    const size = records.get("size");
    const name = records.get("path");
    if (name !== undefined) found.name = name;
    if (size !== undefined) {
      if (!/^[0-9]{1,16}$/.test(size)) throw new DecodeError("an extended header with an absurd size", 0);
      found.size = Number(size);
    }
    for (const key of records.keys()) {
      if (key.startsWith("GNU.sparse.")) throw new DecodeError("it holds a sparse file", 0);
    }
  } catch (error) {
    if (error instanceof DecodeError) throw refusal(source, at + error.offset, error.message);
    throw refusal(source, at, "a name that is not UTF-8");
  }
  return found;
}

/** The folders and the name in a member's name, `.` left out. */
function plainParts(name: string, source: string, at: number): string[] {
  if (name.startsWith("/") || name.includes("\\") || name.includes("\0") || /^[A-Za-z]:/.test(name)) {
    throw refusal(source, at, `it holds the absolute or foreign path ${describeValue(name)}`);
  }
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refusal(source, at, `${describeValue(name)} leads out of its directory`);
  return parts;
}

async function* bodyPieces(
  reader: PieceReader,
  body: { left: number },
  source: string,
  name: string,
): AsyncGenerator<Uint8Array> {
  while (body.left > 0) {
    const piece = await reader.some(Math.min(body.left, PIECE_BYTES));
    if (piece === undefined) throw refusal(source, reader.offset, `it ends within ${describeValue(name)}`);
    body.left -= piece.length;
    yield piece;
  }
}

async function skip(reader: PieceReader, count: number, source: string): Promise<void> {
  if ((await reader.exactly(count)).length < count) throw refusal(source, reader.offset, "it ends early");
}

function refusal(source: string, offset: number, what: string): IntegrityError {
  return new IntegrityError(
    `Cannot read the archive ${source} at byte ${offset}: ${what}; take another copy of it`,
    { path: source },
  );
}
