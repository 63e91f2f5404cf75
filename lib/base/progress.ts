/**
 * Telling a caller how far long work has come.
 *
 * @module
 */

/** How far a long call has come. */
export interface Progress {
  /** What is being done now, such as `"copy"` or `"verify"`. */
  phase: string;
  /** Bytes done in this phase. */
  doneBytes: number;
  /** Bytes to do in this phase, where known. */
  totalBytes?: number;
  /** Items (files, entries, ...) done in this phase. */
  doneItems: number;
  /** Items to do in this phase, where known. */
  totalItems?: number;
}

/** Receives progress; what it throws ends the work with that error, and what it rejects with at the next report. */
export type OnProgress = (progress: Progress) => void;

/** What a phase will amount to, where that is known. */
export interface ProgressTotals {
  /** Bytes to do. */
  totalBytes?: number | undefined;
  /** Items to do. */
  totalItems?: number | undefined;
}

/** A report per MiB: a thousand for a gigabyte, too few to cost anything, enough for a bar that moves. */
const REPORT_BYTES = 2 ** 20;

/** A report per thousand items, for work whose items are small. */
const REPORT_ITEMS = 1000;

/** Counts work and reports it now and then: by amount, never by a timer, so that runs repeat exactly. */
export class ProgressReporter {
  readonly #report: OnProgress | undefined;
  #phase = "";
  #totals: ProgressTotals = {};
  #doneBytes = 0;
  #doneItems = 0;
  #reportedBytes = 0;
  #reportedItems = 0;
  /** What an asynchronous listener rejected with. */
  #rejected: { error: unknown } | undefined;

  /** Reports to `report`; without one, counting is all it does. */
  constructor(report: OnProgress | undefined) {
    this.#report = report;
  }

  /** Bytes done in this phase. */
  get doneBytes(): number {
    return this.#doneBytes;
  }

  /** Items done in this phase. */
  get doneItems(): number {
    return this.#doneItems;
  }

  /** Begins a phase from zero and reports its start; a phase still under way is reported once more, as far as it came. */
  start(phase: string, totals: ProgressTotals = {}): void {
    this.finish();
    this.#phase = phase;
    this.#totals = totals;
    this.#doneBytes = 0;
    this.#doneItems = 0;
    this.#emit();
  }

  /** Adds work done; reports when enough has come together. */
  add(bytes: number, items = 0): void {
    this.#doneBytes += bytes;
    this.#doneItems += items;
    if (
      this.#doneBytes - this.#reportedBytes >= REPORT_BYTES || this.#doneItems - this.#reportedItems >= REPORT_ITEMS
    ) this.#emit();
  }

  /** Reports what has not been reported yet. */
  finish(): void {
    if (this.#doneBytes !== this.#reportedBytes || this.#doneItems !== this.#reportedItems) this.#emit();
  }

  #emit(): void {
    this.#reportedBytes = this.#doneBytes;
    this.#reportedItems = this.#doneItems;
    if (this.#report === undefined) return;
    const progress: Progress = { phase: this.#phase, doneBytes: this.#doneBytes, doneItems: this.#doneItems };
    if (this.#totals.totalBytes !== undefined) progress.totalBytes = this.#totals.totalBytes;
    if (this.#totals.totalItems !== undefined) progress.totalItems = this.#totals.totalItems;
    if (this.#rejected !== undefined) throw this.#rejected.error;
    const told: unknown = this.#report(progress);
    // A rejection that nobody handles would end the process.
    if (told instanceof Promise) told.catch((error) => this.#rejected = { error });
  }
}
