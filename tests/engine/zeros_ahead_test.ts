/** Zeros that stand ahead of records in the log, so that a sync finds its length as it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NoSpaceError } from "../../lib/base/errors.ts";
import type { EngineEvent } from "../../lib/engine/types.ts";
import { repairDatabase } from "../../lib/engine/recovery/repair.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { all, name, open, put, tinySettings } from "./fixture.ts";

const ROOMY = { memtableBytes: 8 * 2 ** 20, blobBytes: 2 ** 20, tableBytes: 2 ** 20 };

async function logOf(fs: MemoryFileSystem): Promise<string> {
  return `/db/${(await fs.list("/db")).find((file) => file.endsWith(".log"))!}`;
}

const used = (bytes: Uint8Array): number => bytes.findLastIndex((byte) => byte !== 0) + 1;

describe("the log's zeros", () => {
  it("are put ahead of commits that are synced by themselves: later ones leave the length as it is", async () => {
    const sizes: number[] = [];
    const fs: MemoryFileSystem = memoryFileSystem({
      afterOperation: ({ name, path }) => {
        if (name === "sync" && path.endsWith(".log")) sizes.push(fs.statSync(path)!.size);
      },
    });
    const engine = await open(fs, { ...ROOMY, historyBytes: 2 ** 20 });
    await put(engine, { [name(0)]: "x".repeat(100) });
    assert.ok(fs.statSync(await logOf(fs))!.size < 18 * 1024, "a small database stays small");
    for (let i = 0; i < 1000; i++) await put(engine, { [name(i)]: "x".repeat(100) });
    const lengths = new Set(sizes);
    assert.ok(sizes.length >= 1000);
    assert.ok(lengths.size < 10, `${lengths.size} lengths`);
    // Never much more than what is there.
    const log = await logOf(fs);
    const bytes = await readFile(fs, log, 2 ** 20);
    assert.ok(bytes.length <= used(bytes) + 128 * 1024 && bytes.length > used(bytes));
    // What is finished ends with its footer, what is closed with its last record.
    await engine.compact();
    const finished = await readFile(fs, log, 2 ** 20);
    assert.ok(finished.length > used(bytes) && finished.length < used(bytes) + 100);
    await put(engine, { z: "in the next one" });
    await engine.close();
    const next = await readFile(
      fs,
      `/db/${(await fs.list("/db")).filter((file) => file.endsWith(".log")).at(-1)!}`,
      2 ** 20,
    );
    assert.equal(next.length, used(next));
    assert.ok(next.length < 300);
  });

  for (
    const [what, settings, value] of [
      ["commits that wait for no sync", { durability: "interval" }, "x".repeat(100)],
      ["commits beside whose bytes a length counts little", {}, "x".repeat(20_000)],
    ] as const
  ) {
    it(`are not put ahead of ${what}`, async () => {
      const fs = memoryFileSystem();
      const engine = await open(fs, { ...ROOMY, ...settings });
      for (let i = 0; i < 20; i++) await put(engine, { [name(i)]: value });
      await engine.flush();
      const log = (await fs.list("/db")).filter((file) => file.endsWith(".log")).at(-1)!;
      const bytes = await readFile(fs, `/db/${log}`, 2 ** 20);
      assert.equal(used(bytes), bytes.length);
      await engine.close();
    });
  }

  it("are no torn commit after a kill, and what was torn is told without them", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, ROOMY);
    for (let i = 0; i < 10; i++) await put(engine, { [name(i)]: "x".repeat(100) });
    fs.kill();
    const image = fs.otherProcess().fork({ keep: "all" });
    const log = await logOf(image);
    const bytes = await readFile(image, log, 2 ** 20);
    const end = used(bytes);
    assert.ok(bytes.length > end);
    for (const [torn, version] of [[0, 10], [3, 9]] as const) {
      const disk = image.fork({ keep: "all" });
      const changed = bytes.slice();
      changed.fill(0, end - torn, end);
      const handle = await disk.open(log, "append");
      await handle.truncate(0);
      await handle.append(changed);
      await handle.close();
      const events: EngineEvent[] = [];
      const report = await repairDatabase(disk, "/db", tinySettings(ROOMY), { dryRun: true });
      assert.deepEqual([report.lost, report.setAside], [[], []]);
      const again = await open(disk, { ...ROOMY, onEvent: (event) => void events.push(event) });
      assert.equal(again.visibleVersion, version);
      const [found] = events.filter(({ type }) => type === "recovery");
      const dropped = found?.type === "recovery" ? found.droppedBytes : undefined;
      if (torn === 0) assert.equal(dropped, 0);
      else assert.ok(dropped! > 100 && dropped! < 250, `${dropped}`);
      assert.equal(all(again).length, version);
      await again.close();
    }
  });

  it("are left out where the disk is full, and commits that fit are taken", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { ...ROOMY, historyBytes: 0 });
    await put(engine, { [name(0)]: "x".repeat(100) });
    const before = fs.usedBytes;
    fs.capacityBytes = before + 20_000;
    let written = 1;
    await assert.rejects(async () => {
      for (;; written++) await put(engine, { [name(written)]: "x".repeat(100) });
    }, NoSpaceError);
    assert.ok(written > 150, `${written} commits`);
    fs.capacityBytes = Infinity;
    await put(engine, { z: "after" });
    assert.equal(all(engine).length, written + 1);
    await engine.close();
    const again = await open(fs, ROOMY);
    assert.equal(all(again).length, written + 1);
    await again.close();
  });
});
