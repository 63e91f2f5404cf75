import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { DataBlock, DataBlockBuilder } from "../../lib/format/table/data_block.ts";
import { BlockCache, CachedTable } from "../../lib/tree/table/block_cache.ts";
import { PackedBlocks } from "../../lib/tree/table/packed_blocks.ts";
import { randomFrom } from "./table_fixture.ts";

function blockOf(bytes: number): DataBlock {
  const builder = new DataBlockBuilder(4, 64);
  builder.add(new Uint8Array(1), 0, 1, 1, new Uint8Array(bytes));
  return new DataBlock(builder.finish().slice(), "t.sst", 64);
}

/** How long blocks are where they are stored, a third of what they take unpacked. */
const STORED_BYTES = 500;

/** What a block is like where it is stored, so that it is known again. */
function storedOf(index: number): Uint8Array {
  return new Uint8Array(STORED_BYTES).fill(index % 251);
}

/** A lookup as a reader makes it: unpacked, packed, or from the file; what it finds packed must be what was put. */
function look(table: CachedTable, index: number): "unpacked" | "packed" | "file" {
  if (table.get(index) !== undefined) return "unpacked";
  const keeps = table.keeps(index, STORED_BYTES);
  const packed = table.packed(index, STORED_BYTES);
  if (packed !== undefined) assert.deepEqual(packed, storedOf(index));
  else table.pack(index, storedOf(index));
  if (keeps) table.put(index, blockOf(1000));
  return packed === undefined ? "file" : "packed";
}

/** Where so many lookups found their blocks, of which `pick` names one each time: of all lookups the share. */
function shares(table: CachedTable, lookups: number, pick: () => number) {
  const found = { unpacked: 0, packed: 0, file: 0 };
  for (let n = 0; n < lookups; n++) found[look(table, pick())] += 1 / lookups;
  return found;
}

