/** What the tests of this folder share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { join } from "node:path";
import { DB, type OpenOptions } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";

/** A clock that stands until it is told to move. */
export class TestClock {
  ms = 1_000_000;
  readonly now = (): number => this.ms;
}

/** Runs with a fresh database in memory. */
export async function withDb(run: (db: DB) => Promise<void>, options: OpenOptions = {}): Promise<void> {
  const db = await DB.open(":memory:", options);
  try {
    await run(db);
  } finally {
    await db.close();
  }
}

/** Runs with a directory that is removed afterwards. */
export async function withDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), "holdfast-db-"));
  try {
    await run(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Options that reach the same simulated disk again and again. */
export function onOneDisk(): { fileSystem: FileSystem } {
  return { fileSystem: memoryFileSystem() };
}

/** All that an asynchronous iterable gives. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

/** Lets everything that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** What nobody has handled of what was rejected while `run` was at work, and at once afterwards. */
export async function unhandledDuring(run: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    await run();
    await settle();
  } finally {
    process.off("unhandledRejection", note);
  }
  return unhandled;
}
