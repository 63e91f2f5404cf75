/** Figures and health of real repositories, against what was done to them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { writeAudit } from "../../../lib/backup/repository/core/audit.ts";
import { auditKey } from "../../../lib/backup/repository/core/audit_lines.ts";
import { readAttempts } from "../../../lib/backup/repository/core/attempts.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { checkHealthPolicy, type HealthPolicy, type HealthReport } from "../../../lib/backup/repository/care/health.ts";
import { readHead, readHeads, switchHead } from "../../../lib/backup/repository/log/heads.ts";
import { backupKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { prometheusText } from "../../../lib/backup/repository/care/prometheus.ts";
import { repositoryHealth, repositoryStats } from "../../../lib/backup/repository/care/repository_stats.ts";
import type { ReplicationLag } from "../../../lib/backup/repository/care/stats_types.ts";
import type { Proof } from "../../../lib/format/repository/house_documents.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { openAt, put, write } from "../fixture.ts";
import { contentsOf, keyOf, openOver, smallSource } from "./copy_fixture.ts";
import { House, MIDNIGHT } from "./house.ts";

const HOUR = 3_600_000;

const lagOf = (changes: Partial<ReplicationLag> & { database: string }): ReplicationLag => ({
  lagVersions: 0,
  lagBytes: 0,
  lagMs: 0,
  ...changes,
});

async function health(house: House, policy: HealthPolicy = {}, lags: ReplicationLag[] = []): Promise<HealthReport> {
  return await repositoryHealth(house.context, checkHealthPolicy("health", policy), lags);
}

async function codes(house: House, policy?: HealthPolicy, lags?: ReplicationLag[]): Promise<string[]> {
  return (await health(house, policy, lags)).findings.map(({ code }) => code).sort();
}

describe("repositoryStats", () => {
  it("tells nothing of an empty repository", async () => {
    const { context } = await House.make();
    assert.deepEqual(await repositoryStats(context), {
      backups: { full: 0, incremental: 0, snapshot: 0 },
      totalBytes: 0,
      storedBytes: 0,
      compressionSavedBytes: 0,
      sharingSavedBytes: 0,
      objects: 0,
      logObjects: 0,
      logBytes: 0,
      lastBackup: undefined,
      lastSuccessAt: undefined,
      lastFailureAt: undefined,
      successRate: undefined,
      durations: undefined,
      lag: undefined,
    });
  });

  for (const encryption of [undefined, keyOf(1)]) {
    it(`counts what lies in the store, each object once${encryption === undefined ? "" : ", encrypted too"}`, async () => {
      const { house } = await smallSource(encryption === undefined ? {} : { encryption });
      const { context, store, engine } = house;
      // With files that joined without log: heads refer to these.
      await restoreInto(engine, house.handle, { at: { version: 3 } });
      await house.backup({ id: "inc-3", type: "incremental" });
      const stats = await repositoryStats(context);
      const lengths = async (prefix: string): Promise<number[]> =>
        [...(await contentsOf(store, prefix)).values()].map((hex) => hex.length / 2);
      const sum = (all: number[]): number => all.reduce((a, b) => a + b, 0);
      const [objects, log] = [await lengths(PART.objects), await lengths(PART.log)];
      assert.deepEqual(stats.backups, { full: 2, incremental: 3, snapshot: 2 });
      assert.deepEqual([stats.objects, stats.logObjects], [objects.length, log.length]);
      assert.deepEqual([stats.storedBytes, stats.logBytes], [sum(objects) + sum(log), sum(log)]);
      const backups = await readBackups(context);
      assert.equal(stats.totalBytes, sum(backups.map(({ totalBytes }) => totalBytes)));
      const bases = backups.filter(({ base }) => base !== null);
      // The snapshot after the full one shares all of it.
      const shared = backups.find(({ id }) => id === "snap-0")!.storedBytes;
      assert.ok(stats.sharingSavedBytes >= shared && shared > 0);
      assert.ok(stats.sharingSavedBytes < sum(bases.map(({ storedBytes }) => storedBytes)));
      assert.equal(stats.lastBackup!.id, "inc-3");
      assert.equal(stats.successRate, 1);
      assert.ok(stats.durations!.median <= stats.durations!.max);
    });
  }

  it("tells what compression saves, and no loss where nothing is compressed", async () => {
    const saved = async (compression: "none" | "zstd"): Promise<number> => {
      const house = await House.make({ engine: { compression: "none" }, repository: { compression } });
      await write(house.engine, (batch) => put(batch, 0, "long", { value: "long ".repeat(700) }));
      await house.backup();
      return (await repositoryStats(house.context)).compressionSavedBytes;
    };
    assert.equal(await saved("none"), 0);
    assert.ok(await saved("zstd") > 2000);
  });

  it("counts failures by the audit log", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup({ id: "good" });
    house.time.now += HOUR;
    const heal = store.inject({
      at: ({ operation, key }) => operation === "put" && key.startsWith(PART.backups),
      do: "refuse",
      times: Infinity,
      error: () => new Error("the store is ill"),
    });
    await assert.rejects(house.backup(), /ill/);
    heal();
    const stats = await repositoryStats(house.context);
    assert.deepEqual([stats.lastSuccessAt, stats.lastFailureAt, stats.successRate], [MIDNIGHT, MIDNIGHT + HOUR, 0.5]);
    assert.deepEqual(stats.lastBackup, { id: "good", at: MIDNIGHT, durationMs: stats.lastBackup!.durationMs });
    const attempts = await readAttempts(house.context, { since: MIDNIGHT + 1, count: 10 });
    assert.deepEqual(attempts.map(({ ok, database }) => [ok, database]), [[false, house.engine.id]]);
  });

  it("shows the largest lag, and all of it to Prometheus", async () => {
    const { house } = await smallSource();
    const database = house.engine.id;
    const stats = await repositoryStats(house.context, [
      lagOf({ database, lagMs: 1500 }),
      lagOf({ database, lagMs: 200 }),
    ]);
    assert.equal(stats.lag, 1500);
    const text = prometheusText(stats, { health: await health(house) });
    for (
      const line of [
        'holdfast_backup_backups{type="full"} 2',
        `holdfast_backup_stored_bytes ${stats.storedBytes}`,
        "holdfast_backup_lag_seconds 1.5",
        "holdfast_backup_success_ratio 1",
        "holdfast_backup_healthy 1",
      ]
    ) assert.ok(text.includes(`${line}\n`), line);
  });
});

describe("readAttempts", () => {
  it("reads long audit logs from their end, and passes over damaged lines", async () => {
    const house = await House.make();
    for (let i = 0; i < 300; i++) {
      house.time.now += 1000;
      await writeAudit(house.context, i % 2 === 0 ? "backup" : "prune", "ok", { database: "d", durationMs: i });
    }
    const all = await readAttempts(house.context, { since: -Infinity, count: Infinity });
    assert.deepEqual(all.map(({ at }) => at), Array.from({ length: 150 }, (_, i) => MIDNIGHT + 1000 * (2 * i + 1)));
    assert.deepEqual(all.at(-1), { at: MIDNIGHT + 299_000, ok: true, database: "d", durationMs: 298 });
    const few = await readAttempts(house.context, { since: -Infinity, count: 3 });
    assert.deepEqual(few.map(({ at }) => at), [295, 297, 299].map((second) => MIDNIGHT + 1000 * second));
    const late = await readAttempts(house.context, { since: MIDNIGHT + 101_000, count: Infinity });
    assert.equal(late.length, 100);
    await house.store.put(auditKey(299), new Uint8Array([0xff, 0xfe]));
    await house.openRepository();
    assert.equal((await readAttempts(house.context, { since: MIDNIGHT + 101_000, count: Infinity })).length, 99);
  });
});

describe("repositoryHealth", () => {
  it("finds nothing in a repository that is well, and that it is empty or overdue", async () => {
    const house = await House.make();
    assert.deepEqual(await codes(house), ["no-backup"]);
    await house.set("a", "1");
    await house.backup();
    const good = await health(house);
    assert.deepEqual([good.ok, good.status, good.lastBackupAt, good.successRate], [true, "OK", MIDNIGHT, 1]);
    house.time.now += 25 * HOUR;
    assert.deepEqual(await codes(house), ["overdue"]);
    assert.deepEqual(await codes(house, { maxAge: "2d" }), []);
  });

  it("tells of proofs, lag and space", async () => {
    const inner = new MemoryStore();
    const store = Object.assign(new FaultStore(inner), {
      freeSpace: () => Promise.resolve<number | undefined>(10 ** 9),
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    const { id } = await house.backup();
    const database = house.engine.id;
    assert.deepEqual(await codes(house, { verifyWithin: "1d", drillWithin: "1d" }), ["never-verified", "no-drill"]);
    const proof: Proof = {
      kind: "verify",
      at: house.time.now,
      backupId: id,
      database,
      lineage: house.engine.lineage,
      version: 1,
      timestamp: house.time.now,
      ok: true,
      problems: 0,
      entries: null,
      contentChecksum: null,
      durationMs: 1,
    };
    await writeDocument(house.context, "proof", `${PART.proofs}1.json`, proof);
    await writeDocument(house.context, "proof", `${PART.proofs}2.json`, {
      ...proof,
      kind: "drill",
      ok: false,
      problems: 1,
    });
    const found = await health(house, { verifyWithin: "1d", drillWithin: "1d" });
    assert.deepEqual(found.findings.map(({ code, backupId }) => [code, backupId]), [["drill-failed", id]]);
    assert.equal(found.lastVerifiedAt, house.time.now);
    await house.store.delete(`${PART.proofs}2.json`);
    assert.deepEqual(await codes(house, { minFreeBytes: 10 ** 9 + 1 }), ["space-low"]);
    assert.deepEqual(await codes(house, { minFreeBytes: 10 ** 9 }), []);
    store.freeSpace = () => Promise.reject(new Error("can't tell"));
    assert.deepEqual(await codes(house, { minFreeBytes: 10 ** 9 + 1 }), []);
    assert.deepEqual(await codes(house, {}, [lagOf({ database, lagMs: 10 * 60_000 })]), ["lag"]);
    assert.deepEqual(await codes(house, {}, [lagOf({ database, lagMs: 1000 })]), []);
    // One that was ended has nothing to say; one that another writer ended does.
    assert.deepEqual(await codes(house, {}, [lagOf({ database, state: "stopped" })]), []);
    const stopped = await health(house, {}, [lagOf({ database, state: "stopped", error: new Error("overtaken") })]);
    assert.match(stopped.findings[0]!.message, /overtaken/);
  });

  it("tells of gaps until a complete backup stands behind them", async () => {
    const house = await House.make();
    for (const key of ["a", "b", "c"]) await house.set(key, "1");
    await house.backup({ id: "before" });
    const [head] = await readHeads(house.context);
    const found = (await readHead(house.context, head!.database, head!.lineage))!;
    await switchHead(house.context, found, {
      ...head!,
      gaps: [{ from: 2, to: head!.version + 1, after: 0, before: 1, chain: head!.chain }],
    });
    const report = await health(house);
    assert.deepEqual(report.findings.map(({ code, severity }) => [code, severity]), [["gap", "error"]]);
    assert.match(report.findings[0]!.message, /2 to 4/);
    await house.set("d", "1");
    await house.backup({ id: "behind", type: "full" });
    assert.deepEqual(await codes(house), []);
    await house.set("e", "1");
    assert.equal((await house.backup({ type: "incremental" })).type, "incremental");
    // An increment alone restores nothing.
    await house.store.delete(backupKey("behind"));
    assert.deepEqual(await codes(house), ["gap"]);
  });

  it("judges each database by itself", async () => {
    const house = await House.make();
    const small = await openAt(house.fs, "/small", { clock: house.time.clock });
    await write(small, (batch) => put(batch, 0, "a", { value: "1" }));
    for (let i = 0; i < 3; i++) {
      await write(house.engine, (batch) => {
        for (let n = 0; n < 200; n++) put(batch, 0, `${i} ${n}`, { value: `value ${n * 7919}` });
      });
      await house.backup({ id: `large-${i}`, type: "full" });
    }
    for (let i = 0; i < 40; i++) await write(small, (batch) => put(batch, 0, `${i}`, { value: "1" }));
    await backupTo(small, house.handle, { id: "small" });
    assert.deepEqual(await codes(house), []);
    house.time.now += 25 * HOUR;
    await backupTo(small, house.handle);
    const report = await health(house, { minFreeBytes: 1 });
    assert.deepEqual(report.findings.map(({ code, message }) => [code, message.split(":")[0]]), [["overdue", "db"]]);
    assert.equal(report.ok, false);
    await small.close();
  });

  it("needs no key", async () => {
    const { house } = await smallSource({ encryption: keyOf(1) });
    const keyless = await openOver(house.store, house.time.clock, { keyless: true });
    const policy = checkHealthPolicy("health", {});
    assert.deepEqual((await repositoryHealth(keyless, policy)).findings, []);
    assert.deepEqual(await repositoryStats(keyless), await repositoryStats(house.context));
  });
});
