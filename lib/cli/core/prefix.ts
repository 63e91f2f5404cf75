/**
 * Which part of a database a backup or restore concerns.
 *
 * @module
 */
import type { Call } from "./command.ts";
import { KEY_AS, LITERAL, readKey } from "./forms.ts";
import type { OptionSpec } from "./option_spec.ts";

/** A part of a database. */
export const SELECTION_OPTIONS: readonly OptionSpec[] = [
  { name: "prefix", short: "p", kind: "text", value: "KEY", help: "only keys that begin with this" },
  {
    name: "namespace",
    short: "n",
    kind: "text",
    value: "NAME",
    many: true,
    help: "only this namespace; of nested ones name each, the outermost first",
  },
  KEY_AS,
  LITERAL,
];

/** The part that the options name. */
export async function selectionOf(call: Call): Promise<{ prefix?: string | Uint8Array; namespace?: string[] }> {
  const { given } = call;
  const word = given.text("prefix");
  const namespace = given.list("namespace");
  // What is written as base64 or hex may be no text; the key space it is for decides.
  const encoding = given.choice<string>("key-as") === undefined || given.text("key-as") === "text" ? "utf8" : "bytes";
  return {
    ...(word === undefined ? {} : { prefix: await readKey(call, word, encoding) }),
    ...(namespace.length === 0 ? {} : { namespace }),
  };
}
