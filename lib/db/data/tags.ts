/**
 * Tags: short labels on an entry, indexed so that all entries with a tag are found in key order.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import { encodeText } from "../../base/bytes.ts";
import { hasLoneSurrogate } from "./keys.ts";

/** The longest tag, in bytes: its length is one byte on disk. */
export const TAG_BYTES_MAX = 255;

/** The most tags one entry has: each is a row of the index, written and deleted with the entry. */
export const TAGS_MAX = 64;

const NO_TAGS: readonly Uint8Array[] = [];

/** The bytes of one tag, or an error that says what is wrong with it. */
export function encodeTag(call: string, tag: unknown): Uint8Array {
  if (typeof tag !== "string") throw new TypeError(`${call}: a tag must be a string, not ${describeValue(tag)}`);
  if (tag === "") throw new RangeError(`${call}: a tag is empty; a tag has 1 to 255 bytes`);
  if (hasLoneSurrogate(tag)) {
    throw new TypeError(`${call}: the tag ${JSON.stringify(tag)} has a lone surrogate, which is not text`);
  }
  const bytes = encodeText(tag);
  if (bytes.length > TAG_BYTES_MAX) {
    throw new RangeError(`${call}: the tag ${describeValue(tag)} has ${bytes.length} bytes; a tag has 1 to 255 bytes`);
  }
  return bytes;
}

/** The bytes of an entry's tags, each once, in the order given. */
export function encodeTags(call: string, tags: unknown): readonly Uint8Array[] {
  if (tags === undefined) return NO_TAGS;
  if (!Array.isArray(tags)) {
    throw new TypeError(`${call}: tags must be an array of strings, not ${describeValue(tags)}`);
  }
  if (tags.length === 0) return NO_TAGS;
  const unique = new Set<unknown>(tags);
  if (unique.size > TAGS_MAX) {
    throw new RangeError(`${call}: ${unique.size} tags; an entry has at most ${TAGS_MAX}`);
  }
  return Array.from(unique, (tag) => encodeTag(call, tag));
}

/** The tags a list asks for: one, or several of which an entry must have all. */
export function wantedTags(call: string, tag: unknown): string[] {
  if (tag === undefined) return [];
  const tags: unknown[] = Array.isArray(tag) ? tag : [tag];
  if (tags.length === 0) throw new TypeError(`${call}: tag is an empty array; name a tag or leave it out`);
  for (const one of tags) encodeTag(call, one);
  return [...new Set(tags as string[])];
}
