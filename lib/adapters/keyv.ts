/**
 * Stores for Keyv in Holdfast: `@holdfast/db/keyv`, `KeyvHoldfast` for Keyv 6 and `Keyv5Holdfast` for Keyv 5. It loads no
 * package; Keyv is installed by whoever uses it.
 *
 * @example
 * ```ts
 * import Keyv from "keyv";
 * import { KeyvHoldfast } from "@holdfast/db/keyv";
 *
 * const store = new KeyvHoldfast("./cache");
 * const users = new Keyv({ store, namespace: "users", ttl: 3_600_000 });
 * users.on("error", (error) => console.error(error));
 * await users.set("ada", { name: "Ada" });
 * console.log(await users.get("ada")); // { name: "Ada" }
 * await users.disconnect();
 * ```
 *
 * @module
 */
export { KeyvHoldfast, type KeyvHoldfastEntry } from "./keyv/keyv_holdfast.ts";
export { Keyv5Holdfast, type Keyv5HoldfastEntry } from "./keyv/keyv5_holdfast.ts";
export { type KeyvHoldfastOptions, KeyvStore } from "./keyv/keyv_store.ts";
export type { KeyvHoldfastCapabilities, KeyvMethodName } from "./keyv/capabilities.ts";
export type { StoreLocation, StoreOpenOptions } from "./stores/store_place.ts";
