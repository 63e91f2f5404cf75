/**
 * Every database that is measured, this one first.
 *
 * @module
 */
import type { Runtime } from "../runtime.ts";
import { classicLevel } from "./classic_level.ts";
import { denoKv } from "./deno_kv.ts";
import type { DriverKind } from "./driver.ts";
import { holdfast } from "./holdfast.ts";
import { lmdb } from "./lmdb.ts";
import { rocksdb } from "./rocksdb.ts";
import { betterSqlite, bunSqlite, nodeSqlite } from "./sqlite.ts";

/** Every database that is measured, this one first. */
export const DRIVERS: readonly DriverKind[] = [
  holdfast,
  lmdb,
  classicLevel,
  rocksdb,
  nodeSqlite,
  bunSqlite,
  betterSqlite,
  denoKv,
];

/** Those that run in `runtime`. */
export function driversOf(runtime: Runtime): DriverKind[] {
  return DRIVERS.filter((driver) => driver.runtimes.includes(runtime));
}
