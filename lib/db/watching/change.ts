/**
 * Changes: what a commit did, in the users' terms.
 *
 * @module
 */
import { ByteReader, compareBytes, prefixEnd } from "../../base/bytes.ts";
import { forEachOperation } from "../../format/log/batch.ts";
import { CATALOG_SPACE, isTagSpace } from "../../format/space.ts";
import type { FoundRow } from "../../tree/cursor.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import { type Entry, rowEntry, rowEntryAsync } from "../data/entries.ts";
import { decodeKey, type Key } from "../data/keys.ts";
import type { Value } from "../data/values.ts";

/**
 * One change. Its `type` says what else it has, also to TypeScript: `"set"`: the key got a value; `"delete"`: it lost it (or
 * had none); `"deleteRange"`: all keys from `start` up to before `end` did; `"reset"`: anything may have changed, read again
 * what you need.
 */
export type Change<K = string, V = Value> =
  & {
    /** The version of the commit. */
    version: number;
    /** The names of the namespace it belongs to, outermost first; absent in the root and in `watch`. */
    namespace?: string[];
  }
  & (
    | {
      /** The key got a value. */
      type: "set";
      /** The key. */
      key: K;
      /** What was set. */
      entry: Entry<K, V>;
      start?: never;
      end?: never;
    }
    | {
      /** The key lost its value, or had none. */
      type: "delete";
      /** The key. */
      key: K;
      entry?: never;
      start?: never;
      end?: never;
    }
    | {
      /** All keys of a range lost their values. */
      type: "deleteRange";
      key?: never;
      entry?: never;
      /** The first key; absent: from the first key on. */
      start?: K;
      /** The first key behind; absent: up to the last key. */
      end?: K;
    }
    | {
      /** Anything may have changed. */
      type: "reset";
      key?: never;
      entry?: never;
      start?: never;
      end?: never;
    }
  );

/** The parts of a commit that concern entries. Bytes are views. */
export interface ChangeVisitor {
  /** An entry was set. */
  set(definition: Definition, key: Uint8Array, cell: Uint8Array): void;
  /** A key was deleted. */
  delete(definition: Definition, key: Uint8Array): void;
  /** A range of one key space was deleted, cut to that space. */
  deleteRange(definition: Definition, start: Uint8Array, end: Uint8Array): void;
  /** The contents were replaced, or something changed in a key space of which it is no longer known whose it was. */
  reset(): void;
}

/** Calls the visitor for what a commit did to entries; tag rows and the catalog are left out. */
export function visitChanges(
  context: Context,
  version: number,
  ops: Uint8Array,
  visitor: ChangeVisitor,
): void {
  const spaces = context.catalog.spacesAt(version);
  let isKnown = true;
  const whose = (key: Uint8Array): Definition | undefined => {
    const space = key[0]! < 0x80 ? key[0]! : new ByteReader(key).varint();
    if (isTagSpace(space) || space === CATALOG_SPACE) return undefined;
    const found = spaces.get(space);
    if (found !== undefined && found.since < version) return found;
    // A restore has taken it away, or given it to another.
    if (isKnown) visitor.reset();
    isKnown = false;
    return undefined;
  };
  forEachOperation(ops, {
    put(key, cell) {
      const definition = whose(key);
      if (definition !== undefined) visitor.set(definition, key, cell);
    },
    delete(key) {
      const definition = whose(key);
      if (definition !== undefined) visitor.delete(definition, key);
    },
    deleteRange(start, end) {
      // Almost always a range of one space; only a range that leaves its space makes looking at all of them necessary.
      const own = start.length === 0 ? undefined : whose(start);
      const candidates = own !== undefined && end !== undefined && compareBytes(end, prefixEnd(own.prefix)!) <= 0
        ? [own]
        : spaces.values();
      for (const definition of candidates) {
        const { prefix } = definition;
        const from = compareBytes(start, prefix) > 0 ? start : prefix;
        const last = prefixEnd(prefix)!;
        const to = end !== undefined && compareBytes(end, last) < 0 ? end : last;
        if (compareBytes(from, to) < 0 && whose(from) === definition) visitor.deleteRange(definition, from, to);
      }
    },
    ingest: () => visitor.reset(),
  });
}

/** The change of a set; the value is in the cell, or in a blob that is read at once. */
export function setChange<K extends Key>(
  context: Context,
  definition: Definition,
  key: Uint8Array,
  row: FoundRow,
): Change<K> {
  const userKey = decodeKey(definition.encoding, key, definition.prefix.length) as K;
  return { type: "set", key: userKey, entry: rowEntry(context.engine, userKey, row), version: row.version };
}

/** As `setChange`, reading a large value off the main thread. */
export async function setChangeAsync<K extends Key>(
  context: Context,
  definition: Definition,
  key: Uint8Array,
  row: FoundRow,
): Promise<Change<K>> {
  const userKey = decodeKey(definition.encoding, key, definition.prefix.length) as K;
  const entry = await rowEntryAsync(context.engine, userKey, row);
  return { type: "set", key: userKey, entry, version: entry.version };
}

/** The change of a range delete, its bounds as users state them. */
export function rangeChange<K extends Key>(
  definition: Definition,
  start: Uint8Array,
  end: Uint8Array,
  version: number,
): Change<K> {
  const { prefix, encoding } = definition;
  const change: Change<K> = { type: "deleteRange", version };
  if (start.length > prefix.length) change.start = decodeBound(encoding, start, prefix.length) as K;
  if (compareBytes(end, prefixEnd(prefix)!) < 0) change.end = decodeBound(encoding, end, prefix.length) as K;
  return change;
}

/**
 * A bound need not be text where keys are: the end of a prefix isn't when the prefix ends in the last byte of a UTF-8
 * sequence. Then it is shown as bytes.
 */
function decodeBound(encoding: "utf8" | "bytes", bound: Uint8Array, prefixLength: number): Key {
  try {
    return decodeKey(encoding, bound, prefixLength);
  } catch {
    return bound.slice(prefixLength);
  }
}
