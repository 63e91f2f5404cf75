/** Repositories to be copied, and the proof that a copy gives back what its source does. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { clearImmediate, setImmediate } from "node:timers";
import type { Timers } from "../../../lib/base/timers.ts";
import { restoreInto, restoreTo } from "../../../lib/backup/mod.ts";
import type { RestoreOptions } from "../../../lib/backup/restore_options.ts";
import { ownContext, type RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { OPEN_DEFAULTS, openRepository, type OpenSettings } from "../../../lib/backup/repository/core/open.ts";
import { type RecoveryRange, recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import type { FileSystem } from "../../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { define, dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { type Contents, House } from "./house.ts";

/** A key of 32 bytes that differ from those of other numbers. */
export const keyOf = (number: number): { key: Uint8Array } => ({ key: new Uint8Array(32).fill(number) });

/** Timers that are due at once. */
const noWaits: Timers = {
  set(_ms, run) {
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  },
};

/** Opens (or makes) a repository over a store, with pauses of no length. */
export function openOver(
  store: ObjectStore,
  clock: () => number,
  changes: Partial<OpenSettings> = {},
): Promise<RepositoryContext> {
  return openRepository(store, { ...OPEN_DEFAULTS, clock, timers: noWaits, ...changes });
}

/** A source, with all that was ever in it by lineage and version. */
export interface Source {
  house: House;
  states: Map<string, Contents>;
}

const stateKey = (lineage: string, version: number): string => `${lineage}/${version}`;

/** Remembers what a database holds now. */
function remember(states: Map<string, Contents>, engine: House["engine"]): void {
  states.set(stateKey(engine.lineage, engine.visibleVersion), dump(engine, true));
}

/** A few backups of each kind; every version since the first is a recovery point. */
export async function smallSource(settings: Partial<OpenSettings> = {}): Promise<Source> {
  const house = await House.make({ repository: { ...settings, timers: noWaits } });
  const states = new Map<string, Contents>();
  const { engine } = house;
  const commit = async (key: string, value: string): Promise<void> => {
    house.time.now += 1000;
    await write(engine, (batch) => put(batch, 0, key, { value }));
    remember(states, engine);
  };
  await commit("first", "1");
  await write(engine, (batch) => put(batch, 0, "blob", { value: new Uint8Array(20_000).fill(9) }));
  remember(states, engine);
  await engine.compact();
  await commit("in the tail", "2");
  await house.backup({ id: "full-1", type: "full", labels: { why: "first" } });
  await house.backup({ id: "snap-0", type: "snapshot" });
  await commit("third", "3");
  await house.backup({ id: "inc-1", type: "incremental" });
  await commit("fourth", "4");
  await commit("fourth", "four");
  await engine.compact();
  await house.backup({ id: "snap-1", type: "snapshot" });
  await house.backup({ id: "full-2", type: "full" });
  await commit("fifth", "5");
  await house.backup({ id: "inc-2", type: "incremental" });
  await pinBackup(house.context, "full-1");
  return { house, states };
}

/** The same, and: a part of the database, files that joined without log, and a history that left it at a fork. */
export async function richSource(settings: Partial<OpenSettings> = {}): Promise<Source> {
  const { house, states } = await smallSource(settings);
  const { engine, fs } = house;
  await write(engine, (batch) => {
    define(batch, 0, "users", 4);
    for (let n = 0; n < 200; n++) put(batch, 4, `user:${n}`, { value: `name ${n}` });
  });
  remember(states, engine);
  await house.backup({ id: "part", namespace: "users" });
  house.time.now += 1000;
  await restoreInto(engine, house.handle, { at: { version: 3 } });
  remember(states, engine);
  await write(engine, (batch) => put(batch, 0, "after the restore", { value: "x" }));
  remember(states, engine);
  await house.backup({ id: "inc-3", type: "incremental" });
  await restoreTo(fs, settingsOf({ clock: house.time.clock }), house.handle, "/fork", { at: { version: 5 } });
  const fork = await openAt(fs, "/fork", { clock: house.time.clock });
  house.time.now += 1000;
  await write(fork, (batch) => put(batch, 0, "only in the fork", { value: "f" }));
  remember(states, fork);
  await house.backup({ id: "fork-1" }, fork);
  await write(fork, (batch) => put(batch, 0, "and this", { value: "f" }));
  remember(states, fork);
  await house.backup({ id: "fork-2", type: "incremental" }, fork);
  await fork.close();
  return { house, states };
}

/** All ranges of a repository. */
export async function rangesOf(context: RepositoryContext): Promise<RecoveryRange[]> {
  return recoveryRanges(await readFacts(context));
}

let restores = 0;

/** What a restore from a repository gives. */
export async function restored(
  context: RepositoryContext,
  options: RestoreOptions,
  fs: FileSystem = memoryFileSystem(),
): Promise<{ lineage: string; version: number; contents: Contents }> {
  const path = `/out-${++restores}`;
  const settings = settingsOf({ clock: context.clock });
  const info = await restoreTo(fs, settings, ownContext({ ...context }, context), path, options);
  const engine = await openAt(fs, path, { clock: context.clock, readOnly: true });
  const contents = dump(engine, true);
  await engine.close();
  return { lineage: info.lineage, version: info.achieved.version, contents };
}

/** Every listed backup restores, and shows what the database held. */
export async function assertBackupsRestore(context: RepositoryContext, states: Source["states"]): Promise<void> {
  for (const { id, lineage, version, selective } of (await readFacts(context)).backups) {
    const { contents } = await restored(context, { backupId: id });
    if (!selective) assert.deepEqual(contents, stateOf(states, lineage, version), id);
    else assert.equal(Object.keys(contents).length > 0, true, id);
  }
}

/** The state of a version as of a lineage; before its fork it is its parent's, of which there is one in these sources. */
function stateOf(states: Source["states"], lineage: string, version: number): Contents {
  const own = states.get(stateKey(lineage, version));
  if (own !== undefined) return own;
  const [, other] = [...states].find(([key]) => key.endsWith(`/${version}`))!;
  return other;
}

/** Every version of every range of the source restores from the target, exactly. */
export async function assertSamePoints(
  source: RepositoryContext,
  target: RepositoryContext,
  states: Source["states"],
): Promise<void> {
  const ranges = await rangesOf(source);
  assert.deepEqual(await rangesOf(target), ranges);
  assert.ok(ranges.length > 0);
  for (const { database, lineage, from, to } of ranges) {
    for (let version = from.version; version <= to.version; version++) {
      const found = await restored(target, { database, lineage, at: { version } });
      assert.equal(found.version, version);
      assert.deepEqual(found.contents, stateOf(states, lineage, version), `${lineage} at ${version}`);
    }
  }
}

/** Later than any lease of a program that died. */
export function pastLeases(house: House): void {
  house.time.now += LEASE_MS + 1;
}

/** All keys of a store below a prefix, with their bytes. */
export async function contentsOf(store: ObjectStore, prefix = ""): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { key } of await allKeys(store, prefix)) {
    const parts: Uint8Array[] = [];
    for await (const piece of (await store.get(key))!.body) parts.push(piece.slice());
    found.set(key, Buffer.concat(parts).toString("hex"));
  }
  return found;
}
