/**
 * How the heads of one history in two repositories stand to each other, and which head follows from both.
 *
 * | the other's version on our chain | relation |
 * |---|---|
 * | the same version, the same chain | equal |
 * | in our log, with its chain | behind |
 * | before our log begins: it was pruned | behind, with a gap in between |
 * | in our log, with another chain | diverged: `LineageError` |
 * | beyond our head, and ours is on its chain | ahead |
 *
 * @module
 */
import { LineageError } from "../../../../base/errors.ts";
import { genesisChain } from "../../../../format/repository/archived_log.ts";
import type { ArchivedIngest, ArchiveGap, HeadDocument } from "../../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { countedIngests, justBefore, REPAIR_WRITER } from "../../log/heads.ts";
import type { LogIndex, LogObject } from "../../log/log_chain.ts";
import { headEnds } from "./copy_plan.ts";
import { chainIn, logHeadOf } from "./log_copier.ts";

/** How the target's head stands to the source's. */
export type HeadRelation = "equal" | "behind" | "ahead" | "diverged";

/** A head with the log behind it. */
export interface HeadSide {
  /** Where. */
  context: RepositoryContext;
  /** The head. */
  head: HeadDocument;
  /** The log listed there. */
  index: LogIndex | undefined;
}

/** Finds out how the target's head stands to the source's; reads part of a log object where names don't tell. */
export async function relateHeads(
  source: HeadSide,
  target: HeadSide,
  signal: AbortSignal | undefined,
): Promise<HeadRelation> {
  const [ours, theirs] = [source.head, target.head];
  if (ours.version === theirs.version) return ours.chain === theirs.chain ? "equal" : "diverged";
  const [longer, shorter] = ours.version > theirs.version ? [source, theirs] : [target, ours];
  const end = headEnds(longer.head).filter(({ version }) => version >= shorter.version)
    .sort((a, b) => a.version - b.version)[0];
  const differs = (found: ChainFound): boolean => {
    return found === "diverged" || (found !== "gone" && found.chain !== shorter.chain);
  };
  const apart = end !== undefined && differs(await chainAt(longer, end, shorter.version, signal)) &&
    differs(await provenChainAt(longer, end, shorter.version, signal));
  if (apart) return "diverged";
  return longer === source ? "behind" : "ahead";
}

/** A version with the chain behind it. */
interface ChainEnd {
  version: number;
  chain: string;
}

/** A chain; "gone": the log does not reach back there; "diverged": no piece ends there. */
type ChainFound = { chain: string } | "gone" | "diverged";

/** The chain at a version of a head's history, by the names of its log. */
async function chainAt(
  { context, head, index }: HeadSide,
  end: ChainEnd,
  version: number,
  signal: AbortSignal | undefined,
): Promise<ChainFound> {
  if (end.version === version) return { chain: end.chain };
  const { objects, from } = index?.walkBack(end, version) ?? { objects: [], from: Infinity };
  const exact = objects.find(({ last }) => last === version);
  if (exact !== undefined) return { chain: exact.chain };
  const holding = objects.find(({ first, last }) => first <= version + 1 && last > version);
  if (holding !== undefined) {
    const chain = await chainIn(context, holding, version, signal);
    return chain === undefined ? "diverged" : { chain };
  }
  // A head that counts nothing yet.
  if (from > version + 1 && head.version === head.start - 1 && version === head.version) {
    return { chain: genesisChain(head.database, head.lineage, head.start) };
  }
  return "gone";
}

/**
 * As `chainAt`, where each object is the one on whose chain the next was written: by their names log may be taken that a
 * writer left who was overtaken.
 */
async function provenChainAt(
  { context, index }: HeadSide,
  end: ChainEnd,
  version: number,
  signal: AbortSignal | undefined,
): Promise<ChainFound> {
  const avoid = new Set<string>();
  for (let at = end;;) {
    if (at.version === version) return { chain: at.chain };
    const [object] = index?.walkBack(at, at.version, avoid).objects ?? [];
    if (object === undefined) return "gone";
    if (object.last > at.version && await chainIn(context, object, at.version, signal) !== at.chain) {
      avoid.add(object.key);
    } else if (object.first <= version + 1) {
      const chain = await chainIn(context, object, version, signal);
      return chain === undefined ? "diverged" : { chain };
    } else at = { version: object.first - 1, chain: (await logHeadOf(context, object, signal)).previous };
  }
}

