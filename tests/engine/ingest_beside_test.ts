/** Tables are taken in beside compaction that takes long: whoever writes meanwhile does not wait for it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import type { Commit, Engine, EngineSettings } from "../../lib/engine/types.ts";
import { all, get, key, name, open, put } from "./fixture.ts";

const COUNT = 100;

/** At so many runs in level 0 compaction begins. */
const LEVEL_0 = 4;

/** An engine of whose tables each waits for its sync, from `hold` on, until one is let through. */
interface HeldTables {
  engine: Engine;
  hold: () => void;
  /** Resolves when one waits. */
  waiting: () => Promise<void>;
  /** Lets those through that wait. */
  letPass: () => void;
  /** Lets all through from now on. */
  release: () => void;
}

async function withHeldTables(changes: Partial<EngineSettings> = {}): Promise<HeldTables> {
  let isHolding = false;
  let held: (() => void)[] = [];
  let tell: () => void = () => {};
  const fs = memoryFileSystem({
    delay: (operation, path) => {
      if (!isHolding || operation !== "sync" || !path.endsWith(".sst")) return undefined;
      return new Promise((resolve) => {
        held.push(resolve);
        tell();
      });
    },
  });
  const engine = await open(fs, { memtableBytes: 2 ** 20, tableBytes: 2 ** 20, level0Tables: LEVEL_0, ...changes });
  for (let i = 0; i < COUNT; i++) await put(engine, { [name(i)]: `v${i}` });
  await engine.compact();
  const letPass = (): void => {
    const all = held;
    held = [];
    for (const resolve of all) resolve();
  };
  return {
    engine,
    hold: () => isHolding = true,
    waiting: async () => {
      if (held.length === 0) await new Promise<void>((resolve) => tell = resolve);
    },
    letPass,
    release: () => {
      isHolding = false;
      letPass();
    },
  };
}

/** Rows are written, and about to be taken in. */
async function written(engine: Engine): Promise<(signal?: AbortSignal) => Promise<Commit>> {
  const writer = engine.ingestWriter();
  for (let i = 0; i < 10; i++) writer.add(key(name(i)), new Uint8Array([5, 0x72]));
  const files = await writer.finish();
  return (signal) => engine.ingest(files, { replace: false, signal });
}

async function assertTaken(engine: Engine): Promise<void> {
  assert.equal(get(engine, name(3)), "r");
  assert.equal(get(engine, name(20)), "v20");
  assert.equal(all(engine).length, COUNT + 1);
  assert.ok((await engine.verify()).ok);
  await engine.close();
}

describe("an ingest beside compaction that was asked for", () => {
  it("keeps no writer waiting that comes after it", async () => {
    const { engine, hold, waiting, release } = await withHeldTables();
    const ingest = await written(engine);
    hold();
    const compacting = engine.compact();
    await waiting();
    const ingesting = ingest();
    await put(engine, { beside: "1" });
    assert.equal(get(engine, name(3)), "v3");
    release();
    await Promise.all([compacting, ingesting]);
    await assertTaken(engine);
  });

  it("keeps none waiting while it waits for memory to go to tables, and compaction comes first then", async () => {
    const { engine, hold, waiting, letPass, release } = await withHeldTables();
    const ingest = await written(engine);
    await put(engine, { beside: "0" });
    hold();
    const ingesting = ingest();
    await waiting();
    const compacting = engine.compact();
    await yieldToLoop();
    letPass();
    await waiting();
    await put(engine, { beside: "1" });
    release();
    await Promise.all([compacting, ingesting]);
    await assertTaken(engine);
  });

  it("keeps none waiting for what was in memory when it came", async () => {
    const { engine, hold, waiting, release } = await withHeldTables();
    const ingest = await written(engine);
    await put(engine, { beside: "0" });
    hold();
    const ingesting = ingest();
    await waiting();
    await put(engine, { beside: "1" });
    release();
    await ingesting;
    await assertTaken(engine);
  });

  it("lets compaction go on behind it", async () => {
    // No time goes by by which it would go on all the same.
    const { engine } = await withHeldTables({ monotonic: () => 0 });
    await (await written(engine))();
    for (let i = 0; i < LEVEL_0; i++) {
      await put(engine, { beside: `${i}` });
      await engine.flush();
      await (await written(engine))();
    }
    for (let i = 0; i < 1000 && engine.stats().levels[0]!.tables >= LEVEL_0; i++) await yieldToLoop();
    assert.ok(engine.stats().levels[0]!.tables < LEVEL_0);
    await assertTaken(engine);
  });

  it("hears its signal, and compaction goes on", async () => {
    const { engine, hold, waiting, release } = await withHeldTables();
    const ingest = await written(engine);
    const controller = new AbortController();
    hold();
    const compacting = engine.compact();
    await waiting();
    const ingesting = ingest(controller.signal);
    await put(engine, { beside: "1" });
    controller.abort(new Error("enough"));
    await assert.rejects(ingesting, /enough/);
    release();
    await compacting;
    assert.equal(get(engine, name(3)), "v3");
    await ingest();
    await assertTaken(engine);
  });
});
