import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Fifo } from "../../lib/base/fifo.ts";

describe("Fifo", () => {
  it("gives items in the order they came, however pushes and shifts mix", () => {
    const fifo = new Fifo<number>();
    const model: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      fifo.push(i);
      model.push(i);
      if (i % 3 !== 0) assert.equal(fifo.shift(), model.shift());
      if (i % 5000 === 0) assert.deepEqual([...fifo], model);
    }
    assert.equal(fifo.length, model.length);
    while (model.length > 0) {
      assert.equal(fifo.first, model[0]);
      assert.equal(fifo.shift(), model.shift());
    }
    assert.equal(fifo.shift(), undefined);
    assert.equal(fifo.first, undefined);
    assert.equal(fifo.length, 0);
  });
});
