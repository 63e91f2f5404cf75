/**
 * Watching keys: their entries at once, and again whenever one of them has changed, be it by expiring. States that nobody
 * has asked for meanwhile are left out; the newest never is.
 *
 * @module
 */
import { CLOCK_LOOK_MS } from "../../base/timers.ts";
import type { Entry } from "../../db/data/entries.ts";
import type { KvCore } from "./core.ts";
import { encodeKey } from "./keys.ts";
import { entryOf } from "./list.ts";
import type { KvEntryMaybe, KvKey } from "./types.ts";

type Found = Entry<Uint8Array> | undefined;

/** The entries at `keys`, as they change. */
export function watchKeys(core: KvCore, keys: readonly KvKey[], raw: boolean): ReadableStream<KvEntryMaybe<unknown>[]> {
  const { db, timers, clock } = core;
  const wanted = keys.map((key) => ({ bytes: encodeKey(key), key: [...key] }));
  // It listens from here on, so that nothing is missed behind the first look.
  const changes = db.watch({ keys: wanted.map(({ bytes }) => bytes).filter(({ length }) => length > 0) });
  let change: Promise<{ done?: boolean }> | undefined;
  let stamps: (number | null)[] | undefined;

  const look = (): Promise<Found[]> =>
    Promise.all(wanted.map(({ bytes }) => bytes.length === 0 ? undefined : db.getEntry(bytes)));

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
      const found = await look();
      expiresAt = Math.min(...found.map((entry) => entry?.expiresAt ?? Infinity));
      const now = found.map((entry) => entry?.version ?? null);
      const same = stamps?.every((stamp, i) => stamp === now[i]) ?? false;
      stamps = now;
      if (same && !raw) continue;
      return controller.enqueue(found.map((entry, i): KvEntryMaybe<unknown> => {
        return entry === undefined
          ? { key: [...wanted[i]!.key], value: null, versionstamp: null }
          : entryOf(core, entry);
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
