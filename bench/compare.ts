/**
 * This database beside the others, in one run.
 *
 *     node bench/compare.ts [--short] [--rows get,scan] [--entries 200000] [--runtime node,deno,bun] [--rounds 3]
 *
 * Every measurement is a process of its own. Rounds go through the databases in turn (A B C, A B C), so that what the
 * machine does meanwhile falls on all of them. The tables show medians, and how many times faster this database is than
 * the best of the others.
 *
 * @module
 */
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { DriverKind } from "./drivers/driver.ts";
import { DRIVERS, driversOf } from "./drivers/mod.ts";
import { unpackedPackage } from "./npm_package.ts";
import { list, positive } from "./options.ts";
import { ROWS } from "./rows/mod.ts";
import type { Row } from "./rows/row.ts";
import { fresh, placeOf, progress, type Result, runRow } from "./run_row.ts";
import { currentRuntime, machine, type Runtime, RUNTIMES } from "./runtime.ts";
import { type Line, summary } from "./summary.ts";

const HELP = `Usage: bench/compare.ts [options]

  --short            few entries, one round of a fraction of a second: a look, no figures to quote
  --rows LIST        of: ${ROWS.map(({ id }) => id).join(" ")}
  --drivers LIST     only these databases, of: ${DRIVERS.map(({ name }) => name).join(", ")}
  --entries N        how many entries (200000)
  --large N          how many values of 1 MiB (900)
  --rounds N         how often each measurement is repeated (3)
  --seconds N        how long reads, mixes and durable puts go on (2)
  --runtime LIST     of: node deno bun (the one that runs this), or all
  --directory DIR    where the databases are put (the system's temporary directory)
  --out FILE         where the JSON lines are appended (holdfast-bench.jsonl in the temporary directory)
`;

/** The short form leaves these out: they are much like a row or a database beside them. */
const LIKE_ANOTHER = [
  "load-kib",
  "get-await",
  "get-kib",
  "delete-batch",
  "ycsb-b",
  "open-killed-again",
  "better-sqlite3",
];

interface Plan {
  rows: Row[];
  drivers: string[];
  short: boolean;
  entries: number;
  large: number;
  rounds: number;
  seconds: number;
  runtimes: Runtime[];
  directory: string;
  out: string;
}

function planOf(args: string[]): Plan | undefined {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args,
    options: {
      ...{ short: flag, help: { ...flag, short: "h" } },
      ...{ rows: text, drivers: text, entries: text, large: text, rounds: text, seconds: text },
      ...{ runtime: text, directory: text, out: text },
    },
  });
  if (values.help) return undefined;
  const { short, runtime } = values;
  const chosen = (given: string | undefined, all: string[], what: string) =>
    list(given, all, what).filter((name) => !short || given !== undefined || !LIKE_ANOTHER.includes(name));
  const ids = chosen(values.rows, ROWS.map(({ id }) => id), "row");
  return {
    rows: ROWS.filter(({ id }) => ids.includes(id)),
    drivers: chosen(values.drivers, DRIVERS.map(({ name }) => name), "database"),
    short,
    entries: positive(values.entries, short ? 5000 : 200_000, "entries"),
    large: positive(values.large, short ? 8 : 900, "large"),
    rounds: positive(values.rounds, short ? 1 : 3, "rounds"),
    seconds: positive(values.seconds, short ? 0.05 : 2, "seconds"),
    runtimes: runtime === undefined
      ? [currentRuntime()]
      : list(runtime === "all" ? undefined : runtime, RUNTIMES, "runtime"),
    directory: values.directory ?? tmpdir(),
    out: values.out ?? join(tmpdir(), "holdfast-bench.jsonl"),
  };
}

/** All measurements of one runtime. */
async function compare(runtime: Runtime, plan: Plan): Promise<{ lines: Line[]; failures: string[] }> {
  const drivers = driversOf(runtime).filter(({ name }) => plan.drivers.includes(name));
  const lines: Line[] = [];
  const failures: string[] = [];
  const root = await mkdtemp(join(plan.directory, "holdfast-bench-"));
  const loaded = (driver: DriverKind) => join(root, `loaded-${drivers.indexOf(driver)}`);
  const broken = new Set<DriverKind>();
  let library: string | undefined;
  const measure = (row: string, driver: DriverKind, directory: string): Promise<Result> =>
    runRow({
      ...plan,
      ...{ runtime, row, driver: driver.name, directory, library },
      codeCache: plan.short ? join(root, "code") : undefined,
    });
  try {
    if (!plan.short) library = await unpackedPackage(root, "library");
    if (plan.rows.some(({ needs }) => needs !== "nothing")) {
      for (const driver of drivers) {
        progress(`${runtime}: preparing ${driver.name}`);
        await measure("prepare", driver, await fresh(loaded(driver))).catch((error: Error) => {
          failures.push(error.message);
          broken.add(driver);
        });
      }
    }
    for (const row of plan.rows) {
      for (let round = 1; round <= plan.rounds; round++) {
        for (const driver of drivers) {
          if (broken.has(driver)) continue;
          if (row.feature !== undefined && !driver.features.includes(row.feature)) continue;
          progress(`${runtime}: ${row.title}, round ${round} of ${plan.rounds}, ${driver.name}`);
          try {
            const line: Line = {
              ...await measure(row.id, driver, await placeOf(row.needs, loaded(driver), join(root, "fresh"))),
              ...{ date: new Date().toISOString(), machine: machine(), row: row.id, driver: driver.name },
              ...{ entries: plan.entries, round, unit: row.unit },
            };
            lines.push(line);
            await appendFile(plan.out, `${JSON.stringify(line)}\n`);
          } catch (error) {
            failures.push((error as Error).message);
          }
        }
      }
    }
  } finally {
    progress("");
    await rm(root, { recursive: true, force: true });
  }
  return { lines, failures };
}

const plan = planOf(process.argv.slice(2));
if (plan === undefined) {
  console.log(HELP);
} else {
  console.log(`${machine()}; ${plan.entries.toLocaleString("en-US")} entries, medians of ${plan.rounds}`);
  for (const runtime of plan.runtimes) {
    const { lines, failures } = await compare(runtime, plan);
    console.log(`\n${lines[0]?.runtime ?? runtime}\n`);
    console.log(summary(lines, plan.rows));
    for (const failure of failures) console.log(`failed: ${failure}`);
    if (failures.some((failure) => failure.startsWith("holdfast"))) process.exitCode = 1;
  }
  console.log(`\nEvery measurement: ${plan.out}`);
}
