/** The system's files, on which nothing waits for the disk. */
import type { FileHandle, FileSystem } from "../../../mod.ts";
import { nodeFileSystem } from "../../../mod.ts";

/** What there is to skip. */
const SYNCS: readonly string[] = [
  "sync",
  "syncSync",
  "syncDirectory",
] satisfies (keyof FileHandle | keyof FileSystem)[];

/** The system's files without their syncs: for tests that make many databases and lose no power. */
export function unsyncedFileSystem(): FileSystem {
  const files = nodeFileSystem();
  return without(files, {
    open: async (...call: Parameters<FileSystem["open"]>) => without(await files.open(...call), {}),
    openSync: (...call: Parameters<FileSystem["openSync"]>) => without(files.openSync(...call), {}),
  });
}

/** The object with some calls replaced, and those that sync doing nothing. */
function without<T extends object>(object: T, replaced: Record<string, unknown>): T {
  return new Proxy(object, {
    get(target, name) {
      const found: unknown = replaced[String(name)] ?? Reflect.get(target, name, target);
      if (typeof found !== "function") return found;
      return SYNCS.includes(String(name)) ? () => Promise.resolve() : found.bind(target);
    },
  });
}
