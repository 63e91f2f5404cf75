/** Files that an engine opens, whatever becomes of it: none stays open. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { ClosedError, CorruptionError, HoldfastError, NoSpaceError } from "../../lib/base/errors.ts";
import { DELETE_CELL } from "../../lib/format/cell.ts";
import { fileName } from "../../lib/engine/file_names.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import { writeSynced } from "../../lib/files/publish.ts";
import { readFile } from "../../lib/files/read.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, key, name, open, put } from "./fixture.ts";
import { ingestSome } from "./staged.ts";

/** Bytes of all files that have a name: what else is used is of removed ones that somebody has open. */
async function namedBytes(fs: MemoryFileSystem): Promise<number> {
  let bytes = 0;
  for (const file of await fs.list("/db")) bytes += (await fs.stat(`/db/${file}`))!.size;
  return bytes;
}

/** Removes all files: only of those that somebody has open is the space not free. */
async function openBytes(fs: MemoryFileSystem): Promise<number> {
  for (const file of await fs.list("/db")) await fs.remove(`/db/${file}`);
  return fs.usedBytes;
}

/** A database with two tables, a blob file and log behind them. */
async function made(): Promise<MemoryFileSystem> {
  const fs = memoryFileSystem();
  const engine = await open(fs, { level0Tables: 100 });
  for (const value of ["v", "long ".repeat(100)]) {
    for (let i = 0; i < 3; i++) await put(engine, { [name(i)]: value });
    await engine.compact();
  }
  await put(engine, { last: "1" });
  fs.kill();
  await engine.close().catch(() => {});
  return fs.otherProcess();
}

