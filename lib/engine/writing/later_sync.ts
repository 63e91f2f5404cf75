/**
 * Syncs of commits that wait for none: every `flushInterval`, sooner where much was written, and beside the queue, which
 * goes on meanwhile.
 *
 * @module
 */
import { NoSpaceError } from "../../base/errors.ts";
import type { Log } from "../log/log.ts";
import type { LogBuffer } from "../log/log_buffer.ts";
import type { Store } from "../store.ts";

/** More than this is not left for later: so that no sync takes long, and the end of a segment has little to wait for. */
const UNSYNCED_BYTES_MAX = 8 * 1024 * 1024;

/** What sees to it that nothing stays unsynced for long. */
export class LaterSync {
  readonly #store: Store;
  readonly #log: Log;
  readonly #buffer: LogBuffer;
  readonly #exclusive: (run: () => Promise<void>) => Promise<void>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAtWork = false;

  /** `exclusive` runs a task of the queue. */
  constructor(store: Store, log: Log, buffer: LogBuffer, exclusive: (run: () => Promise<void>) => Promise<void>) {
    this.#store = store;
    this.#log = log;
    this.#buffer = buffer;
    this.#exclusive = exclusive;
  }

  /** After commits that wait for no sync. */
  note(): void {
    const segment = this.#log.segment!;
    if (segment.end - segment.synced >= UNSYNCED_BYTES_MAX && !this.#isAtWork) this.#begin();
    // Kept referenced on purpose: a program must not end between a write and its sync.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#exclusive(() => this.#handOver()).catch((error) => {
        if (!(error instanceof NoSpaceError)) this.#store.fail(error);
        else this.note();
      });
    }, this.#store.settings.flushInterval);
  }

  /** All is synced, or somebody else sees to it. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #handOver(): Promise<void> {
    this.#store.assertWritable("flush");
    await this.#buffer.handOver();
    const segment = this.#log.segment;
    if (segment === undefined || segment.synced === segment.end) return;
    // On a disk that takes longer than the interval they must not pile up: the one after this covers all.
    if (this.#isAtWork) this.note();
    else this.#begin();
  }

  #begin(): void {
    this.#isAtWork = true;
    this.#log.segment!.sync()
      .then(() => {
        this.#store.counters.syncs++;
        this.#store.manifest.marker.assertOurs();
      })
      .catch((error) => this.#store.fail(error))
      .finally(() => this.#isAtWork = false);
  }
}
