/**
 * For tests of programs that rely on Holdfast: a simulated machine that loses power, ends programs and has its disk fail, as
 * a seed says (`simulate`); its disk by itself (`memoryFileSystem`); a store that fails as it is told (`FaultStore`).
 *
 * @example Every n-th change of the disk is the last one
 * ```ts
 * import assert from "node:assert/strict";
 * import { DB } from "@holdfast/db";
 * import { memoryFileSystem } from "@holdfast/db/testing";
 *
 * for (let at = 1, cut = true; cut; at++) {
 *   const disk = memoryFileSystem();
 *   disk.cutPowerAt(at);
 *   let stored = false;
 *   try {
 *     await using db = await DB.open("/data", { fileSystem: disk });
 *     await db.set("order/17", "paid");
 *     stored = true;
 *   } catch {
 *     // The power went.
 *   }
 *   cut = !disk.powered;
 *   await using db = await DB.open("/data", { fileSystem: disk.crash({ keep: "none" }) });
 *   assert.ok(!stored || db.getSync("order/17") === "paid");
 * }
 * ```
 *
 * @example A store loses the program that uses it
 * ```ts
 * import { BackupRepository, DB, MemoryStore } from "@holdfast/db";
 * import { FaultStore } from "@holdfast/db/testing";
 *
 * const store = new FaultStore(new MemoryStore());
 * await using repo = await BackupRepository.open(store);
 * await using db = await DB.open(":memory:");
 * await repo.backup(db);
 * store.kill(); // the program that backs up is gone; what it acknowledged is not
 * ```
 *
 * @module
 */
export { type AccidentKind, type Ending, SimulatedMachine } from "./testing/machine.ts";
export { seededRandom, simulate, type SimulateOptions, type SimulationReport } from "./testing/simulate.ts";
export { SimulatedTime } from "./testing/simulated_time.ts";
export {
  type CrashKeep,
  type CrashOptions,
  type DiskFault,
  type DiskFaultKind,
  type MemoryFileSystem,
  memoryFileSystem,
  type MemoryFileSystemOptions,
  type Operation as DiskOperation,
  type OperationName as DiskOperationName,
  type PartialAppend,
  PowerCutError,
  randomDamage,
  randomDiskFault,
} from "../files/memory/memory_file_system.ts";
export type { FileHandle, FileInfo, FileLock, FileSystem, MakeOptions, OpenMode } from "../files/file_system.ts";
export {
  FaultStore,
  type FaultStoreOptions,
  randomFault,
  type StoreCall,
  type StoreFault,
  type StoreFaultKind,
} from "../storage/fault_store.ts";
export type {
  CleanUpOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "../storage/object_store.ts";
