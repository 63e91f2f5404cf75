/**
 * Backups on a schedule, and a page that says whether they are well.
 *
 * Three weeks go by in a second here: the schedule is given a clock and a timer of ours. Leave both out, and it runs by the
 * real ones.
 *
 *     node examples/scheduled_backups.ts
 *
 * @module
 */
import { createServer } from "node:http";
import { join } from "node:path";
import { BackupRepository, DB, PROMETHEUS_TYPE, prometheusText, retention } from "@holdfast/db";
import { schedule } from "@holdfast/db/schedule";
import { fact, promise, scratch, step, title } from "./show.ts";

title("Scheduled backups", "A full one on Sundays, increments on other days, a drill a month, and a health page");
await using home = await scratch("scheduled");

let now = Date.UTC(2026, 10, 1);
const clock = (): number => now;
const timers: { at: number; callback: () => void }[] = [];
const setTimer = (callback: () => void, ms: number): () => void => {
  const timer = { at: now + ms, callback };
  timers.push(timer);
  return () => timers.splice(timers.indexOf(timer) >>> 0, 1);
};

await using db = await DB.open(join(home.path, "shop"), { clock });
await using repo = await BackupRepository.open(join(home.path, "backups"), { clock });
const findings: string[] = [];
await using jobs = schedule(repo, db, {
  full: "0 1 * * 0", // Sundays at 1:00
  incremental: "0 2 * * 1-6", // other days at 2:00
  drill: "0 4 15 * *", // restores for real, on the 15th
  prune: retention.standard,
  journal: join(home.path, "shop.schedule.json"), // what was missed while the process is away is made up for
  onFinding: ({ code, message }) => findings.push(`${code}: ${message}`),
  clock,
  setTimer,
});
await jobs.ready;

step("Three weeks of business");
for (let day = 1; day <= 21; day++) {
  await db.set(`order/${String(day).padStart(2, "0")}`, { cents: 100 * day });
  now += 24 * 3_600_000;
  for (const { callback } of timers.splice(0)) callback();
  // By the real clock nobody waits: here the days are shorter than the backups.
  while (Object.values(jobs.status().jobs).some(({ state }) => state !== "idle")) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
const { full, incremental, drill } = jobs.status().jobs;
for (const [name, job] of Object.entries({ full, incremental, drill })) {
  fact(name, `last ${new Date(job!.lastSuccessAt!).toISOString()}, next ${new Date(job!.nextAt!).toISOString()}`);
}
promise(drill?.lastRun?.ok === true, "the drill restored the database and compared it");
promise(findings.length === 0, "nothing was found");

step("The health page");
// For a load balancer and for Prometheus; put it behind your own authentication.
const server = createServer(async (request, response) => {
  const health = await repo.health();
  if (request.url === "/metrics") {
    response.setHeader("Content-Type", PROMETHEUS_TYPE);
    response.end(prometheusText(await repo.stats(), { health, labels: { repository: "shop" } }));
  } else {
    response.statusCode = health.ok ? 200 : 503;
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ ...health, jobs: jobs.status().jobs }, undefined, 2));
  }
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const address = server.address();
const page = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
const answer = await fetch(`${page}/health`);
fact("GET /health", `${answer.status} ${(await answer.json() as { status: string }).status}`);
const metrics = await (await fetch(`${page}/metrics`)).text();
for (const line of metrics.split("\n").filter((each) => /^holdfast_backup_(backups|healthy|last_succ)/.test(each))) {
  fact("GET /metrics", line);
}
promise(answer.status === 200, "the page says that all is well");
server.closeAllConnections?.();
await new Promise<void>((resolve) => server.close(() => resolve()));
