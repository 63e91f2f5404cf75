/**
 * Documents of a repository: readable JSON that notices when a character of it was changed.
 *
 * ```
 * document := UTF-8 of JSON.stringify(fields, null, 2) and a line feed
 * fields   := "format": "holdfast-<kind>", "formatVersion": 1, the body, seal
 * seal     := "checksum": "sha256:<hex>"          without encryption
 *           | "mac": "hmac-sha256:<hex>"          with it, under the ring's document key
 *             over the UTF-8 of JSON.stringify of all fields before it
 * ```
 *
 * Rules:
 *
 * 1. Only these very bytes are the document: other spaces, another order or a name given twice are damage.
 * 2. With a ring a checksum does not count, or whoever can write could replace a mac by it. Only `repository` and `key` have
 *    a checksum always, because they are read before a key is known: what they say is bound by the wrapping of the keys.
 * 3. In every version the seal is the last field and covers all before it, so that a newer document is told from a damaged
 *    one. Fields that are not known are refused, never skipped.
 * 4. The seal does not cover the document's name, nor its age: the body says which one it is, and readers compare.
 *
 * Example, a mark of the garbage collector:
 *
 * ```
 * {
 *   "format": "holdfast-gc",
 *   "formatVersion": 1,
 *   "id": "g1",
 *   "markedAt": 1000,
 *   "keys": [],
 *   "leases": [],
 *   "checksum": "sha256:8df102611deb88e1f4256b225db66663935abbf16169ca5e649cbd009737ed7a"
 * }
 * ```
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { decodeText, encodeText } from "../../base/bytes.ts";
import { DecryptionError, IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";
import { type Shape, ShapeError } from "../manifest/json_shape.ts";
import { parseJson } from "../manifest/json_text.ts";
import type { KeyRing } from "./ring.ts";

/** What a document is. */
export type DocumentKind = "repository" | "key" | "backup" | "head" | "lease" | "gc" | "proof";

const VERSION = 1;
const RESERVED = ["format", "formatVersion", "checksum", "mac"];

/** Stands for the ring of a checker that has none: seals that need a key are not checked, everything else is. */
export const UNCHECKED = "unchecked";

/** The bytes of a document. Fields of `body` that are undefined are left out. */
export function sealDocument(kind: DocumentKind, body: object, ring?: KeyRing): Uint8Array {
  for (const name of RESERVED) {
    if (Object.hasOwn(body, name)) throw new TypeError(`a ${kind} document cannot have a field ${name} of its own`);
  }
  // Parsed again, so that what is sealed is what a reader will see: without undefined, with numbers before other names.
  const fields = JSON.parse(JSON.stringify({ format: `holdfast-${kind}`, formatVersion: VERSION, ...body }));
  const [name, value] = sealOf(fields, isKeyless(kind) ? undefined : ring);
  return encodeText(layout({ ...fields, [name]: value }));
}

/**
 * The body of a document; `name` is what errors call it. Throws `UnsupportedFormatError` for a whole document of a newer
 * format, `DecryptionError` for one that has a mac when no ring was given, and `IntegrityError` for all else that is wrong.
 */
export function openDocument<T>(
  kind: DocumentKind,
  bytes: Uint8Array,
  name: string,
  shape: Shape<T>,
  ring?: KeyRing | typeof UNCHECKED,
): T {
  const { text, fields } = parse(bytes, name);
  checkSeal(kind, fields, name, ring);
  const { format, formatVersion, checksum: _checksum, mac: _mac, ...body } = fields;
  if (format !== `holdfast-${kind}`) {
    const found = typeof format === "string" ? JSON.stringify(format).slice(0, 60) : "none";
    throw damaged(name, `expected a ${kind} document, found ${found}`);
  }
  if (!Number.isSafeInteger(formatVersion) || (formatVersion as number) < 1) {
    throw damaged(name, `its formatVersion is no whole number`);
  }
  if (formatVersion !== VERSION) {
    throw new UnsupportedFormatError(
      `Cannot read ${name}: its format ${formatVersion} is not known here (this release reads ${VERSION}); use a newer release`,
      `${format} ${formatVersion}`,
      `${format} ${VERSION}`,
      { path: name },
    );
  }
  if (text !== layout(fields)) throw damaged(name, "it is not laid out as it was written");
  return shaped(body, name, shape, `${format} ${VERSION}`);
}

/** What `shape` takes; its complaints as errors that name the file. */
export function shaped<T>(value: unknown, name: string, shape: Shape<T>, supported: string): T {
  try {
    return shape(value, "");
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    if (error.unknownField === undefined) throw damaged(name, error.message, error);
    throw new UnsupportedFormatError(
      `Cannot read ${name}: it has a field that is not known here, ${error.unknownField}; use a newer release`,
      error.unknownField,
      `the fields of ${supported}`,
      { path: name, cause: error },
    );
  }
}

type Fields = Record<string, unknown>;

function layout(fields: Fields): string {
  return `${JSON.stringify(fields, null, 2)}\n`;
}

/** Whether documents of this kind are read before a key is known. */
function isKeyless(kind: DocumentKind): boolean {
  return kind === "repository" || kind === "key";
}

/** The name and the value of the seal over these fields. */
export function sealOf(fields: object, ring: KeyRing | undefined): ["checksum" | "mac", string] {
  const covered = encodeText(JSON.stringify(fields));
  if (ring !== undefined) return ["mac", `hmac-sha256:${ring.mac(covered)}`];
  return ["checksum", `sha256:${createHash("sha256").update(covered).digest("hex")}`];
}

function parse(bytes: Uint8Array, name: string): { text: string; fields: Fields } {
  let text: string;
  let fields: unknown;
  try {
    text = decodeText(bytes);
    fields = parseJson(text);
  } catch (cause) {
    throw damaged(name, cause instanceof ShapeError ? cause.message : "it is not JSON in UTF-8", cause);
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) throw damaged(name, "it is no document");
  return { text, fields: fields as Fields };
}

function checkSeal(
  kind: DocumentKind,
  fields: Fields,
  name: string,
  given: KeyRing | typeof UNCHECKED | undefined,
): void {
  const entries = Object.entries(fields);
  const [found, value] = entries.pop() ?? [];
  if (found === "mac" && !isKeyless(kind)) {
    if (given === UNCHECKED) return;
    if (given === undefined) throw keyMissing(name);
  }
  const ring = given === UNCHECKED || isKeyless(kind) ? undefined : given;
  const [expected, seal] = sealOf(Object.fromEntries(entries), ring);
  if (found !== expected) {
    const lost = expected === "mac" ? "it has no mac, so anyone may have written it" : "it has no checksum";
    throw damaged(name, lost);
  }
  if (typeof value !== "string" || !equalTexts(value, seal)) throw damaged(name, `its ${expected} does not match`);
}

function equalTexts(a: string, b: string): boolean {
  const one = encodeText(a);
  const other = encodeText(b);
  return one.length === other.length && timingSafeEqual(one, other);
}

/** The error of a document with a mac, when there is no key to check it. */
export function keyMissing(name: string): DecryptionError {
  return new DecryptionError(`Cannot read ${name}: it belongs to an encrypted repository; give its encryption option`, {
    path: name,
  });
}

function damaged(name: string, detail: string, cause?: unknown): IntegrityError {
  return new IntegrityError(
    `Cannot read ${name}: ${detail}; the file was damaged or changed, take another copy of it`,
    { path: name, cause },
  );
}
