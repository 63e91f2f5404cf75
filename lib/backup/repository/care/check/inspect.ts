/**
 * One look at a repository: what there is, what of it was read, what was found. `verify` reports it, `repair` acts on it.
 *
 * ```
 * documents, listings ─► structure ─► (something is wrong: all of it once more) ─► contents ─► chains
 * ```
 *
 * By a listing that lacks what is there nothing is said to be lost: a repair would act on it, and a pruning behind that.
 *
 * Others may work on the repository meanwhile. Their backups are not seen or seen whole (`inventory.ts`); what a merge of log
 * replaces between listing and reading is looked up again.
 *
 * @module
 */
import type { ProgressReporter } from "../../../../base/progress.ts";
import { throwIfAborted } from "../../../../base/abort.ts";
import { IntegrityError } from "../../../../base/errors.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { backupKey, objectKey, PART } from "../../core/layout.ts";
import type { Lease } from "../../core/lease.ts";
import { runPool, SMALL_REQUESTS } from "../../core/pool.ts";
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
  const seen = await survey(context, options);
  // What went in between (a pruning, a merge) is gone from the second look too, and what came is there; what was spoiled on its
  // way here is whole.
  const isWhole = seen.findings.all.length === 0;
  const { inventory: listed, findings, odd } = isWhole ? seen : await surveyAgain(context, options);
  let inventory = listed;
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

/** What is there by documents and listings. */
interface Survey {
  inventory: Inventory;
  findings: Findings;
  /** Objects of an odd length. */
  odd: Set<string>;
}

async function survey(context: RepositoryContext, { auditInPart, signal }: InspectOptions): Promise<Survey> {
  throwIfAborted(signal);
  const findings = new Findings();
  const inventory = await readInventory(context, findings, auditInPart, signal);
  return { inventory, findings, odd: checkStructure(inventory, findings) };
}

/** How often it is looked at anew when something is not listed and is there. */
const LOOKS = 3;

/** Looks once more, and for what is missing then under its key. */
async function surveyAgain(context: RepositoryContext, options: InspectOptions): Promise<Survey> {
  for (let looks = 1;; looks++) {
    const seen = await survey(context, options);
    const key = await findUnlisted(context, seen.findings);
    if (key === undefined) return seen;
    // It may just have come.
    if (looks < LOOKS) continue;
    throw new IntegrityError(
      `Cannot check ${context.name}: ${key} is there and was not listed; by a listing that is not whole nothing can be said to ` +
        "be lost, try again",
      { path: key },
    );
  }
}

/** The key of what is there of all that was found to be missing, or to be pinned and gone. */
async function findUnlisted({ store }: RepositoryContext, findings: Findings): Promise<string | undefined> {
  const keys = findings.all.flatMap(({ key, kind }) => {
    if (kind === "missing" && !key.endsWith("/")) return [key];
    return kind === "stray" && key.startsWith(PART.pins) ? [backupKey(key.slice(PART.pins.length))] : [];
  });
  let found: string | undefined;
  await runPool(keys, SMALL_REQUESTS, async (key) => {
    if (found === undefined && await store.head(key) !== undefined) found = key;
  });
  return found;
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
  const fresh = await surveyAgain(context, options);
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
