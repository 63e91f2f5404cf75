/**
 * The attempts to make a backup, as the audit log tells of them, read from its end backwards: the log of years is long, and what
 * counts is lately.
 *
 * @module
 */
import type { AuditLine } from "../../../format/repository/audit_line.ts";
import { type KeptLines, readAuditBackwards } from "./audit_lines.ts";
import type { RepositoryContext } from "./context.ts";

/** One attempt. */
export interface BackupAttempt {
  /** When it ended, ms. */
  at: number;
  /** Whether there was a backup then. */
  ok: boolean;
  /** The database's id; undefined when the line doesn't tell. */
  database: string | undefined;
  /** How long it took, ms, where it succeeded. */
  durationMs: number | undefined;
}

/** Lines looked at, at most: with a backup every minute these are a month. */
const LINES_MAX = 50_000;

/** What one line tells, as far as it matters here. */
interface Told {
  at: number;
  attempt: BackupAttempt | undefined;
}

/** Of each open repository: figures are asked for every minute, and each line would be a request each time. */
const told = new WeakMap<RepositoryContext, KeptLines<Told>>();

/** So many lines in a row before a time, and there are none behind it: the clocks of those who write may differ. */
const EARLIER_MAX = 128;

/** The attempts since a time, the oldest first; of all times at most `count`. Lines that are damaged tell nothing. */
export async function readAttempts(
  context: RepositoryContext,
  { since, count }: { since: number; count: number },
): Promise<BackupAttempt[]> {
  const kept: KeptLines<Told> = told.get(context) ?? new Map();
  told.set(context, kept);
  const attempts: BackupAttempt[] = [];
  let earlier = 0;
  for await (const { at, attempt } of readAuditBackwards(context, LINES_MAX, tellOf, kept)) {
    earlier = at < since ? earlier + 1 : 0;
    if (attempt !== undefined && at >= since) attempts.push(attempt);
    if (attempts.length >= count || earlier === EARLIER_MAX) break;
  }
  return attempts.reverse();
}

function tellOf(line: AuditLine): Told {
  return { at: line.at, attempt: line.action === "backup" ? attemptOf(line) : undefined };
}

function attemptOf({ at, result, detail }: AuditLine): BackupAttempt {
  const { database, durationMs } = detail;
  return {
    at,
    ok: result === "ok",
    database: typeof database === "string" ? database : undefined,
    durationMs: result === "ok" && typeof durationMs === "number" ? durationMs : undefined,
  };
}
