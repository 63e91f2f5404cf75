/**
 * One entry on its way into or out of a portable file, independent of any database's key spaces.
 *
 * @module
 */
import { encodeText } from "../../base/bytes.ts";
import { GatheredHash } from "../gathered_hash.ts";

/** One entry with all that is kept of it. */
export interface PortableRecord {
  /** The namespaces it lies in, outermost first; [] for the root. */
  namespace: readonly string[];
  /** The user key. */
  key: Uint8Array;
  /** `KIND_BYTES`, `KIND_TEXT` or `KIND_JSON`. */
  kind: number;
  /** The value's bytes; text and JSON as UTF-8. */
  value: Uint8Array;
  /** In the order given at the write. */
  tags: readonly string[];
  /** ms since the Unix epoch, if it expires. */
  expiresAt: number | undefined;
}

/** A namespace as a portable file lists it. */
export interface PortableNamespace {
  /** Its names, outermost first. */
  path: readonly string[];
  /** How its keys look. */
  keyEncoding: "utf8" | "bytes";
}

/** What a portable file says beside its records. */
export interface PortableMeta {
  /** When it was made, as the file says it. */
  createdAt: string | undefined;
  /** How many records the file says it has. */
  totalRecords: number | undefined;
  /** How keys of the root look; undefined when it doesn't say. */
  keyEncoding: "utf8" | "bytes" | undefined;
  /** The id of the database it was made from. */
  database: string | undefined;
  /** The version that it shows. */
  lastVersion: number | undefined;
  /** The namespaces it knows of, empty ones included. */
  namespaces: PortableNamespace[];
  /** `RecordDigest` over its records, hex, when it carries one. */
  checksum: string | undefined;
}

/** Where no one has said anything yet. */
export function emptyMeta(): PortableMeta {
  return {
    createdAt: undefined,
    totalRecords: undefined,
    keyEncoding: undefined,
    database: undefined,
    lastVersion: undefined,
    namespaces: [],
    checksum: undefined,
  };
}

/**
 * SHA-256 over what records say, in their order, whatever the file around them looks like: re-indenting a JSON backup or
 * compressing it changes nothing, changing an entry does.
 *
 * ```
 * record := count of names varint | names | key | kind u8 | value | count of tags varint | tags | expiresAt + 1 or 0 varint
 * ```
 *
 * Every name, key, value and tag is its length as varint, then its bytes.
 */
export class RecordDigest {
  readonly #hash = new GatheredHash();
  /** How many records were added. */
  count = 0;

  /** Adds the next record. */
  add(record: PortableRecord): void {
    const { out } = this.#hash;
    out.varint(record.namespace.length);
    for (const name of record.namespace) out.prefixed(encodeText(name));
    out.prefixed(record.key);
    out.u8(record.kind);
    out.varint(record.value.length);
    this.#hash.bytes(record.value);
    out.varint(record.tags.length);
    for (const tag of record.tags) out.prefixed(encodeText(tag));
    out.varint(record.expiresAt === undefined ? 0 : record.expiresAt + 1);
    this.count++;
  }

  /** The digest as hex; nothing can be added afterwards. */
  finish(): string {
    return this.#hash.digest();
  }
}
