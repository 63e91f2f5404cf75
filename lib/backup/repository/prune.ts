import type { LongWorkOptions } from "../long_work.ts";
import type { RepositoryContext } from "./context.ts";
import type { CheckedPolicy } from "./retention_policy.ts";

/** What pruning kept and removed. */
export interface PruneReport {
  /** Every backup there was, whether it stays, and why. */
  backups: { id: string; keep: boolean; reasons: string[] }[];
  /** Log objects that were removed. */
  logObjects: number;
  /** Objects that were removed. */
  objects: number;
  /** Bytes that became free. */
  freedBytes: number;
  /** Bytes of objects that are marked and go with a later pruning, because someone may still use them. */
  pendingBytes: number;
  /** Whether nothing was changed. */
  dryRun: boolean;
}

/** Prunes by a policy. */
export function pruneRepository(
  _context: RepositoryContext,
  _policy: CheckedPolicy,
  _options: { dryRun?: boolean | undefined } & LongWorkOptions,
): Promise<PruneReport> {
  return Promise.reject(new Error("stub"));
}

/** Removes one backup, and what only it needed. */
export function deleteBackup(_context: RepositoryContext, _id: string): Promise<PruneReport> {
  return Promise.reject(new Error("stub"));
}
