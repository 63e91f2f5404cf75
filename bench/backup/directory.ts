/** @module */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** The bytes of all files below `path`, by their lengths; 0 when nothing is there. */
export async function directoryBytes(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) return 0;
  if (!info.isDirectory()) return info.size;
  let bytes = 0;
  for (const name of await readdir(path)) bytes += await directoryBytes(join(path, name));
  return bytes;
}
