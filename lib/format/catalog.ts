/**
 * The catalog: which namespaces there are, kept as ordinary rows of the key space `CATALOG_SPACE`, so that creating a
 * namespace is part of the commit that first writes to it, and snapshots, exports and restores carry it like any row.
 *
 * ```
 * catalog key   := 02 | parent space varint | name, UTF-8, 1..255 bytes
 * catalog value := a JSON cell: {"space": n, "keyEncoding": "utf8" | "bytes"}
 * ```
 *
 * `parent` is `ROOT_SPACE` for a namespace of the database itself, else the entry space of the namespace around it. The
 * rows of one parent are contiguous and in the order of their names. A row leaves only when a restore replaces all contents,
 * so the highest space in the catalog + 2 is one that nothing lies in.
 *
 * Example: namespace "users" of the root with space 4 has the key `02 00 75 73 65 72 73` and the cell
 * `09 {"space":4,"keyEncoding":"utf8"}`.
 *
 * @module
 */
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeText,
  encodeText,
  varintLength,
  writeVarint,
} from "../base/bytes.ts";
import { KIND_JSON, OP_SET, readCell, writeCell } from "./cell.ts";
import { parseJson } from "./manifest/json_text.ts";
import { CATALOG_SPACE, FIRST_NAMESPACE_SPACE, spacePrefix } from "./space.ts";

/** A name is a key like any other but needn't be long; 255 bytes fit every file system, should names ever become files. */
export const NAMESPACE_NAME_BYTES_MAX = 255;

/** More within each other serve nobody, portable files refuse them, and thousands would exhaust the stack. */
export const NAMESPACE_DEPTH_MAX = 255;

/** How keys of a key space look to the user. */
export type KeyEncoding = "utf8" | "bytes";

/** What a catalog row says. */
export interface CatalogValue {
  /** The namespace's entry space: even, at least `FIRST_NAMESPACE_SPACE`; its tag rows live in `space + 1`. */
  space: number;
  /** How its keys look. */
  keyEncoding: KeyEncoding;
}

/** A catalog row taken apart. */
export interface CatalogRow extends CatalogValue {
  /** The entry space of the namespace around it, or `ROOT_SPACE`. */
  parent: number;
  /** Its name within the parent. */
  name: string;
}

/** What every catalog key begins with. */
export const CATALOG_PREFIX: Uint8Array = spacePrefix(CATALOG_SPACE);

/** What the catalog keys of all namespaces directly inside `parent` begin with. */
export function catalogPrefix(parent: number): Uint8Array {
  const out = new Uint8Array(CATALOG_PREFIX.length + varintLength(parent));
  out.set(CATALOG_PREFIX);
  writeVarint(out, CATALOG_PREFIX.length, parent);
  return out;
}

/** The internal key of the row for namespace `name` inside `parent`. */
export function catalogKey(parent: number, name: string): Uint8Array {
  const prefix = catalogPrefix(parent);
  const text = encodeText(name);
  const out = new Uint8Array(prefix.length + text.length);
  out.set(prefix);
  out.set(text, prefix.length);
  return out;
}

/** The cell of a catalog row. */
export function writeCatalogCell(value: CatalogValue): Uint8Array {
  const out = new ByteWriter(64);
  const json = JSON.stringify({ space: value.space, keyEncoding: value.keyEncoding });
  writeCell(out, KIND_JSON, encodeText(json));
  return out.take();
}

/** Parent and name in an internal key of the catalog; throws `DecodeError` when it is none. */
export function readCatalogKey(key: Uint8Array): { parent: number; name: string } {
  const reader = new ByteReader(key);
  if (reader.varint() !== CATALOG_SPACE) throw new DecodeError("not a catalog key", 0);
  const parent = reader.varint();
  if (reader.left === 0) throw new DecodeError("a namespace without a name", reader.at);
  try {
    return { parent, name: decodeText(key.subarray(reader.at)) };
  } catch {
    throw new DecodeError("a namespace's name is not UTF-8", reader.at);
  }
}

/** Takes a catalog row's cell apart; throws `DecodeError` when it doesn't hold together. */
export function readCatalogCell(cell: Uint8Array): CatalogValue {
  const { op, kind, payload } = readCell(cell);
  if (op !== OP_SET || kind !== KIND_JSON) throw new DecodeError("a catalog row that is not JSON", 0);
  let value: unknown;
  try {
    value = parseJson(decodeText(payload));
  } catch {
    throw new DecodeError("a catalog row that is not JSON", 1);
  }
  const { space, keyEncoding } = (value ?? {}) as { space?: unknown; keyEncoding?: unknown };
  if (typeof space !== "number" || !Number.isSafeInteger(space) || space < FIRST_NAMESPACE_SPACE || space % 2 !== 0) {
    throw new DecodeError(`a namespace in space ${shown(space)}`, 1);
  }
  if (keyEncoding !== "utf8" && keyEncoding !== "bytes") {
    throw new DecodeError(`a namespace with keys as ${shown(keyEncoding)}`, 1);
  }
  return { space, keyEncoding };
}

/** Not `String`, which asks an object itself what it is called. */
function shown(value: unknown): string {
  return typeof value === "object" ? "an object" : String(value).slice(0, 60);
}

/** Takes a whole catalog row apart. */
export function readCatalogRow(key: Uint8Array, cell: Uint8Array): CatalogRow {
  return { ...readCatalogKey(key), ...readCatalogCell(cell) };
}
