/** Log whose sync failed, found by an open that has no space to write it anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError, ReadOnlyError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { get, open, put } from "./fixture.ts";

/** A disk with a commit that was acknowledged, and one whose sync failed: the disk has given up on its bytes. */
async function withFailedSync(lost = "not", afterOperation?: (done: Operation) => void): Promise<MemoryFileSystem> {
  let fails = false;
  const fs = memoryFileSystem({
    beforeOperation({ name, path }) {
      if (fails && name === "sync" && path.endsWith(".log")) {
        throw new IOError(`Cannot sync ${path}: so the test (EIO)`);
      }
    },
    afterOperation,
  });
  const engine = await open(fs);
  await put(engine, { a: "acknowledged" });
  fails = true;
  await assert.rejects(put(engine, { b: lost }), IOError);
  fails = false;
  fs.kill();
  await engine.close().catch(() => {});
  return fs.otherProcess();
}

async function logs(fs: MemoryFileSystem): Promise<string[]> {
  return (await fs.list("/db")).filter((name) => name.endsWith(".log"));
}

describe("an open behind a kill", () => {
  it("writes no log anew that holds nothing", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    let appends = 0;
    fs.inject({ at: ({ name, path }) => name === "append" && path.endsWith(".log") && ++appends > 1, do: "full" });
    await assert.rejects(put(engine, { a: "refused" }), NoSpaceError);
    const before = await logs(fs);
    fs.kill();
    await engine.close().catch(() => {});
    const next = fs.otherProcess();
    const again = await open(next);
    assert.deepEqual(await logs(next), before);
    assert.equal(before.length, 1);
    await again.close();
  });
});

describe("an open on a full disk behind a failed sync", () => {
  it("notes no end of the log that a power cut may take, when nothing is written", async () => {
    const fs = await withFailedSync();
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    assert.equal(get(engine, "b"), "not");
    await engine.close();
    const again = await open(fs.crash({ keep: "none" }));
    assert.equal(get(again, "a"), "acknowledged");
    await again.close();
  });

  it("has closed its files once it is closed", async () => {
    const fs = await withFailedSync();
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    await engine.close();
    for (const name of await fs.list("/db")) await fs.remove(`/db/${name}`);
    assert.equal(fs.usedBytes, 0);
  });

  it("writes that log anew before anything is written behind it", async () => {
    const fs = await withFailedSync();
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    assert.equal(get(engine, "b"), "not");
    fs.capacityBytes = Infinity;
    const before = await logs(fs);
    await put(engine, { c: "behind" });
    // The one that was written anew, and the one behind it.
    const behind = await logs(fs);
    assert.deepEqual([before.length, behind.length, behind.includes(before[0]!)], [1, 2, false]);
    for (const keep of ["none", "all"] as const) {
      const again = await open(fs.fork({ keep }));
      assert.deepEqual(["a", "b", "c"].map((key) => get(again, key)), ["acknowledged", "not", "behind"]);
      await again.close();
    }
    await engine.compact();
    await engine.close();
  });

  it("leaves no copy of it where the edit that would name it finds no space", async () => {
    const fs = await withFailedSync();
    const before = await logs(fs);
    fs.inject({ at: ({ name, path }) => name === "create" && path.includes("MANIFEST"), do: "full", times: 2 });
    const engine = await open(fs);
    assert.deepEqual(await logs(fs), before);
    await engine.close();
  });

  it("keeps the copy where the marker may lead to it, and does not open", async () => {
    let isLate = false;
    let renamed = false;
    const fs = await withFailedSync("not", ({ name, path }) => {
      if (name === "rename") renamed = isLate;
      if (!renamed || name !== "syncDirectory") return;
      isLate = renamed = false;
      throw new NoSpaceError(`Cannot sync ${path}: full, says the test (ENOSPC)`);
    });
    isLate = true;
    await assert.rejects(open(fs), NoSpaceError);
    for (const keep of ["none", "all"] as const) {
      const again = await open(fs.fork({ keep }));
      assert.equal(get(again, "a"), "acknowledged");
      await again.close();
    }
  });

  it("keeps the copy where its edit may be on disk, and writes nothing more", async () => {
    let isFull = false;
    const fs = await withFailedSync("not", ({ name, path }) => {
      if (!isFull || name !== "append" || !path.includes("MANIFEST")) return;
      throw new NoSpaceError(`Cannot append to ${path}: full, says the test (ENOSPC)`);
    });
    const { capacityBytes } = fs;
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    fs.capacityBytes = capacityBytes;
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 1 });
    isFull = true;
    fs.inject({ at: ({ name, path }) => name === "truncate" && path.includes("MANIFEST"), do: "fail" });
    await assert.rejects(put(engine, { c: "refused" }), NoSpaceError);
    await assert.rejects(put(engine, { c: "refused" }), ReadOnlyError);
    isFull = false;
    for (const keep of ["none", "all"] as const) {
      const again = await open(fs.fork({ keep }));
      assert.deepEqual(["a", "c"].map((key) => get(again, key)), ["acknowledged", undefined]);
      await again.close();
    }
    await engine.close().catch(() => {});
  });

  it("syncs what it shows, where the process was killed and the disk has not given up", async () => {
    const disk = memoryFileSystem();
    const killed = await open(disk);
    await put(killed, { a: "handed to the system" }, "interval");
    disk.kill();
    await killed.close().catch(() => {});
    const fs = disk.otherProcess();
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    assert.equal(get(engine, "a"), "handed to the system");
    const again = await open(fs.fork({ keep: "none" }));
    assert.equal(get(again, "a"), "handed to the system");
    await again.close();
    await engine.close();
  });

  it("has it in tables before it is shown, where there is space for them", async () => {
    const long = "so long, and packed so short ".repeat(5000);
    const fs = await withFailedSync(long);
    fs.capacityBytes = fs.usedBytes + 20_000;
    const engine = await open(fs, { blobBytes: 2 ** 20, memtableBytes: 2 ** 20 });
    assert.equal(get(engine, "b"), long);
    const image = fs.fork({ keep: "none" });
    await engine.close();
    image.capacityBytes = Infinity;
    const again = await open(image);
    assert.equal(get(again, "b"), long);
    await again.close();
  });
});
