/** Log whose sync failed, found by an open that has no space to write it anew. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { get, open, put } from "./fixture.ts";

/** A disk with a commit that was acknowledged, and one whose sync failed: the disk has given up on its bytes. */
async function withFailedSync(lost = "not"): Promise<MemoryFileSystem> {
  let fails = false;
  const fs = memoryFileSystem({
    beforeOperation({ name, path }) {
      if (fails && name === "sync" && path.endsWith(".log")) {
        throw new IOError(`Cannot sync ${path}: so the test (EIO)`);
      }
    },
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

  it("writes that log anew before anything is written behind it", async () => {
    const fs = await withFailedSync();
    fs.capacityBytes = fs.usedBytes;
    const engine = await open(fs);
    assert.equal(get(engine, "b"), "not");
    fs.capacityBytes = Infinity;
    await put(engine, { c: "behind" });
    for (const keep of ["none", "all"] as const) {
      const again = await open(fs.fork({ keep }));
      assert.deepEqual(["a", "b", "c"].map((key) => get(again, key)), ["acknowledged", "not", "behind"]);
      await again.close();
    }
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
