/** Runs a workload on a simulated disk and keeps the chronicle of it. */
import assert from "node:assert/strict";
import { encodeText } from "../../lib/base/bytes.ts";
import { HoldfastError, NoSpaceError } from "../../lib/base/errors.ts";
import { exportDatabase } from "../../lib/backup/mod.ts";
import { openEngine } from "../../lib/engine/open.ts";
import type { Durability, Engine, EngineSettings, EngineSnapshot } from "../../lib/engine/types.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { DELETE_CELL, KIND_BYTES, writeCell } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix } from "../../lib/format/space.ts";
import { ByteWriter } from "../../lib/base/bytes.ts";
import type { Attempt, Chronicle, Operation } from "./chronicle.ts";
import { checkContents } from "./contents.ts";
import type { Step } from "./workload.ts";

/** Where the database lies. */
export const PATH = "/var/data/db";

const ROOT = spacePrefix(0);
const START_MS = 1_000_000;

/** What a simulated machine has beside its disk: a clock that goes on through power cuts, and a source of ids. */
export class Machine {
  #ids = 0;
  #clock = START_MS;
  #monotonic = 0;

  /** Tiny limits, under which a few hundred bytes make files of every kind. */
  settings(changes: Partial<EngineSettings> = {}): EngineSettings {
    return {
      createIfMissing: true,
      errorIfExists: false,
      readOnly: false,
      keyEncoding: undefined,
      durability: "commit",
      // Never by itself: workloads flush when they say so.
      flushInterval: 1_000_000_000,
      bufferBytes: 4096,
      memtableBytes: 1024,
      cacheBytes: 16 * 1024,
      blobBytes: 300,
      compression: "auto",
      historyBytes: 16 * 1024,
      archiveBytes: 1024 * 1024,
      archiveOnFull: "gap",
      blockBytes: 256,
      tableBytes: 2048,
      level0Tables: 3,
      levelBytes: 4096,
      reserve: false,
      randomId: () => {
        const id = new Uint8Array(16);
        new DataView(id.buffer).setUint32(12, ++this.#ids);
        return id;
      },
      clock: () => this.#clock++,
      // Fast enough that slices end in the middle of work, and that a writer that is slowed down does not wait for ever.
      monotonic: () => this.#monotonic += 0.05,
      onEvent: undefined,
      signal: undefined,
      ...changes,
    };
  }
}

/** What an export has come to. */
export interface Exported {
  to: string;
  /** The version of the copy, once `exportDatabase` resolved. */
  version: number | undefined;
}

/** A call that rejected. */
export interface Failed {
  step: string;
  error: unknown;
}

/** One run of a workload. */
export class Run {
  readonly fs: FileSystem;
  readonly chronicle: Chronicle;
  readonly machine: Machine;
  readonly exported: Exported[] = [];
  readonly failures: Failed[] = [];
  engine: Engine | undefined;
  readonly #settings: EngineSettings;
  #pending: Promise<void>[] = [];
  #snapshots: EngineSnapshot[] = [];
  /** Whether to go on after a call rejected, as an application would that reports errors to its users. */
  readonly #goOn: boolean;

  constructor(
    fs: FileSystem,
    chronicle: Chronicle,
    options: { machine?: Machine; settings?: Partial<EngineSettings>; goOn?: boolean } = {},
  ) {
    this.fs = fs;
    this.chronicle = chronicle;
    this.machine = options.machine ?? new Machine();
    this.#settings = this.machine.settings(options.settings);
    this.#goOn = options.goOn ?? false;
  }

  /** Does all steps; unless it goes on, up to the first call that rejects. Ends with the engine open, if it is. */
  async steps(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      try {
        this.engine ??= await this.#open();
        await this.#step(this.engine, step);
      } catch (error) {
        this.#failed(step.do, error);
      }
      if (this.failures.length > 0 && !this.#goOn) break;
    }
    await this.#wait();
  }

  async #open(): Promise<Engine> {
    const { chronicle } = this;
    const engine = await openEngine(this.fs, PATH, this.#settings);
    checkContents(engine, chronicle, chronicle.handedOver);
    chronicle.settleAt(engine.visibleVersion);
    return engine;
  }

