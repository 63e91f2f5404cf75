/**
 * What there is in a repository, read anew for a check: every document is opened, every object listed.
 *
 * (1) Pins come first, then documents, objects and log after them: what one refers to was there before it, so whatever is
 *     not in the later list is missing, and not only on its way.
 * (2) Heads are read once more behind the log: what lay there then was put by a head that was there then, and not by an
 *     earlier one.
 * (3) Nothing is taken from what the open repository remembers, or damage would stay hidden until the next start.
 *
 * @module
 */
import { gcMark, leaseDocument, type Proof, proof } from "../../../../format/repository/house_documents.ts";
import { parseObjectPath } from "../../../../format/repository/object_name.ts";
import type { HeadDocument } from "../../../../format/repository/head_document.ts";
import { repositoryDocument } from "../../../../format/repository/repository_document.ts";
import { checkObject } from "../../../../format/repository/object.ts";
import { IntegrityError, NotFoundError } from "../../../../base/errors.ts";
import { readAudit } from "../../core/audit.ts";
import { readBackups } from "../../core/catalog.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { allKeys, eachKey, isDamage, readAllDocuments, readDocument } from "../../core/documents.ts";
import { historyOf, type RepositoryFacts } from "../../restoring/facts.ts";
import { readHeads } from "../../log/heads.ts";
import { readSlots } from "../../core/keys.ts";
import { PART, REPOSITORY_COPY_KEY, REPOSITORY_KEY } from "../../core/layout.ts";
import { storedPieces } from "../../core/objects.ts";
import { OBJECT_BYTES } from "../../log/shipment.ts";
import { LogIndex, type LogObject, logObjects } from "../../log/log_chain.ts";
import { chainIn } from "../copy/log_copier.ts";
import { AUDIT_REPAIRED } from "../../core/given_up.ts";
import type { Findings } from "./findings.ts";

/** What there is. */
export interface Inventory {
  /** Backups, heads and log, as far as they can be read. */
  facts: RepositoryFacts;
  /** Stored bytes of each object below `objects/`, by key. */
  objects: Map<string, number>;
  /** Every object of archived log. */
  log: LogObject[];
  /** The heads as they were after the log was listed. */
  laterHeads: HeadDocument[];
  /**
   * Keys of log beyond its head that no head has counted, though more may follow it, or it begins before where the head stands:
   * all objects of a shipment but its last, and those of a writer that was overtaken.
   */
  unfinished: ReadonlySet<string>;
  /** Ids of backups that are pinned. */
  pins: string[];
  /** Keys that were given up: that they are missing is no news. */
  givenUp: ReadonlySet<string>;
  /** Proofs that can be read, by key. */
  proofs: { key: string; body: Proof }[];
}

/** So many lines of the audit log at its end, and as many before, are a part of it: there is no end to all of them. */
const AUDIT_PART = 250;

/** Reads it; what can't be read goes into the findings. `inPart`: a part of the audit log will do. */
export async function readInventory(
  open: RepositoryContext,
  findings: Findings,
  inPart: boolean,
  signal: AbortSignal | undefined,
): Promise<Inventory> {
  // Another object, so that nothing is remembered for it.
  const context = { ...open };
  const onDamage = (key: string, error: unknown): void => findings.addError(key, error);
  await readIdentity(context, findings, signal);
  const pins = (await allKeys(context.store, PART.pins, signal)).map(({ key }) => key.slice(PART.pins.length));
  const [backups, heads] = await Promise.all([
    readBackups(context, { onDamage, direct: true }),
    readHeads(context, onDamage),
  ]);
  await readAllDocuments(context, "lease", PART.locks, leaseDocument, onDamage);
  await readAllDocuments(context, "gc", PART.marks, gcMark, onDamage);
  const proofs = await readAllDocuments(context, "proof", PART.proofs, proof, onDamage);
  const givenUp = await readAuditLines(context, findings, inPart && !lackParents(backups) ? AUDIT_PART : Infinity);
  const { logs, log } = await listLog(context, findings, signal);
  const laterHeads = await readHeads(context, onDamage);
  const unfinished = new Set<string>();
  for (const head of laterHeads) {
    const index = logs.get(historyOf(head.database, head.lineage));
    for (const key of await unfinishedBeyond(context, index, head.version, signal)) unfinished.add(key);
    for (const key of await strayBeyond(context, index, head, signal)) unfinished.add(key);
  }
  const objects = new Map<string, number>();
  for await (const { key, size } of eachKey(context.store, PART.objects, signal)) {
    if (parseObjectPath(key.slice(PART.objects.length)) === undefined) {
      findings.add({ key, kind: "stray", detail: "it is not named as objects are" });
    } else objects.set(key, size);
  }
  return { facts: { backups, heads, logs }, objects, log, laterHeads, unfinished, pins, givenUp, proofs };
}

