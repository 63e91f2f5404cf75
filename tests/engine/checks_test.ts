/** When a commit whose check failed is told so. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { encodeText } from "../../lib/base/bytes.ts";
import { IOError, ReadOnlyError } from "../../lib/base/errors.ts";
import type { Durability, Engine } from "../../lib/engine/types.ts";
import { KIND_TEXT } from "../../lib/format/cell.ts";
import { spacePrefix } from "../../lib/format/space.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { get, key, open, put } from "./fixture.ts";
import { type HeldSyncs, withHeldSyncs } from "./held_syncs.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";

/** Sets `mine` where `other` was not written to behind a version: "written", "refused" or what it fails with. */
function unlessChanged(engine: Engine, version: number, durability?: Durability): Promise<unknown> {
  const batch = new Batch();
  batch.putCell(spacePrefix(0), encodeText("mine"), KIND_TEXT, encodeText("1"));
  return engine.commit(batch, { durability, check: (state) => !state.keyChangedSince(key("other"), version) })
    .then((commit) => commit === undefined ? "refused" : "written");
}

/** A database that knows how long syncs take, and lets groups overlap. */
async function overlapping(): Promise<HeldSyncs & { told: unknown[] }> {
  const held = await withHeldSyncs({ durability: "commit", flushInterval: 60_000 });
  for (const name of ["second", "third", "fourth"]) {
    const written = put(held.engine, { [name]: "1" });
    (await held.begun())();
    await written;
  }
  return { ...held, told: [] };
}

/** A commit whose sync is held, and two that it makes fail, in its own group or in one that is written meanwhile. */
async function refused(
  together: boolean,
): Promise<HeldSyncs & { letGo: (error?: unknown) => void; told: unknown[]; names: string[] }> {
  const held = await overlapping();
  const { engine, told } = held;
  const names = together ? ["other"] : ["other", "another"];
  const { version } = engine.read();
  for (const name of names) void put(engine, { [name]: "1" }).then(() => told.push(name), (error) => told.push(error));
  for (let i = 0; i < 2; i++) {
    void unlessChanged(engine, version).then((what) => told.push(what), (error) => told.push(error));
  }
  return { ...held, letGo: await held.begun(), names };
}

for (const together of [true, false]) {
  describe(`a commit refused for one ${together ? "of its own group" : "that is being synced"}`, () => {
    it("is told when that one is visible, and before that one is", async () => {
      const { engine, letGo, told, names, release } = await refused(together);
      await pause(5);
      assert.deepEqual(told, []);
      release();
      letGo();
      while (told.length < names.length + 2) await pause(1);
      assert.deepEqual(told, ["refused", "refused", ...names]);
      assert.equal(get(engine, "other"), "1");
      assert.equal(await unlessChanged(engine, engine.read().version), "written");
      await engine.close();
    });

    it("fails where it is unknown what the disk holds", async () => {
      const { engine, letGo, told, names } = await refused(together);
      letGo(new IOError("the disk is gone (IO)"));
      while (told.length < names.length + 2) await pause(1);
      for (const error of told) {
        assert.ok(error instanceof IOError || error instanceof ReadOnlyError, String(error));
      }
      await engine.close().catch(() => {});
    });
  });
}

describe("a commit refused for one of two groups that are being synced", () => {
  it("is told when that group is visible, and not the one before it", async () => {
    const { engine, begun, told, release } = await overlapping();
    const { version } = engine.read();
    for (const name of ["a", "b", "c", "other"]) void put(engine, { [name]: "1" }).then(() => told.push(name));
    for (let i = 0; i < 2; i++) void unlessChanged(engine, version).then((what) => told.push(what));
    const first = await begun();
    // The others are written meanwhile.
    await pause(5);
    first();
    const second = await begun();
    await pause(5);
    assert.deepEqual(told, ["a", "b", "c"]);
    release();
    second();
    while (told.length < 6) await pause(1);
    assert.deepEqual(told, ["a", "b", "c", "refused", "refused", "other"]);
    await engine.close();
  });
});

describe("a commit refused for one that is visible", () => {
  it("is told at once, whatever comes behind it", async () => {
    const engine = await open(memoryFileSystem());
    await put(engine, { other: "1" });
    const order: unknown[] = [];
    await Promise.all([
      unlessChanged(engine, 0).then((what) => order.push(what)),
      unlessChanged(engine, 1).then((what) => order.push(what)),
    ]);
    assert.deepEqual(order.sort(), ["refused", "written"]);
    await engine.close();
  });

  it("is told where all of its group are refused", async () => {
    const engine = await open(memoryFileSystem());
    await put(engine, { other: "1" });
    const all = await Promise.all([0, 0, 0].map((version) => unlessChanged(engine, version)));
    assert.deepEqual(all, ["refused", "refused", "refused"]);
    await engine.close();
  });
});
