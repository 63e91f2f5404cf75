/** A database whose log's syncs are held until a test lets them go. */
import type { Engine, EngineSettings } from "../../lib/engine/types.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { open, put } from "./fixture.ts";

const ROOMY: Partial<EngineSettings> = { durability: "interval", flushInterval: 1, memtableBytes: 64 * 2 ** 20 };

/** What syncs of the log wait for. */
export interface HeldSyncs {
  fs: MemoryFileSystem;
  engine: Engine;
  /** Resolves when one has begun, with what lets it through, or fails it. */
  begun: () => Promise<(error?: unknown) => void>;
  /** How many have begun. */
  waiting: () => number;
  /** Lets all through from now on. */
  release: () => void;
}

/** An engine of whose log's syncs each waits until it is let through, or failed. */
export async function withHeldSyncs(
  changes: Partial<EngineSettings>,
  capacityBytes?: number,
): Promise<HeldSyncs> {
  const waiting: ((error?: unknown) => void)[] = [];
  let isHolding = false;
  let tell: () => void = () => {};
  const fs = memoryFileSystem({
    capacityBytes,
    delay: (name, path) => {
      if (!isHolding || name !== "sync" || !path.endsWith(".log")) return undefined;
      return new Promise<void>((resolve, reject) => {
        waiting.push((error) => error === undefined ? resolve() : reject(error));
        tell();
      });
    },
  });
  const engine = await open(fs, { ...ROOMY, ...changes });
  await put(engine, { first: "1" }, "commit");
  isHolding = true;
  const begun = async (): Promise<(error?: unknown) => void> => {
    if (waiting.length === 0) await new Promise<void>((resolve) => tell = resolve);
    return waiting.shift()!;
  };
  const release = (): void => {
    isHolding = false;
    for (const letGo of waiting.splice(0)) letGo();
  };
  return { fs, engine, begun, waiting: () => waiting.length, release };
}
