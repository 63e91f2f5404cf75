/** What is left beside the place of an export or a portable backup of one file, whose process was ended in the middle. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";

const DAY = 24 * 3600_000;
const NOW = Date.UTC(2026, 10, 29, 2);

function open(fileSystem: MemoryFileSystem, clock: () => number): Promise<DB> {
  return DB.open("/db", { fileSystem, clock });
}

const WRITES: Record<string, (db: DB, name: string) => Promise<unknown>> = {
  "a portable backup": (db, name) => db.backup(`/out/${name}.jsonl.gz`, { overwrite: true }),
  "an export as an archive": (db, name) => db.export(`/out/${name}.tar`, { overwrite: true }),
};

/** A disk on which the process was ended while it wrote one file, which lies there under a name of its own. */
async function endedInTheMiddle(write: (db: DB, name: string) => Promise<unknown>): Promise<MemoryFileSystem> {
  const disk = memoryFileSystem();
  await disk.makeDirectory("/out");
  const made = await open(disk, () => NOW);
  for (let i = 0; i < 50; i++) await made.set(`key ${i}`, "v".repeat(100));
  await made.close();
  for (let cut = 1;; cut++) {
    const machine = disk.fork({ keep: "all" });
    const db = await open(machine, () => NOW);
    machine.cutPowerAt(cut);
    const ended = await write(db, "monday").then(() => false, () => true);
    const after = machine.crash({ keep: "all" });
    assert.ok(ended, "some end leaves a part");
    const names = await after.list("/out");
    if (names.length === 1 && names[0]!.endsWith(".tmp")) return after;
  }
}

async function bytesOf(disk: MemoryFileSystem, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, "read");
  const bytes = new Uint8Array(file.sizeSync());
  await file.readAt(bytes, 0);
  await file.close();
  return bytes;
}

describe("a file whose call has resolved", () => {
  for (const [what, write] of Object.entries(WRITES)) {
    it(`is there whole after the power was cut: ${what}`, async () => {
      const disk = memoryFileSystem();
      await disk.makeDirectory("/out");
      await disk.syncDirectory("/");
      const db = await open(disk, () => NOW);
      await db.set("key", "v".repeat(1000));
      await write(db, "monday");
      const [name] = await disk.list("/out");
      const written = await bytesOf(disk, `/out/${name}`);
      assert.ok(written.length > 0);
      assert.deepEqual(await bytesOf(disk.crash({ keep: "none" }), `/out/${name}`), written);
    });
  }
});

describe("a file that was never finished", () => {
  for (const [what, write] of Object.entries(WRITES)) {
    it(`is removed a week later by the next one there: ${what}`, async () => {
      const disk = await endedInTheMiddle(write);
      const [left] = await disk.list("/out");
      const digits = "0".repeat(12);
      const others = [
        "mine.tmp",
        "monday.jsonl.1795000000000.tmp",
        `older.1000000000000-${digits}.tmp.gz`,
        `sales.2024-${digits}.tmp`,
      ];
      for (const name of others) await (await disk.open(`/out/${name}`, "create")).close();
      // A directory is nothing of ours, whatever it is called.
      const directory = `kept.1000000000000-${digits}.tmp`;
      await disk.makeDirectory(`/out/${directory}`);

      let now = NOW + DAY;
      const db = await open(disk, () => now);
      await write(db, "tuesday");
      const [tuesday] = (await disk.list("/out")).filter((name) => name.startsWith("tuesday"));
      const stay = [...others, directory, tuesday!];
      assert.deepEqual(await disk.list("/out"), [...stay, left!].sort(), "it may be in the making for days");

      now = NOW + 8 * DAY;
      await write(db, "tuesday");
      assert.deepEqual(await disk.list("/out"), stay.sort());
      await db.close();
    });
  }

  it("is no obstacle where it can't be looked for, or removed", async () => {
    const disk = await endedInTheMiddle(WRITES["a portable backup"]!);
    const db = await open(disk, () => NOW + 8 * DAY);
    for (const call of ["list", "remove"] as const) {
      const real = disk[call].bind(disk) as (path: string) => Promise<never>;
      disk[call] = (path: string): Promise<never> => {
        return path.startsWith("/out") && !path.includes("tuesday") ? Promise.reject(new Error("no")) : real(path);
      };
      await db.backup("/out/tuesday.json", { overwrite: true });
      disk[call] = real;
    }
    await db.backup("/out/tuesday.json", { overwrite: true });
    assert.deepEqual(await disk.list("/out"), ["tuesday.json"]);
    await db.close();
  });

  it("has a name that fits wherever that of the file does", async () => {
    const place = mkdtempSync(join(tmpdir(), "holdfast-long-names-"));
    try {
      await using db = await DB.open(join(place, "db"));
      for (const name of [`${"n".repeat(251)}.tar`, `${"\u{1f600}".repeat(62)}.tar`]) {
        await db.export(join(place, name));
        assert.ok(existsSync(join(place, name)), name);
      }
    } finally {
      rmSync(place, { recursive: true });
    }
  });
});
