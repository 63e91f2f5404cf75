/**
 * The attempts to make a backup, as the audit log tells of them. Read from its end backwards, many lines at once: the log of
 * years is long, and what counts is lately.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import { decodeText } from "../../../base/bytes.ts";
import { type AuditLine, decodeAuditLine } from "../../../format/repository/audit_line.ts";
import { UNCHECKED } from "../../../format/repository/document.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import { runPool } from "./pool.ts";

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

/** Lines read at once. */
const READS = 16;

/** Lines between two looks at whether it is enough: a few waits for a store that is far away. */
const STEP = 128;

/** Lines looked at, at most: with a shipment noted every minute these are a month. */
const LINES_MAX = 50_000;

const LINE_BYTES_MAX = 64 * 1024;

/** The attempts since a time, the oldest first; of all times at most `count`. Lines that are damaged tell nothing. */
export async function readAttempts(
  context: RepositoryContext,
  { since, count }: { since: number; count: number },
): Promise<BackupAttempt[]> {
  const keys = (await allKeys(context.store, PART.audit)).map(({ key }) => key);
  const attempts: BackupAttempt[] = [];
  const end = Math.max(0, keys.length - LINES_MAX);
  for (let at = keys.length; at > end && attempts.length < count; at -= STEP) {
    const lines = await readLines(context, keys.slice(Math.max(end, at - STEP), at));
    for (const line of lines.reverse()) if (line.action === "backup") attempts.push(attemptOf(line));
    if (lines.length > 0 && Math.max(...lines.map((line) => line.at)) < since) break;
  }
  return attempts.filter(({ at }) => at >= since).slice(0, count).reverse();
}

async function readLines(context: RepositoryContext, keys: readonly string[]): Promise<AuditLine[]> {
  const lines = new Map<string, AuditLine>();
  await runPool(keys, READS, async (key) => {
    try {
      const found = await readBytes(context.store, key, LINE_BYTES_MAX);
      if (found !== undefined) {
        lines.set(
          key,
          decodeAuditLine(
            decodeText(found.bytes),
            `${key} in ${context.name}`,
            context.keyless ? UNCHECKED : context.ring,
          ),
        );
      }
    } catch (error) {
      // `verify` tells of it; figures must not fail over one line.
      if (!(error instanceof IntegrityError || error instanceof TypeError)) throw error;
    }
  });
  return keys.flatMap((key) => lines.get(key) ?? []);
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
