import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LiveTable } from "../../lib/engine/version/live_file.ts";
import { Run, RunTombstones } from "../../lib/engine/version/run.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { withSeeds } from "../tree/model.ts";

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
