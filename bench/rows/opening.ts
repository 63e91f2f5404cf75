/**
 * Rows that open a database and read one entry: after it was closed, and after its process was killed.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { keyOf } from "../data.ts";
import type { Driver } from "../drivers/driver.ts";
import { median } from "../report.ts";
import { command, currentRuntime } from "../runtime.ts";
import { SHORT } from "../values.ts";
import { checkAll } from "./loads.ts";
import { type Measured, read, type Row, type Task } from "./row.ts";

/** All rows that open. */
export const OPENING: readonly Row[] = [
  { id: "reopen", title: "reopen and read one", unit: "ms", needs: "loaded", measure: reopen },
  { id: "open-killed", title: "open after a kill and read one", unit: "ms", needs: "nothing", measure: openKilled },
  {
    id: "open-killed-again",
    title: "open after a second kill and read one",
    unit: "ms",
    needs: "nothing",
    measure: openKilledAgain,
  },
];

/** Opens it and reads entry `i`, in the time given. */
async function open({ kind, directory }: Task, i: number): Promise<{ driver: Driver; ms: number }> {
  const start = performance.now();
  const driver = await kind.open(directory, "load");
  const value = await read(driver, i);
  const ms = performance.now() - start;
  if (!SHORT.isExactly(i, value)) throw new Error(`get(${keyOf(i)}) gave a wrong value.`);
  return { driver, ms };
}

async function reopen(task: Task): Promise<Measured> {
  const times: number[] = [];
  // The first time pays for loading the code, and doesn't count.
  for (let round = 0; round <= 10; round++) {
    const { driver, ms } = await open(task, round * 7919 % task.entries);
    if (round > 0) times.push(ms);
    await driver.close();
  }
  return { value: median(times), operations: 10, ms: times.reduce((sum, ms) => sum + ms), checked: 10 };
}

async function openKilled(task: Task): Promise<Measured> {
  await startAndKill(task);
  return await openAsLeft(task);
}

/** Killed after its load, and once more a second after it was opened. */
async function openKilledAgain(task: Task): Promise<Measured> {
  await startAndKill(task);
  await startAndKill(task, "--again");
  return await openAsLeft(task);
}

async function openAsLeft(task: Task): Promise<Measured> {
  const { kind, directory, entries } = task;
  // Loading the code is not in the time here either.
  const elsewhere = join(directory, "elsewhere");
  await mkdir(elsewhere);
  const other = await kind.open(elsewhere, "load");
  await read(other, 0);
  await other.close();

  const { driver, ms } = await open(task, 7919 % entries);
  // What a batch wrote survives the process being killed: all of it must be there.
  const checked = await checkAll(driver, entries, SHORT);
  await driver.close();
  return { value: ms, operations: 1, ms, checked };
}

/** Another process loads the database, or opens it again, and is killed before it closes it. */
async function startAndKill({ kind, directory, entries }: Task, ...options: string[]): Promise<void> {
  const [program, args] = command(currentRuntime(), "load_and_wait.ts", [
    ...["--driver", kind.name, "--directory", directory, "--entries", String(entries), ...options],
  ]);
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "close") as Promise<[number | null, string | null]>;
  let said = "";
  const loaded = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("LOADED")) resolve();
    });
  });
  await Promise.race([loaded, ended]);
  child.kill("SIGKILL");
  const [code, signal] = await ended;
  if (signal !== "SIGKILL") throw new Error(`The process that is to be killed ended by itself: ${code ?? signal}.`);
}
