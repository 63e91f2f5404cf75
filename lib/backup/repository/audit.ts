/**
 * The audit log of a repository: what was done, when, with what result. JSON lines, each in an object of its own under the
 * next number, each naming the hash of the one before: objects can't be appended to, and a put that is only made if absent
 * gives every line its place, whoever writes.
 *
 * @module
 */
import { IntegrityError } from "../../base/errors.ts";
import { decodeText, encodeText } from "../../base/bytes.ts";
import { auditHash, type AuditLine, decodeAuditLine, encodeAuditLine } from "../../format/repository/audit_line.ts";
import { UNCHECKED } from "../../format/repository/document.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";

/** What is told of one action. */
export type AuditDetail = Record<string, string | number | boolean | null>;

const LINE_BYTES_MAX = 64 * 1024;
const FIRST_PREVIOUS = "0".repeat(64);
const TRIES = 20;

/** The key of a line. */
export function auditKey(seq: number): string {
  return `${PART.audit}${String(seq).padStart(12, "0")}.jsonl`;
}

/** The newest line known to each open repository, so that appending needs no listing. */
const newest = new WeakMap<RepositoryContext, { text: string; line: AuditLine } | undefined>();

/** Appends a line. */
export async function writeAudit(
  context: RepositoryContext,
  action: string,
  result: "ok" | "failed",
  detail: AuditDetail,
): Promise<void> {
  if (context.readOnly) return;
  for (let tries = 0; tries < TRIES; tries++) {
    const previous = newest.has(context) ? newest.get(context) : await readNewest(context);
    const line: AuditLine = {
      seq: previous === undefined ? 1 : previous.line.seq + 1,
      at: context.clock(),
      action,
      result,
      detail,
      previous: previous === undefined ? FIRST_PREVIOUS : auditHash(previous.text),
    };
    const text = encodeAuditLine(line, context.ring);
    const put = await context.store.put(auditKey(line.seq), encodeText(text), { ifAbsent: true });
    if (put !== undefined) {
      newest.set(context, { text, line });
      return;
    }
    newest.delete(context);
  }
}

async function readNewest(context: RepositoryContext): Promise<{ text: string; line: AuditLine } | undefined> {
  const last = (await allKeys(context.store, PART.audit)).at(-1)?.key;
  return last === undefined ? undefined : await readLine(context, last);
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
    await writeAudit(context, action, "failed", { ...about, error: name, message: shortMessage(error) }).catch(() => {});
    throw error;
  }
  await writeAudit(context, action, "ok", { ...about, ...detailOf(result) }).catch(() => {});
  return result;
}

function shortMessage(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.length > 500 ? `${message.slice(0, 497)}...` : message;
}

async function readLine(context: RepositoryContext, key: string): Promise<{ text: string; line: AuditLine }> {
  const name = `${key} in ${context.name}`;
  const found = await readBytes(context.store, key, LINE_BYTES_MAX);
  if (found === undefined) throw new IntegrityError(`${name} is gone; the audit log has a hole`);
  const text = decodeText(found.bytes);
  return { text, line: decodeAuditLine(text, name, context.keyless ? UNCHECKED : context.ring) };
}

/** All lines, the oldest first. A line that does not follow its predecessor is told to `onProblem`. */
export async function* readAudit(
  context: RepositoryContext,
  onProblem: (key: string, detail: string) => void = () => {},
): AsyncGenerator<AuditLine> {
  let previous = FIRST_PREVIOUS;
  let seq = 0;
  for (const { key } of await allKeys(context.store, PART.audit)) {
    let found;
    try {
      found = await readLine(context, key);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      onProblem(key, error.message);
      previous = "";
      seq++;
      continue;
    }
    const { line, text } = found;
    if (line.seq !== seq + 1 || key !== auditKey(line.seq)) onProblem(key, `is line ${line.seq} where ${seq + 1} belongs`);
    else if (previous !== "" && line.previous !== previous) onProblem(key, "does not follow the line before it");
    previous = auditHash(text);
    seq = line.seq;
    yield line;
  }
}
