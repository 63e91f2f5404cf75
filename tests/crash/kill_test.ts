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

/** Half of those that live so long die after so many lines at most: on a busy machine the time alone is over before a write. */
const LINES_MAX = 400;

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
        const lines = pick(random, 2) === 0 ? 1 : 2 + pick(random, LINES_MAX);
        const { acknowledged, signal, complaints } = await killed(
          // Half of them with so many writers that groups of commits overlap.
          { runtime, directory, first: last + 1, writers: kill % 4 < 2 ? 8 : 64 },
          atOnce ? 0 : lines,
          after,
        );
        assert.equal(signal, "SIGKILL", `the writer ended by itself: ${complaints}`);
        written += acknowledged.length;
        if (acknowledged.length === 0) early++;
        const context = `kill ${kill} of a writer in ${runtime}, ${after} ms after ${
          atOnce ? "its start" : `line ${lines}`
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

/** Starts a writer and kills it so many ms after it has said so many lines; the first is that it opened the database. */
async function killed(options: WriterOptions, lines: number, after: number): Promise<Said> {
  const writer = startWriter(options);
  await writer.heard(lines);
  setTimeout(() => writer.kill(), after);
  return await writer.ended;
}
