/**
 * Damaged documents: put where they belong, written anew, or set aside.
 *
 * | document | then |
 * |---|---|
 * | manifest or head that is another's | goes to its own place, when that is damaged too |
 * | `repository.json` | is written anew: an open repository knows what it says |
 * | key slot | set aside, while another opens the repository |
 * | lease | replaced by one that runs out: its holder, if he lives, starts again |
 * | audit line | set aside; the audit log tells of the hole |
 * | all others | set aside |
 *
 * @module
 */
import { UnsupportedFormatError } from "../../../../base/errors.ts";
import { toHex } from "../../../../base/bytes.ts";
import { type BackupDocument, backupDocument } from "../../../../format/repository/backup_document.ts";
import { sealDocument } from "../../../../format/repository/document.ts";
import { headDocument } from "../../../../format/repository/head_document.ts";
import { type LeaseDocument, leaseDocument } from "../../../../format/repository/house_documents.ts";
import { readAuditLine } from "../../core/audit_lines.ts";
import { byVersion } from "../../core/catalog.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { isDamage, readAllDocuments, readDocument, writeDocument } from "../../core/documents.ts";
import { readSlots } from "../../core/keys.ts";
import { backupKey, headKey, PART, REPOSITORY_COPY_KEY, REPOSITORY_KEY } from "../../core/layout.ts";
import { LEASE_MS } from "../../core/lease.ts";
import type { Patient } from "./patient.ts";

/** Leases that can't be read would keep everyone waiting, this repair too. */
export async function freeLeases(context: RepositoryContext, taken: (key: string) => Promise<void>): Promise<void> {
  const damaged: string[] = [];
  await readAllDocuments(context, "lease", PART.locks, leaseDocument, (key, error) => {
    if (!(error instanceof UnsupportedFormatError)) damaged.push(key);
  });
  for (const key of damaged) {
    await taken(key);
    // Prunings must know that somebody may be at work; the next repair or pruning is not to wait for it.
    if (context.readOnly || key === `${PART.locks}prune.json`) continue;
    const takenAt = context.clock();
    const holder = "one whose lease was damaged";
    const body: LeaseDocument = {
      id: toHex(context.randomBytes(8)),
      kind: "repair",
      holder,
      takenAt,
      expiresAt: takenAt + LEASE_MS,
    };
    await writeDocument(context, "lease", key, body, { ifAbsent: true });
  }
}

/** Heals manifests: what is of no use is set aside, so that the others are listed again. */
export async function healManifests(patient: Patient): Promise<void> {
  const { context, aside, seen, repaired, dryRun } = patient;
  const listed = new Set(patient.backups.map(({ id }) => backupKey(id)));
  const damaged = patient.findings("backups").filter(({ key, kind }) => kind === "damaged" && !listed.has(key));
  for (const { key } of damaged) await aside.copy(key);
  const misplaced = new Map<string, BackupDocument>();
  for (const { key } of damaged) {
    const body = await readMisplaced(() => readDocument(context, "backup", key, backupDocument));
    if (body === undefined) continue;
    const own = backupKey(body.id);
    if (listed.has(own) || seen.findings.of(own)?.kind === "newer") continue;
    misplaced.set(own, body);
    repaired.push(`The manifest of backup ${body.id} lay at ${key}, and was put where it belongs`);
  }
  const going = damaged.filter(({ key }) => !misplaced.has(key));
  await patient.mark(going.map(({ key }) => key));
  // They lie where they belong before the place where they were is cleared.
  for (const [key, body] of misplaced) if (!dryRun) await writeDocument(context, "backup", key, body);
  for (const { key } of going) await aside.take(key);
  patient.backups = [...patient.backups, ...misplaced.values()].sort(byVersion);
}

/** Heads that lie in each other's place. What can't be read stays for `rebuildHeads`. */
export async function healMisplacedHeads(patient: Patient): Promise<void> {
  const { context, aside, seen, repaired } = patient;
  for (const { key, kind } of patient.findings("heads")) {
    if (kind !== "damaged") continue;
    const body = await readMisplaced(() => readDocument(context, "head", key, headDocument));
    if (body === undefined) continue;
    const own = headKey(body.database, body.lineage);
    const wrong = seen.findings.of(own);
    if (own === key || wrong === undefined || wrong.kind === "stale") continue;
    await aside.copy(key);
    patient.heads = [...patient.heads, body];
    repaired.push(`The head of lineage ${body.lineage} lay at ${key}, and was put where it belongs`);
  }
}

/** A document that is whole, whatever it is called. */
async function readMisplaced<T>(read: () => Promise<{ body: T } | undefined>): Promise<T | undefined> {
  try {
    return (await read())?.body;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

/** Writes `repository.json` and its copy anew, and sets key slots aside that nobody needs. */
export async function healIdentity(patient: Patient): Promise<void> {
  const { context, seen, aside, repaired, dryRun } = patient;
  const createdAt = Math.min(context.clock(), ...patient.backups.map((backup) => backup.createdAt));
  const encryption = context.ring === undefined ? null : { cipher: "aes-256-gcm", ringId: context.ring.id };
  const bytes = sealDocument("repository", { id: context.id, createdAt, encryption });
  for (const key of [REPOSITORY_KEY, REPOSITORY_COPY_KEY]) {
    if (seen.findings.of(key) === undefined) continue;
    await aside.copy(key);
    if (!dryRun) await context.store.put(key, bytes);
    repaired.push(`${key} was written anew`);
  }
  // A repository that was made without one gets it, which mends nothing.
  if (!dryRun) await context.store.put(REPOSITORY_COPY_KEY, bytes, { ifAbsent: true });
  const slots = context.ring === undefined ? [] : await readSlots(context.store, context.ring.id, () => {});
  for (const { key, kind } of patient.findings("keys")) {
    if (kind === "missing" || (context.ring !== undefined && slots.length === 0)) continue;
    await aside.take(key);
    repaired.push(`Key slot ${key} was set aside; others open the repository`);
  }
}

/** Sets aside marks, proofs, pins and audit lines that say nothing. */
export async function healHouse(patient: Patient): Promise<void> {
  const { aside, givenUp, context } = patient;
  for (const part of ["marks", "proofs", "pins"] as const) {
    for (const { key } of patient.findings(part)) await aside.take(key);
  }
  for (const { key } of patient.findings("audit")) {
    givenUp.add(key);
    const line = await readMisplaced(async () => ({ body: await readAuditLine(context, key) }));
    if (line !== undefined) continue;
    const seq = Number(/(\d+)\.jsonl$/.exec(key)?.[1]);
    // The line behind it follows nothing that is left.
    if (Number.isSafeInteger(seq)) givenUp.add(`${PART.audit}${String(seq + 1).padStart(12, "0")}.jsonl`);
    await aside.take(key);
  }
}
