/**
 * The audit log as callers see it.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import type { AuditDetail } from "../../../format/repository/audit_line.ts";
import { readAudit } from "./audit.ts";
import type { RepositoryContext } from "./context.ts";

/** One thing that was done in a repository. */
export interface AuditEntry {
  /** Its number: 1 for the first, then one more for each. */
  seq: number;
  /** When, ms. */
  at: number;
  /** What: `"backup"`, `"restore"`, `"prune"`, `"delete"`, `"pin"` and the like. */
  action: string;
  /** How it ended. */
  result: "ok" | "failed";
  /** More about it: names and numbers, of a failure the error's name and message. */
  detail: AuditDetail;
}

/**
 * What was done, the oldest first. Each line holds the hash of the one before: where that does not match, or a line is gone
 * or damaged, this rejects with `IntegrityError` naming it.
 */
export async function auditHistory(context: RepositoryContext): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  const lines = readAudit(context, (key, detail) => {
    throw new IntegrityError(
      `The audit log of ${context.name} was damaged or changed: ${key} ${detail}; run verify to see all of it`,
      { path: key },
    );
  });
  for await (const { seq, at, action, result, detail } of lines) entries.push({ seq, at, action, result, detail });
  return entries;
}
