import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NoSpaceError, NotFoundError, StorageError } from "../../../lib/base/errors.ts";
import { estimateRestore } from "../../../lib/backup/repository/restoring/estimate.ts";
import { readAudit, writeAudit } from "../../../lib/backup/repository/core/audit.ts";
import { drillOf, readProofs } from "../../../lib/backup/repository/core/proofs.ts";
import { drillRepository } from "../../../lib/backup/repository/care/drill.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { openAt, put, settingsOf, write } from "../fixture.ts";
import { collect } from "../helpers.ts";
import { House } from "./house.ts";
import { keysOf } from "./prune_fixture.ts";
import { DAMAGES, drill, over, repair, type Sample, sampleRepository, storeOf } from "./damage_fixture.ts";

const samples: Record<string, Promise<Sample>> = { plain: sampleRepository(), encrypted: sampleRepository(true) };
const ANY = {
  point: {},
  database: undefined,
  lineage: undefined,
  allowEarlier: false,
  replayLog: true,
  concurrency: undefined,
  bytesPerSecond: undefined,
  encryption: undefined,
};

describe("drillRepository()", () => {
  for (const [name, made] of Object.entries(samples)) {
    it(`restores the newest state of a ${name} repository for real, proves it, and leaves no file`, async () => {
      const sample = await made;
      const context = over(sample, await storeOf(sample.image));
      const report = await drill(context);
      const { engine, states } = sample.house;
      assert.deepEqual(report.problems, []);
      assert.equal(report.ok, true);
      assert.equal(report.version, engine.visibleVersion);
      assert.equal(report.timestamp, engine.visibleTimestamp);
      assert.equal(report.database, engine.id);
      const rows = Object.keys(states.get(report.version)!).filter((key) => key.startsWith(":"));
      assert.equal(report.entries, rows.length);
      assert.match(report.checksum, /^sha256:[0-9a-f]{64}$/);
      assert.ok(report.recordsReplayed > 0 && report.bytes > 0 && report.durationMs >= 0);
      assert.deepEqual(report.left, []);
      const [proof] = (await readProofs(context)).filter(({ kind }) => kind === "drill");
      assert.deepEqual([proof!.ok, proof!.version, proof!.contentChecksum], [true, report.version, report.checksum]);
      let last;
      for await (const line of readAudit(context)) last = line;
      assert.deepEqual([last!.action, last!.result, last!.detail["version"]], ["drill", "ok", report.version]);
    });
  }

  it("finds nothing wrong where another history, of fewer commits, begins while it does", async () => {
    let meanwhile: (() => Promise<void>) | undefined;
    let lists = 0;
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation, key }) =>
        operation === "list" && key === "log/" && ++lists === 2 ? meanwhile?.() : undefined,
    });
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup();
    await restoreTo(house.fs, settingsOf({ clock: house.time.clock }), house.handle, "/fork");
    for (const key of ["b", "c"]) await house.set(key, "2");
    await house.backup();
    meanwhile = async () => {
      meanwhile = undefined;
      house.time.now += 1;
      const fork = await openAt(house.fs, "/fork", { clock: house.time.clock });
      await write(fork, (batch) => put(batch, 0, "of the fork", { value: "1" }));
      await house.backup({ type: "full" }, fork);
      await fork.close();
    };
    lists = 0;
    await house.fs.makeDirectory("/scratch");
    const { fs, context } = house;
    const report = await drillRepository(context, { fs, directory: "/scratch", settings: settingsOf(), wish: ANY });
    assert.equal(meanwhile, undefined);
    assert.deepEqual([report.problems, report.version], [[], 2]);
  });

  it("is held against no proof that lies in another's place", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const { database, version } = await drill(context);
    const [key] = await keysOf(context.store, "proofs/drill-");
    const { lineage } = sample.house.engine;
    const about = { database, lineage, version };
    assert.equal((await drillOf(context, about))?.version, version);
    const other = { ...about, version: version - 1 };
    const bytes = await collect((await context.store.get(key!))!.body);
    const wrong = key!.replace(String(version).padStart(16, "0"), String(other.version).padStart(16, "0"));
    assert.notEqual(wrong, key);
    await context.store.put(wrong, bytes);
    assert.equal(await drillOf(context, other), undefined);
    assert.equal(await drillOf(context, { ...about, database: "another" }), undefined);
    await context.store.put(key!, bytes.subarray(1));
    assert.equal(await drillOf(context, about), undefined);
  });

  it("finds the same in a state whatever way it is made", async () => {
    const sample = await samples["plain"]!;
    const checksums = new Set<string>();
    for (const point of [{ backupId: "snap" }, { version: sample.backups.get("snap")! }]) {
      checksums.add((await drill(over(sample, await storeOf(sample.image)), point)).checksum);
    }
    // From the first base, by log alone.
    const image = new Map(sample.image);
    image.delete("backups/snap.json");
    checksums.add((await drill(over(sample, await storeOf(image)), { version: sample.backups.get("snap")! })).checksum);
    assert.equal(checksums.size, 1);
    const other = await drill(over(sample, await storeOf(sample.image)), { backupId: "inc1" });
    assert.ok(!checksums.has(other.checksum));
  });

  it("tells when a version holds something else than at an earlier drill", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const { checksum, version } = await drill(context);
    const again = await drill(context);
    assert.deepEqual([again.ok, again.checksum], [true, checksum]);
    const [proof] = (await readProofs(context)).filter(({ kind }) => kind === "drill");
    const { writeProof } = await import("../../../lib/backup/repository/core/proofs.ts");
    await writeProof(context, { ...proof!, contentChecksum: `sha256:${"0".repeat(64)}` });
    const report = await drill(context);
    assert.equal(report.ok, false);
    assert.match(report.problems[0]!, new RegExp(`Version ${version} came back`));
    const kept = (await readProofs(context)).filter(({ kind }) => kind === "drill").map(({ ok }) => ok);
    assert.deepEqual(kept.sort(), [false, true]);
  });

  it("finds the same once entries have expired that were there", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    const expiresAt = house.time.now + 60_000;
    await write(house.engine, (batch) => put(batch, 0, "session", { value: "s", expiresAt }));
    await house.backup({ type: "incremental" });
    const first = await drill(house.context);
    assert.equal(first.entries, 2);
    house.time.now = expiresAt;
    const { problems, checksum } = await drill(house.context);
    assert.deepEqual([problems, checksum], [[], first.checksum]);
    await house.engine.compact();
    await house.backup({ type: "full" });
    const { ok, entries } = await drill(house.context);
    assert.deepEqual([ok, entries], [true, 1]);
  });

  it("notices every difference between entries", async () => {
    const checksums: string[] = [];
    const base = { value: "v", tags: ["t"], expiresAt: Date.UTC(2030, 1) };
    for (
      const item of [base, { ...base, value: "w" }, { ...base, tags: ["u"] }, {
        ...base,
        expiresAt: base.expiresAt + 1,
      }, { ...base, value: new TextEncoder().encode("v") }]
    ) {
      const house = await House.make();
      await write(house.engine, (batch) => put(batch, 0, "key", item));
      await house.backup({ id: "full" });
      checksums.push((await drill(house.context)).checksum);
      await house.engine.close();
    }
    const later = await House.make({ now: Date.UTC(2026, 11, 1) });
    await write(later.engine, (batch) => put(batch, 0, "key", base));
    await later.backup({ id: "full" });
    checksums.push((await drill(later.context)).checksum);
    await later.engine.close();
    assert.equal(new Set(checksums).size, checksums.length);
  });

  it("restores a part of the entries too", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const whole = await drill(context, { backupId: "inc3" });
    const report = await drill(context, { backupId: "part" });
    assert.deepEqual(report.problems, []);
    assert.equal(report.entries, 3);
    assert.deepEqual(report.left, []);
    // What was proven of all entries at that version stays.
    const { database, version } = report;
    const { lineage } = sample.house.engine;
    assert.equal(version, whole.version);
    assert.equal((await drillOf(context, { database, lineage, version }))?.contentChecksum, whole.checksum);
  });

  it("reports what does not come back, and proves that", async () => {
    const sample = await samples["plain"]!;
    const log = [...sample.image.keys()].findLast((key) => key.startsWith("log/"))!;
    const object = [...sample.image.keys()].filter((key) => key.startsWith("objects/"));
    for (const key of [log, ...object]) {
      const context = over(sample, await storeOf(DAMAGES["flipped in the middle"]!(sample.image, key)!));
      const report = await drill(context, { version: sample.house.engine.visibleVersion });
      assert.deepEqual(report.left, []);
      assert.equal(report.version, sample.house.engine.visibleVersion);
      if (report.ok) continue;
      assert.ok(report.problems[0]!.includes(key), String(report.problems[0]));
      const [proof] = (await readProofs(context)).filter(({ kind }) => kind === "drill");
      assert.equal(proof!.ok, false);
    }
    const context = over(sample, await storeOf(DAMAGES["flipped in the middle"]!(sample.image, log)!));
    assert.equal((await drill(context)).ok, false);
    await repair(context);
    const after = await drill({ ...context });
    assert.deepEqual([after.ok, after.version < sample.house.engine.visibleVersion], [true, true]);
  });

  it("reports a base that is gone, where its backup is asked for", async () => {
    const sample = await samples["plain"]!;
    const image = new Map(sample.image);
    for (const id of ["full", "snap"]) image.delete(`backups/${id}.json`);
    const report = await drill(over(sample, await storeOf(image)), { backupId: "inc1" });
    assert.equal(report.ok, false);
    const damaged = DAMAGES["flipped in the middle"]!(sample.image, "backups/full.json")!;
    assert.equal((await drill(over(sample, await storeOf(damaged)), { backupId: "full" })).ok, false);
  });

  it("throws what is no state of this repository at all", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    await assert.rejects(drill(context, { backupId: "none" }), NotFoundError);
    const house = await House.make();
    await assert.rejects(drill(house.context), NotFoundError);
    await house.engine.close();
    const early = await drill(context, { time: 5 });
    assert.equal(early.ok, false);
    assert.match(early.problems[0]!, /GAP/);
  });

  it("gives up when told to, and leaves no file", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    for (const phase of ["plan", "fetch", "replay", "verify", "read"]) {
      const fs = memoryFileSystem();
      await fs.makeDirectory("/scratch");
      const abort = new AbortController();
      const onProgress = (progress: { phase: string }): void => {
        if (progress.phase === phase) abort.abort(new Error("enough"));
      };
      const settings = settingsOf({ clock: context.clock });
      const parts = { fs, directory: "/scratch", settings, wish: ANY, signal: abort.signal, onProgress };
      await assert.rejects(drillRepository(context, parts), /enough/, phase);
      assert.deepEqual(await fs.list("/scratch"), []);
    }
    assert.deepEqual(await keysOf(context.store, "locks/"), []);
  });

  it("says nothing of a backup where there is no room to restore it", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const fs = memoryFileSystem({ capacityBytes: 1_500 });
    await fs.makeDirectory("/scratch");
    const settings = settingsOf({ clock: context.clock });
    await assert.rejects(drillRepository(context, { fs, directory: "/scratch", settings, wish: ANY }), NoSpaceError);
    assert.deepEqual((await readProofs(context)).filter(({ kind }) => kind === "drill"), []);
    assert.deepEqual(await fs.list("/scratch"), []);
    fs.capacityBytes = Infinity;
    assert.equal((await drillRepository(context, { fs, directory: "/scratch", settings, wish: ANY })).ok, true);
  });

  it("says nothing of a backup where the store does not answer", async () => {
    const sample = await samples["plain"]!;
    for (const part of ["objects/", "log/"]) {
      const store = new FaultStore(await storeOf(sample.image));
      const context = over(sample, store);
      store.inject({ at: ({ operation, key }) => operation === "get" && key.startsWith(part), do: "refuse" });
      await assert.rejects(drill(context), StorageError, part);
      assert.deepEqual(await keysOf(store, "proofs/drill-"), [], part);
      assert.deepEqual(await keysOf(store, "locks/"), [], part);
      assert.equal((await drill(context)).ok, true, part);
    }
  });

  it("teaches the estimate", async () => {
    const house = await House.make({ engine: { blobBytes: 2 ** 20 } });
    const noise = new Uint8Array(3_000_000).map((_, i) => Math.imul(i, 2654435761) >>> 13);
    await write(house.engine, (batch) => put(batch, 0, "large", { value: noise }));
    await house.engine.compact();
    await house.backup({ id: "full" });
    assert.equal((await estimateRestore("estimate", house.context, ANY)).model.restores, 0);
    await drill(house.context);
    assert.equal((await estimateRestore("estimate", house.context, ANY)).model.restores, 1);
    await house.engine.close();
  });

  it("teaches the estimate by the last eight that were long enough, the newest counting most", async () => {
    const house = await House.make();
    await house.set("k", "v");
    await house.backup({ id: "full" });
    // 10, 20, ... MB in the second that is left of each when what it always takes is taken off.
    const restored = (megabytes: number): Promise<void> =>
      writeAudit(house.context, "restore", "ok", { bytes: megabytes * 1e6, durationMs: 1100, recordsReplayed: 0 });
    for (let n = 1; n <= 10; n++) await restored(10 * n);
    await restored(0.5);
    await writeAudit(house.context, "restore", "failed", { bytes: 9e9, durationMs: 1100, recordsReplayed: 0 });
    const expected = [30, 40, 50, 60, 70, 80, 90, 100].reduce((before, rate) => (before + rate) / 2);
    const { model } = await estimateRestore("estimate", house.context, ANY);
    assert.deepEqual([model.restores, model.bytesPerSecond], [8, Math.round(expected * 1e6)]);
    await house.engine.close();
  });

  it("remembers the drills of three months and no more", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    await drill(context);
    const { writeProof } = await import("../../../lib/backup/repository/core/proofs.ts");
    const [proof] = (await readProofs(context)).filter(({ kind }) => kind === "drill");
    for (let version = 1000; version < 1110; version++) await writeProof(context, { ...proof!, version });
    const drills = await keysOf(context.store, "proofs/drill-");
    assert.equal(drills.length, 100);
    assert.ok(drills.at(-1)!.includes("1109"));
  });
});
