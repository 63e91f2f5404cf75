/**
 * Whether the objects of an archived log, each whole by itself, are one history: the chain of each goes on where that of the
 * one before ends. Only over objects that were read.
 *
 * @module
 */
import { contentName, objectPath } from "../../../../format/repository/object_name.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { historyOf } from "../../restoring/facts.ts";
import { headKey, objectKey } from "../../core/layout.ts";
import type { LogAnchor, LogIndex, LogObject } from "../../log/log_chain.ts";
import type { Contents, ReadLogObject } from "./contents.ts";
import type { Findings } from "./findings.ts";
import type { Inventory } from "./inventory.ts";
import { neededLog } from "./structure.ts";

/** The versions at which chains are compared. */
export function chainVersions({ facts, log }: Inventory): Set<number> {
  const versions = new Set<number>();
  for (const { first, last } of log) versions.add(first - 1).add(last);
  for (const { version } of facts.heads) versions.add(version);
  for (const { log } of facts.backups) if (log !== null) versions.add(log.to);
  return versions;
}

/** Follows the log from each anchor, and finds what does not belong to it. */
export function checkChains(inventory: Inventory, contents: Contents, findings: Findings): void {
  for (const { database, lineage, from, ...anchor } of neededLog(inventory)) {
    const index = inventory.facts.logs.get(historyOf(database, lineage));
    if (index !== undefined) checkWalk(index, anchor, from, contents, findings);
  }
}

/** What does not belong to a log is no finding where other objects lead as far: a writer that was overtaken may have left it. */
function checkWalk(index: LogIndex, anchor: LogAnchor, downTo: number, contents: Contents, findings: Findings): void {
  const avoid = findings.avoid;
  const found: LogObject[] = [];
  const { from } = index.walkBack(anchor, downTo, avoid);
  // Each round finds one more that does not belong, so it ends.
  for (;;) {
    const walk = index.walkBack(anchor, downTo, avoid);
    const foreign = foreignIn(walk.objects, anchor, contents.log);
    if (foreign !== undefined) {
      found.push(foreign);
      avoid.add(foreign.key);
      continue;
    }
    if (walk.from <= Math.max(from, downTo)) return;
    const detail = "it is whole, but not of the history that leads up to what is archived behind it";
    for (const { key } of found) findings.add({ key, kind: "damaged", detail });
    return;
  }
}

/** The first object from the end whose chain is not the one that the next begins with. */
function foreignIn(
  objects: readonly LogObject[],
  anchor: LogAnchor,
  read: ReadonlyMap<string, ReadLogObject>,
): LogObject | undefined {
  let expected = anchor;
  for (const object of objects.toReversed()) {
    const found = chainAt(object, expected.version, read);
    if (expected.chain !== undefined && found !== undefined && found !== expected.chain) return object;
    expected = { version: object.first - 1, chain: read.get(object.key)?.previous };
  }
  return undefined;
}

/** The chain at a version inside an object; undefined when it was not read, or no piece ends there. */
export function chainAt(
  object: LogObject,
  version: number,
  read: ReadonlyMap<string, ReadLogObject>,
): string | undefined {
  return version === object.last ? object.chain : read.get(object.key)?.chainAt.get(version);
}

/**
 * Files that joined with a commit, in the log, must be known to the head: to the one that was read when the log was listed, for a
 * copy that brings log again lists the files before.
 */
export function checkIngests(
  context: RepositoryContext,
  { laterHeads }: Inventory,
  contents: Contents,
  findings: Findings,
): void {
  for (const { database, lineage, version, tables, blobs } of contents.ingests.values()) {
    const key = headKey(database, lineage);
    const head = laterHeads.find((each) => headKey(each.database, each.lineage) === key);
    if (head === undefined || head.version < version) continue;
    if (head.gaps.some(({ from, to }) => version >= from && version <= to)) continue;
    const known = head.ingests.find((each) => each.version === version);
    const lost = [...tables, ...blobs].find((file) => {
      const found = known?.files.find(({ number }) => number === file.number);
      return found === undefined || !found.object.startsWith(objectPath(contentName(file.sha256, context.ring)));
    });
    if (lost === undefined) continue;
    findings.add({
      key,
      kind: "stale",
      detail:
        `it does not know file ${lost.number} (${objectKey(objectPath(contentName(lost.sha256, context.ring)))}), ` +
        `which joined with version ${version}`,
    });
  }
}
