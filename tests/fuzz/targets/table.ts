/** Sorted tables: each kind of block by itself, whole files, and what repair makes of them. */
import assert from "node:assert/strict";
import { ByteReader, ByteWriter, compareBytes, encodeText, readU32, writeU32 } from "../../../lib/base/bytes.ts";
import { compressSync, decompressSync } from "../../../lib/base/codec.ts";
import { Slicer } from "../../../lib/base/yield.ts";
import { SalvageCursor } from "../../../lib/engine/recovery/salvage.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { blockTrailer, findBlock, openBlock, writeBlock } from "../../../lib/format/table/block.ts";
import { BlockCursor } from "../../../lib/format/table/block_cursor.ts";
import { DataBlock, DataBlockBuilder } from "../../../lib/format/table/data_block.ts";
import { Filter, FilterBuilder } from "../../../lib/format/table/filter.ts";
import { readFileHeader } from "../../../lib/format/identity.ts";
import { IndexBuilder, TableIndex } from "../../../lib/format/table/index_block.ts";
import {
  readTableFooter,
  readTombstones,
  TABLE_BLOCKS_AT,
  TABLE_FOOTER_BYTES,
  type TableFooter,
  writeTableFooter,
  writeTombstones,
} from "../../../lib/format/table/table.ts";
import { readTableProperties, writeTableProperties } from "../../../lib/format/table/table_properties.ts";
import { BlockCache } from "../../../lib/tree/table/block_cache.ts";
import { RangeTombstones } from "../../../lib/tree/range_tombstones.ts";
import { TableReader } from "../../../lib/tree/table/table_reader.ts";
import {
  compareRows,
  identity,
  randomFrom,
  randomRows,
  readWhole,
  type TestRow,
  writeTable,
} from "../../tree/table_fixture.ts";
import type { Part, Steps, Structure, Target } from "../target.ts";
import { assertSame, assertSpelled, concat, filesOf, knownSeed, sealedHeader, seedOf } from "./files.ts";

const PATH = "/5.sst";
const AT = 64;
const SEED = knownSeed("table", identity());
const KEYS = ["", "\0", "a", "ab", "b", "zz", "\xff"].map(encodeText);

function rows(count: number, seed = 7): TestRow[] {
  return randomRows(randomFrom(seed), count).map((row) => ({ ...row, key: row.key.subarray(0, 40) }))
    .sort(compareRows)
    .filter((row, i, all) => i === 0 || compareRows(all[i - 1]!, row) !== 0);
}

function dataBlock(from: readonly TestRow[], restart = 4): Uint8Array {
  const builder = new DataBlockBuilder(restart, 256);
  let before = new Uint8Array(0);
  for (const { key, version, timestamp, cell } of from) {
    let shared = 0;
    while (shared < before.length && shared < key.length && before[shared] === key[shared]) shared++;
    builder.add(key, shared, version, timestamp, cell);
    before = key as Uint8Array<ArrayBuffer>;
  }
  return builder.finish().slice();
}

/** A stored block: its payload, and the codec and raw length behind it. */
const STORED: Structure = {
  take: (bytes) => [{ bytes: bytes.subarray(0, -9) }, { bytes: bytes.subarray(-9, -4) }],
  put(parts) {
    const payload = parts[0]!.bytes;
    const [codec = 0, ...length] = parts[1]?.bytes ?? [];
    const raw = readU32(Uint8Array.from([...length, 0, 0, 0, 0]), 0);
    return concat([payload, blockTrailer(payload, codec, raw, SEED, AT)]);
  },
};

const block: Target = {
  name: "block",
  seeds() {
    const raw = dataBlock(rows(12));
    const packed = compressSync(raw);
    return [[raw, 0] as const, [packed, 1] as const].map(([payload, codec]) => {
      const out = new ByteWriter();
      writeBlock(out, payload, codec, raw.length, SEED, AT);
      return out.take();
    });
  },
  structure: STORED,
  coded: true,
  decode(bytes) {
    const found = findBlock(bytes, SEED, AT);
    assert.ok(found <= bytes.length, "a block ends within its bytes");
    const raw = openBlock(bytes, SEED, PATH, AT);
    assert.ok(found > 0 && found <= bytes.length, "a good block is found by its checksum");
    return raw;
  },
};

