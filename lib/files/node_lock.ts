/**
 * The lock that makes one process the only writer of a database directory.
 *
 * It is an exclusive transaction of the built-in `node:sqlite` on the empty file `LOCK`, never committed: underneath, a
 * POSIX record lock (on Windows, `LockFileEx`) that Deno, Bun and Node all take the same way, that needs no permission
 * beyond the directory, and that the kernel drops when the process dies. Probed across the three runtimes; a file with a
 * process id in it was not enough, since to tell a living process from a dead one needs permissions users don't give.
 *
 * Invariants:
 *
 * 1. While a lock is held, nothing in this process opens the file: closing any descriptor of a file drops all POSIX locks
 *    that the process has on it. So a second attempt is refused from a registry before the file is touched. The registry
 *    hangs on `globalThis`, where a second copy of this module finds it as well. (Workers have another `globalThis`;
 *    there SQLite itself, one per process, refuses without closing.)
 * 2. The rollback journal is kept in memory, so that no `LOCK-journal` appears beside the file, and as nothing is ever
 *    committed, `LOCK` stays empty.
 * 3. `LOCK.owner` is for messages only: written after locking, removed before releasing, believed by nobody.
 *
 * Record locks are as good as the file system: most network ones support them, a few pretend to.
 *
 * @module
 */
