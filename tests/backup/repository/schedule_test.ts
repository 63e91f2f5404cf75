import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { schedule, type ScheduleOptions } from "../../../lib/adapters/schedule.ts";
import { cronTimes } from "../../../lib/adapters/schedule/cron.ts";
import { ClosedError, DecryptionError, NoSpaceError } from "../../../lib/base/errors.ts";
import { BackupRepository, DB, MemoryStore } from "../../../mod.ts";
import { readFile } from "../../../lib/files/read.ts";
import { DAY, HOUR, MINUTE, NOON, stage } from "./schedule_fixture.ts";

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const JOURNAL = "/data.schedule.json";

describe("cronTimes()", () => {
  const runs = (pattern: string, timeZone: string, from: string, count: number): string[] => {
    let at = Date.parse(from);
    const times = cronTimes("schedule", "full", pattern, timeZone, at);
    return Array.from({ length: count }, () => new Date(at = times.after(at)).toISOString().slice(0, 16));
  };

  it("are those of the zone", () => {
    assert.deepEqual(runs("0 1 * * 0", "UTC", "2026-11-25T13:00Z", 2), ["2026-11-29T01:00", "2026-12-06T01:00"]);
    assert.deepEqual(runs("0 1 * * 0", "Asia/Tokyo", "2026-11-25T13:00Z", 1), ["2026-11-28T16:00"]);
    assert.deepEqual(runs("0 2 * * 1-6", "UTC", "2026-11-28T01:00Z", 2), ["2026-11-28T02:00", "2026-11-30T02:00"]);
    assert.deepEqual(runs("*/30 0 12 * * *", "UTC", "2026-11-28T01:00Z", 2), ["2026-11-28T12:00", "2026-11-28T12:00"]);
  });

  it("come once on the days on which the clocks change", () => {
    const berlin = (from: string): string[] => runs("30 2 * * *", "Europe/Berlin", from, 2);
    // Half past two is skipped: it comes right after the hour that is.
    assert.deepEqual(berlin("2026-03-28T12:00Z"), ["2026-03-29T01:00", "2026-03-30T00:30"]);
    assert.deepEqual(runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", 2), [
      "2026-10-25T00:30",
      "2026-10-26T01:30",
    ]);
  });

  it("refuse what is no expression, or none of ours", () => {
    for (const bad of ["", "daily", "@daily", "* * * *", "60 * * * *", "* * * * * * 2030", "2030-01-01", "? * * * *"]) {
      assert.throws(() => cronTimes("schedule", "full", bad, "UTC", NOON), {
        name: "TypeError",
        message: /^schedule: option "full" ".*" is no cron expression/,
      }, bad);
    }
    assert.throws(() => cronTimes("schedule", "full", "0 0 30 2 *", "UTC", NOON), /never comes/);
  });
});

