/**
 * Rows that fill an empty database in batches.
 *
 * @module
 */
import { KEY_BYTES, keyOf, shuffled } from "../data.ts";
import type { Driver } from "../drivers/driver.ts";
import { peakMemory } from "../runtime.ts";
import { KIB, MIB, SHORT, type Values } from "../values.ts";
import { expectCount, type LoopDelay, type Measured, type Row, type Task, turn, watched } from "./row.ts";

/** How many entries one batch of a load has. Deno KV takes 800 KiB at most. */
function batchOf(values: Values): number {
  return values.bytes < 512 ? 1000 : 500;
}

/** So many entries are made before the time begins; more of them don't fit into memory and are made within it. */
const MADE_BEFORE_MAX = 1_000_000;

/** Entries of 1 KiB: fewer, as all of them are made before. */
export function kibEntries(entries: number): number {
  return Math.max(1, Math.min(250_000, entries >> 1));
}

/** All rows that load. */
export const LOADS: readonly Row[] = [
  {
    id: "load-seq",
    title: "load, in key order, batches of 1000",
    unit: "/s",
    needs: "nothing",
    measure: (task) => load(task, Uint32Array.from({ length: task.entries }, (_, i) => i), SHORT),
  },
  {
    id: "load-random",
    title: "load, random order, batches of 1000",
    unit: "/s",
    needs: "nothing",
    measure: (task) => load(task, shuffled(task.entries, 1), SHORT),
  },
  {
    id: "load-kib",
    title: "load, random order, 1 KiB, batches of 500",
    unit: "/s",
    needs: "nothing",
    measure: (task) => load(task, shuffled(kibEntries(task.entries), 1), KIB),
  },
  {
    id: "write-mib",
    title: "write values of 1 MiB, one by one",
    unit: "MB/s",
    needs: "nothing",
    feature: "large values",
    measure: writeLarge,
  },
];

/** Fills the database that rows work on which need one. */
export async function prepare(task: Task): Promise<Measured> {
  return await load(task, shuffled(task.entries, 1), SHORT);
}

async function load({ kind, directory }: Task, order: Uint32Array, values: Values): Promise<Measured> {
  const entries = order.length;
  const driver = await kind.open(directory, "load");
  const batches = batchesOf(order, values);
  const ready = entries > MADE_BEFORE_MAX ? batches : [...batches];
  const start = performance.now();
  const { result: ms, loop } = await watched(async () => {
    for (const batch of ready) {
      await driver.putBatch(batch);
      await turn();
    }
    await driver.settle();
    return performance.now() - start;
  });
  const peak = peakMemory();
  const checked = await checkAll(driver, entries, values);
  await driver.close();
  const payloadBytes = entries * (KEY_BYTES + values.bytes);
  return { value: entries / ms * 1000, operations: entries, ms, checked, loop, payloadBytes, peakMemory: peak };
}

/** The entries in this order, in batches. */
export function* batchesOf(order: Uint32Array, values: Values): Generator<(readonly [string, Uint8Array])[]> {
  const length = batchOf(values);
  for (let at = 0; at < order.length; at += length) {
    yield Array.from(order.subarray(at, at + length), (i) => [keyOf(i), values.of(i)] as const);
  }
}

async function writeLarge({ kind, directory, large }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const { ms, loop } = await putLarge(driver, large);
  const peak = peakMemory();
  const checked = await checkAll(driver, large, MIB);
  await driver.close();
  return { value: large * MIB.bytes / 1e3 / ms, operations: large, ms, checked, loop, peakMemory: peak };
}

/** Writes the values of 1 MiB. Making them is not in the time. */
export async function putLarge(driver: Driver, large: number): Promise<{ ms: number; loop: LoopDelay }> {
  let ms = 0;
  const timed = async (work: () => unknown) => {
    const start = performance.now();
    await work();
    ms += performance.now() - start;
  };
  const { loop } = await watched(async () => {
    for (let i = 0; i < large; i++) {
      const value = MIB.of(i);
      await timed(() => driver.put(keyOf(i), value));
      await turn();
    }
    await timed(() => driver.settle());
  });
  return { ms, loop };
}

/** Reads back everything and compares all of it; returns how many there were. */
export async function checkAll(driver: Driver, entries: number, values: Values): Promise<number> {
  let checked = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    if (key !== keyOf(checked) || !values.isExactly(checked, value)) throw new Error(`${key} is not what was written.`);
    checked++;
  });
  expectCount(checked, entries);
  return checked;
}
