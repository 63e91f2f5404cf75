/**
 * The file `CURRENT`: names the manifest that counts. It is written aside, synced and renamed, so it is there as a whole
 * or not at all; a directory without it is no database.
 *
 * ```
 * HOLDFAST 1                                                             the version of the format of the directory
 * {"database":"<32 hex>","lineage":"<32 hex>","manifest":7}
 * xxxxxxxx                                                               crc32 of the two lines above, hexadecimal
 * ```
 *
 * Three lines of UTF-8, each ended by a line feed. In every version the first line names it and the last is the checksum
 * of all above, so that a reader can tell a newer marker from a damaged one. Example:
 *
 * ```
 * HOLDFAST 1
 * {"database":"000102030405060708090a0b0c0d0e0f","lineage":"101112131415161718191a1b1c1d1e1f","manifest":7}
 * 1d1ef91c
 * ```
 *
 * @module
 */
import { decodeText, encodeText } from "../../base/bytes.ts";
import { crc32 } from "../../base/checksum.ts";
import { CorruptionError, UnsupportedFormatError } from "../../base/errors.ts";
import { hex, object, type Shape, whole } from "./json_shape.ts";

/** What the marker says. */
export interface Marker {
  /** The database's id, 32 hexadecimal digits. */
  database: string;
  /** The line of history the manifest was made in, 32 hexadecimal digits. */
  lineage: string;
  /** The manifest's file number. */
  manifest: number;
}

const FIRST_LINE = "HOLDFAST 1";

/** A marker is shorter than this; a longer file is none. */
const MARKER_BYTES_MAX = 1024;

const shape: Shape<Marker> = object({ database: hex(32), lineage: hex(32), manifest: whole() });

/** The marker's bytes. */
export function writeMarker(marker: Marker): Uint8Array {
  const { database, lineage, manifest } = shape(marker, "");
  const body = `${FIRST_LINE}\n${JSON.stringify({ database, lineage, manifest })}\n`;
  return encodeText(`${body}${checksumLine(body)}\n`);
}

/**
 * Reads the marker `file`. Throws `CorruptionError` when it is no marker or damaged, and `UnsupportedFormatError` when it is
 * whole and names another version of the format.
 */
export function readMarker(bytes: Uint8Array, file: string): Marker {
  if (bytes.length > MARKER_BYTES_MAX) throw new CorruptionError(file, 0, `marker of ${bytes.length} bytes`);
  let all: string;
  try {
    all = decodeText(bytes);
  } catch (cause) {
    throw new CorruptionError(file, 0, "marker is not text", { cause });
  }
  const version = /^HOLDFAST ([1-9][0-9]*)\n/.exec(all)?.[1];
  if (version === undefined) throw new CorruptionError(file, 0, "marker does not begin with HOLDFAST and a version");
  if (!isMarkerWhole(bytes)) throw new CorruptionError(file, 0, "marker checksum");
  if (version !== "1") {
    throw new UnsupportedFormatError(
      `Cannot read ${file}: the database's format ${version} is not known here (this release reads 1); use a newer release`,
      version,
      "1",
      { path: file },
    );
  }
  const lines = all.split("\n");
  if (lines.length !== 4) throw new CorruptionError(file, 0, `marker of ${lines.length - 1} lines`);
  try {
    return shape(JSON.parse(lines[1]!), "");
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new CorruptionError(file, FIRST_LINE.length + 1, `marker: ${detail}`, { cause });
  }
}

/**
 * Whether the last line is the checksum of what stands above it, whatever that says: only then is an unknown version what
 * a newer release wrote, and not damage.
 */
export function isMarkerWhole(bytes: Uint8Array): boolean {
  try {
    const [, body, checksum] = /^([^]*\n)([0-9a-f]{8})\n$/.exec(decodeText(bytes)) ?? [];
    return body !== undefined && checksum === checksumLine(body);
  } catch {
    return false;
  }
}

function checksumLine(body: string): string {
  return crc32(encodeText(body)).toString(16).padStart(8, "0");
}
