/**
 * This database beside the others, in one run.
 *
 *     node bench/compare.ts [--short] [--rows get,scan] [--entries 200000] [--runtime node,deno,bun] [--rounds 3]
 *
 * Every measurement is a process of its own. Rounds go through the databases in turn (A B C, A B C), so that what the
 * machine does meanwhile falls on all of them. The table shows medians, and how many times faster this database is than
 * the best of the others.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { driversOf } from "./drivers/mod.ts";
import type { DriverKind } from "./drivers/driver.ts";
import { short, table } from "./report.ts";
import { median, type Row, ROWS } from "./rows.ts";
import { command, currentRuntime, machine, type Runtime, RUNTIMES } from "./runtime.ts";

const HELP = `Usage: bench/compare.ts [options]

  --short            20,000 entries, one round of a third of a second: a look, no figures to quote
  --rows LIST        of: ${ROWS.map(({ id }) => id).join(" ")}
  --drivers LIST     only these databases
  --entries N        how many entries (200000)
  --rounds N         how often each measurement is repeated (3)
  --seconds N        how long reads and durable puts go on (2)
  --runtime LIST     of: node deno bun (the one that runs this), or all
  --directory DIR    where the databases are put (the system's temporary directory)
  --out FILE         where the JSON lines are appended (holdfast-bench.jsonl in the temporary directory)
`;

interface Plan {
  rows: Row[];
  drivers: string[] | undefined;
  entries: number;
  rounds: number;
  seconds: number;
  runtimes: Runtime[];
  directory: string;
  out: string;
}

/** One line of the results file. */
interface Line {
  date: string;
  machine: string;
  runtime: string;
  row: string;
  driver: string;
  entries: number;
  round: number;
  value: number;
  unit: string;
  operations: number;
  ms: number;
  checked: number;
  peakMemory: number;
}

function planOf(args: string[]): Plan | undefined {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args,
    options: {
      short: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      rows: text,
      drivers: text,
      entries: text,
      rounds: text,
      seconds: text,
      runtime: text,
      directory: text,
      out: text,
    },
  });
  if (values.help) return undefined;
  const ids = list(values.rows, ROWS.map(({ id }) => id), "row");
  return {
    rows: ROWS.filter(({ id }) => ids.includes(id)),
    drivers: values.drivers?.split(","),
    entries: positive(values.entries, values.short ? 20_000 : 200_000, "entries"),
    rounds: positive(values.rounds, values.short ? 1 : 3, "rounds"),
    seconds: positive(values.seconds, values.short ? 0.3 : 2, "seconds"),
    runtimes: values.runtime === undefined
      ? [currentRuntime()]
      : list(values.runtime === "all" ? undefined : values.runtime, RUNTIMES, "runtime"),
    directory: values.directory ?? tmpdir(),
    out: values.out ?? join(tmpdir(), "holdfast-bench.jsonl"),
  };
}

function list<T extends string>(text: string | undefined, known: readonly T[], what: string): T[] {
  const names = text?.split(",") ?? [...known];
  for (const name of names) {
    if (!known.includes(name as T)) throw new TypeError(`Unknown ${what} "${name}"; there are: ${known.join(" ")}`);
  }
  return names as T[];
}

function positive(text: string | undefined, fallback: number, what: string): number {
  const value = text === undefined ? fallback : Number(text.replaceAll("_", ""));
  if (!(value > 0)) throw new RangeError(`--${what} takes a number above zero, not "${text}".`);
  return value;
}

