/** Reads a damaged database in every way, and judges what it says. */
import assert from "node:assert/strict";
import { type CommitRecord, DB } from "../../mod.ts";
import { HoldfastError } from "../../lib/base/errors.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { type CommitRecord as CommitOfLog, readCommit } from "../../lib/format/log/batch.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader } from "../../lib/format/identity.ts";
import { RecordReader } from "../../lib/format/log/record_reader.ts";
import { type Fault, kindOf, openLogOf } from "./faults.ts";
import { entryText, hasTag, type Picture, spaceOf, SPACES, TAGS } from "./picture.ts";
import { SEED } from "../crash/random.ts";
import { optionsFor, PATH, type Specimen } from "./specimen.ts";

/** No read of these small files needs more than a window of the log's reader, and no case so many calls. */
const READ_BYTES_MAX = 300 * 1024;
const CALLS_MAX = 20_000;

/** A disk with these files. Whoever reads it as if it were endless, or without end, is told so. */
export async function diskOf(files: ReadonlyMap<string, Uint8Array>, locked = false): Promise<MemoryFileSystem> {
  let calls = 0;
  const fs = memoryFileSystem({
    durable: false,
    beforeOperation() {
      if (++calls > CALLS_MAX) throw new Error(`more than ${CALLS_MAX} calls on the disk`);
    },
  });
  await fs.makeDirectory(PATH);
  if (locked) (await fs.lock(`${PATH}/LOCK`)).release();
  for (const [name, bytes] of files) await writeFile(fs, `${PATH}/${name}`, bytes);
  return fs;
}

async function writeFile(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await fs.open(path, "create");
  await handle.append(bytes);
  await handle.close();
}

/** The same disk to someone who may only read in sensible pieces. */
export function metered(fs: MemoryFileSystem): MemoryFileSystem {
  const bound = <T extends object>(target: T, own: Record<string, unknown>): T =>
    new Proxy(target, {
      get(of, name) {
        if (typeof name === "string" && name in own) return own[name];
        const value = Reflect.get(of, name, of);
        return typeof value === "function" ? value.bind(of) : value;
      },
    });
  const small = (into: Uint8Array): Uint8Array => {
    if (into.length > READ_BYTES_MAX) throw new Error(`a read of ${into.length} bytes`);
    return into;
  };
  const wrapped = (handle: FileHandle): FileHandle =>
    bound(handle, {
      readAtSync: (into: Uint8Array, at: number) => handle.readAtSync(small(into), at),
      readAt: (into: Uint8Array, at: number) => handle.readAt(small(into), at),
    });
  return bound(fs, {
    openSync: (path: string, mode: "read") => wrapped(fs.openSync(path, mode)),
    open: async (path: string, mode: "read") => wrapped(await fs.open(path, mode)),
  });
}

/** The files of a specimen after a fault. */
export function filesAfter(specimen: Specimen, fault: Fault): Map<string, Uint8Array> {
  const files = new Map(specimen.files);
  for (const [name, bytes] of fault.files) {
    if (bytes === undefined) files.delete(name);
    else files.set(name, bytes);
  }
  return files;
}

/** What must come of a fault: the version that shows, and whether the database may, must or must not open. */
export interface Verdict {
  version: number;
  opens: "may" | "must" | "never";
}

/**
 * What must come of a fault, told from the bytes of the log that was in use when the process ended; of everything else
 * all was synced, so that only all of it is right.
 */
export function verdictOn(specimen: Specimen, fault: Fault): Verdict {
  const name = openLogOf(specimen);
  if (specimen.closed || !fault.files.has(name)) return { version: specimen.version, opens: "may" };
  const whole = specimen.files.get(name)!;
  const now = fault.files.get(name);
  if (now === undefined) return { version: 0, opens: "never" };
  let at = 0;
  while (at < whole.length && now[at] === whole[at]) at++;
  if (at < FILE_HEADER_BYTES) return { version: 0, opens: "never" };
  const records = commitsIn(whole, name);
  const bad = records.findIndex((record) => record.end > at);
  if (bad < 0) return { version: specimen.version, opens: "must" };
  const { offset, version } = records[bad]!;
  const proof = records.slice(bad + 1).some((later) =>
    later.syncedTo > offset &&
    whole.subarray(later.offset, later.end).every((byte, i) => now[later.offset + i] === byte)
  );
  return { version: version - 1, opens: proof ? "never" : "must" };
}

