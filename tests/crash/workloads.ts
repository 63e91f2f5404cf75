/** The workloads of the power cuts: each one short, so that every place in it can be tried, together all of the engine. */
import { pick } from "./random.ts";
import { type Workload, WorkloadBuilder } from "./workload.ts";

/** All of them, for one seed. */
export function workloads(seed: number): Workload[] {
  return [
    crowds(seed + 6),
    modes(seed),
    rotation(seed + 1),
    blobs(seed + 2),
    ingests(seed + 3),
    exports(seed + 4),
    manifest(seed + 5),
  ];
}

/** Shorter ones, for accidents of many kinds at each place. */
export function shortWorkloads(seed: number): Workload[] {
  const b = new WorkloadBuilder(seed);
  for (let i = 0; i < 14; i++) {
    b.commit(
      i % 3 === 0 ? "commit" : "interval",
      b.put(),
      b.put(i === 5 ? "long" : b.key(), b.value(i % 5 === 0 ? 400 : 100)),
    );
    if (i % 4 === 0) b.step("wait");
  }
  b.commit("commit", { delete: b.key() }, { from: "k10", to: "k15" }).step("wait", "compact");
  b.commit("buffered", b.put()).step("wait", "flush").commit("commit", b.put()).step("wait");
  const c = new WorkloadBuilder(seed + 1);
  c.commit("commit", c.put()).step("wait").commit("interval", c.put()).ingest(false, 5, 320);
  c.commit("commit", c.put()).step("snapshot").ingest(true, 3).commit("interval", c.put()).step("release");
  c.ingest(true, 4).commit("commit", c.put()).step("wait", "close").commit("commit", c.put()).step("wait");
  return [
    crowds(seed + 3),
    modes(seed + 2),
    {
      name: "flush and compaction",
      steps: b.steps,
      settings: { historyBytes: 0 },
      shows: ["flush", "compaction", "blob"],
    },
    { name: "restores", steps: c.steps, settings: {}, shows: ["flush", "blob"] },
  ];
}

/** The three durability modes, alone and side by side, without anything in the background. */
function modes(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  b.commit("commit", b.put()).step("wait");
  b.commit("interval", b.put()).step("wait").commit("buffered", b.put(), b.put()).step("wait", "flush");
  b.commit("buffered", b.put()).commit("commit", b.put()).commit("interval", b.put()).step("wait");
  b.commit("interval", b.put(), { delete: b.key() }).commit("buffered", { from: "k10", to: "k20" }).step("wait");
  // Over several pages of the disk, of which a power cut leaves some: the head of a record without its middle.
  for (let i = 0; i < 8; i++) b.commit("interval", b.put(b.key(), b.value(5000 + 500 * i))).step("wait");
  b.step("close");
  b.commit("buffered", b.put()).commit("buffered", b.put()).step("wait", "close");
  for (let i = 0; i < 3; i++) b.commit("commit", b.put()).commit("commit", b.put(), b.put());
  b.step("wait").commit("interval", b.put()).step("wait", "close").step("close");
  b.commit("commit", b.put()).step("wait");
  return {
    name: "durability modes and clean closes",
    steps: b.steps,
    settings: { memtableBytes: 64 * 1024 },
    shows: [],
  };
}

/** Many commits at once: half of a group is written while the other half is being synced. */
function crowds(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 7; i++) {
      const mode = i === 4 ? "interval" : i === 5 && round % 2 === 0 ? "buffered" : "commit";
      b.commit(mode, b.put(), ...(i % 3 === 0 ? [{ delete: b.key() }] : []));
    }
    if (round % 3 === 1) b.commit("commit", { from: "k10", to: "k15" });
    b.step("wait");
  }
  b.commit("commit", b.put()).commit("commit", b.put()).step("close");
  for (let i = 0; i < 5; i++) b.commit("commit", b.put());
  b.step("wait");
  return {
    name: "groups that overlap",
    steps: b.steps,
    settings: { memtableBytes: 1024 },
    shows: ["overlap", "flush"],
    slowSyncs: true,
  };
}

/** Memtables that fill up, tables that pile up and merge while writing goes on. */
function rotation(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  for (let i = 0; i < 34; i++) {
    b.commit(i % 3 === 0 ? "commit" : "interval", b.put(), b.put(b.key(), b.value(100)));
    if (i % 7 === 3) b.commit("commit", { delete: b.key() }, { from: `k${10 + pick(b.random, 9)}`, to: "k20" });
    if (i === 20) b.step("snapshot");
    if (i % 4 === 0) b.step("wait");
  }
  b.step("wait", "release", "compact", "close");
  b.commit("commit", { from: "k00" }).step("wait", "compact", "close");
  return {
    name: "full memtables and compaction",
    steps: b.steps,
    settings: { historyBytes: 0 },
    shows: ["flush", "compaction"],
  };
}

