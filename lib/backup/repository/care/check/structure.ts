/**
 * What must be there, by documents and names alone. Pure.
 *
 * | must hold | else |
 * |---|---|
 * | each object that a backup or a head refers to is there, with the stored bytes it was written with | missing, or to be read |
 * | the parent of each backup is there | missing |
 * | the log that a backup needs reaches from its base to its version, across lineages | a hole |
 * | the log that a head counts is there, but for what a pruning let go, which it notes | a hole |
 * | a history with log has a head, which is not behind what backups say was archived | missing, stale |
 * | what is pinned is there | stray |
| a proof is of what its name says | damaged |
 *
 * @module
 */
import type { HeadDocument } from "../../../../format/repository/head_document.ts";
import { Coverages } from "../../restoring/coverage.ts";
import { historyOf } from "../../restoring/facts.ts";
import { backupKey, headKey, objectKey, pinKey } from "../../core/layout.ts";
import { countedIngests, REPAIR_WRITER } from "../../log/heads.ts";
import type { LogAnchor, LogIndex } from "../../log/log_chain.ts";
import { proofKey } from "../../core/proofs.ts";
import type { Findings, LogRange } from "./findings.ts";
import type { Inventory } from "./inventory.ts";

/** Checks it. Returns objects whose length is not the one recorded: they may be another copy's, or damaged. */
export function checkStructure(inventory: Inventory, findings: Findings): Set<string> {
  const { facts, pins, givenUp, proofs } = inventory;
  const odd = new Set<string>();
  const byId = new Map(facts.backups.map((backup) => [backup.id, backup]));
  for (const backup of facts.backups) {
    for (const { object, stored } of backup.base?.files ?? []) {
      checkObjectThere(inventory, findings, odd, object, stored, `backup ${backup.id}`);
    }
    const { parentId } = backup;
    if (parentId !== null && !byId.has(parentId) && !givenUp.has(backupKey(parentId))) {
      findings.add({
        key: backupKey(parentId),
        kind: "missing",
        detail: `it is gone, and backup ${backup.id} builds on it`,
      });
    }
  }
  for (const head of facts.heads) {
    for (const { object, stored } of countedIngests(head).flatMap(({ files }) => files)) {
      checkObjectThere(inventory, findings, odd, object, stored, `the log of lineage ${head.lineage}`);
    }
  }
  checkHeads(inventory, findings);
  checkLog(inventory, findings);
  for (const { key, body } of proofs) {
    const about = body.kind === "verify" && body.backupId !== null ? byId.get(body.backupId) : undefined;
    const isOwn = about === undefined || about.lineage === body.lineage && about.version === body.version;
    if (proofKey(body) !== key || !isOwn) {
      findings.add({ key, kind: "damaged", detail: "it is the proof of something else" });
    }
  }
  for (const id of pins) {
    if (byId.has(id) || findings.of(backupKey(id)) !== undefined) continue;
    findings.add({ key: pinKey(id), kind: "stray", detail: `backup ${id}, which it pins, is gone` });
  }
  return odd;
}

function checkObjectThere(
  { objects }: Inventory,
  findings: Findings,
  odd: Set<string>,
  object: string,
  stored: number,
  whose: string,
): void {
  const key = objectKey(object);
  const size = objects.get(key);
  if (size === undefined) findings.add({ key, kind: "missing", detail: `it is gone, and ${whose} needs it` });
  else if (size !== stored) odd.add(key);
}

function checkHeads({ facts, laterHeads, unfinished }: Inventory, findings: Findings): void {
  for (const [history, index] of facts.logs) {
    const [database, lineage] = history.split("/") as [string, string];
    const key = headKey(database, lineage);
    if (index.objects.length === 0) continue;
    const head = laterHeads.find((each) => headKey(each.database, each.lineage) === key);
    if (head === undefined) {
      findings.add({ key, kind: "missing", detail: "it is gone, and there is archived log that it has to count" });
    } else checkHeadFresh(head, index, unfinished, findings, key);
  }
  for (const { id, database, lineage, log } of facts.backups) {
    if (log === null) continue;
    const key = headKey(database, lineage);
    const head = laterHeads.find((each) => headKey(each.database, each.lineage) === key);
    if (head === undefined) {
      findings.add({ key, kind: "missing", detail: `it is gone, and the log of backup ${id} was archived under it` });
    } else if (head.version < log.to) {
      const detail = `it stands at version ${head.version}, and backup ${id} was archived up to ${log.to}: ` +
        "an older head was put back";
      findings.add({ key, kind: "stale", detail });
    }
  }
}

