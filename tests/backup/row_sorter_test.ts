import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { compareBytes } from "../../lib/base/bytes.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { RowSorter, type SortedRowCursor } from "../../lib/backup/load/row_sorter.ts";

function all(rows: SortedRowCursor): [string, string][] {
  const out: [string, string][] = [];
  for (; rows.valid; rows.next()) out.push([rows.key.join(), rows.cell.join()]);
  rows.close();
  return out;
}

describe("RowSorter", () => {
  for (const [what, memoryBytes] of [["in memory", 2 ** 30], ["over many runs", 40_000]] as const) {
    it(`sorts rows and keeps the last of equal keys, ${what}`, async () => {
      const fs = memoryFileSystem();
      const sorter = new RowSorter(fs, "/", "rows", memoryBytes);
      const expected = new Map<string, { key: Uint8Array; cell: string }>();
      let seed = 4711;
      const random = (below: number): number => {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        return Math.floor(seed / 2 ** 32 * below);
      };
      for (let n = 0; n < 20_000; n++) {
        const key = new Uint8Array([random(8), random(30), random(30), random(3)].slice(0, 1 + random(4)));
        const cell = new Uint8Array(random(100) === 0 ? 3000 : 4).fill(n).map((byte, i) => byte + i);
        const full = sorter.add(key, cell);
        if (full !== undefined) await full;
        expected.set(key.join(), { key, cell: cell.join() });
      }
      const sorted = [...expected.values()].sort((a, b) => compareBytes(a.key, b.key));
      assert.equal((await fs.list("/")).length > 3, memoryBytes < 2 ** 20);
      for (let pass = 0; pass < 2; pass++) {
        assert.deepEqual(all(sorter.rows()), sorted.map(({ key, cell }) => [key.join(), cell]));
      }
      await sorter.close();
      assert.deepEqual(await fs.list("/"), []);
    });
  }

  it("takes rows larger than all its memory", async () => {
    const fs = memoryFileSystem();
    const sorter = new RowSorter(fs, "/", "rows", 1000);
    for (let n = 9; n >= 0; n--) await sorter.add(new Uint8Array([n]), new Uint8Array(100_000).fill(n));
    const rows = sorter.rows();
    for (let n = 0; n < 10; n++, rows.next()) {
      assert.equal(rows.key[0], n);
      assert.equal(rows.cell.length, 100_000);
      assert.equal(rows.cell[99_999], n);
    }
    assert.equal(rows.valid, false);
    rows.close();
  });

  it("notices scratch that is not what was written", async () => {
    const fs = memoryFileSystem();
    const sorter = new RowSorter(fs, "/", "rows", 1000);
    await sorter.add(new Uint8Array([1]), new Uint8Array(100_000).fill(1));
    const [name] = await fs.list("/");
    const file = await fs.open(`/${name}`, "append");
    await file.truncate(50_000);
    await file.append(new Uint8Array(60_000));
    await file.close();
    assert.throws(() => sorter.rows(), CorruptionError);
  });

  it("answers with nothing when nothing was added", () => {
    assert.deepEqual(all(new RowSorter(memoryFileSystem(), "/", "rows", 1000).rows()), []);
  });
});
