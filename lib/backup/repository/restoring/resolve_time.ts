/**
 * Finding the version that was the last at a time, in an archived log.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import type { RepositoryContext } from "../core/context.ts";
import { backupKey } from "../core/layout.ts";
import type { LogObject } from "../log/log_chain.ts";
import { openLog, readLog } from "../log/log_reader.ts";
import type { RestorePlan } from "./restore_plan.ts";

/** A plan whose last version is known, with the log it needs and no more. */
export type ResolvedPlan = RestorePlan & { version: number; timestamp: number };

/** Settles where a plan ends. Reads the heads of a few log objects, and one of them whole. */
export async function resolvePlan(
  context: RepositoryContext,
  plan: RestorePlan,
  signal?: AbortSignal,
): Promise<ResolvedPlan> {
  const { base, time } = plan;
  await assertStandsIn(context, plan, signal);
  let { version } = plan;
  let timestamp: number | undefined;
  let log = plan.log;
  if (version === undefined && time !== undefined) {
    version = base.version;
    const last = await lastBegunBy(context, log, time, signal);
    log = log.slice(0, last + 1);
    const object = log.at(-1);
    if (object !== undefined) {
      const after = Math.max(base.version, object.first - 1);
      for await (const commit of readLog(context, [object], { after, upTo: plan.end, at: time, signal })) {
        version = commit.version;
        timestamp = commit.timestamp;
      }
    }
  }
  const end = version ?? plan.end;
  if (end === base.version) timestamp = base.timestamp;
  timestamp ??= await timestampOf(context, log, end, signal);
  return { ...plan, log, version: end, end, timestamp, ingests: plan.ingests.filter((one) => one.version <= end) };
}

/**
 * Two copies of a database that both wrote on in one lineage have different commits of the same version, and the archived log
 * is that of one of them.
 */
async function assertStandsIn(
  context: RepositoryContext,
  { base, standsIn }: RestorePlan,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (standsIn === undefined || await timestampOf(context, [standsIn], base.version, signal) === base.timestamp) return;
  throw new IntegrityError(
    `Backup ${base.id} of ${context.name} is of a copy of the database that went its own way: the archived log has another ` +
      `commit of version ${base.version}, so that it does not lead on from there; restore that backup by its id, or a ` +
      "version before it",
    { path: backupKey(base.id) },
  );
}

/** The last object whose first commit is not later than a time; -1 when there is none. */
async function lastBegunBy(
  context: RepositoryContext,
  log: readonly LogObject[],
  time: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (await firstTimestamp(context, log[middle]!, signal) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

async function firstTimestamp(context: RepositoryContext, object: LogObject, signal?: AbortSignal): Promise<number> {
  const { head, pieces } = await openLog(context, object, { signal });
  await pieces.return(undefined as never);
  return head.minTimestamp;
}

async function timestampOf(
  context: RepositoryContext,
  log: readonly LogObject[],
  version: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const object = log.at(-1)!;
  const after = version - 1;
  for await (const { timestamp } of readLog(context, [object], { after, upTo: version, signal })) return timestamp;
  return 0;
}
