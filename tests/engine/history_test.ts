/** Reading commits back from the log while it is let go of, and from where an earlier reading stood. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError, HistoryGoneError, NotFoundError } from "../../lib/base/errors.ts";
import type { CommitEvent, Engine } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, name, open, put } from "./fixture.ts";

async function versions(commits: AsyncIterable<CommitEvent>): Promise<number[]> {
  const found: number[] = [];
  for await (const { version } of commits) found.push(version);
  return found;
}

async function logs(fs: MemoryFileSystem): Promise<string[]> {
  return (await fs.list("/db")).filter((name) => name.endsWith(".log"));
}

/** Commits in two segments, the first of which is in tables. */
async function inTwoSegments(engine: Engine, each: number): Promise<void> {
  for (let i = 0; i < 2 * each; i++) {
    if (i === each) await engine.compact();
    await put(engine, { [name(i)]: "1" }, "interval");
  }
}

describe("history", () => {
  it("goes on over log that is let go of meanwhile, and keeps none of it any longer", async () => {
    for (const isLeft of [false, true]) {
      const fs = memoryFileSystem();
      const engine = await open(fs, { memtableBytes: 2 ** 20, historyBytes: 0 });
      await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 1 });
      await inTwoSegments(engine, 5);
      const whole = await logs(fs);
      const found: number[] = [];
      for await (const { version } of engine.history(0)) {
        found.push(version);
        if (version > 1) continue;
        await engine.compact();
        await engine.dropSlot("s");
        assert.deepEqual((await logs(fs)).slice(0, whole.length), whole);
        if (isLeft) break;
      }
      assert.deepEqual(found, isLeft ? [1] : [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      assert.equal((await logs(fs)).length, 1);
      await engine.close();
    }
  });

  it("begins in each segment where that begins, though readings have come further in another", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 2 ** 20 });
    await inTwoSegments(engine, 5);
    assert.deepEqual(await versions(engine.history(0)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (let since = 0; since < 10; since++) {
      const expected = Array.from({ length: 10 - since }, (_, i) => since + 1 + i);
      assert.deepEqual(await versions(engine.history(since)), expected, `${since}`);
    }
    await engine.close();
  });

  it("is not read by an open where its commits are in tables: damage there is told to who reads it", async () => {
    const fs = memoryFileSystem();
    const made = await open(fs, { memtableBytes: 2 ** 20 });
    await inTwoSegments(made, 5);
    await made.close();
    const [first] = await logs(fs);
    fs.damage(`/db/${first}`, (bytes) => bytes.with(200, bytes[200]! ^ 1));
    const engine = await open(fs, { memtableBytes: 2 ** 20 });
    assert.equal(all(engine).length, 10);
    assert.deepEqual(await versions(engine.history(5)), [6, 7, 8, 9, 10]);
    await assert.rejects(versions(engine.history(0)), CorruptionError);
    await engine.close();
  });

  it("takes a segment that is missing for what it is, where nobody has let it go", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 2 ** 20 });
    await inTwoSegments(engine, 5);
    await fs.remove(`/db/${(await logs(fs))[0]}`);
    await assert.rejects(versions(engine.history(0)), (error) => {
      return error instanceof NotFoundError && !(error instanceof HistoryGoneError);
    });
    await engine.close();
  });
});
