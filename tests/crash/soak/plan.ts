/**
 * What a soak writes: commit `n` is known from its number alone, so parent and child share the model without exchanging it.
 *
 * (1) Numbers go round the slots in epochs; each epoch meets every slot once and sets or deletes it. So the state at a
 *     number depends on its own epoch and the one before it, and never costs more than two epochs to make.
 * (2) Numbers that a kill took back are used again by the next life, with other values: what comes back from the dead is
 *     seen.
 * (3) The order of calls is the order of versions: the state is always that of some number, which every commit writes.
 */
import type { AtomicOperation, DB, Durability, Namespace } from "../../../mod.ts";

/** One run of the child that wrote something. */
export interface Life {
  /** The first number it writes. */
  first: number;
  /** The time at its start, ms. */
  clock: number;
}

/** All that decides what is written. */
export interface Plan {
  /** Where chance begins. */
  seed: number;
  /** How many entries there can be; a prime number. */
  slots: number;
  /** The runs so far, the present one last. */
  lives: readonly Life[];
}

/** A value whose commit is known. */
export interface Written {
  value: Uint8Array | string | { n: number; life: number; text: string };
  tags: string[];
  /** ms; undefined: it stays. */
  expiresAt: number | undefined;
}

/** A commit. */
export type Action =
  | { do: "set"; slot: number }
  | { do: "delete"; slot: number }
  /** Deletes the slots `slot <= s < end` that lie in the same key space. */
  | { do: "range"; slot: number; end: number };

/** Limits under which kills often meet flushes, compactions and collections of blobs; small, so that memory settles soon. */
export const OPTIONS = {
  memtableBytes: 1024 * 1024,
  cacheBytes: 4 * 1024 * 1024,
  blobBytes: 8 * 1024,
  flushInterval: 200,
  history: { maxBytes: 2 * 1024 * 1024 },
  tuning: { tableBytes: 512 * 1024, levelBytes: 2 * 1024 * 1024 },
} as const;

/** The key of the newest number: `{ n, life }`. */
export const NEWEST = "newest";

/** The namespace of every fourth slot. */
export const SIDE = "side";

export const TAGS = 7;

const MODES: readonly Durability[] = ["commit", "interval", "buffered"];

/** A whole number below `below` for a number and a purpose. */
export function chance({ seed }: Plan, n: number, purpose: number, below: number): number {
  let x = Math.imul(n ^ (seed * 0x9e3779b9), 0x85ebca6b) ^ Math.imul(purpose + 1, 0xc2b2ae35);
  x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((x ^ (x >>> 15)) >>> 0) % below;
}

/** The run that writes a number. */
export function lifeOf({ lives }: Plan, n: number): number {
  let [low, high] = [0, lives.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (lives[middle]!.first <= n) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The slot that a number is about; over an epoch it meets every one (1). */
export function slotOf(plan: Plan, n: number): number {
  const { slots } = plan;
  const epoch = Math.floor(n / slots);
  const step = 1 + chance(plan, epoch, 1, slots - 1);
  return ((n % slots) * step + chance(plan, epoch, 2, slots)) % slots;
}

/** What commit `n` does. */
export function actionOf(plan: Plan, n: number): Action {
  const slot = slotOf(plan, n);
  const kind = chance(plan, n, 3, 200);
  if (kind < 16) return { do: "delete", slot };
  if (kind < 18) return { do: "range", slot, end: slot + 1 + chance(plan, n, 4, Math.ceil(plan.slots / 40)) };
  return { do: "set", slot };
}

/** What commit `n` sets: mostly small, one in sixteen a blob, one in 400 so large that it is read off the thread. */
export function writtenBy(plan: Plan, n: number): Written {
  const life = lifeOf(plan, n);
  const size = chance(plan, n, 5, 400);
  const length = size === 0 ? 300_000 : size % 16 === 0 ? 9000 + chance(plan, n, 6, 20_000) : chance(plan, n, 6, 400);
  const text = `${n}.${life}:`.padEnd(length, `${chance(plan, n, 7, 1e9)} `);
  const kind = chance(plan, n, 8, 4);
  const value = kind === 0 ? bytesOf(text) : kind === 1 ? { n, life, text } : text;
  const tags = Array.from({ length: chance(plan, n, 9, 3) }, (_, i) => tagOf(n + i));
  const expires = chance(plan, n, 10, 10) === 0;
  const expiresAt = expires ? plan.lives[life]!.clock + 500 + chance(plan, n, 11, 60_000) : undefined;
  return { value, tags: [...new Set(tags)].sort(), expiresAt };
}

/** The mode that all commits around `n` have; undefined where modes are mixed. So a kill finds each alone, too. */
export function modeAround(plan: Plan, n: number): Durability | undefined {
  return MODES[chance(plan, n >>> 8, 12, MODES.length + 1)];
}

/** How commit `n` is to be kept. */
export function durabilityOf(plan: Plan, n: number): Durability {
  return modeAround(plan, n) ?? MODES[chance(plan, n, 13, MODES.length)]!;
}

/** Which slot holds which number's value after commit `last`; whether it has expired meanwhile is another matter. */
export function stateAt(plan: Plan, last: number): Map<number, number> {
  const state = new Map<number, number>();
  for (let n = Math.max(0, (Math.floor(last / plan.slots) - 1) * plan.slots); n <= last; n++) {
    const action = actionOf(plan, n);
    if (action.do === "set") state.set(action.slot, n);
    else if (action.do === "delete") state.delete(action.slot);
    else {
      for (let s = action.slot; s < action.end; s++) if (isAside(s) === isAside(action.slot)) state.delete(s);
    }
  }
  return state;
}

export const tagOf = (n: number): string => `tag ${n % TAGS}`;
export const isAside = (slot: number): boolean => slot % 4 === 3;
export const keyOf = (slot: number): string => `e/${String(slot).padStart(6, "0")}`;
export const slotIn = (key: string): number => Number(key.slice(2));

/** Makes commit `n`. */
export function writeNumber(db: DB, side: Namespace, plan: Plan, n: number): Promise<unknown> {
  const both = db.atomic().set(NEWEST, { n, life: lifeOf(plan, n) });
  const action = actionOf(plan, n);
  const space: AtomicOperation = isAside(action.slot) ? both.in(side) : both;
  const key = keyOf(action.slot);
  if (action.do === "set") {
    const { value, tags, expiresAt } = writtenBy(plan, n);
    space.set(key, value, { tags, expiresAt });
  } else if (action.do === "delete") space.delete(key);
  else space.deleteRange({ start: key, end: keyOf(action.end) });
  return both.commit({ durability: durabilityOf(plan, n) });
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
