/**
 * Watching a key space: changes as they are committed, gathered while the consumer is away (see `pending.ts`). Values are
 * read when changes are handed out.
 *
 * @module
 */
import { whenAborted } from "../../base/abort.ts";
import { concatBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { booleanOption, checkOptions, describeValue, signalOption } from "../../base/options.ts";
import { Slicer } from "../../base/yield.ts";
import { internalKey } from "../../format/space.ts";
import { PAUSE } from "../../tree/visible_cursor.ts";
import { type Change, rangeChange, setChangeAsync } from "./change.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import { valueBytes } from "../data/entries.ts";
import { decodeKey, encodeBound, encodeKey, type Key } from "../data/keys.ts";
import { PendingChanges, type Wanted } from "./pending.ts";
import { checkRange, refuseOptions, wholeSpace } from "../data/ranges.ts";
import { ReadSource } from "../reading/read_source.ts";
import { watchFor } from "./watchers.ts";
import { openWalk, type Walk } from "../reading/walk.ts";

/** What to watch: keys that begin with `prefix`, or certain keys; all of the key space when both are left out. */
export interface WatchRange<K extends Key = string> {
  /** What keys begin with. */
  prefix?: K | undefined;
  /** Certain keys. */
  keys?: readonly K[] | undefined;
}

const WATCH_OPTIONS = ["initial", "signal"];

/** Options of a watch. */
export interface WatchOptions {
  /** Gives the entries that are there first, as `"set"` changes; at least one array, be it empty. Default: false. */
  initial?: boolean | undefined;
  /** Ends the watch: its next step rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** At most so many changes are handed out together. */
const CHANGES_PER_STEP = 1000;
/** They end earlier once their values have this many bytes. */
const BYTES_PER_STEP = 2 ** 20;
/** The clock is asked once in so many. */
const CHANGES_PER_CLOCK = 16;

/** Changes of a key space as they are committed. @internal */
export class Watch<K extends Key> implements AsyncIterableIterator<Change<K>[], undefined> {
  readonly #context: Context;
  readonly #wanted: Wanted;
  readonly #pending: PendingChanges;
  readonly #stop: () => void;
  #initial: boolean;
  #walk: { source: ReadSource; walk: Walk } | undefined;
  /** One for all steps until it waits: a consumer that only counts would otherwise keep the loop from ever turning. */
  #slicer: Slicer | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;
  #ended = false;
  #error: { reason: unknown } | undefined;

  /** Watches from now on. */
  constructor(context: Context, definition: Definition, range: unknown, options: unknown) {
    context.assertOpen("watch");
    refuseOptions("watch", range, WATCH_OPTIONS);
    const checked = checkOptions("watch", options, WATCH_OPTIONS);
    this.#initial = booleanOption("watch", checked, "initial", false);
    const signal = signalOption("watch", checked);
    this.#context = context;
    this.#wanted = wantedOf(definition, range);
    this.#pending = new PendingChanges(this.#wanted, () => this.#wakeUp());
    const stopListening = watchFor(context, this.#pending);
    const onClose = (): void => this.#end();
    const onAbort = (): void => {
      this.#error ??= { reason: signal!.reason };
      this.#end();
    };
    const forget = signal && whenAborted(signal, onAbort);
    this.#stop = () => {
      stopListening();
      context.closing.delete(onClose);
      forget?.();
    };
    context.closing.add(onClose);
    if (signal?.aborted) onAbort();
  }

  /** The watch itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next changes, as soon as there are any. */
  next(): Promise<IteratorResult<Change<K>[], undefined>> {
    const result = this.#turn.then(() => this.#next());
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Stops watching. */
  return(): Promise<IteratorResult<Change<K>[], undefined>> {
    this.#end();
    return Promise.resolve({ value: undefined, done: true });
  }

  /** Stops watching. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** What was taken to be handed out is lost, so there is no going on. */
  #fail(reason: unknown): undefined {
    if (!this.#ended) this.#error = { reason };
    this.#end();
  }

  #end(): void {
    this.#ended = true;
    this.#walk?.walk.close();
    this.#walk = undefined;
    this.#pending.clear();
    this.#stop();
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async #pause(): Promise<void> {
    await (this.#slicer ??= new Slicer(this.#context.engine.settings.monotonic)).tick();
  }

  async #next(): Promise<IteratorResult<Change<K>[], undefined>> {
    for (;;) {
      if (this.#error !== undefined) {
        const { reason } = this.#error;
        this.#error = undefined;
        throw reason;
      }
      if (this.#ended) return { value: undefined, done: true };
      const changes = await this.#some().catch((reason: unknown) => this.#fail(reason));
      if (this.#ended) continue;
      if (changes !== undefined) return { value: changes, done: false };
      if (!this.#pending.isEmpty) continue;
      this.#slicer = undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Changes that can be handed out now; undefined: none. */
  async #some(): Promise<Change<K>[] | undefined> {
    const { reset } = this.#pending;
    if (reset !== undefined) {
      this.#pending.clear();
      this.#walk?.walk.close();
      this.#walk = undefined;
      this.#initial = false;
      return [{ type: "reset", version: reset }];
    }
    if (this.#initial) {
      const first = this.#walk === undefined;
      const entries = await this.#entries();
      if (first || entries.length > 0) return entries;
    }
    const changes: Change<K>[] = [];
    for (let bytes = 0; changes.length < CHANGES_PER_STEP && bytes < BYTES_PER_STEP && !this.#ended;) {
      if (changes.length % CHANGES_PER_CLOCK === 1) await this.#pause();
      const change = this.#pending.take();
      if (change === undefined) break;
      const { definition } = this.#wanted;
      if (change.type === "deleteRange") {
        changes.push(rangeChange<K>(definition, change.start, change.end, change.version));
        continue;
      }
      // At moment 0 nothing has expired: that an entry did so meanwhile is no reason not to tell of it.
      const { engine } = this.#context;
      const row = change.type === "delete"
        ? undefined
        : engine.read({ version: engine.visibleVersion, moment: 0 }).get(change.key);
      if (row === undefined) {
        const key = decodeKey(definition.encoding, change.key, definition.prefix.length) as K;
        changes.push({ type: "delete", key, version: change.version });
      } else {
        bytes += valueBytes(row);
        changes.push(await setChangeAsync<K>(this.#context, definition, change.key, row));
      }
    }
    return changes.length === 0 ? undefined : changes;
  }

  /** The entries that were there at the first step. */
  async #entries(): Promise<Change<K>[]> {
    const { definition, keys, prefix } = this.#wanted;
    const changes: Change<K>[] = [];
    if (this.#walk === undefined) {
      const source = new ReadSource(this.#context, definition);
      // Changes up to there are in the entries given first.
      this.#pending.from = source.version;
      this.#pending.clear();
      if (keys !== undefined) {
        this.#initial = false;
        const found = keys.map((key) => internalKey(source.prefix, key)).flatMap((key) => {
          const row = source.row(key);
          return row === undefined ? [] : [{ key, row }];
        });
        // All at once: nothing keeps the files of a row whose value is to be read in a later turn.
        return await Promise.all(found.map(({ key, row }) => setChangeAsync<K>(this.#context, definition, key, row)));
      }
      this.#walk = {
        source,
        walk: openWalk(source, { ...wholeSpace(concatBytes(source.prefix, prefix)), tags: [] }, false),
      };
    }
    const { walk } = this.#walk;
    for (let bytes = 0; changes.length < CHANGES_PER_STEP && bytes < BYTES_PER_STEP;) {
      if (changes.length % CHANGES_PER_CLOCK === 1) await this.#pause();
      if (this.#ended) break;
      // The namespace may have another key space by now, and these keys would be taken for keys of that.
      if (this.#pending.reset !== undefined) break;
      const step = walk.step();
      if (step === undefined) {
        this.#initial = false;
        walk.close();
        this.#walk = undefined;
        break;
      }
      if (step === PAUSE) {
        await this.#pause();
        continue;
      }
      bytes += valueBytes(step.row);
      changes.push(await setChangeAsync<K>(this.#context, definition, step.key, step.row));
    }
    return changes;
  }
}

function wantedOf(definition: Definition, range: unknown): Wanted {
  if (Array.isArray(range)) throw new TypeError("watch: the range must be an object such as { keys }, not an array");
  const checked = checkRange("watch", range, ["prefix", "keys"]);
  const { prefix, keys } = checked;
  if (keys === undefined) {
    const own = prefix === undefined
      ? EMPTY_BYTES
      : encodeBound("watch", "prefix", definition.encoding, EMPTY_BYTES, prefix);
    return { definition, keys: undefined, prefix: own };
  }
  if (prefix !== undefined) throw new TypeError("watch: both prefix and keys; give one of them");
  if (!Array.isArray(keys)) throw new TypeError(`watch: keys must be an array of keys, not ${describeValue(keys)}`);
  const wanted = keys.map((key) => encodeKey("watch", definition.encoding, EMPTY_BYTES, key));
  return { definition, keys: wanted, prefix: EMPTY_BYTES };
}
