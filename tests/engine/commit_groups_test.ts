/** Commits of one turn, which are written as one group: what each asked for holds for it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { HoldfastError, IOError, NoSpaceError, ReadOnlyError } from "../../lib/base/errors.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { KIND_TEXT } from "../../lib/format/cell.ts";
import { spacePrefix } from "../../lib/format/space.ts";
import { all, get, open, put, remove } from "./fixture.ts";

/** Sets a key under a check that passes: such a commit is applied by itself, in the same group. */
async function putChecked(engine: Engine, name: string): Promise<number> {
  const batch = new Batch();
  batch.putCell(spacePrefix(0), encodeText(name), KIND_TEXT, encodeText("1"));
  return (await engine.commit(batch, { durability: "interval", check: () => true }))!.version;
}

describe("commits of one group", () => {
  it("are durable where one of them waits for that, wherever it stands", async () => {
    for (const order of [["commit", "interval"], ["interval", "commit"], ["commit", "buffered"]] as const) {
      const fs = memoryFileSystem();
      const engine = await open(fs);
      await Promise.all(order.map((durability, i) => put(engine, { [`k${i}`]: "1" }, durability)));
      const again = await open(fs.fork({ keep: "none" }));
      assert.equal(all(again).length, 2, order.join());
      await again.close();
      await engine.close();
    }
  });

  it("outlive the process where one of them is to, wherever it stands", async () => {
    for (const order of [["interval", "buffered"], ["buffered", "interval"]] as const) {
      const fs = memoryFileSystem();
      const engine = await open(fs);
      await Promise.all(order.map((durability, i) => put(engine, { [`k${i}`]: "1" }, durability)));
      fs.kill();
      await engine.close().catch(() => {});
      const again = await open(fs.otherProcess());
      assert.equal(all(again).length, 2, order.join());
      await again.close();
    }
  });

  it("each stand for themselves on a full disk: a delete is let in beside a write that isn't", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { reserve: true, durability: "interval" });
    await put(engine, { a: "1", b: "2" });
    fs.capacityBytes = fs.usedBytes;
    await assert.rejects(put(engine, { c: "3" }), NoSpaceError);
    const both = await Promise.allSettled([put(engine, { d: "4" }), remove(engine, "a"), put(engine, { e: "5" })]);
    assert.ok(both[0].status === "rejected" && both[0].reason instanceof NoSpaceError);
    assert.equal(both[1].status, "fulfilled");
    assert.equal(get(engine, "a"), undefined);
    await engine.close();
  });

  it("are all refused behind one that could not be written, and tasks between them still end", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    fs.inject({ at: ({ name, path }) => name === "append" && path.endsWith(".log"), do: "fail" });
    const done = await Promise.allSettled([
      put(engine, { b: "1" }, "interval"),
      putChecked(engine, "c"),
      engine.flush(),
      put(engine, { d: "1" }),
      engine.pin().then((pin) => pin.release()),
    ]);
    for (const [i, each] of done.entries()) {
      const type = i === 0 ? IOError : i === 4 ? HoldfastError : ReadOnlyError;
      assert.ok(each.status === "rejected" && each.reason instanceof type, `${i}: ${JSON.stringify(each)}`);
    }
    assert.deepEqual(all(engine), [["a", "1"]]);
    await engine.close().catch(() => {});
    const again = await open(fs.otherProcess());
    assert.deepEqual(all(again), [["a", "1"]]);
    await again.close();
  });

  it("get times behind the newest that the process before may have promised to be the last of its kind", async () => {
    const fs = memoryFileSystem();
    const clock = (): number => 5000;
    const engine = await open(fs, { clock });
    await put(engine, { a: "1" });
    const { moment } = await engine.settled();
    await engine.close();
    const again = await open(fs, { clock });
    await put(again, { b: "1" });
    assert.ok(again.visibleTimestamp >= moment && again.visibleTimestamp > engine.visibleTimestamp);
    await again.close();
  });
});
