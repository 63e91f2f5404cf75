/**
 * Compares with the KV that Deno has, which a program gets only when it is started with `--unstable-kv`:
 *
 *     deno run -A --no-check --unstable-kv tests/kv/deno_program.ts RUNS SEED
 */
import assert from "node:assert/strict";
import process from "node:process";
import fc from "fast-check";
import { KvU64, openKv } from "../../lib/adapters/kv.ts";
import { compare, type Tally } from "./compare.ts";
import { makeMistakes, MISTAKES } from "./mistakes.ts";
import { callsWith } from "./operations.ts";
import type { Comparable } from "./player.ts";

const [runs, seed] = process.argv.slice(2).map(Number);
const { Deno } = globalThis as unknown as {
  Deno: { openKv(path: string): Promise<Comparable["kv"]>; KvU64: Comparable["u64"] };
};
const tally: Tally = { calls: 0, errors: 0, refused: 0, left: 0 };
await fc.assert(
  fc.asyncProperty(callsWith(true), async (calls) => {
    const kv = await openKv(":memory:");
    const theirs = await Deno.openKv(":memory:");
    try {
      await compare({ kv, u64: KvU64, cursors: true }, { kv: theirs, u64: Deno.KvU64, cursors: true }, calls, tally);
    } finally {
      await kv.close();
      theirs.close();
    }
  }),
  { numRuns: runs!, seed: seed!, endOnFailure: true },
);
const kv = await Deno.openKv(":memory:");
assert.deepEqual(
  (await makeMistakes(kv, Deno.KvU64)).map((outcome, i) => `${MISTAKES[i]!.name}: ${outcome}`),
  MISTAKES.map(({ name, ours, denos }) => `${name}: ${denos ?? ours}`),
);
kv.close();
process.stdout.write(`${JSON.stringify(tally)}\n`);
