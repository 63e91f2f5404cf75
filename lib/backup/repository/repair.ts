import type { LongWorkOptions } from "../long_work.ts";
import type { RecoveryRange } from "./recovery_points.ts";
import type { RepositoryContext } from "./context.ts";

/** What a repair of a repository did. */
export interface RepositoryRepairReport {
  /** What was put right, one sentence each. */
  repaired: string[];
  /** Backups that can't be restored any more, and why. */
  lostBackups: { id: string; detail: string }[];
  /** Points in time that can't be restored any more. */
  lostPoints: RecoveryRange[];
  /** Keys of objects that were set aside below `damaged/`. */
  setAside: string[];
  /** How long it took, ms. */
  durationMs: number;
}

/** Repairs. */
export function repairRepository(
  _context: RepositoryContext,
  _options: { dryRun: boolean } & LongWorkOptions,
): Promise<RepositoryRepairReport> {
  return Promise.reject(new Error("stub"));
}
