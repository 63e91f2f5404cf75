import type { RepositoryContext } from "./context.ts";
import type { CheckedHealthPolicy, HealthReport } from "./health.ts";
import type { RepositoryStats } from "./stats_types.ts";

/** Counts and sizes. */
export function repositoryStats(_context: RepositoryContext): Promise<RepositoryStats> {
  return Promise.reject(new Error("stub"));
}

/** Judges. */
export function repositoryHealth(_context: RepositoryContext, _policy: CheckedHealthPolicy): Promise<HealthReport> {
  return Promise.reject(new Error("stub"));
}