/** Values in files of their own, replaced and collected. */
function blobs(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 5; i++) b.commit("interval", b.put(`k${i}`, b.value(400 + 100 * i)), b.put());
    b.step("wait", "compact");
    if (round === 1) b.step("snapshot");
  }
  b.commit("commit", { delete: "k0" }, { from: "k1", to: "k3" }).step("wait", "release", "compact", "close");
  b.commit("commit", b.put("k9", b.value(3000))).step("wait");
  return {
    name: "blob files and their collection",
    steps: b.steps,
    settings: { memtableBytes: 2048 },
    shows: ["flush", "compaction", "blob"],
  };
}

/** Files that join in one commit, beside what is there or instead of it. */
function ingests(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  for (let i = 0; i < 4; i++) b.commit("interval", b.put(), b.put());
  b.ingest(false, 8).commit("commit", b.put()).step("wait");
  b.commit("buffered", b.put()).ingest(true, 6, 350).commit("interval", b.put(), { delete: b.key() }).step("wait");
  b.step("snapshot").ingest(true, 5).step("release").commit("commit", b.put()).ingest(false, 12).step("close");
  b.commit("commit", b.put()).ingest(true, 3).step("compact", "close").commit("buffered", b.put());
  return {
    name: "restores into an open database",
    steps: b.steps,
    settings: { tableBytes: 300 },
    shows: ["flush", "blob"],
  };
}

/** Copies that are made while writing goes on. */
function exports(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  // Of the long values one stays at least: under a key that no other goes over.
  for (let i = 0; i < 12; i++) {
    b.commit("interval", b.put(), b.put(i === 4 ? "long" : b.key(), b.value(i % 4 === 0 ? 600 : 120)));
  }
  b.export("/first").commit("commit", b.put(), { delete: b.key() }).export("/second").step("close");
  b.commit("buffered", b.put()).export("/third");
  return { name: "exports beside writes", steps: b.steps, settings: {}, shows: ["flush", "blob"] };
}

/** Keys so long that a few tables fill the manifest and it is begun anew. */
function manifest(seed: number): Workload {
  const b = new WorkloadBuilder(seed);
  const pad = "-".repeat(60_000);
  const long = (): WorkloadBuilder => b.commit("commit", b.put(`a${pad}`), b.put(`z${pad}`)).step("wait");
  for (let i = 0; i < 6; i++) long();
  // What is gone makes the new manifest small, and so the opens after it quick.
  b.commit("commit", { from: "a" }).step("compact");
  long().commit("commit", { from: "b" }).step("compact");
  b.commit("commit", b.put()).step("wait", "close").commit("commit", b.put()).step("wait");
  return {
    name: "a manifest that is begun anew",
    steps: b.steps,
    settings: { compression: "none", level0Tables: 100, historyBytes: 0 },
    shows: ["manifest"],
    near: /MANIFEST-\d+$|CURRENT/,
  };
}

/** A bit of everything in any order. */
export function mixed(seed: number, length: number): Workload {
  const b = new WorkloadBuilder(seed);
  for (let i = 0; i < length; i++) {
    const kind = b.random();
    if (kind < 0.72) b.anyCommit();
    else if (kind < 0.86) b.step("wait");
    else if (kind < 0.89) b.step("flush");
    else if (kind < 0.92) b.step("compact");
    else if (kind < 0.94) b.step("snapshot");
    else if (kind < 0.96) b.step("release");
    else if (kind < 0.975) b.step("close");
    else b.ingest(b.random() < 0.5, 1 + pick(b.random, 8), b.random() < 0.3 ? 400 : undefined);
  }
  const settings = {
    historyBytes: b.random() < 0.5 ? 0 : 2048,
    memtableBytes: b.random() < 0.5 ? 512 : 1024,
    reserve: b.random() < 0.2,
    compression: b.random() < 0.5 ? "none" : "auto",
  } as const;
  return {
    name: `a mixture (${seed})`,
    steps: b.steps,
    settings,
    shows: ["flush", "compaction"],
    ...(b.random() < 0.7 ? { delays: seed } : {}),
    slowSyncs: b.random() < 0.5,
  };
}
