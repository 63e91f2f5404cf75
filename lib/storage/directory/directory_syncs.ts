/**
 * Making names in directories durable, with calls that come together sharing one sync.
 *
 * @module
 */
import type { FileSystem } from "../../files/file_system.ts";

interface Turn {
  done: Promise<void>;
  next: Promise<void> | undefined;
}

/** Syncs directories. */
export class DirectorySyncs {
  readonly #fs: FileSystem;
  readonly #turns = new Map<string, Turn>();

  /** Of this file system. */
  constructor(fs: FileSystem) {
    this.#fs = fs;
  }

  /** Resolves once the names that are in the directory now are durable. */
  sync(path: string): Promise<void> {
    const turn = this.#turns.get(path);
    if (turn === undefined) return this.#start(path);
    // The one under way may have begun before the caller's change: only the next is sure to hold it.
    const again = (): Promise<void> => this.#start(path);
    return turn.next ??= turn.done.then(again, again);
  }

  #start(path: string): Promise<void> {
    const turn: Turn = { done: this.#fs.syncDirectory(path), next: undefined };
    this.#turns.set(path, turn);
    const end = (): void => {
      if (turn.next === undefined && this.#turns.get(path) === turn) this.#turns.delete(path);
    };
    turn.done.then(end, end);
    return turn.done;
  }
}
