/**
 * Objects as files of a directory.
 *
 * ```
 * backups/                      the root; made by the first put
 *   heads/3f2a.json             the object "heads/3f2a.json": its bytes, nothing else
 *   .tmp~/1790000000000-9c…     bytes of a put under way
 *   .lock~  .lock~.owner        the lock for replacing and removing; the second file is for messages
 * ```
 *
 * `~` is in no key, so that what the store needs for itself is never an object. Files are made for this user alone (0600,
 * directories 0700).
 *
 * 1. An object's name is given to bytes that are durable already, by one call of the system (link or rename).
 * 2. A name that is new is given by `link`, which fails when it is there, without a lock; where links are not to be had,
 *    under the lock. An object that is there is replaced and removed under the lock only.
 * 3. A put has resolved once the directory with the name, and those above, are synced. That also holds when its condition
 *    does not: what is there may be of another process that has not synced it yet, or of a try whose sync failed.
 * 4. An object's tag is the SHA-256 of its bytes.
 *
 * Limits: the file system's. A part of a key has at most 255 characters; where case does not count, keys that differ in it
 * alone are one object; an object and a "directory" of the same name exclude each other. An object that is seen is durable
 * only once its own put has resolved: who builds upon one puts it with `ifAbsent`.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers";
import { throwIfAborted } from "../base/abort.ts";
import { ExistsError, HoldfastError, NotFoundError } from "../base/errors.ts";
import { checkOptions, describeValue, functionOption, pathOf } from "../base/options.ts";
import { randomBytes } from "../base/simulation.ts";
import type { FileHandle, FileSystem } from "../files/file_system.ts";
import { failureCode } from "../files/node_errors.ts";
import { nodeFileSystem } from "../files/node_file_system.ts";
import { dirname, join } from "../files/paths.ts";
import { removeIfThere } from "../files/publish.ts";
import { BodyReader } from "./body_reader.ts";
import { DirectorySyncs } from "./directory/directory_syncs.ts";
import { DirectoryWalk } from "./directory/directory_walk.ts";
import { DurableDirectories, FileInTheWayError, refuseLink, removeEmptyTree } from "./directory/durable_directories.ts";
import { bytesBody, FileBody, readWhole } from "./directory/file_body.ts";
import { StoreLock } from "./directory/store_lock.ts";
import { TemporaryFiles } from "./directory/temporary_files.ts";
import { checkKey } from "./object_key.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "./object_store.ts";
import { storageError, storageFailure } from "./storage_failure.ts";
import { type CheckedPut, checkGet, checkList, checkPut, checkSignal } from "./store_options.ts";

/** Up to this size an object is read at once: its tag can be told, and no file stays open when the body is not read. */
const SMALL_BYTES = 2 ** 20;

/** How systems say that there are no links on a file system. Any other failure of a link is one, and no proof (2). */
const LINKLESS: ReadonlySet<string> = new Set([
  "EPERM",
  "ENOTSUP",
  "ENOSYS",
  "EINVAL",
  "EXDEV",
  "EMLINK",
  "NotCapable",
]);

/** Options of `directoryStore`. */
export interface DirectoryStoreOptions {
  /** Where the directory is; the system's files unless given. */
  fileSystem?: FileSystem | undefined;
  /** Ms since the epoch; `Date.now` unless given. */
  clock?: (() => number) | undefined;
  /** Waits so many ms for a lock that another process holds; a timer unless given. */
  delay?: ((ms: number) => Promise<void>) | undefined;
  /** Random bytes for names; the system's unless given. */
  randomBytes?: ((length: number) => Uint8Array) | undefined;
}

/**
 * A store of objects in a directory, which is made with the first put when its parent is there.
 *
 * @example
 * ```ts
 * import { directoryStore } from "./directory_store.ts";
 * const store = directoryStore("./backups");
 * store.name; // "directory ./backups"
 * ```
 */
export function directoryStore(path: string | URL, options?: DirectoryStoreOptions): DirectoryStore {
  return new DirectoryStore(path, options);
}

