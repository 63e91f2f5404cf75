/**
 * The package `classic-level`, which reads databases of LevelDB.
 *
 * @module
 */
import { notInstalled } from "./errors.ts";
import type { LevelLike } from "./level.ts";

/** Opens the database in a directory, which must be one. */
export async function openClassicLevel(path: string): Promise<LevelLike> {
  const { ClassicLevel } = await import("classic-level").catch((cause) => {
    throw notInstalled("classic-level", cause);
  });
  const level = new ClassicLevel(path, { createIfMissing: false });
  await level.open();
  return level as unknown as LevelLike;
}
