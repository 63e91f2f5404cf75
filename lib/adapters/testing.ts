/**
 * For tests of programs that rely on Holdfast: a store that fails as it is told.
 *
 * @example
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
export {
  FaultStore,
  type FaultStoreOptions,
  randomFault,
  type StoreCall,
  type StoreFault,
  type StoreFaultKind,
} from "../storage/fault_store.ts";
export type {
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
