/** Values so long that a memtable may keep the memory of their commits instead of a copy. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { KIND_BYTES } from "../../lib/format/cell.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { get, key, name, open, put } from "./fixture.ts";

/** Of records in one frame of the log, in two and in more. */
const LENGTHS = [20_000, 150_000, 200_000, 200_000, 1_500_000, 2_500_000, 2_500_000];

const textOf = (i: number): string => String.fromCharCode(97 + i).repeat(LENGTHS[i]!);

function assertAllThere(engine: Engine): void {
  for (const i of LENGTHS.keys()) assert.ok(get(engine, name(i)) === textOf(i), `${i}`);
}

describe("long values", () => {
  it("are right before and after a kill, from memory and from tables", async () => {
    const disk = memoryFileSystem();
    const engine = await open(disk, { memtableBytes: 64 * 2 ** 20 });
    for (const i of LENGTHS.keys()) await put(engine, { [name(i)]: textOf(i) });
    assertAllThere(engine);
    disk.kill();
    const again = await open(disk.otherProcess().fork({ keep: "all" }), { memtableBytes: 64 * 2 ** 20 });
    assertAllThere(again);
    await again.flush();
    assertAllThere(again);
    await again.close();
  });

  it("stay as they are in the cache, though just as long as what blocks are read into", async () => {
    const engine = await open(memoryFileSystem(), { compression: "none", blobBytes: 2 ** 20, cacheBytes: 2 ** 20 });
    const values = ["a", "b"].map((letter) => letter.repeat(65_000));
    for (const value of values) await put(engine, { [value[0]!]: value });
    await engine.compact();
    for (let round = 0; round < 2; round++) {
      for (const value of values) assert.ok(get(engine, value[0]!) === value, `${value[0]} ${round}`);
    }
    await engine.close();
  });

  it("are read to their end though their file is let go of meanwhile, which then goes", async () => {
    const holding = Promise.withResolvers<void>();
    let holds = false;
    const fs = memoryFileSystem({
      delay: (name, path) => holds && name === "read" && path!.endsWith(".blob") ? holding.promise : undefined,
    });
    const engine = await open(fs);
    await put(engine, { a: "x".repeat(200_000) });
    await engine.compact();
    const blobs = async (): Promise<string[]> => (await fs.list("/db")).filter((file) => file.endsWith(".blob"));
    const [blob] = await blobs();
    holds = true;
    const reading = engine.valueAsync(engine.read().get(key("a"))!);
    await yieldToLoop();
    await put(engine, { a: "short" });
    await engine.compact();
    assert.deepEqual(await blobs(), [blob]);
    holding.resolve();
    assert.equal((await reading).length, 200_000);
    await yieldToLoop();
    assert.deepEqual(await blobs(), []);
    await engine.close();
  });

  it("are not copied on their way to a memtable", async () => {
    const engine = await open(memoryFileSystem(), { memtableBytes: 64 * 2 ** 20 });
    const batch = new Batch();
    batch.putCell(encodeText("\0"), encodeText("a"), KIND_BYTES, new Uint8Array(100_000).fill(7));
    await engine.commit(batch);
    const row = engine.read().get(key("a"))!;
    assert.equal(row.cell.buffer, batch.ops.buffer.buffer);
    await engine.close();
  });
});
