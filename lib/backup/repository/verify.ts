import type { LongWorkOptions } from "../long_work.ts";
import type { RepositoryContext } from "./context.ts";

/** One problem found in a repository. */
export interface RepositoryProblem {
  /** The object concerned. */
  key: string;
  /** What does not hold. */
  detail: string;
  /** The backups that can't be restored because of it. */
  backups: string[];
}

/** What a check of a repository found; damage is reported, not thrown. */
export interface RepositoryVerifyReport {
  /** Whether nothing was found. */
  ok: boolean;
  /** All that was found. */
  problems: RepositoryProblem[];
  /** Backups checked. */
  backups: number;
  /** Objects that were looked at (`"none"`) or read. */
  objects: number;
  /** Log objects among them. */
  logObjects: number;
  /** Bytes read. */
  bytes: number;
  /** How much was read. */
  read: "all" | "sample" | "none";
  /** How long it took, ms. */
  durationMs: number;
}

/** How a repository is checked. */
export interface VerifyOptions extends LongWorkOptions {
  /** `"all"` (default): every byte. `"sample"`: some objects, others each time. `"none"`: what there is, not what is in it. */
  read?: "all" | "sample" | "none" | undefined;
}

/** Checks. */
export function verifyRepository(
  _context: RepositoryContext,
  _id: string | undefined,
  _options: Required<Pick<VerifyOptions, "read">> & LongWorkOptions,
): Promise<RepositoryVerifyReport> {
  return Promise.reject(new Error("stub"));
}
