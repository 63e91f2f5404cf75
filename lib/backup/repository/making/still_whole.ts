/**
 * Backups that were published under a lease which was broken meanwhile, and are whole all the same.
 *
 * Marks are read first. A pruning that marks later finds these manifests among the references that it reads behind its mark; one
 * that marked before has its mark still there, or is done with what it deleted. So what is there then and not marked stays.
 *
 * @module
 */
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import { readMarks } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys } from "../core/documents.ts";
import { backupKey, objectKey, PART } from "../core/layout.ts";
import { historyOf, readFacts, type RepositoryFacts } from "../restoring/facts.ts";

/** Those of `ids`, parents first, of which nothing is missing or about to go, nor of what they build on. */
export async function stillWhole(context: RepositoryContext, ids: readonly string[]): Promise<Set<string>> {
  const going = new Set((await readMarks(context)).flatMap(({ keys }) => keys));
  const facts = await readFacts(context);
  const objects = (await allKeys(context.store, PART.objects)).map(({ key }) => key);
  const there = new Set(objects.filter((key) => !going.has(key)));
  const whole = new Set<string | null>([null]);
  const mine = new Set<string | null>(ids);
  const byId = new Map(facts.backups.map((backup) => [backup.id, backup]));
  for (const { id } of facts.backups) if (!mine.has(id) && !going.has(backupKey(id))) whole.add(id);
  for (const id of ids) {
    const backup = byId.get(id);
    if (backup === undefined || going.has(backupKey(id)) || !whole.has(backup.parentId)) continue;
    const files = backup.base?.files ?? [];
    if (files.every(({ object }) => there.has(objectKey(object))) && hasLog(facts, backup, going)) whole.add(id);
  }
  return new Set(ids.filter((id) => whole.has(id)));
}

function hasLog({ logs }: RepositoryFacts, backup: BackupDocument, going: ReadonlySet<string>): boolean {
  const { database, lineage, log } = backup;
  if (log === null) return true;
  const found = logs.get(historyOf(database, lineage))?.walkBack(
    { version: log.to, chain: log.chain },
    log.from,
    going,
  );
  return (found?.from ?? Infinity) <= log.from;
}
