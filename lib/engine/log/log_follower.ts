/**
 * Reading the log as it grows, each byte once.
 *
 * ```
 * segment 12 [ . . . . . . ]   segment 15 [ . . . | . . . . ~ ~ ]
 *                          stands here: 15, byte ^         ^ durable up to here; ~ waits for its sync
 * ```
 *
 * (1) Only what is durable and visible is given: when that is nothing, what is visible is made durable first.
 * (2) What is given goes on behind what was given, without a gap; where the log lacks the next version that is an error.
 * (3) A call that fails has given nothing, and the next one tries the same again.
 * (4) Segments are held while they are read, not between calls: a follower that is forgotten keeps no log. Whoever must not
 *     miss anything has a slot.
 *
 * A read-only engine knows nothing of syncs, and gives what its writer had handed to the system at opening or `refresh`.
 *
 * @module
 */
import { copyBytes } from "../../base/bytes.ts";
import { ClosedError, HistoryGoneError, NotFoundError } from "../../base/errors.ts";
import { Slicer } from "../../base/yield.ts";
import { readCommit } from "../../format/log/batch.ts";
import { FILE_HEADER_BYTES } from "../../format/identity.ts";
import type { LogMeta } from "../../format/manifest/manifest_edit.ts";
import { fileName } from "../file_names.ts";
import type { ManifestWriter } from "../manifest/manifest.ts";
import type { Store } from "../store.ts";
import type { CommitEvent, LogFollower, LogStretch } from "../types.ts";
import { historyGone, keptLogs } from "./history.ts";
import type { Log } from "./log.ts";
import { expectEnd, type OpenedSegment, openSegment } from "./log_segment.ts";

/** What a follower asks of its engine. */
export interface FollowedEngine {
  /** Throws once it was closed. */
  assertOpen(): void;
  /** Makes all that is visible durable. */
  settle(): Promise<void>;
}

type Visit = (commit: CommitEvent) => void;

/** A place in the log: where the next record begins. */
interface Place {
  number: number;
  offset: number;
}

/** A reader that remembers where in the log it stands. */
export class StoreFollower implements LogFollower {
  readonly #store: Store;
  readonly #log: Log;
  readonly #engine: FollowedEngine;
  readonly #slicer: Slicer;
  #version: number;
  #place: Place | undefined;
  #placeIn: ManifestWriter | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(store: Store, log: Log, since: number, engine: FollowedEngine) {
    this.#store = store;
    this.#log = log;
    this.#version = since;
    this.#engine = engine;
    this.#slicer = new Slicer(store.settings.monotonic);
  }

  get version(): number {
    return this.#version;
  }

  next(maxBytes: number, visit?: (commit: CommitEvent) => void): Promise<LogStretch | undefined> {
    const mine = this.#turn.then(() => this.#next(maxBytes, visit));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #next(maxBytes: number, visit: Visit | undefined): Promise<LogStretch | undefined> {
    this.#assertOpen();
    if (this.#version >= this.#store.visibleVersion) return undefined;
    const found = await this.#read(maxBytes, visit);
    if (found !== undefined || this.#store.settings.readOnly) return found;
    await this.#engine.settle();
    return await this.#read(maxBytes, visit);
  }

  #assertOpen(): void {
    this.#engine.assertOpen();
    if (!this.#closed) return;
    throw new ClosedError(`Cannot follow the log of ${this.#store.path}: the follower was closed (CLOSED)`);
  }

  async #read(maxBytes: number, visit: Visit | undefined): Promise<LogStretch | undefined> {
    const store = this.#store;
    const until = store.visibleVersion;
    const logs = this.#logs();
    const first = logs[0]?.firstVersion ?? until + 1;
    if (first > this.#version + 1) throw historyGone(store, this.#version, first);
    const release = store.holdLogs(logs.map(({ number }) => number));
    const stretch: LogStretch = { commits: [], last: this.#version, bytes: 0, lineage: logs[0]!.lineage };
    // Before a refresh a reader may have read a commit that its writer, on a full disk, has cut off and written others over.
    const { manifest } = store;
    let place = manifest === this.#placeIn ? this.#place : undefined;
    try {
      for (const log of logs) {
        if (log.lineage !== stretch.lineage) {
          if (stretch.last > this.#version) break;
          stretch.lineage = log.lineage;
        }
        const from = place?.number === log.number ? place.offset : FILE_HEADER_BYTES;
        place = await this.#readSegment({ ...log, from }, { until, most: maxBytes }, stretch, visit);
        if (stretch.bytes >= maxBytes || stretch.last === until) break;
      }
    } finally {
      release();
    }
    if (stretch.last === this.#version) return undefined;
    this.#version = stretch.last;
    this.#place = place;
    this.#placeIn = manifest;
    return stretch;
  }

  /** The segments with later commits; of the one in use only what is durable. */
  #logs(): LogMeta[] {
    const { segment } = this.#log;
    return keptLogs(this.#store, this.#log).filter(({ lastVersion }) => lastVersion > this.#version)
      .map((log) => log.number === segment?.number ? { ...log, end: Math.min(log.end, segment.synced) } : log);
  }

  /** Adds the commits of a segment from a byte on, and says where it stopped. */
  async #readSegment(
    { from, ...log }: LogMeta & { from: number },
    { until, most }: { until: number; most: number },
    stretch: LogStretch,
    visit: Visit | undefined,
  ): Promise<Place> {
    const place = { number: log.number, offset: from };
    if (from >= log.end) return place;
    const segment = this.#open(log, from);
    try {
      const { reader } = segment;
      for (let found = reader.next(); found !== undefined; found = reader.next()) {
        const { version, timestamp, ops } = readCommit(found.record);
        const { last } = stretch;
        if (version > last + 1) throw historyGone(this.#store, last, version);
        place.offset = found.end;
        if (version === last + 1) {
          if (visit !== undefined) visit({ version, timestamp, ops });
          else stretch.commits.push({ version, timestamp, ops: copyBytes(ops) });
          stretch.last = version;
          stretch.bytes += ops.length;
          if (stretch.bytes >= most || version === until) return place;
        }
        if (this.#slicer.due()) {
          await this.#slicer.tick();
          this.#assertOpen();
        }
      }
      expectEnd(reader.state, log.end, log.number);
      return place;
    } finally {
      segment.close();
    }
  }

  #open({ number, end }: LogMeta, from: number): OpenedSegment {
    const { fs, path, database } = this.#store;
    try {
      return openSegment(fs, path, { number, database }, end, from);
    } catch (error) {
      // The writer beside a read-only engine has let it go.
      if (!(error instanceof NotFoundError)) throw error;
      throw new HistoryGoneError(
        `Cannot read the changes after version ${this.#version} of ${this.#store.path}: ${
          fileName("log", number)
        } is ` +
          `gone; read the present state (HISTORY_GONE)`,
        { cause: error },
      );
    }
  }

  close(): void {
    this.#closed = true;
  }
}
