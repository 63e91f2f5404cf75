/**
 * Where the bytes of a put are written before they get their name.
 *
 * ```
 * .tmp~/<time begun, ms>-<16 random hex digits>
 * ```
 *
 * A crash leaves such files. They are known by the time in their names: nobody writes one object for a day, so an older
 * one belongs to nobody. A lock would know earlier, but costs each process one more file that stays, and says nothing on
 * file systems that pretend to lock. Its own are known by their paths, for a machine that slept over a weekend goes on with
 * them. Where the clocks of two machines are more than a day apart, the worst is a put that fails because its file is gone.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { ExistsError, NotFoundError } from "../../base/errors.ts";
import type { FileHandle, FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { removeIfThere } from "../../files/publish.ts";
import type { BodyReader } from "../body_reader.ts";
import { refuseLink } from "./durable_directories.ts";

/** Not shorter: a slow disk or line, or a laptop that slept in between. Not longer: the space is wanted back. */
const LEFTOVER_AFTER_MS = 24 * 3600_000;

/** Pieces below this size are written together: a call to the system costs as much as copying this. */
const BUFFER_BYTES = 2 ** 16;

/** Synced every so often: what is held back until one long sync at the end keeps all other syncs of the disk waiting. */
const SYNC_BYTES = 8 * 2 ** 20;

/** What is written, under a name of its own. */
export interface TemporaryFile {
  /** Where it is. */
  path: string;
  /** The SHA-256 of its bytes, in hex; empty when it was not asked for. */
  sha256: string;
}

/** Sources of time and chance. */
export interface TemporaryFileSources {
  /** Ms since the epoch. */
  clock: () => number;
  /** So many random bytes. */
  randomBytes: (length: number) => Uint8Array;
}

/** The directory of files without a name yet. */
export class TemporaryFiles {
  readonly #fs: FileSystem;
  readonly #area: string;
  readonly #sources: TemporaryFileSources;
  /** Those being written, or waiting for their name. */
  readonly #inUse = new Set<string>();
  /** When leftovers were looked for. */
  #lookedAt = -Infinity;

  /** In `area`, whose parent must be there when it is used. */
  constructor(fs: FileSystem, area: string, sources: TemporaryFileSources) {
    this.#fs = fs;
    this.#area = area;
    this.#sources = sources;
  }

  /**
   * Writes all of a body and makes its bytes durable; `hashed`: tells their digest. On failure nothing is left; otherwise
   * `remove` is to be called when it has its name.
   */
  async write(body: BodyReader, hashed: boolean): Promise<TemporaryFile> {
    const now = this.#sources.clock();
    // Again after a day: what was left shortly before a program began that goes on for months was too young then.
    if (now - this.#lookedAt >= LEFTOVER_AFTER_MS) {
      refuseLink(this.#fs, this.#area);
      this.#lookedAt = now;
      await this.#removeLeftovers(now).catch(() => {}); // Not what was asked for; the next time it is tried again.
    }
    const random = Array.from(this.#sources.randomBytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const path = join(this.#area, `${now}-${random}`);
    const handle = await this.#create(path);
    this.#inUse.add(path);
    try {
      const sha256 = await writeAll(handle, body, hashed);
      await handle.sync();
      await handle.close();
      return { path, sha256 };
    } catch (error) {
      await handle.close().catch(() => {}); // The first failure is the one to tell.
      await this.remove(path);
      throw error;
    }
  }

  /** Removes a file that is not needed, or no longer; what cannot be removed is left for later. */
  async remove(path: string): Promise<void> {
    this.#inUse.delete(path);
    await removeIfThere(this.#fs, path).catch(() => {});
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await this.#fs.open(path, "create", { private: true });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
    }
    try {
      await this.#fs.makeDirectory(this.#area, { private: true });
    } catch (error) {
      if (!(error instanceof ExistsError)) throw error;
    }
    return await this.#fs.open(path, "create", { private: true });
  }

  async #removeLeftovers(now: number): Promise<void> {
    if (await this.#fs.stat(this.#area) === undefined) return;
    const old = now - LEFTOVER_AFTER_MS;
    for (const name of await this.#fs.list(this.#area)) {
      const begun = /^(\d+)-[0-9a-f]{16}$/.exec(name)?.[1];
      const path = join(this.#area, name);
      if (begun !== undefined && Number(begun) < old && !this.#inUse.has(path)) await this.remove(path);
    }
  }
}

/** Appends all pieces, small ones together; gives their SHA-256 when it is asked for. */
async function writeAll(handle: FileHandle, body: BodyReader, hashed: boolean): Promise<string> {
  const hash = hashed ? createHash("sha256") : undefined;
  let buffer: Uint8Array | undefined;
  let filled = 0;
  let unsynced = 0;
  const append = async (bytes: Uint8Array): Promise<void> => {
    await handle.append(bytes);
    unsynced += bytes.length;
    if (unsynced < SYNC_BYTES) return;
    await handle.sync();
    unsynced = 0;
  };
  const flush = async (): Promise<void> => {
    if (filled > 0) await append(buffer!.subarray(0, filled));
    filled = 0;
  };
  for (let piece = await body.next(); piece !== undefined; piece = await body.next()) {
    hash?.update(piece);
    if (filled + piece.length > BUFFER_BYTES) await flush();
    if (piece.length >= BUFFER_BYTES) {
      await append(piece);
    } else {
      buffer ??= new Uint8Array(BUFFER_BYTES);
      buffer.set(piece, filled);
      filled += piece.length;
    }
  }
  await flush();
  return hash?.digest("hex") ?? "";
}