describe("BlockCache", () => {
  it("keeps what fits and gives it back", () => {
    const cache = new BlockCache(100_000);
    const table = cache.table(10);
    const blocks = Array.from({ length: 10 }, () => blockOf(1000));
    for (const [i, block] of blocks.entries()) {
      assert.deepEqual([table.get(i), table.packed(i, 10)], [undefined, undefined]);
      table.put(i, block);
    }
    for (const [i, block] of blocks.entries()) assert.equal(table.get(i), block);
    assert.deepEqual([cache.blocks, cache.hits, cache.misses], [10, 10, 10]);
  });

  it("never holds more bytes than its capacity, whatever is put, dropped and closed", () => {
    const random = randomFrom(1);
    const cache = new BlockCache(50_000);
    const tables = Array.from({ length: 5 }, () => cache.table(40));
    for (let n = 0; n < 20_000; n++) {
      const t = random(5);
      const i = random(40);
      if (tables[t]!.get(i) === undefined) {
        if (tables[t]!.packed(i, STORED_BYTES) === undefined) tables[t]!.pack(i, storedOf(i));
        if (random(3) === 0) tables[t]!.put(i, blockOf(random(random(30) === 0 ? 20_000 : 3000)));
      }
      if (random(500) === 0) {
        tables[t]!.close();
        tables[t] = cache.table(40);
      }
      assert.ok(cache.bytes <= 50_000);
    }
    assert.ok(cache.bytes > 25_000);
    for (const table of tables) table.close();
    assert.deepEqual([cache.bytes, cache.blocks], [0, 0]);
  });

  it("spares blocks in use when others come by once", () => {
    const cache = new BlockCache(40_000);
    const hot = cache.table(5);
    const scan = cache.table(1000);
    for (let i = 0; i < 5; i++) hot.put(i, blockOf(1000));
    let lost = 0;
    for (let i = 0; i < 1000; i++) {
      scan.put(i, blockOf(1000));
      for (let k = 0; k < 5; k++) {
        if (hot.get(k) !== undefined) continue;
        lost++;
        hot.put(k, blockOf(1000));
      }
    }
    assert.equal(lost, 0);
  });

  it("does not keep a block that would sweep out much of the rest", () => {
    const cache = new BlockCache(80_000);
    const table = cache.table(2);
    table.put(0, blockOf(20_000));
    assert.equal(table.get(0), undefined);
    table.put(1, blockOf(1000));
    assert.notEqual(table.get(1), undefined);
  });

  it("of no capacity keeps nothing", () => {
    const cache = new BlockCache(0);
    const table = cache.table(1);
    table.put(0, blockOf(0));
    assert.deepEqual([table.get(0), cache.bytes], [undefined, 0]);
  });

  it("keeps what lookups miss while there is room, and some of it where there is none", () => {
    const cache = new BlockCache(100_000);
    const table = cache.table(100);
    const keeps = () => table.keeps(0, STORED_BYTES);
    for (let i = 0; keeps() && i < 100; i++) table.put(i, blockOf(1000));
    assert.ok(cache.bytes > 90_000 && cache.bytes <= 100_000, `${cache.bytes} of 100,000`);
    const answers = Array.from({ length: 8000 }, keeps);
    const kept = answers.filter(Boolean).length;
    assert.ok(kept > 800 && kept < 1200, `${kept} of 8,000`);
    // A round of lookups that comes again finds others kept each time.
    const rounds = new Set(Array.from({ length: 20 }, (_, i) => answers.slice(i * 40, i * 40 + 40).indexOf(true)));
    assert.ok(rounds.size > 5, `${rounds.size} first ones`);
    table.close();
    assert.ok(cache.table(1).keeps(0, STORED_BYTES));
  });

  it("holds more of what doesn't fit into it, packed", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(230);
    const random = randomFrom(2);
    // 350,000 bytes unpacked, 115,000 packed.
    shares(table, 60_000, () => random(230));
    const { packed, file } = shares(table, 10_000, () => random(230));
    assert.ok(packed > 0.3 && file < 0.25, `${packed} packed, ${file} from the file`);
    assert.ok(cache.bytes > 180_000 && cache.bytes <= 200_000, `${cache.bytes} bytes`);
  });

  it("gives packed blocks as much of it as makes misses few", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(145);
    const random = randomFrom(7);
    // Unpacked a tenth more than fits in.
    shares(table, 60_000, () => random(145));
    const { unpacked, file } = shares(table, 100_000, () => random(145));
    assert.ok(unpacked > 0.65 && file < 0.06, `${unpacked} unpacked, ${file} from the file`);
  });

  it("holds nothing packed where few lookups miss", () => {
    const cache = new BlockCache(2_000_000);
    const table = cache.table(1200);
    for (let i = 0; i < 1200; i++) {
      look(table, i);
      for (let n = 0; n < 70; n++) look(table, 0);
    }
    assert.deepEqual([cache.blocks, cache.packed.bytes, cache.packed.limit], [1200, 0, 0]);
  });

  it("unpacks what is asked for again and again, and little else", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(1000);
    const random = randomFrom(6);
    // Every other lookup goes to one of ten blocks.
    const pick = () => random(2) === 0 ? random(10) : random(1000);
    shares(table, 60_000, pick);
    let put = 0;
    table.put = (index, block) => {
      put++;
      CachedTable.prototype.put.call(table, index, block);
    };
    const { unpacked } = shares(table, 10_000, pick);
    assert.ok(unpacked > 0.45, `${unpacked} unpacked`);
    assert.ok(put > 0 && put < 200, `${put} unpacked for good`);
  });

  it("unpacks all again once what is asked for fits into it", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(1000);
    const random = randomFrom(3);
    assert.ok(shares(table, 60_000, () => random(1000)).packed > 0.05);
    shares(table, 60_000, () => random(120));
    const { unpacked } = shares(table, 10_000, () => random(120));
    assert.ok(unpacked > 0.98, `${unpacked} unpacked`);
  });

  it("keeps some of what a walk over more than fits comes to, so that the next one finds it", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(1000);
    const walk = (table: CachedTable, blocks: number): number => {
      let found = 0;
      for (let i = 0; i < blocks; i++) {
        if (table.get(i) !== undefined) found++;
        else {
          table.packed(i, STORED_BYTES);
          if (table.keepsWalked(i)) table.put(i, blockOf(1000));
        }
      }
      return found;
    };
    for (let n = 0; n < 50; n++) walk(table, 300);
    assert.ok(walk(table, 300) > 60);
    // And what another one comes to gets in.
    const other = cache.table(100);
    for (let n = 0; n < 50; n++) walk(other, 100);
    assert.ok(walk(other, 100) > 80);
    assert.equal(cache.packed.bytes, 0);
  });

  it("takes what follows on packed blocks of a closed table at once", () => {
    const cache = new BlockCache(200_000);
    const random = randomFrom(4);
    const before = cache.table(1000);
    shares(before, 60_000, () => random(1000));
    before.close();
    assert.equal(cache.bytes, 0);
    const table = cache.table(230);
    // While there is room all are unpacked.
    for (let i = 0; i < 50; i++) look(table, i);
    assert.deepEqual([cache.blocks, cache.packed.bytes], [50, 0]);
    shares(table, 3000, () => random(230));
    const { file } = shares(table, 3000, () => random(230));
    assert.ok(file < 0.25, `${file} from the file`);
  });

  it("leaves blocks out that are too long to lie packed, and keeps some of them unpacked", () => {
    const cache = new BlockCache(200_000);
    const table = cache.table(1000);
    const random = randomFrom(5);
    shares(table, 60_000, () => random(1000));
    assert.ok(cache.packed.takes(6000) && !cache.packed.takes(7000));
    table.pack(0, new Uint8Array(7000));
    let kept = 0;
    for (let n = 0; n < 8000; n++) if (table.keeps(0, 7000)) kept++;
    assert.ok(kept > 800 && kept < 1200, `${kept} of 8,000`);
  });

  it("keeps a closed table's blocks out", () => {
    const cache = new BlockCache(10_000);
    const table = cache.table(3);
    table.close();
    table.put(1, blockOf(10));
    table.pack(1, storedOf(1));
    assert.deepEqual([table.get(1), table.isPacked(1), cache.blocks], [undefined, false, 0]);
    table.close();
  });
});

