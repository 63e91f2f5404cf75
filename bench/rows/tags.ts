/**
 * Rows that find entries by what is in an index beside them.
 *
 * @module
 */
import { keyOf, random, shuffled } from "../data.ts";
import { SHORT } from "../values.ts";
import { work } from "./clients.ts";
import { batchesOf } from "./loads.ts";
import { expectCount, type Row, type Task } from "./row.ts";
import type { Measured } from "./row.ts";

/** How many different tags there are; each entry has one. */
const TAGS = 100;

/** All rows about tags. */
export const TAGGED: readonly Row[] = [
  {
    id: "tag",
    title: `entries by tag, ${TAGS} tags (entries)`,
    unit: "/s",
    needs: "nothing",
    feature: "tags",
    measure: byTag,
  },
  {
    id: "tag-queue",
    title: "take the first entry with a tag, and give it another",
    unit: "/s",
    needs: "nothing",
    feature: "tags",
    measure: takeByTag,
  },
];

async function byTag({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  for (const batch of batchesOf(shuffled(entries, 1), SHORT)) {
    await driver.putTagged!(batch.map(([key, value]) => [key, value, nameOf(Number(key) / 2 % TAGS)]));
  }
  await driver.settle();
  const next = random(10);
  let checked = 0;
  const ask = async () => {
    const tag = next() % Math.min(TAGS, entries);
    let i = tag;
    const seen = await driver.scanTag!(nameOf(tag), Infinity, (key, value) => {
      if (key !== keyOf(i) || !SHORT.isOf(i, value)) throw new Error(`The entries of tag ${tag} went wrong at ${key}.`);
      i += TAGS;
    });
    expectCount(seen, Math.ceil((entries - tag) / TAGS));
    checked += seen;
  };
  const goOn = async (forMs: number) => {
    const start = performance.now();
    do await ask(); while (performance.now() - start < forMs);
    return performance.now() - start;
  };
  await goOn(seconds * 300);
  checked = 0;
  const ms = await goOn(seconds * 1000);
  await driver.close();
  return { value: checked / ms * 1000, operations: checked, ms, checked };
}

/** As a worker goes through jobs by their state, which is a tag. */
async function takeByTag({ kind, directory, entries, seconds }: Task): Promise<Measured> {
  const driver = await kind.open(directory, "load");
  const order = Uint32Array.from({ length: entries }, (_, i) => i);
  for (const batch of batchesOf(order, SHORT)) {
    await driver.putTagged!(batch.map(([key, value]) => [key, value, "pending"]));
  }
  await driver.settle();
  let next = 0;
  const operation = async () => {
    let first: string | undefined;
    let held!: Uint8Array;
    await driver.scanTag!("pending", 1, (key, value) => [first, held] = [key, value]);
    if (first !== keyOf(next)) throw new Error(`${first} is not the first one, ${keyOf(next)}.`);
    await driver.retag!(first, held, "pending", "done");
    next++;
  };
  const measured = await work({ clients: 1, seconds, count: entries, operation });
  let checked = 0;
  for (const tag of ["done", "pending"]) {
    await driver.scanTag!(tag, Infinity, (key, value) => {
      if (key !== keyOf(checked) || !SHORT.isOf(checked, value)) throw new Error(`The entries went wrong at ${key}.`);
      checked++;
    });
    if (tag === "done") expectCount(checked, next);
  }
  expectCount(checked, entries);
  await driver.close();
  return { ...measured, checked };
}

function nameOf(tag: number): string {
  return `tag-${tag}`;
}
