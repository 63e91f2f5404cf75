/**
 * Watching items. unstorage tells of single keys, and Holdfast also of ranges that were deleted and of contents that were
 * replaced as a whole. So the keys that are there are kept in memory while somebody watches, and such a change is told as
 * the changes of keys that it is.
 *
 * @module
 */
import { compareBytes, encodeText } from "../../base/bytes.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Change } from "../../db/watching/change.ts";
import { textOf, type TextStore } from "../stores/text_store.ts";

/** Hears of an item. */
export type ItemListener = (event: "update" | "remove", key: string) => unknown;

/** Tells of the changes of keys that begin with `prefix`, without it. */
export class ItemWatch {
  readonly #store: TextStore;
  readonly #prefix: string;
  readonly #listener: ItemListener;
  readonly #changes: AsyncIterableIterator<Change<Key>[], undefined>;
  #keys: Set<string> = new Set();
  #ending: Promise<void> | undefined;

  /** Watches from now on; see `start`. */
  private constructor(store: TextStore, prefix: string, listener: ItemListener) {
    this.#store = store;
    this.#prefix = prefix;
    this.#listener = listener;
    this.#changes = store.space.watch({ prefix });
  }

  /** Watches from now on; resolves once the keys that are there are known. */
  static async start(store: TextStore, prefix: string, listener: ItemListener): Promise<ItemWatch> {
    const watch = new ItemWatch(store, prefix, listener);
    // In the same turn as the watch began: nothing is missed between the two.
    try {
      watch.#keys = await watch.#present();
    } catch (error) {
      await watch.#changes.return!();
      throw error;
    }
    watch.#ending = watch.#run();
    // Whoever ends the watch is told; nobody else waits for it.
    watch.#ending.catch(() => {});
    return watch;
  }

  /** Ends it; rejects with what had ended it before, if something had. */
  async stop(): Promise<void> {
    await this.#changes.return!();
    await this.#ending;
  }

  async #run(): Promise<void> {
    for await (const changes of this.#changes) {
      for (const change of changes) {
        if (change.type === "reset") await this.#reset();
        else if (change.type === "deleteRange") this.#removeRange(change);
        else this.#one(change.type, textOf(change.key!));
      }
    }
  }

  #one(type: "set" | "delete", key: string | undefined): void {
    if (key === undefined) return;
    if (type === "delete") this.#remove(key);
    else {
      this.#keys.add(key);
      this.#tell("update", key);
    }
  }

  #removeRange({ start, end }: Change<Key>): void {
    const from = start === undefined ? undefined : bytesOf(start);
    const to = end === undefined ? undefined : bytesOf(end);
    for (const key of [...this.#keys]) {
      const bytes = encodeText(key);
      if (from !== undefined && compareBytes(bytes, from) < 0) continue;
      if (to !== undefined && compareBytes(bytes, to) >= 0) continue;
      this.#remove(key);
    }
  }

  /** Anything may have changed. */
  async #reset(): Promise<void> {
    const present = await this.#present();
    for (const key of this.#keys) if (!present.has(key)) this.#tell("remove", key);
    this.#keys = present;
    for (const key of present) this.#tell("update", key);
  }

  async #present(): Promise<Set<string>> {
    using snapshot = this.#store.space.snapshot();
    const keys = new Set<string>();
    for await (const key of this.#store.keys(this.#prefix, snapshot)) keys.add(key);
    return keys;
  }

  #remove(key: string): void {
    if (this.#keys.delete(key)) this.#tell("remove", key);
  }

  #tell(event: "update" | "remove", key: string): void {
    try {
      this.#listener(event, key.slice(this.#prefix.length));
    } catch (error) {
      // As of any listener: it is the program's, and ends neither the watch nor what others hear.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function bytesOf(key: Key): Uint8Array {
  return typeof key === "string" ? encodeText(key) : key;
}
