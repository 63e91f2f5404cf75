/**
 * The package `classic-level`, which reads databases of LevelDB.
 *
 * @module
 */
import { notInstalled } from "./errors.ts";

/** What is asked of a Level database: any of `abstract-level` 2 and 3 is one. */
export interface LevelLike {
  /** Entries in order. */
  iterator(options: {
    keyEncoding: "view";
    valueEncoding: "view";
    gt?: Uint8Array;
  }): AsyncIterable<readonly [Uint8Array, Uint8Array]>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Opens the database in a directory, which must be one. */
export async function openClassicLevel(path: string): Promise<LevelLike> {
  const { ClassicLevel } = await loadPackage();
  const level = new ClassicLevel(path, { createIfMissing: false });
  await level.open();
  return level as unknown as LevelLike;
}

/** Tried, and not only caught behind: so a bundler may find the package missing. */
async function loadPackage() {
  try {
    return await import("classic-level");
  } catch (cause) {
    throw notInstalled("classic-level", cause);
  }
}
