import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EngineEvent } from "../../lib/engine/types.ts";
import type { LiveTable } from "../../lib/engine/version/live_file.ts";
import { Run, RunTombstones } from "../../lib/engine/version/run.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { withSeeds } from "../tree/model.ts";
import { all, fill, get, name, open, put, removeRange } from "./fixture.ts";

const keyOf = (i: number): Uint8Array => Uint8Array.of(i >> 8, i & 255);

describe("the deleted ranges of a run", () => {
  it("are those of its tables, each asked only for keys of its own", () => {
    withSeeds(20, (random) => {
      const asked: number[] = [];
      const parts: RangeTombstones[] = [];
      const tables = Array.from({ length: 12 }, (_, n) => {
        const [from, to] = [n * 100, n * 100 + 100];
        const tombstones = new RangeTombstones();
        for (let i = 0; i < 30; i++) {
          const start = from + random.below(98);
          const end = Math.min(to, start + 1 + random.below(20));
          tombstones.add({ start: keyOf(start), end: keyOf(end), version: 1 + random.below(50), timestamp: 1 });
        }
        parts.push(tombstones);
        // As where a deleted range ends the table.
        const meta = { smallest: keyOf(from), largest: keyOf(to), largestExclusive: true };
        return { meta, reader: () => (asked.push(n), { tombstones }) } as unknown as LiveTable;
      });
      const all = RangeTombstones.merge(parts);
      const run = new RunTombstones(new Run(tables));
      assert.deepEqual(asked, []);
      for (let i = 0; i < 400; i++) {
        const number = random.below(1250);
        const [key, atVersion] = [keyOf(number), random.below(60)];
        const version = all.coveringVersion(key, atVersion);
        assert.equal(run.coveringVersion(key, atVersion), version);
        assert.deepEqual(run.coveringStart(key, atVersion), all.coveringStart(key, atVersion));
        assert.deepEqual(run.coveringEnd(key, atVersion), all.coveringEnd(key, atVersion));
        const own = Math.floor(number / 100);
        assert.ok(asked.splice(0).every((n) => n === own), `key ${number}`);
      }
    });
  });
});

describe("tables of deleted ranges", () => {
  it("are cut where these are enough, though rows are few: they are written and read in one go", async () => {
    const events: EngineEvent[] = [];
    const fs = memoryFileSystem();
    const settings = {
      memtableBytes: 2 ** 20,
      levelBytes: 64,
      onEvent: (event: EngineEvent) => void events.push(event),
    };
    let engine = await open(fs, settings);
    await fill(engine, 200);
    // Below what follows, so that the deleted ranges have to stay.
    for (const value of ["a", "b", "c"]) {
      await put(engine, { [name(0)]: value, [name(199)]: value });
      await engine.compact();
    }
    events.length = 0;
    const snapshot = engine.snapshot();
    for (let i = 0; i < 200; i++) await removeRange(engine, `${name(i)}a`, `${name(i)}b`);
    await removeRange(engine, name(50), name(60));
    await put(engine, { [name(55)]: "again" });
    await engine.compact();
    // 200 ranges of 16 bytes and more, at 1 KiB a table.
    const outputs = events.flatMap((event) => event.type === "compaction" ? [event.outputs] : []);
    assert.ok(outputs[0]! >= 5, `tables in each compaction: ${outputs}`);
    const expected = (): void => {
      assert.equal(all(engine).length, 191);
      assert.equal(get(engine, name(55)), "again");
      assert.equal(get(engine, name(56)), undefined);
      assert.equal(get(engine, name(60)), "v60");
    };
    expected();
    assert.equal(all(engine, engine.read(snapshot)).length, 200);
    snapshot.release();
    await engine.close();
    engine = await open(fs, settings);
    expected();
    await engine.close();
  });
});
