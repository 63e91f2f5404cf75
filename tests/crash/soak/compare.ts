/** Holds what a database shows against the plan: the state of some number, all of it, and nothing else. */
import assert from "node:assert/strict";
import type { DB, Namespace, Snapshot } from "../../../mod.ts";
import { isAside, keyOf, lifeOf, NEWEST, type Plan, SIDE, slotIn, stateAt, tagOf, TAGS, writtenBy } from "./plan.ts";
import { checkCounted, type Counted, nothingCounted } from "./tellers.ts";

/** What must be there at least. */
export interface Least {
  /** The newest number; -1 for none. */
  n: number;
  /** Transfers and loads. */
  counted: Counted;
}

/** Nothing is promised. */
export const NOTHING: Least = { n: -1, counted: nothingCounted() };

/** What was found. */
export interface Found {
  /** The newest number. */
  n: number;
  /** Transfers and loads. */
  counted: Counted;
  /** Entries of the plan. */
  entries: number;
  /** Bytes of their keys and values. */
  bytes: number;
  /** The version shown. */
  version: number;
}

/** Compares a database as it is at this moment, while it may be written to. */
export async function compare(
  db: DB,
  plan: Plan,
  { least, clock, context }: { least: Least; clock: () => number; context: string },
): Promise<Found> {
  const before = clock();
  using snapshot = db.snapshot();
  const after = clock();
  const newest = await snapshot.get<{ n: number; life: number }>(NEWEST);
  const n = newest?.n ?? -1;
  assert.ok(n >= least.n, `${context}: number ${least.n} was acknowledged to be kept, the newest found is ${n}`);
  if (newest !== undefined) assert.equal(newest.life, lifeOf(plan, n), `${context}: the life of number ${n}`);
  const state = n < 0 ? new Map<number, number>() : stateAt(plan, n);
  const seen = new Set<number>();
  let bytes = 0;
  for (const aside of [false, true]) {
    for await (const entry of spaceOf(db, snapshot, aside).list({ prefix: "e/" })) {
      const slot = slotIn(entry.key);
      const by = state.get(slot);
      const where = `${context}, at number ${n}: ${entry.key}`;
      assert.ok(by !== undefined && isAside(slot) === aside, `${where} is not to be there`);
      const { value, tags, expiresAt } = writtenBy(plan, by);
      if (!sameValue(entry.value, value)) assert.deepEqual(entry.value, value, `${where}, written by ${by}`);
      assert.deepEqual(entry.tags, tags, `${where}, written by ${by}: tags`);
      assert.equal(entry.expiresAt, expiresAt, `${where}, written by ${by}: expiry`);
      assert.ok(expiresAt === undefined || expiresAt > before, `${where} expired at ${expiresAt}, and it is ${before}`);
      seen.add(slot);
      bytes += entry.key.length + lengthOf(entry.value);
    }
  }
  for (const [slot, by] of state) {
    if (seen.has(slot)) continue;
    const { expiresAt } = writtenBy(plan, by);
    const gone = expiresAt !== undefined && expiresAt <= after;
    assert.ok(gone, `${context}, at number ${n}: ${keyOf(slot)}, written by ${by}, is missing`);
  }
  await checkTag(db, snapshot, plan, { state, seen, tag: tagOf(n + 1), context });
  const counted = await checkCounted(snapshot, least.counted, context);
  return { n, counted, entries: seen.size, bytes, version: snapshot.version };
}

/** The index of one tag agrees with the entries. */
async function checkTag(
  db: DB,
  snapshot: Snapshot,
  plan: Plan,
  { state, seen, tag, context }: { state: Map<number, number>; seen: Set<number>; tag: string; context: string },
): Promise<void> {
  const expected = [...seen].filter((slot) => writtenBy(plan, state.get(slot)!).tags.includes(tag));
  for (const aside of [false, true]) {
    const found: number[] = [];
    for await (const key of spaceOf(db, snapshot, aside).keys({ tag })) found.push(slotIn(key));
    const wanted = expected.filter((slot) => isAside(slot) === aside).sort((a, b) => a - b);
    assert.deepEqual(found, wanted, `${context}: slots with ${tag}, one of ${TAGS}`);
  }
}

function spaceOf(db: DB, snapshot: Snapshot, aside: boolean): Snapshot {
  const side: Namespace = db.namespace(SIDE);
  return aside ? snapshot.in(side) : snapshot;
}

function sameValue(found: unknown, expected: unknown): boolean {
  return found === expected || (found instanceof Uint8Array && expected instanceof Uint8Array &&
    found.length === expected.length && found.every((byte, i) => byte === expected[i]));
}

function lengthOf(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? value.length : JSON.stringify(value).length;
}