/** The error of two histories. */
export function diverged(source: HeadSide, target: HeadSide): LineageError {
  const tell = ({ context, head }: HeadSide): string =>
    `${context.name} has it up to version ${head.version} (chain ${head.chain.slice(0, 12)}, writer ${
      head.writer.slice(0, 8)
    })`;
  return new LineageError(
    `Cannot copy the log of database ${source.head.database}, lineage ${source.head.lineage}: ${tell(source)}, ` +
      `${tell(target)}, and neither goes on where the other ends: each was archived by itself; ` +
      `copy into another repository; or, where what was archived in ${source.context.name} was lost and began anew, make a full ` +
      "backup there, prune what is older, and copy again (LINEAGE)",
  );
}

/** A stretch of log without a hole, as the source has it. */
export interface LogStretchInfo {
  /** Its first version. */
  from: number;
  /** Its last version. */
  to: number;
  /** The chain at `to`. */
  chain: string;
  /** The time of its first commit, ms; where it matters. */
  minTimestamp: number;
  /** The time of its last commit, ms; where it matters. */
  maxTimestamp?: number;
}

/** Log that may fill a gap. */
type FillingLog = Pick<LogStretchInfo, "from" | "to" | "chain" | "maxTimestamp">;

/** From what a target's head is made. */
export interface HeadMerge {
  /** The source's, its ingests with the target's objects. */
  source: HeadDocument;
  /** The target's; undefined: there is none. */
  target: HeadDocument | undefined;
  /** How it stands to the source's. */
  relation: HeadRelation | undefined;
  /** The log of the source that is wanted, by version. */
  stretches: readonly LogStretchInfo[];
  /** The log that the target had. */
  held: readonly FillingLog[];
  /** Around log in the target that neither counts, and that names files of which neither knows. */
  strays: readonly ArchiveGap[];
}

/** Whether a head was put by a copy, and none has come to the end of its log yet. */
export function countsNothing({ version, start, gaps, writer }: HeadDocument): boolean {
  return writer === REPAIR_WRITER && version === start - 1 && gaps.length === 0;
}

/**
 * A target's head as it has to be before log arrives: nobody's for what it will count, and listing the files that joined; and
 * with the `gaps` of the source where log names files that neither has (`held` is what the target has of that history).
 */
export function headBeforeLog(
  head: HeadDocument,
  log: readonly LogObject[],
  joined: readonly ArchivedIngest[],
  gaps: readonly ArchiveGap[] = [],
  held: readonly VersionRange[] = [],
): HeadDocument {
  const isBeyond = log.some(({ last }) => last > head.version) && head.writer !== REPAIR_WRITER;
  const counted = countedIngests(head);
  const lacking = joined.filter(({ version }) => !counted.some((known) => known.version === version));
  const lost = gaps.filter((gap) =>
    gap.to <= head.version && ![...held, ...head.gaps].some((other) => overlaps(gap, other))
  );
  if (!isBeyond && lacking.length + lost.length === 0) return head;
  const ingests = oneOfEach<ArchivedIngest>([...counted, ...lacking], ({ version }) => version);
  const all = [...head.gaps, ...lost].sort((a, b) => a.from - b.from);
  const start = Math.max(head.start, behindGaps(lost));
  return { ...head, ingests, gaps: all, start, ...(isBeyond ? { writer: REPAIR_WRITER, epoch: head.epoch + 1 } : {}) };
}

/** The head that counts all that both count. One that moved is nobody's: who archives there makes sure that he may. */
export function mergeHeads(merge: HeadMerge): HeadDocument {
  const { pruned: _, ...head } = countBoth(merge);
  const { target, stretches, held } = merge;
  const noted = target?.pruned ?? 0;
  // What the target counts and lacks is lost there. What else is not there was let go of in the source, or not chosen.
  const counted = target === undefined ? [] : [{ from: Math.max(target.start, noted + 1), to: target.version }];
  const left = holes(head.start, head.version, [...held, ...stretches, ...counted]).at(-1)?.to ?? 0;
  // What a pruning there has noted it may be about to delete.
  const pruned = Math.max(noted, left);
  return pruned === 0 ? head : { ...head, pruned };
}