const compressed: Target = {
  name: "compressed",
  seeds: () =>
    [dataBlock(rows(12)), new Uint8Array(3000), encodeText("x")].map((raw) => {
      const head = new Uint8Array(4);
      writeU32(head, 0, raw.length);
      return concat([head, compressSync(raw)]);
    }),
  decode(bytes) {
    const length = bytes.length < 4 ? 0 : readU32(bytes, 0);
    const raw = decompressSync(bytes.subarray(4), length);
    assert.equal(raw.length, length);
    return raw;
  },
};

/** Walks over a block both ways and seeks in it. */
function walkBlock(raw: DataBlock, steps: Steps): unknown {
  const cursor = new BlockCursor();
  cursor.attach(raw);
  const found: [Uint8Array, number][] = [];
  cursor.first();
  for (let more = true; more; more = cursor.next()) {
    steps.take();
    assert.ok(cursor.valid && cursor.cell.length <= raw.bytes.length);
    found.push([cursor.key.slice(), cursor.version]);
  }
  cursor.last();
  for (let more = true; more; more = cursor.previous()) steps.take();
  for (const [key, version] of [...found.slice(0, 50), ...KEYS.map((key) => [key, 3] as const)]) {
    cursor.seek(key, version);
    assert.ok([0, 1, -1].includes(cursor.find(key, version)));
    steps.take();
  }
  return found;
}

/** The entries of a data block, and each restart point; how many there are is counted again. */
const ENTRIES: Structure = {
  take(bytes) {
    const end = bytes.length - 4 - 4 * readU32(bytes, bytes.length - 4);
    if (!(end > 0)) return undefined;
    const restarts = Array.from({ length: (bytes.length - 4 - end) / 4 }, (_, i) => end + 4 * i);
    return [{ bytes: bytes.slice(0, end) }, ...restarts.map((at) => ({ bytes: bytes.slice(at, at + 4) }))];
  },
  put(parts) {
    const out = new ByteWriter();
    for (const { bytes } of parts) out.bytes(bytes);
    out.u32(parts.length - 1);
    return out.take();
  },
};

const data: Target = {
  name: "data-block",
  structure: ENTRIES,
  seeds: () => [dataBlock(rows(12)), dataBlock(rows(5), 1), dataBlock(rows(30, 8), 16)],
  coded: true,
  decode: (bytes, steps) => walkBlock(new DataBlock(bytes, PATH, AT), steps),
};

const filter: Target = {
  name: "filter",
  seeds: () =>
    [10, 1, 0].map((bits) => {
      const builder = new FilterBuilder(bits);
      for (const { key } of rows(30)) builder.add(key);
      return builder.finish();
    }),
  // The constructor's documentation says so.
  refuses: (error) => error instanceof RangeError && error.message.startsWith("a filter "),
  decode: (bytes) => {
    const found = new Filter(bytes);
    return KEYS.map((key) => found.mayContain(key));
  },
};

const index: Target = {
  name: "index",
  seeds: () =>
    [0, 1, 5, 40].map((count) => {
      const builder = new IndexBuilder();
      for (let i = 0; i < count; i++) builder.add(encodeText(`shared/${String(i).padStart(3, "0")}`), 100 + i, 5);
      return builder.finish().slice();
    }),
  decode(bytes, steps) {
    const found = new TableIndex(bytes, TABLE_BLOCKS_AT);
    const reader = new ByteReader(bytes);
    assert.equal(found.count, reader.varint());
    for (let i = 0; i < found.count; i++) {
      steps.take();
      assert.equal(found.separator(i).length, reader.varint(), "a separator is as long as it says");
      assert.equal(compareBytes(found.separator(i), reader.bytes(found.separator(i).length)), 0);
      assert.equal(found.offsets[i + 1]!, found.offsets[i]! + reader.varint(), "blocks lie behind each other");
      assert.equal(found.rows[i], reader.varint(), "a block has as many rows as it says");
      assert.ok(found.find(found.separator(i)) <= i);
    }
    for (const key of KEYS) found.find(key);
    return found;
  },
};

