/**
 * What a copy is planned by: the source as it is listed, held against itself. A listing may lack keys: that of a store which
 * is behind with its lists, or one during which log was merged. What is copied by such a one would be copied without what it
 * builds on.
 *
 * @module
 */
import { IntegrityError } from "../../../../base/errors.ts";
import type { HeadDocument } from "../../../../format/repository/head_document.ts";
import { readPins } from "../../core/catalog.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { backupKey, headKey } from "../../core/layout.ts";
import { countedIngests, justBefore, readHeads } from "../../log/heads.ts";
import { findUnlisted, historyOf, readFacts, type RepositoryFacts } from "../../restoring/facts.ts";
import { holesBelow, neededLog } from "../check/structure.ts";
import type { CopyWish, HistoryWish } from "./copy_plan.ts";
import { logHeadOf } from "./log_copier.ts";

/** A listing lacks something; the next one may have it. */
export class UnsettledError extends IntegrityError {}

/** Reads the source. `UnsettledError` where the listing lacks what is there. */
export async function readSource(context: RepositoryContext): Promise<RepositoryFacts> {
  // First, or what is pinned just now were not in a list that was made before.
  const pins = await readPins(context);
  const before = new Map((await readHeads(context)).map((head) => [headKey(head.database, head.lineage), head]));
  const facts = await readFacts(context);
  const unlisted = await findUnlisted(context, facts, pins);
  if (unlisted !== undefined) {
    throw new UnsettledError(
      `Cannot copy ${context.name}: ${unlisted} is there and was not listed; by a listing that is not whole backups would be ` +
        "copied without what they build on, try again",
      { path: unlisted },
    );
  }
  await assertStay(context, facts);
  // Log that was archived while it was listed: the head from before counts what was listed.
  const heads = facts.heads.map((head) => {
    if (isCounted(facts, head)) return head;
    const earlier = before.get(headKey(head.database, head.lineage));
    return earlier !== undefined && isCounted(facts, earlier) ? earlier : head;
  });
  return { ...facts, heads: heads.map((head) => ({ ...head, ingests: countedIngests(head) })) };
}

/**
 * `UnsettledError` where a backup was deleted after it was read. What it builds on goes behind it, and may have been gone when
 * its turn to be read came.
 */
async function assertStay({ store, name }: RepositoryContext, { backups }: RepositoryFacts): Promise<void> {
  const ids = new Set([null, ...backups.map(({ id }) => id)]);
  for (const { id, parentId } of backups) {
    if (ids.has(parentId) || await store.head(backupKey(id)) !== undefined) continue;
    throw new UnsettledError(`Cannot copy ${name}: backup ${id} was deleted while it was looked at; try again`, {
      path: backupKey(id),
    });
  }
}

/** A wish whose heads know the times where they were cut back behind objects, which are read for that. */
export async function withTimes(
  context: RepositoryContext,
  { backups, histories }: CopyWish,
  signal: AbortSignal | undefined,
): Promise<CopyWish> {
  const timed: HistoryWish[] = [];
  for (const { head, cutBehind, ...rest } of histories) {
    if (head === undefined || cutBehind === undefined) {
      timed.push({ head, ...rest });
      continue;
    }
    const { maxTimestamp: timestamp } = await logHeadOf(context, cutBehind, signal);
    const coveredUntil = Math.max(head.coveredUntil, justBefore(timestamp));
    timed.push({ head: { ...head, timestamp, coveredUntil }, ...rest });
  }
  return { backups, histories: timed };
}

/** Whether the log that a head counts last was listed, if there has to be any. */
function isCounted({ logs }: RepositoryFacts, head: HeadDocument): boolean {
  const { database, lineage, version, chain, start, pruned = 0 } = head;
  if (version < start || version <= pruned) return true;
  return logs.get(historyOf(database, lineage))?.walkBack({ version, chain }, version).objects.length === 1;
}

/** `UnsettledError` for log that must be there, and that none of the objects which may be used (`avoid`) holds. */
export function assertLogListed(context: RepositoryContext, facts: RepositoryFacts, avoid: ReadonlySet<string>): void {
  for (const { database, lineage, from, why, ...anchor } of neededLog({ facts })) {
    const [hole] = holesBelow(facts.logs.get(historyOf(database, lineage)), anchor, from, avoid);
    if (hole === undefined) continue;
    throw new UnsettledError(
      `Cannot copy ${context.name}: versions ${hole.from} to ${hole.to} of lineage ${lineage} are in no object of its log, ` +
        `and ${why}; run verify, then repair there, and copy again`,
      { path: `log/${database}/${lineage}` },
    );
  }
}

/** `UnsettledError` for log that is wanted and has no head, which the target would lack too. */
export function assertHeadsListed(
  context: RepositoryContext,
  { heads }: RepositoryFacts,
  { histories }: CopyWish,
): void {
  const there = new Set(heads.map(({ database, lineage }) => headKey(database, lineage)));
  for (const { database, lineage, log } of histories) {
    const key = headKey(database, lineage);
    if (log.length === 0 || there.has(key)) continue;
    throw new UnsettledError(
      `Cannot copy ${context.name}: ${key} is gone, and there is archived log that it has to count; ` +
        "run verify, then repair there, and copy again",
      { path: key },
    );
  }
}
