/**
 * Bringing entries in from other stores: `@holdfast/db/migrate`. From files of Deno KV, databases of Level and LMDB, tables
 * of SQLite, and Redis; each in a way that can be interrupted and gone on with. The command line has the same as
 * `holdfast import`. Nothing else is loaded before a source is opened that needs it: `classic-level`, `lmdb`, `redis` for
 * paths and addresses, `devalue` for Deno KV.
 *
 * @example
 * ```ts
 * import { DatabaseSync } from "node:sqlite";
 * import { DB } from "@holdfast/db";
 * import { fromSqlite, migrate } from "@holdfast/db/migrate";
 *
 * const sqlite = new DatabaseSync("./cities.sqlite");
 * sqlite.exec("create table cities (name text primary key, people integer)");
 * sqlite.exec("insert into cities values ('Bern', 134000), ('Chur', 38000)");
 * sqlite.close();
 *
 * await using db = await DB.open(":memory:");
 * const source = fromSqlite("./cities.sqlite", { table: "cities", key: "name", value: "people" });
 * console.log((await migrate(db, source, { dryRun: true })).entries); // 2, and nothing was written
 * await migrate(db, source);
 * console.log(await db.get("Bern")); // 134000
 * ```
 *
 * @module
 */
export { fromDenoKv } from "./migrate/deno_kv.ts";
export { MigrationError } from "./migrate/errors.ts";
export { fromLevel, type LevelSourceOptions } from "./migrate/level.ts";
export type { LevelLike } from "./migrate/level_package.ts";
export { fromLmdb, type LmdbSourceOptions } from "./migrate/lmdb.ts";
export type { LmdbLike } from "./migrate/lmdb_package.ts";
export { type LeftOut, MIGRATIONS_NAMESPACE } from "./migrate/marks.ts";
export { migrate, type MigrateOptions, type MigrationReport } from "./migrate/migration.ts";
export { fromRedis, type RedisSourceOptions } from "./migrate/redis.ts";
export type { IoRedisLike, NodeRedisLike } from "./migrate/redis_client.ts";
export type {
  MigrationSource,
  OpenSource,
  SourceEntry,
  SourceItem,
  UnsupportedItem,
  ValueForm,
} from "./migrate/source.ts";
export { fromSqlite, type KeyForm, type SqliteSourceOptions } from "./migrate/sqlite.ts";
export type { Codec } from "./typed/codec.ts";
