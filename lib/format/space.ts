/**
 * Key spaces. Every internal key begins with a varint that says whose key it is.
 *
 * ```
 * internal key := space varint | key bytes
 * space        := 0 the root's entries         1 the root's tag rows
 *                 2 the catalog of namespaces  3 never used
 *                 2n, 2n+1 (n >= 2) the entries and the tag rows of one namespace
 * tag row key  := space (odd) varint | tag length u8 | tag bytes | key bytes
 * ```
 *
 * Varints are prefix-free, so the keys of one space are contiguous. Example: key "a" of the root is `00 61`; its row
 * under tag "t" is `01 01 74 61`.
 *
 * A tag row's version is that of the commit that wrote the entry; the row counts only while the entry at that key still
 * has that version. So writing tags needs no read, and the index cannot disagree with the entries.
 *
 * @module
 */
import { varintLength, writeVarint } from "../base/bytes.ts";

/** The root's entries. */
export const ROOT_SPACE = 0;
/** The catalog: which namespaces there are. */
export const CATALOG_SPACE = 2;
/** The first space a namespace may get; the next is two higher. */
export const FIRST_NAMESPACE_SPACE = 4;

/** Whether a space is one of tag rows. */
export function isTagSpace(space: number): boolean {
  return space % 2 === 1;
}

/** The bytes that every key of `space` begins with. */
export function spacePrefix(space: number): Uint8Array {
  const out = new Uint8Array(varintLength(space));
  writeVarint(out, 0, space);
  return out;
}

/** The internal key of a user key. */
export function internalKey(prefix: Uint8Array, key: Uint8Array): Uint8Array {
  const out = new Uint8Array(prefix.length + key.length);
  out.set(prefix);
  out.set(key, prefix.length);
  return out;
}

/** What every row of one tag begins with, given the prefix of the *tag* space. */
export function tagPrefix(prefix: Uint8Array, tag: Uint8Array): Uint8Array {
  const out = new Uint8Array(prefix.length + 1 + tag.length);
  out.set(prefix);
  out[prefix.length] = tag.length;
  out.set(tag, prefix.length + 1);
  return out;
}
