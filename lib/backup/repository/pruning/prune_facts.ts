/**
 * What a pruning decides by: all of it read anew, and all of it whole. Of a manifest that can't be read nobody knows what it
 * needs, so one is enough to end the pruning.
 *
 * @module
 */
import { HoldfastError, IntegrityError } from "../../../base/errors.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import { type Proof, proof } from "../../../format/repository/house_documents.ts";
import { forgetBackups, readPins } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys, readAllDocuments } from "../core/documents.ts";
import { coverAfter, type Coverage, Coverages, reachOf } from "../restoring/coverage.ts";
import { findUnlisted, historyOf, readFacts, type RepositoryFacts } from "../restoring/facts.ts";
import { backupKey, objectKey, PART, pinKey } from "../core/layout.ts";
import { runPool, SMALL_REQUESTS } from "../core/pool.ts";
import { LogIndex } from "../log/log_chain.ts";
import type { BackupFact, LogFact, ObjectFact, RepositoryFacts as PlanFacts } from "./retention/facts.ts";

/** What there is. */
export interface PruneState {
  /** As restores see it. */
  facts: RepositoryFacts;
  /** As the planner sees it. */
  plan: PlanFacts & { log: readonly LogFact[] };
  /** Every proof, by its key. */
  proofs: { key: string; body: Proof }[];
  /** The ids that are pinned. */
  pins: Set<string>;
  /** The stored bytes of each manifest, by key. */
  sizes: Map<string, number>;
}

/**
 * Reads it. `first`: as it was when the pruning began; without it manifests, too, that were read before are read anew, for they
 * may be damaged by now. What was proven by then counts to its end.
 */
export async function readPruneState(context: RepositoryContext, first?: PruneState): Promise<PruneState> {
  const anew = first === undefined;
  if (anew) forgetBackups(context);
  const onDamage = (key: string, error: unknown): never => {
    throw unreadable(context, key, error);
  };
  // First, or what is pinned just now were not in a list that was made before.
  const pins = await readPins(context);
  const facts = await readFacts(context, { onDamage, direct: anew });
  // Leaves out those that are damaged: they prove nothing, and say nothing of what a backup needs.
  const proofs = first?.proofs ?? await readAllDocuments(context, "proof", PART.proofs, proof, () => {});
  const sizes = new Map((await allKeys(context.store, PART.backups)).map(({ key, size }) => [key, size]));
  const unlisted = await findUnlisted(context, facts, pins);
  if (unlisted !== undefined) throw notListed(context, unlisted);
  return { facts, proofs, pins, sizes, plan: planFacts({ facts, proofs, pins, sizes }, new Set()) };
}

/** The state where it is known of some backups that they are of a copy which went its own way: no log leads on from these. */
export function withApart(state: PruneState, apart: ReadonlySet<string>): PruneState {
  return apart.size === 0 ? state : { ...state, plan: planFacts(state, apart) };
}

/** What becomes of a pruning when a key is there that a listing left out. */
export function notListed({ name }: RepositoryContext, key: string): IntegrityError {
  return new IntegrityError(
    `Cannot prune ${name}: ${key} is there and was not listed; nothing is deleted by a listing that is not whole, try again`,
    { path: key },
  );
}

/** Those of some backups whose pin is there by its key, whatever a listing says. */
export async function pinnedByKey({ store }: RepositoryContext, ids: Iterable<string>): Promise<Set<string>> {
  const pinned = new Set<string>();
  await runPool(ids, SMALL_REQUESTS, async (id) => {
    if (await store.head(pinKey(id)) !== undefined) pinned.add(id);
  });
  return pinned;
}

/** That no listing left out the pin of a backup that is to go. `ids`: those that had one before the pins were listed. */
export async function assertNotPinned(context: RepositoryContext, ids: Iterable<string>): Promise<void> {
  // One that was let go since is no pin.
  for (const id of await pinnedByKey(context, ids)) throw notListed(context, pinKey(id));
}

