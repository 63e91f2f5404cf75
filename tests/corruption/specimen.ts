/** Small databases with every kind of file, and what each of their versions holds. */
import assert from "node:assert/strict";
import { DB, type OpenOptions } from "../../mod.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import type { ManifestState } from "../../lib/engine/manifest/manifest_state.ts";
import { readFile } from "../../lib/files/read.ts";
import { pick, randomFrom } from "../crash/random.ts";
import { type Picture, pictureOf } from "./picture.ts";

/** Where a specimen lies on its disk. */
export const PATH = "/data";

/** A database as it lies on disk, and what it holds. */
export interface Specimen {
  /** What it is. */
  name: string;
  /** Its disk; tests look at forks of it. */
  fs: MemoryFileSystem;
  /** Bytes of every file by name, without lock files. */
  files: Map<string, Uint8Array>;
  /** What its manifest says. */
  state: ManifestState;
  /** Whether it was closed. */
  closed: boolean;
  /** The version that `changes` can be read after. */
  since: number;
  /** Every version's contents. */
  pictures: Map<number, Picture>;
  /** The newest version. */
  version: number;
}

/** Limits under which this little makes every kind of file; clocks and ids that are the same in every run. */
export function optionsFor(fileSystem: MemoryFileSystem, id = 0): OpenOptions {
  let ids = id;
  let clock = 1_000_000;
  let monotonic = 0;
  return {
    fileSystem,
    clock: () => clock++,
    flushInterval: 2 ** 31 - 1,
    memtableBytes: 1024,
    cacheBytes: 64 * 1024,
    blobBytes: 200,
    history: { maxBytes: 4096 },
    tuning: {
      blockBytes: 200,
      tableBytes: 1024,
      level0Tables: 4,
      levelBytes: 4096,
      reserve: false,
      randomId: () => new Uint8Array(16).fill(++ids),
      random: () => 0.5,
      delay: () => Promise.resolve(),
      monotonic: () => monotonic += 0.05,
    },
  };
}

/** Makes a specimen; each `id` is another database. */
export async function makeSpecimen(name: string, options: { closed: boolean; id?: number }): Promise<Specimen> {
  const { closed, id = 0 } = options;
  const disk = memoryFileSystem({ durable: false });
  const random = randomFrom(7, id);
  const text = (length: number): string => {
    let out = "";
    while (out.length < length) out += Math.floor(random() * 2 ** 30).toString(36);
    return out.slice(0, length);
  };
  const pictures = new Map<number, Picture>();
  let db = await DB.open(PATH, optionsFor(disk, id));
  const note = async (): Promise<void> => void pictures.set(db.version, await pictureOf(db));
  // Held until they are written to: asked for again they might get other key spaces.
  const log = db.namespace("log");
  const inner = log.namespace("inner");
  pictures.set(0, await pictureOf(db));

  for (let i = 0; i < 14; i++) {
    await db.set(`a/${pad(i)}`, { n: i, t: text(40) }, { tags: i % 2 === 0 ? ["even"] : ["odd", "old"] });
    await note();
  }
  for (let i = 0; i < 4; i++) {
    await log.set(`n/${pad(i)}`, text(30), { tags: ["odd"] });
    await note();
    await db.set(`large/${i}`, new TextEncoder().encode(text(260 + 10 * i)), { tags: ["even"] });
    await note();
  }
  await inner.set("deep", [1, 2, 3]);
  await note();
  await db.compact();
  // Deleted ranges and overwritten entries above what lies below.
  await db.deleteRange({ start: "a/003", end: "a/006" });
  await note();
  await db.delete("large/1");
  await note();
  for (let i = 8; i < 18; i++) {
    await db.set(`a/${pad(i)}`, { again: i, t: text(50) }, { tags: ["new"] });
    await note();
  }
  await db.atomic().set("x", 1).set("y", text(220)).delete("a/000").commit();
  await note();
  await db.close();
  db = await DB.open(PATH, optionsFor(disk, id + 50));
  await db.set("a/001", "after the reopening", { tags: ["even", "new"] });
  await note();
  await db.set("large/4", text(300));
  await note();
  for (let i = 0; i < 12; i++) {
    await db.set(`c/${pad(pick(random, 20))}`, text(60), { tags: ["odd"] });
    await note();
  }
  await db.namespace("log").deleteRange({ start: "n/001", end: "n/002" });
  await note();
  await settle();
  await db.set("b/imported", "to be replaced");
  await note();
  const imported = await DB.open("/other", optionsFor(disk, 100));
  await imported.setMany([["b/imported", text(50)], { key: "b/more", value: text(250), tags: ["even"] }]);
  await imported.backup("/dump.jsonl");
  await imported.close();
  await db.restore("/dump.jsonl", { mode: "merge" });
  await note();
  for (let i = 0; i < 5; i++) {
    await db.set(`d/${pad(i)}`, i, { tags: ["new"] });
    await note();
  }
  await db.set("z", "the last that waits for a sync", { tags: ["old"] });
  await note();
  await db.set("z", "not synced", { durability: "interval" });
  await note();
  await db.set("a/002", "nor this", { durability: "interval" });
  await note();
  await settle();
  const { version } = db;
  let fs = disk;
  if (closed) await db.close();
  else fs = disk.fork({ keep: "all" }, { durable: false });
  const { state } = await loadManifest(fs, PATH);
  const files = new Map<string, Uint8Array>();
  for (const each of await fs.list(PATH)) {
    if (!each.startsWith("LOCK")) files.set(each, await readFile(fs, `${PATH}/${each}`, Infinity));
  }
  if (!closed) await db.close();
  const since = Math.min(...[...state.logs.values()].map((log) => log.firstVersion)) - 1;
  assert.deepEqual([...pictures.keys()], [...Array(version + 1).keys()], "a picture of every version");
  return { name, fs, files, state, closed, since, pictures, version };
}

function pad(i: number): string {
  return String(i).padStart(3, "0");
}

/** Lets flush and compaction come to rest. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
}
