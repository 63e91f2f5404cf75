/**
 * What is measured. Each row runs in a process of its own, against one database, and checks what it reads.
 *
 * @module
 */
import { isExactly, isValueOf, keyOf, missingKeyOf, type Pair, shuffled, valueOf } from "./data.ts";
import type { Driver, DriverKind } from "./drivers/driver.ts";

/** How many entries one batch of a load has. */
const BATCH = 1000;

/** What a row is given to work with. */
export interface Task {
  kind: DriverKind;
  /** Where the database lives: empty for rows that need `"nothing"`, loaded with all entries for the others. */
  directory: string;
  entries: number;
  /** How long rows that repeat one operation go on. */
  seconds: number;
}

/** What a row saw. */
export interface Measured {
  /** In the unit of the row. */
  value: number;
  operations: number;
  ms: number;
  /** How many values were compared with what they have to be. */
  checked: number;
}

/** One row of the table. */
export interface Row {
  id: string;
  title: string;
  unit: "/s" | "ms";
  needs: "nothing" | "loaded";
  measure(task: Task): Promise<Measured>;
}

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [
  {
    id: "load-seq",
    title: "load, in key order, batches of 1000",
    unit: "/s",
    needs: "nothing",
    measure: (task) => load(task, Uint32Array.from({ length: task.entries }, (_, i) => i)),
  },
  {
    id: "load-random",
    title: "load, random order, batches of 1000",
    unit: "/s",
    needs: "nothing",
    measure: (task) => load(task, shuffled(task.entries, 1)),
  },
  { id: "get", title: "get, random, hot", unit: "/s", needs: "loaded", measure: (task) => get(task, "sync") },
  {
    id: "get-await",
    title: "get, random, hot, awaited",
    unit: "/s",
    needs: "loaded",
    measure: (task) => get(task, "await"),
  },
  { id: "get-missing", title: "get, missing", unit: "/s", needs: "loaded", measure: getMissing },
  { id: "scan", title: "full scan (entries)", unit: "/s", needs: "loaded", measure: fullScan },
  { id: "seek-50", title: "seek + 50 entries", unit: "/s", needs: "loaded", measure: seek },
  { id: "put-1", title: "durable put, 1 writer", unit: "/s", needs: "nothing", measure: (task) => put(task, 1) },
  { id: "put-64", title: "durable put, 64 writers", unit: "/s", needs: "nothing", measure: (task) => put(task, 64) },
  { id: "reopen", title: "reopen and read one", unit: "ms", needs: "loaded", measure: reopen },
];

/** Fills the database that rows with `needs: "loaded"` work on. */
export async function prepare(task: Task): Promise<Measured> {
  return await load(task, shuffled(task.entries, 1));
}

async function load({ kind, directory, entries }: Task, order: Uint32Array): Promise<Measured> {
  const batches: Pair[][] = [];
  for (let at = 0; at < entries; at += BATCH) {
    batches.push(Array.from(order.subarray(at, at + BATCH), (i) => [keyOf(i), valueOf(i)] as const));
  }
  const driver = await kind.open(directory, "load");
  const start = performance.now();
  for (const batch of batches) await driver.putBatch(batch);
  await driver.settle();
  const ms = performance.now() - start;

  let checked = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    if (key !== keyOf(checked) || !isExactly(checked, value)) throw new Error(`${key} is not what was loaded.`);
    checked++;
  });
  expectCount(checked, entries);
  await driver.close();
  return { value: entries / ms * 1000, operations: entries, ms, checked };
}

async function get({ kind, directory, entries, seconds }: Task, form: "sync" | "await"): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const order = shuffled(entries, 2);
  const keys = Array.from(order, keyOf);
  const check = (at: number, value: Uint8Array | undefined | null) => {
    if (!isValueOf(order[at]!, value)) throw new Error(`get(${keys[at]}) gave a wrong value.`);
  };
  // A database without the synchronous form is awaited in both rows; one without the awaited form answers at once, and
  // its answer is awaited.
  const { getSync, get } = driver;
  const sync = getSync === undefined ? undefined : (from: number, to: number) => {
    for (let at = from; at < to; at++) check(at, getSync(keys[at]!));
  };
  const ask = get ?? getSync!;
  const awaited = async (from: number, to: number) => {
    for (let at = from; at < to; at++) check(at, await ask(keys[at]!));
  };
  const measured = await repeat(form === "sync" && sync !== undefined ? sync : awaited, entries, seconds);
  await sample(driver, order, keys);
  await driver.close();
  return { ...measured, checked: measured.operations };
}

