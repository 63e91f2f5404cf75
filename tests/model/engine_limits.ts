/** Keys and settings for runs of the engine: small enough that every file, level and block boundary is met soon. */
import type { EngineSettings } from "../../lib/engine/types.ts";
import type { Random } from "./random.ts";
import { nameOf } from "./versioned.ts";

/** Internal keys of two key spaces: short, long, one the beginning of another, with the lowest and highest bytes. */
export function engineKeys(random: Random): string[] {
  const keys = new Set<string>();
  const count = random.pick([8, 40, 120, 400]);
  const stems = Array.from({ length: 6 }, () => nameOf(random.bytes(random.between(1, 12))));
  while (keys.size < count) {
    const space = random.chance(0.8) ? "\0" : "\x04";
    const body = random.weighted([
      [30, `key${String(random.below(1000)).padStart(5, "0")}`],
      [30, random.pick(stems) + nameOf(random.bytes(random.below(3)))],
      [15, random.pick(["\0", "\0\0", "\xff", "\xff\xff", "a", "ab"]).repeat(random.between(1, 3))],
      [10, nameOf(random.bytes(random.between(1, 6)))],
      [2, nameOf(random.bytes(1)).repeat(random.between(200, 600))],
    ]);
    keys.add(space + body);
  }
  return [...keys];
}

/** Mostly tiny limits, in some runs those of real use. */
export function engineSettings(random: Random, clock: () => number): EngineSettings {
  const tiny = random.chance(0.85);
  let ids = 0;
  let ticks = 0;
  return {
    createIfMissing: true,
    errorIfExists: false,
    readOnly: false,
    keyEncoding: undefined,
    durability: "commit",
    flushInterval: 60_000,
    bufferBytes: tiny ? 512 : 4 * 2 ** 20,
    memtableBytes: tiny ? random.pick([1024, 2048, 8192]) : 64 * 2 ** 20,
    cacheBytes: tiny ? random.pick([0, 4096, 65536]) : 64 * 2 ** 20,
    blobBytes: tiny ? random.pick([60, 200, 400]) : 16 * 1024,
    compression: random.pick(["none", "zstd", "auto"]),
    historyBytes: random.pick([0, 4096, 64 * 2 ** 20]),
    archiveBytes: 2 ** 30,
    archiveOnFull: "gap",
    blockBytes: tiny ? random.pick([64, 256, 512]) : 8 * 1024,
    tableBytes: tiny ? random.pick([512, 1024, 4096]) : 32 * 2 ** 20,
    level0Tables: random.pick([1, 2, 3, 4]),
    levelBytes: tiny ? random.pick([1024, 4096, 16384]) : 64 * 2 ** 20,
    reserve: false,
    randomId: () => {
      const id = new Uint8Array(16);
      id[14] = ++ids >>> 8;
      id[15] = ids;
      return id;
    },
    clock,
    // Background work yields to others at places that depend on nothing but the seed.
    monotonic: () => ticks += 0.25,
    onEvent: undefined,
    signal: undefined,
  };
}