describe("an engine", () => {
  it("has closed every file once it is closed, a writer and readers beside it", async () => {
    const fs = await made();
    const engine = await open(fs);
    const reader = await open(fs.otherProcess(), { readOnly: true });
    for (const each of [engine, reader]) {
      assert.equal(all(each).length, 4);
      const follower = each.follow(0);
      assert.ok(await follower.next(2 ** 20) !== undefined);
      for await (const _ of each.history(0)) break;
      assert.equal((await each.verify()).ok, true);
    }
    const pin = await engine.pin();
    for await (const _ of pin.tail()) break;
    await put(engine, { last: "2" });
    await engine.compact();
    await reader.refresh();
    assert.equal(all(reader).length, 4);
    pin.release();
    await reader.close();
    await engine.close();
    assert.equal(await openBytes(fs), 0);
  });

  it("removes what compaction has replaced once nobody reads it, and log that is let go of", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0, level0Tables: 2 });
    const fill = async (value: string): Promise<void> => {
      for (let i = 0; i < 6; i++) await put(engine, { [name(i)]: `${value}${i} `.repeat(80) });
    };
    await fill("first");
    await engine.compact();
    const snapshot = engine.snapshot();
    const cursor = engine.read().cursor();
    assert.equal(cursor.next(), true);
    await put(engine, { last: "1" });
    const pin = await engine.pin();
    await fill("second");
    await engine.compact();
    // Its log is held, though all of it is in tables.
    let commits = 0;
    for await (const _ of pin.tail()) commits++;
    assert.equal(commits, 1);
    cursor.close();
    pin.release();
    snapshot.release();
    await fill("third");
    await engine.compact();
    const { state } = await loadManifest(fs, "/db");
    const listed = [
      ...[...state.tables.keys()].map((number) => fileName("table", number)),
      ...[...state.blobs.keys()].map((number) => fileName("blob", number)),
      ...[...state.logs.keys(), state.openLog!.number].map((number) => fileName("log", number)),
    ];
    assert.deepEqual((await fs.list("/db")).filter((each) => /^\d/.test(each)), listed.sort());
    assert.equal(fs.usedBytes, await namedBytes(fs));
    await engine.close();
  });

  it("leaves nothing of a flush or compaction for which there was no space, and goes on with it", async () => {
    // The second table of the second round is a compaction's.
    for (const [file, nth] of [[/sst$/, 1], [/blob$/, 1], [/sst$/, 2]] as const) {
      for (const call of ["create", "append"]) {
        const fs = memoryFileSystem();
        const engine = await open(fs, { historyBytes: 0 });
        for (const value of ["first", "second"]) {
          await put(engine, { a: `${value} `.repeat(200), b: value });
          let count = value === "first" ? 1 : nth;
          fs.inject({ at: ({ name, path }) => name === call && file.test(path) && --count === 0, do: "full" });
          await assert.rejects(engine.compact(), NoSpaceError);
          const listed = engine.stats().levels.reduce((sum, level) => sum + level.tables, 0);
          assert.equal(
            (await fs.list("/db")).filter((each) => each.endsWith(".sst")).length,
            listed,
            `${file} ${call}`,
          );
          assert.equal(fs.usedBytes, await namedBytes(fs));
          await engine.compact();
          assert.deepEqual(all(engine), [["a", `${value} `.repeat(200)], ["b", value]]);
        }
        await engine.close();
        assert.equal(await openBytes(fs), 0);
      }
    }
  });

  it("keeps tables that an edit may name of which nobody knows whether it is on disk", async () => {
    for (const nth of [1, 2, 3]) {
      const fs = memoryFileSystem();
      const engine = await open(fs, { historyBytes: 0 });
      await put(engine, { a: "1" });
      await engine.compact();
      await put(engine, { a: "2", b: "long ".repeat(100) });
      let syncs = 0;
      fs.inject({
        at: ({ name, path }) => name === "sync" && path.includes("MANIFEST") && ++syncs === nth,
        do: "lose",
      });
      await assert.rejects(engine.compact(), HoldfastError);
      const found = all(engine);
      fs.kill();
      await engine.close().catch(() => {});
      const again = await open(fs.otherProcess());
      assert.deepEqual(all(again), found, `edit ${nth}`);
      await again.close();
    }
  });

  for (const what of ["flush", "compaction", "compaction that was asked for"]) {
    it(`holds its lock until a ${what} has ended`, async () => {
      const asked = what.includes("asked");
      const ends = Promise.withResolvers<void>();
      const reached = Promise.withResolvers<void>();
      let tables = Infinity;
      const fs = memoryFileSystem({
        delay(name, path) {
          if (name !== "sync" || !path.endsWith(".sst") || --tables !== 0) return undefined;
          reached.resolve();
          return ends.promise;
        },
      });
      const engine = await open(fs, { blobBytes: 10_000, level0Tables: 2 });
      await put(engine, { a: "1".repeat(1500) });
      if (asked) await engine.compact();
      // Behind those of memtables.
      tables = what === "flush" ? 1 : asked ? 2 : 3;
      await put(engine, { a: "2".repeat(1500) });
      if (!asked) await put(engine, { a: "3".repeat(1500) });
      const compacted = asked ? engine.compact() : undefined;
      compacted?.catch(() => {});
      await reached.promise;
      const found = all(engine);
      const closed = engine.close();
      for (let turn = 0; turn < 10; turn++) await yieldToLoop();
      assert.equal(fs.lockedHere("/db/LOCK"), true);
      ends.resolve();
      await closed;
      await compacted?.catch((error) => assert.ok(error instanceof ClosedError));
      const again = await open(fs);
      assert.deepEqual(all(again), found);
      await again.close();
    });
  }

  it("makes no file once it is closed: the next writer may give that number to its own", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    const writer = engine.ingestWriter();
    await engine.close();
    const before = await fs.list("/db");
    assert.throws(() => writer.add(key("a"), DELETE_CELL), ClosedError);
    assert.deepEqual(await fs.list("/db"), before);
  });

  it("takes no table of another database for its own, though it is as long", async () => {
    const [own, other] = await Promise.all([1, 2].map(async (id) => {
      const fs = memoryFileSystem();
      const engine = await open(fs, { randomId: () => new Uint8Array(16).fill(id) });
      await put(engine, { a: "1" });
      await engine.compact();
      await engine.close();
      return fs;
    }));
    const table = `/db/${(await own!.list("/db")).find((file) => file.endsWith(".sst"))}`;
    const bytes = await readFile(other!, table, Infinity);
    assert.equal(bytes.length, (await own!.stat(table))!.size);
    await own!.remove(table);
    await writeSynced(own!, table, bytes);
    await assert.rejects(open(own!), CorruptionError);
  });

  it("removes nothing as a reader that moves on: its writer may still need what that does not list", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    await put(engine, { a: "1" });
    await engine.compact();
    const pin = await engine.pin();
    const reader = await open(fs.otherProcess(), { readOnly: true });
    assert.equal(all(reader).length, 1);
    await put(engine, { a: "2" });
    await engine.compact();
    await reader.refresh();
    await reader.close();
    const there = await fs.list("/db");
    assert.deepEqual(pin.files.filter((file) => !there.includes(file.name)), []);
    pin.release();
    await engine.close();
  });

  it("keeps the log in use when a pin of it is released", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    (await engine.pin()).release();
    fs.kill();
    await engine.close().catch(() => {});
    const again = await open(fs.otherProcess());
    assert.deepEqual(all(again), [["a", "1"]]);
    await again.close();
  });

  it("lets go of log as memtables are written", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    for (let i = 0; i < 60; i++) await put(engine, { [name(i)]: "x".repeat(100) }, "interval");
    while (engine.stats().pendingFlushes > 0) await yieldToLoop();
    await yieldToLoop();
    assert.ok((await fs.list("/db")).filter((each) => each.endsWith(".log")).length <= 2);
    await engine.close();
  });

  it("closes the files of a cursor that was left, and those that a slot holds", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 1 });
    await ingestSome(engine, 0, 10, false);
    await put(engine, { a: "1" });
    assert.equal(engine.read().cursor().next(), true);
    await engine.compact();
    await engine.close();
    assert.equal(await openBytes(fs), 0);
  });

  for (const [what, pattern] of Object.entries({ table: /sst$/, blob: /blob$/, log: /log$/, manifest: /^MANIFEST/ })) {
    for (const how of ["", " as a reader", " as a copy that never was open"]) {
      it(`that does not open${how} for a damaged ${what} has closed every file`, async () => {
        const fs = await made();
        if (how.includes("copy")) await fs.remove("/db/LOCK");
        const file = `/db/${(await fs.list("/db")).findLast((each) => pattern.test(each))!}`;
        const handle = await fs.open(file, "append");
        const bytes = new Uint8Array(handle.sizeSync());
        handle.readAtSync(bytes, 0);
        await handle.truncate(0);
        // What the header says is another's.
        await handle.append(bytes.with(20, bytes[20]! ^ 1));
        await handle.close();
        const before = await fs.list("/db");
        await assert.rejects(open(fs, { readOnly: how.includes("reader") }), CorruptionError);
        assert.deepEqual(await fs.list("/db"), before);
        assert.equal(await openBytes(fs), 0);
      });
    }
  }
});
