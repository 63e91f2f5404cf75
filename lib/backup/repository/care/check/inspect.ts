/**
 * One look at a repository: what there is, what of it was read, what was found. `verify` reports it, `repair` acts on it.
 *
 * ```
 * documents, listings ─► structure ─► (something is not there: all of it once more) ─► contents ─► chains
 * ```
 *
 * Others may work on the repository meanwhile. Their backups are not seen or seen whole (`inventory.ts`); what a merge of log
 * replaces between listing and reading is looked up again.
 *
 * @module
 */
import type { ProgressReporter } from "../../../../base/progress.ts";
import { throwIfAborted } from "../../../../base/abort.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { objectKey, PART } from "../../core/layout.ts";
import type { Lease } from "../../core/lease.ts";
import { runPool } from "../../core/pool.ts";
import { chainVersions, checkChains, checkIngests } from "./chains.ts";
import { Contents } from "./contents.ts";
import { Findings } from "./findings.ts";
import { type Inventory, readInventory } from "./inventory.ts";
import { checkStructure } from "./structure.ts";

/** How it is looked at. */
export interface InspectOptions {
  /** Which objects of those there are to read, besides those of an odd length. */
  choose: (inventory: Inventory) => ReadonlySet<string>;
  /** Whether a part of the audit log will do, of which each line else is a request. */
  auditInPart: boolean;
  /** Counts bytes and objects. */
  reporter: ProgressReporter;
  /** Renewed as objects are done. */
  lease: Lease;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** What was seen. */
export interface Inspection {
  /** What there is. */
  inventory: Inventory;
  /** What is wrong with it. */
  findings: Findings;
  /** What was read. */
  contents: Contents;
}

/** Looks. */
export async function inspect(context: RepositoryContext, options: InspectOptions): Promise<Inspection> {
  const { reporter, signal } = options;
  reporter.start("documents");
  let { inventory, findings, odd } = await survey(context, options);
  // What went in between (a pruning, a merge) is gone from the second look too, and what came is there.
  if (findings.someMissing) ({ inventory, findings, odd } = await survey(context, options));
  const contents = new Contents(context, findings, {
    versions: chainVersions(inventory),
    onBytes: (count) => reporter.add(count),
    signal,
  });
  await readChosen(context, inventory, contents, new Set([...options.choose(inventory), ...odd]), options);
  if (contents.vanished.size > 0) inventory = await lookAgain(context, findings, contents, options);
  checkChains(inventory, contents, findings);
  checkIngests(context, inventory, contents, findings);
  return { inventory, findings, contents };
}

async function survey(
  context: RepositoryContext,
  { auditInPart, signal }: InspectOptions,
): Promise<{ inventory: Inventory; findings: Findings; odd: Set<string> }> {
  throwIfAborted(signal);
  const findings = new Findings();
  const inventory = await readInventory(context, findings, auditInPart, signal);
  return { inventory, findings, odd: checkStructure(inventory, findings) };
}

async function readChosen(
  context: RepositoryContext,
  { objects, log }: Inventory,
  contents: Contents,
  chosen: ReadonlySet<string>,
  { reporter, lease, signal }: InspectOptions,
): Promise<void> {
  const logByKey = new Map(log.map((object) => [object.key, object]));
  const keys = [...chosen].filter((key) => objects.has(key) || logByKey.has(key));
  const totalBytes = keys.reduce((sum, key) => sum + (objects.get(key) ?? logByKey.get(key)!.size), 0);
  reporter.start("read", { totalBytes, totalItems: keys.length });
  await runPool(keys, context.concurrency, async (key) => {
    throwIfAborted(signal);
    const object = logByKey.get(key);
    if (object === undefined) await contents.object(key);
    else await contents.logObject(object);
    reporter.add(0, 1);
    await lease.touch();
  });
}

/** Objects went while the check ran. What a fresh look still misses is missing; log that took the place of other is read. */
async function lookAgain(
  context: RepositoryContext,
  findings: Findings,
  contents: Contents,
  options: InspectOptions,
): Promise<Inventory> {
  const fresh = await survey(context, options);
  for (const finding of fresh.findings.all) findings.add(finding);
  const wantsLog = [...contents.vanished].some((key) => key.startsWith(PART.log));
  const unread = fresh.inventory.log.filter(({ key }) => wantsLog && !contents.read.has(key)).map(({ key }) => key);
  if (unread.length > 0) await readChosen(context, fresh.inventory, contents, new Set(unread), options);
  return fresh.inventory;
}

/** The objects that backups and heads refer to, by key. */
export function referencedObjects({ facts }: Inventory): Set<string> {
  const keys = new Set<string>();
  for (const { base } of facts.backups) for (const { object } of base?.files ?? []) keys.add(objectKey(object));
  for (const { ingests } of facts.heads) {
    for (const { files } of ingests) for (const { object } of files) keys.add(objectKey(object));
  }
  return keys;
}
