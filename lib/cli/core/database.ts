/**
 * Opening databases for a command.
 *
 * @module
 */
import { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import type { KeyRange, ListRange } from "../../db/data/ranges.ts";
import type { KeySpace } from "../../db/key_space.ts";
import type { OpenOptions } from "../../db/options.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import type { Call } from "./command.ts";
import type { ArgumentSpec, OptionSpec } from "./option_spec.ts";
import { UsageError } from "./exit_code.ts";
import { KEY_AS, LITERAL, readKey } from "./forms.ts";
import { expectKind } from "./places.ts";

/** The first word of most commands. */
export const DATABASE: ArgumentSpec = {
  name: "DB",
  help: "the database's directory",
  kind: "path",
  takes: "a database",
};

/** Which key space. */
export const NAMESPACE: OptionSpec = {
  name: "namespace",
  short: "n",
  kind: "text",
  value: "NAME",
  many: true,
  help: "work in this namespace; of nested ones name each, the outermost first",
};

/** Which keys. */
export const RANGE_OPTIONS: readonly OptionSpec[] = [
  { name: "prefix", short: "p", kind: "text", value: "KEY", help: "only keys that begin with this" },
  { name: "start", kind: "text", value: "KEY", help: "from this key on" },
  { name: "end", kind: "text", value: "KEY", help: "up to before this key" },
];

/** How keys and the words for them are read. */
export const KEY_OPTIONS: readonly OptionSpec[] = [NAMESPACE, KEY_AS, LITERAL];

/** When a write counts as done. */
export const DURABILITY: OptionSpec = {
  name: "durability",
  kind: "choice",
  choices: ["commit", "interval"],
  help: "commit waits until the disk has it; interval only until the system has",
};

/** Makes what is not there. */
export const CREATE: OptionSpec = { name: "create", kind: "flag", help: "make the database when there is none" };

/** How keys look in what is made. */
export const KEY_ENCODING: OptionSpec = {
  name: "key-encoding",
  kind: "choice",
  choices: ["utf8", "bytes"],
  help: "what keys are in a database or namespace that is made: text unless given",
};

/** Opens a database for reading, also beside a program that writes to it. */
export async function openToRead(call: Call, path: string): Promise<DB<Key>> {
  await expectKind(call, path, "a database");
  const { io } = call;
  return await DB.open<Key>(localPath(path), {
    readOnly: true,
    createIfMissing: false,
    signal: io.signal,
    clock: io.now,
    fileSystem: io.fileSystem,
  });
}

/** Opens a database for writing; only with `--create` it is made. */
export async function openToWrite(call: Call, path: string): Promise<DB<Key>> {
  await expectKind(call, path, "a database");
  const { io, given } = call;
  const create = given.has("create") && given.flag("create");
  const keyEncoding = create ? given.choice<KeyEncoding>("key-encoding") : undefined;
  const options: OpenOptions = { createIfMissing: create, signal: io.signal, clock: io.now, fileSystem: io.fileSystem };
  // What is there already keeps its encoding; the option then concerns a namespace that is made.
  if (keyEncoding !== undefined && !await DB.exists(path, { fileSystem: io.fileSystem })) {
    options.keyEncoding = keyEncoding;
  }
  return await DB.open<Key>(localPath(path), options);
}

/** A path that may stand for a database. */
export function localPath(path: string): string {
  if (path === ":memory:") throw new UsageError("a database in memory is gone with the command; give a directory");
  return path;
}

/** The key space that `--namespace` names. */
export function keySpace(
  { given }: Call,
  db: DB<Key>,
): { space: KeySpace<Key>; encoding: KeyEncoding; path: string[] } {
  const path = given.list("namespace");
  const wanted = given.has("key-encoding") ? given.choice<KeyEncoding>("key-encoding") : undefined;
  let space: DB<Key> | ReturnType<DB<Key>["namespace"]> = db;
  for (const [index, name] of path.entries()) {
    const options = index === path.length - 1 && wanted !== undefined ? { keyEncoding: wanted } : undefined;
    space = (space as DB<Key>).namespace<Key>(name, options) as ReturnType<DB<Key>["namespace"]>;
  }
  return { space: space as KeySpace<Key>, encoding: space.keyEncoding, path };
}

/** The range that the options name; `given` nothing: everything. */
export async function rangeOf(call: Call, encoding: KeyEncoding): Promise<KeyRange<Key>> {
  const range: KeyRange<Key> = {};
  for (const name of ["prefix", "start", "end"] as const) {
    const word = call.given.text(name);
    if (word !== undefined) range[name] = await readKey(call, word, encoding);
  }
  return range;
}

/** As `rangeOf`, with the tags. */
export async function listRangeOf(call: Call, encoding: KeyEncoding): Promise<ListRange<Key>> {
  const tag = call.given.list("tag");
  return { ...await rangeOf(call, encoding), ...(tag.length === 0 ? {} : { tag }) };
}
