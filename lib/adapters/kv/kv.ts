/**
 * An open KV: the interface of `Deno.Kv` over a database.
 *
 * @module
 */
import { tell } from "../../base/listeners.ts";
import { checkOptions, functionOption } from "../../base/options.ts";
import type { Timers } from "../../base/timers.ts";
import { DB } from "../../db/db.ts";
import { isBlob, rowValue, rowValueAsync } from "../../db/data/entries.ts";
import { OPEN_NAMES } from "../../db/options.ts";
import { readVersioned } from "../../db/reading/versioned.ts";
import { AtomicOperation } from "./atomic.ts";
import { checkConsistency, COMMIT_VERSIONSTAMP, expireInOf, type KvCore } from "./core.ts";
import { decodeKey, encodeEntryKey, encodeKey } from "./keys.ts";
import { KvList } from "./list.ts";
import { lookupPlaces, type PlaceItem } from "./places.ts";
import { MessageQueue } from "./queue.ts";
import { loadStructuredCodec } from "./structured.ts";
import type {
  KvCommitResult,
  KvEnqueueOptions,
  KvEntryMaybe,
  KvKey,
  KvListIterator,
  KvListOptions,
  KvListSelector,
  KvOptions,
  KvQueueHandler,
  KvReadOptions,
  KvSetOptions,
} from "./types.ts";
import { fromStored, toStored } from "./values.ts";
import { versionstampOf } from "./versionstamps.ts";
import { watchKeys } from "./watch.ts";

/** Opens a KV with timers of one's own. */
export async function openKvWith(
  timers: Timers,
  path: string | URL | undefined,
  options: KvOptions | undefined,
): Promise<Kv> {
  if (path === undefined) {
    throw new TypeError(
      "openKv: no path; Deno chooses a place by the program's name, here it is yours to choose: give a directory, or " +
        '":memory:" for a KV that leaves nothing on disk',
    );
  }
  if (/^https?:/i.test(String(path))) {
    throw new TypeError(`openKv: ${String(path)} is a service; here a KV is a directory, or ":memory:"`);
  }
  const checked = checkOptions("openKv", options, ["onError", ...OPEN_NAMES]);
  if ("keyEncoding" in checked) throw new TypeError('openKv: unknown option "keyEncoding"; keys are tuples');
  const onError = functionOption<(error: unknown) => void>("openKv", checked, "onError");
  const { onError: _, ...openOptions } = checked as KvOptions;
  const codec = await loadStructuredCodec("open a KV");
  const db = await DB.open(path, { ...openOptions, keyEncoding: "bytes" }).catch((error: unknown) => {
    if (!(error instanceof TypeError) || !error.message.includes('"keyEncoding"')) throw error;
    throw new TypeError(
      `openKv: ${
        String(path)
      } is a database with text keys, and those of a KV are bytes; open it with DB.open, or give ` +
        "another directory",
      { cause: error },
    );
  });
  const report = (error: unknown): void => tell(onError, error);
  return new Kv({ db, codec, timers, clock: openOptions.clock ?? Date.now, report });
}

/**
 * A KV, with the interface of `Deno.Kv`.
 *
 * @example
 * ```ts
 * import { openKv } from "@holdfast/db/kv";
 *
 * using kv = await openKv(":memory:");
 * await kv.set(["users", "ada"], { born: new Date("1815-12-10"), likes: new Set(["looms"]) });
 * await kv.set(["users", "grace"], { born: new Date("1906-12-09"), likes: new Set(["nanoseconds"]) });
 * for await (const { key, value } of kv.list<{ born: Date }>({ prefix: ["users"] })) {
 *   console.log(key[1], value.born.getFullYear()); // ada 1815, grace 1906
 * }
 * ```
 */
export class Kv implements Disposable, AsyncDisposable {
  readonly #core: KvCore;
  readonly #queue: MessageQueue;

  /** Made by `openKv`. @internal */
  constructor(core: KvCore) {
    this.#core = core;
    this.#queue = new MessageQueue(core);
  }

  /**
   * The database beneath, for `backup()`, `export()`, `stats()` and whatever else a KV has no name for. Its keys are the
   * bytes of keys; what is written there by other means may not be readable here.
   */
  get database(): DB<Uint8Array> {
    return this.#core.db;
  }

  /** The entry at a key; value and versionstamp are null when there is none. */
  async get<T = unknown>(key: KvKey, options?: KvReadOptions): Promise<KvEntryMaybe<T>> {
    checkConsistency(options);
    const { db, codec } = this.#core;
    const bytes = encodeKey(key);
    // Nothing can be at an empty key, but it may be asked for.
    const found = bytes.length === 0 ? undefined : readVersioned("get", db, bytes);
    if (found === undefined) return nothingAt(key);
    const stored = found.value instanceof Promise ? await found.value : found.value;
    return {
      key: decodeKey(bytes),
      value: fromStored(codec, stored) as T,
      versionstamp: versionstampOf(found.version),
    };
  }

