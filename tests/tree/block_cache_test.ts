import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { DataBlock, DataBlockBuilder } from "../../lib/format/table/data_block.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { randomFrom } from "./table_fixture.ts";

function blockOf(bytes: number): DataBlock {
  const builder = new DataBlockBuilder(4, 64);
  builder.add(new Uint8Array(1), 0, 1, 1, new Uint8Array(bytes));
  return new DataBlock(builder.finish().slice(), "t.sst", 64);
}

describe("BlockCache", () => {
  it("keeps what fits and gives it back", () => {
    const cache = new BlockCache(100_000);
    const table = cache.table(10);
    const blocks = Array.from({ length: 10 }, () => blockOf(1000));
    for (const [i, block] of blocks.entries()) {
      assert.equal(table.get(i), undefined);
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
      if (tables[t]!.get(i) === undefined) tables[t]!.put(i, blockOf(random(random(30) === 0 ? 20_000 : 3000)));
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
    for (let i = 0; table.keeps && i < 100; i++) table.put(i, blockOf(1000));
    assert.ok(cache.bytes > 90_000 && cache.bytes <= 100_000, `${cache.bytes} of 100,000`);
    const answers = Array.from({ length: 8000 }, () => table.keeps);
    const kept = answers.filter(Boolean).length;
    assert.ok(kept > 800 && kept < 1200, `${kept} of 8,000`);
    // A round of lookups that comes again finds others kept each time.
    const rounds = new Set(Array.from({ length: 20 }, (_, i) => answers.slice(i * 40, i * 40 + 40).indexOf(true)));
    assert.ok(rounds.size > 5, `${rounds.size} first ones`);
    table.close();
    assert.ok(cache.table(1).keeps);
  });

  it("keeps a closed table's blocks out", () => {
    const cache = new BlockCache(10_000);
    const table = cache.table(3);
    table.close();
    table.put(1, blockOf(10));
    assert.deepEqual([table.get(1), cache.blocks], [undefined, 0]);
    table.close();
  });
});
