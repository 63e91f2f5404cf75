/**
 * The objects in a directory in the order of their keys.
 *
 * A directory `a` stands for keys that begin with `a/`, and `/` sorts after `-` and `.`: the order is `a` (a file) < `a-b` <
 * `a.b` < `a/b` < `a0`. So a directory waits until the names that sort before its slash have had their turn.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { IOError, NotFoundError } from "../../base/errors.ts";
import { yieldToLoop } from "../../base/yield.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { join } from "../../files/paths.ts";
import { isKeyPart, KEY_LENGTH_MAX } from "../object_key.ts";
import type { ObjectInfo } from "../object_store.ts";
import type { CheckedList } from "../store_options.ts";

/** Looking at a file costs 2 to 10 µs of the main thread: so many are a slice of it. */
const LOOKS_PER_SLICE = 128;

/** Walks through one listing. */
export class DirectoryWalk {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #scope: CheckedList;
  #looks = 0;

  /** Of the keys in the scope. */
  constructor(fs: FileSystem, root: string, scope: CheckedList) {
    this.#fs = fs;
    this.#root = root;
    this.#scope = scope;
  }

  /** All objects in the scope, in order. Rejects rather than leave one out. */
  async *objects(): AsyncGenerator<ObjectInfo> {
    const base = this.#scope.prefix.slice(0, this.#scope.prefix.lastIndexOf("/") + 1);
    // What no key can begin with must not lead anywhere, least of all out of the root.
    if (base !== "" && !base.slice(0, -1).split("/").every(isKeyPart)) return;
    yield* this.#below(join(this.#root, base), base);
  }

  async *#below(directory: string, base: string): AsyncGenerator<ObjectInfo> {
    const waiting: string[] = [];
    for (const name of await this.#names(directory)) {
      while (waiting.length > 0 && waiting[0]! < name) yield* this.#subdirectory(directory, base, waiting.shift()!);
      if (!isKeyPart(name) || !this.#concerns(base + name)) continue;
      const info = await this.#look(join(directory, name));
      if (info?.kind === "directory") insert(waiting, `${name}/`);
      else if (info?.kind === "file" && this.#holds(base + name)) yield { key: base + name, size: info.size };
    }
    for (const slashed of waiting) yield* this.#subdirectory(directory, base, slashed);
  }

  #subdirectory(directory: string, base: string, slashed: string): AsyncGenerator<ObjectInfo> {
    return this.#below(join(directory, slashed.slice(0, -1)), base + slashed);
  }

  /** The names in a directory, none when it is gone: then all of its keys are. */
  async #names(directory: string): Promise<string[]> {
    throwIfAborted(this.#scope.signal);
    try {
      return await this.#fs.list(directory);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const found = await this.#fs.stat(directory);
      if (found === undefined) return [];
      if (found.kind === "file" && directory !== this.#root) return []; // An object took its name.
      throw new IOError(`Cannot list ${directory}: it cannot be read as a directory (IO)`, { cause: error });
    }
  }

  async #look(path: string): ReturnType<FileSystem["stat"]> {
    if (++this.#looks % LOOKS_PER_SLICE === 0) await yieldToLoop();
    throwIfAborted(this.#scope.signal);
    return await this.#fs.stat(path);
  }

  #holds(key: string): boolean {
    const { prefix, after } = this.#scope;
    return key.startsWith(prefix) && (after === undefined || key > after) && key.length <= KEY_LENGTH_MAX;
  }

  /** Whether the key itself or one below it can be in the scope; looking at the others would cost each page the whole directory. */
  #concerns(key: string): boolean {
    const { prefix, after } = this.#scope;
    if (key.length > KEY_LENGTH_MAX) return false;
    if (!key.startsWith(prefix) && !prefix.startsWith(`${key}/`)) return false;
    // "0" is the character after "/": what begins with `${key}/` sorts before `${key}0`.
    return after === undefined || `${key}0` > after;
  }
}

/** Puts a string into its place in a sorted array. */
function insert(sorted: string[], text: string): void {
  let at = sorted.length;
  while (at > 0 && sorted[at - 1]! > text) at--;
  sorted.splice(at, 0, text);
}
