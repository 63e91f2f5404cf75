/**
 * Rows that put, delete, and take away.
 *
 * @module
 */
import { isExactly, keyOf, shuffled, valueOf } from "../data.ts";
import type { Driver } from "../drivers/driver.ts";
import { work } from "./clients.ts";
import { expectCount, type Measured, type Row, type Task, turn } from "./row.ts";

/** How many keys a batch of deletes has. */
const BATCH = 1000;

/** How many delete at the same time. */
const DELETERS = 16;

/** All rows that mostly write. */
export const WRITES: readonly Row[] = [
  { id: "put-1", title: "durable put, 1 writer", unit: "/s", needs: "nothing", measure: (task) => put(task, 1) },
  { id: "put-64", title: "durable put, 64 writers", unit: "/s", needs: "nothing", measure: (task) => put(task, 64) },
  { id: "delete", title: `delete, random, ${DELETERS} clients`, unit: "/s", needs: "copy", measure: deleteEach },
  { id: "delete-batch", title: "delete, random, batches of 1000", unit: "/s", needs: "copy", measure: deleteBatches },
  { id: "queue", title: "take the first entry, and delete it", unit: "/s", needs: "copy", measure: takeFirst },
];

async function put({ kind, directory, seconds }: Task, writers: number): Promise<Measured> {
  const driver = await kind.open(directory, "durable");
  // The values are made before, so that making them isn't measured; they are used in turn.
  const values = Array.from({ length: 4096 }, (_, i) => valueOf(i));
  let next = 0;
  const operation = () => {
    const i = next++;
    return driver.put(keyOf(i), values[i % values.length]!);
  };
  const measured = await work({ clients: writers, seconds, operation });

  let checked = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    if (key !== keyOf(checked) || !isExactly(checked % values.length, value)) {
      throw new Error(`${key} is not what was put.`);
    }
    checked++;
  });
  expectCount(checked, next);
  await driver.close();
  return { ...measured, checked };
}

async function deleteEach({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const order = shuffled(entries, 7);
  let next = 0;
  const measured = await work({
    clients: DELETERS,
    seconds,
    count: entries,
    operation: () => driver.delete(keyOf(order[next++]!)),
  });
  const checked = await checkRest(driver, order, next);
  await driver.close();
  return { ...measured, checked };
}

async function deleteBatches({ kind, directory, entries }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const order = shuffled(entries, 7);
  // A few stay, to see that nothing else was deleted.
  const count = Math.ceil(entries * 0.9);
  const batches: string[][] = [];
  for (let at = 0; at < count; at += BATCH) {
    batches.push(Array.from(order.subarray(at, Math.min(count, at + BATCH)), keyOf));
  }
  const start = performance.now();
  for (const batch of batches) {
    await driver.deleteBatch(batch);
    await turn();
  }
  await driver.settle();
  const ms = performance.now() - start;
  const checked = await checkRest(driver, order, count);
  await driver.close();
  return { value: count / ms * 1000, operations: count, ms, checked };
}

/** As a worker empties a queue: what was deleted lies in front of what is next. */
async function takeFirst({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const order = Uint32Array.from({ length: entries }, (_, i) => i);
  let next = 0;
  const operation = async () => {
    let first: string | undefined;
    await driver.scan(undefined, 1, (key) => first = key);
    if (first !== keyOf(next)) throw new Error(`${first} is not the first one, ${keyOf(next)}.`);
    await driver.delete(first);
    next++;
  };
  const measured = await work({ clients: 1, seconds, count: entries, operation });
  const checked = await checkRest(driver, order, next);
  await driver.close();
  return { ...measured, checked };
}

/** What is left has to be what comes behind the first `deleted` of this order. */
async function checkRest(driver: Driver, order: Uint32Array, deleted: number): Promise<number> {
  const rest = order.slice(deleted).sort();
  let checked = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    const i = rest[checked++]!;
    if (key !== keyOf(i) || !isExactly(i, value)) {
      throw new Error(`${key} should not be there, or is not what was written.`);
    }
  });
  expectCount(checked, rest.length);
  return deleted + checked;
}
