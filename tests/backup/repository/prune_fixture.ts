/** What the tests of pruning share: policies, stores that wait, and the promise that all that is listed restores. */
import assert from "node:assert/strict";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { objectKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { forgetBackups, readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { type PruneReport, pruneRepository } from "../../../lib/backup/repository/pruning/prune.ts";
import { checkPolicy, type RetentionPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { House } from "./house.ts";

/** A day, ms. */
export const DAY = 86_400_000;

/** Prunes as `repo.prune` does. */
export function prune(house: House, policy: RetentionPolicy, dryRun = false): Promise<PruneReport> {
  return pruneRepository(house.context, checkPolicy("prune", policy), { dryRun });
}

/** All keys below a prefix. */
export async function keysOf(store: ObjectStore, prefix = ""): Promise<string[]> {
  return (await allKeys(store, prefix)).map(({ key }) => key);
}

/** Every object of a store, as text, to see that nothing changed. */
export async function image(store: ObjectStore): Promise<string[]> {
  const all: string[] = [];
  for (const { key, size } of await allKeys(store, "")) all.push(`${key} ${size} ${(await store.get(key))!.etag}`);
  return all;
}

/** A copy of a store's objects. */
export async function copyOf(store: ObjectStore): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for (const key of await keysOf(store)) await copy.put(key, (await store.get(key))!.body);
  return copy;
}

/** Every listed backup restores exactly what the database held at its version; gives back their ids. */
export async function assertAllRestore(house: House): Promise<string[]> {
  forgetBackups(house.context);
  const backups = await readBackups(house.context);
  for (const { id, version, selective, base } of backups) {
    for (const { object } of base?.files ?? []) {
      assert.ok(await house.context.store.head(objectKey(object)), `${id} needs ${object}`);
    }
    if (selective) continue;
    const { contents } = await house.restore({ backupId: id });
    assert.deepEqual(contents, house.states.get(version), `backup ${id} at version ${version}`);
  }
  return backups.map(({ id }) => id);
}

/** A full backup, then each day a commit and a backup: a snapshot every third, else incremental; and a compaction before. */
export async function daily(house: House, days: number, first = "full"): Promise<void> {
  await house.set("begin", "b".repeat(3000));
  await house.backup({ id: first, type: "full" });
  for (let day = 1; day <= days; day++) {
    await house.time.advance(DAY);
    await house.set(`day-${day}`, String(day).repeat(200));
    await house.set("every", `day ${day}`);
    if (day % 3 === 0) await house.engine.compact();
    house.note();
    await house.backup({ id: `day-${day}`, type: day % 3 === 0 ? "snapshot" : "incremental" });
  }
}

/** A gate in a store: calls that `fits` names wait there until it is opened. */
export class Gate {
  /** The store with the gate. */
  readonly store: ObjectStore;
  #fits: ((operation: string, key: string) => boolean) | undefined;
  #arrived: (() => void) | undefined;
  #open: (() => void) | undefined;
  #opened: Promise<void> = Promise.resolve();

  /** Over `inner`. */
  constructor(inner: ObjectStore) {
    const pass = async (operation: string, key: string): Promise<void> => {
      if (this.#fits?.(operation, key) !== true) return;
      this.#fits = undefined;
      this.#arrived?.();
      await this.#opened;
    };
    this.store = {
      name: inner.name,
      capabilities: inner.capabilities,
      put: async (key, body, options) => (await pass("put", key), await inner.put(key, body, options)),
      get: async (key, options) => (await pass("get", key), await inner.get(key, options)),
      head: async (key, options) => (await pass("head", key), await inner.head(key, options)),
      list: async (options) => (await pass("list", options?.prefix ?? ""), await inner.list(options)),
      delete: async (key, options) => (await pass("delete", key), await inner.delete(key, options)),
    };
  }

  /** Holds the next call that fits; resolves once it stands there. */
  hold(fits: (operation: string, key: string) => boolean): Promise<void> {
    this.#fits = fits;
    this.#opened = new Promise((resolve) => this.#open = resolve);
    return new Promise((resolve) => this.#arrived = resolve);
  }

  /** Lets it go on. */
  open(): void {
    this.#open?.();
  }
}

/** Objects that lie there unreferenced: a backup that was cut off before its manifest. */
export async function leaveObjects(
  house: House,
  options: { id: string; type: "full" | "snapshot" },
): Promise<string[]> {
  const before = new Set(await keysOf(house.store, PART.objects));
  const { context } = house;
  const faulty = new FaultStore(house.store, {
    faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith(PART.backups), do: "die" }],
  });
  house.context = { ...context, store: faulty };
  await assert.rejects(house.backup(options));
  house.context = context;
  for (const key of await keysOf(house.store, PART.locks)) await house.store.delete(key);
  return (await keysOf(house.store, PART.objects)).filter((key) => !before.has(key));
}

/** The store of who stands still at the `nth` change, until `others` have done their work. */
export function standingAt(store: ObjectStore, nth: number, others: () => Promise<void>): FaultStore {
  let awake: Promise<void> | undefined;
  let changes = 0;
  return new FaultStore(store, {
    delay: ({ operation }) => {
      if (operation === "delete" || operation === "put") changes++;
      return changes < nth ? undefined : awake ??= others();
    },
  });
}
