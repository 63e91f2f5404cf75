/**
 * Tables without lines around them, laid out by cli-table3, which knows how wide characters are.
 *
 * @module
 */
import Table from "cli-table3";

/** A column. */
export interface Column {
  /** Its heading; "" for none. */
  readonly title: string;
  /** Numbers stand to the right. */
  readonly align?: "left" | "right";
}

const NO_LINES = {
  ...{ top: "", "top-mid": "", "top-left": "", "top-right": "" },
  ...{ bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "" },
  ...{ left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " },
};

/** The lines of a table; headings are painted by `heading`, and left out when there are none. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  heading: (text: string) => string,
): string[] {
  const table = new Table({
    chars: NO_LINES,
    // Without its own colours, for which it would load another package.
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: columns.map(({ align }) => align ?? "left"),
  });
  if (columns.some(({ title }) => title !== "")) table.push(columns.map(({ title }) => heading(title)));
  for (const row of rows) table.push([...row]);
  return table.length === 0 ? [] : table.toString().split("\n").map((line) => line.trimEnd());
}
