/**
 * The queue: delivers messages to listeners when they are due, at least once.
 *
 * (1) A message is a row until its handler has succeeded, or until it is given up; both are one commit. A program that ends
 *     in between finds the row again, and delivers again.
 * (2) Rows are taken in the order of their keys, from a place that only moves back for a row that is added before it. It
 *     may have been taken already when that is told, so what is being delivered is known by its key, and not taken twice.
 * (3) What could not be removed or rescheduled stays a row, and is delivered again after the next opening.
 * (4) A row is read when it is delivered, and again when it is given another time: a handler may have changed the message
 *     that it was given, and one that can't be read holds up no others.
 * (5) A restore brings rows that nobody has told of: all are looked at again.
 *
 * @module
 */
import { compareBytes, concatBytes, toHex } from "../../base/bytes.ts";
import { describeValue } from "../../base/options.ts";
import { ClosedError, ReadOnlyError } from "../../base/errors.ts";
import { randomBytes } from "../../base/simulation.ts";
import { CLOCK_LOOK_MS } from "../../base/timers.ts";
import { type EncodedValue, encodeValue } from "../../db/data/values.ts";
import type { KvCore } from "./core.ts";
import {
  dueOf,
  messageKey,
  messageOptions,
  type MessageRow,
  MESSAGES,
  rescheduled,
  undeliveredKeys,
} from "./messages.ts";
import type { KvEnqueueOptions, KvQueueHandler } from "./types.ts";
import { fromStored, toStored } from "./values.ts";

/** At most so many handlers run at once, as in Deno KV: enough to keep a program busy that waits for others. */
const HANDLERS_MAX = 100;

/** How long to sleep when nothing is due: what a timer takes at most. */
const IDLE_MS = 2 ** 31 - 1;

/** A number of a message from which a billion more can be counted. */
const SEQUENCE_MAX = Number.MAX_SAFE_INTEGER - 1e9;

/** When rows that could not be looked through are tried again: rarely enough that a damaged disk floods nobody. */
const RETRY_MS = 60_000;

/** Keys that are never written: who watches them hears of restores, and of the end. */
const NOTHING = Uint8Array.of(0xff);

/** A message that is to be sent. */
export interface Outgoing {
  /** ms until it is due. */
  delay: number;
  /** What its row will hold. */
  value: EncodedValue;
  /** What is wrong with it. */
  mistake: { error: unknown } | undefined;
}

/** A message's row. */
export interface Row {
  key: Uint8Array;
  value: EncodedValue;
}

interface Listener {
  handler: KvQueueHandler;
  end: () => void;
}

