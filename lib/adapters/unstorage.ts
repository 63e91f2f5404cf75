/**
 * A driver for unstorage (and so for Nitro and Nuxt) in Holdfast: `@holdfast/db/unstorage`. It loads no package; unstorage
 * is installed by whoever uses it.
 *
 * @example
 * ```ts
 * import { createStorage } from "unstorage";
 * import { holdfastDriver } from "@holdfast/db/unstorage";
 *
 * const storage = createStorage({ driver: holdfastDriver({ path: "./storage" }) });
 * await storage.setItem("users:ada", { name: "Ada" });
 * await storage.setItem("sessions:7", "open", { ttl: 3600 }); // seconds
 * console.log(await storage.getItem("users:ada"), await storage.getKeys("users")); // { name: "Ada" } [ "users:ada" ]
 * await storage.dispose();
 * ```
 *
 * @module
 */
import { holdfastDriver } from "./unstorage/driver.ts";

export { holdfastDriver };
export type {
  HoldfastDriver,
  HoldfastDriverOptions,
  HoldfastItemMeta,
  HoldfastItemOptions,
  HoldfastItemValue,
} from "./unstorage/driver_types.ts";
export type { StoreOpenOptions } from "./stores/store_place.ts";

/** As drivers are named in a configuration, by their module. */
export default holdfastDriver;
