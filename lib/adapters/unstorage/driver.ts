/**
 * The driver of unstorage.
 *
 * @module
 */
import { checkOptions, describeValue, pathOf, stringOption } from "../../base/options.ts";
import { DB } from "../../db/db.ts";
import { Namespace } from "../../db/namespace.ts";
import { STORE_OPEN_NAMES, type StoreLocation, StorePlace } from "../stores/store_place.ts";
import { ownValue, TextStore } from "../stores/text_store.ts";
import type { HoldfastDriver, HoldfastDriverOptions, HoldfastItemOptions } from "./driver_types.ts";
import { expiryIn, itemValue, metaOf, rawValue } from "./item_values.ts";
import { ItemWatch } from "./item_watch.ts";

const CALL = "holdfastDriver";

/**
 * Makes a driver: for a directory, which is opened at the first call, or over a database or namespace that is open already.
 * `TypeError` or `RangeError` for options that make no sense.
 *
 * @example
 * ```ts
 * import { holdfastDriver } from "@holdfast/db/unstorage";
 *
 * const driver = holdfastDriver({ path: ":memory:", ttl: 3600 });
 * await driver.setItem("users:ada", "Ada");
 * console.log(await driver.getKeys("users")); // [ "users:ada" ]
 * await driver.dispose();
 * ```
 */
export function holdfastDriver(options: HoldfastDriverOptions): HoldfastDriver {
  const { path, database, base, ttl, driver: _, ...settings } = checkOptions(CALL, options, [
    ...["path", "database", "base", "ttl", "driver"],
    ...STORE_OPEN_NAMES,
  ]);
  if (path === undefined && database === undefined) {
    throw new TypeError(`${CALL}: give path, the directory of the database, or database, one that is open already`);
  }
  if (path !== undefined && database !== undefined) {
    throw new TypeError(`${CALL}: both path and database; give one of them`);
  }
  if (database !== undefined && !(database instanceof DB) && !(database instanceof Namespace)) {
    throw new TypeError(`${CALL}: database must be an open database or a namespace, not ${describeValue(database)}`);
  }
  if (path !== undefined) pathOf(CALL, path as string);
  expiryIn(CALL, ttl);
  const place = new StorePlace(CALL, (path ?? database) as StoreLocation, settings);
  // Empty, as configurations have it that leave it open: nothing, as with unstorage's own drivers.
  const own = base === "" ? base : below(stringOption(CALL, { base }, "base", undefined));
  /** Also those that are still to begin: they may take their time. */
  const watches = new Set<Promise<ItemWatch>>();
  const items = async (): Promise<TextStore> => new TextStore(CALL, await place.space(), place.durability);
  const expiry = (call: string, ...given: (HoldfastItemOptions | undefined)[]): { expireIn?: number } => {
    return expiryIn(call, given.find((one) => one?.ttl !== undefined && one.ttl !== null)?.ttl ?? ttl);
  };

  // unstorage takes the methods off the driver before it calls them: none may need `this`.
  return {
    name: "holdfast",
    flags: { maxDepth: true, ttl: true },
    options,
    getInstance: () => place.space(),
    async hasItem(key) {
      return (await (await items()).hasMany([own + key]))[0]!;
    },
    async getItem(key) {
      return itemValue(await (await items()).get(own + key));
    },
    async getItems(wanted) {
      const keys = wanted.map(({ key }) => key);
      const stored = keys.map((key) => own + key);
      return await (await items()).getMany(stored, (value, n) => ({ key: keys[n]!, value: itemValue(value) }));
    },
    async getItemRaw(key) {
      return await (await items()).get(own + key) ?? null;
    },
    async setItem(key, value, given) {
      const item = { key: own + key, value, ...expiry("setItem", given) };
      await (await items()).set("setItem", [item]);
    },
    async setItems(given, common) {
      const all = given.map(({ key, value, options }) => {
        return { key: own + key, value, ...expiry("setItems", options, common) };
      });
      await (await items()).set("setItems", all);
    },
    async setItemRaw(key, value, given) {
      const item = { key: own + key, value: ownValue("setItemRaw", rawValue(value)), ...expiry("setItemRaw", given) };
      await (await items()).set("setItemRaw", [item]);
    },
    async removeItem(key) {
      await (await items()).delete([own + key]);
    },
    async getMeta(key) {
      const store = await items();
      const entry = await store.entry(own + key);
      return entry === undefined ? null : metaOf(entry, store.now());
    },
    async getKeys(base, given) {
      const { maxDepth } = given ?? {};
      const keys: string[] = [];
      for await (const key of (await items()).keys(own + below(base))) {
        const relative = key.slice(own.length);
        if (maxDepth === undefined || depthOf(relative) <= maxDepth) keys.push(relative);
      }
      return keys;
    },
    async clear(base) {
      await (await items()).clear(own + below(base));
    },
    async dispose() {
      // What ended a watch is for whoever watched.
      await Promise.allSettled([...watches].map(async (watch) => await (await watch).stop()));
      await place.close();
    },
    async watch(callback) {
      const starting = items().then((store) => ItemWatch.start(store, own, callback));
      watches.add(starting);
      const forget = () => watches.delete(starting);
      starting.catch(forget);
      const watch = await starting;
      return async () => {
        forget();
        await watch.stop();
      };
    },
  };
}

/** What the keys below a base begin with. */
function below(base: string | undefined): string {
  const name = (base ?? "").replace(/[/\\]/g, ":").replace(/:+/g, ":").replace(/^:|:$/g, "");
  return name === "" ? "" : `${name}:`;
}

function depthOf(key: string): number {
  return key.split(":").length - 1;
}