/** The queue of an open KV. */
export class MessageQueue {
  readonly #core: KvCore;
  readonly #opening = randomBytes(8);
  readonly #listeners: Listener[] = [];
  /** Resolves once what handlers have finished so far is removed or given another time, or can no more be. */
  #finished = Promise.resolve();
  #sequence: number;
  #from = MESSAGES.start;
  /** The keys of what is being delivered. */
  readonly #running = new Set<string>();
  #next = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(core: KvCore) {
    this.#core = core;
    // Behind those of earlier openings, which had at most one for each microsecond.
    this.#sequence = Math.min(1000 * this.#now(), SEQUENCE_MAX);
  }

  /** A message as it will be kept. A mistake in one of its keys is told when it is sent. */
  message(value: unknown, options: KvEnqueueOptions | null | undefined): Outgoing {
    const { delay, backoff } = messageOptions(options);
    const message: MessageRow = { message: value, backoff, keys: [] };
    let mistake: Outgoing["mistake"];
    try {
      message.keys = undeliveredKeys(options);
    } catch (error) {
      mistake = { error };
    }
    return { delay, value: encodeValue("enqueue", toStored(this.#core.codec, message)), mistake };
  }

  /** The rows of messages that are sent now. */
  rowsOf(messages: readonly Outgoing[]): Row[] {
    if (messages.length === 0) return [];
    const now = this.#now();
    return messages.map(({ delay, value }) => ({
      key: messageKey(now + delay, this.#sequence++, this.#opening),
      value,
    }));
  }

  /** To be told of rows once they are committed. */
  added(keys: readonly Uint8Array[]): void {
    for (const key of keys) if (compareBytes(key, this.#from) < 0) this.#from = key;
    this.#pump();
  }

  /** Delivers to `handler` until the KV is closed; then resolves. */
  async listen(handler: KvQueueHandler): Promise<void> {
    if (typeof handler !== "function") {
      throw new TypeError(`listenQueue: the handler must be a function, not ${describeValue(handler)}`);
    }
    if (this.#core.db.closed) throw new ClosedError("Queue already closed");
    if (this.#core.db.readOnly) {
      throw new ReadOnlyError("Cannot listenQueue: the KV is open with readOnly, and delivering writes (READ_ONLY)");
    }
    await new Promise<void>((resolve) => {
      this.#listeners.push({ handler, end: resolve });
      if (this.#listeners.length === 1) this.#follow().catch((error) => this.#core.report(error));
      this.#pump();
    });
    await this.#finished;
  }

  /**
   * Ends listening, as the database does in this turn; handlers that run go on, and what they finish from then on is
   * delivered again.
   */
  close(): void {
    this.#cancelTimer?.();
    for (const { end } of this.#listeners) end();
  }

  /** Looks at all rows again after a restore, and ends with the database, whoever closes it. */
  async #follow(): Promise<void> {
    for await (const _resets of this.#core.db.watch({ prefix: NOTHING })) {
      this.#from = MESSAGES.start;
      this.#pump();
    }
    this.close();
  }

  #now(): number {
    return Math.max(0, Math.trunc(this.#core.clock()));
  }

  /** Takes what is due, and sets the timer for what is next. */
  #pump(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#core.db.closed || this.#listeners.length === 0) return;
    // Whoever listens keeps the program alive, as in Deno.
    let sleepMs = IDLE_MS;
    const now = this.#now();
    const due: Uint8Array[] = [];
    try {
      // Those that are being delivered may be among them.
      const rows = { start: this.#from, end: MESSAGES.end };
      for (const key of this.#core.db.keysSync(rows, { limit: HANDLERS_MAX })) {
        if (this.#running.size + due.length === HANDLERS_MAX) break;
        const at = dueOf(key);
        if (at > now) {
          sleepMs = Math.min(at - now, CLOCK_LOOK_MS);
          break;
        }
        if (!this.#running.has(toHex(key))) due.push(key);
      }
    } catch (error) {
      sleepMs = RETRY_MS;
      this.#core.report(error);
    }
    const last = due.at(-1);
    if (last !== undefined) this.#from = concatBytes(last, Uint8Array.of(0));
    this.#cancelTimer = this.#core.timers.set(sleepMs, () => this.#pump(), true);
    for (const key of due) this.#deliver(key);
  }

  #deliver(key: Uint8Array): void {
    const { handler } = this.#listeners[this.#next++ % this.#listeners.length]!;
    const name = toHex(key);
    this.#running.add(name);
    const work = this.#handle(key, handler).catch((error) => {
      // Nobody could have removed it.
      if (!this.#core.db.closed) this.#core.report(error);
    }).finally(() => {
      this.#running.delete(name);
      this.#pump();
    });
    void work;
  }

  async #handle(key: Uint8Array, handler: KvQueueHandler): Promise<void> {
    const { db, codec } = this.#core;
    const { message } = fromStored(codec, db.getSync(key)) as MessageRow;
    let finish: () => Promise<unknown>;
    // A handler begins when the pump has come to its end.
    await undefined;
    try {
      await handler(message);
      finish = () => db.delete(key);
    } catch (error) {
      this.#core.report(error);
      finish = () => this.#failed(key);
    }
    const finished = finish();
    this.#finished = Promise.allSettled([this.#finished, finished]).then(() => {});
    await finished;
  }

  /** Gives a message another time, or gives it up. */
  async #failed(key: Uint8Array): Promise<void> {
    const { db, codec } = this.#core;
    const stored = await db.get(key);
    if (stored === undefined) return;
    const message = fromStored(codec, stored) as MessageRow;
    const [wait, ...backoff] = message.backoff;
    const operation = db.atomic().delete(key);
    if (wait === undefined) {
      for (const undelivered of message.keys) operation.set(undelivered, toStored(codec, message.message));
      await operation.commit();
      return;
    }
    const due = this.#now() + wait;
    // Under the same key it would be taken for the one that is being delivered (2).
    const later = rescheduled(key, due === dueOf(key) ? due + 1 : due);
    await operation.set(later, toStored(codec, { ...message, backoff })).commit();
    this.added([later]);
  }
}
