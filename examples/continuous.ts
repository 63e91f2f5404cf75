/**
 * Continuous backup, with a kill in the middle: a child process writes and ships its log every 200 ms, and is killed without
 * warning. Then its directory is thrown away, and all comes back from the repository alone: up to the last shipment.
 *
 * The child says on stdout what was acknowledged, what was shipped, and when. What is missing afterwards is younger than the
 * last shipment but one: it was acknowledged within the interval and the time that a shipment takes.
 *
 *     node examples/continuous.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { BackupRepository, DB } from "@holdfast/db";
import { count, fact, promise, scratch, step, time, title } from "./show.ts";

const interval = 200;
const writers = 8;
const shipmentsBeforeKill = 10;

type Event = { id: number; text: string };

function keyOf(id: number): string {
  return `event/${String(id).padStart(9, "0")}`;
}

/** The victim: it tells of each write once that is on its own disk, and of each shipment once that is in the repository. */
async function write(home: string): Promise<void> {
  const db = await DB.open(`${home}/data`);
  const repo = await BackupRepository.open(`${home}/backups`);
  await repo.replicate(db, {
    interval,
    onEvent: (event) => {
      if (event.type === "shipped" || event.type === "base") {
        process.stdout.write(`${event.type} ${event.version} ${Date.now()}\n`);
      }
    },
  });
  let next = 0;
  await Promise.all(Array.from({ length: writers }, async () => {
    while (true) {
      const id = next++;
      const { version } = await db.set(keyOf(id), { id, text: `this is event ${id}` });
      process.stdout.write(`written ${version} ${Date.now()}\n`);
    }
  }));
}

/** What the victim said: when each version was acknowledged, and when which version was in the repository. */
interface Told {
  written: Map<number, number>;
  shipped: { version: number; at: number }[];
}

/** Runs the victim, kills it once there is a base and some shipments, and returns what it said. */
async function killedMidway(home: string): Promise<Told> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "--write", home], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  const told: Told = { written: new Map(), shipped: [] };
  let hasBase = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    const [what, version, at] = line.split(" ");
    if (what === "base") hasBase = true;
    else if (what === "shipped") told.shipped.push({ version: Number(version), at: Number(at) });
    else told.written.set(Number(version), Number(at));
    // In the middle of an interval: just behind a shipment nothing would be missing.
    if (hasBase && told.shipped.length >= shipmentsBeforeKill) {
      timer ??= setTimeout(() => child.kill("SIGKILL"), interval / 2);
    }
  }
  const [, signal] = await exit as [number | null, string | null];
  if (signal !== "SIGKILL") throw new Error(`The child ended by itself (${signal}) before it could be killed.`);
  return told;
}

async function main(): Promise<void> {
  title("Continuous backup", `${writers} writers, the log shipped every ${interval} ms, SIGKILL, the disk gone`);
  await using home = await scratch("continuous");

  step("Write, ship, die");
  const { written, shipped } = await killedMidway(home.path);
  const newest = Math.max(...written.keys());
  fact("acknowledged", count(written.size));
  fact("shipments", count(shipped.length));
  await rm(`${home.path}/data`, { recursive: true });
  fact("the database's directory", "removed");

  step("Restore from the repository alone");
  await using repo = await BackupRepository.open(`${home.path}/backups`);
  const { achieved, recordsReplayed } = await repo.restore(`${home.path}/restored`);
  fact("version", `${count(achieved.version)} of ${count(newest)}`);
  fact("commits replayed", count(recordsReplayed));

  await using db = await DB.open(`${home.path}/restored`);
  const back = new Set<number>();
  for await (const { key, value, version } of db.list<Event>({ prefix: "event/" })) {
    if (key !== keyOf(value.id) || value.text !== `this is event ${value.id}`) {
      throw new Error(`${key} came back changed.`);
    }
    back.add(version);
  }
  const { version } = shipped.at(-1)!;
  const archived = [...written.keys()].filter((one) => one <= version);
  promise(
    archived.every((one) => back.has(one)),
    `all ${count(archived.length)} writes up to the last shipment are back`,
  );
  const isPrefix = [...written.keys()].every((one) => back.has(one) === (one <= achieved.version));
  promise(isPrefix, `no write before version ${count(achieved.version)} is missing, and none behind it is there`);

  step("What is missing?");
  const missing = [...written].filter(([one]) => !back.has(one)).map(([, at]) => at);
  const killedAt = Math.max(...written.values());
  const oldest = Math.min(killedAt, ...missing);
  const between = shipped.slice(1).map(({ at }, i) => at - shipped[i]!.at);
  fact("acknowledged, and lost", count(missing.length));
  fact("the oldest of them", `${time(killedAt - oldest)} before the kill`);
  fact("between two shipments", `${time(Math.max(...between))} at most: ${interval} ms to wait, the rest to ship`);
  // The last shipment began after the one before it was done, and took along all that was acknowledged until then.
  promise(oldest >= shipped.at(-2)!.at, "nothing that was acknowledged before the last shipment began");
}

const [mode, path] = process.argv.slice(2);
if (mode === "--write") await write(path!);
else await main();
