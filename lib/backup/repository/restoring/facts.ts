/**
 * What a repository holds, read once: the ground of every plan. Plans themselves are pure.
 *
 * @module
 */
import { NotFoundError } from "../../../base/errors.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import { readBackups, type ReadBackupsOptions } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { eachKey } from "../core/documents.ts";
import { readHeads } from "../log/heads.ts";
import { backupKey, headKey, logPrefix, PART } from "../core/layout.ts";
import { LogIndex, type LogObject, logObjects } from "../log/log_chain.ts";

/** What was read. */
export interface RepositoryFacts {
  /** All backups, by version. */
  backups: BackupDocument[];
  /** All heads. */
  heads: HeadDocument[];
  /** The archived log of each history, by `historyOf`. */
  logs: Map<string, LogIndex>;
}

/** The name of one history in `RepositoryFacts.logs`. */
export function historyOf(database: string, lineage: string): string {
  return `${database}/${lineage}`;
}

/** How often the log of a head is listed. Merging, by which one listing may lack some, begins once a minute at most. */
const LOOKS = 3;

/** Reads the facts. The log is listed first, and once more for each head that counts more by then. */
export async function readFacts(
  context: RepositoryContext,
  options: ReadBackupsOptions = {},
): Promise<RepositoryFacts> {
  const logs = await listLog(context, PART.log);
  // Heads read before the list would name log that the list lacks when ranges were merged in between; so they come after.
  const [backups, heads] = await Promise.all([readBackups(context, options), readHeads(context, options.onDamage)]);
  // What was archived since, or merged while it was listed, must not be missing: a head whose end is not found leads nowhere.
  for (const head of heads) {
    const { database, lineage } = head;
    const history = historyOf(database, lineage);
    for (let looks = 1; looks < LOOKS && !isListed(logs.get(history), head); looks++) {
      const again = await listLog(context, logPrefix(database, lineage));
      for (const [found, index] of again) logs.set(found, index);
    }
  }
  return { backups, heads, logs };
}

/** Whether a listing has all log that a head counts, but for what a pruning let go. */
function isListed(index: LogIndex | undefined, { version, chain, start, pruned = 0 }: HeadDocument): boolean {
  const from = Math.max(start, pruned + 1);
  return version < from || (index?.walkBack({ version, chain }, from).from ?? Infinity) <= from;
}

async function listLog({ store }: RepositoryContext, prefix: string): Promise<RepositoryFacts["logs"]> {
  const byHistory = new Map<string, LogObject[]>();
  for await (const object of eachKey(store, prefix)) {
    const [, database, lineage] = object.key.split("/");
    const history = historyOf(database!, lineage!);
    const found = logObjects([object]);
    const same = byHistory.get(history);
    if (same === undefined) byHistory.set(history, found);
    else same.push(...found);
  }
  return new Map([...byHistory].map(([history, objects]) => [history, new LogIndex(objects)]));
}

/**
 * The key of something that is there and was not listed, though what was listed names it; undefined: nothing shows that the
 * listing lacks anything.
 */
export async function findUnlisted(
  { store }: RepositoryContext,
  facts: RepositoryFacts,
  pins: ReadonlySet<string>,
): Promise<string | undefined> {
  const listed = new Set(facts.backups.map(({ id }) => backupKey(id)));
  for (const { database, lineage } of facts.heads) listed.add(headKey(database, lineage));
  const named = new Set([...pins].map(backupKey));
  for (const { parentId } of facts.backups) if (parentId !== null) named.add(backupKey(parentId));
  for (const history of facts.logs.keys()) named.add(`${PART.heads}${history}.json`);
  for (const key of named) if (!listed.has(key) && await store.head(key) !== undefined) return key;
  return undefined;
}

/** Which history is meant. */
export interface WantedHistory {
  /** The database's id; the only one there is unless given. */
  database: string | undefined;
  /** The lineage; the newest unless given. */
  lineage: string | undefined;
}

/** A history with the way that leads to it. */
export interface History {
  /** The database. */
  database: string;
  /** Its lineage. */
  lineage: string;
  /** The lineages it came from, the oldest first. */
  parents: HeadDocument["parents"];
}

/** The history that is meant; several databases without a choice are a `TypeError` that lists them. */
export function chooseHistory(call: string, name: string, facts: RepositoryFacts, wanted: WantedHistory): History {
  const all = histories(facts);
  const databases = [...new Set(all.map(({ database }) => database))].sort();
  if (databases.length === 0) {
    throw new NotFoundError(`Cannot restore from ${name}: it has no backups (NOT_FOUND)`);
  }
  if (wanted.database === undefined && databases.length > 1) {
    const list = databases.map((id) => `${id} (${nameOf(facts, id)})`).join(", ");
    throw new TypeError(`${call}: ${name} holds several databases; choose one by option "database": ${list}`);
  }
  const database = wanted.database ?? databases[0]!;
  const mine = all.filter((history) => history.database === database);
  if (mine.length === 0) {
    throw new NotFoundError(
      `Cannot restore from ${name}: it has no database ${database}, but ${databases.join(", ")} (NOT_FOUND)`,
    );
  }
  if (wanted.lineage !== undefined) {
    const found = mine.find(({ lineage }) => lineage === wanted.lineage);
    if (found !== undefined) return found;
    const list = mine.map(({ lineage }) => lineage).join(", ");
    throw new NotFoundError(
      `Cannot restore from ${name}: database ${database} has no lineage ${wanted.lineage} there, but ${list} (NOT_FOUND)`,
    );
  }
  // A history that another came from is not the newest, whatever the clock said.
  const ancestors = new Set(mine.flatMap(({ parents }) => parents.map(({ lineage }) => lineage)));
  const leaves = mine.filter(({ lineage }) => !ancestors.has(lineage));
  return leaves.reduce((newest, history) => history.last > newest.last ? history : newest);
}

/** All histories, each with the time of its last commit. */
export function histories({ backups, heads }: RepositoryFacts): (History & { last: number })[] {
  const found = new Map<string, History & { last: number }>();
  const note = ({ database, lineage, parents }: History, last: number): void => {
    const key = historyOf(database, lineage);
    const known = found.get(key);
    if (known === undefined) found.set(key, { database, lineage, parents, last });
    else known.last = Math.max(known.last, last);
  };
  for (const backup of backups) note(backup, backup.timestamp);
  for (const head of heads) note(head, head.timestamp);
  return [...found.values()];
}

function nameOf({ backups }: RepositoryFacts, database: string): string {
  return backups.findLast((backup) => backup.database === database)?.databaseName ?? "no backup";
}
