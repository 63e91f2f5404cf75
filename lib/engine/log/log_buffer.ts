/**
 * Records on their way into the log: encoded, with their place in the segment, but not yet handed to the system.
 *
 * A write that finds the disk full is cut off the segment again, so that the log ends with its last whole record.
 *
 * @module
 */
import { ByteWriter } from "../../base/bytes.ts";
import { NoSpaceError } from "../../base/errors.ts";
import { type Batch, writeCommitHead } from "../../format/log/batch.ts";
import { writeRecord } from "../../format/log/frame.ts";
import type { Log } from "./log.ts";
import type { Reserve } from "./reserve.ts";
import { unsettled } from "./unsettled.ts";
import type { Store } from "../store.ts";

/** Records above this are written off the main thread; below, the hop costs more than the write. */
const ASYNC_WRITE_BYTES = 512 * 1024;

/** A buffer that one huge commit has grown beyond this is not kept. */
const KEPT_BYTES_MAX = 2 * 1024 * 1024;

/** Memory that a buffer begins with. */
const FIRST_BYTES = 64 * 1024;

/** The log's buffer. */
export class LogBuffer {
  readonly #store: Store;
  readonly #log: Log;
  readonly #reserve: Reserve;
  /** The first byte belongs at the segment's end. */
  #out = new ByteWriter(FIRST_BYTES);
  readonly #head = new ByteWriter(32);
  /** Whether any commit that waits sets a key. */
  #puts = 0;

  constructor(store: Store, log: Log, reserve: Reserve) {
    this.#store = store;
    this.#log = log;
    this.#reserve = reserve;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#out.length;
  }

  /** Adds a commit's record. */
  add(version: number, timestamp: number, batch: Batch): void {
    const segment = this.#log.segment!;
    this.#head.reset();
    writeCommitHead(this.#head, version, timestamp, segment.synced);
    writeRecord(this.#out, segment.seed, segment.end + this.#out.length, this.#head.view(), batch.ops.view());
    this.#puts += batch.puts;
  }

  /** A place to go back to: forgets what was added since. */
  mark(): () => void {
    const { length } = this.#out;
    const puts = this.#puts;
    return () => {
      this.#out.length = length;
      this.#puts = puts;
    };
  }

  /** Hands all buffered records to the system. */
  async handOver(): Promise<void> {
    const bytes = this.#out.view();
    if (bytes.length === 0) return;
    const segment = this.#log.segment!;
    const store = this.#store;
    try {
      for (let written = false; !written;) written = await this.#tryAppend(bytes);
    } catch (error) {
      // Synced, so that not even a power cut brings back a record that is refused here.
      const failure = await segment.cut().then(() => segment.sync()).then(
        () => undefined,
        (cause) => unsettled(cause, store.filePathOf("log", segment.number)),
      );
      if (failure !== undefined) store.fail(failure);
      segment.wasCut = true;
      if (!(error instanceof NoSpaceError)) {
        store.fail(error);
      } else if (!store.full) {
        store.full = true;
        store.report({ type: "space", full: true });
      }
      throw error instanceof NoSpaceError ? failure ?? error : error;
    }
    store.counters.logBytes += bytes.length;
    this.#out.reset();
    this.#puts = 0;
    if (this.#out.buffer.length > KEPT_BYTES_MAX) this.#out = new ByteWriter(FIRST_BYTES);
    if (store.full) {
      store.full = false;
      store.report({ type: "space", full: false });
    }
    if (this.#reserve.given) await this.#reserve.take().catch(() => {});
  }

  /** False: the disk was full, and something has been freed. Deletes may use the reserve. */
  async #tryAppend(bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#append(bytes);
      return true;
    } catch (error) {
      if (!(error instanceof NoSpaceError)) throw error;
      await this.#log.segment!.cut();
      if (await this.#reserve.give(this.#puts === 0)) return false;
      throw error;
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const segment = this.#log.segment!;
    if (bytes.length >= ASYNC_WRITE_BYTES) await segment.append(bytes);
    else segment.appendSync(bytes);
  }
}
