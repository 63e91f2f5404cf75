/**
 * Backup repositories.
 *
 * ```
 * context, open, keys        what all parts share; opening
 * lease, audit, catalog      who works here; what was done; which backups there are
 * backup, base_writer, place a version of a database as objects
 * attach, shipper, merge     its log, object by object, and fewer of them later
 * replication                the same, all the time
 * facts, coverage            what is there, and what that can restore
 * restore_plan, source       which of it makes a state; materialize: making it
 * prune, verify, drill, repair, copy_to, estimate, health
 * ```
 *
 * @module
 */
export type { Activity } from "./activities.ts";
export type { AuditDetail } from "../../format/repository/audit_line.ts";
export { contextOf, isObjectStore, ownContext, type RepositoryContext, type RepositoryHandle } from "./context.ts";
export { openRepository, storeAt } from "./open.ts";
export { addKey, listKeys, removeKey, rotateKey } from "./repository_keys.ts";
export type { KeyInfo } from "./keys.ts";
export { type BackupFilter, findBackup, listBackups } from "./list_backups.ts";
export { type AuditEntry, auditHistory } from "./history.ts";
export { pinBackup, unpinBackup } from "./pins.ts";
export { deleteBackup, type PruneReport, pruneRepository } from "./prune.ts";
export { checkPolicy, retention, type RetentionPolicy } from "./retention_policy.ts";
export { type RepositoryProblem, type RepositoryVerifyReport, type VerifyOptions, verifyRepository } from "./verify.ts";
export { type DrillReport, drillRepository } from "./drill.ts";
export { repairRepository, type RepositoryRepairReport } from "./repair.ts";
export { type CopyOptions, type CopyReport, copyRepository } from "./copy_to.ts";
export { type EstimateModel, estimateRestore, type RestoreEstimate } from "./estimate.ts";
export { readFacts } from "./facts.ts";
export { type RecoveryRange, recoveryRanges } from "./recovery_points.ts";
export { checkHealthPolicy, type HealthFinding, type HealthPolicy, type HealthReport } from "./health.ts";
export { repositoryHealth, repositoryStats } from "./repository_stats.ts";
export type { RepositoryStats } from "./stats_types.ts";
export { prometheusText } from "./prometheus.ts";
export { Replication } from "./replication.ts";
export {
  type ReplicationEvent,
  type ReplicationOptions,
  replicationOptions,
  type ReplicationStatus,
} from "./replication_options.ts";
export { type BackupSource, sourceOf } from "./backup_source.ts";