  /** Lets go of everything, in whatever state. */
  async end(): Promise<void> {
    await this.#wait();
    const engine = this.engine;
    this.engine = undefined;
    await engine?.close().catch((error) => this.#failed("close", error));
  }

  #failed(step: string, error: unknown): void {
    if (!(error instanceof HoldfastError)) throw error;
    this.failures.push({ step, error });
  }

  async #wait(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }

  async #step(engine: Engine, step: Step): Promise<void> {
    const { chronicle } = this;
    switch (step.do) {
      case "commit":
        this.#pending.push(this.#commit(engine, step.operations, step.durability));
        return;
      case "wait":
        return await this.#wait();
      case "flush":
        await engine.flush();
        return chronicle.keepAll();
      case "compact":
        return await engine.compact();
      case "snapshot":
        await this.#wait();
        this.#snapshots.push(engine.snapshot());
        return;
      case "release":
        return this.#snapshots.splice(0).forEach((snapshot) => snapshot.release());
      case "close":
        this.#snapshots = [];
        this.engine = undefined;
        try {
          await engine.close();
        } finally {
          await this.#wait();
        }
        return chronicle.keepAll();
      case "ingest":
        return await this.#ingest(engine, step.replace, step.entries);
      case "export": {
        const exported: Exported = { to: step.to, version: undefined };
        this.exported.push(exported);
        exported.version = (await exportDatabase(engine, step.to)).version;
        return;
      }
    }
  }

  async #commit(engine: Engine, operations: readonly Operation[], durability: Durability): Promise<void> {
    const batch = batchOf(operations);
    const attempt = this.chronicle.begin({ operations, log: batch.ops.view().slice() });
    try {
      const commit = await engine.commit(batch, { durability });
      assert.ok(commit);
      const durable = { commit: "kept", interval: "handedOver", buffered: "no" } as const;
      this.chronicle.acknowledge(attempt, commit, durable[durability]);
    } catch (error) {
      this.#refused(attempt, error);
      this.#failed("commit", error);
    }
  }

  async #ingest(
    engine: Engine,
    replace: boolean,
    entries: readonly { key: string; value: Uint8Array }[],
  ): Promise<void> {
    const writer = engine.ingestWriter();
    let files;
    try {
      for (const { key, value } of entries) {
        writer.add(keyOf(key), cellOf(value));
        await writer.drain();
      }
      files = await writer.finish();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    const operations = entries.map(({ key, value }) => ({ put: key, value }));
    const attempt = this.chronicle.begin({ replace, operations });
    try {
      this.chronicle.acknowledge(attempt, await engine.ingest(files, { replace }), "kept");
    } catch (error) {
      this.#refused(attempt, error);
      throw error;
    }
  }

  #refused(attempt: Attempt, error: unknown): void {
    // What a full disk refused never comes back; what a failed sync refused may, and so may a full disk's failed sync.
    this.chronicle.reject(attempt, error instanceof NoSpaceError && this.engine?.failure === undefined);
  }
}

function batchOf(operations: readonly Operation[]): Batch {
  const batch = new Batch();
  for (const operation of operations) {
    if ("put" in operation) {
      const expiresAt = operation.expired ? START_MS - 1 : undefined;
      batch.putCell(ROOT, encodeText(operation.put), KIND_BYTES, operation.value, [], expiresAt);
    } else if ("delete" in operation) {
      batch.deleteKey(ROOT, encodeText(operation.delete));
    } else {
      batch.deleteRange(keyOf(operation.from), operation.to === undefined ? undefined : keyOf(operation.to));
    }
  }
  return batch;
}

/** The internal key of a text key. */
export function keyOf(text: string): Uint8Array {
  return internalKey(ROOT, encodeText(text));
}

function cellOf(value: Uint8Array): Uint8Array {
  if (value.length === 0) return DELETE_CELL;
  const out = new ByteWriter(value.length + 16);
  writeCell(out, KIND_BYTES, value);
  return out.take();
}
