/**
 * Parsing the JSON of the formats. What they say is nested a few levels deep, so anything deeper is damage, and is seen before
 * a parser or a writer that goes down level by level: these take the stack, and with indents the square of the depth.
 *
 * @module
 */
import { ShapeError } from "./json_shape.ts";

/** The deepest of the formats has six levels; a later one may have more. */
const DEPTH_MAX = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** As `JSON.parse`; throws `ShapeError` for what is nested too deep. */
export function parseJson(text: string): unknown {
  if (isDeep(text)) throw new ShapeError(`it is nested deeper than ${DEPTH_MAX} levels`);
  return JSON.parse(text);
}

/** Whether brackets outside of strings are nested too deep; of a text that is no JSON the answer means nothing. */
function isDeep(text: string): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      i = stringEnd(text, i);
      if (i < 0) return false;
    } else if (code === 0x7b || code === 0x5b) {
      if (++depth > DEPTH_MAX) return true;
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  return false;
}

/** Where the string that begins at `start` has its closing quote; -1 when it has none. */
function stringEnd(text: string, start: number): number {
  for (let i = text.indexOf('"', start + 1); i >= 0; i = text.indexOf('"', i + 1)) {
    let escapes = 0;
    while (text.charCodeAt(i - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return i;
  }
  return -1;
}