function unreadable(context: RepositoryContext, key: string, error: unknown): unknown {
  // A store that fails, a key that is missing, a newer release's document: these say themselves what to do.
  if (error instanceof HoldfastError && !(error instanceof IntegrityError)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new IntegrityError(
    `Cannot prune ${context.name}: ${key} is damaged, and what it needs is not known (${detail}); nothing was deleted, ` +
      "run repair",
    { path: key, cause: error },
  );
}

function planFacts(
  { facts, proofs, pins, sizes }: Omit<PruneState, "plan">,
  apart: ReadonlySet<string>,
): PlanFacts & { log: readonly LogFact[] } {
  const { backups, heads, logs } = facts;
  const verified = verifiedIds(proofs);
  const leading = backups.filter(({ id }) => !apart.has(id));
  const ids = new Set<string | null>(leading.map(({ id }) => id));
  const coverages = new Coverages({ ...facts, backups: leading });
  const log: LogFact[] = [];
  const headOf = new Map(heads.map((head) => [historyOf(head.database, head.lineage), head]));
  // No commit of an object is later than the head's, or than that of a backup behind it.
  const known = timesOf([...heads, ...backups]);
  for (const [history, index] of logs) {
    const [database, lineage] = history.split("/") as [string, string];
    const ingests = headOf.get(history)?.ingests ?? [];
    for (const { key, first, last, size } of index.objects) {
      const objects = ingests.filter(({ version }) => version >= first && version <= last)
        .flatMap(({ files }) => files.map(({ object, stored }) => ({ key: objectKey(object), size: stored })));
      const maxTimestamp = earliestFrom(known.get(history) ?? [], last);
      log.push({ key, database, lineage, first, last, size, maxTimestamp, objects });
    }
  }
  return {
    backups: backups.map((body) => {
      const needs = needsOf(body, coverages.of(body), ids.has(body.parentId));
      const fact = backupFact(body, needs, sizes, pins.has(body.id), verified.has(body.id));
      return apart.has(body.id) ? { ...fact, apart: true } : fact;
    }),
    log,
    lineages: heads,
  };
}

/** A version that something stands at, and the earliest time of what stands there or behind it, ms. */
interface KnownTime {
  version: number;
  earliest: number;
}

/** What is known of each history, by version. */
function timesOf(
  all: readonly Pick<BackupDocument, "database" | "lineage" | "version" | "timestamp">[],
): Map<string, KnownTime[]> {
  const times = new Map<string, KnownTime[]>();
  for (const { database, lineage, version, timestamp } of all.toSorted((a, b) => b.version - a.version)) {
    const history = historyOf(database, lineage);
    const known = times.get(history) ?? [];
    times.set(history, known);
    known.push({ version, earliest: Math.min(timestamp, known.at(-1)?.earliest ?? Infinity) });
  }
  for (const known of times.values()) known.reverse();
  return times;
}

function earliestFrom(known: readonly KnownTime[], version: number): number | undefined {
  let [low, high] = [0, known.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (known[middle]!.version < version) low = middle + 1;
    else high = middle;
  }
  return known[low]?.earliest;
}

/** The backups whose latest proof is good. */
function verifiedIds(proofs: PruneState["proofs"]): Set<string> {
  const latest = new Map<string, Proof>();
  for (const { body } of proofs) {
    if (body.backupId === null) continue;
    const before = latest.get(body.backupId);
    if (before === undefined || body.at >= before.at) latest.set(body.backupId, body);
  }
  return new Set([...latest].filter(([, { ok }]) => ok).map(([id]) => id));
}

/**
 * What a backup builds on. One whose parent is gone (lost, or not copied along), or its log, is made of the base that leads to
 * it all the same, and of all log from there.
 */
function needsOf(body: BackupDocument, coverage: Coverage, isThere: boolean): Pick<BackupFact, "parentId" | "log"> {
  const { parentId, log, version } = body;
  const own = { parentId, log: log === null ? null : { from: log.from, to: log.to } };
  if (parentId === null) return own;
  if (isThere && (log === null || (coverAfter(coverage.covers, log.from - 1)?.to ?? -1) >= log.to)) return own;
  const base = coverage.bases.findLast((each) =>
    each.version === version || (each.version < version && reachOf(coverage, each).version >= version)
  );
  if (base === undefined) return own;
  return { parentId: base.id, log: base.version === version ? null : { from: base.version + 1, to: version } };
}

function backupFact(
  body: BackupDocument,
  needs: Pick<BackupFact, "parentId" | "log">,
  sizes: ReadonlyMap<string, number>,
  pinned: boolean,
  verified: boolean,
): BackupFact {
  const { id, type, database, lineage, parents, version, timestamp, createdAt, selective, base } = body;
  const objects: ObjectFact[] = (base?.files ?? []).map(({ object, stored }) => ({
    key: objectKey(object),
    size: stored,
  }));
  objects.push({ key: backupKey(id), size: sizes.get(backupKey(id)) ?? 0 });
  return {
    ...{ id, type, database, lineage, parents, version, timestamp, createdAt, selective, objects },
    ...needs,
    pinned,
    verified,
    selection: JSON.stringify([body.namespace, body.prefix]),
    baseVersion: base?.version ?? null,
  };
}

/** The state without some manifests: of a dry run, which only imagines that they are gone. */
export function without(state: PruneState, gone: ReadonlySet<string>): PruneState {
  const left = <B extends { id: string }>(all: readonly B[]): B[] => all.filter(({ id }) => !gone.has(id));
  const facts: RepositoryFacts = { ...state.facts, backups: left(state.facts.backups) };
  const plan = {
    ...state.plan,
    backups: left(state.plan.backups),
    lineages: [...state.facts.heads, ...state.facts.backups],
  };
  return { ...state, facts, plan };
}

export function withoutLog(state: PruneState, keys: ReadonlySet<string>): PruneState {
  const logs = new Map([...state.facts.logs].map(([history, index]) => {
    const left = index.objects.filter(({ key }) => !keys.has(key));
    return [history, left.length === index.objects.length ? index : new LogIndex(left)];
  }));
  return { ...state, facts: { ...state.facts, logs } };
}

/** What was there and was not deleted must be there again (4). */
export function assertAllThere(
  context: RepositoryContext,
  before: PruneState,
  now: PruneState,
  gone: ReadonlySet<string>,
): void {
  const there = new Set(now.facts.backups.map(({ id }) => id));
  const missing = before.facts.backups.find(({ id }) => !there.has(id) && !gone.has(id));
  const headKeys = new Set(now.facts.heads.map(({ database, lineage }) => `${database}/${lineage}`));
  const head = before.facts.heads.find(({ database, lineage }) => !headKeys.has(`${database}/${lineage}`));
  if (missing === undefined && head === undefined) return;
  const what = missing === undefined ? `the head of lineage ${head!.lineage}` : backupKey(missing.id);
  throw new IntegrityError(
    `Cannot prune ${context.name}: ${what} was listed, and then was not: a listing is not whole, or someone deletes there ` +
      "by hand; no further object was deleted",
  );
}
