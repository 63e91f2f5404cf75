/**
 * Run by the soak as a process of its own: `child.ts ORDERS` opens the database, compares what it finds with what the parent
 * knows, then works until it is killed, or until the file `stop` is there. What it has to say goes into a file, line by
 * line: what is in there outlives the process.
 *
 *     open PID                      the database is open
 *     found N TRANSFERS... LOADS    compared; its own numbers begin behind N
 *     ack N                         commit N and all before it are acknowledged to outlive the process
 *     transfer TELLER COUNT         load COUNT
 *     did JOB | busy JOB            compared COPY    backup TYPE
 *     measure {...}
 *     wrong TEXT                    something does not hold
 *     closed
 */
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { BackupRepository, DB } from "../../../mod.ts";
import { randomFrom } from "../random_numbers.ts";
import { compare, type Least } from "./compare.ts";
import { doJob, doLast, type Scene } from "./jobs.ts";
import { measure, tidy } from "./measure.ts";
import type { Orders } from "./orders.ts";
import { durabilityOf, modeAround, OPTIONS, SIDE, writeNumber } from "./plan.ts";
import { load, TELLERS, transfer } from "./tellers.ts";

const WRITERS = 8;

const orders = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Orders;
const { plan, paths, least: promised } = orders;
const output = openSync(paths.said, "a");
const say = (line: string): void => void writeSync(output, `${line.replaceAll("\n", "\\n")}\n`);
const clock = (): number => Date.now() + orders.clockAhead;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const stopped = (): boolean => existsSync(paths.stop);

try {
  await live();
} catch (error) {
  const { message, stack, cause } = error as Error;
  say(`wrong ${message}\n${stack}\n${(cause as Error | undefined)?.stack ?? ""}`);
  process.exit(7);
}
process.exit(0);

async function live(): Promise<void> {
  const db = await DB.open(paths.data, { ...OPTIONS, clock });
  say(`open ${process.pid}`);
  const found = await compare(db, plan, { least: promised, clock, context: "after a restart" });
  plan.lives.at(-1)!.first = found.n + 1;
  say(`found ${found.n} ${found.counted.transfers.join(" ")} ${found.counted.loads}`);
  const repo = await BackupRepository.open(paths.backups, { clock });
  const least: Least = { n: found.n, counted: found.counted };
  const scene: Scene = {
    db,
    repo,
    plan,
    clock,
    random: randomFrom(plan.seed, plan.lives.length),
    scratch: paths.scratch,
    least: () => structuredClone(least),
    replication: undefined,
    say,
  };
  if (orders.last) await doLast(scene);
  else await work(scene, least);
  await scene.replication?.stop();
  await repo.close();
  await db.close();
  say("closed");
}

/** Everything at once, until it is to stop. */
async function work(scene: Scene, least: Least): Promise<void> {
  const { db, repo } = scene;
  const side = db.namespace(SIDE);
  let next = least.n + 1;
  let issued = least.n;
  let kept = least.n;
  let commits = 0;
  let over = false;
  const until = async (step: () => Promise<void>): Promise<void> => {
    try {
      while (!over) await step();
    } finally {
      over = true;
    }
  };
  const writers = Array.from({ length: WRITERS }, () =>
    until(async () => {
      const n = next++;
      const written = writeNumber(db, side, plan, n);
      issued = n;
      await written;
      commits++;
      // Versions follow numbers: whoever sees or keeps one, sees or keeps all before it.
      least.n = Math.max(least.n, n);
      if (durabilityOf(plan, n) !== "buffered") keep(n);
      await wait(orders.paceMs);
    }));
  const keep = (n: number): void => {
    if (n <= kept) return;
    kept = n;
    say(`ack ${n}`);
  };
  // While nobody asks for a sync, nobody else shall either: it would keep what others wrote.
  const isLazy = (): boolean => ["interval", "buffered"].includes(modeAround(plan, next) ?? "commit");
  const tellers = Array.from({ length: TELLERS }, (_, teller) =>
    until(async () => {
      if (isLazy()) return await wait(orders.paceMs);
      const count = await transfer(db, teller);
      least.counted.transfers[teller] = count;
      commits++;
      say(`transfer ${teller} ${count}`);
      await wait(5 * orders.paceMs);
    }));
  const loader = until(async () => {
    if (isLazy()) return await wait(orders.paceMs);
    await load(db, least.counted.loads + 1);
    say(`load ${++least.counted.loads}`);
    await wait(200 * orders.paceMs);
  });
  const flusher = until(async () => {
    if (isLazy()) return await wait(orders.paceMs);
    const n = issued;
    await db.flush();
    keep(n);
    await wait(40 * orders.paceMs);
  });
  const runners = [0, 1].map(() =>
    until(async () => {
      await doJob(scene);
      await wait(10 * orders.paceMs);
    })
  );
  const meter = until(async () => {
    await tidy();
    say(`measure ${JSON.stringify({ ...await measure(db, paths), commits })}`);
    for (let waited = 0; !over && waited < orders.measureMs; waited += 50) {
      await wait(50);
      if (stopped()) over = true;
    }
  });
  const results = await Promise.allSettled([...writers, ...tellers, loader, flusher, ...runners, meter]);
  const failure = results.find((result) => result.status === "rejected");
  if (failure !== undefined) throw failure.reason;
  if (repo.status().activities.length > 0) throw new Error("activities are left over");
}
