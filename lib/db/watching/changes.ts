/**
 * The history: every commit after a version, in order, from the log, and on request whatever is committed from then on.
 *
 * Live, it reads the log until it has caught up and then takes commits as they are made. A consumer that is slow makes
 * them wait in memory up to a limit; above it they are dropped there and read from the log again.
 *
 * @module
 */
import { abortable, throwIfAborted } from "../../base/abort.ts";
import { copyBytes } from "../../base/bytes.ts";
import { booleanOption, checkOptions, numberOption, signalOption } from "../../base/options.ts";
import { Slicer } from "../../base/yield.ts";
import type { CommitEvent } from "../../engine/types.ts";
import { FoundRow } from "../../tree/cursor.ts";
import { type Change, rangeChange, setChange, visitChanges } from "./change.ts";
import type { Context } from "../context.ts";
import { decodeKey, type Key } from "../data/keys.ts";

/** One commit as `changes` gives it. */
export interface CommitRecord {
  /** The commit's version. */
  version: number;
  /** Its time, ms since the Unix epoch. */
  timestamp: number;
  /**
   * What it did, in order; those of namespaces name it. [] when it only touched what users don't see. A `"reset"` stands for
   * what it did to a namespace that a later restore took away, once the database has been opened again.
   */
  changes: Change<Key>[];
}

/** Options of `changes`. */
export interface ChangesOptions {
  /** Commits after this version. Default: 0, all there are. */
  since?: number | undefined;
  /** Goes on with what is committed later, until it is left (forgetting it is not enough) or the database closes. Default: false. */
  live?: boolean | undefined;
  /** Ends the iteration: its next step rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Commits kept in memory for a slow consumer take at most so many bytes; the log has them all. */
const WAITING_BYTES_MAX = 2 ** 20;

type Event = CommitEvent | { reset: true; version: number; timestamp: number };

/** Commits that were made while the consumer was away. */
class Waiting {
  #events: Event[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;
  /** Whether some had to be dropped, so that the log has to be read again. */
  dropped = false;
  /** Whether nobody waits any more. */
  left = false;

  /** Forgets them all: the log is read again. */
  drop(): void {
    this.#events = [];
    this.#bytes = 0;
    this.dropped = true;
    this.wakeUp();
  }

  add(event: Event): void {
    // Until the log is read again nothing is kept, so nothing may count.
    if (this.dropped) return this.wakeUp();
    const bytes = "reset" in event ? 16 : event.ops.length + 16;
    this.#bytes += bytes;
    if (this.#bytes > WAITING_BYTES_MAX) return this.drop();
    this.#events.push("reset" in event ? event : { ...event, ops: copyBytes(event.ops) });
    this.wakeUp();
  }

  take(): Event | undefined {
    const event = this.#events.shift();
    if (event !== undefined) this.#bytes -= "reset" in event ? 16 : event.ops.length + 16;
    return event;
  }

  /** Nobody waits any more. */
  leave(): void {
    this.left = true;
    this.wakeUp();
  }

  wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Resolves at the next event. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** The commits after a version. @internal */
export function listChanges(context: Context, options: unknown): AsyncGenerator<CommitRecord, void, undefined> {
  context.assertOpen("changes");
  const checked = checkOptions("changes", options, ["since", "live", "signal"]);
  const since = numberOption("changes", checked, "since", 0, { min: 0, max: Number.MAX_SAFE_INTEGER });
  const live = booleanOption("changes", checked, "live", false);
  const signal = signalOption("changes", checked);
  if (since > context.engine.visibleVersion) {
    throw new RangeError(
      `changes: option "since" is ${since}, but the newest version is ${context.engine.visibleVersion}`,
    );
  }
  if (!live) return replay(context, since, signal);
  const waiting = new Waiting();
  const records = follow(context, since, signal, waiting);
  const leave = records.return.bind(records);
  const fail = records.throw.bind(records);
  // By themselves they would wait for the step under way, and that one for a commit that may never come.
  records.return = (value) => {
    waiting.leave();
    return leave(value);
  };
  records.throw = (error) => {
    waiting.leave();
    return fail(error);
  };
  return records;
}

async function* replay(
  context: Context,
  since: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<CommitRecord, void, undefined> {
  throwIfAborted(signal);
  context.assertOpen("changes");
  const slicer = new Slicer(context.engine.settings.monotonic);
  for await (const event of context.engine.history(since)) {
    // What is read of the log at once may be much to make changes of.
    await slicer.tick();
    throwIfAborted(signal);
    context.assertOpen("changes");
    yield recordOf(context, event);
  }
}

async function* follow(
  context: Context,
  since: number,
  signal: AbortSignal | undefined,
  waiting: Waiting,
): AsyncGenerator<CommitRecord, void, undefined> {
  let closed = context.engine.closed;
  const onClose = (): void => {
    closed = true;
    waiting.wakeUp();
  };
  // Listening begins before the log is read, so nothing falls between the two.
  // A reader beside a writer hears only that it has moved on; by which commits stands in the log.
  const { readOnly } = context.engine;
  const stopListening = context.engine.onCommit((event) => readOnly ? waiting.drop() : waiting.add(event));
  context.closing.add(onClose);
  const slicer = new Slicer(context.engine.settings.monotonic);
  try {
    let last = since;
    waiting.dropped = true; // begin with the log
    while (!closed && !waiting.left) {
      throwIfAborted(signal);
      if (waiting.dropped) {
        waiting.dropped = false;
        for await (const record of replay(context, last, signal)) {
          last = record.version;
          yield record;
          if (closed) return;
        }
        continue;
      }
      const event = waiting.take();
      if (event === undefined) await abortable(waiting.wait(), signal);
      else if (event.version > last) {
        last = event.version;
        yield recordOf(context, event);
        await slicer.tick();
      }
    }
  } catch (error) {
    if (!closed) throw error;
  } finally {
    stopListening();
    context.closing.delete(onClose);
  }
}

function recordOf(context: Context, event: Event): CommitRecord {
  const { version, timestamp } = event;
  if ("reset" in event) return { version, timestamp, changes: [{ type: "reset", version }] };
  const changes: Change<Key>[] = [];
  const add = (path: readonly string[], change: Change<Key>): void => {
    changes.push(path.length === 0 ? change : { ...change, namespace: [...path] });
  };
  visitChanges(context, version, event.ops, {
    set: (whose, key, cell) =>
      add(whose.path, setChange<Key>(context, whose, key, new FoundRow(version, timestamp, cell, 0, cell.length))),
    delete(whose, key) {
      add(whose.path, { type: "delete", key: decodeKey(whose.encoding, key, whose.prefix.length), version });
    },
    deleteRange: (whose, start, end) => add(whose.path, rangeChange<Key>(whose, start, end, version)),
    reset: () => changes.push({ type: "reset", version }),
  });
  return { version, timestamp, changes };
}
