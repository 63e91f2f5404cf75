/**
 * What a restore reads from: found out by looking, never by the name.
 *
 * | source | is taken as |
 * |---|---|
 * | a directory with the marker file | an export, or any closed (or open elsewhere) database |
 * | any other directory, an object store, an open repository | a backup repository |
 * | a file or stream that begins with a tar header, perhaps packed | an export as one file |
 * | any other file or stream, perhaps packed | a portable backup |
 *
 * @module
 */
import { DecodeError } from "../../base/bytes.ts";
import { IntegrityError, NotFoundError } from "../../base/errors.ts";
import { describeValue } from "../../base/options.ts";
import {
  isOurs,
  LOCK_NAME,
  LOCK_OWNER_NAME,
  MARKER_NAME,
  parseFileName,
  RESERVE_NAME,
} from "../../engine/file_names.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { inWords } from "../../files/kinds.ts";
import { join } from "../../files/paths.ts";
import type { Secret } from "../../format/repository/key_ring.ts";
import type { ObjectStore } from "../../storage/object_store.ts";
import { localPath } from "../destination.ts";
import { contextOf, isObjectStore, type RepositoryContext, type RepositoryHandle } from "../repository/core/context.ts";
import { isRepository, OPEN_DEFAULTS, openRepository, storeAt } from "../repository/core/open.ts";
import { unpack } from "../archive/packing.ts";
import { type ByteStream, isByteStream, PieceReader, piecesOf, readPieces } from "../archive/streams.ts";
import { decodeTarHeader, TAR_BLOCK } from "../archive/tar_header.ts";
import { readTar } from "../archive/tar_reader.ts";

/** Where a restore reads from. Errors name a stream by its `path`, if it has one as those of files in Node. */
export type RestoreSource = string | URL | ByteStream | ObjectStore | RepositoryHandle;

/** A source once it was looked at. */
export type OpenedSource = OpenedDirectory | OpenedRepository | OpenedStream;

/** A database directory. */
export interface OpenedDirectory {
  /** What it is. */
  kind: "directory";
  /** For messages. */
  name: string;
  /** Where it is. */
  path: string;
}

/** A repository. */
export interface OpenedRepository {
  /** What it is. */
  kind: "repository";
  /** For messages. */
  name: string;
  /** Its parts. */
  context: RepositoryContext;
}

/** A source that is read from its beginning to its end. */
export interface OpenedStream {
  /** What it holds. */
  kind: "tar" | "portable";
  /** For messages. */
  name: string;
  /** The bytes, unpacked. */
  pieces: AsyncIterable<Uint8Array>;
  /** Ends it, read or not. */
  close: () => Promise<void>;
}

/** Looks at a source. A file or stream is opened and read a little; `closeSource` ends it. */
export async function openSource(
  call: string,
  fs: FileSystem,
  source: RestoreSource,
  options: { signal?: AbortSignal | undefined; encryption?: Secret | undefined } = {},
): Promise<OpenedSource> {
  const { signal, encryption } = options;
  const context = contextOf(source);
  if (context !== undefined) {
    if (encryption !== undefined) {
      throw new TypeError(`${call}: option "encryption" is for a path or a store; this repository is open already`);
    }
    return { kind: "repository", name: context.name, context };
  }
  if (isObjectStore(source)) return await repositoryIn(source, encryption);
  if (isByteStream(source)) return await sniff(piecesOf(call, source, signal), nameOfStream(source));
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw new TypeError(
      `${call}: source must be a path, a file: URL, a stream of bytes, a store or a repository, not ${
        describeValue(source)
      }`,
    );
  }
  const path = localPath(call, source);
  const info = await fs.stat(path);
  if (info === undefined || info.kind === "link") {
    const found = info === undefined ? "nothing is there" : `it is ${inWords(info)}`;
    throw new NotFoundError(`Cannot restore from ${path}: ${found}; check the path (NOT_FOUND)`, { path });
  }
  if (info.kind === "directory") {
    if (await fs.stat(join(path, MARKER_NAME)) !== undefined) return { kind: "directory", name: path, path };
    const names = await fs.list(path);
    if (names.some((name) => parseFileName(name) !== undefined)) {
      throw new IntegrityError(
        `Cannot restore from ${path}: it has files of a database but no marker (${MARKER_NAME}); the copy is not complete`,
        { path },
      );
    }
    if (await isRepository(fs, path)) return await repositoryIn(await storeAt(fs, path), encryption);
    throw new NotFoundError(
      `Cannot restore from ${path}: the directory holds neither a database nor a backup repository; check the path (NOT_FOUND)`,
      { path },
    );
  }
  return await sniff(readPieces(fs, path, signal), path);
}

/** Streams of files have their path on them, as Node makes them. */
function nameOfStream(source: ByteStream): string {
  const { path } = source as { path?: unknown };
  return typeof path === "string" && path !== "" ? path : "the source stream";
}

async function repositoryIn(store: ObjectStore, encryption: Secret | undefined): Promise<OpenedRepository> {
  const context = await openRepository(store, { ...OPEN_DEFAULTS, encryption, create: false });
  return { kind: "repository", name: context.name, context };
}

/** Ends what a source was opened with: the stream behind it, the claim to write to a repository. */
export async function closeSource(source: OpenedSource): Promise<void> {
  if (source.kind === "tar" || source.kind === "portable") await source.close();
  if (source.kind === "repository") await source.context.letGo?.();
}

async function sniff(packed: AsyncIterable<Uint8Array>, name: string): Promise<OpenedSource> {
  const reader = new PieceReader(unpack(packed, name));
  try {
    const head = (await reader.exactly(TAR_BLOCK)).slice();
    reader.unread(head);
    return {
      kind: isTarHeader(head) ? "tar" : "portable",
      name,
      pieces: reader.rest(),
      close: () => reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

function isTarHeader(head: Uint8Array): boolean {
  if (head.length < TAR_BLOCK) return false;
  try {
    return decodeTarHeader(head) !== undefined;
  } catch (error) {
    // A name that is not UTF-8 has a right checksum all the same: the reader will say what is wrong with it.
    if (error instanceof DecodeError) return error.offset !== 148;
    throw error;
  }
}

/** Unpacks an archived database into `directory`; nothing is believed but the names. Returns its bytes. */
export async function extractTar(
  fs: FileSystem,
  source: OpenedStream,
  directory: string,
  onBytes: (count: number, files: number) => void,
): Promise<number> {
  let bytes = 0;
  let marker = false;
  for await (const { name, pieces } of readTar(source.pieces, source.name)) {
    // A directory archived by hand may hold the lock and the reserve; macOS adds its own notes.
    if ([LOCK_NAME, LOCK_OWNER_NAME, RESERVE_NAME].includes(name) || name.startsWith("._")) continue;
    if (parseFileName(name) === undefined && name !== MARKER_NAME) {
      if (isOurs(name)) continue;
      throw new IntegrityError(
        `Cannot restore from ${source.name}: ${describeValue(name)} is no file of a database; take another archive`,
        { path: source.name },
      );
    }
    if (name === MARKER_NAME) marker = true;
    const file = await fs.open(join(directory, name), "create");
    try {
      for await (const piece of pieces) {
        await file.append(piece);
        bytes += piece.length;
        onBytes(piece.length, 0);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    onBytes(0, 1);
  }
  if (marker) return bytes;
  throw new IntegrityError(
    `Cannot restore from ${source.name}: the archive holds no database (no ${MARKER_NAME}); take another one`,
    { path: source.name },
  );
}
