/** The figures of a soak as a small table. */
import type { Tally } from "./campaign.ts";
import { type Growth, growthOf, type Measured, median, SAMPLES_MIN } from "./measure.ts";

const MIB = 2 ** 20;

/** What each figure is, in which unit. */
const SHOWN: readonly [what: keyof Measured, name: string, unit: number][] = [
  ["rss", "resident memory, MiB", MIB],
  ["heap", "heap after a collection, MiB", MIB],
  ["buffers", "array buffers, MiB", MIB],
  ["handles", "open files", 1],
  ["strays", "open files already removed", 1],
  ["resources", "timers and other resources", 1],
  ["pins", "snapshots, cursors and pins", 1],
];

/** How often something was said. */
export function times({ said }: Tally, start: string): number {
  return [...said].reduce((sum, [line, count]) => line.startsWith(start) ? sum + count : sum, 0);
}

/** All growth beyond the bounds, a sentence each. */
export function growthFaults({ stretches }: Tally): string[] {
  return stretches.flatMap((samples, i) =>
    growthOf(samples).filter(({ grown }) => grown).map(({ what, first, last }) =>
      `long run ${i + 1}: ${what} grew from ${first} to ${last}`
    )
  );
}

/** The table, and what does not hold. */
export function reportOf(tally: Tally, { minutes, runtime }: { minutes: number; runtime: string }): string {
  const { kills, early, closes, checked, numbers, transfers, loads, stretches } = tally;
  const rows: [string, string][] = [
    ["runtime", runtime],
    ["time", `${minutes.toFixed(1)} min`],
    ["kills", `${kills}, of which ${early} before or during the comparison after a restart`],
    ["orderly ends", String(closes)],
    ["commits", `${numbers} of the plan, ${transfers} transactions, ${loads} bulk loads`],
    ["contents compared after a restart", String(checked)],
    ["copies compared", list(tally, "compared ")],
    ["backups", list(tally, "backup ")],
    ["jobs", list(tally, "did ")],
    ["met another's lease", list(tally, "busy ")],
    ["long runs", String(stretches.length)],
  ];
  for (const [i, samples] of stretches.entries()) rows.push(...stretchRows(samples, stretches.length > 1 ? i + 1 : 0));
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
  const faults = [...(tally.failure === undefined ? [] : [tally.failure]), ...growthFaults(tally)];
  return [...lines, faults.length === 0 ? "all held" : `WRONG: ${faults.join("\nWRONG: ")}`].join("\n");
}

function stretchRows(samples: readonly Measured[], number: number): [string, string][] {
  const suffix = number === 0 ? "" : ` (long run ${number})`;
  const growth = new Map(growthOf(samples).map((each) => [each.what, each]));
  const commits = samples.at(-1)?.commits ?? 0;
  const rows: [string, string][] = [[`measurements${suffix}`, `${samples.length}, over ${commits} commits`]];
  if (growth.size === 0) rows.push(["", `fewer than ${SAMPLES_MIN}: memory and handles are not judged`]);
  for (const [what, name, unit] of SHOWN) {
    const found = growth.get(what);
    if (found !== undefined) rows.push([`${name}${suffix}`, thirds(found, unit)]);
  }
  const disk = median(samples, "fileBytes");
  const live = median(samples, "liveBytes");
  if (disk !== undefined && live !== undefined) {
    const repository = median(samples, "repositoryBytes")!;
    rows.push([
      `database on disk${suffix}`,
      `${median(samples, "files")} files, ${show(disk, MIB)} MiB, ${(disk / live).toFixed(2)} bytes per live byte`,
    ], [`repository on disk${suffix}`, `${show(repository, MIB)} MiB`]);
  }
  return rows;
}

function thirds({ first, last, grown }: Growth, unit: number): string {
  return `first third ${show(first, unit)}, last third ${show(last, unit)}${grown ? ": GROWN" : ""}`;
}

function show(value: number, unit: number): string {
  return unit === 1 ? String(value) : (value / unit).toFixed(1);
}

function list(tally: Tally, start: string): string {
  const found = [...tally.said].filter(([line]) => line.startsWith(start)).sort();
  const parts = found.map(([line, count]) => `${count} ${line.slice(start.length)}`);
  return parts.length === 0 ? "none" : `${times(tally, start)}: ${parts.join(", ")}`;
}
