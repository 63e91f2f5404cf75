/**
 * Writes a run of tables aside, for an ingest: rows at version 0, which the ingest's commit replaces by its own.
 *
 * @module
 */
import { RunOutput } from "../background/run_output.ts";
import type { RunFiles } from "../background/run_output.ts";
import type { Store } from "../store.ts";
import type { IngestWriter } from "../types.ts";

/** One run for `Engine.ingest`. */
export class StoreIngestWriter implements IngestWriter {
  readonly #output: RunOutput;
  readonly #tableBytes: number;
  #cut = false;
  #bytes = 0;

  constructor(store: Store) {
    this.#output = new RunOutput(store);
    this.#tableBytes = store.settings.tableBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(key: Uint8Array, cell: Uint8Array): void {
    this.#output.add(key, 0, 0, cell);
    this.#bytes += key.length + cell.length;
    this.#cut = this.#output.tableBytes >= this.#tableBytes;
  }

  async drain(): Promise<void> {
    if (this.#cut) await this.#output.cut();
    this.#cut = false;
    if (this.#output.wantsDrain) await this.#output.drain();
  }

  async finish(): Promise<RunFiles> {
    return await this.#output.finish();
  }

  async abort(): Promise<void> {
    await this.#output.abort();
  }
}
