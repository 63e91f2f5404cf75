/**
 * Colours, where they are wanted.
 *
 * @module
 */
import { styleText } from "node:util";
import type { CliIo, OutStream } from "../io.ts";

/** What a piece of text is, which decides how it looks. */
export type Look = "title" | "name" | "faint" | "good" | "bad" | "warning";

const LOOKS = {
  title: "bold",
  name: "cyan",
  faint: "dim",
  good: "green",
  bad: "red",
  warning: "yellow",
} as const;

/** Gives text its look. */
export type Paint = (look: Look, text: string) => string;

/** Whether a stream gets colours: a terminal does, unless told otherwise. */
export function wantsColor(io: CliIo, stream: OutStream, noColor: boolean): boolean {
  return canDraw(io, stream) && !noColor && !io.env("NO_COLOR");
}

/** Whether a stream is a terminal that knows more than lines of text: one that is dumb shows the sequences themselves. */
export function canDraw(io: CliIo, stream: OutStream): boolean {
  return stream.isTTY === true && io.env("TERM") !== "dumb";
}

/** Paints, or leaves text as it is. */
export function painter(color: boolean): Paint {
  // Whether the stream is a terminal was asked already, of the stream that is meant.
  return color
    ? (look, text) => text === "" ? "" : styleText(LOOKS[look], text, { validateStream: false })
    : (_, text) => text;
}