import { accessSync, constants, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers";
import { IOError, LockedError, NotFoundError, PermissionError } from "../base/errors.ts";
import type { FileLock } from "./file_system.ts";
import { failureCode, failureText, nodeError } from "./node_errors.ts";

/** What is used of `DatabaseSync`, so that this module loads without `node:sqlite`. */
interface LockDatabase {
  exec(sql: string): void;
  close(): void;
}

/**
 * Two that come at the same moment can turn each other away: each holds what the other needs for an instant. So the lock
 * is asked for again after these pauses before it counts as held elsewhere.
 */
const RETRY_MS = [5, 15, 35] as const;

const REGISTRY = Symbol.for("holdfast.locks");

/** Resolved paths of the locks that this process holds or is about to take. */
function registry(): Set<string> {
  const root = globalThis as { [REGISTRY]?: Set<string> };
  return root[REGISTRY] ??= new Set();
}

/** Whether this process holds the lock on the file with this resolved path. */
export function holdsLock(resolved: string): boolean {
  return registry().has(resolved);
}

/**
 * Takes the lock on `path`, which resolves to `resolved`. Throws `LockedError` when it is held, here or elsewhere, and
 * `PermissionError` or `NotFoundError` when the file cannot be had.
 */
export async function takeLock(path: string, resolved: string): Promise<FileLock> {
  const held = registry();
  if (held.has(resolved)) throw lockedError(path, resolved, "this process");
  held.add(resolved);
  try {
    const database = await lockDatabase(path, resolved);
    return new NodeLock(resolved, database);
  } catch (error) {
    held.delete(resolved);
    throw error;
  }
}

async function lockDatabase(path: string, resolved: string): Promise<LockDatabase> {
  for (const pause of [...RETRY_MS, undefined]) {
    const database = await tryLock(path, resolved);
    if (database !== undefined) return database;
    if (pause !== undefined) await new Promise((resolve) => setTimeout(resolve, pause));
  }
  throw lockedError(path, resolved, "another process");
}

/** The locked file, or undefined when it is locked elsewhere. */
async function tryLock(path: string, resolved: string): Promise<LockDatabase | undefined> {
  // Loaded only here: a database in memory needs no SQLite, and some builds of the runtimes leave it out.
  Sqlite ??= (await loadSqlite(path)).DatabaseSync;
  let database: LockDatabase | undefined;
  try {
    database = new Sqlite(resolved);
    // The last statement is never committed. It is there because on a file that this user may only read, SQLite takes a
    // BEGIN EXCLUSIVE for a BEGIN and locks nothing; a write it refuses.
    database.exec("PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE; PRAGMA user_version = 1");
    return database;
  } catch (error) {
    // Safe to close (invariant 1): this process holds no lock on the file, or the registry would have said so.
    closeQuietly(database);
    if (isBusy(error)) return undefined;
    throw lockFailure(path, resolved, error);
  }
}

/** `DatabaseSync` once it is loaded: each `import` would be one more trip. */
let Sqlite: (new (path: string) => LockDatabase) | undefined;

async function loadSqlite(path: string): Promise<{ DatabaseSync: new (path: string) => LockDatabase }> {
  try {
    return await import("node:sqlite");
  } catch (cause) {
    const remedy = 'update it (Node 22.15, Deno 2.2 or Bun 1.4 have it) or use ":memory:"';
    throw new IOError(`Cannot lock ${path}: this runtime has no node:sqlite; ${remedy} (IO)`, { cause, path });
  }
}

/** SQLITE_BUSY is 5 (its extended codes keep it in the low byte); Deno gives the text only. */
function isBusy(error: unknown): boolean {
  const code = (error as { errcode?: unknown }).errcode;
  if (typeof code === "number") return (code & 0xff) === 5;
  return failureText(error).includes("is locked");
}

/** What SQLite opens: 512 bytes, of which it keeps some for the names of files beside that one. */
const LOCK_PATH_BYTES_MAX = 504;

/** Why SQLite could not have the file: its own words are too few to tell, so the directory is asked. */
function lockFailure(path: string, resolved: string, error: unknown): Error {
  const details = { cause: error, path };
  if (failureCode(error) === "NotCapable") return nodeError("lock", path, error);
  const directory = dirname(resolved);
  try {
    if (!statSync(directory).isDirectory()) {
      return new NotFoundError(`Cannot lock ${path}: ${dirname(path)} is not a directory (NOT_FOUND)`, details);
    }
    accessSync(directory, constants.W_OK);
  } catch (cause) {
    return nodeError("lock", path, cause);
  }
  const there = statSync(resolved, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile()) {
    const what = there.isDirectory() ? "a directory" : "no regular file";
    return new IOError(`Cannot lock ${path}: it is ${what}; move it away (IO)`, details);
  }
  const reason = failureText(error);
  const length = new TextEncoder().encode(resolved).length;
  if (length > LOCK_PATH_BYTES_MAX) {
    return new IOError(
      `Cannot lock ${path}: its whole path has ${length} bytes, and SQLite locks up to ${LOCK_PATH_BYTES_MAX}; ` +
        "choose a shorter one (IO)",
      details,
    );
  }
  if (/readonly|unable to open/i.test(reason)) {
    return new PermissionError(
      `Cannot lock ${path}: this user may not write the file; change its rights or open with readOnly (PERMISSION)`,
      details,
    );
  }
  return new IOError(
    `Cannot lock ${path}: ${reason}; the file must be empty, remove it if no program uses it (IO)`,
    details,
  );
}

/** `Cannot open ./data: locked by process 4711 since 10:31:02; close it or open with readOnly (LOCKED)` */
function lockedError(path: string, resolved: string, holder: string): LockedError {
  const owner = readOwner(resolved);
  const [by, remedy] = holder === "this process"
    ? [owner === undefined ? holder : `${owner}, which is this one`, "use the database that is open, or close it"]
    // A worker's registry is its own, and so is that of a test's context; but in every container there is a process 1.
    : owner?.startsWith(`process ${process.pid} `)
    ? [
      `${owner}, the number of this one: another thread or context of it, or a process of another container`,
      "close it there or open with readOnly",
    ]
    : [owner ?? holder, "close it or open with readOnly"];
  return new LockedError(`Cannot open ${dirname(path)}: locked by ${by}; ${remedy} (LOCKED)`, { path, holder: by });
}

class NodeLock implements FileLock {
  readonly #resolved: string;
  /** Held on to: a collected `DatabaseSync` is closed, and its lock gone. */
  #database: LockDatabase | undefined;

  constructor(resolved: string, database: LockDatabase) {
    this.#resolved = resolved;
    this.#database = database;
    writeOwner(resolved);
    anchors.add(this);
  }

  release(): void {
    const database = this.#database;
    if (database === undefined) return;
    this.#database = undefined;
    removeOwner(this.#resolved);
    closeQuietly(database);
    anchors.delete(this);
    registry().delete(this.#resolved);
  }
}

/** Keeps locks alive whose holder was forgotten without release: a forgotten database is still an open one. */
const anchors = new Set<NodeLock>();

function closeQuietly(database: LockDatabase | undefined): void {
  try {
    // Closing also ends the transaction; nothing was written, so there is nothing that could fail to be saved.
    database?.close();
  } catch {
    // Already closed, or never opened: there is no lock left to give back.
  }
}

function writeOwner(resolved: string): void {
  const text = `process ${process.pid} since ${new Date().toISOString()}\n`;
  // Anew, or it would be written through a link that someone put there. Only what died without release left one behind.
  for (let tries = 0; tries < 2; tries++) {
    try {
      return writeFileSync(`${resolved}.owner`, text, { flag: "wx" });
    } catch {
      // For messages only (invariant 3).
      removeOwner(resolved);
    }
  }
}

function removeOwner(resolved: string): void {
  try {
    rmSync(`${resolved}.owner`, { force: true });
  } catch {
    // For messages only (invariant 3).
  }
}

/** `process 4711 since 10:31:02 UTC`, with the date in front when that is not today's. */
function readOwner(resolved: string): string | undefined {
  try {
    const text = readFileSync(`${resolved}.owner`, "utf8");
    const found = /^(process \d+) since (\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)/.exec(text);
    if (found === null) return undefined;
    const today = new Date().toISOString().startsWith(found[2]!);
    return `${found[1]} since ${today ? "" : `${found[2]} `}${found[3]} UTC`;
  } catch {
    return undefined;
  }
}
