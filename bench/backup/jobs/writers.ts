/**
 * Writers that go on while a backup runs: how many commits they make, and how long each waits.
 *
 * @module
 */
import { join } from "node:path";
import { DB, type Durability } from "@holdfast/db";
import { keyOf, random } from "../../data.ts";
import { Delays } from "../../delays.ts";
import { entryValue } from "../data.ts";
import { type Job, timed } from "./job.ts";

/** Before anything counts: code gets compiled, the first flush is under way. */
const WARM_UP_MS = 2000;

/** Values are made before and reused: making them must not be what writers wait for. */
const VALUES = 4096;

/** `options`: `{ writers, durability, ms, work: "none" | "full" }`. */
export const write: Job = async (task) => {
  const { writers, durability, ms, work } = task.options as {
    writers: number;
    durability: Durability;
    ms: number;
    work: "none" | "full";
  };
  const values = Array.from({ length: VALUES }, (_, i) => entryValue(i, 1));
  await using db = await DB.open(task.source, { durability });
  let running = true;
  let commits = 0;
  let waits = new Delays();
  const one = async (seed: number): Promise<void> => {
    const next = random(seed);
    while (running) {
      const start = performance.now();
      await db.set(keyOf(next() % task.entries), values[next() % VALUES]!);
      waits.add(performance.now() - start);
      commits++;
    }
  };
  const all = Array.from({ length: writers }, (_, i) => one(i + 1));
  await pause(WARM_UP_MS);
  commits = 0;
  waits = new Delays();
  let times = 0;
  let outcome;
  try {
    outcome = await timed(async () => {
      const start = performance.now();
      if (work === "none") await pause(ms);
      // Short ones follow each other, or the window would tell more about the moment than about the backup.
      else {while (performance.now() - start < ms) {
          await db.backup(`${join(task.target, String(times++))}/`, { type: "full" });
        }}
    });
  } finally {
    running = false;
  }
  const figures = {
    perSecond: commits / outcome.ms * 1000,
    worstMs: waits.max,
    p99Ms: waits.percentile(0.99),
    p999Ms: waits.percentile(0.999),
    times,
  };
  await Promise.all(all);
  return { ...outcome, figures };
};

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
