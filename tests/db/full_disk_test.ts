/** A disk that is full: one in memory, and a real one where a small one can be mounted. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { DB, IOError, NoSpaceError, type OpenOptions } from "../../mod.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all } from "./helpers.ts";

describe("a full disk", () => {
  /** A file system of so many MiB where one can be mounted (by root, where that is allowed). */
  function mountSmall(path: string, mebibytes: number): boolean {
    try {
      if (process.platform !== "linux" || process.getuid?.() !== 0) throw new Error("only root may mount");
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m`, "tmpfs", path], { stdio: "pipe" });
      return true;
    } catch (error) {
      console.log(`a real one not tried: ${(error as Error).message}`);
      return false;
    }
  }

  /** Fills the disk of `path`, and looks what still can be done; with `real`, also once there is more of it. */
  async function fill(path: string, options: OpenOptions, real?: { bytes: number; grow(): void }): Promise<void> {
    const db = await DB.open(path, { memtableBytes: 2 ** 20, ...options });
    const written: string[] = [];
    const value = crypto.getRandomValues(new Uint8Array(30_000));
    const refused = await (async () => {
      for (let i = 0; i < 1000; i++) {
        const key = `k${String(i).padStart(4, "0")}`;
        await db.set(key, value);
        written.push(key);
      }
    })().catch((error) => error);
    assert.ok(refused instanceof NoSpaceError, String(refused));
    assert.equal(refused.code, "NO_SPACE");
    assert.ok(written.length > 10);
    assert.deepEqual(await all(db.keys()), written);
    assert.deepEqual(await db.get(written.at(-1)!), value);
    // The reserve lets deletes in.
    await db.delete(written[0]!);
    await db.deleteRange({ start: "k0001", end: "k0005" });
    await db.close();
    const again = await DB.open(path, options);
    assert.deepEqual(await all(again.keys()), written.slice(5));
    assert.deepEqual(await again.get(written[5]!), value);
    if (real !== undefined) {
      const elsewhere = mkdtempSync(join(tmpdir(), "holdfast-export-"));
      await again.export(join(elsewhere, "copy"));
      await using copy = await DB.open(join(elsewhere, "copy"), { readOnly: true });
      assert.deepEqual(await all(copy.keys()), written.slice(5));
      // As large as the disk: whatever work behind the writes has freed by now, it can't fit.
      const more = new Uint8Array(real.bytes);
      const full = await again.set("more", more).catch((error) => error);
      assert.ok(full instanceof NoSpaceError, String(full));
      real.grow();
      await again.set("more", more);
      await copy.close();
      rmSync(elsewhere, { recursive: true });
    }
    await again.clear();
    await again.compact().catch((error) => assert.ok(error instanceof NoSpaceError, String(error)));
    await again.close();
  }

  it("still writes what is buffered when the commit that would have taken it along is refused", async () => {
    const disk = memoryFileSystem({ capacityBytes: 4 * 2 ** 20 });
    await using db = await DB.open("/d", { fileSystem: disk, flushInterval: 1 });
    const buffered = db.set("a", 1, { durability: "buffered" });
    const refused = db.atomic().check({ key: "b", version: null }).set("b", "x".repeat(5 * 2 ** 20)).commit();
    await assert.rejects(refused, NoSpaceError);
    await buffered;
    await using reader = await DB.open("/d", { fileSystem: disk.otherProcess(), readOnly: true });
    for (let turn = 0; reader.version === 0; turn++) {
      assert.ok(turn < 100, "it is never written");
      await new Promise((resolve) => setTimeout(resolve, 5));
      await reader.refresh();
    }
    assert.equal(await reader.get("a"), 1);
  });

  it("refuses what doesn't fit, keeps what is acknowledged, and still takes deletes and closes", async () => {
    await fill("/d", { fileSystem: memoryFileSystem({ capacityBytes: 4 * 2 ** 20 }) });
  });

  for (const mebibytes of [2, 4, 16]) {
    it(`does so when it is a real one of ${mebibytes} MiB, which can be exported, and goes on once there is space`, async () => {
      const path = mkdtempSync(join(tmpdir(), "holdfast-full-"));
      const mounted = mountSmall(path, mebibytes);
      const grow = (): void => void execFileSync("mount", ["-o", "remount,size=64m", path], { stdio: "pipe" });
      try {
        if (mounted) await fill(join(path, "data"), {}, { bytes: mebibytes * 2 ** 20, grow });
      } finally {
        if (mounted) execFileSync("umount", ["-l", path]);
        rmSync(path, { recursive: true, force: true });
      }
    });
  }

  describe("that leaves open what it holds", () => {
    /** A disk on which some operations on the log fail for want of space once `failing` is set. */
    function failingDisk(names: readonly string[]): { disk: MemoryFileSystem; begin(): void } {
      let failing = false;
      const disk = memoryFileSystem({
        beforeOperation({ name, path, bytes }) {
          if (!failing || !path.endsWith(".log") || !names.includes(name)) return;
          const error = new NoSpaceError(`Cannot ${name} ${path}: full (ENOSPC)`);
          if (name !== "append") throw error;
          return { writtenBytes: bytes!, error };
        },
      });
      return { disk, begin: () => failing = true };
    }

    for (const names of [["sync"], ["append", "truncate"]]) {
      it(`(${names.join(" and ")} fail): is told as another error than the one that promises that nothing is there`, async () => {
        const { disk, begin } = failingDisk(names);
        const db = await DB.open("/d", { fileSystem: disk });
        await db.set("kept", 1);
        begin();
        const refused = await db.set("uncertain", 2).catch((error) => error);
        assert.ok(refused instanceof IOError && !(refused instanceof NoSpaceError), String(refused));
        assert.equal(refused.code, "IO");
        assert.ok(refused.cause instanceof NoSpaceError);
        await assert.rejects(db.set("later", 3), { code: "READ_ONLY" });
        await db.close().catch(() => {});
        const again = await DB.open("/d", { fileSystem: disk.otherProcess() }).catch(() => undefined);
        if (again !== undefined) assert.equal(await again.get("kept"), 1);
        await again?.close().catch(() => {});
      });
    }
  });
});
