/**
 * How many columns of a terminal a text takes, as string-width knows it, and words laid into lines of so many.
 *
 * @module
 */
import stringWidth from "string-width";

/** The columns that a text takes. Colours take none, a character of Chinese takes two. */
export function widthOf(text: string): number {
  return stringWidth(text);
}

/** Pieces in lines of at most so many columns; a piece that is wider has a line of its own, and is never broken. */
export function flow(pieces: readonly string[], columns: number, between: string): string[] {
  const lines: string[] = [];
  let used = 0;
  for (const piece of pieces) {
    const more = widthOf(piece);
    if (lines.length > 0 && used + between.length + more <= columns) {
      lines.push(`${lines.pop()}${between}${piece}`);
      used += between.length + more;
    } else {
      lines.push(piece);
      used = more;
    }
  }
  return lines;
}

/** A text in lines of at most so many columns, broken at its spaces only: what is copied from it is whole. */
export function flowText(text: string, columns: number): string[] {
  return widthOf(text) <= columns ? [text] : flow(text.split(" "), columns, " ");
}
