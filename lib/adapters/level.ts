/**
 * A Level database over Holdfast: `@holdfast/db/level`. Whatever is written for `abstract-level`, `level` or `classic-level`
 * runs on it, and beneath lies a Holdfast database with its backups. It needs the package `abstract-level`; nothing else of
 * Holdfast does.
 *
 * @example
 * ```ts
 * import { HoldfastLevel } from "@holdfast/db/level"; // was: import { ClassicLevel } from "classic-level";
 *
 * await using level = new HoldfastLevel("./level-data");
 * const users = level.sublevel<string, { name: string }>("users", { valueEncoding: "json" });
 * await users.put("ada", { name: "Ada" });
 * await level.batch([{ type: "put", key: "a", value: "1" }, { type: "del", key: "b" }], { sync: true });
 * for await (const [key, { name }] of users.iterator()) console.log(key, name); // ada Ada
 * await level.holdfast.backup("./level-backups/");
 * ```
 *
 * @module
 */
export {
  HoldfastLevel,
  type LevelBatchOptions,
  type LevelDelOptions,
  type LevelKeyOptions,
  type LevelPutOptions,
} from "./level/holdfast_level.ts";
export { LevelChainedBatch, type LevelWriteOptions } from "./level/chained_batch.ts";
export { LevelError } from "./level/errors.ts";
export type { LevelOpenOptions, LevelOptions, SyncOption } from "./level/options.ts";
export type { Data } from "./level/data.ts";