const tombstones: Target = {
  name: "tombstones",
  seeds: () => {
    const fragments = [
      {
        start: encodeText("a"),
        end: encodeText("c"),
        versions: [{ version: 9, timestamp: 9 }, { version: 3, timestamp: 4 }],
      },
      { start: encodeText("c"), end: undefined, versions: [{ version: 7, timestamp: 9 }] },
    ];
    return [writeTombstones([]), writeTombstones(fragments)];
  },
  decode(bytes, steps) {
    const found = readTombstones(bytes);
    steps.take(found.length);
    assertSame(readTombstones(writeTombstones(found)), found);
    const ranges = new RangeTombstones();
    for (const { start, end, versions } of found) {
      for (const version of versions) ranges.add({ start, end, ...version });
    }
    return ranges.fragments();
  },
};

const properties: Target = {
  name: "properties",
  seeds: () => {
    const counts = { rows: 3, deletes: 1, tombstones: 1, rawBytes: 120, minVersion: 1, maxVersion: 9 };
    const one = {
      ...counts,
      minTimestamp: 5,
      maxTimestamp: 1.7e12,
      smallest: encodeText("a"),
      largest: encodeText("c"),
    };
    const blobs = [{ number: 11, bytes: 1000, count: 2 }];
    return [
      writeTableProperties({ ...one, largestExclusive: false, blobs }),
      writeTableProperties({ ...one, largest: undefined, largestExclusive: true, blobs: [] }),
    ];
  },
  decode(bytes) {
    const found = readTableProperties(bytes);
    assertSame(readTableProperties(writeTableProperties(found)), found);
    // Without an end nothing is said of it.
    if (found.largest !== undefined) assertSpelled(writeTableProperties(found), bytes);
    return found;
  },
};

async function tables(): Promise<Uint8Array[]> {
  const made: Uint8Array[] = [];
  for (const [count, compression] of [[20, "none"], [25, "zstd"], [1, "none"]] as const) {
    const fs = memoryFileSystem();
    const deleted = new RangeTombstones();
    deleted.add({ start: new Uint8Array([97]), end: new Uint8Array([98, 99]), version: 3, timestamp: 9 });
    await writeTable(fs, PATH, rows(count), { compression, blockBytes: 200 }, count === 1 ? undefined : deleted);
    made.push(readWhole(fs, PATH));
  }
  return made;
}