  /** The entries at several keys, all of one moment. */
  async getMany<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: KvKey }],
    options?: KvReadOptions,
  ): Promise<{ [K in keyof T]: KvEntryMaybe<T[K]> }> {
    if (!Array.isArray(keys)) throw new TypeError(`getMany: keys must be an array of keys, not ${typeof keys}`);
    checkConsistency(options);
    const { db, codec } = this.#core;
    const wanted = [...keys as readonly KvKey[]];
    const places = wanted.map(encodeKey);
    const item: PlaceItem<KvEntryMaybe<unknown>> = ({ context: { engine } }, row, place) => {
      const { version } = row;
      const entry = (stored: unknown): KvEntryMaybe<unknown> => {
        return { key: decodeKey(place), value: fromStored(codec, stored), versionstamp: versionstampOf(version) };
      };
      return isBlob(row) ? rowValueAsync(engine, row).then(entry) : entry(rowValue(engine, row));
    };
    const found = await lookupPlaces("getMany", db, places, item);
    const entries = found.map((entry, i) => entry ?? nothingAt(wanted[i]!));
    return entries as { [K in keyof T]: KvEntryMaybe<T[K]> };
  }

  /** Sets a key to a value, of any kind that the structured clone algorithm knows. */
  async set(key: KvKey, value: unknown, options?: KvSetOptions): Promise<KvCommitResult> {
    if (Array.isArray(key) && key.at(-1) === COMMIT_VERSIONSTAMP) {
      return await this.atomic().set(key, value, options).commit() as KvCommitResult;
    }
    const expireIn = expireInOf(options);
    const { db, codec } = this.#core;
    const stored = toStored(codec, value);
    const bytes = encodeEntryKey(key);
    const commit =
      await (expireIn === undefined
        ? db.set(bytes, stored)
        : db.set(bytes, stored, expireIn === 0 ? { expiresAt: 0 } : { expireIn }));
    return { ok: true, versionstamp: versionstampOf(commit.version) };
  }

  /** Deletes a key; a missing one is fine. */
  async delete(key: KvKey): Promise<void> {
    await this.#core.db.delete(encodeEntryKey(key));
  }

  /** The entries of a selector in the order of their keys. */
  list<T = unknown>(selector: KvListSelector, options?: KvListOptions): KvListIterator<T> {
    return new KvList<T>(this.#core, selector, options);
  }

  /** Begins an atomic operation. */
  atomic(): AtomicOperation {
    return new AtomicOperation(this.#core, this.#queue);
  }

  /**
   * Sends a message to whoever listens, now or after a restart: it is delivered at least once. A handler that fails gets it
   * again after each time of `backoffSchedule`; after the last, `keysIfUndelivered` are set to it.
   *
   * @example
   * ```ts
   * import { openKv } from "@holdfast/db/kv";
   *
   * const kv = await openKv(":memory:");
   * const listening = kv.listenQueue(async (order: { id: number }) => {
   *   console.log("order", order.id); // order 7
   *   await kv.close();
   * });
   * await kv.enqueue({ id: 7 }, { backoffSchedule: [1000, 60_000], keysIfUndelivered: [["failed", 7]] });
   * await listening;
   * ```
   */
  async enqueue(value: unknown, options?: KvEnqueueOptions): Promise<KvCommitResult> {
    return await this.atomic().enqueue(value, options).commit() as KvCommitResult;
  }

  /**
   * Has messages delivered to `handler`, up to a hundred at the same time, until the KV is closed; then it resolves. It
   * keeps the program alive meanwhile. Several listeners take turns.
   */
  async listenQueue(handler: KvQueueHandler): Promise<void> {
    await this.#queue.listen(handler);
  }

  /**
   * The entries at some keys: at once, and all of them again when one has changed. Changes in quick succession may come as
   * one. With `raw` they come even when nothing differs from what came before.
   */
  watch<T extends readonly unknown[]>(
    keys: readonly [...{ [K in keyof T]: KvKey }],
    options?: { raw?: boolean },
  ): ReadableStream<{ [K in keyof T]: KvEntryMaybe<T[K]> }> {
    if (!Array.isArray(keys)) throw new TypeError(`watch: keys must be an array of keys, not ${typeof keys}`);
    const stream: unknown = watchKeys(this.#core, keys as readonly KvKey[], options?.raw ?? false);
    return stream as ReadableStream<{ [K in keyof T]: KvEntryMaybe<T[K]> }>;
  }

  /** Stands at the end of a key that is set for the versionstamp of the commit that sets it. */
  commitVersionstamp(): symbol {
    return COMMIT_VERSIONSTAMP;
  }

  /**
   * Ends listening and watching, writes what is pending and lets go of the directory. Unlike Deno's, it has to be awaited
   * before the directory can be opened again, and it may be called twice.
   */
  async close(): Promise<void> {
    this.#queue.close();
    await this.#core.db.close();
  }

  /** As `close`, without waiting for it; a failure is told to `onError`. */
  [Symbol.dispose](): void {
    this.close().catch((error) => this.#core.report(error));
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What there is at a key where nothing is. */
function nothingAt(key: KvKey): KvEntryMaybe<never> {
  return { key, value: null, versionstamp: null };
}
