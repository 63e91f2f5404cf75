/**
 * Options of the adapter: those of `DB.open` under their own names, and Level's `sync`.
 *
 * @module
 */
import { OPEN_NAMES, type OpenOptions, openOptions } from "../../db/options.ts";
import type { Durability } from "../../engine/types.ts";
import { describeValue } from "../../base/options.ts";
import type { AbstractDatabaseOptions, AbstractOpenOptions } from "./abstract_level.ts";

/** What decides when the promise of a write resolves. */
export interface SyncOption {
  /**
   * `true`: once the write is synced to disk, so that it survives power loss. `false`: once it is handed to the system, so
   * that it survives the end of the process (with `durability: "buffered"`: once it can be read). Default: as the database's
   * `durability` says.
   */
  sync?: boolean | undefined;
}

/** Options of `HoldfastLevel.open`: those of `DB.open` but for the keys, which Level encodes itself. */
export interface LevelOpenOptions
  extends Omit<OpenOptions, "keyEncoding" | "compression">, Pick<AbstractOpenOptions, "passive"> {
  /** As in `DB.open`, or as `classic-level` has it: `true` for `"auto"`, `false` for `"none"`. */
  compression?: OpenOptions["compression"] | boolean;
  /** What `classic-level` calls `cacheBytes`. */
  cacheSize?: number | undefined;
  /** What `classic-level` calls `memtableBytes`. */
  writeBufferSize?: number | undefined;
  /** What `classic-level` calls `tuning.blockBytes`. */
  blockSize?: number | undefined;
  /** What `classic-level` calls `tuning.tableBytes`. */
  maxFileSize?: number | undefined;
}

/** Options of the constructor: encodings, as every Level database has them, and those of `DB.open`. */
export interface LevelOptions<K, V>
  extends Omit<LevelOpenOptions, "passive">, Pick<AbstractDatabaseOptions<K, V>, "keyEncoding" | "valueEncoding"> {
  /** The namespace that entries lie in, its names from the outermost on. Default: none, they are the database's own. */
  namespace?: string | readonly string[] | undefined;
}

/** Every option of `DB.open` that is passed on: what keys are is Level's. */
const PASSED_NAMES = OPEN_NAMES.filter((name) => name !== "keyEncoding");

/** Options of `classic-level` that mean the same here under another name; of the last two that is one of `tuning`. */
const CLASSIC_NAMES = {
  cacheSize: "cacheBytes",
  writeBufferSize: "memtableBytes",
  blockSize: "blockBytes",
  maxFileSize: "tableBytes",
} as const;

/** Options of `classic-level` that would do nothing here, and why. */
const CLASSIC_ONLY: Readonly<Record<string, string>> = {
  maxOpenFiles: "there is no such limit here, leave it out",
  blockRestartInterval: "it is fixed here, leave it out",
  multithreading: "workers can't share a database here, leave it out",
};

/**
 * The options of `DB.open` among those given, checked, and those of `classic-level` under their names there: libraries that
 * were written for it pass them. Names that neither knows are let through: plugins and hooks of Level have their own there.
 */
export function checkedOpenOptions(call: string, options: object | null | undefined): OpenOptions {
  const given = new Map(Object.entries(options ?? {}));
  for (const [name, advice] of Object.entries(CLASSIC_ONLY)) {
    if (given.get(name) !== undefined) throw new TypeError(`${call}: unknown option "${name}": ${advice}`);
  }
  const known: Record<string, unknown> = Object.fromEntries(
    PASSED_NAMES.flatMap((name) => given.has(name) ? [[name, given.get(name)]] : []),
  );
  if (typeof known["compression"] === "boolean") known["compression"] = known["compression"] ? "auto" : "none";
  for (const [classic, name] of Object.entries(CLASSIC_NAMES)) {
    const value = given.get(classic);
    if (value === undefined) continue;
    if (!Number.isSafeInteger(value)) {
      throw new TypeError(`${call}: option "${classic}" must be a whole number, not ${describeValue(value)}`);
    }
    const isOfTuning = name === "blockBytes" || name === "tableBytes";
    const place = isOfTuning ? { ...known["tuning"] as object } as Record<string, unknown> : known;
    if (place[name] !== undefined) {
      throw new TypeError(`${call}: options "${classic}" and "${name}" say the same; give one of them`);
    }
    place[name] = value;
    if (isOfTuning) known["tuning"] = place;
  }
  openOptions(call, known);
  return known;
}

/** The same for a database that is open already: all that is left to say is how durable writes are. */
export function checkedOptionsOver(call: string, options: object | null | undefined): OpenOptions {
  const { createIfMissing: _, errorIfExists, durability, ...others } = checkedOpenOptions(call, options);
  if (errorIfExists) throw new TypeError(`${call}: errorIfExists is set, but the database is open already`);
  const [name] = Object.keys(others);
  if (name !== undefined) throw new TypeError(`${call}: the database is open already; give "${name}" to DB.open`);
  return { durability };
}

/** The names of the namespace that entries lie in; [] for none. */
export function namespaceOption(call: string, options: object | null | undefined): readonly string[] {
  const { namespace } = (options ?? {}) as LevelOptions<unknown, unknown>;
  if (namespace === undefined) return [];
  const names: readonly string[] = typeof namespace === "string" ? [namespace] : namespace;
  if (!Array.isArray(names) || names.length === 0 || names.some((name) => typeof name !== "string")) {
    throw new TypeError(
      `${call}: option "namespace" must be a name or an array of names, not ${describeValue(namespace)}`,
    );
  }
  return [...names];
}

/** What a write's `sync` means, where the database's own durability is `usual`. */
export function durabilityOf(sync: unknown, usual: Durability | undefined): Durability | undefined {
  if (sync === undefined || sync === null) return usual;
  if (typeof sync !== "boolean") throw new TypeError(`option "sync" must be a boolean, not ${describeValue(sync)}`);
  if (sync) return "commit";
  return usual === "buffered" ? "buffered" : "interval";
}
