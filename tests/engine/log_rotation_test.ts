/** What is left of a rotation of the log that failed, and of those that succeeded. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError, ReadOnlyError } from "../../lib/base/errors.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, name, open, put } from "./fixture.ts";

async function logs(fs: MemoryFileSystem): Promise<string[]> {
  return (await fs.list("/db")).filter((name) => name.endsWith(".log"));
}

/** Bytes of all files that have a name: what else is used is of removed ones that somebody has open. */
async function namedBytes(fs: MemoryFileSystem): Promise<number> {
  let bytes = 0;
  for (const name of await fs.list("/db")) bytes += (await fs.stat(`/db/${name}`))!.size;
  return bytes;
}

async function reopened(fs: MemoryFileSystem, engine: Engine): Promise<[string, string][]> {
  fs.kill();
  await engine.close().catch(() => {});
  const again = await open(fs.otherProcess());
  const found = all(again);
  await again.close();
  return found;
}

describe("a rotation of the log", () => {
  it("that finds the disk full leaves the segment in use as it was, and nothing else", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "before" });
    const before = await logs(fs);
    for (const what of [/MANIFEST/, /\.log$/]) {
      fs.inject({ at: ({ name, path }) => name === "append" && what.test(path), do: "full" });
      await assert.rejects(engine.compact(), NoSpaceError);
      assert.deepEqual(await logs(fs), before);
      assert.equal(fs.usedBytes, await namedBytes(fs));
    }
    await put(engine, { b: "behind" });
    assert.deepEqual(await reopened(fs, engine), [["a", "before"], ["b", "behind"]]);
  });

  it("keeps the new segment where the edit that names it may be on disk", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "before" });
    fs.inject({ at: ({ name, path }) => name === "sync" && path.includes("MANIFEST"), do: "lose" });
    await assert.rejects(engine.compact(), IOError);
    assert.deepEqual(await reopened(fs, engine), [["a", "before"]]);
  });

  it("states no end of a segment whose sync failed", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "before" });
    fs.inject({ at: ({ name, path }) => name === "sync" && path.endsWith(".log"), do: "fail" });
    await assert.rejects(put(engine, { b: "not" }), IOError);
    await assert.rejects(engine.compact(), ReadOnlyError);
    const again = await open(fs.fork({ keep: "none" }));
    assert.deepEqual(all(again), [["a", "before"]]);
    await again.close();
    await engine.close().catch(() => {});
  });

  it("removes a segment that an open found without records", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    // Its header is 64 bytes long.
    fs.inject({
      at: ({ name, path, bytes }) => name === "append" && path.endsWith(".log") && bytes !== 64,
      do: "fail",
    });
    await assert.rejects(put(engine, { a: "not" }), IOError);
    fs.kill();
    await engine.close().catch(() => {});
    const next = fs.otherProcess();
    const again = await open(next);
    const [found] = await logs(next);
    await put(again, { a: "now" });
    assert.ok(found !== undefined && !(await logs(next)).includes(found));
    await again.close();
  });

  it("is the last of all where neither the sync of a segment nor taking its end back succeeds", async () => {
    const fs = memoryFileSystem({
      beforeOperation({ name, path }) {
        if (name === "truncate" && path.endsWith(".log")) {
          throw new NoSpaceError(`Cannot truncate ${path}: full (ENOSPC)`);
        }
      },
    });
    const engine = await open(fs);
    await put(engine, { a: "before" }, "interval");
    fs.inject({ at: ({ name, path }) => name === "sync" && path.endsWith("2.log"), do: "fail" });
    await assert.rejects(engine.compact(), IOError);
    await assert.rejects(put(engine, { b: "not" }), ReadOnlyError);
    await engine.close().catch(() => {});
  });

  it("closes the segment that was in use, without zeros behind its end, and so does the end of all", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0, blobBytes: 100 });
    for (let turn = 0; turn < 3; turn++) {
      for (let i = 0; i < 3; i++) await put(engine, { [name(i)]: "long ".repeat(50) });
      await engine.compact();
      assert.equal(all(engine).length, 3);
    }
    assert.equal((await logs(fs)).length, 1);
    assert.equal(fs.usedBytes, await namedBytes(fs));
    await put(engine, { a: "last" });
    const pin = await engine.pin();
    await put(engine, { b: "last" });
    await engine.compact();
    pin.release();
    await put(engine, { c: "last" });
    await engine.close();
    for (const log of await logs(fs)) assert.ok((await fs.stat(`/db/${log}`))!.size < 1000, log);
    for (const file of await fs.list("/db")) await fs.remove(`/db/${file}`);
    assert.equal(fs.usedBytes, 0);
  });
});
