import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  beginSimulation,
  monotonicNow,
  offload,
  ofProcess,
  randomBytes,
  randomNumber,
} from "../../lib/base/simulation.ts";

const which = (): Promise<string> => offload(() => Promise.resolve("beside"), () => "at once");

describe("a simulation", () => {
  it("has work done at once and chance come from its seed, as long as it lasts", async () => {
    assert.equal(await which(), "beside");
    const { end } = beginSimulation(() => 0.5);
    try {
      assert.equal(await which(), "at once");
      assert.deepEqual([randomNumber(), ...randomBytes(2)], [0.5, 128, 128]);
      assert.equal(monotonicNow() - monotonicNow(), -0.25);
      assert.throws(() => beginSimulation(() => 0), /another simulation/);
    } finally {
      end();
    }
    assert.equal(await which(), "beside");
    assert.notDeepEqual(randomBytes(16), randomBytes(16));
  });

  it("gives each process a memory of its own, and the real one its back", () => {
    const memory = ofProcess(() => new Set<string>());
    memory().add("real");
    const { beginProcess, end } = beginSimulation(() => 0);
    try {
      assert.equal(memory().size, 0);
      memory().add("simulated");
      assert.deepEqual([...memory()], ["simulated"]);
      beginProcess();
      assert.equal(memory().size, 0);
    } finally {
      end();
    }
    assert.deepEqual([...memory()], ["real"]);
  });
});
