/**
 * Heads keep what joined a database without its log for as long as the log that names it. Here they let go of it.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";
import type { RepositoryContext } from "../core/context.ts";
import { allKeys, writeDocument } from "../core/documents.ts";
import { historyOf, type RepositoryFacts } from "../restoring/facts.ts";
import { readHead } from "./heads.ts";
import { headKey, logPrefix } from "../core/layout.ts";
import { type LogObject, logObjects } from "./log_chain.ts";

/**
 * Takes files out of a head that no restore can need, for no log that is left holds their commit: by none of `looks`, which
 * were made one after the other, nor by one more. One alone could have missed log that was just being merged. And log that a
 * copy brought again since is in the last one, or else the head is another, for it lists the files first. A head that has moved
 * on meanwhile stays as it is until the next pruning, and so does one of a database that `isBusy`, asked once the head is read:
 * a copy that listed them before may be about to bring the log.
 */
export async function trimHead(
  context: RepositoryContext,
  looks: readonly RepositoryFacts[],
  head: HeadDocument,
  dryRun: boolean,
  isBusy: (database: string) => Promise<boolean> = () => Promise.resolve(false),
): Promise<HeadDocument> {
  const { database, lineage } = head;
  const looked = looks.flatMap(({ logs }) => logs.get(historyOf(database, lineage))?.objects ?? []);
  const seen = without(head, looked);
  if (seen === head) return head;
  const found = await readHead(context, database, lineage);
  if (found === undefined || JSON.stringify(found.body) !== JSON.stringify(head)) return head;
  if (await isBusy(database)) return head;
  if (dryRun) return seen;
  const now = logObjects(await allKeys(context.store, logPrefix(database, lineage)));
  const trimmed = without(head, [...looked, ...now]);
  if (trimmed === head) return head;
  const put = await writeDocument(context, "head", headKey(database, lineage), trimmed, { ifMatch: found.etag });
  return put === undefined ? head : trimmed;
}

/** The head without the files of commits that no such log holds. */
function without(head: HeadDocument, log: readonly LogObject[]): HeadDocument {
  const ingests = head.ingests.filter(({ version }) =>
    log.some(({ first, last }) => first <= version && version <= last)
  );
  return ingests.length === head.ingests.length ? head : { ...head, ingests };
}

/** How often a head that its writer moves on meanwhile is read again. */
const TRIES = 5;

/** Notes in a head that log up to `version` was let go. */
export async function tellPruned(
  context: RepositoryContext,
  database: string,
  lineage: string,
  version: number,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const found = await readHead(context, database, lineage);
    if (found === undefined || (found.body.pruned ?? 0) >= version) return;
    const put = await writeDocument(context, "head", headKey(database, lineage), { ...found.body, pruned: version }, {
      ifMatch: found.etag,
    });
    if (put !== undefined) return;
  }
}