async function getMissing({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const keys = Array.from(shuffled(entries, 3), missingKeyOf);
  const check = (at: number, value: Uint8Array | undefined | null) => {
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
    entries,
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
  const starts = shuffled(entries - length + 1, 4);
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

async function put({ kind, directory, seconds }: Task, writers: number): Promise<Measured> {
  const driver = await kind.open(directory, "durable");
  // The values are made before, so that making them isn't measured; they are used in turn.
  const values = Array.from({ length: 4096 }, (_, i) => valueOf(i));
  const run = async (first: number, forMs: number): Promise<{ next: number; ms: number }> => {
    let next = first;
    const start = performance.now();
    const writer = async () => {
      while (performance.now() - start < forMs) {
        const i = next++;
        await driver.put(keyOf(i), values[i % values.length]!);
      }
    };
    await Promise.all(Array.from({ length: writers }, writer));
    return { next, ms: performance.now() - start };
  };
  const warm = await run(0, Math.min(300, seconds * 300));
  const { next, ms } = await run(warm.next, seconds * 1000);

  let checked = 0;
  await driver.scan(undefined, Infinity, (key, value) => {
    if (key !== keyOf(checked) || !isExactly(checked % values.length, value)) {
      throw new Error(`${key} is not what was put.`);
    }
    checked++;
  });
  expectCount(checked, next);
  await driver.close();
  const operations = next - warm.next;
  return { value: operations / ms * 1000, operations, ms, checked };
}

async function reopen({ kind, directory, entries }: Task): Promise<Measured> {
  const times: number[] = [];
  // The first time pays for loading the code, and doesn't count.
  for (let round = 0; round <= 10; round++) {
    const i = round * 7919 % entries;
    const start = performance.now();
    const driver = await kind.open(directory, "load");
    const value = driver.getSync !== undefined ? driver.getSync(keyOf(i)) : await driver.get!(keyOf(i));
    if (round > 0) times.push(performance.now() - start);
    if (!isExactly(i, value)) throw new Error(`get(${keyOf(i)}) gave a wrong value.`);
    await driver.close();
  }
  return { value: median(times), operations: 10, ms: times.reduce((sum, ms) => sum + ms), checked: 10 };
}

/**
 * Runs `step` over the positions 0 to `length` again and again for `seconds`, `stride` at a time, after a warm-up that
 * sees every position once if it can in three times as long.
 */
async function repeat(
  step: (from: number, to: number) => void | Promise<void>,
  length: number,
  seconds: number,
  stride = 256,
): Promise<Omit<Measured, "checked">> {
  let at = 0;
  const advance = async () => {
    const to = Math.min(at + stride, length);
    const waiting = step(at, to);
    if (waiting !== undefined) await waiting;
    const done = to - at;
    at = to === length ? 0 : to;
    return done;
  };
  let start = performance.now();
  do await advance(); while (at !== 0 && performance.now() - start < seconds * 3000);

  let operations = 0;
  start = performance.now();
  do operations += await advance(); while (performance.now() - start < seconds * 1000);
  const ms = performance.now() - start;
  return { value: operations / ms * 1000, operations, ms };
}

/** The timed loop looks at parts of a value; this compares some of them whole. */
async function sample(driver: Driver, order: Uint32Array, keys: string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += Math.ceil(keys.length / 500)) {
    const value = driver.getSync !== undefined ? driver.getSync(keys[at]!) : await driver.get!(keys[at]!);
    if (!isExactly(order[at]!, value)) throw new Error(`get(${keys[at]}) gave a wrong value.`);
  }
}

function expectCount(seen: number, expected: number): void {
  if (seen !== expected) throw new Error(`${seen} entries were there instead of ${expected}.`);
}

/** The middle of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