/** The commits of a whole segment, and where they stand. */
export function commitsIn(bytes: Uint8Array, name: string): (CommitOfLog & { offset: number; end: number })[] {
  const read = (into: Uint8Array, at: number): number => {
    const piece = bytes.subarray(at, at + into.length);
    into.set(piece);
    return piece.length;
  };
  const reader = new RecordReader(read, bytes.length, checksumSeed(readFileHeader("log", bytes.subarray(0, 64), name)));
  const out = [];
  for (let found = reader.next(); found !== undefined; found = reader.next()) {
    const commit = readCommit(found.record);
    out.push({ ...commit, ops: commit.ops.slice(), offset: found.offset, end: found.end });
  }
  return out;
}

/** What came of a case. */
export type Outcome = "refused" | "found" | "right";

/** Opens a damaged specimen and reads everything; throws with the fault's name when that goes wrong. */
export async function judge(
  specimen: Specimen,
  fault: Fault,
  options: { readOnly: boolean; locked: boolean },
): Promise<Outcome> {
  try {
    return await tryOne(specimen, fault, options);
  } catch (error) {
    const how = options.readOnly ? "read only" : "to write";
    throw new Error(`${specimen.name}, ${fault.what}, opened ${how}, HOLDFAST_SEED=${SEED}: ${error}`, {
      cause: error,
    });
  }
}

async function tryOne(
  specimen: Specimen,
  fault: Fault,
  { readOnly, locked }: { readOnly: boolean; locked: boolean },
): Promise<Outcome> {
  const verdict = verdictOn(specimen, fault);
  const disk = await diskOf(filesAfter(specimen, fault), locked);
  let db: DB;
  try {
    db = await DB.open(PATH, { ...optionsFor(metered(disk), 200), createIfMissing: false, readOnly });
  } catch (error) {
    assertNamed(error, fault);
    assert.notEqual(verdict.opens, "must", `refused: ${error}`);
    return "refused";
  }
  let clean;
  try {
    assert.notEqual(verdict.opens, "never", "it opens");
    assert.equal(db.version, verdict.version, "the version that shows");
    clean = await judgeOpen(db, specimen, fault);
  } finally {
    await db.close();
  }
  if (!clean) return "found";
  if (!readOnly) await goOn(disk, specimen, verdict.version);
  return "right";
}

/** Reads everything from an open database; returns whether nothing was found. */
export async function judgeOpen(db: DB, specimen: Specimen, fault: Fault): Promise<boolean> {
  const errors = await readEverything(db, specimen);
  for (const error of errors) assertNamed(error, fault);
  const { ok, problems } = await db.verify();
  assert.equal(ok, problems.length === 0);
  for (const { file, offset, detail } of problems) {
    assert.ok(Number.isSafeInteger(offset) && offset >= 0 && detail.length > 0, `${file} ${offset} ${detail}`);
  }
  // A marker that names a manifest which isn't there is told as that.
  const named = problems.some(({ file, detail }) =>
    fault.files.has(file) || [...fault.files.keys()].some((name) => detail.includes(name))
  );
  if (errors.length > 0) {
    assert.ok(named, `verify finds ${JSON.stringify(problems)}, though reading gives ${errors[0]}`);
  }
  // Every byte of a table or blob file is under a checksum, whether anyone reads it or not.
  const sealed = [...fault.files.keys()].some((name) =>
    specimen.files.has(name) && ["table", "blob"].includes(kindOf(name))
  );
  if (sealed) assert.ok(named, `verify finds ${JSON.stringify(problems)}`);
  if (problems.length > 0) assert.ok(named, `verify blames ${JSON.stringify(problems)}`);
  return problems.length === 0;
}

/** What opened and was whole takes writes, and has all of it at the next open. */
async function goOn(disk: MemoryFileSystem, specimen: Specimen, version: number): Promise<void> {
  const next = await DB.open(PATH, optionsFor(disk, 210));
  await next.set("written", "afterwards");
  await next.compact();
  assert.equal(next.version, version + 1);
  await next.close();
  const again = await DB.open(PATH, { ...optionsFor(disk, 220), readOnly: true });
  const picture = structuredClone(specimen.pictures.get(version)!);
  const root = picture.spaces.get("")!;
  const written = (await again.getEntry("written"))!;
  root.push(["written", entryText(written)]);
  root.sort(([a], [b]) => a < b ? -1 : 1);
  for (const path of SPACES) {
    const entries: [string, string][] = [];
    for await (const entry of spaceOf(again, path).list()) entries.push([entry.key, entryText(entry)]);
    assert.deepEqual(entries, picture.spaces.get(path));
  }
  assert.ok((await again.verify()).ok);
  await again.close();
}

