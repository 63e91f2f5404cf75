/** The seed of random numbers that can be had again: every crash test prints its seed and takes it back from `HOLDFAST_SEED`. */
import process from "node:process";

export { pick, randomFrom } from "./random_numbers.ts";

/** The seed of this run. */
export const SEED: number = Number(process.env["HOLDFAST_SEED"] ?? 20261121);

/** Whether there is time: `HOLDFAST_LONG=1` tries every outcome at every place instead of a sample. */
export const LONG: boolean = process.env["HOLDFAST_LONG"] === "1";

/** Each runtime takes other places, so that together they visit three times as many. */
const RUNTIME = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;

/**
 * How many cases come to one that this runtime tries. What only simulates a system is the same code everywhere: the three
 * runtimes share it, a third each. In the long form, and where the others don't run (`HOLDFAST_ALONE=1`), Node tries all.
 */
export const SHARE: number = RUNTIME === 2 && (LONG || process.env["HOLDFAST_ALONE"] === "1") ? 1 : 3;

/** Whether this runtime tries a case. */
export function isMine(index: number): boolean {
  return index % SHARE === RUNTIME % SHARE;
}

/** The cases that this runtime tries. */
export function mine<T>(cases: Iterable<T>): T[] {
  return [...cases].filter((_, index) => isMine(index));
}

/** Whether a case that takes long has its turn here today: in the short form each day another runtime tries it. */
export function isMyDay(index: number): boolean {
  return LONG || (Math.floor(TURN / 3) + RUNTIME + index) % 3 === 0;
}

/** Which places a sample takes: others each day and in each runtime, so that in time all have their turn. */
export const TURN: number = Number(process.env["HOLDFAST_SEED"] ?? Math.floor(Date.now() / 86_400_000) * 3 + RUNTIME);
