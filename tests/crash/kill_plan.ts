/** What the killed writer writes: the parent knows it too, from the number alone. */
import type { DB } from "../../mod.ts";

/** Limits under which a kill often meets a flush, a compaction or a collection of blobs. */
export const OPTIONS = {
  memtableBytes: 32 * 1024,
  blobBytes: 2048,
  history: { maxBytes: 64 * 1024 },
  tuning: { tableBytes: 32 * 1024, levelBytes: 64 * 1024, blockBytes: 1024, level0Tables: 3 },
} as const;

/** How long a value stays before a later write deletes it. */
export const KEPT = 60;

/** The value of write `n`: its length jumps about, every thirteenth is a blob. */
export function valueOf(n: number): string {
  const length = n % 13 === 0 ? 2500 + n % 700 : (n * 37) % 300;
  return `${n}:`.padEnd(length, `${n % 7}`);
}

/** Whether write `n` sets a value that is still there after write `last`. */
export function isKept(n: number, last: number): boolean {
  return n % 3 !== 0 || n + KEPT > last;
}

export const entryKey = (n: number): string => `entry/${String(n).padStart(8, "0")}`;
export const valueKey = (n: number): string => `value/${String(n).padStart(8, "0")}`;
export const tagOf = (n: number): string => `tag ${n % 5}`;

/** Write `n`: a tagged entry, a value, the newest number, and a delete, in one commit. */
export function write(db: DB, n: number): Promise<unknown> {
  const atomic = db.atomic()
    .set(entryKey(n), { n }, { tags: [tagOf(n)] })
    .set(valueKey(n), valueOf(n))
    .set("newest", n);
  const old = n - KEPT;
  if (old >= 0 && old % 3 === 0) atomic.delete(valueKey(old));
  return atomic.commit({ durability: "commit" });
}
