/** Real processes, killed without warning while they write to real files. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { DB } from "../../mod.ts";
import { entryKey, isKept, OPTIONS, tagOf, valueKey, valueOf } from "./kill_plan.ts";
import { LONG, pick, randomFrom, SEED } from "./random.ts";

/** Kills in each runtime. */
const KILLS = LONG ? 400 : 24;

/** Longest time between the first sign of life and the kill, ms. */
const LIFE_MS = 120;

const writer = fileURLToPath(new URL("kill_writer.ts", import.meta.url));
const bin = process.env["HOLDFAST_RUNTIMES"] ?? fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));

/** Deno gets the least that users give it: the directory, nothing else. */
const argumentsOf: Record<string, (directory: string) => string[]> = {
  deno: (directory) => [
    "run",
    "--no-prompt",
    "--no-check",
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
  ],
  bun: () => ["run"],
  node: () => [],
};

/** The runtime that runs this file; the long form changes runtimes from kill to kill, on one database. */
const own = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
const runtimes = LONG ? Object.keys(argumentsOf).filter((name) => existsSync(join(bin, name))) : [own];

describe("a writer killed at any moment", () => {
  it("loses nothing that was acknowledged, leaves nothing half done, and holds no lock", async () => {
    const root = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
    const random = randomFrom(SEED);
    const directory = join(root, "data");
    let last = -1;
    let acknowledged = 0;
    let early = 0;
    try {
      for (let kill = 1; kill <= KILLS; kill++) {
        const runtime = runtimes[kill % runtimes.length]!;
        // Now and then before it has opened the database, or while it recovers.
        const atOnce = random() < 0.2;
        const after = pick(random, LIFE_MS);
        const said = await killWriter(runtime, directory, last + 1, { atOnce, after });
        acknowledged += said.length;
        if (said.length === 0) early++;
        const context = `kill ${kill} of a writer in ${runtime}, ${after} ms after ${
          atOnce ? "its start" : "it opened"
        }; again with HOLDFAST_SEED=${SEED}`;
        last = await judge(directory, last, said, context, kill === KILLS);
      }
      console.log(
        `${KILLS} kills, ${early} of them before the first write; ${acknowledged} writes acknowledged, all there`,
      );
      assert.ok(acknowledged > KILLS, "the writers wrote");
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  });
});

/** Starts a writer, kills it, and gives the numbers that it said were acknowledged. */
async function killWriter(
  runtime: string,
  directory: string,
  first: number,
  { atOnce, after }: { atOnce: boolean; after: number },
): Promise<number[]> {
  const binary = runtime === own ? process.execPath : join(bin, runtime);
  const child = spawn(binary, [...argumentsOf[runtime]!(dirname(directory)), writer, directory, String(first)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise<NodeJS.Signals | null>((resolve) => {
    child.once("close", (_code, signal) => resolve(signal));
  });
  let said = "";
  let complaints = "";
  const kill = (): void => void setTimeout(() => child.kill("SIGKILL"), after);
  if (atOnce) kill();
  child.stdout.on("data", (data: Uint8Array) => {
    if (said === "" && !atOnce) kill();
    said += data;
  });
  child.stderr.on("data", (data: Uint8Array) => complaints += data);
  const signal = await closed;
  assert.equal(signal, "SIGKILL", `the writer ended by itself: ${complaints}`);
  // A last line without its end may be cut off in the middle of the number.
  const lines = said.split("\n").slice(0, -1);
  return lines.filter((line) => line !== "open").map(Number);
}

/** Opens the database and looks for everything; gives the newest number that is there. */
async function judge(
  directory: string,
  before: number,
  said: readonly number[],
  context: string,
  whole: boolean,
): Promise<number> {
  const db = await DB.open(directory, OPTIONS);
  try {
    const last = await db.get<number>("newest") ?? -1;
    const promised = said.reduce((most, n) => Math.max(most, n), before);
    assert.ok(last >= promised, `${context}: write ${promised} was acknowledged, the newest found is ${last}`);
    assert.equal(await db.count({ prefix: "entry/" }), last + 1, `${context}: entries without gaps`);
    // What was there before the writer began has been looked at after the kill before.
    for (let n = whole ? 0 : Math.max(0, before - 100); n <= last; n++) {
      assert.deepEqual(await db.getEntry(entryKey(n)).then((entry) => entry && [entry.value, entry.tags]), [
        { n },
        [tagOf(n)],
      ], `${context}: entry ${n}`);
      const expected = isKept(n, last) ? valueOf(n) : undefined;
      assert.equal(await db.get(valueKey(n)), expected, `${context}: value ${n}`);
    }
    assert.equal(await db.get(entryKey(last + 1)), undefined);
    assert.equal(await db.get(valueKey(last + 1)), undefined);
    let tagged = 0;
    for await (const { key } of db.list({ tag: tagOf(last) })) {
      if (key.startsWith("entry/")) tagged++;
    }
    assert.equal(tagged, Math.floor(Math.max(0, last) / 5) + (last < 0 ? 0 : 1), `${context}: entries of one tag`);
    const report = await db.verify();
    assert.deepEqual(report.problems, [], context);
    return last;
  } finally {
    await db.close();
  }
}
