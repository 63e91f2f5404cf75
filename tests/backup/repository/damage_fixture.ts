/** A small repository with an object of every kind, and the ways to damage one of them. */
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import type { RestoreOptions } from "../../../lib/backup/restore_options.ts";
import { Activities } from "../../../lib/backup/repository/core/activities.ts";
import { ownContext, type RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { type DrillReport, drillRepository } from "../../../lib/backup/repository/care/drill.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { repairRepository, type RepositoryRepairReport } from "../../../lib/backup/repository/care/repair.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { type RepositoryVerifyReport, verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { collect } from "../helpers.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { type Contents, House } from "./house.ts";
import { keysOf } from "./prune_fixture.ts";

/** A key, so that nothing waits for scrypt. */
export const KEY: Uint8Array = new Uint8Array(32).fill(5);

/** The bytes under every key. */
export type Image = Map<string, Uint8Array>;

/** All of a store. */
export async function imageOf(store: ObjectStore): Promise<Image> {
  const image: Image = new Map();
  for (const key of await keysOf(store)) image.set(key, await collect((await store.get(key))!.body));
  return image;
}

/** A store with these objects. */
export async function storeOf(image: Image): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [key, bytes] of image) await store.put(key, bytes);
  return store;
}

/** A repository whose log between two bases, "older" and "newest", is lost. */
export async function withoutLogBetween(): Promise<House> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup({ id: "older", type: "full" });
  await house.set("b", "2");
  await house.set("c", "3");
  await house.backup({ id: "newest", type: "full" });
  const [log] = await keysOf(house.store, "log/");
  await house.store.delete(log!);
  return house;
}

/** A repository with what it should give back. */
export interface Sample {
  house: House;
  image: Image;
  /** Backups by id: their versions. */
  backups: Map<string, number>;
  /** The head as it was some time before. */
  olderHead: Uint8Array;
  headKey: string;
}

/** full ─ inc1 ─ inc2 ─ (compacted) snap ─ inc3 ─ two shipments of log; a part of it, a pin. */
export async function sampleRepository(encrypted = false): Promise<Sample> {
  const house = await House.make({ repository: encrypted ? { encryption: { key: KEY } } : {} });
  const backups = new Map<string, number>();
  const backup = async (id: string, type: "full" | "snapshot" | "incremental"): Promise<void> => {
    const info = await house.backup({ id, type });
    if (info.type !== type) throw new Error(`${id} became ${info.type}`);
    backups.set(id, info.version);
  };
  await house.set("begin", "b".repeat(3000), ["t"]);
  await write(house.engine, (batch) => put(batch, 0, "blob", { value: new Uint8Array(9000).fill(3) }));
  await house.engine.compact();
  await house.set("tail", "in the log");
  await backup("full", "full");
  await house.time.advance(60_000);
  await house.set("one", "1");
  await backup("inc1", "incremental");
  await house.set("two", "2".repeat(500));
  await house.set("tail", "changed");
  await backup("inc2", "incremental");
  const headKey = (await keysOf(house.store, "heads/"))[0]!;
  const olderHead = await collect((await house.store.get(headKey))!.body);
  await house.set("three", "3");
  await house.engine.compact();
  house.note();
  await backup("snap", "snapshot");
  await house.set("four", "4");
  await backup("inc3", "incremental");
  await house.backup({ id: "part", prefix: "t" });
  await pinBackup(house.context, "full");
  for (const key of ["five", "six"]) {
    await house.set(key, key);
    await house.time.advance(1000);
    await Shipper.of(house.context, house.engine).ship({ heartbeat: true });
  }
  await verifyRepository(house.context, undefined, { read: "all" });
  return { house, image: await imageOf(house.store), backups, olderHead, headKey };
}

/** The repository as opened over another store. Nothing is remembered. */
export function over(sample: Sample, store: ObjectStore): RepositoryContext {
  return { ...sample.house.context, store, activities: new Activities() };
}

/** Restores into a fresh place. */
export async function restoreFrom(
  context: RepositoryContext,
  options: RestoreOptions = {},
): Promise<{ contents: Contents; version: number }> {
  const fs = memoryFileSystem();
  await fs.makeDirectory("/place");
  const settings = settingsOf({ clock: context.clock });
  const info = await restoreTo(fs, settings, ownContext({ ...context }, context), "/place/db", options);
  const engine = await openAt(fs, "/place/db", { clock: context.clock, readOnly: true });
  const contents = dump(engine, true);
  await engine.close();
  return { contents, version: info.achieved.version };
}

