/**
 * Backup repositories: over a store of objects, with the formats of `lib/format/repository/`.
 *
 * ```
 * core/         what all parts share (context.ts), names (layout.ts), documents, leases, audit, keys, which backups there are
 * making/       backup.ts: a version of a database as objects
 * log/          shipper.ts: its log as objects; attach.ts: where that goes on; merge.ts: fewer of them later
 * replicating/  replication.ts: the same, all the time
 * restoring/    facts.ts, coverage.ts: what is there and what it can give back; restore_plan.ts; materialize.ts: making it
 * pruning/      retention.ts: what stays; prune.ts, gc.ts: the rest goes, safely
 * care/         verify.ts, drill.ts, repair.ts, copy_to.ts, health and figures
 * ```
 *
 * @module
 */
export type { Activity } from "./core/activities.ts";
export type { AuditDetail } from "../../format/repository/audit_line.ts";
export { contextOf, isObjectStore, ownContext, type RepositoryContext, type RepositoryHandle } from "./core/context.ts";
export { openRepository, storeAt } from "./core/open.ts";
export { addKey, listKeys, removeKey, rotateKey } from "./core/repository_keys.ts";
export type { KeyInfo } from "./core/keys.ts";
export { type BackupFilter, findBackup, listBackups } from "./core/list_backups.ts";
export { type AuditEntry, auditHistory } from "./core/history.ts";
export { pinBackup, unpinBackup } from "./core/pins.ts";
export { deleteBackup, type PruneReport, pruneRepository } from "./pruning/prune.ts";
export { checkPolicy, retention, type RetentionPolicy } from "./pruning/retention_policy.ts";
export {
  type RepositoryProblem,
  type RepositoryVerifyReport,
  type VerifyOptions,
  verifyRepository,
} from "./care/verify.ts";
export { type DrillReport, drillRepository } from "./care/drill.ts";
export { repairRepository, type RepositoryRepairReport } from "./care/repair.ts";
export { type CopyOptions, type CopyReport, copyRepository } from "./care/copy_to.ts";
export { type EstimateModel, estimateRestore, type RestoreEstimate } from "./restoring/estimate.ts";
export { readFacts } from "./restoring/facts.ts";
export { type RecoveryRange, recoveryRanges } from "./restoring/recovery_points.ts";
export { checkHealthPolicy, type HealthFinding, type HealthPolicy, type HealthReport } from "./care/health.ts";
export { repositoryHealth, repositoryStats } from "./care/repository_stats.ts";
export type { RepositoryStats } from "./care/stats_types.ts";
export { prometheusText } from "./care/prometheus.ts";
export { estimateReplication, type ReplicationEstimate, type StoreRequests } from "./replicating/replication_cost.ts";
export { checksItself } from "./core/objects.ts";
export { storeKeepsApart } from "./core/sole_writer.ts";
export { Replication } from "./replicating/replication.ts";
export {
  type ReplicationEvent,
  type ReplicationOptions,
  replicationOptions,
  type ReplicationStatus,
} from "./replicating/replication_options.ts";
export { type BackupSource, sourceOf } from "./making/backup_source.ts";
