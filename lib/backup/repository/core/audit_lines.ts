/**
 * The lines of the audit log as they lie in the store: each in an object of its own, numbered without a hole.
 *
 * There is no end to them, so whoever wants the last ones does not list all: that would be a request for each thousand.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import { decodeText, isText } from "../../../base/bytes.ts";
import { type AuditLine, decodeAuditLine } from "../../../format/repository/audit_line.ts";
import { UNCHECKED } from "../../../format/repository/document.ts";
import { inOrder } from "../../../format/repository/ordered.ts";
import type { RepositoryContext } from "./context.ts";
import { isDamage, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import { SMALL_REQUESTS } from "./pool.ts";

/** No line is longer. */
export const LINE_BYTES_MAX: number = 64 * 1024;

/** The key of a line. */
export function auditKey(seq: number): string {
  return `${PART.audit}${String(seq).padStart(12, "0")}.jsonl`;
}

/** The number in a key; undefined when it is not a line's. */
export function auditSeq(key: string): number | undefined {
  const [, digits] = /^audit\/(\d{12})\.jsonl$/.exec(key) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** A line and its very text. Damage, and a line that is not there, is `IntegrityError`. */
export async function readLine(
  context: RepositoryContext,
  key: string,
): Promise<{ text: string; line: AuditLine }> {
  const name = `${key} in ${context.name}`;
  const found = await readBytes(context.store, key, LINE_BYTES_MAX);
  if (found === undefined) throw new IntegrityError(`${name} is gone; the audit log has a hole`);
  if (!isText(found.bytes)) throw new IntegrityError(`Cannot trust ${name}: it is not text; the audit log was damaged`);
  const text = decodeText(found.bytes);
  return { text, line: decodeAuditLine(text, name, context.keyless ? UNCHECKED : context.ring) };
}

/** One line; undefined when it is not there. Damage is `IntegrityError`. */
export async function readAuditLine(context: RepositoryContext, key: string): Promise<AuditLine | undefined> {
  return await context.store.head(key) === undefined ? undefined : (await readLine(context, key)).line;
}

/** Lines that one listing has. */
const LISTED = 1000;

/**
 * The number of the last line, 0 where there is none: found by steps that double, and then halve. `known`: one that was there
 * before.
 */
export async function lastAuditSeq(context: RepositoryContext, known = 0): Promise<number> {
  let last = known;
  let step = 0;
  let beyond = Infinity;
  for (;;) {
    const { seqs, isEnd } = await seqsBehind(context, last + step);
    if (isEnd && (seqs.length > 0 || step === 0)) return seqs.at(-1) ?? last;
    if (seqs.length === 0) beyond = last + step;
    last = seqs.at(-1) ?? last;
    if (beyond === Infinity) step = Math.max(LISTED, 2 * step);
    else step = beyond - last <= LISTED ? 0 : (beyond - last) >> 1;
  }
}

/** The numbers of some lines behind one, of one at least if there are any, and whether there are no others. */
async function seqsBehind({ store }: RepositoryContext, seq: number): Promise<{ seqs: number[]; isEnd: boolean }> {
  for (let after = auditKey(seq);;) {
    const { objects, next } = await store.list({ prefix: PART.audit, after });
    const seqs = objects.flatMap(({ key }) => auditSeq(key) ?? []);
    if (seqs.length > 0 || next === undefined) return { seqs, isEnd: next === undefined };
    after = next;
  }
}

/** What was read of lines, by their numbers; they never change. */
export type KeptLines<T> = Map<number, T>;

/**
 * What `take` finds in the last `count` lines, as far as they can be read, the newest first. What is damaged is left out:
 * `verify` tells of it. What is in `kept` is not read again, and what is read gets there.
 */
export async function* readAuditBackwards<T>(
  context: RepositoryContext,
  count: number,
  take: (line: AuditLine) => T,
  kept: KeptLines<T> = new Map(),
): AsyncGenerator<T> {
  let known = 0;
  for (const seq of kept.keys()) known = Math.max(known, seq);
  const last = await lastAuditSeq(context, known);
  for (const seq of kept.keys()) if (seq <= last - count) kept.delete(seq);
  function* seqs(): Generator<number> {
    for (let seq = last; seq > Math.max(0, last - count); seq--) yield seq;
  }
  const found = inOrder(seqs(), SMALL_REQUESTS, async (seq) => {
    try {
      if (!kept.has(seq)) kept.set(seq, take((await readLine(context, auditKey(seq))).line));
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    return seq;
  });
  for await (const seq of found) if (kept.has(seq)) yield kept.get(seq)!;
}
