/**
 * Watching keys: their entries at once, and again whenever one of them has changed, be it by expiring. States that nobody
 * has asked for meanwhile are left out; the newest never is.
 *
 * @module
 */
import { CLOCK_LOOK_MS } from "../../base/timers.ts";
import { type Entry, isBlob, rowEntry, rowEntryAsync } from "../../db/data/entries.ts";
import type { KvCore } from "./core.ts";
import { encodeKey } from "./keys.ts";
import { entryOf } from "./list.ts";
import { lookupPlaces, type PlaceItem } from "./places.ts";
import type { KvEntry, KvEntryMaybe, KvKey } from "./types.ts";

/** An entry that is there, and until when. */
interface Found {
  entry: KvEntry<unknown>;
  expiresAt: number | undefined;
}

/** The entries at `keys`, as they change. */
export function watchKeys(core: KvCore, keys: readonly KvKey[], raw: boolean): ReadableStream<KvEntryMaybe<unknown>[]> {
  const { db, timers, clock } = core;
  const places = keys.map(encodeKey);
  const wanted = keys.map((key) => [...key]);
  // It listens from here on, so that nothing is missed behind the first look.
  const changes = db.watch({ keys: places.filter(({ length }) => length > 0) });
  let change: Promise<{ done?: boolean }> | undefined;
  let stamps: (string | undefined)[] | undefined;

  const found = (entry: Entry<Uint8Array>): Found => ({ entry: entryOf(core, entry), expiresAt: entry.expiresAt });
  const item: PlaceItem<Found> = ({ context: { engine } }, row, place) => {
    return isBlob(row) ? rowEntryAsync(engine, place, row).then(found) : found(rowEntry(engine, place, row));
  };

  /** Resolves when something may have changed; to true when there is an end. */
  const wait = async (expiresAt: number): Promise<boolean> => {
    change ??= changes.next();
    const expired = Promise.withResolvers<undefined>();
    let cancelTimer: (() => void) | undefined;
    const sleep = (): void => {
      const left = Math.min(expiresAt - clock(), CLOCK_LOOK_MS);
      cancelTimer = timers.set(left, () => clock() < expiresAt ? sleep() : expired.resolve(undefined), false);
    };
    if (expiresAt !== Infinity) sleep();
    try {
      const result = await Promise.race([change, expired.promise]);
      if (result === undefined) return false;
      change = undefined;
      return result.done === true;
    } finally {
      cancelTimer?.();
    }
  };

  let expiresAt = Infinity;
  /** Gives the next states that differ, or the end. */
  const next = async (controller: ReadableStreamDefaultController<KvEntryMaybe<unknown>[]>): Promise<void> => {
    for (;;) {
      if (stamps !== undefined && await wait(expiresAt)) return controller.close();
      const all = await lookupPlaces("watch", db, places, item);
      expiresAt = all.reduce((first, one) => Math.min(first, one?.expiresAt ?? Infinity), Infinity);
      const now = all.map((one) => one?.entry.versionstamp);
      const same = stamps?.every((stamp, i) => stamp === now[i]) ?? false;
      stamps = now;
      if (same && !raw) continue;
      return controller.enqueue(all.map((one, i): KvEntryMaybe<unknown> => {
        return one?.entry ?? { key: [...wanted[i]!], value: null, versionstamp: null };
      }));
    }
  };

  return new ReadableStream<KvEntryMaybe<unknown>[]>({
    start(controller) {
      if (wanted.length > 0) return;
      void changes.return?.();
      controller.close();
    },
    async pull(controller) {
      try {
        await next(controller);
      } catch (error) {
        // Nobody cancels a stream that has failed.
        await changes.return?.();
        if (!db.closed) throw error;
        controller.close();
      }
    },
    async cancel() {
      await changes.return?.();
    },
  });
}
