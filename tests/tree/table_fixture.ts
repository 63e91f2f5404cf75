/** Tables made of random rows, and the same rows in an array to compare with. */
import { compareBytes } from "../../lib/base/bytes.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import type { FileIdentity } from "../../lib/format/identity.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import type { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { TableWriter, type TableWriterOptions } from "../../lib/tree/table/table_writer.ts";

export const DATABASE = "000102030405060708090a0b0c0d0e0f";
export const LINEAGE = "101112131415161718191a1b1c1d1e1f";

export interface TestRow {
  key: Uint8Array;
  version: number;
  timestamp: number;
  cell: Uint8Array;
}

/** A generator of whole numbers below `n` that gives the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = state + 0x6d2b79f5 >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * n);
  };
}

export function identity(number = 5): FileIdentity {
  return { database: DATABASE, lineage: LINEAGE, number };
}

export function compareRows(a: TestRow, b: TestRow): number {
  return compareBytes(a.key, b.key) || b.version - a.version;
}

/** Keys over few letters, so that many share long prefixes or are prefixes of each other; some keys have many versions. */
export function randomRows(random: (n: number) => number, count: number): TestRow[] {
  const rows = new Map<string, TestRow>();
  let key = new Uint8Array([0]);
  while (rows.size < count) {
    if (random(3) > 0) {
      key = new Uint8Array(1 + random(random(20) === 0 ? 300 : 8)).map(() =>
        random(4) === 0 ? random(256) : 97 + random(3)
      );
    }
    const version = random(2) === 0 ? 1 + random(50) : random(2 ** 31) * (random(10) === 0 ? 2 ** 20 : 1);
    const cell = new Uint8Array(1 + random(random(10) === 0 ? 400 : 20)).map(() => random(256));
    cell[0] = random(5) === 0 ? 0 : 5;
    rows.set(`${key.join()} ${version}`, { key, version, timestamp: random(2) * 1.7e12 + random(1000), cell });
  }
  return [...rows.values()].sort(compareRows);
}

export async function writeTable(
  fs: FileSystem,
  path: string,
  rows: readonly TestRow[],
  options: Partial<TableWriterOptions> = {},
  tombstones?: RangeTombstones,
): Promise<TableMeta> {
  const handle = await fs.open(path, "create");
  const writer = new TableWriter(handle, { identity: identity(), blockBytes: 256, ...options });
  for (const row of rows) {
    writer.add(row.key, row.version, row.timestamp, row.cell);
    await writer.drain();
  }
  if (tombstones !== undefined) writer.addTombstones(tombstones.fragments());
  const meta = await writer.finish();
  await handle.sync();
  await handle.close();
  return meta;
}

/** Puts bytes into a new file of that name. */
export async function putFile(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  if (await fs.stat(path) !== undefined) await fs.remove(path);
  const handle = await fs.open(path, "create");
  await handle.append(bytes);
  await handle.close();
}

export function readWhole(fs: FileSystem, path: string): Uint8Array {
  const handle = fs.openSync(path, "read");
  const bytes = new Uint8Array(handle.sizeSync());
  handle.readAtSync(bytes, 0);
  handle.closeSync();
  return bytes;
}