describe("schedule()", () => {
  it("does every job at its times", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 1 * * 0", incremental: "0 2 * * 1-6", drill: "0 4 * * 1" });
    await clock.advance(6 * DAY);
    assert.deepEqual(repo.done, [
      "incremental 26. 02:00",
      "incremental 27. 02:00",
      "incremental 28. 02:00",
      "full 29. 01:00",
      "incremental 30. 02:00",
      "drill 30. 04:00",
      "incremental 01. 02:00",
    ]);
    const { full, incremental, verify } = jobs.status().jobs;
    assert.equal(full?.nextAt, Date.UTC(2026, 11, 6, 1));
    assert.deepEqual([full?.lastRun?.ok, full?.failures, full?.state, full?.cron], [true, 0, "idle", "0 1 * * 0"]);
    assert.equal(incremental?.lastSuccessAt, Date.UTC(2026, 11, 1, 2));
    assert.equal(incremental.state, "idle");
    assert.equal(verify, undefined);
    incremental.lastRun!.ok = false;
    assert.equal(jobs.status().jobs.incremental?.lastRun?.ok, true);
    await jobs.stop();
    assert.equal(clock.timers.size, 0);
    assert.equal(jobs.status().jobs.full?.nextAt, undefined);
  });

  it("takes the zone of the repository, or its own", async () => {
    const { clock, repo } = await stage({ full: "0 1 * * *", timeZone: "Asia/Tokyo" });
    await clock.advance(DAY);
    assert.deepEqual(repo.done, ["full 25. 16:00"]);
  });

  it("prunes after each backup that succeeded, before what else waits", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 1 * * *", verify: "0 1 * * *", prune: { keepLast: 3 } });
    await clock.advance(DAY);
    assert.equal(jobs.status().jobs.prune?.nextAt, undefined);
    assert.deepEqual(repo.done, ["full 26. 01:00", "prune 26. 01:00", "verify 26. 01:00"]);
    repo.failures = [new DecryptionError("no")];
    await clock.advance(DAY);
    assert.deepEqual(repo.done.slice(3), ["full 27. 01:00", "verify 27. 01:00"]);
  });

  it("does one job at a time, and what was due meanwhile once afterwards", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 * * * *", incremental: "*/10 * * * *" });
    repo.takesMs = 35 * MINUTE;
    await clock.advance(HOUR + 30 * MINUTE);
    assert.deepEqual(repo.done, ["incremental 25. 13:10", "incremental 25. 13:45", "incremental 25. 14:20"]);
    assert.equal(repo.mostAtOnce, 1);
    assert.equal(jobs.status().jobs.incremental?.state, "running");
    assert.equal(jobs.status().jobs.full?.state, "waiting");
    await clock.advance(30 * MINUTE);
    assert.deepEqual(repo.done.slice(3), ["full 25. 14:55"]);
  });

  it("does one job at a time for a database that two schedules serve", async () => {
    const { clock, repo, again } = await stage({ full: "0 * * * *" });
    await again({ verify: "0 * * * *" }).ready;
    repo.takesMs = 10 * MINUTE;
    await clock.advance(2 * HOUR);
    assert.equal(repo.mostAtOnce, 1);
    assert.deepEqual(repo.done.slice(0, 2).map((what) => what.slice(-5)), ["14:00", "14:10"]);
  });

  it("lets a job wait for another schedule's as for one of its own", async () => {
    const { clock, repo, again } = await stage({ full: "0 * * * *" });
    const other = again({ verify: "5,10 14 * * *" });
    await other.ready;
    repo.takesMs = 35 * MINUTE;
    await clock.advance(HOUR + 7 * MINUTE);
    assert.equal(other.status().jobs.verify?.state, "waiting");
    await clock.advance(2 * HOUR);
    assert.deepEqual(repo.done, ["full 25. 14:00", "verify 25. 14:35", "full 25. 15:10", "full 25. 16:00"]);
  });

  it("makes up once for what a sleeping machine missed", async () => {
    const { clock, repo, events } = await stage({ incremental: "0 2 * * *" });
    await clock.sleep(10 * DAY + 30 * MINUTE);
    assert.deepEqual(repo.done, ["auto 05. 13:30"]);
    assert.deepEqual(events[0], { type: "start", job: "incremental", attempt: 1, missed: true });
    await clock.advance(DAY);
    assert.deepEqual(repo.done.slice(1), ["auto 06. 02:00"]);
  });

  it("calls no run missed that a timer was a minute late for", async () => {
    const { clock, events } = await stage({ incremental: "0 14 * * *" });
    await clock.sleep(HOUR + MINUTE);
    assert.deepEqual(events[0], { type: "start", job: "incremental", attempt: 1, missed: false });
  });

  it("does nothing twice when the clock is set right by some minutes", async () => {
    const { clock, repo } = await stage({ full: "0 14 * * *" });
    await clock.advance(HOUR);
    clock.now -= 5 * MINUTE;
    for (const timer of clock.timers) timer.at -= 5 * MINUTE;
    await clock.advance(HOUR);
    assert.deepEqual(repo.done, ["full 25. 14:00"]);
  });

  it("finds its times anew when the clock is set back", async () => {
    const { clock, repo } = await stage({ full: "0 2 * * *" });
    clock.now += 400 * DAY;
    await clock.advance(HOUR);
    clock.now -= 400 * DAY;
    for (const timer of clock.timers) timer.at -= 400 * DAY;
    await clock.advance(DAY);
    assert.deepEqual(repo.done.map((what) => what.slice(0, 8)), ["full 30.", "full 26."]);
  });
});

