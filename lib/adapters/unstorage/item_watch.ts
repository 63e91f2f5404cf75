/**
 * Watching items. unstorage tells of single keys, and Holdfast also of ranges that were deleted and of contents that were
 * replaced as a whole. So the keys that are there are kept in memory while somebody watches, and such a change is told as
 * the changes of keys that it is. Keys that have expired, which nobody tells of, are let go of from time to time: of items
 * that all expire, as many names are kept as there are items, and not as there ever were.
 *
 * @module
 */
import { compareBytes, encodeText } from "../../base/bytes.ts";
import type { Slicer } from "../../base/yield.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Change } from "../../db/watching/change.ts";
import { textOf, type TextStore } from "../stores/text_store.ts";

/** Hears of an item. */
export type ItemListener = (event: "update" | "remove", key: string) => unknown;

/** So many names may be kept of what has expired, however few there are. */
const EXPIRED_MAX = 1024;

/** The clock is asked once in so many keys. */
const KEYS_PER_CLOCK = 16;

/** Tells of the changes of keys that begin with `prefix`, without it. */
export class ItemWatch {
  readonly #store: TextStore;
  readonly #prefix: string;
  readonly #listener: ItemListener;
  readonly #changes: AsyncIterableIterator<Change<Key>[], undefined>;
  readonly #slicer: Slicer;
  #steps = 0;
  /** The keys that are there, with their times of expiry. */
  #keys = new Map<string, number | undefined>();
  /** How many may be there before the expired ones are looked for. */
  #sweepAt = EXPIRED_MAX;
  #stopped = false;
  #ending: Promise<void> | undefined;

  /** Watches from now on; see `start`. */
  private constructor(store: TextStore, prefix: string, listener: ItemListener) {
    this.#store = store;
    this.#prefix = prefix;
    this.#listener = listener;
    this.#slicer = store.slicer();
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

  /** How many names are kept. */
  get size(): number {
    return this.#keys.size;
  }

  /** Ends it; rejects with what had ended it before, if something had. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#changes.return!();
    await this.#ending;
  }

  async #run(): Promise<void> {
    for await (const changes of this.#changes) {
      for (const change of changes) {
        if (change.type === "reset") await this.#reset();
        else if (change.type === "deleteRange") await this.#removeRange(change);
        else this.#one(change.type, textOf(change.key!), change.entry?.expiresAt);
      }
    }
  }

  #one(type: "set" | "delete", key: string | undefined, expiresAt: number | undefined): void {
    if (key === undefined) return;
    if (type === "delete") return this.#remove(key);
    this.#keys.set(key, expiresAt);
    if (this.#keys.size > this.#sweepAt) this.#sweep();
    this.#tell("update", key);
  }

  #sweep(): void {
    for (const key of this.#keys.keys()) if (this.#hasExpired(key)) this.#keys.delete(key);
    this.#sweepAt = 2 * this.#keys.size + EXPIRED_MAX;
  }

  #hasExpired(key: string): boolean {
    const expiresAt = this.#keys.get(key);
    return expiresAt !== undefined && expiresAt <= this.#store.now();
  }

  /** Lets the event loop go round where there are many keys to go through; other changes wait meanwhile. */
  #pause(): Promise<void> | undefined {
    return ++this.#steps % KEYS_PER_CLOCK === 0 ? this.#slicer.tick() : undefined;
  }

  async #removeRange({ start, end }: Change<Key>): Promise<void> {
    const from = start === undefined ? undefined : bytesOf(start);
    const to = end === undefined ? undefined : bytesOf(end);
    for (const key of [...this.#keys.keys()]) {
      await this.#pause();
      const bytes = encodeText(key);
      if (from !== undefined && compareBytes(bytes, from) < 0) continue;
      if (to !== undefined && compareBytes(bytes, to) >= 0) continue;
      this.#remove(key);
    }
  }

  /** Anything may have changed. */
  async #reset(): Promise<void> {
    const present = await this.#present();
    for (const key of this.#keys.keys()) {
      await this.#pause();
      if (!present.has(key) && !this.#hasExpired(key)) this.#tell("remove", key);
    }
    this.#keys = present;
    for (const key of present.keys()) {
      await this.#pause();
      this.#tell("update", key);
    }
  }

  async #present(): Promise<Map<string, number | undefined>> {
    using snapshot = this.#store.space.snapshot();
    const keys = new Map<string, number | undefined>();
    for await (const [key, expiresAt] of this.#store.expiries(this.#prefix, snapshot)) keys.set(key, expiresAt);
    return keys;
  }

  /** Tells of it, unless it had vanished before. */
  #remove(key: string): void {
    const expired = this.#hasExpired(key);
    if (this.#keys.delete(key) && !expired) this.#tell("remove", key);
  }

  #tell(event: "update" | "remove", key: string): void {
    // One that ended it hears nothing more, of what had happened before either.
    if (this.#stopped) return;
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
