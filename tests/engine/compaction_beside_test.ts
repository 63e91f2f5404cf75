/** Compaction that was asked for, of a database that is written to meanwhile: writers are not stopped until its end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { Engine, EngineSettings } from "../../lib/engine/types.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { KIND_TEXT } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import { all, get, key, name, open, put, removeRange } from "./fixture.ts";

const COUNT = 600;
const VALUE = "x".repeat(100);

/** Turns of the loop that a table's sync takes. */
const SLOW = 30;

/** An engine with many tables in several levels. */
async function deep(changes: Partial<EngineSettings> = {}): Promise<Engine> {
  const delay = async (operation: string, path: string): Promise<void> => {
    if (operation !== "sync" || !path.endsWith(".sst")) return;
    for (let i = 0; i < SLOW; i++) await yieldToLoop();
  };
  const fs = memoryFileSystem({ delay: (operation, path) => path === undefined ? undefined : delay(operation, path) });
  const engine = await open(fs, { historyBytes: 0, ...changes });
  for (let i = 0; i < COUNT; i++) await put(engine, { [name(i * 7919 % COUNT)]: `${i} ${VALUE}` });
  return engine;
}

const levelsOf = (engine: Engine): number[] => engine.stats().levels.map(({ level }) => level);

describe("compaction that was asked for", () => {
  it("stops no writer until its end", async () => {
    const engine = await deep();
    await engine.compact();
    let isOver = false;
    const compacting = engine.compact().finally(() => isOver = true);
    const before = engine.visibleVersion;
    let written = 0;
    while (!isOver) {
      await put(engine, { [name(written * 7919 % COUNT)]: VALUE });
      if (!isOver) written++;
    }
    await compacting;
    assert.equal(engine.visibleVersion, before + written + 1);
    // Level 0 and memory hold some seventy of them, and then nobody could write.
    assert.ok(written > 150, `${written} written`);
    assert.equal(all(engine).length, COUNT);
    await engine.close();
  });

  it("ends, though more and more is written behind all that there was", async () => {
    const engine = await deep({ level0Tables: 1, memtableBytes: 8192 });
    let isOver = false;
    let parts = 0;
    const compacting = engine.compact(undefined, undefined, undefined, () => parts++).finally(() => isOver = true);
    let written = 0;
    while (!isOver && written < 5000) await put(engine, { [name(COUNT + written++)]: VALUE });
    await compacting;
    assert.ok(parts <= 8, `${parts} parts, ${written} written`);
    await engine.close();
  });

  it("takes only what meets its range, part by part, also where a deletion has no end", async () => {
    for (const hasEnd of [true, false]) {
      const engine = await deep();
      await engine.compact();
      const batch = new Batch();
      batch.deleteRange(key(name(500)), hasEnd ? key(name(510)) : undefined);
      await engine.commit(batch, { durability: "commit" });
      for (let i = 0; i < 200; i++) await put(engine, { [name(i)]: `again ${VALUE}` });
      const before = all(engine);
      assert.equal(before.length, hasEnd ? COUNT - 10 : 500);
      let bytes = 0;
      await engine.compact(key(name(100)), key(name(150)), undefined, (count) => bytes += count);
      assert.ok(bytes > 0 && bytes < engine.stats().tableBytes, `${bytes}`);
      assert.deepEqual(all(engine), before);
      await engine.compact();
      assert.equal(levelsOf(engine).length, 1);
      assert.deepEqual(all(engine), before);
      assert.ok((await engine.verify()).ok);
      await engine.close();
    }
  });

  it("leaves no table behind that has but one row", async () => {
    const engine = await deep({ blobBytes: 2 ** 20 });
    for (let i = 0; i < 20; i++) await put(engine, { [name(i * 30)]: VALUE.repeat(20) });
    const before = all(engine);
    await engine.compact();
    assert.equal(levelsOf(engine).length, 1);
    for (let i = 0; i < 20; i++) await put(engine, { [name(COUNT + i)]: VALUE.repeat(20) });
    await engine.compact();
    assert.equal(levelsOf(engine).length, 1);
    assert.deepEqual(all(engine).slice(0, COUNT), before);
    await engine.close();
  });

  it("passes no table that begins where a deletion in the one before it ends, and has but that row", async () => {
    const engine = await open(memoryFileSystem(), { blobBytes: 2 ** 20, compression: "none" });
    const value = VALUE.repeat(20);
    await put(engine, { b: value, m: value, n: value });
    // Keeps the deletion.
    const snapshot = engine.snapshot();
    await removeRange(engine, "a", "m");
    await engine.compact();
    snapshot.release();
    const { tables } = engine.stats().levels[0]!;
    assert.equal(tables, 3);
    let written = 0;
    await engine.compact(undefined, undefined, undefined, (_bytes, tables) => written += tables);
    assert.equal(written, tables);
    await engine.close();
  });

  it("goes down in parts, and leaves all in one level", async () => {
    const engine = await deep();
    assert.ok(levelsOf(engine).length > 2, `levels ${levelsOf(engine)}`);
    const before = all(engine);
    await removeRange(engine, name(COUNT), name(2 * COUNT));
    const parts: number[] = [];
    await engine.compact(undefined, undefined, undefined, (_bytes, tables) => parts.push(tables));
    assert.equal(levelsOf(engine).length, 1);
    assert.ok(parts.length > 2 && Math.max(...parts) < 20, `${parts} tables at once`);
    assert.ok(parts.length < 20, `${parts}: what was just written is not written again`);
    assert.deepEqual(all(engine), before);
    assert.ok((await engine.verify()).ok);
    await engine.close();
  });

  it("drops no tag for the sake of a commit that a power cut may take", async () => {
    let time = 0;
    const fs = memoryFileSystem();
    const settings = { tableBytes: 2 ** 20, blobBytes: 2 ** 20, memtableBytes: 2 ** 20 };
    const engine = await open(fs, { ...settings, monotonic: () => time++ });
    const tag = internalKey(tagPrefix(spacePrefix(1), encodeText("tag")), encodeText(name(0)));
    for (let i = 1; i < COUNT; i++) await put(engine, { [name(i)]: VALUE }, "interval");
    const batch = new Batch();
    batch.putCell(spacePrefix(0), encodeText(name(0)), KIND_TEXT, encodeText("tagged"));
    batch.put(tag, Uint8Array.of(5));
    await engine.commit(batch);
    await engine.compact();
    const compacting = engine.compact();
    await put(engine, { [name(0)]: "not tagged any more" }, "interval");
    await compacting;
    const after = await open(fs.fork({ keep: "none" }), settings);
    assert.equal(get(after, name(0)), "tagged");
    assert.notEqual(after.read().get(tag), undefined);
    await after.close();
    await engine.close();
  });
});