describe("schedule() when jobs fail", () => {
  it("waits by the clock, also for longer than a timer can", async () => {
    const { clock, repo } = await stage({ full: "0 14 * * *", retryDelay: "30d", retries: 1 });
    repo.failures = [new Error("away")];
    await clock.advance(4 * HOUR);
    assert.deepEqual(repo.done, ["full 25. 14:00"]);
    assert.ok([...clock.timers].every(({ at }) => at - clock.now <= MINUTE));
    // A machine that slept looks at the clock and not at how long its timer has run.
    await clock.sleep(31 * DAY);
    assert.equal(repo.done.length, 3);
  });

  it("tries again after 1, 2 and 4 minutes, and notes a failure once it gave up", async () => {
    const { clock, repo, jobs, events, findings } = await stage({ full: "0 14 * * *" });
    repo.failures = [new Error("one"), new Error("two"), new Error("three"), new Error("the store is away")];
    await clock.advance(DAY);
    assert.deepEqual(repo.done, ["full 25. 14:00", "full 25. 14:01", "full 25. 14:03", "full 25. 14:07"]);
    assert.deepEqual(events.filter(({ type }) => type === "retry").map((each) => "delayMs" in each && each.delayMs), [
      MINUTE,
      2 * MINUTE,
      4 * MINUTE,
    ]);
    const { full } = jobs.status().jobs;
    assert.equal(full?.failures, 1);
    assert.equal(full.lastFailureAt, NOON + 67 * MINUTE);
    assert.deepEqual(full.lastRun, {
      job: "full",
      dueAt: NOON + HOUR,
      startedAt: NOON + 67 * MINUTE,
      durationMs: 0,
      ok: false,
      attempts: 4,
      error: "the store is away",
    });
    assert.deepEqual(findings, [
      { code: "job-failed", severity: "error", message: "full failed: the store is away", job: "full" },
    ]);
    await clock.advance(DAY);
    assert.equal(jobs.status().jobs.full?.failures, 0);
  });

  it("waits no longer where the clock is set back meanwhile", async () => {
    const { clock, repo } = await stage({ full: "0 14 * * *" });
    repo.failures = [new Error("away")];
    await clock.advance(HOUR);
    clock.now -= 2 * DAY;
    for (const timer of clock.timers) timer.at -= 2 * DAY;
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["full 25. 14:00", "full 23. 14:01"]);
  });

  it("waits no longer than an hour between two tries, and lets others wait", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 14 * * *", verify: "5 14 * * *", retries: 9 });
    repo.failures = Array.from({ length: 10 }, () => new Error("away"));
    await clock.advance(HOUR + 20 * MINUTE);
    assert.equal(jobs.status().jobs.full?.state, "retrying");
    assert.equal(jobs.status().jobs.verify?.state, "waiting");
    await clock.advance(10 * HOUR);
    assert.equal(repo.done.length, 11);
    assert.deepEqual(repo.done.slice(-3), ["full 25. 17:03", "full 25. 18:03", "verify 25. 18:03"]);
  });

  it("does not try again what no second try would change", async () => {
    for (
      const error of [new DecryptionError("wrong key"), new ClosedError("closed"), new TypeError("no such option")]
    ) {
      const { clock, repo, jobs } = await stage({ full: "0 14 * * *" });
      repo.failures = [error];
      await clock.advance(DAY);
      assert.equal(repo.done.length, 1);
      assert.equal(jobs.status().jobs.full?.lastRun?.error, error.message);
    }
  });

  it("tries a pruning behind a backup again", async () => {
    const { clock, repo } = await stage({ full: "0 14 * * *", prune: { keepLast: 3 } });
    repo.failures = [undefined, new Error("the store is away")];
    await clock.advance(2 * HOUR);
    assert.deepEqual(repo.done, ["full 25. 14:00", "prune 25. 14:00", "prune 25. 14:01"]);
  });

  it("lets incrementals build on snapshots where these have times", async () => {
    const { clock, repo } = await stage({ snapshot: "0 1 * * *", incremental: "0 2 * * *" });
    await clock.advance(DAY);
    assert.deepEqual(repo.done, ["snapshot 26. 01:00", "incremental 26. 02:00"]);
  });

  it("counts damage that a drill found as a failure", async () => {
    const { clock, repo, jobs } = await stage({ drill: "0 14 * * *" });
    repo.sound = false;
    await clock.advance(DAY);
    assert.equal(repo.done.length, 1);
    assert.match(jobs.status().jobs.drill?.lastRun?.error ?? "", /drill found damage/);
  });

  it("hands on what the health check finds, each time", async () => {
    const { clock, repo, findings } = await stage({ incremental: "0 * * * *" });
    repo.findings = [{ code: "never-verified", severity: "warning", message: "there was no verification yet" }];
    await clock.advance(2 * HOUR);
    assert.deepEqual(findings, [...repo.findings, ...repo.findings]);
  });

  it("checks health once those are done that were due together, if anybody listens", async () => {
    const { clock, repo, again } = await stage({ full: "0 14 * * *", verify: "0 14 * * *" });
    let asked = 0;
    const health = repo.health.bind(repo);
    repo.health = () => (asked++, health());
    await clock.advance(HOUR);
    assert.deepEqual([repo.done.length, asked], [2, 1]);
    await again({ drill: "0 1 * * *", onFinding: undefined }).runNow("drill");
    await clock.advance(0);
    assert.deepEqual([repo.done.length, asked], [3, 1]);
  });

  it("asks for health by its policy, and tells when there is no answer", async () => {
    const policy = { maxAge: "1d" } as const;
    const { clock, repo, events } = await stage({ incremental: "0 14 * * *", health: policy });
    const away = new Error("the store is away");
    const asked: unknown[] = [];
    repo.health = (...given: unknown[]) => {
      asked.push(...given);
      return Promise.reject(away);
    };
    await clock.advance(2 * HOUR);
    assert.deepEqual(asked, [policy]);
    assert.deepEqual(events.at(-1), { type: "failure", job: "health", error: away });
  });

  it("goes on when a listener throws", async () => {
    const fail = (): never => {
      throw new Error("a listener's");
    };
    const { clock, repo, jobs } = await stage({ full: "0 14 * * *", onEvent: fail, onFinding: fail });
    repo.failures = [new DecryptionError("no")];
    await clock.advance(2 * DAY);
    assert.equal(repo.done.length, 2);
    assert.equal(jobs.status().jobs.full?.lastRun?.ok, true);
  });

  it("takes care of what an asynchronous listener rejects with", async () => {
    // Nobody's rejection would end the process, and with it this test.
    const fail = () => Promise.reject(new Error("a listener's"));
    const { clock, repo } = await stage({ full: "0 14 * * *", onEvent: fail, onFinding: fail });
    repo.failures = [new DecryptionError("no")];
    await clock.advance(2 * HOUR);
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(repo.done.length, 1);
  });
});

