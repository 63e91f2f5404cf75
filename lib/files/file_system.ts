/**
 * The seam between Holdfast and the disk. Everything above this floor reaches files through it alone, so that the whole
 * database also runs on a simulated disk.
 *
 * Rules for every kind:
 *
 * 1. Errors are the library's: `NotFoundError`, `ExistsError`, `PermissionError`, `NoSpaceError`, `IOError`, each with
 *    `path` and `cause`, and a message that names call and path.
 * 2. A write is finished or reported: a short write goes on until all is written or an error says why not.
 * 3. `sync` makes a file's bytes and length durable, `syncDirectory` makes a directory's names durable; without them a
 *    power cut may undo what was done since.
 * 4. After a failed `sync` nothing may be assumed about the bytes since the last good one.
 *
 * @module
 */

/**
 * How a file is opened: `"read"` (it exists), `"create"` (it must not exist; written to by `append`), `"append"` (created
 * when missing, written to at its end).
 */
export type OpenMode = "read" | "create" | "append";

/** For whom a file or directory is made. */
export interface MakeOptions {
  /**
   * Made for this user alone, where the system knows users: 0600, a directory 0700. Says nothing of one that is there
   * already.
   */
  private?: boolean | undefined;
}

/** What `stat` tells. */
export interface FileInfo {
  /** What it is; links are followed, and one that leads nowhere is a `"link"`. */
  kind: "file" | "directory" | "link" | "other";
  /** Length in bytes (0 for a directory). */
  size: number;
}

/** An open file. Reads name their position; writes go to the end. */
export interface FileHandle {
  /** The path it was opened with. */
  readonly path: string;
  /** Fills `into` from `position` on; returns how many bytes there were, fewer than asked only at the file's end. */
  readAtSync(into: Uint8Array, position: number): number;
  /** As `readAtSync`, off the main thread. */
  readAt(into: Uint8Array, position: number): Promise<number>;
  /** Appends all of `bytes`, or throws; after a throw the file may hold a part of them (see `truncate`). */
  appendSync(bytes: Uint8Array): void;
  /** As `appendSync`, off the main thread. One append at a time. */
  append(bytes: Uint8Array): Promise<void>;
  /**
   * Puts zeros behind the end until the file has `size` bytes. The end stays where it is: what is appended next goes over
   * them, so that a sync of it finds the file's length and blocks as they were. After a throw a part of them may be there.
   * A kind may do without.
   */
  fillSync?(size: number): void;
  /** Makes bytes and length durable (fdatasync). */
  syncSync(): void;
  /** As `syncSync`, off the main thread. */
  sync(): Promise<void>;
  /** The length in bytes. */
  sizeSync(): number;
  /**
   * Whether its path still leads to this file: not once that was removed or moved, or another one was put in its place. May
   * say no of one that was written to since it was first asked. A kind may do without.
   */
  isInPlaceSync?(): boolean;
  /** Cuts the file to `size` bytes; the next append goes there. */
  truncate(size: number): Promise<void>;
  /** Closes; a second close is a no-op. */
  closeSync(): void;
  /** Closes; a second close is a no-op. */
  close(): Promise<void>;
}

/** A held lock; `release` gives it back and is safe to call twice. */
export interface FileLock {
  /** Gives the lock back. */
  release(): void;
}

/** A file system. Paths are the caller's; the kinds resolve them. */
export interface FileSystem {
  /** Which kind this is, for messages: `"node"`, `"memory"`, ... */
  readonly kind: string;
  /** Opens a file; see `OpenMode`. */
  open(path: string, mode: OpenMode, options?: MakeOptions): Promise<FileHandle>;
  /** As `open`, at once. */
  openSync(path: string, mode: OpenMode, options?: MakeOptions): FileHandle;
  /** What is there, or undefined when nothing is. */
  stat(path: string): Promise<FileInfo | undefined>;
  /** As `stat`, at once. */
  statSync(path: string): FileInfo | undefined;
  /** The names in a directory, sorted. */
  list(path: string): Promise<string[]>;
  /** Makes one directory; `parents`: with all that are missing above it, and no error when it is there. */
  makeDirectory(path: string, options?: MakeOptions & { parents?: boolean }): Promise<void>;
  /** Moves a file or directory over what is there (of the same sort), atomically. */
  rename(from: string, to: string): Promise<void>;
  /** As `rename`, at once. A kind may do without. */
  renameSync?(from: string, to: string): void;
  /** Makes a second name for a file's bytes; `ExistsError` when `to` is there; `IOError` with code `"LINK"` semantics elsewhere: see `copy.ts`. */
  link(from: string, to: string): Promise<void>;
  /** Makes a copy that shares blocks until one is written to (reflink); fails where the system can't, never copies. */
  clone(from: string, to: string): Promise<void>;
  /** Removes a file; a missing one is `NotFoundError`. */
  remove(path: string): Promise<void>;
  /** Removes an empty directory. */
  removeDirectory(path: string): Promise<void>;
  /** Makes the names in a directory durable. Best effort where system or permissions forbid it. */
  syncDirectory(path: string): Promise<void>;
  /** Bytes free for this user, or undefined where that can't be asked. */
  freeSpace(path: string): Promise<number | undefined>;
  /** Takes the exclusive lock on a file (created when missing), or throws `LockedError`. */
  lock(path: string): Promise<FileLock>;
  /** Whether this process holds the lock on that file already. */
  lockedHere(path: string): boolean;
  /** The absolute path with links resolved as far as it exists. */
  resolve(path: string): string;
}
