/**
 * Real processes on real files, with a chosen call to the system made to fail, or to be the last one: `strace` does that
 * from outside, so that nothing of the product or the runtime knows. Needs `strace` and the right to trace processes; where
 * they are missing it says so.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { LONG, pick, randomFrom, SEED } from "./random.ts";
import { installedRuntimes, judge, ownRuntime, startWriter } from "./writer_process.ts";

/** Calls that a database makes and a runtime by itself does not, so that their failure is felt by nobody else. */
const SYNCS = "fdatasync,fsync";
const FAILING = [SYNCS, "pwrite64,pwritev", "ftruncate", "rename,renameat,renameat2"];

/** Calls at which a process may die. */
const LAST = [...FAILING, "openat", "unlink,unlinkat", "close"];

/** How many of each; the number of the call is counted in each thread by itself. */
const ROUNDS = LONG ? 60 : 1;
const NUMBER_MAX = LONG ? 300 : 20;

/** Where the chosen call is never made the writer is killed at last. */
const LIFE_MS = LONG ? 4000 : 1000;

const runtimes = LONG ? installedRuntimes() : [ownRuntime];

/** Why nothing can be injected here; undefined where it can. */
function obstacle(): string | undefined {
  const { error, status, stderr } = spawnSync("strace", ["-f", "-qq", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (error !== undefined) return `strace does not start (${error.message})`;
  return status === 0 ? undefined : `strace may not trace processes (${stderr.trim()})`;
}

const missing = obstacle();

describe("a call to the system that", () => {
  for (const [what, calls] of [["fails", FAILING], ["is the last one", LAST]] as const) {
    it(`${what} loses nothing that was acknowledged`, async () => {
      if (missing !== undefined) return void console.log(`not tried: ${missing}`);
      const root = mkdtempSync(join(tmpdir(), "holdfast-injected-"));
      const random = randomFrom(SEED);
      const directory = join(root, "data");
      let last = -1;
      let tried = 0;
      let felt = 0;
      try {
        for (let round = 0; round < ROUNDS; round++) {
          for (const call of calls) {
            const runtime = runtimes[tried++ % runtimes.length]!;
            const inject = `inject=${call}:${what === "fails" ? "error=EIO" : "signal=KILL"}:when=${
              1 + pick(random, NUMBER_MAX)
            }`;
            const trace = join(root, "trace");
            const through = ["strace", "-f", "-qq", "-o", trace, "-e", `trace=${call}`, "-e", inject];
            const context = `${inject} in ${runtime}; again with HOLDFAST_SEED=${SEED}`;
            const writer = startWriter({ runtime, directory, first: last + 1, through });
            await writer.alive;
            const timer = setTimeout(() => writer.kill(), LIFE_MS);
            const { acknowledged, other, complaints } = await writer.ended;
            clearTimeout(timer);
            // Where a call fails, dying says nothing: it may be the kill after its time.
            const mark = what === "fails" ? /\(INJECTED\)/ : /\(INJECTED\)|killed by SIGKILL/;
            const met = mark.test(readFileSync(trace, "utf8"));
            if (met) felt++;
            const failure = other.find((line) => line.startsWith("failed"));
            const lines = `${context}: ${other.join("; ")} ${complaints}`;
            if (failure !== undefined) checkFailed(other, lines);
            // A sync that failed is never passed over, wherever it was.
            else if (what === "fails" && call === SYNCS && met) assert.ok(!other.includes("open"), lines);
            last = await judge(directory, { before: last, acknowledged, context, whole: false });
          }
        }
        last = await judge(directory, { before: last, acknowledged: [], context: "at the end", whole: true });
        console.log(`${tried} writers of which ${felt} met it; ${last + 1} writes, all there`);
        assert.ok(last > 0);
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    });
  }
});

/** After a failed call of the log nothing is acknowledged any more, but everything is read. */
function checkFailed(lines: readonly string[], context: string): void {
  const after = lines.slice(lines.findIndex((line) => line.startsWith("failed")) + 1);
  const reads = /^reads (\S+) (\S+)$/.exec(after[0] ?? "");
  assert.ok(reads !== null && reads[1] === reads[2], context);
  assert.match(after[1] ?? "", /^(refuses (READ_ONLY|IO)|writes)$/, context);
}
