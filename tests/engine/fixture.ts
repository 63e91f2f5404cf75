/** What the tests of the engine share: settings with tiny limits, keys, and short ways to write and read. */
import { encodeText } from "../../lib/base/bytes.ts";
import { openEngine } from "../../lib/engine/open.ts";
import type { Durability, Engine, EngineSettings, ReadView } from "../../lib/engine/types.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { KIND_TEXT } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix } from "../../lib/format/space.ts";

const ROOT = spacePrefix(0);

/** Settings under which a few hundred bytes make files of every kind. */
export function tinySettings(changes: Partial<EngineSettings> = {}): EngineSettings {
  let ids = 0;
  let time = 1_000_000;
  return {
    createIfMissing: true,
    errorIfExists: false,
    readOnly: false,
    keyEncoding: undefined,
    durability: "commit",
    flushInterval: 60_000,
    bufferBytes: 4096,
    memtableBytes: 1024,
    cacheBytes: 16 * 1024,
    blobBytes: 300,
    compression: "auto",
    historyBytes: 64 * 1024,
    archiveBytes: 1024 * 1024,
    archiveOnFull: "gap",
    blockBytes: 256,
    tableBytes: 1024,
    level0Tables: 3,
    levelBytes: 4096,
    reserve: false,
    randomId: () => {
      const id = new Uint8Array(16);
      id[15] = ++ids;
      return id;
    },
    clock: () => time++,
    monotonic: () => performance.now(),
    onEvent: undefined,
    signal: undefined,
    ...changes,
  };
}

/** Opens `/db` of a file system. */
export function open(fs: FileSystem, changes: Partial<EngineSettings> = {}): Promise<Engine> {
  return openEngine(fs, "/db", tinySettings(changes));
}

/** The internal key of a text key of the root. */
export function key(text: string): Uint8Array {
  return internalKey(ROOT, encodeText(text));
}

/** Sets texts in one commit. */
export async function put(
  engine: Engine,
  entries: Record<string, string>,
  durability?: Durability,
): Promise<number> {
  const batch = new Batch();
  for (const [name, value] of Object.entries(entries)) {
    batch.putCell(ROOT, encodeText(name), KIND_TEXT, encodeText(value));
  }
  return (await engine.commit(batch, { durability }))!.version;
}

/** Deletes keys in one commit. */
export async function remove(engine: Engine, ...names: string[]): Promise<void> {
  const batch = new Batch();
  for (const name of names) batch.deleteKey(ROOT, encodeText(name));
  await engine.commit(batch);
}

/** Deletes a range of keys. */
export async function removeRange(engine: Engine, start: string, end: string): Promise<void> {
  const batch = new Batch();
  batch.deleteRange(key(start), key(end));
  await engine.commit(batch);
}

/** The text at a key, or undefined. */
export function get(engine: Engine, name: string, view: ReadView = engine.read()): string | undefined {
  const row = view.get(key(name));
  return row === undefined ? undefined : new TextDecoder().decode(engine.value(row));
}

/** All entries, in order. */
export function all(engine: Engine, view: ReadView = engine.read()): [string, string][] {
  const out: [string, string][] = [];
  const cursor = view.cursor();
  try {
    while (cursor.next()) {
      const name = new TextDecoder().decode(cursor.key.subarray(1));
      const row = { version: cursor.version, timestamp: cursor.timestamp, cell: cursor.cell };
      out.push([name, new TextDecoder().decode(engine.value(row))]);
    }
  } finally {
    cursor.close();
  }
  return out;
}

/** A key of fixed width. */
export function name(i: number): string {
  return `k${String(i).padStart(5, "0")}`;
}

/** Writes `count` entries one by one, so that files of every level come to be. */
export async function fill(engine: Engine, count: number, value = "v"): Promise<void> {
  for (let i = 0; i < count; i++) await put(engine, { [name(i)]: `${value}${i}` }, "interval");
}
