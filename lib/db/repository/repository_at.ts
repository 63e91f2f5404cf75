/**
 * The repository in a directory or store.
 *
 * @module
 */
import { localPath } from "../../backup/mod.ts";
import { isObjectStore, openRepository, type RepositoryContext, storeAt } from "../../backup/repository/mod.ts";
import { describeValue } from "../../base/options.ts";
import type { FileSystem } from "../../files/file_system.ts";
import type { ObjectStore } from "../../storage/object_store.ts";
import { type RepositoryOptions, repositoryOptions } from "./repository_options.ts";

/** Opens it, and says where files lie. */
export async function repositoryAt(
  call: string,
  target: string | URL | ObjectStore,
  options: RepositoryOptions | undefined,
): Promise<{ context: RepositoryContext; fileSystem: FileSystem }> {
  const { settings, fileSystem } = repositoryOptions(call, options);
  if (isObjectStore(target)) return { context: await openRepository(target, settings), fileSystem };
  if (typeof target !== "string" && !(target instanceof URL)) {
    throw new TypeError(`${call}: target must be a path, a file: URL or a store, not ${describeValue(target)}`);
  }
  const store = await storeAt(fileSystem, localPath(call, target));
  return { context: await openRepository(store, settings), fileSystem };
}
