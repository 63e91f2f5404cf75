/**
 * The storage adapter for Keyv 6.
 *
 * @module
 */
import type { StoreLocation } from "../stores/store_place.ts";
import { keyvCapabilities, type KeyvHoldfastCapabilities } from "./capabilities.ts";
import { expiryAt } from "./expiry.ts";
import { type KeyvHoldfastOptions, KeyvStore } from "./keyv_store.ts";

/** One entry of `setMany`. */
export interface KeyvHoldfastEntry {
  /** Its key. */
  key: string;
  /** Its value, as `set` takes it. */
  value: unknown;
  /** When it vanishes, ms since the Unix epoch. */
  expires?: number | undefined;
}

/**
 * A store for Keyv 6 in Holdfast.
 *
 * @example
 * ```ts
 * import { KeyvHoldfast } from "@holdfast/db/keyv";
 *
 * await using store = new KeyvHoldfast(":memory:"); // or a directory: "./cache"
 * await store.set("greeting", "hello", Date.now() + 60_000);
 * console.log(await store.get("greeting")); // hello
 * ```
 */
export class KeyvHoldfast extends KeyvStore {
  /** What Keyv asks for: it then gives times of expiry, and uses the store as it is. */
  readonly capabilities: KeyvHoldfastCapabilities = keyvCapabilities();

  /**
   * A store in a directory, which is opened at the first call; `":memory:"` leaves nothing on disk. Or in a database or
   * namespace that is open already: closing it is then left to whoever opened it.
   *
   * @example Beside what else a database holds
   * ```ts
   * import { DB } from "@holdfast/db";
   * import { KeyvHoldfast } from "@holdfast/db/keyv";
   *
   * await using db = await DB.open(":memory:");
   * const store = new KeyvHoldfast(db, { namespace: "cache" });
   * await store.set("greeting", "hello");
   * console.log(await db.namespace("cache").get("greeting")); // hello
   * ```
   */
  constructor(location: StoreLocation, options?: KeyvHoldfastOptions) {
    super("KeyvHoldfast", location, options);
  }

  /**
   * Sets a key to a value: a string, bytes or JSON. `expires` is the time at which it vanishes, ms since the Unix epoch;
   * `RangeError` for what can only be the `ttl` of Keyv 5.
   */
  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    await this.setItems("set", [{ key, value, ...expiryAt("set", expires) }]);
    return true;
  }

  /** Sets several keys, all of them in one commit or, when it rejects, none. */
  async setMany(entries: KeyvHoldfastEntry[]): Promise<boolean[]> {
    const items = entries.map(({ key, value, expires }) => ({ key, value, ...expiryAt("setMany", expires) }));
    await this.setItems("setMany", items);
    return entries.map(() => true);
  }

  /** Deletes several keys in one commit; resolves to whether each of them was there. */
  async deleteMany(keys: string[]): Promise<boolean[]> {
    return await this.deleteKeys(keys);
  }
}
