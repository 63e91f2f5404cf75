/**
 * What a `BackupRepository` works with: loaded when one is opened (`../rest.ts`).
 *
 * @module
 */
export * from "../../backup/repository/mod.ts";
export { checkEncryption } from "../../backup/encryption.ts";
export { restoreTo } from "../../backup/mod.ts";
export { drillIn } from "./drill_place.ts";
export { repositoryAt } from "./repository_at.ts";