describe("PackedBlocks", () => {
  it("gives back what was put until its chunk is written over, the oldest first, or given up", () => {
    const packed = new PackedBlocks(100);
    const places = new Map<number, number>();
    const forgotten: number[] = [];
    const held = () => [[...places.keys()], packed.bytes];
    const owner = {
      forget(index: number) {
        // Those that were given back are told of too.
        if (places.delete(index)) forgotten.push(index);
      },
    };
    assert.ok(!packed.takes(1));
    packed.resize(3);
    const put = (index: number) => places.set(index, packed.put(owner, index, new Uint8Array(40).fill(index)));
    for (let index = 0; index < 20; index++) {
      assert.equal(packed.isFull, index >= 5);
      put(index);
      for (const [of, place] of places) assert.deepEqual(packed.at(place, 40), new Uint8Array(40).fill(of));
      assert.equal(packed.bytes, Math.min(3, 1 + (index >> 1)) * 100);
      // Memory and numbers of chunks that are gone serve again.
      assert.ok(places.get(index)! < 300);
    }
    // Two in each chunk.
    assert.deepEqual(forgotten, Array.from({ length: 14 }, (_, index) => index));
    packed.resize(1);
    assert.deepEqual(held(), [[18, 19], 100]);
    packed.resize(3);
    for (const index of [20, 21, 22]) put(index);
    assert.deepEqual(held(), [[18, 19, 20, 21, 22], 300]);
    // A chunk of which nobody wants a block goes, wherever it stands.
    for (const index of [20, 19, 21]) {
      packed.giveBack(places.get(index)!);
      places.delete(index);
    }
    assert.deepEqual(held(), [[18, 22], 200]);
    for (const index of [23, 24, 25, 26]) put(index);
    assert.deepEqual(held(), [[22, 23, 24, 25, 26], 300]);
    packed.resize(0);
    assert.deepEqual(held(), [[], 0]);
  });
});