/** Drills on a disk of its own. */
export async function drill(
  context: RepositoryContext,
  point: { backupId?: string; version?: number; time?: number } = {},
): Promise<DrillReport & { left: string[] }> {
  const fs = memoryFileSystem();
  await fs.makeDirectory("/scratch");
  const wish = {
    point,
    database: undefined,
    lineage: undefined,
    allowEarlier: false,
    replayLog: true,
    concurrency: undefined,
    bytesPerSecond: undefined,
    encryption: undefined,
  };
  const settings = settingsOf({ clock: context.clock });
  const report = await drillRepository(context, { fs, directory: "/scratch", settings, wish });
  return { ...report, left: await fs.list("/scratch") };
}

/** Checks. */
export function verify(
  context: RepositoryContext,
  read: "all" | "sample" | "none" = "all",
  id?: string,
): Promise<RepositoryVerifyReport> {
  return verifyRepository(context, id, { read });
}

/** Repairs. */
export function repair(context: RepositoryContext, dryRun = false): Promise<RepositoryRepairReport> {
  return repairRepository(context, { dryRun });
}

/** A way to damage one object. Undefined: it can't be done to this one. */
export type Damage = (image: Image, key: string) => Image | undefined;

function changed(image: Image, key: string, bytes: Uint8Array | undefined): Image | undefined {
  const before = image.get(key)!;
  if (bytes !== undefined && bytes.length === before.length && bytes.every((byte, i) => byte === before[i])) {
    return undefined;
  }
  const copy = new Map(image);
  if (bytes === undefined) copy.delete(key);
  else copy.set(key, bytes);
  return copy;
}

function flipped(at: (length: number) => number): Damage {
  return (image, key) => {
    const bytes = image.get(key)!.slice();
    if (bytes.length === 0) return undefined;
    const place = Math.min(bytes.length - 1, at(bytes.length));
    bytes[place] = bytes[place]! ^ 0x10;
    return changed(image, key, bytes);
  };
}

/** What each object goes through. */
export const DAMAGES: Record<string, Damage> = {
  deleted: (image, key) => changed(image, key, undefined),
  "flipped at the start": flipped(() => 0),
  "flipped behind the header": flipped(() => 75),
  "flipped in the middle": flipped((length) => length >> 1),
  "flipped at the end": flipped((length) => length - 1),
  truncated: (image, key) => changed(image, key, image.get(key)!.slice(0, image.get(key)!.length >> 1)),
  "cut by one byte": (image, key) =>
    changed(image, key, image.get(key)!.slice(0, Math.max(0, image.get(key)!.length - 1))),
  emptied: (image, key) => changed(image, key, new Uint8Array(0)),
  extended: (image, key) => changed(image, key, Uint8Array.of(...image.get(key)!, 0)),
  zeroed: (image, key) => changed(image, key, new Uint8Array(image.get(key)!.length)),
};

/** Exchanges an object with another of its part. */
export function swapped(image: Image, key: string): Image | undefined {
  const part = key.slice(0, key.indexOf("/") + 1);
  const other = [...image.keys()].filter((each) => part !== "" && each.startsWith(part)).find((each) =>
    each !== key && !sameBytes(image.get(each)!, image.get(key)!)
  );
  if (other === undefined) return undefined;
  const copy = new Map(image);
  copy.set(key, image.get(other)!);
  copy.set(other, image.get(key)!);
  return copy;
}

/** Puts in place of an object one of its part from another repository. */
export function foreign(from: Image): Damage {
  return (image, key) => {
    const part = key.slice(0, key.indexOf("/") + 1) || key;
    const same = from.get(key) ?? [...from].find(([each]) => each.startsWith(part))?.[1];
    return same === undefined ? undefined : changed(image, key, same);
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** What nobody can notice, for nothing tells of it: by key and way, with the reason why it does no harm. */
export function isUnnoticed(sample: Sample, key: string, way: string): boolean {
  const lastAudit = [...sample.image.keys()].findLast((each) => each.startsWith("audit/"));
  // A pin is nothing but its name.
  if (key.startsWith("pins/")) return true;
  // In a repository without encryption the last line of the audit log is vouched for by none.
  if (key === lastAudit && (way === "deleted" || way === "flipped behind the header")) return true;
  // Its plain checksum is all that a proof without encryption has.
  if (key === "proofs/verify-all-ok.json" && way === "foreign") return true;
  if (way !== "deleted") return false;
  return key.startsWith("proofs/") ||
    // The copy of what says who the repository is may never have been made; a repair makes it.
    key === "index/repository.json" ||
    // Backups that no other builds on.
    ["inc2", "inc3", "part"].some((id) => key === `backups/${id}.json`);
}
