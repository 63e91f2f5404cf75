/**
 * Entries from lines of text: what `list --json` prints, or a key and a value with a tab between them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Key } from "../../db/data/keys.ts";
import type { Storable } from "../../db/data/values.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { roundedIn } from "../../adapters/migrate/source.ts";
import { textOf } from "../output/json.ts";
import { CommandFailure } from "./exit_code.ts";

/** An entry of a line. */
export interface LineEntry {
  /** As the line has it: text, or bytes. */
  key: Key;
  /** The value. */
  value: Storable;
  /** The namespace it belongs to, where the line says it. */
  namespace?: readonly string[];
  /** Its tags, where the line has some. */
  tags?: readonly string[];
  /** ms, where the line says it. */
  expiresAt?: number;
}

/** Longer than the longest value as base64 in one line. */
const LINE_BYTES_MAX = 400 * 2 ** 20;

/** The lines of a text in pieces, without their ends; memory: one line. `name` is that of the text. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<string> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let number = 0;
  for await (const piece of pieces) {
    let from = 0;
    for (let at = piece.indexOf(0x0a); at >= 0; at = piece.indexOf(0x0a, from)) {
      yield lineOf([...waiting, piece.subarray(from, at)], ++number, name);
      [waiting, bytes, from] = [[], 0, at + 1];
    }
    waiting.push(piece.slice(from));
    bytes += piece.length - from;
    if (bytes > LINE_BYTES_MAX) {
      throw new CommandFailure(`line ${number + 1} of ${name} has more than ${LINE_BYTES_MAX} bytes: no entry`);
    }
  }
  if (bytes > 0) yield lineOf(waiting, ++number, name);
}

function lineOf(pieces: Uint8Array[], number: number, name: string): string {
  const text = textOf(Buffer.concat(pieces));
  if (text === undefined) throw new CommandFailure(`line ${number} of ${name} is not UTF-8`);
  return text.endsWith("\r") ? text.slice(0, -1) : text;
}

/** What a line may say: the fields of `list --json` and of portable files. Version and time are given anew. */
const FIELDS: ReadonlySet<string> = new Set([
  ...["key", "keyEncoding", "key_encoding", "value", "encoding", "kind", "namespace", "tags"],
  ...["expiresAt", "expires_at", "version", "timestamp"],
]);

/** The entry of one line of JSON; `where` names it. */
export function entryOfJson(line: string, where: string): LineEntry {
  const fields = parsed(line, where) ?? {};
  const refuse = (why: string): never => {
    throw new CommandFailure(`${where}: ${why}`);
  };
  const { key, keyEncoding, key_encoding, value, encoding, kind, tags } = fields;
  if (typeof key !== "string") return refuse('"key" is missing or no string');
  if (!("value" in fields)) return refuse('"value" is missing');
  // A slip in a name would lose what it stands for. What `watch` prints says `"type":"set"`.
  const unknown = Object.keys(fields).find((name) => !FIELDS.has(name) && !(name === "type" && fields[name] === "set"));
  if (unknown !== undefined) {
    refuse(`an entry has no field ${JSON.stringify(unknown)}; what is to be kept has to be within "value"`);
  }
  const keyForm = keyEncoding ?? key_encoding ?? "text";
  if (keyForm !== "text" && keyForm !== "base64") return refuse(`its key has an encoding that is not known`);
  if (encoding !== undefined && encoding !== "text" && encoding !== "base64") {
    return refuse("its value has an encoding that is not known");
  }
  if (encoding !== undefined && typeof value !== "string") return refuse("its value has an encoding and is no string");
  const expiresAt = fields["expiresAt"] ?? fields["expires_at"];
  if (expiresAt !== undefined && !Number.isSafeInteger(expiresAt)) return refuse('"expiresAt" is no time in ms');
  const { namespace } = fields;
  for (const [field, list] of [["tags", tags], ["namespace", namespace]] as const) {
    if (list === undefined || (Array.isArray(list) && list.every((each) => typeof each === "string"))) continue;
    return refuse(`"${field}" is no list of strings`);
  }
  const rounded = roundedIn(line);
  if (rounded !== undefined) refuse(`it has the number ${rounded}, which JavaScript would round; write it as text`);
  const fromBase64 = (what: string, text: string): Buffer => {
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) refuse(`its ${what} is not base64`);
    return Buffer.from(text, "base64");
  };
  const bytes = encoding === "base64" ? fromBase64("value", value as string) : undefined;
  // The words that a portable file has: JSON in a string, and a text too long for one.
  const text = bytes !== undefined && (kind === "json" || kind === "text") ? textOf(bytes) : value;
  return {
    key: keyForm === "base64" ? new Uint8Array(fromBase64("key", key)) : key,
    value: kind === "json" && encoding !== undefined
      ? parsed(text as string, where)
      : bytes !== undefined && kind !== "text"
      ? new Uint8Array(bytes)
      : text as Storable,
    ...(namespace === undefined ? {} : { namespace: namespace as string[] }),
    ...(tags === undefined ? {} : { tags: tags as string[] }),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt as number }),
  };
}

function parsed(line: string, where: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    throw new CommandFailure(`${where}: no JSON: ${(error as Error).message}`);
  }
}

/** A key as a key space of that encoding takes it. */
export function keyFor(encoding: KeyEncoding, key: Key, where: string): Key {
  if (encoding === "bytes") return key;
  const text = typeof key === "string" ? key : textOf(key);
  if (text === undefined) throw new CommandFailure(`${where}: keys are text here, and this key is not UTF-8`);
  return text;
}
