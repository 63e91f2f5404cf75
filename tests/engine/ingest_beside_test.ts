/** Tables are taken in beside compaction that takes long: it is let in between two parts of that. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import type { Commit, Engine } from "../../lib/engine/types.ts";
import { all, get, key, name, open, put } from "./fixture.ts";

const COUNT = 100;

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

async function withHeldTables(): Promise<HeldTables> {
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
  const engine = await open(fs, { memtableBytes: 2 ** 20, blockBytes: 256, tableBytes: 512 });
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
  it("waits for a part of it, and so do those who write behind it", async () => {
    const { engine, hold, waiting, letPass, release } = await withHeldTables();
    const ingest = await written(engine);
    hold();
    let [isOver, isTaken] = [false, false];
    const compacting = engine.compact().then(() => isOver = true);
    await waiting();
    const taken = Promise.all([ingest(), put(engine, { beside: "1" })]).then(() => isTaken = true);
    await yieldToLoop();
    assert.equal(get(engine, name(3)), "v3");
    while (!isTaken && !isOver) {
      letPass();
      await yieldToLoop();
    }
    assert.deepEqual([isTaken, isOver], [true, false]);
    release();
    await Promise.all([compacting, taken]);
    await assertTaken(engine);
  });

  it("hears its signal while it waits, and compaction goes on", async () => {
    const { engine, hold, waiting, release } = await withHeldTables();
    const ingest = await written(engine);
    const controller = new AbortController();
    hold();
    const compacting = engine.compact();
    await waiting();
    const ingesting = ingest(controller.signal);
    await yieldToLoop();
    controller.abort(new Error("enough"));
    await assert.rejects(ingesting, /enough/);
    await put(engine, { beside: "1" });
    release();
    await compacting;
    assert.equal(get(engine, name(3)), "v3");
    await ingest();
    await assertTaken(engine);
  });
});
