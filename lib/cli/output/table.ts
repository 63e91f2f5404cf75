/**
 * Tables without lines around them, laid out by cli-table3, which knows how wide characters are.
 *
 * Where a line has no room for all columns, text is shortened or goes on in the next line where its column says so, and
 * what still finds no room stands below its record, with its name before it:
 *
 * ```
 * ID                         TYPE         VERSION  STATE OF              SIZE
 * 20261126T020000Z-5d3a1f00  incremental     1200  2026-11-26 02:00Z  17.1 MB
 *   added 1.2 MB  parent 20261125T020000Z-11c9e2d4  remarks pinned
 * ```
 *
 * Ids and figures are never shortened: they are there to be copied and read.
 *
 * @module
 */
import Table from "cli-table3";
import { flow, flowText, widthOf } from "./width.ts";

/** A column. Those further to the right are the less needed ones: they go below first. */
export interface Column {
  /** Its heading; "" for none. */
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: "left" | "right";
  /**
   * What becomes of a text that is too long: `"cut"` ends it with an ellipsis, `"wrap"` goes on in further lines, `"alone"`
   * gives it a line to itself, before the rest of its record. Left out: it stays as it is, or goes below.
   */
  readonly narrow?: "cut" | "wrap" | "alone";
}

/** How a table is printed. */
export interface TableLook {
  /** The columns that a line has; `Infinity` where nobody's screen is meant: nothing is shortened then. */
  readonly width: number;
  /** Paints a heading; left out, there is no line of headings. */
  heading?(text: string): string;
  /** Paints the name of what stands below a record. */
  label(text: string): string;
}

const GAP = "  ";
const INDENT = "  ";
/** Stands where a value goes. */
const END = "|";
/** What says that there is nothing: it may be left out where there is little room. */
const NOTHING = new Set(["", "-"]);

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: GAP },
};

/** The least that is left of a text: enough to recognize a value, to read a sentence, to hold most keys. */
const LEAST = { cut: 20, wrap: 24, alone: 24 } as const;

/** The lines of a table. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  look: TableLook,
): string[] {
  const titles = look.heading === undefined || columns.every(({ title }) => title === "") ? [] : [columns.map(
    ({ title }) => look.heading!(title),
  )];
  if (look.width === Infinity) return openEnded(columns, [...titles, ...rows]);
  const natural = columns.map(({ title }, at) => widest([title, ...rows.map((row) => row[at]!)]));
  if (taken(natural) <= look.width) return laidOut(columns, [...titles, ...rows], natural);
  const widths = fitted(columns, rows, natural, look.width);
  const beside = columns.flatMap((_, at) => widths[at] === undefined ? [] : [at]);
  const placed = beside.map((at) => columns[at]!);
  const placedWidths = beside.map((at) => widths[at]!);
  const side = (row: readonly string[]): string[] => laidOut(placed, [beside.map((at) => row[at]!)], placedWidths);
  return [
    ...titles.flatMap(side),
    ...rows.flatMap((row) => {
      const alone = columns.map(({ narrow }, at) => narrow === "alone" && widthOf(row[at]!) > (widths[at] ?? Infinity));
      const rest = row.map((cell, at) => alone[at] ? "" : cell);
      // Where the only cell beside stands alone, nothing is left for a line of its own.
      const isEmpty = alone.includes(true) && beside.every((at) => rest[at] === "");
      return [
        ...row.filter((_, at) => alone[at]),
        ...(isEmpty ? [] : side(rest)),
        ...below(columns.flatMap((column, at) => widths[at] === undefined ? [[column, row[at]!] as const] : []), look),
      ];
    }),
  ];
}

/** The widths of the columns that stand beside each other; undefined for one that goes below. */
function fitted(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  natural: readonly number[],
  width: number,
): (number | undefined)[] {
  const least = columns.map(({ narrow, title }, at) => {
    if (narrow === undefined) return natural[at]!;
    // A word is never broken: it may be an id.
    const words = narrow === "wrap" ? rows.flatMap((row) => row[at]!.split(" ")) : [];
    return Math.min(natural[at]!, Math.max(LEAST[narrow], widest([title, ...words])));
  });
  const widths: (number | undefined)[] = columns.map((_, at) => at === 0 ? least[0] : undefined);
  const room = (): number => width - taken(widths.filter((each) => each !== undefined));
  // What is cut is content, and keeps its place as long as it can; then comes what is most needed.
  const isCut = (at: number): number => columns[at]!.narrow === "cut" ? 0 : 1;
  const isEmpty = (at: number): boolean => rows.every((row) => NOTHING.has(row[at]!));
  const order = columns.map((_, at) => at).slice(1).filter((at) => !isEmpty(at)).sort((a, b) =>
    isCut(a) - isCut(b) || a - b
  );
  for (const at of order) if (least[at]! + GAP.length <= room()) widths[at] = least[at];
  for (const [at, now] of widths.entries()) {
    if (now === undefined) continue;
    const most = columns[at]!.narrow === "alone" ? Math.max(now, Math.floor(width / 2)) : Infinity;
    widths[at] = Math.min(natural[at]!, most, now + Math.max(0, room()));
  }
  return widths;
}

