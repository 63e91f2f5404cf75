/**
 * How the cost of an operation grows with the database, as a plot.
 *
 *     node bench/scaling.ts --out growth.svg [--long] [--rounds 1] [--drivers holdfast,lmdb]
 *
 * Of each database: random gets, gets of what is missing, seeks that read 50 entries, loads in random order, and opening,
 * at 10,000, 100,000 and a million entries, with `--long` also at ten million. Each measurement is a process of its own,
 * and the databases take turns. With `--from` what was measured before is drawn again.
 *
 * @module
 */
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { drawSheet, type Panel } from "./chart.ts";
import { DRIVERS } from "./drivers/mod.ts";
import { list, positive } from "./options.ts";
import { median, short, table } from "./report.ts";
import { ROWS } from "./rows/mod.ts";
import { fresh, progress, runRow } from "./run_row.ts";
import { currentRuntime, machine, RUNTIMES } from "./runtime.ts";
import type { Line } from "./summary.ts";

const HELP = `Usage: bench/scaling.ts [options]

  --out FILE         where the plot is written (holdfast-scaling.svg in the temporary directory)
  --long             up to ten million entries; takes hours, gigabytes of memory and of disk
  --sizes LIST       of entries (10000,100000,1000000)
  --drivers LIST     of: ${DRIVERS.map(({ name }) => name).join(", ")}
  --rounds N         how often each measurement is repeated (1)
  --seconds N        how long reads go on (2)
  --runtime R        of: ${RUNTIMES.join(" ")} (the one that runs this)
  --directory DIR    where the databases are put (the system's temporary directory)
  --lines FILE       where the JSON lines are appended (holdfast-scaling.jsonl in the temporary directory)
  --from FILE        draws the lines of this file, and measures nothing
`;

/** The charts: the rows that they show, and how many units of their y axis a second has, or a millisecond. */
const PANELS = [
  { row: "get", title: "Get, random (µs)", scale: 1e6 },
  { row: "get-missing", title: "Get, missing (µs)", scale: 1e6 },
  { row: "seek-50", title: "Seek and read 50 entries (µs)", scale: 1e6 },
  { row: "load-random", title: "Load, random order, an entry (µs)", scale: 1e6 },
  { row: "reopen", title: "Open and read one entry (ms)", scale: 1 },
];

/** The load leaves the database that the others need. */
const ORDER = ["load-random", "get", "get-missing", "seek-50", "reopen"];

/** The one of each kind that stands for its kind. */
const PEERS = ["holdfast", "lmdb", "classic-level", "rocksdb", "node:sqlite"];

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;
const { values } = parseArgs({
  options: {
    ...{ help: { ...flag, short: "h" }, long: flag, out: text, sizes: text, drivers: text, rounds: text },
    ...{ seconds: text, runtime: text, directory: text, lines: text, from: text },
  },
});

async function measureAll(): Promise<Line[]> {
  const sizes = (values.sizes ?? `10000,100000,1000000${values.long ? ",10000000" : ""}`).split(",")
    .map((size) => positive(size, 0, "sizes"));
  const drivers = list(values.drivers ?? PEERS.join(","), DRIVERS.map(({ name }) => name), "database");
  const rounds = positive(values.rounds, 1, "rounds");
  const seconds = positive(values.seconds, 2, "seconds");
  const [runtime] = list(values.runtime ?? currentRuntime(), RUNTIMES, "runtime");
  const file = values.lines ?? join(tmpdir(), "holdfast-scaling.jsonl");
  const root = await mkdtemp(join(values.directory ?? tmpdir(), "holdfast-scaling-"));
  const lines: Line[] = [];
  try {
    for (const entries of sizes) {
      for (const row of ORDER) {
        for (let round = 1; round <= rounds; round++) {
          for (const driver of drivers) {
            progress(`${short(entries)}: ${row}, round ${round} of ${rounds}, ${driver}`);
            const directory = join(root, String(drivers.indexOf(driver)));
            if (row === "load-random") await fresh(directory);
            try {
              const result = await runRow({ runtime: runtime!, row, driver, directory, entries, large: 1, seconds });
              const { unit } = ROWS.find(({ id }) => id === row)!;
              const date = new Date().toISOString();
              const line: Line = { ...result, date, machine: machine(), row, driver, entries, round, unit };
              lines.push(line);
              await appendFile(file, `${JSON.stringify(line)}\n`);
            } catch (error) {
              console.log(`failed: ${short(entries)}: ${(error as Error).message}`);
              if (driver === "holdfast") process.exitCode = 1;
            }
          }
        }
      }
    }
  } finally {
    progress("");
    await rm(root, { recursive: true, force: true });
  }
  console.log(`Every measurement: ${file}`);
  return lines;
}

/** What an operation costs, by size of the database, for each of them. */
function panelOf(lines: readonly Line[], { row, title, scale }: typeof PANELS[number]): Panel {
  const of = lines.filter((line) => line.row === row);
  const drivers = new Set(of.map(({ driver }) => driver));
  const sizes = [...new Set(of.map(({ entries }) => entries))].sort((x, y) => x - y);
  const series = new Map([...drivers].map((driver) => {
    const points = sizes.flatMap((size) => {
      const some = of.filter((line) => line.driver === driver && line.entries === size);
      const cost = some.map(({ unit, value }) => unit === "ms" ? value * scale : scale / value);
      return cost.length === 0 ? [] : [[size, median(cost)] as const];
    });
    return [driver, points];
  }));
  return { title, series };
}

function entriesOf(size: number): string {
  return size >= 1e6 ? `${size / 1e6}M` : size >= 1e3 ? `${size / 1e3}k` : String(size);
}

if (values.help) {
  console.log(HELP);
} else {
  const lines = values.from === undefined
    ? await measureAll()
    : (await readFile(values.from, "utf8")).trim().split("\n").map((line) => JSON.parse(line) as Line);
  const panels = PANELS.map((panel) => panelOf(lines, panel)).filter(({ series }) => series.size > 0);
  if (panels.length === 0) throw new Error("Nothing was measured, so there is nothing to draw.");
  for (const { title, series } of panels) {
    const sizes = [...new Set([...series.values()].flat().map(([size]) => size))];
    const body = [...series].map(([name, points]) => {
      const bySize = new Map(points);
      return [name, ...sizes.map((size) => bySize.has(size) ? short(bySize.get(size)!) : "-")];
    });
    console.log(`\n${table([title, ...sizes.map(entriesOf)], body)}`);
  }
  const runtimes = [...new Set(lines.map(({ runtime }) => runtime))].join(", ");
  const svg = drawSheet({
    title: "Cost of an operation by number of entries",
    subtitle: `lower is better; keys of 16 bytes, values of 100 bytes; ${runtimes}; ${lines[0]!.machine}`,
    panels,
    formatX: entriesOf,
  });
  const out = values.out ?? join(tmpdir(), "holdfast-scaling.svg");
  await writeFile(out, svg);
  console.log(`\nThe plot: ${out}`);
}
