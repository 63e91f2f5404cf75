/**
 * The storage adapter for Keyv 5.
 *
 * @module
 */
import type { StoreLocation } from "../stores/store_place.ts";
import { expiryIn } from "./expiry.ts";
import { type KeyvHoldfastOptions, KeyvStore } from "./keyv_store.ts";

/** One entry of `setMany`. */
export interface Keyv5HoldfastEntry {
  /** Its key. */
  key: string;
  /** Its value, as `set` takes it. */
  value: unknown;
  /** After how many ms it vanishes. */
  ttl?: number | undefined;
}

/**
 * A store for Keyv 5 in Holdfast: as `KeyvHoldfast`, but for what that major asks otherwise.
 *
 * @example
 * ```ts
 * import { Keyv5Holdfast } from "@holdfast/db/keyv";
 *
 * await using store = new Keyv5Holdfast(":memory:"); // or a directory: "./cache"
 * await store.set("greeting", "hello", 60_000);
 * console.log(await store.get("greeting")); // hello
 * ```
 */
export class Keyv5Holdfast extends KeyvStore {
  /**
   * What Keyv 5 looks at before it iterates: it does so with no store whose dialect it does not know. This one can be
   * iterated over as that of SQLite can.
   */
  readonly opts: Record<string, unknown>;

  /** A store in a directory, a database or a namespace; see `KeyvHoldfast`. */
  constructor(location: StoreLocation, options?: KeyvHoldfastOptions) {
    super("Keyv5Holdfast", location, options);
    this.opts = { dialect: "sqlite", url: `holdfast:${this.location}` };
  }

  /** Sets a key to a value: a string, bytes or JSON. It vanishes after `ttl` ms. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await this.setItems("set", [{ key, value, ...expiryIn("set", ttl) }]);
    return true;
  }

  /** Sets several keys, all of them in one commit or, when it rejects, none. */
  async setMany(entries: Keyv5HoldfastEntry[]): Promise<boolean[]> {
    const items = entries.map(({ key, value, ttl }) => ({ key, value, ...expiryIn("setMany", ttl) }));
    await this.setItems("setMany", items);
    return entries.map(() => true);
  }

  /** Deletes several keys in one commit; resolves to whether all of them were there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.deleteKeys(keys)).every((present) => present);
  }
}
