/**
 * Export, backup and restore: how fast, how small, in how much memory, and what writers notice.
 *
 *     deno task bench backup [compare] [--rounds 3] [--entries 900000] [--only full,incremental]
 *     deno task bench backup writers [--size 1GiB]
 *     deno task bench backup growth [--sizes 1GiB,10GiB]
 *     deno task bench backup memory [--sizes 256MiB,1GiB]
 *     deno task bench backup many [--count 3000] [--latency 20 | --server ceph]
 *     deno task bench backup remote [--size 1GiB] [--only ceph,azurite]
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compare } from "./backup/compare.ts";
import { growth } from "./backup/growth.ts";
import { many } from "./backup/many.ts";
import { memory } from "./backup/memory.ts";
import { remote, SERVERS } from "./backup/remote.ts";
import { known } from "./backup/steps.ts";
import { LOAD_NAMES, writers } from "./backup/writers.ts";
import { currentRuntime, RUNTIMES } from "./runtime.ts";

const HELP = `Usage: bench/backup.ts [compare | writers | growth | memory | many | remote] [options]

  compare   beside cp -r, tar | zstd, borg, restic, node:sqlite and lmdb (the default)
    --entries N       entries of 1 KiB (900000)
    --rounds N        how often everything is repeated (3)
    --only LIST       of: ${known().join(" ")}
  writers   what writers notice of a full backup
    --size S          of the database (1GiB)
    --rounds N        (3)   --seconds N   of writing without a backup (10)
    --only LIST       of: ${LOAD_NAMES.join(" ")}
  growth    snapshot and incremental after a change of 10 MB, at several sizes
    --sizes LIST      (1GiB,10GiB; needs twice the larger on disk)   --rounds N   (3)
  memory    peak above idle in backup, export and restore
    --sizes LIST      (256MiB,1GiB)
  many      opening and listing a repository of many backups; in the process that runs this
    --count N         backups (3000)   --latency N   of each request, ms (20)   --server NAME   on ceph or azurite
  remote    backup and restore over loopback to servers that this starts, beside their clients' plain puts and gets
    --size S          of the database (1GiB)   --rounds N   (3)
    --only LIST       of: ${Object.keys(SERVERS).join(" ")}

  --runtime R         of: ${RUNTIMES.join(" ")} (the one that runs this)
  --directory DIR     where the temporary folder is made (the system's temporary directory)
  --out FILE          where the JSON lines are appended (holdfast-backup-bench.jsonl in the temporary directory)
`;

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    ...{ entries: text, rounds: text, seconds: text, only: text, size: text, sizes: text, count: text, latency: text },
    ...{ server: text, runtime: text, directory: text, out: text },
  },
});

function positive(given: string | undefined, fallback: number, what: string): number {
  const value = given === undefined ? fallback : Number(given.replaceAll("_", ""));
  if (!(value > 0)) throw new RangeError(`--${what} takes a number above zero, not "${given}".`);
  return value;
}

/** `1GiB`, `256MiB`, `64KiB` */
function bytesOf(given: string): number {
  const match = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)$/.exec(given);
  if (match === null) throw new TypeError(`A size is like 256MiB or 1GiB, not "${given}".`);
  return Number(match[1]) * 2 ** { KiB: 10, MiB: 20, GiB: 30 }[match[2] as "KiB" | "MiB" | "GiB"];
}

const runtime = RUNTIMES.find((name) => name === (values.runtime ?? currentRuntime()));
if (runtime === undefined) throw new TypeError(`Unknown runtime "${values.runtime}"; there are: ${RUNTIMES.join(" ")}`);
const common = {
  runtime,
  directory: values.directory ?? tmpdir(),
  out: values.out ?? join(tmpdir(), "holdfast-backup-bench.jsonl"),
};
const rounds = positive(values.rounds, 3, "rounds");
const sizes = (fallback: string) => (values.sizes ?? fallback).split(",").map(bytesOf);
const benches: Record<string, () => Promise<void>> = {
  compare: () =>
    compare({
      ...common,
      rounds,
      entries: positive(values.entries, 900_000, "entries"),
      only: values.only?.split(","),
    }),
  writers: () =>
    writers({
      ...common,
      rounds,
      bytes: bytesOf(values.size ?? "1GiB"),
      seconds: positive(values.seconds, 10, "seconds"),
      only: values.only?.split(","),
    }),
  growth: () => growth({ ...common, rounds, sizes: sizes("1GiB,10GiB") }),
  memory: () => memory({ ...common, sizes: sizes("256MiB,1GiB") }),
  many: () =>
    many({
      ...common,
      count: positive(values.count, 3000, "count"),
      latencyMs: positive(values.latency, 20, "latency"),
      server: values.server,
    }),
  remote: () => remote({ ...common, rounds, bytes: bytesOf(values.size ?? "1GiB"), only: values.only?.split(",") }),
};
const bench = benches[positionals[0] ?? "compare"];
if (values.help) {
  console.log(HELP);
} else if (bench === undefined || positionals.length > 1) {
  throw new TypeError(`There is no bench "${positionals.join(" ")}"; there are: ${Object.keys(benches).join(" ")}`);
} else {
  await bench();
  console.log(`Every measurement: ${common.out}`);
}
