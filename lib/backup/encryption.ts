/**
 * The secret that opens an encrypted repository, as callers give it.
 *
 * @module
 */
import { type CheckedOptions, checkOptions } from "../base/options.ts";
import type { Secret } from "../format/repository/key_ring.ts";

/** What opens an encrypted repository: a passphrase, or a key of 32 random bytes. */
export type Encryption = { passphrase: string } | { key: Uint8Array };

const KEY_BYTES = 32;

/** Checks the option `encryption` of a call. What is wrong with it is told without a word of what it holds. */
export function encryptionOption(call: string, options: CheckedOptions, name = "encryption"): Secret | undefined {
  const given = options[name];
  if (given === undefined) return undefined;
  return checkEncryption(`${call}: option "${name}"`, given);
}

/** Checks a secret. */
export function checkEncryption(what: string, given: unknown): Secret {
  if (typeof given !== "object" || given === null) {
    throw new TypeError(`${what} must be { passphrase } or { key }`);
  }
  const { passphrase, key } = checkOptions(what, given, ["passphrase", "key"]);
  if ((passphrase === undefined) === (key === undefined)) {
    throw new TypeError(`${what} must have either a passphrase or a key`);
  }
  if (passphrase !== undefined) {
    if (typeof passphrase !== "string" || passphrase === "" || !passphrase.isWellFormed()) {
      throw new TypeError(`${what}: the passphrase must be a string that is not empty`);
    }
    return { passphrase };
  }
  if (!(key instanceof Uint8Array)) throw new TypeError(`${what}: the key must be bytes (a Uint8Array)`);
  if (key.length !== KEY_BYTES) {
    throw new RangeError(`${what}: the key must have ${KEY_BYTES} bytes, not ${key.length}`);
  }
  return { key: key.slice() };
}
