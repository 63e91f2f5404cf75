/**
 * The tables of a comparison. All figures are medians over the rounds.
 *
 * @module
 */
import { mebibytes, median, short, table } from "./report.ts";
import type { Row } from "./rows/row.ts";
import type { Result } from "./run_row.ts";

/** One line of the results file. */
export interface Line extends Result {
  date: string;
  machine: string;
  row: string;
  driver: string;
  entries: number;
  round: number;
  unit: string;
}

/** All tables of one runtime. */
export function summary(lines: readonly Line[], rows: readonly Row[]): string {
  const drivers = [...new Set(lines.map(({ driver }) => driver))];
  const parts = [main, space, latency, loop].flatMap((part) => part(lines, rows, drivers) ?? []);
  return parts.join("\n\n");
}

/** The median of a figure, where it was measured. */
function figure(
  lines: readonly Line[],
  row: string,
  driver: string,
  of: (line: Line) => number | undefined,
): number | undefined {
  const values = lines.filter((line) => line.row === row && line.driver === driver).flatMap((line) => of(line) ?? []);
  return values.length === 0 ? undefined : median(values);
}

/** Rows, and the ratio to the best of the others: above 1 this database is ahead, whatever the unit. */
function main(lines: readonly Line[], rows: readonly Row[], drivers: readonly string[]): string {
  const peers = drivers.filter((name) => name !== "holdfast");
  const body = rows.map((row) => {
    const of = (driver: string) => figure(lines, row.id, driver, ({ value }) => value);
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

/** What loads cost: on disk and written, against what they were given, and in memory; and what reading all takes there. */
function space(lines: readonly Line[], rows: readonly Row[], drivers: readonly string[]): string | undefined {
  const loads = rows.filter(({ id }) => id === "load-random" || id === "load-kib");
  const body = loads.flatMap(({ id, title }) => {
    const perByte = (of: (line: Line) => number | undefined) =>
      drivers.map((driver) => {
        const share = figure(lines, id, driver, (line) => {
          const bytes = of(line);
          return bytes === undefined || line.payloadBytes === undefined ? undefined : bytes / line.payloadBytes;
        });
        return share === undefined ? "-" : `${share.toFixed(2)} x`;
      });
    return [
      [`${title}: on disk`, ...perByte((line) => line.diskBytes)],
      [`${title}: written`, ...perByte((line) => line.writtenBytes)],
      memory(lines, id, title, drivers),
    ];
  });
  body.push(...rows.filter(({ id }) => id === "scan").map(({ id, title }) => memory(lines, id, title, drivers)));
  return body.length === 0 ? undefined : table(["space, to the bytes of keys and values", ...drivers], body);
}

function memory(lines: readonly Line[], row: string, title: string, drivers: readonly string[]): string[] {
  const peaks = drivers.map((driver) => {
    const bytes = figure(lines, row, driver, (line) => line.peakMemory);
    return bytes === undefined ? "-" : mebibytes(bytes);
  });
  return [`${title}: peak memory`, ...peaks];
}

/** What single operations took. */
function latency(lines: readonly Line[], rows: readonly Row[], drivers: readonly string[]): string | undefined {
  return cells(
    "one operation, p50 / p99 / p99.9 (ms)",
    rows,
    drivers,
    (row, driver) =>
      (["p50", "p99", "p999"] as const).map((name) => figure(lines, row, driver, (line) => line.latency?.[name])),
  );
}

/** What a visitor at any moment waited for the event loop. */
function loop(lines: readonly Line[], rows: readonly Row[], drivers: readonly string[]): string | undefined {
  return cells(
    "wait for the event loop, p99 / most (ms)",
    rows,
    drivers,
    (row, driver) => (["p99", "max"] as const).map((name) => figure(lines, row, driver, (line) => line.loop?.[name])),
  );
}

/** A table with several figures in each cell, of the rows that have them. */
function cells(
  head: string,
  rows: readonly Row[],
  drivers: readonly string[],
  of: (row: string, driver: string) => (number | undefined)[],
): string | undefined {
  const body = rows.flatMap(({ id, title }) => {
    const row = drivers.map((driver) => of(id, driver));
    if (!row.flat().some((value) => value !== undefined)) return [];
    return [[title, ...row.map((values) => values.includes(undefined) ? "-" : values.map(format).join(" / "))]];
  });
  return body.length === 0 ? undefined : table([head, ...drivers], body);
}

function format(value: number | undefined): string {
  if (value === undefined) return "-";
  return value > 0 && value < 0.1 ? value.toPrecision(2) : short(value);
}
