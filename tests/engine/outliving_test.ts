/** What outlives a database that was closed leaves the directory alone: another database may lie there by then. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { fill, key, open } from "./fixture.ts";

/** A database with a list under way, which holds tables that are no longer needed by others. */
async function withList() {
  const fs = memoryFileSystem();
  const engine = await open(fs);
  await fill(engine, 100);
  await engine.compact();
  const list = engine.read().cursor();
  assert.ok(list.next());
  const held = (await fs.list("/db")).filter((name) => name.endsWith(".sst"));
  await fill(engine, 100, "w");
  await engine.compact();
  return { fs, engine, list, held };
}

describe("A closed database", () => {
  it("has removed what it was about to before it lets go of the directory", async () => {
    const { fs, engine, list } = await withList();
    const remove = fs.remove.bind(fs);
    const { promise: free, resolve: letGo } = Promise.withResolvers<void>();
    fs.remove = async (path) => {
      if (path.endsWith(".sst")) await free;
      await remove(path);
    };
    const before = (await fs.list("/db")).length;
    list.close();
    let closed = false;
    const closing = engine.close().then(() => closed = true);
    for (let turn = 0; turn < 50; turn++) await yieldToLoop();
    assert.equal(closed, false);
    letGo();
    await closing;
    assert.ok((await fs.list("/db")).length < before);
  });

  it("has no file open for a list that was begun and left", async () => {
    const { fs, engine } = await withList();
    const open = new Set<string>();
    const openSync = fs.openSync.bind(fs);
    fs.openSync = (path, mode) => {
      const handle = openSync(path, mode);
      if (mode !== "read") return handle;
      open.add(path);
      const closeSync = handle.closeSync.bind(handle);
      handle.closeSync = () => {
        open.delete(path);
        closeSync();
      };
      return handle;
    };
    const left = engine.read().cursor();
    assert.ok(left.next());
    await fill(engine, 100);
    await engine.compact();
    assert.ok(open.size > 0);
    await engine.close();
    assert.deepEqual([...open], []);
    left.close();
  });

  it("takes no file from its successor when a list is let go of late", async () => {
    const { fs, engine, list, held } = await withList();
    await engine.close();
    for (const name of await fs.list("/db")) await fs.remove(`/db/${name}`);

    const successor = await open(fs);
    await fill(successor, 100);
    await successor.compact();
    const files = (await fs.list("/db")).sort();
    assert.ok(held.some((name) => files.includes(name)), "no number is there twice");
    list.close();
    await null;
    assert.deepEqual((await fs.list("/db")).sort(), files);
    assert.deepEqual((await successor.verify()).problems, []);
    await successor.close();
  });

  it("takes no file from its successor when a restore is given up late", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    const tables: TableMeta[] = [];
    const unfinished = engine.ingestWriter();
    for (const writer of [unfinished, ...Array.from({ length: 5 }, () => engine.ingestWriter())]) {
      writer.add(key("a"), new Uint8Array([5, 0x72]));
      if (writer !== unfinished) tables.push(...(await writer.finish()).tables);
    }
    await engine.close();
    for (const name of await fs.list("/db")) await fs.remove(`/db/${name}`);

    const successor = await open(fs);
    await fill(successor, 20);
    await successor.compact();
    const names = (await fs.list("/db")).sort();
    assert.ok(tables.some(({ number }) => fs.statSync(engine.filePath("table", number)) !== undefined));
    await engine.discard({ tables, blobs: [] });
    await unfinished.abort();
    assert.deepEqual((await fs.list("/db")).sort(), names);
    await successor.close();
  });
});
