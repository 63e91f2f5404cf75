/**
 * Backups in Azure Blob Storage: `@holdfast/db/azure`. It needs the packages `@azure/storage-blob` and, where no secret is
 * given, `@azure/identity`; they are loaded with the first request.
 *
 * @example
 * ```ts ignore
 * import { BackupRepository, DB } from "@holdfast/db";
 * import { azure } from "@holdfast/db/azure";
 *
 * await using db = await DB.open("./data");
 * // With the identity of this machine, or of whoever has logged in:
 * const store = azure("azure://account/backups/shop");
 * await db.backup(store);
 *
 * await using repo = await BackupRepository.open(azure("azure://account/backups/shop", {
 *   accountKey: process.env.AZURE_STORAGE_KEY,
 *   accessTier: "Cool",
 *   immutability: { mode: "Unlocked", for: "30d" },
 * }));
 * await repo.verify();
 * ```
 *
 * @module
 */
import { AzureStore } from "../storage/azure/azure_store.ts";
import { type AzureOptions, azureSettings } from "../storage/azure/settings.ts";
import type { ObjectStore } from "../storage/object_store.ts";

export type { AzureImmutability, AzureOptions, AzureTokenCredential } from "../storage/azure/settings.ts";
export type { Duration } from "../base/duration.ts";
export type * from "../storage/object_store.ts";

/**
 * A store in a container, which must be there: `"azure://account/container/prefix"`, or the address that the portal shows,
 * `"https://account.blob.core.windows.net/container/prefix"`. Several repositories may lie in one container under prefixes of
 * their own.
 *
 * Without a secret among the options, `DefaultAzureCredential` finds the identity: environment, workload identity, managed
 * identity, `az login`. No secret comes into a message, an error or the store's name.
 *
 * Failures are `StorageError` (operation, key, status, retryable) and `PermissionError`, each with what to do. Requests are
 * made again on 408, 429, 5xx and broken connections, with jittered pauses, or after the time that the service asks for.
 *
 * @throws {TypeError} for an address or an option that is none
 */
export function azure(address: string | URL, options?: AzureOptions): ObjectStore {
  return new AzureStore(azureSettings(address, options));
}
