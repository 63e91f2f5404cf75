/**
 * Which part of the contents a backup or restore is about.
 *
 * @module
 */
import { encodeText } from "../base/bytes.ts";
import { type CheckedOptions, describeValue, stringOption } from "../base/options.ts";

/** A part of the contents. */
export interface Selection {
  /** undefined: all. [] with a prefix: the root alone. */
  namespace: readonly string[] | undefined;
  /** Keys begin with this. */
  prefix: Uint8Array | undefined;
}

/** Checks the options `prefix` and `namespace`. */
export function checkSelection(call: string, options: CheckedOptions): Selection {
  const prefix = options["prefix"];
  if (prefix !== undefined && typeof prefix !== "string" && !(prefix instanceof Uint8Array)) {
    throw new TypeError(`${call}: option "prefix" must be a string or bytes, not ${describeValue(prefix)}`);
  }
  if (prefix?.length === 0) throw new TypeError(`${call}: option "prefix" must not be empty`);
  if (typeof prefix === "string" && !prefix.isWellFormed()) {
    throw new TypeError(`${call}: option "prefix" holds half of a surrogate pair`);
  }
  const given = options["namespace"];
  const single = typeof given === "string" ? stringOption(call, options, "namespace", undefined) : undefined;
  const path = single === undefined ? given : [single];
  if (
    path !== undefined && (!Array.isArray(path) || path.length === 0 ||
      path.some((name) => typeof name !== "string" || name === "" || !name.isWellFormed()))
  ) {
    throw new TypeError(`${call}: option "namespace" must be a name or an array of names, not ${describeValue(given)}`);
  }
  const bytes = typeof prefix === "string" ? encodeText(prefix) : prefix?.slice();
  return { namespace: path === undefined ? (prefix === undefined ? undefined : []) : [...path], prefix: bytes };
}

/** Whether a selection leaves anything out. */
export function isSelective(selection: Selection): boolean {
  return selection.namespace !== undefined || selection.prefix !== undefined;
}

/** Whether an entry is part of a selection. */
export function isSelected(selection: Selection, namespace: readonly string[], key: Uint8Array): boolean {
  const { namespace: wanted, prefix } = selection;
  if (wanted !== undefined) {
    if (prefix !== undefined ? namespace.length !== wanted.length : namespace.length < wanted.length) return false;
    for (let i = 0; i < wanted.length; i++) if (namespace[i] !== wanted[i]) return false;
  }
  if (prefix === undefined) return true;
  if (key.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (key[i] !== prefix[i]) return false;
  return true;
}

/** Whether entries of a namespace can be part of a selection at all. */
export function isNamespaceSelected(selection: Selection, namespace: readonly string[]): boolean {
  return isSelected({ namespace: selection.namespace, prefix: undefined }, namespace, new Uint8Array(0)) &&
    (selection.prefix === undefined || namespace.length === selection.namespace!.length);
}
