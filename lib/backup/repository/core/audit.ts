/**
 * The audit log of a repository: what was done, when, with what result. JSON lines, each in an object of its own under the
 * next number, each naming the hash of the one before: objects can't be appended to, and a put that is only made if absent
 * gives every line its place, whoever writes.
 *
 * @module
 */
import { encodeText, equalBytes } from "../../../base/bytes.ts";
import { randomNumber } from "../../../base/simulation.ts";
import { AUDIT_START, auditHash, type AuditLine, encodeAuditLine } from "../../../format/repository/audit_line.ts";
import { inOrder } from "../../../format/repository/ordered.ts";
import { auditKey, auditSeq, lastAuditSeq, LINE_BYTES_MAX, readLine } from "./audit_lines.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, isDamage, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import { SMALL_REQUESTS } from "./pool.ts";

/** What is told of one action. */
export type AuditDetail = Record<string, string | number | boolean | null>;

const TRIES = 20;

/** Where the log of each open repository ends, so that appending needs no listing. */
const ends = new WeakMap<RepositoryContext, { seq: number; hash: string }>();

/** Appends a line. */
export async function writeAudit(
  context: RepositoryContext,
  action: string,
  result: "ok" | "failed",
  detail: AuditDetail,
): Promise<void> {
  if (context.readOnly) return;
  for (let tries = 0; tries < TRIES; tries++) {
    const { seq, hash } = ends.get(context) ?? await readEnd(context);
    const line: AuditLine = { seq: seq + 1, at: context.clock(), action, result, detail, previous: hash };
    const text = encodeAuditLine(line, context.ring);
    const key = auditKey(line.seq);
    const bytes = encodeText(text);
    const put = await context.store.put(key, bytes, { ifAbsent: true });
    // What is there may be this very line: only the answer was lost.
    if (put !== undefined || await isThere(context, key, bytes)) {
      ends.set(context, { seq: line.seq, hash: auditHash(text) });
      return;
    }
    ends.delete(context);
  }
}

async function isThere(context: RepositoryContext, key: string, bytes: Uint8Array): Promise<boolean> {
  try {
    const found = await readBytes(context.store, key, LINE_BYTES_MAX);
    return found !== undefined && equalBytes(found.bytes, bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

/** The number and the hash of the last line. A damaged one must not end the log: what follows it follows nothing. */
async function readEnd(context: RepositoryContext): Promise<{ seq: number; hash: string }> {
  const seq = await lastAuditSeq(context);
  if (seq === 0) return { seq, hash: AUDIT_START };
  try {
    return { seq, hash: auditHash((await readLine(context, auditKey(seq))).text) };
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { seq, hash: AUDIT_START };
  }
}

/** Runs `work` and notes how it ended; a note that can't be written is no failure of the work. */
export async function audited<T>(
  context: RepositoryContext,
  action: string,
  work: () => Promise<T>,
  detailOf: (result: T) => AuditDetail,
  about: AuditDetail = {},
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    const name = error instanceof Error ? error.name : typeof error;
    await writeAudit(context, action, "failed", { ...about, error: name, message: shortMessage(error) }).catch(
      () => {},
    );
    throw error;
  }
  await writeAudit(context, action, "ok", { ...about, ...detailOf(result) }).catch(() => {});
  return result;
}

function shortMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.length > 500 ? `${message.slice(0, 497)}...` : message;
}

/**
 * All lines that can be read, the oldest first. What can't, and a line that does not follow its predecessor, is told to
 * `onProblem`. `most`: of more than twice as many the newest are read and so many in a row before them, others each time; of
 * the rest only the names are seen.
 */
export async function* readAudit(
  context: RepositoryContext,
  onProblem: (key: string, detail: string) => void = () => {},
  most: number = Infinity,
): AsyncGenerator<AuditLine> {
  const keys = await allKeys(context.store, PART.audit);
  const earlier = keys.length - most;
  const begin = earlier > most ? Math.floor(randomNumber() * (earlier - most + 1)) : 0;
  const isWanted = (at: number): boolean => at >= earlier || (at >= begin && at < begin + most);
  // Undefined: the line before can't be read, so nothing can be said of what follows it.
  let previous: string | undefined = AUDIT_START;
  let seq = 0;
  const lines = inOrder(keys.entries(), SMALL_REQUESTS, async ([at, { key }]) => {
    const own = auditSeq(key);
    const found = own === undefined || !isWanted(at) ? undefined : await readLine(context, key).catch(damageOf);
    return { key, own, found };
  });
  for await (const { key, own, found } of lines) {
    if (own === undefined) {
      onProblem(key, "is not named as lines are");
      continue;
    }
    if (own !== seq + 1) onProblem(key, `is line ${own} where ${seq + 1} belongs`);
    const follows = own === seq + 1;
    seq = own;
    if (found === undefined) {
      previous = undefined;
      continue;
    }
    if (found instanceof Error) {
      onProblem(key, found.message);
      previous = undefined;
      continue;
    }
    const { line, text } = found;
    if (line.seq !== own) onProblem(key, `says of itself that it is line ${line.seq}`);
    else if (follows && previous !== undefined && line.previous !== previous) {
      onProblem(key, "does not follow the line before it");
    }
    previous = auditHash(text);
    yield line;
  }
}

function damageOf(error: unknown): Error {
  if (!isDamage(error)) throw error;
  return error as Error;
}