/** A store of objects in a directory; see `directoryStore`. */
export class DirectoryStore implements ObjectStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities = { ifAbsent: true, ifMatch: true, ranges: true };
  readonly #fs: FileSystem;
  /** The directory. @internal */
  readonly root: string;
  readonly #syncs: DirectorySyncs;
  readonly #directories: DurableDirectories;
  readonly #temporary: TemporaryFiles;
  readonly #lock: StoreLock;
  /** Whether the file system can link, as far as is known. */
  #links = true;

  /** Nothing is read or made yet. */
  constructor(path: string | URL, options?: DirectoryStoreOptions) {
    const call = "directoryStore";
    const checked = checkOptions(call, options, ["fileSystem", "clock", "delay", "randomBytes"]);
    const given = pathOf(call, path);
    this.#fs = fileSystemOf(call, checked["fileSystem"]);
    this.root = this.#fs.resolve(given);
    this.name = `directory ${given}`;
    this.#syncs = new DirectorySyncs(this.#fs);
    this.#directories = new DurableDirectories(this.#fs, this.root, this.#syncs);
    this.#temporary = new TemporaryFiles(this.#fs, join(this.root, ".tmp~"), {
      clock: functionOption<() => number>(call, checked, "clock") ?? Date.now,
      randomBytes: functionOption<(length: number) => Uint8Array>(call, checked, "randomBytes") ?? randomBytes,
    });
    const delay = functionOption<(ms: number) => Promise<void>>(call, checked, "delay") ?? sleep;
    this.#lock = new StoreLock(this.#fs, join(this.root, ".lock~"), delay);
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    checkKey("put", key);
    const conditions = checkPut(options);
    const reader = new BodyReader(body, conditions.signal);
    try {
      throwIfAborted(conditions.signal);
      return await this.#put(key, reader, conditions);
    } catch (error) {
      throw reader.threw(error) ? error : this.#failure("put", key, error);
    } finally {
      await reader.close();
    }
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    checkKey("get", key);
    const { offset, length, reuse, signal } = checkGet(options);
    throwIfAborted(signal);
    try {
      const handle = await this.#open(key);
      if (handle === undefined) return undefined;
      let handedOver = false;
      try {
        const size = handle.sizeSync();
        const start = Math.min(offset, size);
        const end = Math.min(size, start + length);
        if (end - start > SMALL_BYTES) {
          handedOver = true;
          const failure = (error: unknown): unknown => this.#failure("get", key, error);
          return { size, etag: undefined, body: new FileBody({ handle, start, end, reuse, signal, failure }) };
        }
        const bytes = await readWhole(handle, start, end);
        const etag = bytes.length === size ? createHash("sha256").update(bytes).digest("hex") : undefined;
        return { size, etag, body: bytesBody(bytes, signal) };
      } finally {
        if (!handedOver) await handle.close();
      }
    } catch (error) {
      throw this.#failure("get", key, error);
    }
  }

  async head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    checkKey("head", key);
    throwIfAborted(checkSignal("head", options));
    try {
      const found = await this.#fs.stat(join(this.root, key));
      return found?.kind === "file" ? { key, size: found.size } : undefined;
    } catch (error) {
      throw this.#failure("head", key, error);
    }
  }

  async list(options?: ListOptions): Promise<ListPage> {
    const scope = checkList(options);
    const objects: ObjectInfo[] = [];
    try {
      for await (const object of new DirectoryWalk(this.#fs, this.root, scope).objects()) {
        // One more than the page holds tells that there is a next one.
        if (objects.length === scope.limit) return { objects, next: objects.at(-1)!.key };
        objects.push(object);
      }
    } catch (error) {
      throw this.#failure("list", scope.prefix, error);
    }
    return { objects, next: undefined };
  }

  async delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkKey("delete", key);
    const signal = checkSignal("delete", options);
    throwIfAborted(signal);
    const path = join(this.root, key);
    try {
      const found = await this.#fs.stat(path);
      if (found?.kind === "file") {
        if (dirname(path) !== this.root) refuseLink(this.#fs, dirname(path));
        await this.#lock.run(() => removeIfThere(this.#fs, path), signal);
      }
      // Also when nothing was there: the one who removed it may not have come to syncing.
      if (found?.kind === "file" || await this.#fs.stat(dirname(path)) !== undefined) {
        await this.#syncs.sync(dirname(path));
      }
    } catch (error) {
      if (error instanceof NotFoundError) return; // The directory went meanwhile, and the object with it.
      if (signal?.aborted && signal.reason === error) throw error;
      throw this.#failure("delete", key, error);
    }
  }

  /** Bytes free where the store is, or will be. */
  async freeSpace(): Promise<number | undefined> {
    try {
      const there = await this.#fs.stat(this.root) !== undefined;
      return await this.#fs.freeSpace(there ? this.root : dirname(this.root));
    } catch (error) {
      throw this.#failure("measure", "", error);
    }
  }

  async #put(key: string, body: BodyReader, conditions: CheckedPut): Promise<{ etag: string } | undefined> {
    const path = join(this.root, key);
    const parts = key.split("/").slice(0, -1);
    await this.#directories.ensure(parts);
    if (conditions.ifAbsent && (await this.#fs.stat(path))?.kind === "file") {
      await this.#syncs.sync(dirname(path)); // (3)
      return undefined;
    }
    const file = await this.#temporary.write(body, conditions.tag);
    let published: boolean;
    try {
      throwIfAborted(conditions.signal);
      published = await this.#publishAnew(file.path, path, parts, conditions);
    } finally {
      // Linked, refused or failed: the name is not needed. Renamed: it is gone, and this looks for nothing.
      await this.#temporary.remove(file.path);
    }
    await this.#syncs.sync(dirname(path)); // (3)
    return published ? { etag: file.sha256 } : undefined;
  }

  /** As `#publish`, again when what is in the way can be helped. */
  async #publishAnew(file: string, path: string, parts: string[], conditions: CheckedPut): Promise<boolean> {
    try {
      return await this.#publish(file, path, conditions);
    } catch (error) {
      if (error instanceof NotFoundError) {
        // Someone removed directories. When it was our file, the next attempt says so.
        this.#directories.forget();
        await this.#directories.ensure(parts);
      } else if (!(error instanceof FileInTheWayError) || !await removeEmptyTree(this.#fs, path)) {
        throw error;
      } else {
        this.#directories.forget();
      }
    }
    return await this.#publish(file, path, conditions);
  }

  /** Gives the file its name, when the conditions hold. `FileInTheWayError` when the name is a directory's. */
  async #publish(file: string, path: string, { ifAbsent, ifMatch, signal }: CheckedPut): Promise<boolean> {
    if (ifMatch === undefined && this.#links) {
      try {
        await this.#fs.link(file, path);
        return true;
      } catch (error) {
        if (error instanceof ExistsError) {
          if (ifAbsent) return await this.#refuse(path);
        } else if (LINKLESS.has(failureCode((error as Error).cause))) {
          this.#links = false; // (2)
        } else {
          throw error;
        }
      }
    }
    return await this.#lock.run(async () => {
      const found = await this.#fs.stat(path);
      if (found?.kind === "directory") throw new FileInTheWayError(path);
      if (ifAbsent && found !== undefined) return false;
      if (ifMatch !== undefined && (found === undefined || await this.#tagOf(path) !== ifMatch)) return false;
      await this.#fs.rename(file, path);
      return true;
    }, signal);
  }

  async #refuse(path: string): Promise<false> {
    if ((await this.#fs.stat(path))?.kind === "directory") throw new FileInTheWayError(path);
    return false;
  }

  async #tagOf(path: string): Promise<string> {
    const handle = await this.#fs.open(path, "read");
    const hash = createHash("sha256");
    const failure = (error: unknown): unknown => error;
    const range = { handle, start: 0, end: handle.sizeSync(), reuse: true, signal: undefined, failure };
    for await (const piece of new FileBody(range)) hash.update(piece);
    return hash.digest("hex");
  }

  async #open(key: string): Promise<FileHandle | undefined> {
    const path = join(this.root, key);
    try {
      return await this.#fs.open(path, "read");
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      // A directory, a pipe, a device: no object, as `list` and `head` have it, and none the second time either.
      const kind = (await this.#fs.stat(path))?.kind;
      if (kind !== undefined && kind !== "file") return undefined;
      throw error;
    }
  }

  #failure(operation: string, key: string, error: unknown): unknown {
    const request = { store: this.name, operation, key };
    const name = error instanceof HoldfastError ? error.path?.slice(this.root.length + 1) : undefined;
    if (error instanceof FileInTheWayError) {
      const reason = error.path === this.root
        ? "it is a file, not a directory"
        : name === key
        ? `there are objects below ${key}/, and a directory cannot hold both; use another key`
        : `${name} is an object, and a directory cannot hold any below it; use another key`;
      return storageError(request, reason, { cause: error });
    }
    if (operation === "put" && error instanceof NotFoundError && error.path === this.root) {
      return storageError(request, "the directory that it is to be made in is not there; make it", { cause: error });
    }
    return storageFailure(request, error);
  }
}

function fileSystemOf(call: string, value: unknown): FileSystem {
  if (value === undefined) return nodeFileSystem();
  if (typeof (value as Partial<FileSystem> | null)?.openSync === "function") return value as FileSystem;
  throw new TypeError(`${call}: option "fileSystem" must be a FileSystem, not ${describeValue(value)}`);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
