/** Real processes, killed without warning while they write to real files. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LONG, pick, randomFrom, SEED } from "./random.ts";
import { installedRuntimes, judge, ownRuntime, type Said, startWriter, type WriterOptions } from "./writer_process.ts";

/** Kills in each runtime. */
const KILLS = LONG ? 400 : 24;

/** Longest time between the first sign of life and the kill, ms. */
const LIFE_MS = 120;

/** The long form changes runtimes from kill to kill, on one database. */
const runtimes = LONG ? installedRuntimes() : [ownRuntime];

describe("a writer killed at any moment", () => {
  it("loses nothing that was acknowledged, leaves nothing half done, and holds no lock", async () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
    const random = randomFrom(SEED);
    const directory = join(root, "data");
    let last = -1;
    let written = 0;
    let early = 0;
    try {
      for (let kill = 1; kill <= KILLS; kill++) {
        const runtime = runtimes[kill % runtimes.length]!;
        // Now and then before it has opened the database, or while it recovers.
        const atOnce = random() < 0.2;
        const after = pick(random, LIFE_MS);
        const { acknowledged, signal, complaints } = await killed(
          // Half of them with so many writers that groups of commits overlap.
          { runtime, directory, first: last + 1, writers: kill % 4 < 2 ? 8 : 64 },
          atOnce,
          after,
        );
        assert.equal(signal, "SIGKILL", `the writer ended by itself: ${complaints}`);
        written += acknowledged.length;
        if (acknowledged.length === 0) early++;
        const context = `kill ${kill} of a writer in ${runtime}, ${after} ms after ${
          atOnce ? "its start" : "it opened"
        }; again with HOLDFAST_SEED=${SEED}`;
        last = await judge(directory, { before: last, acknowledged, context, whole: kill === KILLS });
      }
      console.log(`${KILLS} kills, ${early} of them before the first write; ${written} writes acknowledged, all there`);
      assert.ok(written > KILLS, "the writers wrote");
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

/** Starts a writer and kills it so many ms after its start, or after it opened the database. */
async function killed(options: WriterOptions, atOnce: boolean, after: number): Promise<Said> {
  const writer = startWriter(options);
  if (!atOnce) await writer.alive;
  setTimeout(() => writer.kill(), after);
  return await writer.ended;
}