/**
 * One object beyond the head may be on its way in; behind a short one another is put only after the head counts that one. Beyond
 * a head of nobody's a copy may have brought many.
 */
function checkHeadFresh(
  head: HeadDocument,
  index: LogIndex,
  unfinished: Inventory["unfinished"],
  findings: Findings,
  key: string,
): void {
  if (head.writer === REPAIR_WRITER) return;
  const beyond = index.objects.filter(({ last }) => last > head.version);
  const follows = beyond.some((one) =>
    !unfinished.has(one.key) && beyond.some((other) => other.first === one.last + 1)
  );
  const reaches = beyond.some(({ key, first }) => first <= head.version && !unfinished.has(key));
  if (!follows && !reaches) return;
  const detail =
    `it stands at version ${head.version}, and log up to ${beyond.at(-1)!.last} was counted by a later one: ` +
    "an older head was put back";
  findings.add({ key, kind: "stale", detail });
}

/** Log that must be there: an anchor, with the first version that has to be reached from it. */
type NeededLog = LogAnchor & LogRange & {
  /** For people. */
  why: string;
};

/** The log that must be there. */
export function neededLog({ facts }: Pick<Inventory, "facts">): NeededLog[] {
  const needed: NeededLog[] = [];
  const coverages = new Coverages(facts);
  for (const backup of facts.backups) {
    const { id, database, version, log } = backup;
    if (backup.base !== null) continue;
    const { path, bases } = coverages.of(backup);
    // Without a base it is lost; what it has of its own is looked at all the same.
    const base = bases.findLast((each) => each.version <= version);
    const after = base?.version ?? (log?.from ?? version + 1) - 1;
    for (const stretch of path) {
      const from = Math.max(stretch.from, after + 1);
      const to = Math.min(stretch.to, version);
      if (from > to) continue;
      const chain = stretch.lineage === backup.lineage ? log?.chain : undefined;
      needed.push({ database, lineage: stretch.lineage, from, to, version: to, chain, why: `backup ${id} needs it` });
    }
  }
  for (const { database, lineage, version, chain, start, pruned = 0 } of facts.heads) {
    const from = Math.max(start, pruned + 1);
    const why = "points in time need it";
    if (from <= version) needed.push({ database, lineage, from, to: version, version, chain, why });
  }
  return needed;
}

function checkLog(inventory: Inventory, findings: Findings): void {
  for (const { database, lineage, from, why, ...anchor } of neededLog(inventory)) {
    const index = inventory.facts.logs.get(historyOf(database, lineage));
    for (const hole of holesBelow(index, anchor, from)) {
      const detail = `versions ${hole.from} to ${hole.to} are in no object, and ${why}`;
      findings.addHole({ database, lineage, ...hole }, detail);
    }
  }
}

/** The stretches down to a version that no object holds, the newest first. */
export function holesBelow(
  index: LogIndex | undefined,
  anchor: LogAnchor,
  downTo: number,
  avoid?: ReadonlySet<string>,
): { from: number; to: number }[] {
  const holes: { from: number; to: number }[] = [];
  for (let at: LogAnchor = anchor; at.version >= downTo;) {
    const walk = index?.walkBack(at, downTo, avoid);
    const to = (walk?.from ?? at.version + 1) - 1;
    if (to < downTo) break;
    let below = downTo - 1;
    for (const { last, key } of index?.objects ?? []) {
      if (last < to && last > below && avoid?.has(key) !== true) below = last;
    }
    holes.push({ from: below + 1, to });
    at = { version: below, chain: undefined };
  }
  return holes;
}
