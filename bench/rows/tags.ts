/**
 * Rows that find entries by what is in an index beside them.
 *
 * @module
 */
import { keyOf, random, shuffled } from "../data.ts";
import { SHORT } from "../values.ts";
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
    const seen = await driver.scanTag!(nameOf(tag), (key, value) => {
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

function nameOf(tag: number): string {
  return `tag-${tag}`;
}
