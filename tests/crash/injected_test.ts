/**
 * Real processes on real files, with a chosen call to the system made to fail, or to be the last one. Needs `strace` and the
 * right to trace processes; where they are missing it says so. The long form is a grid: every call, its first times and some
 * later ones, every outcome, on a new database and on one that has to recover first.
 */
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { judgeInjected } from "./injected_judge.ts";
import { type Call, CALLS, type Injection, nameOf, obstacle, type Outcome, tracer } from "./injection.ts";
import { OPTIONS, write } from "./kill_plan.ts";
import { LONG, pick, randomFrom, SEED } from "./random.ts";
import { ownRuntime, type Said, startWriter } from "./writer_process.ts";

/** What is tried: accidents, on a database of so many writes (0: none yet). */
interface Case {
  injections: Injection[];
  before: number;
}

/** Writes that an older process left behind, unclean. */
const BEFORE = 160;

/** Where the chosen call is never made the writer is killed at last; where it was, it has time to feel it. */
const LIFE_MS = 4000;
const FEELS_MS = 400;
/** One that has felt it says what still works, and ends; on a machine with much to do that takes its time. */
const LAST_WORDS_MS = 20_000;
const LOOK_MS = 50;

const missing = obstacle();

/** Every call by every outcome. A close or removal that fails has nothing to do with space. */
function outcomesOf(call: Call): Outcome[] {
  const all: Outcome[] = ["EIO", "ENOSPC", "KILL", "EIO+", "ENOSPC+"];
  return call === "close" || call === "remove" ? ["EIO", "KILL", "EIO+"] : all;
}

/** A cut is made where a write failed; so one has to. */
function injectionsOf(call: Call, nth: number, outcome: Outcome): Injection[] {
  const injection: Injection = { call, nth, outcome };
  if (call !== "cut") return [injection];
  return [{ call: "write", nth, outcome: "ENOSPC" }, { ...injection, nth: 1 }];
}

/** How much is there before: a first marker is linked, and one that takes the place of another is renamed. */
function startsOf(call: Call): number[] {
  return call === "link" ? [0] : call === "rename" ? [BEFORE] : [0, BEFORE];
}

function grid(): Case[] {
  const cases: Case[] = [];
  for (const call of Object.keys(CALLS) as Call[]) {
    for (const outcome of outcomesOf(call)) {
      for (const nth of call === "rename" || call === "link" ? [1, 2] : [1, 2, 4, 9, 25]) {
        for (const before of startsOf(call)) cases.push({ injections: injectionsOf(call, nth, outcome), before });
      }
    }
  }
  return cases;
}

/** One of each call: every other one fails, the rest are the last. */
function sample(): Case[] {
  const random = randomFrom(SEED);
  return (Object.keys(CALLS) as Call[]).map((call, i) => {
    const failures = outcomesOf(call).filter((outcome) => outcome !== "KILL");
    const outcome = (i + SEED) % 2 === 0 ? "KILL" : failures[pick(random, failures.length)]!;
    const nth = call === "rename" || call === "link" ? 1 : 1 + pick(random, 8);
    const starts = startsOf(call);
    return { injections: injectionsOf(call, nth, outcome), before: starts[(i >> 1) % starts.length]! };
  });
}

/** A database with tables that its writer left without closing it, its newest writes in the log alone. */
async function leaveUnclean(at: string, copy: string): Promise<void> {
  const writeUpTo = async (db: DB, from: number, to: number): Promise<void> => {
    for (let n = from; n < to; n += 8) await Promise.all(Array.from({ length: 8 }, (_, i) => write(db, n + i)));
  };
  {
    await using db = await DB.open(at, OPTIONS);
    await writeUpTo(db, 0, BEFORE / 2);
  }
  // No flush and no compaction now: nothing goes away while it is copied.
  await using db = await DB.open(at, {
    ...OPTIONS,
    memtableBytes: 2 ** 26,
    tuning: { ...OPTIONS.tuning, level0Tables: 64 },
  });
  await writeUpTo(db, BEFORE / 2, BEFORE);
  cpSync(at, copy, { recursive: true });
}