describe("schedule() with a journal", () => {
  const options: ScheduleOptions = { full: "0 1 * * 0", incremental: "0 2 * * *", journal: JOURNAL };

  it("makes up for what was missed after a clock that was wrong", async () => {
    const daily = { full: "0 2 * * *", journal: JOURNAL };
    const { clock, repo, jobs, again } = await stage(daily);
    clock.now += 400 * DAY;
    await clock.advance(HOUR);
    clock.now -= 400 * DAY;
    for (const timer of clock.timers) timer.at -= 400 * DAY;
    await clock.advance(DAY);
    assert.equal(repo.done.length, 2);
    await jobs.stop();
    clock.now += 3 * DAY;
    await again(daily).ready;
    await clock.advance(MINUTE);
    assert.equal(repo.done.length, 3);
  });

  it("makes up for what was missed between a clock that was set right and the next run", async () => {
    const daily = { full: "0 2 * * *", journal: JOURNAL };
    const setBack = (): void => {
      clock.now -= 400 * DAY;
      for (const timer of clock.timers) timer.at -= 400 * DAY;
    };
    const { clock, repo, jobs, again } = await stage(daily);
    clock.now += 400 * DAY;
    await clock.advance(MINUTE);
    setBack();
    // A stop waits for what is being noted.
    const [timer] = clock.timers;
    clock.timers.delete(timer!);
    timer!.callback();
    await jobs.stop();
    clock.now += 3 * DAY;
    const other = again(daily);
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done.map((what) => what.slice(0, 8)), ["full 30.", "full 28."]);

    // Or while a job was running.
    repo.takesMs = 10 * MINUTE;
    clock.now += 400 * DAY;
    await clock.advance(MINUTE);
    assert.equal(repo.running, 1);
    setBack();
    await clock.advance(HOUR);
    await other.stop();
    clock.now += 3 * DAY;
    again(daily);
    await clock.advance(MINUTE);
    assert.equal(repo.done.length, 4);
  });

  it("does not wait for a future that its journal tells of", async () => {
    const { clock, repo, jobs, again } = await stage({ full: "0 2 * * *", journal: JOURNAL });
    clock.now += 400 * DAY;
    await clock.advance(MINUTE);
    await jobs.stop();
    clock.now -= 400 * DAY;
    again({ full: "0 2 * * *", journal: JOURNAL });
    await clock.advance(DAY);
    assert.equal(repo.done.length, 2);
  });

  it("makes up no more once one run has made up for several", async () => {
    const hourly = { full: "0 * * * *", journal: JOURNAL };
    const { clock, repo, jobs, again } = await stage(hourly);
    await clock.sleep(10 * HOUR + 30 * MINUTE);
    await jobs.stop();
    again(hourly);
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["full 25. 23:30"]);
  });

  it("makes up once for what was missed while the process was away", async () => {
    const { clock, repo, jobs, again } = await stage(options);
    repo.takesMs = 1000;
    await clock.advance(DAY);
    await jobs.stop();
    clock.now += 20 * DAY;
    const after = again(options);
    await after.ready;
    const { lastSuccessAt, lastRun } = after.status().jobs.incremental!;
    assert.deepEqual([lastSuccessAt, lastRun?.durationMs], [Date.UTC(2026, 10, 26, 2, 0, 1), 1000]);
    repo.takesMs = 0;
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["incremental 26. 02:00", "full 16. 13:00", "incremental 16. 13:00"]);
    await clock.advance(DAY);
    assert.equal(repo.done.length, 4);
  });

  it("is without one, a run that fell into a downtime is left out", async () => {
    const { clock, repo, jobs, again } = await stage({ full: "0 1 * * *" });
    await jobs.stop();
    clock.now += 20 * DAY;
    await again({ full: "0 1 * * *" }).ready;
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, []);
  });

  it("has missed nothing by an expression that is new", async () => {
    const { clock, repo, jobs, again } = await stage(options);
    await clock.advance(DAY);
    await jobs.stop();
    clock.now += 20 * DAY;
    const other = again({ ...options, full: "0 3 * * 0", incremental: "0 3 * * *" });
    await other.ready;
    assert.equal(other.status().jobs.incremental?.lastSuccessAt, Date.UTC(2026, 10, 26, 2));
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["incremental 26. 02:00"]);
  });

  it("tells of a failure while the repository is away", async () => {
    const { clock, repo, fs } = await stage({ ...options, retries: 0 });
    repo.failures = [new Error("the store is away")];
    await clock.advance(DAY);
    const { jobs, database } = JSON.parse(decode(await readFile(fs, JOURNAL, 1e6)));
    assert.equal(database, "db");
    assert.equal(jobs.incremental.lastRun.error, "the store is away");
    assert.equal(jobs.incremental.failures, 1);
  });

  it("goes on where the journal can't be written, and tells why", async () => {
    const { clock, repo, fs, events } = await stage(options);
    const full = new NoSpaceError("the disk is full");
    fs.open = () => Promise.reject(full);
    await clock.advance(DAY);
    assert.deepEqual(repo.done, ["incremental 26. 02:00"]);
    assert.deepEqual(events.filter(({ type }) => type === "failure"), [{
      type: "failure",
      job: "journal",
      error: full,
    }]);
  });

  it("makes up for a run that a stop ended", async () => {
    const { clock, repo, jobs, again } = await stage(options);
    repo.takesMs = HOUR;
    await clock.advance(13 * HOUR + 10 * MINUTE);
    assert.equal(repo.running, 1);
    await jobs.stop({ abort: true });
    assert.equal(repo.running, 0);
    repo.takesMs = 0;
    await again(options).ready;
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["incremental 26. 02:00", "incremental 26. 02:10"]);
  });

  it("takes what somebody wrote into its journal for what it is", async () => {
    const { fs, jobs, again } = await stage(options);
    await jobs.stop();
    const journal = JSON.parse(decode(await readFile(fs, JOURNAL, 1e6)));
    Object.assign(journal.jobs.full, { failures: "many", lastSuccessAt: "yesterday", lastFailureAt: -1 });
    await fs.remove(JOURNAL);
    const file = await fs.open(JOURNAL, "append");
    await file.append(new TextEncoder().encode(JSON.stringify(journal)));
    await file.close();
    const other = again(options);
    await other.ready;
    const { failures, lastSuccessAt, lastFailureAt } = other.status().jobs.full!;
    assert.deepEqual([failures, lastSuccessAt, lastFailureAt], [0, undefined, undefined]);
  });

  it("starts all the same when the journal can't be read", async () => {
    const { fs, events, jobs, again } = await stage(options);
    await jobs.stop();
    const file = await fs.open(JOURNAL, "append");
    await file.append(new TextEncoder().encode("}"));
    await file.close();
    await again(options).ready;
    assert.deepEqual(events.map((event) => "job" in event && event.job), ["journal"]);
  });

  it("knows nothing of what another database's journal tells", async () => {
    const { clock, repo, events, db, jobs, again } = await stage(options);
    await clock.advance(DAY);
    await jobs.stop();
    clock.now += 20 * DAY;
    db.id = "other";
    events.length = 0;
    const other = again(options);
    await other.ready;
    assert.equal(other.status().jobs.incremental?.lastRun, undefined);
    await clock.advance(MINUTE);
    assert.deepEqual(repo.done, ["incremental 26. 02:00"]);
    assert.deepEqual(events, []);
  });

  it("keeps how often a job failed, and how it ended", async () => {
    const { clock, repo, jobs, again } = await stage({ ...options, retries: 0 });
    repo.failures = [new Error("the store is away"), new Error("the store is away still")];
    await clock.advance(2 * DAY);
    await jobs.stop();
    const { lastFailureAt, failures, lastRun } = jobs.status().jobs.incremental!;
    assert.deepEqual([failures, lastRun?.error], [2, "the store is away still"]);
    const after = again({ ...options, retries: 0 });
    await after.ready;
    const kept = after.status().jobs.incremental!;
    assert.deepEqual([kept.lastFailureAt, kept.failures, kept.lastRun], [lastFailureAt, failures, lastRun]);
  });

  for (
    const [what, text] of [
      ["is none", "what somebody wrote"],
      ["a later version wrote", '{"format":"holdfast-schedule","formatVersion":2,"database":"db","jobs":{}}'],
    ] as const
  ) {
    it(`leaves a file that ${what} as it is, and says so`, async () => {
      const { repo, fs, clock, events, jobs, again } = await stage(options);
      await jobs.stop();
      const content = new TextEncoder().encode(text);
      await fs.remove(JOURNAL);
      const file = await fs.open(JOURNAL, "append");
      await file.append(content);
      await file.close();
      const other = again(options);
      await other.ready;
      await clock.advance(DAY);
      assert.equal(repo.done.length, 1);
      await other.stop();
      const [told] = events;
      assert.ok(told?.type === "failure" && told.job === "journal");
      assert.match(String(told.error), /is no journal of a schedule, and is left as it is; remove it, or name another/);
      assert.deepEqual(await readFile(fs, JOURNAL, 1000), content);
    });
  }
});

