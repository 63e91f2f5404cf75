/** Under which limits and on what disk a run works; all of it follows from the seed. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FileSystem, OpenOptions } from "../../mod.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { Random } from "./random.ts";

/** What kind of run it is. */
export interface RunKind {
  limits: "tiny" | "normal";
  disk: "memory" | "files";
}

/** Options of `DB.open` but for the disk and the clock. */
export function openOptionsOf(random: Random, { limits }: RunKind): OpenOptions {
  const tiny = limits === "tiny";
  let ticks = 0;
  let ids = 0;
  const salt = random.below(2 ** 31);
  return {
    keyEncoding: random.pick(["utf8", "bytes"]),
    durability: random.pick(["commit", "interval", "buffered"]),
    // Never passes: real time decides nothing.
    flushInterval: 2 ** 31 - 1,
    compression: random.pick(["none", "zstd", "auto"]),
    history: { maxBytes: random.pick([0, 4096, 2 ** 30]) },
    ...(tiny
      ? {
        bufferBytes: 512,
        memtableBytes: random.pick([1024, 1024, 4096]),
        cacheBytes: random.pick([0, 4096, 65536]),
        blobBytes: random.pick([60, 200, 400]),
      }
      : {}),
    tuning: {
      reserve: false,
      random: new Random(salt).next,
      delay: () => Promise.resolve(),
      // Background work yields to others at places that depend on nothing but the seed.
      monotonic: () => ticks += 0.25,
      randomId: () => {
        const id = new Uint8Array(16);
        const view = new DataView(id.buffer);
        view.setUint32(0, salt);
        // Names of stages are the first six bytes.
        view.setUint16(4, ++ids);
        view.setUint32(12, ids);
        return id;
      },
      ...(tiny
        ? {
          blockBytes: random.pick([64, 256, 256]),
          tableBytes: random.pick([1024, 4096]),
          level0Tables: random.pick([1, 2, 3]),
          levelBytes: random.pick([1024, 4096, 16384]),
        }
        : {}),
    },
  };
}

/** Where a run's files lie. */
export interface Disk {
  /** The file system at present; another one after an accident. */
  fileSystem: FileSystem;
  /** An existing directory for the run. */
  readonly root: string;
  /** The same disk as another process sees it; undefined where that takes a real one. */
  beside: (() => FileSystem) | undefined;
  /** Loses power or ends the process, as the memory disk can; undefined where that can't be done. */
  accident: ((kind: "power" | "kill", random: Random) => void) | undefined;
  /** Removes everything. */
  dispose(): void;
}

/** A new disk. */
export async function diskOf(random: Random, { disk }: RunKind): Promise<Disk> {
  if (disk === "files") {
    const root = mkdtempSync(join(tmpdir(), "holdfast-model-"));
    return {
      fileSystem: nodeFileSystem(),
      root,
      beside: undefined,
      accident: undefined,
      dispose: () => rmSync(root, { recursive: true, force: true }),
    };
  }
  // Choices of its own: whoever calls more often must not change what the run does next.
  const delays = new Random(random.below(2 ** 31));
  let fs: MemoryFileSystem = memoryFileSystem(
    random.chance(0.5) ? {} : {
      delay: async () => {
        for (let i = delays.below(6); i > 0; i--) await undefined;
      },
    },
  );
  await fs.makeDirectory("/run");
  await fs.syncDirectory("/");
  return {
    get fileSystem() {
      return fs;
    },
    root: "/run",
    beside: () => fs.otherProcess(),
    accident(kind, random) {
      const next = kind === "power"
        ? fs.crash({ keep: random.pick(["none", "random", "scattered"]), random: random.next })
        : fs.otherProcess();
      if (kind === "kill") fs.kill();
      fs = next;
    },
    dispose() {},
  };
}
