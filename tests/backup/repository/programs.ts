/** Programs at a store that decides no conditions, for the tests of who writes there. */
import { setTimeout } from "node:timers";
import { delayWith } from "../../../lib/base/timers.ts";
import { RetryingStore } from "../../../lib/backup/repository/core/retrying_store.ts";
import { SoleWriter } from "../../../lib/backup/repository/core/sole_writer.ts";
import { type ClaimSurroundings, WriterClaim } from "../../../lib/backup/repository/core/writer_claim.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { text } from "../../storage/helpers.ts";
import { type FakeTime, turns } from "./fake_timers.ts";

export const SECOND: number = 1000;
export const MINUTE: number = 60 * SECOND;

/** A program of its own at a store: others know nothing of it but what it puts there. */
export class Program {
  readonly claim: WriterClaim;
  readonly store: RetryingStore;
  /** The claims that don't keep it out, and the keys that it puts to. */
  readonly kept = { claims: new Set<string>(), keys: new Map() };

  constructor(store: ObjectStore, time: FakeTime, changes: Partial<ClaimSurroundings> = {}, claims = store) {
    const around: ClaimSurroundings = {
      clock: time.clock,
      monotonic: time.clock,
      timers: time,
      delay: (ms, signal) => delayWith(changes.timers ?? time, ms, signal),
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      ...changes,
    };
    const plain = new RetryingStore(store, around);
    this.claim = new WriterClaim(
      claims === store ? plain : new RetryingStore(claims, around),
      around,
      this.kept.claims,
    );
    this.store = new RetryingStore(store, around, new SoleWriter(store, plain, this.claim, this.kept.keys));
  }
}

/** A store with other methods here and there. */
export function over(store: ObjectStore, changes: Partial<ObjectStore>): ObjectStore {
  return {
    name: store.name,
    capabilities: store.capabilities,
    put: (...args) => store.put(...args),
    get: (...args) => store.get(...args),
    head: (...args) => store.head(...args),
    list: (...args) => store.list(...args),
    delete: (...args) => store.delete(...args),
    ...changes,
  };
}

/** Writes each second. */
export async function writeUntil({ store }: Program, time: FakeTime, writing: { over: boolean }): Promise<void> {
  for (let i = 0; !writing.over; i++) {
    await store.put(`b/${i}`, text("1"), { ifAbsent: true });
    await delayWith(time, SECOND);
  }
}

/**
 * What comes of a call while time goes by, and how much did. At each step the thread pool has a ms for what it works at: the
 * shorter the steps, the less time goes by meanwhile.
 */
export async function meanwhile<T>(
  time: FakeTime,
  call: Promise<T>,
  step: number = SECOND,
): Promise<{ took: number; value?: T; error?: unknown }> {
  const began = time.now;
  let outcome: { value?: T; error?: unknown } | undefined;
  call.then((value) => outcome = { value }, (error) => outcome = { error });
  for (let i = 0; i < 10_000; i++) {
    await turns(2);
    if (outcome !== undefined) return { took: time.now - began, ...outcome };
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (outcome === undefined) await time.advance(step);
  }
  throw new Error("it never ended");
}
