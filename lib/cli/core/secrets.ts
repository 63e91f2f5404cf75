/**
 * Passphrases and keys: from a file, from the environment, or typed without being shown. Never from the command line,
 * where every process of the machine can read them and the shell remembers them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Encryption } from "../../backup/encryption.ts";
import { textOf } from "../output/json.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./exit_code.ts";
import { readFileNamed } from "./forms.ts";
import type { OptionSpec } from "./option_spec.ts";
import { ask, canAsk } from "./prompt.ts";

/** Whose secret: the repository's, that of the one copied to, or a new one. */
export type Whose = "" | "to-" | "new-";

/** What each is called, before and behind its name. */
const TITLES: Readonly<Record<Whose, readonly [before: string, behind: string]>> = {
  "": ["the", " of the repository"],
  "to-": ["the", " of the other repository"],
  "new-": ["the new", ""],
};

/** The options that name a secret. */
export function secretOptions(whose: Whose): OptionSpec[] {
  const [passphrase, key] = variables(whose);
  const [before, behind] = TITLES[whose];
  return [
    {
      name: `${whose}passphrase-file`,
      kind: "path",
      help: `the file that holds ${before} passphrase${behind}; or ${passphrase} holds it`,
    },
    {
      name: `${whose}key-file`,
      kind: "path",
      help: `the file that holds ${before} key${behind}: 32 bytes, raw, hex or base64; or ${key} holds it`,
    },
  ];
}

/** The secret that was given in a file or in the environment, if any. */
export async function givenSecret(call: Call, whose: Whose): Promise<Encryption | undefined> {
  const { given, io } = call;
  const files = { passphrase: given.text(`${whose}passphrase-file`), key: given.text(`${whose}key-file`) };
  const [passphraseVariable, keyVariable] = variables(whose);
  if (files.passphrase !== undefined && files.key !== undefined) {
    throw new UsageError(`give --${whose}passphrase-file or --${whose}key-file, not both`);
  }
  if (files.passphrase !== undefined) {
    return { passphrase: passphraseIn(await readFileNamed(io, files.passphrase), files.passphrase) };
  }
  if (files.key !== undefined) return { key: keyIn(await readFileNamed(io, files.key), files.key) };
  const passphrase = io.env(passphraseVariable) || undefined;
  const key = io.env(keyVariable) || undefined;
  if (passphrase !== undefined && key !== undefined) {
    throw new UsageError(`${passphraseVariable} and ${keyVariable} are both set; unset one of them`);
  }
  // As a file's: secret stores and shells put a line break behind it, or take it away.
  if (passphrase !== undefined) return { passphrase: passphraseIn(Buffer.from(passphrase), passphraseVariable) };
  return key === undefined ? undefined : { key: keyIn(Buffer.from(key), keyVariable) };
}

/** Asks for the passphrase of something that is encrypted; undefined where nobody can be asked. */
export async function askPassphrase({ io }: Call, name: string): Promise<Encryption | undefined> {
  if (!canAsk(io)) return undefined;
  return { passphrase: filled(await ask(io, `Passphrase of ${name}: `, { hidden: true })) };
}

/** The secret for something new: as given, or typed twice. */
export async function newSecret(call: Call, whose: Whose, name: string): Promise<Encryption> {
  const secret = await givenSecret(call, whose);
  if (secret !== undefined) return secret;
  const { io } = call;
  if (!canAsk(io)) {
    const [passphrase] = variables(whose);
    throw new UsageError(
      `no passphrase for ${name}: give --${whose}passphrase-file or --${whose}key-file, or set ${passphrase}`,
    );
  }
  const passphrase = filled(await ask(io, `New passphrase of ${name}: `, { hidden: true }));
  if (await ask(io, "The same again: ", { hidden: true }) !== passphrase) {
    throw new UsageError("the two passphrases differ; nothing was done");
  }
  return { passphrase };
}

function variables(whose: Whose): readonly [passphrase: string, key: string] {
  const middle = whose.toUpperCase().replace("-", "_");
  return [`HOLDFAST_${middle}PASSPHRASE`, `HOLDFAST_${middle}KEY`];
}

/** All of the file but one line break at its end, which editors add. */
function passphraseIn(bytes: Uint8Array, path: string): string {
  const text = textOf(bytes)?.replace(/\r?\n$/, "");
  if (text === undefined) throw new UsageError(`${path} holds no passphrase: it is not UTF-8`);
  if (text === "") throw new UsageError(`${path} holds no passphrase: it is empty`);
  return text;
}

function keyIn(bytes: Uint8Array, where: string): Uint8Array {
  if (bytes.length === KEY_BYTES) return new Uint8Array(bytes);
  const text = textOf(bytes)?.trim() ?? "";
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, "hex"));
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return new Uint8Array(Buffer.from(text, "base64"));
  throw new UsageError(`${where} holds no key: a key is 32 bytes, as they are, as 64 hex digits or as base64`);
}

const KEY_BYTES = 32;

function filled(passphrase: string): string {
  if (passphrase === "") throw new UsageError("an empty passphrase protects nothing; nothing was done");
  return passphrase;
}
