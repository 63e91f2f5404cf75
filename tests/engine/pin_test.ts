/** A pin is its base and its tail, whatever is written meanwhile. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { CommitEvent, Pin } from "../../lib/engine/types.ts";
import { fill, open, put } from "./fixture.ts";
import { contents, copy, listed, NO_FILES, openAt, stage } from "./staged.ts";

async function tailOf(pin: Pin): Promise<CommitEvent[]> {
  const commits: CommitEvent[] = [];
  for await (const commit of pin.tail()) commits.push({ ...commit, ops: commit.ops.slice() });
  return commits;
}

describe("Pin", () => {
  it("is its base and the commits of its tail, whatever is written meanwhile", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0, archiveBytes: 4000 });
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
    const times = new Map<number, number>();
    engine.onCommit(({ version, timestamp }) => void times.set(version, timestamp));
    await fill(engine, 203);
    assert.deepEqual([engine.slots().length, engine.gaps().length > 0], [1, true]);
    const pin = await engine.pin();
    const expected = contents(engine);
    assert.ok(pin.base.version > 0 && pin.base.version < 203, `base ${pin.base.version}`);
    assert.equal(pin.base.timestamp, times.get(pin.base.version));
    await fill(engine, 300, "w");
    await engine.compact();
    const tail = await tailOf(pin);
    assert.equal(tail[0]!.version, pin.base.version + 1);
    assert.equal(tail.at(-1)!.version, 203);
    assert.equal(tail.at(-1)!.timestamp, pin.timestamp);
    await stage(engine, pin, "/copy");
    pin.release();
    await assert.rejects(tailOf(pin), ClosedError);
    const copied = await openAt(fs, "/copy");
    assert.equal(copied.visibleVersion, pin.base.version);
    assert.equal(copied.visibleTimestamp, pin.base.timestamp);
    assert.deepEqual(copied.slots(), []);
    assert.deepEqual(copied.gaps(), []);
    assert.deepEqual(await copied.replay(listed(tail), NO_FILES), { version: 203, timestamp: pin.timestamp });
    assert.deepEqual(contents(copied), expected);
    await copied.close();
    await engine.close();
  });

  it("says for its base which lineage that version is of", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    const pin = await engine.pin();
    await fs.makeDirectory("/copy");
    for (const { name: file } of pin.files) await copy(fs, `/db/${file}`, `/copy/${file}`);
    await (await fs.open(`/copy/${pin.manifestName}`, "create")).append(pin.manifest());
    await (await fs.open("/copy/CURRENT", "create")).append(pin.marker());
    pin.release();
    // The copy begins a lineage of its own at version 1, which is still in its log.
    const copied = await openAt(fs, "/copy", { randomId: () => new Uint8Array(16).fill(9) });
    await put(copied, { b: "2" });
    const second = await copied.pin();
    assert.equal(second.base.version, 0);
    assert.equal(second.meta.lineage, copied.lineage);
    assert.deepEqual(second.meta.parents, [{ lineage: engine.lineage, version: 1 }]);
    assert.equal(second.base.meta.lineage, engine.lineage);
    assert.deepEqual(second.base.meta.parents, []);
    second.release();
    await copied.close();
    await engine.close();
  });

  it("holds its tables and its log until it is released, and lets go of them once", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    await fill(engine, 103);
    const [pin, other] = [await engine.pin(), await engine.pin()];
    const kinds = new Set(pin.files.map(({ kind }) => kind));
    assert.ok(kinds.has("table") && kinds.has("log"), `${[...kinds]}`);
    const left = async (): Promise<number> => {
      const names = await fs.list("/db");
      return pin.files.filter(({ name }) => names.includes(name)).length;
    };
    await fill(engine, 300, "w");
    await engine.compact();
    assert.equal(await left(), pin.files.length);
    pin.release();
    pin.release();
    assert.deepEqual([engine.stats().pins, await left()], [1, pin.files.length]);
    other.release();
    assert.deepEqual([engine.stats().pins, await left()], [0, 0]);
    await engine.close();
  });

  it("has of the log what is not in tables, and gives no commit that is", async () => {
    // Opened again, its commits are in many memtables, of which the second is not written yet.
    const written = Promise.withResolvers<void>();
    let tables = 0;
    const fs = memoryFileSystem({
      delay: (name, path) => name === "sync" && path!.endsWith(".sst") && ++tables > 1 ? written.promise : undefined,
    });
    const engine = await open(fs, { memtableBytes: 2 ** 20 });
    await fill(engine, 100);
    await engine.settled();
    fs.kill();
    await engine.close().catch(() => {});
    const again = await open(fs.otherProcess(), { historyBytes: 2 ** 20 });
    await put(again, { z: "1" });
    while (tables < 2) await yieldToLoop();
    const pin = await again.pin();
    assert.ok(pin.base.version > 0 && pin.base.version < 100, `base ${pin.base.version}`);
    assert.equal((await tailOf(pin))[0]!.version, pin.base.version + 1);
    pin.release();
    written.resolve();
    await again.compact();
    const later = await again.pin();
    assert.deepEqual(later.files.filter(({ kind }) => kind === "log"), []);
    later.release();
    await again.close();
  });
});
