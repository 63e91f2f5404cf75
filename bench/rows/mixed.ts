/**
 * Rows that read and write at once: the mixes A and B of YCSB, transactions, and reads of a snapshot that others write
 * past.
 *
 * @module
 */
import { isValueOf, keyOf, random, shuffled } from "../data.ts";
import type { Driver, Found } from "../drivers/driver.ts";
import { changedValue, generationOf, Generations, isExactGeneration } from "../generations.ts";
import { zipfian } from "../zipf.ts";
import { work } from "./clients.ts";
import { expectCount, type Measured, read, type Row, type Task } from "./row.ts";

/** How many work at the same time. */
const CLIENTS = 16;

/** How many reads of a snapshot come on a write. */
const READS_A_WRITE = 8;

/** All rows that do both. */
export const MIXED: readonly Row[] = [
  {
    id: "ycsb-a",
    title: `YCSB-A, half reads, half updates, ${CLIENTS} clients`,
    unit: "/s",
    needs: "copy",
    measure: (task) => ycsb(task, 0.5),
  },
  {
    id: "ycsb-b",
    title: `YCSB-B, 95 % reads, 5 % updates, ${CLIENTS} clients`,
    unit: "/s",
    needs: "copy",
    measure: (task) => ycsb(task, 0.05),
  },
  {
    id: "transaction",
    title: `transaction: read two, write two, ${CLIENTS} clients`,
    unit: "/s",
    needs: "copy",
    feature: "transactions",
    measure: transactions,
  },
  {
    id: "snapshot",
    title: "reads of a snapshot, 8 to a write beside",
    unit: "/s",
    needs: "copy",
    feature: "snapshots",
    measure: snapshotReads,
  },
];

async function ycsb({ kind, directory, entries, seconds }: Task, updates: number): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const generations = new Generations(entries);
  const next = random(5);
  const rank = zipfian(entries, next);
  // The popular ones lie anywhere.
  const place = shuffled(entries, 6);
  const isUpdate = () => next() < updates * 2 ** 32;
  let checked = 0;
  const update = (i: number) => settled(driver.put(keyOf(i), generations.begin(i)), () => generations.end(i));
  const look = (i: number) => {
    const oldest = generations.oldest(i);
    return settled(read(driver, i), (value) => {
      generations.check(i, value, oldest);
      checked++;
    });
  };
  const operation = () => {
    const i = place[rank()]!;
    return isUpdate() ? update(i) : look(i);
  };
  const measured = await work({ clients: CLIENTS, seconds, operation });
  checked += await checkChanged(driver, entries, (i, value) => generations.check(i, value, generations.oldest(i)));
  await driver.close();
  return { ...measured, checked };
}

async function transactions({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const next = random(8);
  let [committed, checked] = [0, 0];
  const following = (i: number, found: Found) => {
    const generation = generationOf(i, found);
    if (generation === undefined) throw new Error(`A transaction read a wrong value of entry ${i}.`);
    checked++;
    return changedValue(i, generation + 1);
  };
  const operation = () => {
    const a = next() % entries;
    const b = (a + 1 + next() % (entries - 1)) % entries;
    const done = driver.transaction!(
      [keyOf(a), keyOf(b)],
      (first, second) => [following(a, first), following(b, second)],
    );
    return settled(done, () => {
      committed++;
    });
  };
  const measured = await work({ clients: CLIENTS, seconds, operation });

  // Each of them raised two generations by one: an update that was lost or made by half is missing in the sum.
  let sum = 0;
  checked += await checkChanged(driver, entries, (i, value) => {
    const generation = generationOf(i, value) ?? NaN;
    sum += generation;
    return generation;
  });
  if (sum !== 2 * committed) throw new Error(`${committed} transactions raised generations by ${sum}.`);
  await driver.close();
  return { ...measured, checked };
}

async function snapshotReads({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const generations = new Generations(entries);
  const snapshot = driver.snapshot!();
  const next = random(9);
  let [n, reads] = [0, 0];
  const write = (i: number) => settled(driver.put(keyOf(i), generations.begin(i)), () => generations.end(i));
  const look = (i: number) =>
    settled(snapshot.get(keyOf(i)), (value) => {
      if (!isValueOf(i, value)) throw new Error(`The snapshot gave a wrong value of entry ${i}.`);
      reads++;
    });
  const operation = () => {
    const i = next() % entries;
    return n++ % (READS_A_WRITE + 1) === 0 ? write(i) : look(i);
  };
  const { latency: _, ...measured } = await work({ clients: CLIENTS, seconds, operation });
  await snapshot.release();
  const checked = await checkChanged(driver, entries, (i, value) => generations.check(i, value, generations.oldest(i)));
  await driver.close();
  const share = READS_A_WRITE / (READS_A_WRITE + 1);
  return { ...measured, value: measured.value * share, checked: reads + checked };
}

/** Goes on with an answer, at once if it is there. */
function settled<T>(answer: T | Promise<T>, then: (answer: T) => void): void | Promise<void> {
  // Some have a promise of their own.
  if (typeof (answer as Promise<T> | undefined)?.then === "function") return (answer as Promise<T>).then(then);
  then(answer as T);
}

/** Reads back everything; `check` says which generation each has to be. */
async function checkChanged(
  driver: Driver,
  entries: number,
  check: (i: number, value: Uint8Array) => number,
): Promise<number> {
  let i = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    if (key !== keyOf(i) || !isExactGeneration(i, check(i, value), value)) {
      throw new Error(`${key} is not what was written.`);
    }
    i++;
  });
  expectCount(i, entries);
  return i;
}
