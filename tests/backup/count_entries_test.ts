/** Counting: what metadata says is what reading finds, whatever was deleted, overwritten, expired or restored. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { countEntries } from "../../lib/backup/count_entries.ts";
import { spaceRange, spacesOf } from "../../lib/backup/namespaces.ts";
import type { Engine } from "../../lib/engine/types.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { cellExpiry } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix } from "../../lib/format/space.ts";
import { define, fillSample, NOW, openAt, put, write } from "./fixture.ts";

/** One by one. */
function counted(engine: Engine): { entries: number; expired: number } {
  const counts = { entries: 0, expired: 0 };
  const view = engine.read({ version: engine.visibleVersion, moment: 0 });
  for (const { space } of spacesOf(view, engine.keyEncoding)) {
    const { start, end } = spaceRange(space);
    const cursor = view.cursor(start, end);
    while (cursor.next()) counts[(cellExpiry(cursor.cell) ?? Infinity) <= NOW ? "expired" : "entries"]++;
    cursor.close();
  }
  return counts;
}

function nameOf(i: number): string {
  return `key ${String(i).padStart(5, "0")}`;
}

describe("countEntries()", () => {
  it("counts entries of every kind, and those apart that have expired", async () => {
    const engine = await openAt(memoryFileSystem(), "/db");
    await fillSample(engine);
    const before = counted(engine);
    const found = await countEntries(engine, NOW, undefined);
    assert.deepEqual(found, { ...before, exact: true });
    assert.equal(found.entries, 309);
    await engine.close();
  });

  it("reads no table that is known to hold entries of the present alone", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await write(engine, (batch) => {
      for (let i = 0; i < 5000; i++) put(batch, 0, nameOf(i), { value: `value ${i} `.repeat(20) });
    });
    await engine.compact();
    const { tables, otherRows } = engine.plainTables();
    assert.equal(otherRows, 0);
    assert.ok(tables.length >= 2, `${tables.length} tables`);
    assert.equal(tables.reduce((sum, { rows }) => sum + rows, 0), 5000);
    await engine.close();

    const again = await openAt(fs, "/db", { readOnly: true });
    const { read } = again;
    let cursors = 0;
    again.read = (at) => {
      const view = read.call(again, at);
      const { cursor } = view;
      view.cursor = (...range) => {
        const rows = cursor.apply(view, range);
        const { next } = rows;
        rows.next = () => {
          const more = next.call(rows);
          if (more) cursors++;
          return more;
        };
        return rows;
      };
      return view;
    };
    assert.deepEqual(await countEntries(again, NOW, undefined), { entries: 5000, expired: 0, exact: true });
    assert.equal(cursors, 0);
    await again.close();
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`agrees with reading after random writes (seed ${seed})`, async () => {
      let state = seed;
      const random = (below: number): number => {
        state = Math.imul(state, 48271) % 0x7fffffff;
        return Math.abs(state) % below;
      };
      const fs = memoryFileSystem();
      let engine = await openAt(fs, "/db");
      let plain = 0;
      await write(engine, (batch) => define(batch, 0, "inner", 4));
      for (let round = 0; round < 12; round++) {
        // Mostly in a few places, so that other tables stay alone.
        const [from, length] = [random(40_000), 1 + random(800)];
        const rough = random(2) === 0;
        await write(engine, (batch) => {
          for (let i = from; i < from + length; i++) {
            const space = random(8) === 0 ? 4 : 0;
            const kind = rough ? random(60) : 2;
            if (kind === 0) batch.delete(internalKey(spacePrefix(space), encodeText(nameOf(i))));
            else {
              const expiresAt = kind === 1 ? NOW + random(3) - 1 : undefined;
              put(batch, space, nameOf(i), { value: `${round} `.repeat(30), ...(expiresAt && { expiresAt }) });
            }
          }
          if (rough && random(3) === 0) {
            const prefix = spacePrefix(0);
            const [a, b] = [random(40_000), 1 + random(2000)];
            batch.deleteRange(
              internalKey(prefix, encodeText(nameOf(a))),
              internalKey(prefix, encodeText(nameOf(a + b))),
            );
          }
        });
        if (random(3) === 0) await engine.compact();
        await engine.close();
        // A reader: a writer's compaction would take out what has expired between one count and the other.
        const reader = await openAt(fs, "/db", { readOnly: true });
        const { exact, ...found } = await countEntries(reader, NOW, undefined);
        const { entries, expired } = counted(reader);
        assert.deepEqual([found, exact], [{ entries, expired }, true], `round ${round}`);
        const bound = await countEntries(reader, NOW, undefined, 0);
        assert.equal(bound.exact, reader.plainTables().otherRows === 0);
        assert.ok(bound.entries + bound.expired >= entries + expired, `round ${round}`);
        plain += reader.plainTables().tables.length;
        await reader.close();
        engine = await openAt(fs, "/db");
      }
      assert.ok(plain > 0);
      await engine.close();
    });
  }
});