/** A table's header, raw blocks and row count. The index follows the blocks' lengths, unless it was changed itself. */
const TABLE: Structure = {
  take(bytes) {
    const header = bytes.slice(0, TABLE_BLOCKS_AT);
    readFileHeader("table", header, PATH);
    const seed = seedOf(header);
    const footer = readTableFooter(bytes.subarray(-TABLE_FOOTER_BYTES), seed, PATH, bytes.length);
    const raw = (offset: number, length: number): Uint8Array =>
      openBlock(bytes.subarray(offset, offset + length), seed, PATH, offset);
    const tail = [footer.filter, footer.tombstones, footer.index, footer.properties];
    const { offsets, count } = new TableIndex(raw(footer.index.offset, footer.index.length), TABLE_BLOCKS_AT);
    const counted = new ByteWriter();
    counted.u64(footer.rows);
    return [
      { bytes: header, label: "header" },
      ...Array.from({ length: count }, (_, i): Part => ({
        bytes: raw(offsets[i]!, offsets[i + 1]! - offsets[i]!),
        label: "data",
      })),
      ...tail.map(({ offset, length }, i): Part => ({ bytes: raw(offset, length), label: i === 2 ? "index" : "tail" })),
      { bytes: counted.take(), label: "rows" },
    ];
  },
  put(parts) {
    const header = sealedHeader(parts.find(({ label }) => label === "header")!.bytes);
    const out = new ByteWriter();
    out.bytes(header);
    const lengths: number[] = [];
    const places: { offset: number; length: number }[] = [];
    for (const part of parts) {
      if (part.label === "header" || part.label === "rows") continue;
      const raw = part.label === "index" && !part.changed ? reindexed(part.bytes, lengths) : part.bytes;
      const offset = out.length;
      const length = writeBlock(out, raw, 0, raw.length, seedOf(header), offset);
      if (part.label === "data") lengths.push(length);
      else places.push({ offset, length });
    }
    const [filter, deleted, index, described] = places as [Place, Place, Place, Place];
    const rows = readU32(parts.find(({ label }) => label === "rows")!.bytes, 0);
    const footer: TableFooter = { filter, tombstones: deleted, index, properties: described, rows };
    out.bytes(writeTableFooter(footer, seedOf(header), out.length));
    return out.take();
  },
};

type Place = TableFooter["index"];

function reindexed(bytes: Uint8Array, lengths: readonly number[]): Uint8Array {
  const old = new TableIndex(bytes, TABLE_BLOCKS_AT);
  const builder = new IndexBuilder();
  lengths.forEach((length, i) => builder.add(old.separator(Math.min(i, old.count - 1)), length, old.rows[i] ?? 0));
  return builder.finish();
}

const table: Target = {
  name: "table",
  seeds: tables,
  structure: TABLE,
  coded: true,
  share: 0.6,
  async decode(bytes, steps) {
    const fs = filesOf({ [PATH]: bytes }, steps);
    const reader = TableReader.open(fs, PATH, identity(), undefined, new BlockCache(2 ** 16));
    try {
      // A check reports what it finds, and never fails.
      let damages = 0;
      for await (const _ of reader.verify(new Slicer(() => 0), "00".repeat(32))) {
        steps.take();
        damages++;
      }
      assert.ok(damages > 0, "the SHA-256 is another one");
      const cursor = reader.cursor({ fill: false });
      let count = 0;
      for (cursor.seekFirst(); cursor.valid; cursor.next()) {
        steps.take();
        count++;
        if (count % 5 === 0) reader.get(cursor.key.slice(), cursor.version);
      }
      for (cursor.seekLast(); cursor.valid; cursor.previous()) {
        steps.take();
        count--;
      }
      for (const key of KEYS) {
        reader.get(key, 5);
        cursor.seek(key, 5);
        cursor.seekBefore(key);
        reader.approximateOffset(key);
      }
      return { count, properties: reader.properties };
    } finally {
      reader.close();
    }
  },
};

const salvaged: Target = {
  name: "salvaged-table",
  seeds: tables,
  structure: TABLE,
  coded: true,
  share: 0.6,
  decode(bytes, steps) {
    const fs = filesOf({ [PATH]: bytes }, steps);
    const found: unknown[] = [];
    const note = (damage: unknown): void => {
      steps.take();
      found.push(damage);
    };
    const reader = TableReader.salvage(fs, PATH, identity(), undefined, new BlockCache(2 ** 16), note);
    const cursor = new SalvageCursor(reader, note, undefined);
    for (cursor.seekFirst(); cursor.valid; cursor.next()) {
      steps.take();
      assert.ok(compareBytes(cursor.key, cursor.key) === 0 && cursor.cell.length <= bytes.length * 300);
    }
    reader.close();
    return found;
  },
};

export const TABLE_TARGETS: readonly Target[] = [
  block,
  compressed,
  data,
  filter,
  index,
  tombstones,
  properties,
  table,
  salvaged,
];
