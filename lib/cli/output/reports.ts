/**
 * Backups, ranges and reports for people.
 *
 * @module
 */
import type { BackupInfo, RestoreInfo } from "../../backup/info.ts";
import type { RecoveryRange } from "../../backup/repository/mod.ts";
import { showKey } from "./entries.ts";
import { showBytes, showCount, showCounted, showDuration, showId, showTime } from "./figures.ts";
import type { Output } from "./output.ts";

/** A table of backups. */
export async function printBackups(out: Output, backups: readonly BackupInfo[]): Promise<void> {
  const several = new Set(backups.map(({ database }) => database)).size > 1;
  const noted = backups.some((each) => remarks(each) !== "");
  await out.table(
    [
      { title: "ID" },
      ...(several ? [{ title: "DATABASE" }] : []),
      { title: "TYPE" },
      { title: "VERSION", align: "right" },
      { title: "STATE OF" },
      { title: "SIZE", align: "right" },
      { title: "ADDED", align: "right" },
      { title: "PARENT" },
      ...(noted ? [{ title: "REMARKS", narrow: "wrap" } as const] : []),
    ],
    backups.map((backup) => [
      out.paint("name", backup.id),
      ...(several ? [databaseOf(backup)] : []),
      backup.type,
      String(backup.version),
      showTime(backup.timestamp),
      showBytes(backup.storedBytes),
      showBytes(backup.addedBytes),
      backup.parentId ?? "-",
      ...(noted ? [remarks(backup)] : []),
    ]),
  );
}

function databaseOf({ database, databaseName }: BackupInfo): string {
  return `${showKey(databaseName)} (${showId(database)})`;
}

function remarks(backup: BackupInfo): string {
  const labels = Object.entries(backup.labels).map(([name, value]) => showKey(`${name}=${value}`));
  return [backup.pinned ? "pinned" : "", backup.selective ? "selective" : "", ...labels].filter(Boolean).join(", ");
}

/** All of one backup. */
export async function printBackup(out: Output, backup: BackupInfo): Promise<void> {
  const { requestedType, type } = backup;
  await out.facts([
    ["id", out.paint("name", backup.id)],
    ["type", requestedType === "auto" || requestedType === type ? type : `${type} (asked for: ${requestedType})`],
    ["state", `version ${backup.version} of ${showTime(backup.timestamp)}`],
    ["made", `${showTime(backup.createdAt)}, in ${showDuration(backup.durationMs)}`],
    ["database", `${showKey(backup.databaseName)}  ${backup.database}`],
    ["lineage", backup.lineage],
    backup.parentId === undefined ? undefined : ["parent", backup.parentId],
    ["entries", `${backup.selective ? "" : "at most "}${showCount(backup.entryCount)}`],
    ["size", `${showBytes(backup.totalBytes)}, stored as ${showBytes(backup.storedBytes)}`],
    ["added", `${showBytes(backup.addedBytes)} in ${showCounted(backup.fileCount, "file")}`],
    ["compression", backup.compression],
    ["encrypted", backup.encrypted ? "yes" : "no"],
    backup.namespace === undefined ? undefined : ["namespace", backup.namespace.map(showKey).join(" / ")],
    backup.prefix === undefined ? undefined : ["prefix", showKey(backup.prefix)],
    remarks(backup) === "" ? undefined : ["remarks", remarks(backup)],
    ["checksum", backup.checksum],
  ]);
}

/** What a backup did, in a few words. */
export function backupDone(
  { id, type, requestedType, version, selective, entryCount, addedBytes, storedBytes, durationMs }: BackupInfo,
): string {
  const instead = requestedType === "auto" || requestedType === type ? "" : ` (instead of ${requestedType})`;
  // Of a part: a slip in a name chooses none.
  const chosen = selective ? `${showCounted(entryCount, "chosen entry", "chosen entries")} ` : "";
  return `${id}: ${type}${instead} of ${chosen}${chosen && "at "}version ${version}, ${
    showBytes(addedBytes)
  } added of ${showBytes(storedBytes)}, in ${showDuration(durationMs)}`;
}

/** How many entries; a dry run doesn't know what the commits of a log come to. */
function restoredEntries({ entries, entriesAtMost, entriesAbout, recordsReplayed }: RestoreInfo): string {
  if (entriesAtMost) return `at most ${showCount(entries)}`;
  if (!entriesAbout) return showCount(entries);
  return `at most ${showCount(entries - recordsReplayed)}, and what ${showCounted(recordsReplayed, "commit")} wrote`;
}

/** What a restore did. */
export async function printRestore(out: Output, info: RestoreInfo): Promise<void> {
  const { requested, achieved } = info;
  // An export is its own and only backup.
  const backups = info.backups.filter((each) => each !== requested.source);
  const wanted = requested.backupId ?? (requested.version !== undefined ? `version ${requested.version}` : undefined) ??
    (requested.time !== undefined ? showTime(requested.time) : undefined);
  await out.facts([
    ["from", `${requested.source}${backups.length === 0 ? "" : ` (${backups.join(", ")})`}`],
    wanted === undefined ? undefined : ["asked for", wanted],
    [requested.dryRun ? "would be" : "now", `version ${achieved.version} of ${showTime(achieved.timestamp)}`],
    ["entries", restoredEntries(info)],
    info.expired === 0 ? undefined : ["expired", `${showCount(info.expired)} left out`],
    info.recordsReplayed === 0 ? undefined : ["replayed", showCounted(info.recordsReplayed, "commit")],
    ["read", showBytes(info.bytes)],
    info.reusedBytes === 0 ? undefined : ["in place", showBytes(info.reusedBytes)],
    ["took", showDuration(info.durationMs)],
  ]);
}

/** A table of ranges of points in time. */
export async function printRanges(out: Output, ranges: readonly RecoveryRange[]): Promise<void> {
  const several = new Set(ranges.map(({ database, lineage }) => database + lineage)).size > 1;
  await out.table(
    [
      ...(several ? [{ title: "DATABASE" }, { title: "LINEAGE" }] : []),
      { title: "FROM" },
      { title: "TO" },
      { title: "COVERED UNTIL" },
      { title: "VERSIONS", align: "right" },
      { title: "BEGINS WITH" },
    ],
    ranges.map(({ database, lineage, from, to, coveredUntil, backupId }) => [
      ...(several ? [showId(database), showId(lineage)] : []),
      showTime(from.timestamp),
      showTime(to.timestamp),
      showTime(coveredUntil),
      from.version === to.version ? String(from.version) : `${from.version} to ${to.version}`,
      out.paint("name", backupId),
    ]),
  );
}
