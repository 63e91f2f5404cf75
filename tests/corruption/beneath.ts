/** Changes files in place, beneath those who have them open. */
import type { MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { PATH } from "./specimen.ts";

/** Instead of bytes: the file goes. */
export const DELETED: unique symbol = Symbol("deleted");

/** Puts other bytes into a file, or removes it. */
export async function overwrite(
  disk: MemoryFileSystem,
  name: string,
  change: (bytes: Uint8Array) => Uint8Array | typeof DELETED,
): Promise<void> {
  const path = `${PATH}/${name}`;
  const bytes = change(await readFile(disk, path, Infinity));
  if (bytes === DELETED) return await disk.remove(path);
  const handle = await disk.open(path, "append");
  await handle.truncate(0);
  await handle.append(bytes);
  await handle.close();
}
