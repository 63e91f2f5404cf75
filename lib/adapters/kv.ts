/**
 * Deno KV's interface over a Holdfast database, in Deno, Bun and Node: `@holdfast/db/kv`. It needs the package `devalue`, for
 * values that are more than JSON.
 *
 * @example
 * ```ts
 * import { openKv } from "@holdfast/db/kv";
 *
 * await using kv = await openKv(":memory:");
 * await kv.set(["config", "theme"], { dark: true, since: new Date() });
 * const { value, versionstamp } = await kv.get<{ dark: boolean }>(["config", "theme"]);
 * console.log(value?.dark, versionstamp); // true 00000000000000010000
 * ```
 *
 * What is beneath is `kv.database`: with it come backups, exports, points in time. What differs from Deno's own is told in
 * `docs/deno-kv.md`.
 *
 * @module
 */
import { systemTimers } from "../base/timers.ts";
import { type Kv, openKvWith } from "./kv/kv.ts";
import type { KvOptions } from "./kv/types.ts";

export { AtomicOperation } from "./kv/atomic.ts";
export { Kv } from "./kv/kv.ts";
export { KvU64 } from "./kv/u64.ts";
export type {
  AtomicCheck,
  KvCommitError,
  KvCommitResult,
  KvConsistencyLevel,
  KvEnqueueOptions,
  KvEntry,
  KvEntryMaybe,
  KvKey,
  KvKeyPart,
  KvListIterator,
  KvListOptions,
  KvListSelector,
  KvMutation,
  KvOptions,
  KvQueueHandler,
  KvReadOptions,
  KvSetOptions,
} from "./kv/types.ts";
export type { DB } from "../db/db.ts";

/**
 * Opens the KV in a directory, making it when there is none; `":memory:"` opens one that leaves nothing on disk.
 *
 * It rejects as `DB.open` does, with `LockedError` when it is open elsewhere, also in this very program: a KV is opened once
 * and passed around. Without a path it is a `TypeError`.
 *
 * @example
 * ```ts
 * import { openKv } from "@holdfast/db/kv";
 *
 * // In Deno: await Deno.openKv("./data.sqlite")
 * const kv = await openKv(":memory:", { durability: "interval", onError: (error) => console.error(error) });
 * await kv.close();
 * ```
 */
export async function openKv(path: string | URL, options?: KvOptions): Promise<Kv> {
  return await openKvWith(systemTimers, path, options);
}
