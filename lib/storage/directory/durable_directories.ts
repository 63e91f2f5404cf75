/**
 * The directories of a store, made when a key needs them.
 *
 * Invariant: a known directory was there, and its name durable, when it became known. A directory that another process
 * has made may not be durable yet, so that finding one is not enough: its parent is synced before it is relied on.
 *
 * @module
 */
import { ExistsError, HoldfastError, NotFoundError, PermissionError } from "../../base/errors.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { dirname, join } from "../../files/paths.ts";
import type { DirectorySyncs } from "./directory_syncs.ts";

/** A file is where a directory must be. */
export class FileInTheWayError extends HoldfastError {
  /** Names the file. */
  constructor(path: string) {
    super("EXISTS", `Cannot make directory ${path}: a file is in its place (EXISTS)`, { path });
  }
}

/** Throws `PermissionError` where a directory below the root is a link: what lies behind it is not the store's to change. */
export function refuseLink(fs: FileSystem, path: string): void {
  const real = fs.resolve(path);
  if (real === path) return;
  throw new PermissionError(
    `Cannot change anything below ${path}: it leads to ${real}, outside the store; put a directory in its place ` +
      `(PERMISSION)`,
    { path },
  );
}

/** Makes directories below a root, and the root. */
export class DurableDirectories {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #syncs: DirectorySyncs;
  readonly #known = new Set<string>();

  /** The root's own parent must exist. */
  constructor(fs: FileSystem, root: string, syncs: DirectorySyncs) {
    this.#fs = fs;
    this.#root = root;
    this.#syncs = syncs;
  }

  /** Resolves once the root and these parts below it are durable directories. `FileInTheWayError`; `refuseLink`. */
  async ensure(parts: readonly string[]): Promise<void> {
    let path = this.#root;
    // Whether the others are still there shows when the name is given; without the root nothing can be written at all.
    if (this.#known.has(path) && await this.#fs.stat(path) === undefined) this.forget();
    if (!this.#known.has(path)) await this.#make(path);
    for (const part of parts) {
      path = join(path, part);
      if (!this.#known.has(path)) await this.#make(path);
    }
  }

  /** Someone removed directories: what was known of them no longer counts. */
  forget(): void {
    this.#known.clear();
  }

  async #make(path: string): Promise<void> {
    const found = await this.#fs.stat(path);
    if (path !== this.#root) refuseLink(this.#fs, path);
    if (found === undefined) {
      try {
        await this.#fs.makeDirectory(path, { private: true });
      } catch (error) {
        // Another was faster, perhaps with a file.
        if (!(error instanceof ExistsError)) throw error;
        if ((await this.#fs.stat(path))?.kind === "file") throw new FileInTheWayError(path);
      }
    } else if (found.kind !== "directory") {
      throw new FileInTheWayError(path);
    }
    await this.#syncs.sync(dirname(path));
    this.#known.add(path);
  }
}

/**
 * Removes directories below `path`, and `path`, as far as there is no file in them; whether all could be. What a store
 * leaves when the last object of a directory goes: only in the way when a key takes the directory's name. `path` is
 * resolved; a link below is no directory of the store's.
 */
export async function removeEmptyTree(fs: FileSystem, path: string): Promise<boolean> {
  if (fs.resolve(path) !== path) return false;
  try {
    for (const name of await fs.list(path)) {
      const child = join(path, name);
      if ((await fs.stat(child))?.kind !== "directory" || !await removeEmptyTree(fs, child)) return false;
    }
    await fs.removeDirectory(path);
    return true;
  } catch (error) {
    if (error instanceof NotFoundError) return true;
    if (error instanceof ExistsError) return false; // Something came in meanwhile.
    throw error;
  }
}