/** Runs one measurement in a process of its own; throws with what it said when it fails. */
async function measure(runtime: Runtime, row: string, driver: string, directory: string, plan: Plan): Promise<Line> {
  const [program, args] = command(runtime, "measure.ts", [
    ...["--row", row, "--driver", driver, "--directory", directory],
    ...["--entries", String(plan.entries), "--seconds", String(plan.seconds)],
  ]);
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => out += text);
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  const [code, signal] = await once(child, "close") as [number | null, string | null];
  const result = /^RESULT (.*)$/m.exec(out)?.[1];
  if (code !== 0 || result === undefined) {
    const said = /^.*Error:.*$/m.exec(errors)?.[0] ?? errors.trim().split("\n").at(-1) ?? "";
    throw new Error(`${driver}, ${row}: exit ${code ?? signal}; ${said}`);
  }
  return JSON.parse(result) as Line;
}

/** All measurements of one runtime. */
async function compare(runtime: Runtime, plan: Plan): Promise<{ lines: Line[]; failures: string[] }> {
  const drivers = driversOf(runtime).filter(({ name }) => plan.drivers?.includes(name) ?? true);
  const lines: Line[] = [];
  const failures: string[] = [];
  const root = await mkdtemp(join(plan.directory, "holdfast-bench-"));
  const loaded = (driver: DriverKind) => join(root, `loaded-${drivers.indexOf(driver)}`);
  const broken = new Set<DriverKind>();
  try {
    if (plan.rows.some(({ needs }) => needs === "loaded")) {
      for (const driver of drivers) {
        progress(`${runtime}: preparing ${driver.name}`);
        await fresh(loaded(driver));
        await measure(runtime, "prepare", driver.name, loaded(driver), plan).catch((error: Error) => {
          failures.push(error.message);
          broken.add(driver);
        });
      }
    }
    for (const row of plan.rows) {
      for (let round = 1; round <= plan.rounds; round++) {
        for (const driver of drivers) {
          if (row.needs === "loaded" && broken.has(driver)) continue;
          progress(`${runtime}: ${row.title}, round ${round} of ${plan.rounds}, ${driver.name}`);
          const directory = row.needs === "loaded" ? loaded(driver) : await fresh(join(root, "fresh"));
          try {
            const line: Line = {
              ...await measure(runtime, row.id, driver.name, directory, plan),
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

async function fresh(directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  return directory;
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text}`);
}

/** Medians, and the ratio to the best of the others: above 1 this database is ahead, whatever the unit. */
function summary(lines: readonly Line[], plan: Plan): string {
  const drivers = [...new Set(lines.map(({ driver }) => driver))];
  const peers = drivers.filter((name) => name !== "holdfast");
  const body = plan.rows.map((row) => {
    const of = (driver: string) => {
      const values = lines.filter((line) => line.row === row.id && line.driver === driver).map(({ value }) => value);
      return values.length === 0 ? undefined : median(values);
    };
    const ours = of("holdfast");
    const ratios = peers.flatMap((peer) => {
      const theirs = of(peer);
      if (ours === undefined || theirs === undefined) return [];
      return [{ peer, ratio: row.unit === "ms" ? theirs / ours : ours / theirs }];
    });
    const best = ratios.sort((a, b) => a.ratio - b.ratio)[0];
    return [
      `${row.title} (${row.unit})`,
      ...drivers.map((driver) => format(of(driver))),
      best === undefined ? "-" : `${best.ratio.toFixed(2)} x ${best.peer}`,
    ];
  });
  return table(["", ...drivers, "to the best of the others"], body);
}

function format(value: number | undefined): string {
  return value === undefined ? "-" : short(value);
}

const plan = planOf(process.argv.slice(2));
if (plan === undefined) {
  console.log(HELP);
} else {
  console.log(`${machine()}; ${plan.entries.toLocaleString("en-US")} entries, medians of ${plan.rounds}`);
  for (const runtime of plan.runtimes) {
    const { lines, failures } = await compare(runtime, plan);
    console.log(`\n${lines[0]?.runtime ?? runtime}\n`);
    console.log(summary(lines, plan));
    for (const failure of failures) console.log(`failed: ${failure}`);
    if (failures.some((failure) => failure.startsWith("holdfast"))) process.exitCode = 1;
  }
  console.log(`\nEvery measurement: ${plan.out}`);
}