describe("Schedule.runNow()", () => {
  it("does a job at once and tells how it went", async () => {
    const { repo, jobs } = await stage({ full: "0 1 * * *" });
    const run = await jobs.runNow("verify");
    assert.deepEqual([run.job, run.ok, run.attempts, run.dueAt], ["verify", true, 1, NOON]);
    assert.deepEqual(repo.done, ["verify 25. 13:00"]);
  });

  it("joins one that waits, and rejects with its failure", async () => {
    const { repo, jobs } = await stage({ full: "0 1 * * *" });
    repo.failures = [new Error("away")];
    const both = await Promise.allSettled([jobs.runNow("full"), jobs.runNow("full")]);
    assert.deepEqual(both.map(({ status }) => status), ["rejected", "rejected"]);
    assert.equal(repo.done.length, 1);
    const [first, second] = await Promise.all([jobs.runNow("verify"), jobs.runNow("verify")]);
    assert.deepEqual([first.ok, second], [true, first]);
    assert.equal(repo.done.length, 2);
    // Right on the heels of the last one.
    assert.equal((await jobs.runNow("full").then(() => jobs.runNow("full"))).ok, true);
  });

  it("leaves the tries of one that it joins", async () => {
    const { clock, repo, jobs } = await stage({ verify: "0 14 * * *", full: "5 14 * * *" });
    repo.takesMs = 10 * MINUTE;
    repo.failures = [undefined, new Error("away")];
    await clock.advance(HOUR + 6 * MINUTE);
    const run = jobs.runNow("full");
    await clock.advance(HOUR);
    assert.deepEqual([(await run).attempts, repo.done.length], [2, 3]);
  });

  it("refuses what it can't do", async () => {
    const { jobs } = await stage({ full: "0 1 * * *" });
    await assert.rejects(jobs.runNow("restore" as "full"), TypeError);
    await assert.rejects(jobs.runNow("prune"), /needs a policy/);
    await assert.rejects(jobs.stop({ aborted: true } as object), /unknown option "aborted"; did you mean "abort"/);
    await assert.rejects(jobs.stop({ abort: 1 as unknown as boolean }), /"abort" must be true or false, not 1/);
    assert.equal(jobs.status().stopped, false);
    await assert.rejects(
      stage({ full: "0 1 * * *", fileSystem: "disk" as never }),
      /"fileSystem" must be a FileSystem/,
    );
    await jobs.stop();
    await assert.rejects(jobs.runNow("full"), ClosedError);
  });
});

