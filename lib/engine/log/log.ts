/**
 * The write-ahead log as a whole: the segment that takes records now, and those before it.
 *
 * A segment is registered in the manifest before its first record is written, in the same edit that states where its
 * predecessor ends; so recovery knows every segment that can hold a commit, and the exact end of all but the newest.
 *
 * @module
 */
import type { LogMeta, ManifestEdit } from "../../format/manifest/manifest_edit.ts";
import { toHex } from "../../base/bytes.ts";
import { ExistsError, LockedError, NoSpaceError } from "../../base/errors.ts";
import { copySegment } from "./copy_segment.ts";
import { LogSegment } from "./log_segment.ts";
import type { Store } from "../store.ts";

/** The log of an engine that writes. */
export class Log {
  readonly #store: Store;
  #segment: LogSegment | undefined;
  /** The segment found at open, finished by recovery but not yet registered so. */
  #previous: LogMeta | undefined;
  #isUnsure = false;

  /** `previous`: the newest segment as recovery left it. */
  constructor(store: Store, previous: LogMeta | undefined) {
    this.#store = store;
    this.#previous = previous;
  }

  /** The segment that takes records, if one was begun since open. */
  get segment(): LogSegment | undefined {
    return this.#segment;
  }

  /** Whether a power cut may take of what recovery found: on a full disk it could not be written anew yet. */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  /** Where the newest segment ends now: what a pin or a reader may read. */
  position(): LogMeta | undefined {
    return this.#segment?.meta() ?? this.#previous;
  }

  /** Read-only engines: takes over the position of a log that was read later. */
  adopt(newer: Log): void {
    this.#previous = newer.#previous;
  }

  /**
   * Makes sure that the records recovery found are on disk, before they are shown. After a kill they may be in the system's
   * memory alone, and after a failed sync no later one brings them to the disk: so they are written anew.
   */
  async settle(): Promise<void> {
    const store = this.#store;
    const found = this.#previous;
    if (found === undefined || found.firstVersion === 0 || store.manifest.state.openLog?.end !== null) return;
    try {
      await this.#writeAnew(found);
    } catch (error) {
      if (!(error instanceof NoSpaceError) || store.failure !== undefined) throw error;
      this.#isUnsure = true;
      // On a full disk a sync is all that can be had; tables follow once there is space.
      const handle = await store.fs.open(store.filePathOf("log", found.number), "append");
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
      store.seal();
    }
  }

  async #writeAnew(found: LogMeta): Promise<void> {
    const store = this.#store;
    let copy: LogMeta | undefined;
    try {
      const { meta, sync } = await copySegment(store, found);
      copy = meta;
      const { number, end } = meta;
      await store.edit(() => ({ openLog: { number, end } }), undefined, sync);
      this.#previous = meta;
      this.#isUnsure = false;
    } catch (error) {
      if (copy !== undefined && error instanceof NoSpaceError && store.failure === undefined) {
        await store.removeLog(copy.number);
      }
      // Another process is at work here, and may come to this number next.
      if (copy !== undefined && error instanceof LockedError) {
        await store.fs.remove(store.filePathOf("log", copy.number)).catch(() => {});
      }
      throw error;
    }
  }

  /** The segment that takes records; begins the first one, and with it a copy's own lineage. */
  async open(): Promise<LogSegment> {
    return this.#segment ?? await this.rotate();
  }

  /** Finishes the segment in use and begins the next. One that never had a record is kept in use. */
  async rotate(): Promise<LogSegment> {
    const segment = this.#segment;
    if (segment !== undefined && segment.first === 0 && !segment.wasCut) return segment;
    const store = this.#store;
    // After a failed sync a footer and an edit would state an end that the disk may not have.
    store.assertWritable("write");
    if (this.#isUnsure) {
      // Its end is about to be stated, which must hold after a power cut.
      const { number } = this.#previous!;
      await this.#writeAnew(this.#previous!);
      await store.removeLog(number);
    }
    const state = store.manifest.state;
    const edit: ManifestEdit = {};
    let lineage = state.database.lineage;
    if (state.forked) {
      lineage = toHex(store.settings.randomId());
      const parents = [...state.database.parents, { lineage: state.database.lineage, version: store.visibleVersion }];
      edit.database = { ...state.database, lineage, parents };
      edit.forked = false;
    }
    const next = await this.#create(lineage);
    const { number } = next;
    let previous = this.#previous;
    try {
      if (segment !== undefined) previous = await segment.finish();
      await store.edit(() => ({
        ...edit,
        ...(previous === undefined || previous.firstVersion === 0 ? {} : { addLogs: [previous] }),
        openLog: { number, end: null },
      }));
    } catch (error) {
      if (segment?.syncFailed === true) store.fail(error);
      // What may stand in the manifest is left as it is, for the next open.
      if (store.failure !== undefined) throw error;
      // Otherwise nothing has changed: the old segment goes on without its footer, the new one never was.
      await segment?.cut();
      await next.close().catch(() => {});
      await store.fs.remove(store.filePathOf("log", number)).catch(() => {});
      throw error;
    }
    await segment?.close();
    if (previous !== undefined && previous.firstVersion === 0) await store.removeLog(previous.number);
    this.#previous = undefined;
    this.#segment = next;
    return next;
  }

  /**
   * Makes the next segment. Numbers are given once: what is there is of another process that opened the database, or is
   * about to and will be refused, which is no reason to stop.
   */
  async #create(lineage: string): Promise<LogSegment> {
    const store = this.#store;
    for (;;) {
      const header = { kind: "log", database: store.database, lineage, number: store.newNumber() } as const;
      try {
        return await LogSegment.create(store.fs, store.path, header);
      } catch (error) {
        if (!(error instanceof ExistsError)) throw error;
        store.manifest.marker.assertOurs();
      }
    }
  }

  /** Records the log's end, so that after a clean close nothing passes for torn. */
  async close(): Promise<void> {
    const segment = this.#segment;
    const store = this.#store;
    if (segment !== undefined) {
      await segment.trim();
      await segment.sync();
      await store.edit(() => ({ openLog: { number: segment.number, end: segment.end } }));
      await segment.close();
    } else if (this.#isUnsure) {
      // No end is noted: the next open looks at it as after a kill.
    } else if (this.#previous !== undefined && store.manifest.state.openLog?.end === null) {
      const { number, end } = this.#previous;
      await store.edit(() => ({ openLog: { number, end } }));
    } else {
      await store.manifest.noteClose();
    }
    this.#segment = undefined;
  }
}