/** Every error that reading gives; what is read without one must be right, also what came before it. */
async function readEverything(db: DB, specimen: Specimen): Promise<unknown[]> {
  const errors: unknown[] = [];
  const attempt = async (read: () => unknown): Promise<void> => {
    try {
      await read();
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      errors.push(error);
    }
  };
  const picture = specimen.pictures.get(db.version)!;
  assert.deepEqual(db.namespaces(), picture.namespaces);
  for (const path of SPACES) await readSpace(db, path, picture, specimen, attempt);
  await attempt(() => readChanges(db, specimen));
  return errors;
}

async function readSpace(
  db: DB,
  path: string,
  picture: Picture,
  specimen: Specimen,
  attempt: (read: () => unknown) => Promise<void>,
): Promise<void> {
  const space = spaceOf(db, path);
  const expected = picture.spaces.get(path)!;
  const entries = new Map(expected);
  for (const key of keysEver(specimen, path)) {
    await attempt(() => {
      const found = space.getEntrySync(key);
      assert.equal(found === undefined ? undefined : entryText(found), entries.get(key), `${path} ${key}`);
    });
  }
  await attempt(() => compareList(space.list(), expected));
  await attempt(() => compareList(space.list({}, { reverse: true }), expected.toReversed()));
  for (const tag of TAGS) {
    await attempt(() => compareList(space.list({ tag }), expected.filter(([, text]) => hasTag(text, tag))));
  }
  await attempt(async () => assert.equal(await space.count(), expected.length));
}

async function compareList(
  list: AsyncIterable<{ key: string; value: unknown; version: number; timestamp: number; tags: readonly string[] }>,
  expected: readonly [string, string][],
): Promise<void> {
  let count = 0;
  for await (const entry of list) assert.deepEqual([entry.key, entryText(entry)], expected[count++]);
  assert.equal(count, expected.length);
}

/** Keys that some version had. */
export function keysEver(specimen: Specimen, path: string): Set<string> {
  const keys = new Set<string>();
  for (const { spaces } of specimen.pictures.values()) for (const [key] of spaces.get(path)!) keys.add(key);
  return keys;
}

const historyOf = new WeakMap<Specimen, string[]>();

async function readChanges(db: DB, specimen: Specimen): Promise<void> {
  const expected = historyOf.get(specimen)!;
  let count = 0;
  for await (const record of db.changes({ since: specimen.since })) {
    assert.equal(recordText(record), expected[count++]);
  }
  assert.equal(count, db.version - specimen.since);
}

function recordText(record: CommitRecord): string {
  return JSON.stringify(record, (_name, value) => value instanceof Uint8Array ? [...value] : value);
}

/** Reads the history of a whole specimen, to compare with. */
export async function learnHistory(specimen: Specimen): Promise<void> {
  const db = await DB.open(PATH, { ...optionsFor(await diskOf(specimen.files), 200), readOnly: true });
  const records: string[] = [];
  for await (const record of db.changes({ since: specimen.since })) records.push(recordText(record));
  assert.equal(records.length, specimen.version - specimen.since);
  historyOf.set(specimen, records);
  await db.close();
}

/** An error of ours that says which file. A manifest that lost its end shows in the files that it no longer names. */
export function assertNamed(error: unknown, fault: Fault): void {
  assert.ok(error instanceof HoldfastError, `${(error as Error)?.stack ?? error}`);
  const names = [...fault.files.keys()];
  const isNamed = names.some((name) => error.message.includes(name)) ||
    names.some((name) => kindOf(name) === "manifest") && /\d{6}\.(log|sst|blob)/.test(error.message);
  assert.ok(isNamed, `names no damaged file: ${error.message}`);
  assert.ok(["CORRUPTION", "UNSUPPORTED_FORMAT", "NOT_FOUND"].includes(error.code), error.message);
}