function countBoth({ source, target, relation, stretches, held, strays }: HeadMerge): HeadDocument {
  if (target === undefined) {
    const gaps = withStrays(source.gaps, strays);
    return { ...source, writer: REPAIR_WRITER, gaps, start: Math.max(source.start, behindGaps(gaps)) };
  }
  const lost = relation === "behind" ? holes(target.version + 1, source.version, stretches) : [];
  const known = oneOfEach<ArchiveGap>([
    // What log fills of a gap of the target is none any more, unless the source has it beside its log: then files are missing.
    ...target.gaps.flatMap((gap) => source.gaps.some((other) => isSame(gap, other)) ? [gap] : unfilled(gap, stretches)),
    ...source.gaps.filter((gap) => !lost.some((hole) => overlaps(gap, hole) && !isSame(gap, hole)))
      .flatMap((gap) => unfilled(gap, held)),
    ...lost.map((hole) => gapOf(hole, source, target, stretches)),
  ], ({ from }) => from);
  const gaps = withStrays(known, strays);
  const common = {
    gaps,
    ingests: oneOfEach<ArchivedIngest>([...countedIngests(target), ...source.ingests], ({ version }) => version),
  };
  const isOneRun = target.start <= source.version + 1 && source.start <= target.version + 1;
  const behindGap = behindGaps(gaps);
  if (relation !== "behind") {
    const start = isOneRun ? Math.max(Math.min(target.start, source.start), behindGap) : target.start;
    const coveredUntil = relation === "equal"
      ? Math.max(target.coveredUntil, source.coveredUntil)
      : target.coveredUntil;
    return { ...target, ...common, start, coveredUntil };
  }
  return {
    ...source,
    ...common,
    writer: REPAIR_WRITER,
    epoch: Math.max(source.epoch, target.epoch + 1),
    coveredUntil: Math.max(source.coveredUntil, target.coveredUntil),
    start: Math.max(isOneRun ? Math.min(source.start, target.start) : source.start, behindGap),
  };
}

function withStrays(gaps: readonly ArchiveGap[], strays: readonly ArchiveGap[]): ArchiveGap[] {
  const all = [...gaps];
  for (const stray of strays) if (!all.some((gap) => overlaps(gap, stray))) all.push(stray);
  return all.sort((a, b) => a.from - b.from);
}

function behindGaps(gaps: readonly ArchiveGap[]): number {
  return Math.max(0, ...gaps.map(({ to }) => to + 1));
}

interface VersionRange {
  from: number;
  to: number;
}

/** What of a gap no log fills. */
function unfilled(gap: ArchiveGap, log: readonly FillingLog[]): ArchiveGap[] {
  return holes(gap.from, gap.to, log).map(({ from, to }) => {
    if (from === gap.from) return { ...gap, to };
    const { chain, maxTimestamp: timestamp } = log.find((one) => one.to === from - 1)!;
    const times = timestamp === undefined ? { after: gap.after } : { after: justBefore(timestamp), timestamp };
    return { from, to, before: gap.before, chain, ...times };
  });
}

function overlaps(a: VersionRange, b: VersionRange): boolean {
  return a.from <= b.to && a.to >= b.from;
}

function isSame(a: VersionRange, b: VersionRange): boolean {
  return a.from === b.from && a.to === b.to;
}

/** The versions of a range that no stretch holds. */
export function holes(from: number, to: number, stretches: readonly VersionRange[]): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  let at = from;
  for (const stretch of [...stretches].sort((a, b) => a.from - b.from)) {
    if (stretch.to < at) continue;
    if (stretch.from > to) break;
    if (stretch.from > at) found.push({ from: at, to: stretch.from - 1 });
    at = stretch.to + 1;
  }
  if (at <= to) found.push({ from: at, to });
  return found;
}

/** A hole as a head notes it: the source has let go of that log, and the target never had it. */
function gapOf(
  { from, to }: { from: number; to: number },
  source: HeadDocument,
  target: HeadDocument,
  stretches: readonly LogStretchInfo[],
): ArchiveGap {
  const before = stretches.find((one) => one.to === from - 1 && one.to > target.version);
  const behind = stretches.find((one) => one.from === to + 1);
  return {
    from,
    to,
    after: before?.maxTimestamp === undefined ? target.coveredUntil : justBefore(before.maxTimestamp),
    before: Math.max(target.coveredUntil, behind?.minTimestamp ?? source.timestamp),
    chain: before?.chain ?? target.chain,
    timestamp: before?.maxTimestamp ?? target.timestamp,
  };
}

/** One of each key, the first one, in their order. */
function oneOfEach<T>(all: readonly T[], keyOf: (one: T) => number): T[] {
  const found = new Map<number, T>();
  for (const one of all) if (!found.has(keyOf(one))) found.set(keyOf(one), one);
  return [...found.values()].sort((a, b) => keyOf(a) - keyOf(b));
}