describe("Schedule.stop()", () => {
  it("waits for what runs and drops what waits", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 14 * * *", verify: "0 14 * * *" });
    repo.takesMs = 10 * MINUTE;
    await clock.advance(HOUR + MINUTE);
    let over = false;
    const stopped = jobs.stop().then(() => over = true);
    await clock.advance(MINUTE);
    assert.equal(over, false);
    await clock.advance(10 * MINUTE);
    await stopped;
    assert.deepEqual(repo.done, ["full 25. 14:00"]);
    assert.equal(jobs.status().stopped, true);
    assert.equal(jobs.status().jobs.full?.lastRun?.ok, true);
  });

  it("notes and tells what failed while it waited, and tries it no more", async () => {
    const { clock, repo, jobs, events, findings } = await stage({ full: "0 14 * * *" });
    repo.takesMs = 10 * MINUTE;
    repo.failures = [new Error("away")];
    await clock.advance(HOUR);
    const stopped = jobs.stop();
    await clock.advance(10 * MINUTE);
    await stopped;
    assert.equal(jobs.status().jobs.full?.lastRun?.error, "away");
    assert.deepEqual(events.map(({ type }) => type), ["start", "failure"]);
    assert.deepEqual(findings.map(({ message }) => message), ["full failed: away"]);
  });

  it("waits for nobody's turn to prune behind the backup that it waited for", async () => {
    const { clock, repo, jobs, again } = await stage({ full: "0 14 * * *", prune: { keepLast: 3 } });
    const other = again({ verify: "0 14 * * *" });
    await other.ready;
    repo.takesMs = 10 * MINUTE;
    await clock.advance(HOUR);
    let over = false;
    void jobs.stop().then(() => over = true);
    await clock.advance(11 * MINUTE);
    assert.deepEqual([repo.done, repo.running, over], [["full 25. 14:00", "verify 25. 14:10"], 1, true]);
  });

  it("leaves no timer of a schedule that has hardly begun", async () => {
    const { clock, jobs, again } = await stage({ full: "0 14 * * *" });
    await jobs.stop();
    await again({ full: "0 14 * * *" }).stop();
    assert.equal(clock.timers.size, 0);
  });

  it("ends what runs when it is told to, whatever that is", async () => {
    for (const job of ["full", "prune", "verify", "drill"] as const) {
      const { clock, repo, jobs } = await stage({ full: "0 1 * * *", prune: { keepLast: 3 } });
      repo.takesMs = HOUR;
      const run = jobs.runNow(job).then(() => "done", ({ name }: Error) => name);
      await clock.advance(MINUTE);
      assert.equal(repo.running, 1);
      await jobs.stop({ abort: true });
      assert.deepEqual([repo.running, await run], [0, "ClosedError"]);
    }
  });

  it("does not wait for what another schedule does for the database", async () => {
    const { clock, repo, again } = await stage({ full: "0 14 * * *" });
    const other = again({ verify: "0 1 * * *" });
    await other.ready;
    repo.failures = [new Error("away")];
    await clock.advance(HOUR);
    const asked = other.runNow("verify").catch((error) => error);
    await clock.advance(0);
    let over = false;
    const stopped = other.stop().then(() => over = true);
    await clock.advance(0);
    assert.equal(over, true);
    await stopped;
    assert.ok(await asked instanceof ClosedError);
    // One that comes later waits its turn all the same.
    const third = again({ drill: "0 1 * * *" });
    const run = third.runNow("drill");
    await clock.advance(0);
    assert.deepEqual(repo.done, ["full 25. 14:00"]);
    await clock.advance(MINUTE);
    await run;
    assert.deepEqual(repo.done.slice(1), ["full 25. 14:01", "drill 25. 14:01"]);
  });

  it("ends the wait before a retry, and is what disposal does", async () => {
    const { clock, repo, jobs } = await stage({ full: "0 14 * * *" });
    repo.failures = [new Error("away")];
    await clock.advance(HOUR);
    assert.equal(jobs.status().jobs.full?.state, "retrying");
    await jobs[Symbol.asyncDispose]();
    await jobs.stop();
    assert.equal(clock.timers.size, 0);
    await clock.advance(DAY);
    assert.equal(repo.done.length, 1);
  });
});

