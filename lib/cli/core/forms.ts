/**
 * Keys and values as they stand on the command line.
 *
 * ```
 * word        the text itself
 * @FILE       what is in the file
 * -           what comes in on standard input
 * ```
 *
 * With `--literal` a word is always the text itself. What the text, file or input means is said by `--as` for a value and
 * `--key-as` for keys, prefixes and bounds: text, JSON, base64, hex, or (from a file or input) bytes as they are.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Key } from "../../db/data/keys.ts";
import type { Storable } from "../../db/data/values.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { abortable } from "../../base/abort.ts";
import { HoldfastError } from "../../base/errors.ts";
import { roundedIn } from "../../adapters/migrate/source.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { readFile, readRange } from "../../files/read.ts";
import { readPipe } from "../../files/read_pipe.ts";
import type { CliIo } from "../io.ts";
import { visible } from "../output/entries.ts";
import { textOf } from "../output/json.ts";
import type { Call } from "./command.ts";
import type { OptionSpec } from "./option_spec.ts";
import { UsageError } from "./exit_code.ts";

/** How keys are given. */
export const KEY_AS: OptionSpec = {
  name: "key-as",
  kind: "choice",
  choices: ["text", "base64", "hex"],
  help: "what keys, prefixes and bounds are written in",
};

/** Words mean themselves. */
export const LITERAL: OptionSpec = {
  name: "literal",
  kind: "flag",
  help: "take keys and values as they stand, also a leading @ and a lone -",
};

/** How a value is given. */
export const VALUE_AS: OptionSpec = {
  name: "as",
  kind: "choice",
  choices: ["text", "json", "base64", "hex", "bytes"],
  help: "what the value is: text unless given",
};

/** What is told of these forms in the help of commands that take them. */
export const FORMS_HELP =
  "KEY and VALUE are text, @FILE for what is in a file, or - for standard input. A key from a file or from standard " +
  "input loses one line break at its end, a value does not. Put -- before one that begins with a dash.";

const inputs = new WeakSet<object>();

/** All that comes in on standard input; asked a second time it is a `UsageError`. */
export async function readInput({ io }: Call): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of inputPieces(io)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Standard input as it comes; it goes to whoever asks first. */
export function inputPieces(io: CliIo): AsyncIterable<Uint8Array> {
  if (inputs.has(io)) throw new UsageError("standard input (-) can be used once only");
  inputs.add(io);
  return bytesOf(io);
}

/** A terminal or pipe may keep its reader waiting for ever: the signal ends that too. */
async function* bytesOf({ stdin, signal }: CliIo): AsyncGenerator<Uint8Array> {
  const pieces = stdin[Symbol.asyncIterator]();
  try {
    while (true) {
      const { value, done } = await abortable(pieces.next(), signal);
      if (done) return;
      yield typeof value === "string" ? Buffer.from(value) : value;
    }
  } finally {
    // Not awaited: a stream lets go only when what was asked of it has come.
    pieces.return?.().catch(() => {});
  }
}

/** A key, prefix or bound, as a key space of this encoding takes it. */
export async function readKey(call: Call, word: string, encoding: KeyEncoding): Promise<Key> {
  const raw = await readWord(call, word);
  const form = call.given.choice<"text" | "base64" | "hex">("key-as") ?? "text";
  let bytes: Uint8Array;
  if (form !== "text") bytes = decode("key", form, raw);
  else if (typeof raw === "string") {
    if (encoding === "utf8") return raw;
    bytes = Buffer.from(raw);
  } else bytes = raw.at(-1) === 0x0a ? raw.subarray(0, raw.at(-2) === 0x0d ? -2 : -1) : raw;
  if (encoding === "bytes") return new Uint8Array(bytes);
  const text = textOf(bytes);
  if (text === undefined) throw new UsageError("keys are text here, and this key is not UTF-8");
  return text;
}

/** A value. */
export async function readValue(call: Call, word: string): Promise<Storable> {
  return valueFrom(await readWord(call, word), call.given.choice<ValueForm>("as") ?? "text");
}

/** How a value is written. */
export type ValueForm = "text" | "json" | "base64" | "hex" | "bytes";

/** The value that a text or bytes mean. */
export function valueFrom(raw: string | Uint8Array, form: ValueForm): Storable {
  if (form === "bytes") return typeof raw === "string" ? Buffer.from(raw) : raw;
  if (form === "base64" || form === "hex") return decode("value", form, raw);
  const text = typeof raw === "string" ? raw : textOf(raw);
  if (text === undefined) throw new UsageError("the value is not UTF-8; give --as bytes to store it as it is");
  if (form === "text") return text;
  let value: Storable;
  try {
    value = JSON.parse(text) as Storable;
  } catch (error) {
    throw new UsageError(`the value is not JSON: ${visible((error as Error).message)}`);
  }
  const rounded = roundedIn(text);
  if (rounded === undefined) return value;
  throw new UsageError(`the value has the number ${rounded}, which JavaScript would round; write it as text`);
}

async function readWord(call: Call, word: string): Promise<string | Uint8Array> {
  if (call.given.flag("literal")) return word;
  if (word === "-") return await readInput(call);
  if (word.startsWith("@") && word.length > 1) return await readFileNamed(call.io, word.slice(1));
  return word;
}

/** Longer than the longest value in base64; what is longer is no value, key or secret. */
const FILE_BYTES_MAX = 400 * 2 ** 20;
/** Read at a time where nothing says how long a file is. */
const PIECE_BYTES = 2 ** 16;

/** A file or pipe of the user's, whose absence is told in few words. */
export async function readFileNamed({ fileSystem, signal }: CliIo, path: string): Promise<Uint8Array> {
  try {
    // As what a shell puts in place of <(...) is.
    if ((await fileSystem.stat(path))?.kind === "other") return await readPipe(path, FILE_BYTES_MAX, signal);
    const bytes = await readFile(fileSystem, path, FILE_BYTES_MAX);
    return bytes.length > 0 ? bytes : await readToEnd(fileSystem, path);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    throw new UsageError(error.code === "NOT_FOUND" ? `cannot read ${path}: there is no such file` : error.message);
  }
}

/** A file that says it is empty, as those of /proc do whatever they hold. */
async function readToEnd(fileSystem: FileSystem, path: string): Promise<Uint8Array> {
  const handle = await fileSystem.open(path, "read");
  try {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at <= FILE_BYTES_MAX;) {
      const piece = await readRange(handle, at, PIECE_BYTES);
      if (piece.length === 0) return Buffer.concat(pieces);
      pieces.push(piece);
      at += piece.length;
    }
    throw new UsageError(`cannot read ${path}: it has more than ${FILE_BYTES_MAX} bytes`);
  } finally {
    await handle.close();
  }
}

function decode(what: string, form: "base64" | "hex", raw: string | Uint8Array): Uint8Array {
  const text = (typeof raw === "string" ? raw : textOf(raw) ?? "").replace(/\s/g, "");
  const fits = form === "hex"
    ? /^(?:[0-9a-f]{2})*$/i.test(text)
    : /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
  if (!fits || (typeof raw !== "string" && textOf(raw) === undefined)) {
    throw new UsageError(`the ${what} is not ${form}`);
  }
  return new Uint8Array(Buffer.from(text, form));
}
