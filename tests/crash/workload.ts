/** Workloads as data: made once from a seed, then run again and again, each time with another accident. */
import { encodeText } from "../../lib/base/bytes.ts";
import type { Durability, EngineSettings } from "../../lib/engine/types.ts";
import {
  type MemoryFileSystem,
  memoryFileSystem,
  type MemoryFileSystemOptions,
} from "../../lib/files/memory/memory_file_system.ts";
import type { Operation } from "./chronicle.ts";
import { pick, randomFrom } from "./random.ts";

/** One thing to do. */
export type Step =
  | { do: "commit"; operations: readonly Operation[]; durability: Durability }
  /** Waits for all commits called so far. */
  | { do: "wait" }
  | { do: "flush" }
  | { do: "compact" }
  | { do: "close" }
  | { do: "snapshot" }
  | { do: "release" }
  | { do: "ingest"; replace: boolean; entries: readonly { key: string; value: Uint8Array }[] }
  | { do: "export"; to: string };

/** What a workload must have made happen to be worth its name. */
export type Witness = "flush" | "compaction" | "blob" | "manifest" | "overlap";

/** A named list of steps and the limits they run under. */
export interface Workload {
  name: string;
  steps: readonly Step[];
  settings: Partial<EngineSettings>;
  /** Checked once, in a run without accidents. */
  shows: readonly Witness[];
  /** Accidents only near operations on such paths: for a workload that takes long to get there. */
  near?: RegExp;
  /** A seed: file operations then take different times, so that what runs side by side meets in other orders. */
  delays?: number;
  /** Syncs of the log take so long that other commits are written meanwhile. */
  slowSyncs?: boolean;
}

/** Turns of the queue of promises that a slow sync of the log takes: twice what writing a group takes. */
const SLOW_SYNC_TURNS = 60;

/** An empty disk for a workload. */
export function diskFor(
  workload: Workload,
  options: MemoryFileSystemOptions = {},
  onSlowSync: (isUnderWay: boolean) => void = () => {},
): MemoryFileSystem {
  const { delays, slowSyncs = false } = workload;
  if (delays === undefined && !slowSyncs) return memoryFileSystem(options);
  const random = delays === undefined ? undefined : randomFrom(delays);
  return memoryFileSystem({
    ...options,
    delay: async (name, path) => {
      const slow = slowSyncs && name === "sync" && path.endsWith(".log");
      if (slow) onSlowSync(true);
      const turns = (slow ? SLOW_SYNC_TURNS : 0) + (random === undefined ? 0 : pick(random, 12));
      for (let i = 0; i < turns; i++) await undefined;
      if (slow) onSlowSync(false);
    },
  });
}

/** A small value, a number of bytes that compress or that don't. */
function valueOf(random: () => number, label: string, bytes: number): Uint8Array {
  const value = encodeText(`${label} `.repeat(Math.ceil((bytes + 1) / (label.length + 1)))).slice(0, bytes);
  if (random() < 0.3) { for (let i = 8; i < bytes; i++) value[i] = pick(random, 256); }
  return value;
}

/** Puts steps together. Every value differs from every other, so that none can stand in for another. */
export class WorkloadBuilder {
  readonly steps: Step[] = [];
  readonly random: () => number;
  #values = 0;

  constructor(seed: number) {
    this.random = randomFrom(seed);
  }

  value(bytes: number = 4 + pick(this.random, 60)): Uint8Array {
    return valueOf(this.random, `value ${++this.#values}`, Math.max(bytes, 12));
  }

  key(of = 30): string {
    return `k${String(pick(this.random, of)).padStart(2, "0")}`;
  }

  put(key: string = this.key(), value: Uint8Array = this.value()): Operation {
    return { put: key, value };
  }

  commit(durability: Durability, ...operations: Operation[]): this {
    this.steps.push({ do: "commit", operations, durability });
    return this;
  }

  step(...kinds: ("wait" | "flush" | "compact" | "close" | "snapshot" | "release")[]): this {
    for (const kind of kinds) this.steps.push({ do: kind });
    return this;
  }

  ingest(replace: boolean, count: number, valueBytes?: number): this {
    const keys = new Set<string>();
    for (let i = 0; i < count; i++) keys.add(this.key());
    const entries = [...keys].sort().map((key) => ({ key, value: this.value(valueBytes) }));
    this.steps.push({ do: "ingest", replace, entries });
    return this;
  }

  export(to: string): this {
    this.steps.push({ do: "export", to });
    return this;
  }

  /** One operation of any kind. */
  operation(): Operation {
    const kind = this.random();
    if (kind < 0.62) return this.put();
    if (kind < 0.74) return this.put(this.key(), this.value(300 + pick(this.random, 900)));
    if (kind < 0.86) return { delete: this.key() };
    if (kind < 0.90) return { ...this.put(), expired: true } as Operation;
    const [from, to] = [this.key(), this.key()].sort() as [string, string];
    return this.random() < 0.2 ? { from } : { from, to };
  }

  /** One commit of one to four operations, in any mode. */
  anyCommit(): this {
    const operations: Operation[] = [];
    for (let i = 1 + pick(this.random, this.random() < 0.3 ? 4 : 1); i > 0; i--) operations.push(this.operation());
    const mode = this.random();
    return this.commit(mode < 0.5 ? "commit" : mode < 0.8 ? "interval" : "buffered", ...operations);
  }
}