/** Of a shipment that was cut off, or is under way; read up to the first that is too short to be of one. */
async function unfinishedBeyond(
  context: RepositoryContext,
  index: LogIndex | undefined,
  version: number,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  const beyond = index?.objects.filter(({ last }) => last > version) ?? [];
  for (const { key, last } of beyond) {
    if (!beyond.some(({ first }) => first === last + 1)) continue;
    try {
      const { rawBytes } = await checkObject(storedPieces(context, key, { signal, unchecked: true }), key);
      if (rawBytes < OBJECT_BYTES) break;
      found.push(key);
    } catch (error) {
      // Damaged, or merged by now.
      if (!isDamage(error) && !(error instanceof NotFoundError)) throw error;
    }
  }
  return found;
}

/** Of another chain than the head's, though it begins before where that stands. */
async function strayBeyond(
  context: RepositoryContext,
  index: LogIndex | undefined,
  { version, chain }: HeadDocument,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const found: string[] = [];
  for (const object of index?.objects ?? []) {
    if (object.first > version || object.last <= version) continue;
    try {
      if (await chainIn(context, object, version, signal) !== chain) found.push(object.key);
    } catch (error) {
      if (!isDamage(error) && !(error instanceof NotFoundError)) throw error;
    }
  }
  return found;
}

async function readIdentity(
  context: RepositoryContext,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  const onDamage = (key: string, error: unknown): void => findings.addError(key, error);
  try {
    const found = await readDocument(context, "repository", REPOSITORY_KEY, repositoryDocument, signal);
    if (found === undefined) {
      findings.add({
        key: REPOSITORY_KEY,
        kind: "missing",
        detail: "it is gone; without it nobody can open the repository",
      });
    } else if (found.body.id !== context.id) {
      onDamage(REPOSITORY_KEY, new IntegrityError(`It is that of repository ${found.body.id}, not of ${context.id}`));
    }
    await readCopy(context, findings, signal);
    const own = found?.body.id === context.id ? found.body : undefined;
    const ringId = own?.encryption?.ringId ?? context.ring?.id;
    if (ringId === undefined) return;
    const slots = await readSlots(context.store, ringId, onDamage);
    if (slots.length === 0) {
      findings.add({ key: PART.keys, kind: "missing", detail: "there is no key slot left; add one while it is open" });
    }
  } catch (error) {
    if (!isDamage(error)) throw error;
    onDamage(REPOSITORY_KEY, error);
  }
}

/** The copy of `repository.json`. One that is not there says nothing: it may never have been made. */
async function readCopy(
  context: RepositoryContext,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    const found = await readDocument(context, "repository", REPOSITORY_COPY_KEY, repositoryDocument, signal);
    if (found === undefined || found.body.id === context.id) return;
    findings.addError(
      REPOSITORY_COPY_KEY,
      new IntegrityError(`It is that of repository ${found.body.id}, not of ${context.id}`),
    );
  } catch (error) {
    if (!isDamage(error)) throw error;
    findings.addError(REPOSITORY_COPY_KEY, error);
  }
}

/** Whether one builds on what is not there: only the audit log says whether that was given up. */
function lackParents(backups: RepositoryFacts["backups"]): boolean {
  const ids = new Set(backups.map(({ id }) => id));
  return backups.some(({ parentId }) => parentId !== null && !ids.has(parentId));
}

async function readAuditLines(context: RepositoryContext, findings: Findings, most: number): Promise<Set<string>> {
  const problems = new Map<string, string>();
  const known = new Set<string>();
  const onProblem = (key: string, detail: string): void => void problems.set(key, detail);
  for await (const { action, detail } of readAudit(context, onProblem, most)) {
    if (action !== AUDIT_REPAIRED) continue;
    for (const key of String(detail["keys"]).split(" ")) known.add(key);
  }
  // A line that was not read may have given it up.
  if (problems.size > 0 && most < Infinity) return await readAuditLines(context, findings, Infinity);
  for (const [key, detail] of problems) {
    if (!known.has(key)) findings.add({ key, kind: "damaged", detail });
  }
  return known;
}

async function listLog(
  context: RepositoryContext,
  findings: Findings,
  signal: AbortSignal | undefined,
): Promise<{ logs: RepositoryFacts["logs"]; log: LogObject[] }> {
  const log: LogObject[] = [];
  const byHistory = new Map<string, LogObject[]>();
  for await (const listed of eachKey(context.store, PART.log, signal)) {
    const [, database, lineage, name] = listed.key.split("/");
    const [object] = logObjects([listed]);
    if (object === undefined || name === undefined || listed.key.split("/").length !== 4) {
      findings.add({ key: listed.key, kind: "stray", detail: "it is not named as archived log is" });
      continue;
    }
    log.push(object);
    const history = historyOf(database!, lineage!);
    const same = byHistory.get(history);
    if (same === undefined) byHistory.set(history, [object]);
    else same.push(object);
  }
  return { logs: new Map([...byHistory].map(([history, objects]) => [history, new LogIndex(objects)])), log };
}
