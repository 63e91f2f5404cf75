/**
 * What unstorage asks of a driver, as far as this one has it.
 *
 * @module
 */
import type { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Namespace } from "../../db/namespace.ts";
import type { StoreOpenOptions } from "../stores/store_place.ts";

/** Options of the driver: where entries lie, and, with a path, those of `DB.open`. */
export interface HoldfastDriverOptions extends StoreOpenOptions {
  /** The directory of the database, or `":memory:"`. Either this or `database` is needed. */
  path?: string | URL | undefined;
  /** What is open already: a database or a namespace. Closing it is left to whoever opened it. */
  database?:
    | DB<string>
    | DB<Uint8Array>
    | DB<Key>
    | Namespace<string>
    | Namespace<Uint8Array>
    | Namespace<Key>
    | undefined;
  /** What keys begin with in the database, without its colon at the end. Default: nothing, as `""`. */
  base?: string | undefined;
  /** After how many seconds items vanish that are set without a `ttl` of their own. Default: never. */
  ttl?: number | undefined;
  /** How a configuration names this driver: Nitro hands that on with the rest. It has no meaning here. */
  driver?: string | undefined;
}

/** Options of a write. */
export interface HoldfastItemOptions {
  /** After how many seconds the item vanishes; 0: never. Default: that of the driver. */
  ttl?: number | undefined;
}

/** What is known of an item beside its value. A type and no interface, so that it passes for unstorage's record. */
export type HoldfastItemMeta = {
  /** When it was written. */
  mtime: Date;
  /** Bytes of its value, JSON as text. */
  size: number;
  /** Seconds until it vanishes; absent when it doesn't. */
  ttl?: number;
  /** The version of the commit that wrote it. */
  version: number;
};

/** A driver of unstorage in Holdfast: what `createStorage({ driver })` takes. */
export interface HoldfastDriver {
  /** `"holdfast"`. */
  name: string;
  /** What it does by itself: limits the depth of keys, lets items vanish. */
  flags: { maxDepth: boolean; ttl: boolean };
  /** The options it was made with. */
  options: HoldfastDriverOptions;
  /** The database beneath, or the namespace that was given, opened by now. */
  getInstance(): Promise<DB<Key> | Namespace<Key>>;
  /** Whether there is an item. */
  hasItem(key: string): Promise<boolean>;
  /** The text of an item, or the JSON that `DB.set` wrote; null when there is none. */
  getItem(key: string): Promise<HoldfastItemValue>;
  /** Several items, all of one version. */
  getItems(items: { key: string }[]): Promise<{ key: string; value: HoldfastItemValue }[]>;
  /** An item as it was written: text, bytes or JSON; null when there is none. */
  getItemRaw(key: string): Promise<unknown>;
  /** Sets an item to a text. */
  setItem(key: string, value: string, options?: HoldfastItemOptions): Promise<void>;
  /** Sets several items in one commit. */
  setItems(
    items: { key: string; value: string; options?: HoldfastItemOptions }[],
    commonOptions?: HoldfastItemOptions,
  ): Promise<void>;
  /** Sets an item to bytes, text or JSON. */
  setItemRaw(key: string, value: unknown, options?: HoldfastItemOptions): Promise<void>;
  /** Deletes an item, there or not. */
  removeItem(key: string): Promise<void>;
  /** What is known of an item; null when there is none. */
  getMeta(key: string): Promise<HoldfastItemMeta | null>;
  /** The keys below a base, in order, with at most so many colons in them. */
  getKeys(base?: string, options?: { maxDepth?: number }): Promise<string[]>;
  /** Deletes all items below a base, in one commit. */
  clear(base?: string): Promise<void>;
  /** Ends what watches, writes what is pending, and closes a database that was opened here. */
  dispose(): Promise<void>;
  /** Tells of every item that is set or deleted, whoever does it, until the function it resolves to is called. */
  watch(callback: (event: "update" | "remove", key: string) => unknown): Promise<() => Promise<void>>;
}

/** What `getItem` gives: text, or what JSON there is. */
export type HoldfastItemValue = null | string | number | boolean | object;
