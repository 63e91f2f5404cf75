/**
 * A random part of a repository's objects, another each time.
 *
 * @module
 */
import type { RepositoryContext } from "../../core/context.ts";
import { Coverages } from "../../restoring/coverage.ts";
import { objectKey } from "../../core/layout.ts";
import type { LogObject } from "../../log/log_chain.ts";
import type { Inventory } from "./inventory.ts";

/** Reads a tenth: daily samples have seen nearly all of it in a month. */
const SHARE = 0.1;

/** One object of each backup at least, and a tenth of the bytes of what is wanted. */
export function sampleOf(
  context: RepositoryContext,
  { facts, objects, log }: Inventory,
  wanted: ReadonlySet<string>,
): Set<string> {
  const sizes = new Map([...objects, ...log.map(({ key, size }) => [key, size] as const)]);
  const random = (count: number): number => randomBelow(context, count);
  const chosen = new Set<string>();
  const oneOf = (keys: readonly string[]): void => {
    const there = keys.filter((key) => wanted.has(key) && sizes.has(key));
    if (there.length > 0) chosen.add(there[random(there.length)]!);
  };
  const coverages = new Coverages(facts);
  for (const backup of facts.backups) {
    const { base, log: range } = backup;
    if (base !== null) oneOf(base.files.map(({ object }) => objectKey(object)));
    if (range === null) continue;
    const cover = coverages.of(backup).covers.find(({ from, to }) => from <= range.to && to >= range.from);
    oneOf(objectsWithin(cover?.objects ?? [], range).map(({ key }) => key));
  }
  const rest = [...wanted].filter((key) => sizes.has(key) && !chosen.has(key));
  const total = [...wanted].reduce((sum, key) => sum + (sizes.get(key) ?? 0), 0);
  let bytes = [...chosen].reduce((sum, key) => sum + sizes.get(key)!, 0);
  while (bytes < total * SHARE && rest.length > 0) {
    // Taken out by putting the last in its place: the order of the rest does not matter.
    const at = random(rest.length);
    const key = rest[at]!;
    rest[at] = rest.at(-1)!;
    rest.pop();
    chosen.add(key);
    bytes += sizes.get(key)!;
  }
  return chosen;
}

/** Of objects in the order of their versions those that hold any of a range; looked for, as a history has thousands. */
function objectsWithin(objects: readonly LogObject[], { from, to }: { from: number; to: number }): LogObject[] {
  let [low, high] = [0, objects.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (objects[middle]!.first <= to) low = middle + 1;
    else high = middle;
  }
  const within: LogObject[] = [];
  for (let i = low - 1; i >= 0 && objects[i]!.last >= from; i--) within.push(objects[i]!);
  return within;
}

function randomBelow(context: RepositoryContext, count: number): number {
  const bytes = context.randomBytes(6);
  return Math.floor(bytes.reduce((value, byte) => value * 256 + byte, 0) / 2 ** 48 * count);
}
