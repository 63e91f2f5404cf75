/**
 * Writes portable files: skv's JSON 1.0 and JSON Lines. Memory: a piece of text, whatever the number of records.
 *
 * ```
 * {                                              JSON, as skv lays it out
 *   "version": "1.0",
 *   "created_at": "2026-11-21T08:00:00.000Z",
 *   "total_records": 2,
 *   "format": "holdfast",                        what skv has no word for: its readers pass over it
 *   "database": "...", "last_version": 7, "key_encoding": "utf8", "namespaces": [{"path":["users"],"key_encoding":"utf8"}],
 *   "records": [
 *     {"key":"username","value":"alice","encoding":"text"},
 *     {"key":"binary_data","value":"AQIDBA==","encoding":"base64"}
 *   ],
 *   "checksum": "sha256:..."                     over what the records say, see `RecordDigest`
 * }
 *
 * {"format":"holdfast-jsonl","version":"1.0","created_at":...,"key_encoding":...}        JSON Lines: a header,
 * {"key":"username","value":"alice","encoding":"text"}                                   a record per line,
 * {"total_records":1,"checksum":"sha256:..."}                                            a footer
 * ```
 *
 * @module
 */
import { encodeText } from "../../base/bytes.ts";
import { IntegrityError } from "../../base/errors.ts";
import { LINES_FORMAT, PORTABLE_VERSION } from "./portable_reader.ts";
import { type PortableNamespace, type PortableRecord, RecordDigest } from "./record.ts";
import { recordToJson } from "./record_json.ts";

/** Text is handed on in pieces of at least this many characters. */
const PIECE_CHARS = 64 * 2 ** 10;

/** What a portable file will say beside its records. */
export interface PortableHeader {
  /** When it is made, ms since the Unix epoch. */
  createdAt: number;
  /** How many records it will hold; needed for JSON, where the count comes first. */
  totalRecords: number | undefined;
  /** The id of the database. */
  database: string;
  /** The version it shows. */
  lastVersion: number;
  /** How keys of the root look. */
  keyEncoding: "utf8" | "bytes";
  /** The namespaces it covers. */
  namespaces: readonly PortableNamespace[];
}

/** What was written. */
export interface PortableTotals {
  /** How many records. */
  count: number;
  /** The checksum over them, hex. */
  checksum: string;
}

/** The fields that skv has no word for, in pieces: there may be any number of namespaces. */
function* extras(header: PortableHeader, before: string, colon: string, after: string): Generator<string> {
  const field = (name: string, value: string | number): string =>
    `${before}"${name}"${colon}${JSON.stringify(value)}${after}`;
  yield field("database", header.database);
  yield field("last_version", header.lastVersion);
  yield field("key_encoding", header.keyEncoding);
  if (header.namespaces.length === 0) return;
  let mark = `${before}"namespaces"${colon}[`;
  for (const { path, keyEncoding } of header.namespaces) {
    yield mark + JSON.stringify({ path, key_encoding: keyEncoding });
    mark = ",";
  }
  yield `]${after}`;
}

/** The file as JSON. Returns the totals; throws `IntegrityError` when there are more or fewer records than announced. */
export async function* writeJson(
  header: PortableHeader,
  records: AsyncIterable<PortableRecord>,
): AsyncGenerator<Uint8Array, PortableTotals> {
  const digest = new RecordDigest();
  let text =
    `{\n  "version": "${PORTABLE_VERSION}",\n  "created_at": "${new Date(header.createdAt).toISOString()}",\n` +
    `  "total_records": ${header.totalRecords ?? 0},\n  "format": "holdfast",\n`;
  for (const part of extras(header, "  ", ": ", ",\n")) {
    text += part;
    if (text.length < PIECE_CHARS) continue;
    yield encodeText(text);
    text = "";
  }
  text += '  "records": [';
  for await (const record of records) {
    text += `${digest.count === 0 ? "" : ","}\n    ${recordToJson(record)}`;
    digest.add(record);
    if (text.length >= PIECE_CHARS) {
      yield encodeText(text);
      text = "";
    }
  }
  if (digest.count !== header.totalRecords) {
    throw new IntegrityError(
      `Cannot write the backup: ${header.totalRecords} entries were counted but ${digest.count} came; ` +
        "a filter must answer the same each time it is asked about an entry",
    );
  }
  const { count } = digest;
  const checksum = digest.finish();
  yield encodeText(`${text}${count === 0 ? "" : "\n  "}],\n  "checksum": "sha256:${checksum}"\n}\n`);
  return { count, checksum };
}

/** The file as JSON Lines. Returns the totals. */
export async function* writeLines(
  header: PortableHeader,
  records: AsyncIterable<PortableRecord>,
): AsyncGenerator<Uint8Array, PortableTotals> {
  const digest = new RecordDigest();
  let text = `{"format":"${LINES_FORMAT}","version":"${PORTABLE_VERSION}",` +
    `"created_at":"${new Date(header.createdAt).toISOString()}"`;
  for (const part of extras(header, ",", ":", "")) {
    text += part;
    if (text.length < PIECE_CHARS) continue;
    yield encodeText(text);
    text = "";
  }
  text += "}\n";
  for await (const record of records) {
    text += `${recordToJson(record)}\n`;
    digest.add(record);
    if (text.length >= PIECE_CHARS) {
      yield encodeText(text);
      text = "";
    }
  }
  const { count } = digest;
  const checksum = digest.finish();
  yield encodeText(`${text}{"total_records":${count},"checksum":"sha256:${checksum}"}\n`);
  return { count, checksum };
}
