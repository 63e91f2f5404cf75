/** A small database on the engine alone, for the tests of this floor. */
import { decodeText, encodeText } from "../../lib/base/bytes.ts";
import { openEngine } from "../../lib/engine/open.ts";
import type { Engine, EngineSettings } from "../../lib/engine/types.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { catalogKey, writeCatalogCell } from "../../lib/format/catalog.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT, readCell } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import { spaceRange, spacesOf } from "../../lib/backup/namespaces.ts";

/** A fixed time, so that runs repeat. */
export const NOW: number = Date.UTC(2026, 10, 21, 8);

let ids = 0;

/** Settings with tiny limits, so that small tests meet every path. */
export function settingsOf(changes: Partial<EngineSettings> = {}): EngineSettings {
  return {
    createIfMissing: true,
    errorIfExists: false,
    readOnly: false,
    keyEncoding: undefined,
    durability: "commit",
    flushInterval: 1000,
    bufferBytes: 2 ** 16,
    memtableBytes: 2 ** 16,
    cacheBytes: 2 ** 20,
    blobBytes: 4096,
    compression: "auto",
    historyBytes: 2 ** 16,
    archiveBytes: 2 ** 20,
    archiveOnFull: "gap",
    blockBytes: 1024,
    tableBytes: 2 ** 16,
    level0Tables: 4,
    levelBytes: 2 ** 18,
    reserve: false,
    randomId: (): Uint8Array => {
      const id = new Uint8Array(16).fill(7);
      new DataView(id.buffer).setUint32(0, ++ids);
      return id;
    },
    clock: () => NOW,
    monotonic: () => performance.now(),
    onEvent: undefined,
    signal: undefined,
    ...changes,
  };
}

/** Opens (or makes) the database at `path`. */
export function openAt(fs: FileSystem, path: string, changes: Partial<EngineSettings> = {}): Promise<Engine> {
  return openEngine(fs, path, settingsOf(changes));
}

/** What one entry is in these tests. */
export interface Item {
  value: string | Uint8Array | { json: unknown };
  tags?: string[];
  expiresAt?: number;
}

/** Writes entries of one space with their tag rows, as the floor above does. */
export function put(batch: Batch, space: number, key: string | Uint8Array, item: Item): void {
  const { value, tags = [], expiresAt } = item;
  const bytes = typeof key === "string" ? encodeText(key) : key;
  const [kind, payload] = typeof value === "string"
    ? [KIND_TEXT, encodeText(value)]
    : value instanceof Uint8Array
    ? [KIND_BYTES, value]
    : [KIND_JSON, encodeText(JSON.stringify(value.json))];
  const encoded = tags.map(encodeText);
  batch.putCell(spacePrefix(space), bytes, kind as number, payload as Uint8Array, encoded, expiresAt);
  for (const tag of encoded) {
    batch.putCell(tagPrefix(spacePrefix(space + 1), tag), bytes, KIND_BYTES, new Uint8Array(0), [], expiresAt);
  }
}

/** Writes a namespace's catalog row. */
export function define(
  batch: Batch,
  parent: number,
  name: string,
  space: number,
  keyEncoding: "utf8" | "bytes" = "utf8",
): void {
  batch.put(catalogKey(parent, name), writeCatalogCell({ space, keyEncoding }));
}

/** Commits what `fill` puts into a batch. */
export async function write(engine: Engine, fill: (batch: Batch) => void): Promise<void> {
  const batch = new Batch();
  fill(batch);
  await engine.commit(batch);
}

/** All entries and tag rows as text, for comparing: "users/key" -> value, kind, tags, expiry. */
export function dump(engine: Engine, versions = false): Record<string, string> {
  const out: Record<string, string> = {};
  const view = engine.read();
  for (const { path, space } of spacesOf(view, engine.keyEncoding)) {
    for (const own of [space, space + 1]) {
      const { start, end } = spaceRange(own);
      const skip = spacePrefix(own).length;
      const cursor = view.cursor(start, end);
      while (cursor.next()) {
        const row = { version: cursor.version, timestamp: cursor.timestamp, cell: cursor.cell.slice() };
        const { kind, tags, expiresAt } = readCell(row.cell);
        const bytes = engine.value(row);
        const value = bytes.length > 40 ? `${bytes.length} bytes` : text(bytes);
        const key = `${path.join("/")}${own === space ? ":" : "#"}${text(cursor.key.subarray(skip))}`;
        out[key] = [kind, value, tags.join("+"), expiresAt ?? "", ...(versions ? [row.version] : [])].join("|");
      }
      cursor.close();
    }
  }
  return out;
}

function text(bytes: Uint8Array): string {
  try {
    return decodeText(bytes);
  } catch {
    return `<${[...bytes].join(" ")}>`;
  }
}

/** Entries of every kind, in the root and in nested namespaces, some in tables, some in the log. */
export async function fillSample(engine: Engine): Promise<void> {
  await write(engine, (batch) => {
    put(batch, 0, "text", { value: "hello" });
    put(batch, 0, "bytes", { value: new Uint8Array([0, 255, 1]) });
    put(batch, 0, "json", { value: { json: { a: [1, null], b: "x" } } });
    put(batch, 0, "empty", { value: "" });
    put(batch, 0, "blob", { value: new Uint8Array(20_000).fill(9) });
    put(batch, 0, "long text", { value: "long ".repeat(3000) });
    put(batch, 0, "tagged", { value: "t", tags: ["red", "new"] });
    put(batch, 0, "later", { value: "expires", expiresAt: NOW + 1000, tags: ["red"] });
    put(batch, 0, "gone", { value: "expired", expiresAt: NOW - 1000 });
  });
  await write(engine, (batch) => {
    define(batch, 0, "users", 4);
    for (let n = 0; n < 300; n++) put(batch, 4, `user:${String(n).padStart(4, "0")}`, { value: `name ${n}` });
  });
  await write(engine, (batch) => {
    define(batch, 4, "inner", 6, "bytes");
    put(batch, 6, new Uint8Array([0xff, 0]), { value: "bytes key", tags: ["raw"] });
  });
  await engine.compact();
  await write(engine, (batch) => {
    put(batch, 0, "in the log", { value: "only" });
    batch.delete(internalKey(spacePrefix(4), encodeText("user:0007")));
  });
}
