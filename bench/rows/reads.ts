/**
 * Rows that read what is there.
 *
 * @module
 */
import { isValueOf, keyOf, missingKeyOf, shuffled } from "../data.ts";
import type { Driver, Found } from "../drivers/driver.ts";
import { KIB, MIB, SHORT, type Values } from "../values.ts";
import { batchesOf, kibEntries, putLarge } from "./loads.ts";
import { expectCount, type Measured, read, repeat, type Row, type Task } from "./row.ts";

/** Gets go through so many keys at most, in a random order: all of them are made before. */
const KEYS_MAX = 1_000_000;

/** All rows that only read. */
export const READS: readonly Row[] = [
  { id: "get", title: "get, random, hot", unit: "/s", needs: "loaded", measure: (task) => get(task, "sync") },
  {
    id: "get-await",
    title: "get, random, hot, awaited",
    unit: "/s",
    needs: "loaded",
    measure: (task) => get(task, "await"),
  },
  { id: "get-missing", title: "get, missing", unit: "/s", needs: "loaded", measure: getMissing },
  { id: "get-kib", title: "get, random, values of 1 KiB", unit: "/s", needs: "nothing", measure: getKib },
  {
    id: "read-mib",
    title: "get, random, values of 1 MiB",
    unit: "MB/s",
    needs: "nothing",
    feature: "large values",
    measure: readLarge,
  },
  { id: "scan", title: "full scan (entries)", unit: "/s", needs: "loaded", measure: fullScan },
  { id: "seek-50", title: "seek + 50 entries", unit: "/s", needs: "loaded", measure: seek },
];

async function get(task: Task, form: "sync" | "await"): Promise<Measured> {
  const driver = await task.kind.open(task.directory, "load");
  return await getAll(driver, task, shuffled(task.entries, 2).subarray(0, KEYS_MAX), SHORT, form);
}

async function getKib(task: Task): Promise<Measured> {
  const entries = kibEntries(task.entries);
  const driver = await reopened(task, async (driver) => {
    for (const batch of batchesOf(shuffled(entries, 1), KIB)) await driver.putBatch(batch);
  });
  return await getAll(driver, task, shuffled(entries, 2), KIB, "sync");
}

async function readLarge(task: Task): Promise<Measured> {
  const driver = await reopened(task, (driver) => putLarge(driver, task.large));
  const measured = await getAll(driver, task, shuffled(task.large, 2), MIB, "sync");
  return { ...measured, value: measured.value * MIB.bytes / 1e6 };
}

/** What was written is read from where it came to lie, not from where it waits. */
async function reopened({ kind, directory }: Task, fill: (driver: Driver) => Promise<unknown>): Promise<Driver> {
  const driver = await kind.open(directory, "load");
  await fill(driver);
  await driver.settle();
  await driver.close();
  return await kind.open(directory, "load");
}

/** Gets in this order, again and again, and closes. */
async function getAll(
  driver: Driver,
  { seconds }: Task,
  order: Uint32Array,
  values: Values,
  form: "sync" | "await",
): Promise<Measured> {
  const keys = Array.from(order, keyOf);
  const check = (at: number, value: Found) => {
    if (!values.isOf(order[at]!, value)) throw new Error(`get(${keys[at]}) gave a wrong value.`);
  };
  // A database without the synchronous form is awaited in both forms; one without the awaited form answers at once, and
  // its answer is awaited.
  const { getSync, get } = driver;
  const sync = getSync === undefined ? undefined : (from: number, to: number) => {
    for (let at = from; at < to; at++) check(at, getSync(keys[at]!));
  };
  const ask = get ?? getSync!;
  const awaited = async (from: number, to: number) => {
    for (let at = from; at < to; at++) check(at, await ask(keys[at]!));
  };
  const step = form === "sync" && sync !== undefined ? sync : awaited;
  const measured = await repeat(step, keys.length, seconds, Math.max(1, Math.min(256, 2 ** 18 / values.bytes)));
  // The timed loop looks at parts of a value; this compares some of them whole.
  for (let at = 0; at < keys.length; at += Math.ceil(keys.length / 500)) {
    if (!values.isExactly(order[at]!, await read(driver, order[at]!))) {
      throw new Error(`get(${keys[at]}) gave a wrong value.`);
    }
  }
  await driver.close();
  return { ...measured, checked: measured.operations };
}

async function getMissing({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const keys = Array.from(shuffled(entries, 3).subarray(0, KEYS_MAX), missingKeyOf);
  const check = (at: number, value: Found) => {
    if (value !== undefined && value !== null) throw new Error(`get(${keys[at]}) found what doesn't exist.`);
  };
  const { getSync, get } = driver;
  const measured = await repeat(
    getSync !== undefined
      ? (from, to) => {
        for (let at = from; at < to; at++) check(at, getSync(keys[at]!));
      }
      : async (from, to) => {
        for (let at = from; at < to; at++) check(at, await get!(keys[at]!));
      },
    keys.length,
    seconds,
  );
  await driver.close();
  return { ...measured, checked: measured.operations };
}

async function fullScan({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  let checked = 0;
  let last = "";
  const pass = async () => {
    let i = 0;
    const seen = await driver.scan(undefined, Infinity, (key, value) => {
      if (key <= last && i > 0 || !isValueOf(i, value)) throw new Error(`The scan went wrong at ${key}.`);
      last = key;
      i++;
    });
    expectCount(seen, entries);
    checked += seen;
  };
  await pass();
  checked = 0;
  const start = performance.now();
  do await pass(); while (performance.now() - start < seconds * 1000);
  const ms = performance.now() - start;
  await driver.close();
  return { value: checked / ms * 1000, operations: checked, ms, checked };
}

async function seek({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const length = Math.min(50, entries);
  const driver = await kind.open(directory, "load");
  const starts = shuffled(entries - length + 1, 4).subarray(0, KEYS_MAX);
  const keys = Array.from(starts, keyOf);
  let i = 0;
  const visit = (key: string, value: Uint8Array) => {
    if (!isValueOf(i++, value)) throw new Error(`The scan went wrong at ${key}.`);
  };
  const measured = await repeat(
    async (from, to) => {
      for (let at = from; at < to; at++) {
        i = starts[at]!;
        const seen = driver.scan(keys[at], length, visit);
        expectCount(typeof seen === "number" ? seen : await seen, length);
      }
    },
    keys.length,
    seconds,
    16,
  );
  await driver.close();
  return { ...measured, checked: measured.operations * length };
}
