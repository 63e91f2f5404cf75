/**
 * Damaged and missing objects: put anew from another copy of the same content, or set aside.
 *
 * | the content lies | then |
 * |---|---|
 * | under another copy's name (`.1`, `.2`) | its stored bytes are put under this name too |
 * | under a name that is not its own | it is put where it belongs |
 * | below `damaged/`, from a repair that was cut off | likewise |
 * | in other objects of the log | the damaged one only goes |
 * | nowhere | what is there is set aside |
 *
 * Stored bytes say nothing of their name, so they are copied as they are, and read back.
 *
 * @module
 */
import { parseLogName } from "../../../../format/repository/archived_log.ts";
import { contentName, parseObjectPath } from "../../../../format/repository/object_name.ts";
import { NotFoundError } from "../../../../base/errors.ts";
import type { Finding } from "../check/findings.ts";
import { referencedObjects } from "../check/inspect.ts";
import { allKeys, isDamage } from "../../core/documents.ts";
import { logPrefix, PART } from "../../core/layout.ts";
import { logObjects } from "../../log/log_chain.ts";
import { holdsContent, objectPieces, storedPieces } from "../../core/objects.ts";
import type { Patient } from "./patient.ts";

/** Heals what lies below `objects/`. */
export async function healObjects(patient: Patient): Promise<void> {
  const { seen, aside, bad, repaired } = patient;
  const found = patient.findings("objects");
  const referenced = referencedObjects(seen.inventory);
  // All of them first: one may hold what belongs under the name of another.
  for (const { key, kind } of found) if (kind !== "missing") await aside.copy(key);
  const rest: Finding[] = [];
  for (const finding of found) {
    const { key } = finding;
    const content = nameOf(key);
    const source = referenced.has(key) && content !== undefined ? sourceOf(patient, found, content) : undefined;
    if (source === undefined) rest.push(finding);
    else if (await putAnew(patient, key, source, content!)) {
      bad.delete(key);
      repaired.push(`${key} was ${wordOf(finding)}, and was put anew from another copy of its content`);
    } else rest.push(finding);
  }
  await patient.mark(rest.flatMap(({ key, kind }) => kind === "missing" ? [] : [key]));
  const older = rest.some(({ key }) => referenced.has(key)) ? await contentsAside(patient) : new Map<string, string>();
  for (const finding of rest) {
    const { key, kind } = finding;
    const source = referenced.has(key) ? older.get(nameOf(key) ?? "") : undefined;
    if (source !== undefined && await putAnew(patient, key, source, nameOf(key)!)) {
      bad.delete(key);
      repaired.push(`${key} was ${wordOf(finding)}, and was put anew from what an earlier repair had set aside`);
    } else if (kind !== "missing") await aside.take(key);
    await patient.lease.touch();
  }
}

function nameOf(key: string): string | undefined {
  return parseObjectPath(key.slice(PART.objects.length))?.name;
}

function wordOf({ kind }: Finding): string {
  return kind === "missing" ? "missing" : "damaged";
}

/** Where the bytes of a content can be had. */
function sourceOf({ seen, aside, bad }: Patient, found: readonly Finding[], content: string): string | undefined {
  for (const key of seen.inventory.objects.keys()) {
    if (nameOf(key) === content && !bad.has(key)) return key;
  }
  const misplaced = found.find(({ holds }) => holds !== undefined && nameOf(holds) === content);
  return misplaced === undefined ? undefined : aside.copyOf(misplaced.key);
}

/** Puts stored bytes under a key, and says whether they are then whole there. */
async function putAnew(patient: Patient, key: string, source: string, content: string): Promise<boolean> {
  const { context, dryRun } = patient;
  if (dryRun) return true;
  await context.store.put(key, storedPieces(context, source));
  await patient.lease.touch();
  return await holdsContent(context, key, content, {}) !== undefined;
}

/** What lies below `damaged/`, by its content. */
async function contentsAside({ context }: Patient): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const { key } of await allKeys(context.store, PART.damaged)) {
    if (!key.includes(`/${PART.objects}`)) continue;
    try {
      const pieces = objectPieces(context, key, {
        done: ({ sha256 }) => void found.set(contentName(sha256, context.ring), key),
      });
      for await (const _ of pieces);
    } catch (error) {
      if (!isDamage(error) && !(error instanceof NotFoundError)) throw error;
    }
  }
  return found;
}

/** Heals what lies below `log/`. */
export async function healLog(patient: Patient): Promise<void> {
  const { aside, bad, context, dryRun, repaired } = patient;
  const found = patient.findings("log").filter(({ kind }) => kind === "damaged" || kind === "stray");
  for (const { key } of found) await aside.copy(key);
  const kept = new Set<string>();
  for (const { key, holds } of found) {
    if (holds === undefined) continue;
    const there = patient.log.find((object) => object.key === holds);
    if (there !== undefined && !bad.has(holds)) continue;
    // Another repository's log belongs nowhere here.
    if (![...patient.heads, ...patient.backups].some((one) => holds.startsWith(logPrefix(one.database, one.lineage)))) {
      continue;
    }
    if (!dryRun) await context.store.put(holds, storedPieces(context, aside.copyOf(key)));
    const size = patient.log.find((object) => object.key === key)?.size ?? 0;
    patient.log = [...patient.log.filter((object) => object.key !== holds), ...logObjects([{ key: holds, size }])];
    bad.delete(holds);
    kept.add(holds);
    repaired.push(`The log that lay at ${key} was put where it belongs, at ${holds}`);
  }
  const going = found.filter(({ key }) => !kept.has(key));
  await patient.mark(going.map(({ key }) => key));
  for (const { key } of going) {
    await aside.take(key);
    patient.log = patient.log.filter((object) => object.key !== key);
    await patient.lease.touch();
  }
  for (const { key, detail, kind } of going) {
    if (kind === "stray" || !isHeldByOthers(patient, key)) continue;
    repaired.push(`${key} was set aside (${detail}); other objects hold the same versions`);
  }
}

/** Whether every version of a log object is in others. */
function isHeldByOthers({ log, bad }: Patient, key: string): boolean {
  const prefix = key.slice(0, key.lastIndexOf("/") + 1);
  const name = parseLogName(key.slice(prefix.length));
  if (name === undefined) return false;
  let next = name.first;
  const others = log.filter((other) => other.key.startsWith(prefix) && !bad.has(other.key));
  for (const { first, last } of others.sort((a, b) => a.first - b.first)) {
    if (first <= next) next = Math.max(next, last + 1);
  }
  return next > name.last;
}
