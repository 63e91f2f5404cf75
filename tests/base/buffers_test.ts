import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { borrow, BUFFER_BYTES, giveBack } from "../../lib/base/buffers.ts";

describe("borrow()", () => {
  it("lends memory again once it was given back, by any view of it, and to one at a time", () => {
    const first = borrow(2 ** 20);
    assert.equal(first.length, 2 ** 20);
    const other = borrow(2 ** 20);
    assert.notEqual(other.buffer, first.buffer);
    giveBack(first.subarray(100, 200));
    giveBack(first);
    const again = [borrow(BUFFER_BYTES), borrow(BUFFER_BYTES)];
    assert.equal(again[0]!.buffer, first.buffer);
    assert.notEqual(again[1]!.buffer, first.buffer);
    for (const bytes of [other, ...again]) giveBack(bytes);
  });

  it("lends large memory again, to who wants nearly as much", () => {
    const MIB = 2 ** 20;
    const part = borrow(8 * MIB - 100);
    giveBack(part.subarray(5));
    giveBack(part);
    assert.equal(borrow(8 * MIB).buffer, part.buffer);
    assert.notEqual(borrow(8 * MIB).buffer, part.buffer);
    giveBack(part);
    assert.notEqual(borrow(4 * MIB).buffer, part.buffer);
    assert.notEqual(borrow(9 * MIB).buffer, part.buffer);
  });

  it("takes back nothing that it did not lend", () => {
    const foreign = new Uint8Array(BUFFER_BYTES);
    giveBack(foreign);
    giveBack(undefined);
    const small = borrow(10);
    const large = borrow(BUFFER_BYTES + 1);
    assert.deepEqual([small.length, large.length], [10, BUFFER_BYTES + 1]);
    giveBack(small);
    giveBack(large);
    const lent = Array.from({ length: 20 }, () => borrow(BUFFER_BYTES));
    const memories = new Set(lent.map(({ buffer }) => buffer));
    assert.equal(memories.size, 20);
    for (const { buffer } of [foreign, small, large]) assert.ok(!memories.has(buffer));
  });
});
