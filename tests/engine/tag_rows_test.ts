import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, EMPTY_BYTES, encodeText } from "../../lib/base/bytes.ts";
import { Slicer } from "../../lib/base/yield.ts";
import { emptyState } from "../../lib/engine/manifest/manifest_state.ts";
import { isOfTags, TagRows } from "../../lib/engine/recovery/tag_rows.ts";
import { Store } from "../../lib/engine/store.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { KIND_TEXT, readCell, writeCell } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { name, tinySettings } from "./fixture.ts";

const DATABASE = "11".repeat(16);
const TAGS = ["red", "green", "blue"];

async function storeOn(fs: MemoryFileSystem): Promise<Store> {
  await fs.makeDirectory("/db");
  const state = emptyState();
  state.database = { ...state.database, id: DATABASE, lineage: "22".repeat(16) };
  return new Store(fs, "/db", tinySettings(), {
    number: 0,
    seed: 0,
    state,
    fresh: false,
    closed: false,
    size: 0,
    end: 0,
  });
}

/** Entries of the root and of a namespace; every fifth has no tag, some expire. Returns their tag rows in order. */
async function seeEntries(rows: TagRows, count: number): Promise<string[]> {
  const expected: string[] = [];
  for (const space of [0, 4]) {
    for (let i = 0; i < count; i++) {
      const tags = i % 5 === 0 ? [] : TAGS.filter((_, at) => (i >> at) % 2 === 0);
      const expiresAt = i % 3 === 0 ? 5_000_000 + i : undefined;
      const cell = new ByteWriter();
      writeCell(cell, KIND_TEXT, encodeText("value"), tags.map(encodeText), expiresAt);
      rows.see(internalKey(spacePrefix(space), encodeText(name(i))), 100 + i, 1000 + i, cell.take());
      if (rows.wantsDrain) await rows.drain();
      assert.ok(!rows.wantsDrain);
      for (const tag of tags) expected.push(`${space + 1} ${tag} ${name(i)} ${100 + i} ${1000 + i} ${expiresAt}`);
    }
  }
  return expected.sort();
}

/** All rows of tables, in their order. */
function rowsOf(fs: MemoryFileSystem, store: Store, tables: readonly TableMeta[]): string[] {
  const found: string[] = [];
  for (const meta of tables) {
    const expected = { database: DATABASE, number: meta.number };
    const reader = TableReader.open(fs, store.filePathOf("table", meta.number), expected, meta, new BlockCache(0));
    const cursor = reader.cursor();
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      const [space, tagLength] = [cursor.key[0]!, cursor.key[1]!];
      const tag = new TextDecoder().decode(cursor.key.subarray(2, 2 + tagLength));
      const key = new TextDecoder().decode(cursor.key.subarray(2 + tagLength));
      const { expiresAt, payload, tags } = readCell(cursor.cell);
      assert.deepEqual([payload, tags], [EMPTY_BYTES, []]);
      found.push(`${space} ${tag} ${key} ${cursor.version} ${cursor.timestamp} ${expiresAt}`);
    }
    reader.close();
  }
  return found;
}

describe("TagRows", () => {
  it("gives the rows of the index in order, however often they are written in between", async () => {
    for (const chunkBytes of [2 ** 20, 3000, 400]) {
      const fs = memoryFileSystem();
      const store = await storeOn(fs);
      const rows = new TagRows(store, chunkBytes);
      const expected = await seeEntries(rows, 200);
      const tables = await rows.finish(new Slicer(performance.now.bind(performance)));
      // Lengths stand before the tags in the order of keys.
      const order = (row: string): string => row.replace(/ (\w+)/, (_, tag) => ` ${tag.length}${tag}`);
      const sorted = expected.sort((a, b) => order(a) < order(b) ? -1 : 1);
      assert.deepEqual(rowsOf(fs, store, tables), sorted, `${chunkBytes} bytes at a time`);
      for (const [i, table] of tables.entries()) {
        if (i > 0) assert.ok(Buffer.compare(tables[i - 1]!.largest!, table.smallest) < 0, "tables overlap");
      }
      if (chunkBytes < 2 ** 20) assert.ok(tables.length > 2, `${tables.length} tables`);
      await rows.discardChunks();
      assert.equal((await fs.list("/db")).length, tables.length);
      await rows.abort();
      assert.deepEqual(await fs.list("/db"), []);
      assert.equal(fs.usedBytes, 0, "a file is left open");
    }
  });

  it("writes nothing where nothing has a tag", async () => {
    const fs = memoryFileSystem();
    const rows = new TagRows(await storeOn(fs));
    assert.deepEqual(await rows.finish(new Slicer(performance.now.bind(performance))), []);
    assert.deepEqual(await fs.list("/db"), []);
  });
});

describe("isOfTags()", () => {
  it("is true of ranges within the tag rows of one key space", () => {
    const entry = internalKey(spacePrefix(0), encodeText("a"));
    const row = (space: number): Uint8Array => internalKey(tagPrefix(spacePrefix(space), encodeText("t")), entry);
    const is = (start: Uint8Array | undefined, end: Uint8Array | undefined): boolean =>
      isOfTags({ start, end, detail: "" });
    assert.equal(is(row(1), row(1)), true);
    assert.equal(is(row(301), row(301)), true);
    assert.equal(is(row(1), row(5)), false);
    assert.equal(is(entry, row(1)), false);
    assert.equal(is(entry, entry), false);
    assert.equal(is(undefined, row(1)), false);
    assert.equal(is(row(1), undefined), false);
    assert.equal(is(row(1), EMPTY_BYTES), false);
  });
});
