/**
 * Acknowledged means kept: a child process writes as fast as it can and is killed without warning, again and again.
 *
 * The child says on stdout which writes were acknowledged. After each SIGKILL the parent opens the database and looks
 * for every single one of them.
 *
 *     node examples/crash.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DB } from "@holdfast/db";
import { count, fact, promise, scratch, step, title } from "./show.ts";

const rounds = 3;
const writers = 8;
const acknowledgedBeforeKill = 1500;

function keyOf(id: number): string {
  return `event/${String(id).padStart(9, "0")}`;
}

/** The victim: eight writers, each telling of a write only once the database has promised to keep it. */
async function write(path: string, first: number): Promise<void> {
  const db = await DB.open(path);
  let next = first;
  await Promise.all(Array.from({ length: writers }, async () => {
    while (true) {
      const id = next++;
      await db.set(keyOf(id), { id, text: `this is event ${id}` });
      process.stdout.write(`${id}\n`);
    }
  }));
}

/** Runs the victim until enough is acknowledged, kills it, and returns what it said. */
async function killedMidway(path: string, first: number): Promise<number[]> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--write", path, String(first)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === acknowledgedBeforeKill) child.kill("SIGKILL");
  }
  const [, signal] = await exit as [number | null, string | null];
  if (signal !== "SIGKILL") throw new Error(`The child ended by itself (${signal}) before it could be killed.`);
  return acknowledged;
}

async function main(): Promise<void> {
  title("Crash test", `${rounds} times: write with ${writers} writers, SIGKILL mid-way, reopen, look`);
  await using home = await scratch("crash");
  const path = `${home.path}/data`;
  const all = new Set<number>();
  let first = 0;

  for (let round = 1; round <= rounds; round++) {
    step(`Round ${round}`);
    for (const id of await killedMidway(path, first)) all.add(id);
    fact("acknowledged so far", count(all.size));

    await using db = await DB.open(path);
    let present = 0;
    let kept = 0;
    for await (const { key, value } of db.list<{ id: number; text: string }>({ prefix: "event/" })) {
      const { id, text } = value;
      if (key !== keyOf(id) || text !== `this is event ${id}`) throw new Error(`${key} came back changed.`);
      present++;
      if (all.has(id)) kept++;
      first = Math.max(first, id + 1);
    }
    fact("found after reopening", count(present));
    fact("in flight at the kills", `${count(present - kept)} (written, not yet acknowledged: either way is right)`);
    promise(kept === all.size, `every one of the ${count(all.size)} acknowledged writes is there`);
    const report = await db.verify();
    promise(report.ok, `every checksum in ${report.files} files holds`);
  }
}

const [mode, path, first] = process.argv.slice(2);
if (mode === "--write") await write(path!, Number(first));
else await main();