/** What found no room beside the rest of its record. */
function below(cells: readonly (readonly [Column, string])[], { width, label }: TableLook): string[] {
  const room = width - INDENT.length;
  const parts = cells
    .filter(([, text]) => !NOTHING.has(text))
    .map(([column, text]) => {
      const whole = column.title === "" ? text : `${label(column.title.toLowerCase())} ${text}`;
      return column.narrow === "cut" && widthOf(whole) > room ? laidOut([column], [[whole]], [room])[0]! : whole;
    });
  const fits = (part: string): boolean => widthOf(part) <= room;
  const lines = [
    ...flow(parts.filter(fits), room, GAP),
    ...parts.filter((part) => !fits(part)).flatMap((part) => flowText(part, room)),
  ];
  return lines.map((line) => INDENT + line);
}

/** Rows as wide as they are. A last column of values stands behind the others: laid out, each would be as long as the longest. */
function openEnded(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  if (columns.at(-1)?.narrow !== "cut") return laidOut(columns, rows);
  const lines = laidOut(columns, rows.map((row) => [...row.slice(0, -1), END]));
  return lines.map((line, at) => (line.slice(0, -END.length) + rows[at]!.at(-1)!).trimEnd());
}

/** Rows by cli-table3, in columns of these widths, or as wide as what is in them. */
function laidOut(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  widths: readonly number[] = [],
): string[] {
  const table = new Table({
    chars: NO_LINES,
    // Without its own colours, for which it would load another package.
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: columns.map(({ align }) => align ?? "left"),
    colWidths: [...widths],
  });
  for (const row of rows) {
    table.push(columns.map(({ narrow }, at) => ({ content: row[at]!, wordWrap: narrow === "wrap" })));
  }
  return table.length === 0 ? [] : table.toString().split("\n").map((line) => line.trimEnd());
}

function taken(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1));
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, widthOf(text)), 0);
}

/** Names and what they are, one a line; what finds no room behind its name stands below it. */
export function factLines(facts: readonly (readonly [name: string, value: string])[], width: number): string[] {
  const names = widest(facts.map(([name]) => name));
  return facts.flatMap(([name, value]) => {
    const room = width - names - GAP.length;
    const before = name + " ".repeat(names - widthOf(name)) + GAP;
    const lines = flowText(value, room);
    if (widest(lines) > room) return [name, ...flowText(value, width - INDENT.length).map((line) => INDENT + line)];
    return lines.map((line, at) => (at === 0 ? before : " ".repeat(names + GAP.length)) + line);
  }).map((line) => line.trimEnd());
}
