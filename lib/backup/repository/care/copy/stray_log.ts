/**
 * Log that lies in a copy's target and that nothing counts: a copy was cut off behind it, and the source has let go of it
 * since. Where files joined with a commit of it, they are in the head that was not copied then; no restore may pass there.
 *
 * @module
 */
import type { ArchiveGap } from "../../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { justBefore } from "../../log/heads.ts";
import type { LogObject } from "../../log/log_chain.ts";
import { ingestOfCommit } from "../../log/ingests.ts";
import { recordsOf } from "../../../../format/repository/archived_log.ts";
import { logHeadOf, openNamed } from "./log_copier.ts";

/**
 * The gap that a head must note for an object; none when no files joined with it but those that are `known`. `beside` is what
 * may lead up to it, and tells the time of the last commit before.
 */
export async function gapAround(
  context: RepositoryContext,
  stray: LogObject,
  known: ReadonlySet<number>,
  beside: readonly LogObject[],
  signal: AbortSignal | undefined,
): Promise<ArchiveGap[]> {
  const { head, pieces } = await openNamed(context, stray, signal);
  const { first: from, last: to, previous: chain, minTimestamp, maxTimestamp: before } = head;
  let lost = false;
  for await (const piece of pieces) {
    for (const { version, ops } of recordsOf(piece, stray.key)) {
      lost ||= ingestOfCommit(ops) !== undefined && !known.has(version);
    }
  }
  if (!lost) return [];
  const gap = { from, to, after: justBefore(minTimestamp), before, chain };
  const leading = beside.find((one) => one.last === from - 1 && one.chain === chain);
  if (leading === undefined) return [gap];
  return [{ ...gap, timestamp: (await logHeadOf(context, leading, signal)).maxTimestamp }];
}
