import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, sharedPrefix } from "../../lib/base/bytes.ts";
import { BlockCursor, FOUND } from "../../lib/format/table/block_cursor.ts";
import { DataBlock, DataBlockBuilder } from "../../lib/format/table/data_block.ts";
import { hashKey } from "../../lib/format/table/filter.ts";
import { rowHints, tagOf } from "../../lib/format/table/row_hints.ts";

interface Entry {
  key: Uint8Array;
  version: number;
}

function blockOf(entries: readonly Entry[], restartInterval: number, cellBytes = 3): DataBlock {
  const builder = new DataBlockBuilder(restartInterval, 4096);
  let before = new Uint8Array(0);
  for (const { key, version } of entries) {
    builder.add(key, sharedPrefix(before, key), version, version * 10, new Uint8Array(cellBytes).fill(version));
    before = key.slice();
  }
  return new DataBlock(builder.finish().slice(), "file", 64);
}

/** Keys in order, some with several versions. */
function entriesOf(count: number): Entry[] {
  const entries: Entry[] = [];
  for (let i = 0; entries.length < count; i++) {
    const key = encodeText(`key ${String(i * 2).padStart(4, "0")}`);
    for (let version = i % 5 === 0 ? 9 : 1; version >= 1 && entries.length < count; version -= 2) {
      entries.push({ key, version });
    }
  }
  return entries;
}

describe("hints of a block", () => {
  it("lead to what a search finds, present or not, at every version", () => {
    for (const restartInterval of [1, 3, 4, 16]) {
      for (const count of [1, 2, 30, 128]) {
        const block = blockOf(entriesOf(count), restartInterval);
        const hints = rowHints(block)!;
        const [searched, hinted] = [new BlockCursor(), new BlockCursor()];
        searched.attach(block);
        hinted.attach(block);
        for (let i = 0; i < count * 2 + 4; i++) {
          const key = encodeText(`key ${String(i).padStart(4, "0")}`);
          for (let version = 0; version <= 10; version++) {
            const found = searched.find(key, version) === FOUND;
            const what = `${restartInterval} ${count}: key ${i} at ${version}`;
            assert.equal(hinted.findByHints(hints, tagOf(hashKey(key).a), key, version) === FOUND, found, what);
            if (!found) continue;
            assert.equal(hinted.version, searched.version, what);
            assert.equal(hinted.cellStart, searched.cellStart, what);
            assert.equal(hinted.cellEnd, searched.cellEnd, what);
          }
        }
      }
    }
  });

  it("are believed by nobody: another key with the same tag is not found", () => {
    const block = blockOf(entriesOf(20), 4);
    const hints = rowHints(block)!;
    const cursor = new BlockCursor();
    cursor.attach(block);
    for (const { key } of entriesOf(20)) {
      const tag = tagOf(hashKey(key).a);
      assert.notEqual(cursor.findByHints(hints, tag, encodeText("key 0003"), 10), FOUND);
      assert.notEqual(cursor.findByHints(hints, tag, encodeText("a"), 10), FOUND);
      assert.notEqual(cursor.findByHints(hints, tag, encodeText("z"), 10), FOUND);
    }
  });

  it("are not made for blocks of very many rows, or very long ones", () => {
    assert.equal(rowHints(blockOf(entriesOf(129), 4)), undefined);
    assert.equal(rowHints(blockOf(entriesOf(2), 4, 40_000)), undefined);
  });
});
