import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { describe, it } from "node:test";
import { Slicer, yieldToLoop } from "../../lib/base/yield.ts";

describe("yieldToLoop", () => {
  it("lets what waits in the loop go first", async () => {
    let ran = false;
    setImmediate(() => ran = true);
    await yieldToLoop();
    assert.equal(ran, true);
  });
});

describe("Slicer", () => {
  it("yields once per used-up slice and not before", async () => {
    let time = 0;
    let turns = 0;
    const slicer = new Slicer(() => time, undefined, 2);
    const count = (): void => void setImmediate(() => turns++);
    count();
    time = 1;
    await slicer.tick();
    assert.equal(turns, 0);
    assert.equal(slicer.due(), false);
    time = 2;
    assert.equal(slicer.due(), true);
    await slicer.tick();
    assert.equal(turns, 1);
    assert.equal(slicer.due(), false);
  });

  it("throws the reason of a signal between two slices, and not within one", async () => {
    let time = 0;
    const reason = new Error("no longer wanted");
    const slicer = new Slicer(() => time, AbortSignal.abort(reason));
    await slicer.tick();
    time = 10;
    await assert.rejects(slicer.tick(), (error) => error === reason);
  });

  it("takes a clock that went backward for a used-up slice", async () => {
    let time = 1000;
    const slicer = new Slicer(() => time);
    time = 10;
    assert.equal(slicer.due(), true);
    await slicer.tick();
    assert.equal(slicer.due(), false);
  });
});