describe("options of schedule()", () => {
  it("are checked", async () => {
    const { repo, db, fs } = await stage({ full: "0 1 * * *" });
    const start = (options: unknown) => () => schedule(repo, db, { fileSystem: fs, ...options as ScheduleOptions });
    assert.throws(start({}), /nothing to do/);
    assert.throws(start({ ful: "0 1 * * *" }), /did you mean "full"/);
    assert.throws(start({ full: 1 }), TypeError);
    assert.throws(start({ full: "0 1 * * *", timeZone: "Mars/Base" }), RangeError);
    assert.throws(start({ full: "0 1 * * *", prune: {} }), /says nothing/);
    assert.throws(start({ full: "0 1 * * *", health: { maxage: 1 } }), /did you mean "maxAge"/);
    assert.throws(start({ full: "0 1 * * *", retries: -1 }), RangeError);
    assert.throws(start({ full: "0 1 * * *", retryDelay: "soon" }), TypeError);
    assert.throws(start({ full: "0 1 * * *", journal: "/data/schedule.json" }), /must not lie within/);
    assert.throws(start({ full: "0 1 * * *", journal: "/data" }), /must not lie within/);
    assert.doesNotThrow(start({ full: "0 1 * * *", journal: "/database.json" }));
  });

  it("are in the repository's time zone unless they name another", async () => {
    await using db = await DB.open(":memory:");
    await using repo = await BackupRepository.open(new MemoryStore(), { timeZone: "Asia/Tokyo" });
    const hourOf = async (options: ScheduleOptions): Promise<number> => {
      await using jobs = schedule(repo, db, options);
      await jobs.ready;
      return new Date(jobs.status().jobs.full!.nextAt!).getUTCHours();
    };
    assert.equal(await hourOf({ full: "0 1 * * *" }), 16);
    assert.equal(await hourOf({ full: "0 1 * * *", timeZone: "UTC" }), 1);
  });

  it("come behind a repository and a database that were awaited", async () => {
    const { repo, db } = await stage({ full: "0 1 * * *" });
    const options = { full: "0 1 * * *" };
    assert.throws(() => schedule(Promise.resolve(repo) as never, db, options), {
      message: "schedule: the first argument must be a repository that is open, not a Promise; await it",
    });
    assert.throws(
      () => schedule(db as never, repo as never, options),
      /the first argument must be a repository that is open, not an object$/,
    );
    assert.throws(() => schedule(repo, Promise.resolve(db) as never, options), /the second argument .* await it/);
    assert.throws(() => schedule(repo, undefined as never, options), /the second argument .*, not undefined/);
  });

  it("let an idle process end", async () => {
    // With the real clock and timer; if they kept the process alive, this file would never be done.
    const { repo, db } = await stage({ full: "0 1 * * *" });
    await schedule(repo, db, { full: "0 1 * * *" }).ready;
    const stopped = schedule(repo, db, { full: "0 1 * * *", keepAlive: true });
    await stopped.ready;
    await stopped.stop();
  });
});