describe("a call to the system that fails or is the last one", () => {
  it(`in ${ownRuntime} loses nothing that was acknowledged, and after a failed sync nothing is`, async () => {
    if (missing !== undefined) return void console.log(`not tried: ${missing}`);
    const root = mkdtempSync(join(tmpdir(), "holdfast-injected-"));
    try {
      await leaveUnclean(join(root, "older"), join(root, "unclean"));
      const felt = new Map<string, number>();
      if (!LONG) await tryAll(root, sample(), felt);
      else {
        for (const call of Object.keys(CALLS) as Call[]) {
          await tryAll(root, grid().filter(({ injections }) => injections.at(-1)!.call === call), felt);
        }
      }
      const kills = felt.get("KILL") ?? 0;
      assert.ok(
        kills >= (LONG ? 40 : 3) && felt.size > 1,
        `only ${[...felt].map(([what, n]) => `${n} ${what}`)} happened`,
      );
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

async function tryAll(root: string, cases: readonly Case[], all: Map<string, number>): Promise<void> {
  const directory = join(root, "data");
  const trace = join(root, "trace");
  const unclean = join(root, "unclean");
  const felt: Record<string, number> = {};
  let writes = 0;
  for (const { injections, before } of cases) {
    const context = `${injections.map(nameOf).join(" and ")} in ${ownRuntime} after ${before} writes; ` +
      `again with HOLDFAST_SEED=${SEED}`;
    for (const path of [directory, trace]) rmSync(path, { recursive: true, force: true });
    if (before > 0) cpSync(unclean, directory, { recursive: true });
    const through = tracer(injections, directory, trace);
    const { said, injected, died } = await tryOut({ runtime: ownRuntime, directory, first: before, through }, trace);
    const { call, nth, outcome } = injections.at(-1)!;
    const met = outcome === "KILL" ? died : injected;
    // Each of them makes every call at least once; only a cut is left to what else goes wrong.
    if (nth === 1 && call !== "cut") assert.ok(met, `${context}: it never happened`);
    if (met) felt[outcome] = (felt[outcome] ?? 0) + 1;
    if (outcome !== "KILL") checkFelt({ call, outcome, met }, said, context);
    writes += await judgeInjected(directory, { first: before, said, context });
  }
  const met = Object.entries(felt).map(([outcome, count]) => `${count} ${outcome}`).join(", ");
  const calls = LONG ? `, ${cases[0]!.injections.at(-1)!.call}` : "";
  console.log(`${cases.length} writers in ${ownRuntime}${calls}, which met: ${met}; ${writes} writes, all there`);
  for (const [outcome, count] of Object.entries(felt)) all.set(outcome, (all.get(outcome) ?? 0) + count);
}

/** Runs a writer under accidents to its end. */
async function tryOut(
  options: Parameters<typeof startWriter>[0],
  trace: string,
): Promise<{ said: Said; injected: boolean; died: boolean }> {
  const writer = startWriter(options);
  const wait = (ms: number): Promise<unknown> =>
    Promise.race([new Promise((resolve) => setTimeout(resolve, ms)), writer.ended]);
  // Asked before it is killed from here. One that an accident killed has ended; the trace doesn't tell.
  let died = false;
  void writer.ended.then(({ signal }) => died = signal === "SIGKILL");
  const isInjected = (): boolean => existsSync(trace) && readFileSync(trace, "utf8").includes("(INJECTED)");
  await writer.alive;
  let injected = isInjected();
  for (let waited = 0; !injected && !died && waited < LIFE_MS; waited += LOOK_MS) {
    await wait(LOOK_MS);
    injected = isInjected();
  }
  if (injected) await wait(FEELS_MS);
  if (writer.other().some((line) => line.startsWith("failed"))) await wait(LAST_WORDS_MS);
  const before = died;
  writer.kill();
  return { said: await writer.ended, injected, died: before };
}

/** What a writer has to say after a call that failed. */
function checkFelt(
  { call, outcome, met }: { call: Call; outcome: Outcome; met: boolean },
  { acknowledged, other, complaints, signal }: Said,
  context: string,
): void {
  const lines = `${context}: ${other.join("; ")} ${complaints}`;
  const at = other.findIndex((line) => line.startsWith("failed"));
  const opened = other.includes("open");
  // Where space is missing tables are given up and tried again; any other failed sync is final, wherever it was.
  const final = call.startsWith("sync") && outcome.startsWith("EIO");
  // Deno itself gives up when a directory can't be closed; what the database holds is judged all the same.
  const isTold = /\((IO|EIO|NO_SPACE|ENOSPC)\)|Deno has panicked/;
  if (!opened && signal === null) assert.match(complaints, isTold, lines);
  if (at === -1) {
    assert.ok(!final || !met || !opened, `${lines}: nothing was noticed`);
    return;
  }
  // Everything is read, and nothing more is acknowledged but where only space was missing.
  const [reads = "", writes = ""] = other.slice(at + 1);
  const newest = /^reads (\S+) (\S+)$/.exec(reads);
  assert.ok(newest !== null && newest[1] === newest[2], lines);
  // A log that could not be begun holds nothing, and the next one may be.
  const begun = acknowledged.length > 0;
  const allowed = !begun
    ? /^(refuses (READ_ONLY|NO_SPACE|IO)|writes)$/
    : final
    ? /^refuses READ_ONLY$/
    : /^(refuses (READ_ONLY|NO_SPACE)|writes)$/;
  assert.match(writes, allowed, lines);
}
