/** Files that an engine opens, whatever becomes of it: none stays open. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CorruptionError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, name, open, put } from "./fixture.ts";

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
