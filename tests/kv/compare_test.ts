/**
 * The same calls on ours and on another: in Deno the KV that it has, in a program of its own; everywhere a model. The seed
 * of a failure is in its message; `HOLDFAST_SEED` gives it back.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { KvU64, openKv } from "../../lib/adapters/kv.ts";
import { LONG, TURN } from "../crash/random.ts";
import { compare, type Tally } from "./compare.ts";
import { ModelKv } from "./model.ts";
import { callsWith } from "./operations.ts";

const program = fileURLToPath(new URL("deno_program.ts", import.meta.url));

describe("a KV", () => {
  it("does what a sorted array of entries does", async () => {
    const tally: Tally = { calls: 0, errors: 0, refused: 0, left: 0 };
    await fc.assert(
      fc.asyncProperty(callsWith(false), async (calls) => {
        await using kv = await openKv(":memory:");
        const model = { kv: new ModelKv(), u64: KvU64, cursors: false };
        await compare({ kv, u64: KvU64, cursors: true }, model, calls, tally);
      }),
      { numRuns: LONG ? 1000 : 15, seed: TURN, interruptAfterTimeLimit: LONG ? 300_000 : 60_000 },
    );
    assert.ok(tally.calls > 100 && tally.refused > 2, JSON.stringify(tally));
  });

  if ("Deno" in globalThis) {
    it("does what Deno's does, call by call", () => {
      const args = ["run", "-A", "--no-check", "--unstable-kv", program, String(LONG ? 1000 : 10), String(TURN)];
      const tally: Tally = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8", stdio: "pipe" }));
      assert.ok(tally.calls > 100 && tally.errors > 10 && tally.refused > 2, JSON.stringify(tally));
    });
  }
});
