/**
 * `get`, `set`, `delete`.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Value } from "../../db/data/values.ts";
import type { SetOptions } from "../../db/writing/write_options.ts";
import type { Durability } from "../../engine/types.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import type { OptionSpec } from "../core/option_spec.ts";
import {
  CREATE,
  DATABASE,
  DURABILITY,
  KEY_ENCODING,
  KEY_OPTIONS,
  keySpace,
  openToRead,
  openToWrite,
  RANGE_OPTIONS,
  rangeOf,
} from "../core/database.ts";
import { CommandFailure, UsageError } from "../core/exit_code.ts";
import { FORMS_HELP, readKey, readValue, VALUE_AS, type ValueForm } from "../core/forms.ts";
import { confirm } from "../core/prompt.ts";
import { hex, showKey } from "../output/entries.ts";
import { showCounted, showTime } from "../output/figures.ts";
import { base64, entryJson, textOf } from "../output/json.ts";

/** Goes ahead without a question. */
export const YES: OptionSpec = { name: "yes", short: "y", kind: "flag", help: "do it without asking" };

/** The options of a write that belong to an entry. */
export const ENTRY_OPTIONS: readonly OptionSpec[] = [
  { name: "tag", short: "t", kind: "text", value: "TAG", many: true, help: "give it a tag" },
  { name: "expire-in", kind: "duration", help: "let it vanish after this time" },
  { name: "expires-at", kind: "time", help: "let it vanish at this time" },
];

/** What a write of entries is told. */
export function entryOptions({ given, io }: Call): Omit<SetOptions, "durability"> {
  const [tags, expireIn, expiresAt] = [given.list("tag"), given.number("expire-in"), given.number("expires-at")];
  if (expireIn !== undefined && expiresAt !== undefined) {
    throw new UsageError("give --expire-in or --expires-at, not both");
  }
  return {
    ...(tags.length === 0 ? {} : { tags }),
    // From now on, and not from when a large file was read.
    ...(expireIn === undefined ? {} : { expiresAt: io.now() + expireIn }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}

/** The durability asked for. */
export function durabilityOf({ given }: Call): { durability?: Durability } {
  const durability = given.choice<Durability>("durability");
  return durability === undefined ? {} : { durability };
}

/** `get` */
export const get: CommandSpec = {
  name: "get",
  summary: "Print the value at a key",
  details:
    `${FORMS_HELP}\n\nText and JSON are printed with a line break at the end, bytes as they are. A key that is not there is a ` +
    "failure (exit code 1).",
  group: "Entries",
  args: [DATABASE, { name: "KEY", help: "the key", kind: "text" }],
  options: [
    { ...VALUE_AS, choices: ["text", "json", "base64", "hex"], help: "how to print it: as it was stored unless given" },
    { name: "raw", kind: "flag", help: "exactly the bytes that are stored: no line break, JSON as it was written" },
    ...KEY_OPTIONS,
  ],
  examples: [
    { line: "get ./data user/1", does: "print a value" },
    { line: "get ./data user/1 --json", does: "print the entry with version, time, tags and expiry" },
    { line: "get ./data logo --raw > logo.png", does: "write bytes to a file" },
  ],
  async run(call) {
    const { out, given } = call;
    const [path = "", word = ""] = call.words;
    await using db = await openToRead(call, path);
    const { space, encoding, path: namespace } = keySpace(call, db);
    const key = await readKey(call, word, encoding);
    const entry = await space.getEntry<Value>(key);
    if (entry === undefined) throw new CommandFailure(`there is no entry at ${showKey(key)}`);
    const form = given.choice<ValueForm>("as");
    const raw = given.flag("raw");
    if (raw && (form !== undefined || out.json)) throw new UsageError("--raw goes with neither --as nor --json");
    if (out.json) {
      if (form !== undefined) throw new UsageError("give --json or --as, not both");
      return await out.result(entryJson(entry, namespace), () => {});
    }
    await out.write(printed(entry.value, form, raw, out.isTerminal));
  },
};

/** A value as it is asked for. */
function printed(value: Value, form: ValueForm | undefined, raw: boolean, terminal: boolean): string | Uint8Array {
  const isBytes = value instanceof Uint8Array;
  if (isBytes && (raw || form === undefined)) {
    if (!terminal) return value;
    throw new UsageError(
      "the value is bytes, which a terminal can't show; give --as hex or base64, or write them to a file",
    );
  }
  const text = isBytes ? undefined : typeof value === "string" ? value : JSON.stringify(value);
  if (raw) return text!;
  const bytes = isBytes ? value : new TextEncoder().encode(text);
  if (form === "base64") return `${base64(bytes)}\n`;
  if (form === "hex") return `${hex(bytes)}\n`;
  if (form === "json") {
    if (isBytes) throw new UsageError("the value is bytes and not JSON; give --as base64 or hex");
    return `${JSON.stringify(value)}\n`;
  }
  if (text !== undefined) return `${text}\n`;
  const decoded = textOf(bytes);
  if (decoded === undefined) throw new UsageError("the value is bytes that are no text; give --as base64 or hex");
  return `${decoded}\n`;
}

/** `set` */
export const set: CommandSpec = {
  name: "set",
  summary: "Set a key to a value",
  details: `${FORMS_HELP}\n\nTags and expiry of before are cleared unless they are given again.`,
  group: "Entries",
  args: [
    DATABASE,
    { name: "KEY", help: "the key", kind: "text" },
    { name: "VALUE", help: "the value: text, @FILE or -", kind: "text" },
  ],
  options: [VALUE_AS, ...ENTRY_OPTIONS, DURABILITY, CREATE, KEY_ENCODING, ...KEY_OPTIONS],
  examples: [
    { line: "set ./data greeting 'good morning' --create", does: "store a text, in a new database" },
    { line: `set ./data user/1 '{"name":"Ada"}' --as json --tag admin`, does: "store JSON, with a tag" },
    { line: "set ./data logo @logo.png --as bytes", does: "store a file as bytes" },
    { line: "set ./data session/7 - --expire-in 1h < token", does: "store what comes in, for an hour" },
  ],
  async run(call) {
    const [path = "", word = "", text = ""] = call.words;
    const options = { ...entryOptions(call), ...durabilityOf(call) };
    const value = await readValue(call, text);
    await using db = await openToWrite(call, path);
    const { space, encoding } = keySpace(call, db);
    const key = await readKey(call, word, encoding);
    const commit = await space.set(key, value, options);
    await call.out.result(commit, () => call.out.note(`set ${showKey(key)} (version ${commit.version})`));
  },
};

/** `delete` */
export const remove: CommandSpec = {
  name: "delete",
  summary: "Delete keys, a range of them, or everything",
  details: `${FORMS_HELP}\n\nA key that is not there is fine. A range, and --all, are asked about first.`,
  group: "Entries",
  args: [DATABASE, { name: "KEY", help: "the keys", kind: "text", optional: true, many: true }],
  options: [
    ...RANGE_OPTIONS,
    { name: "all", kind: "flag", help: "delete everything, the namespaces inside too" },
    YES,
    DURABILITY,
    ...KEY_OPTIONS,
  ],
  examples: [
    { line: "delete ./data user/1 user/2", does: "delete two keys" },
    { line: "delete ./data --prefix session/ --yes", does: "delete all keys of a prefix, without a question" },
  ],
  async run(call) {
    const { given, out } = call;
    const [path = "", ...words] = call.words;
    const keys = words.filter((word) => word !== undefined);
    const wantsRange = ["prefix", "start", "end"].some((name) => given.text(name) !== undefined);
    const all = given.flag("all");
    if ([keys.length > 0, wantsRange, all].filter(Boolean).length !== 1) {
      throw new UsageError("give keys, or a range (--prefix, --start, --end), or --all");
    }
    await using db = await openToWrite(call, path);
    const { space, encoding, path: namespace } = keySpace(call, db);
    const options = durabilityOf(call);
    if (keys.length > 0) {
      const operation = space.atomic();
      // The database is ours, so what is there now is there when they are deleted.
      const there = new Set<string>();
      for (const word of keys) {
        const key = await readKey(call, word, encoding);
        if (await space.has(key)) there.add(typeof key === "string" ? key : hex(key));
        operation.delete(key);
      }
      const commit = await operation.commit(options);
      if (!commit.ok) throw new CommandFailure("the deletion was not committed");
      const { version, timestamp } = commit;
      return await out.result(
        { version, timestamp, count: there.size },
        () => out.note(`deleted ${showCounted(there.size, "key")} (version ${version})`),
      );
    }
    const range = await rangeOf(call, encoding);
    // As a rule a variable of a script, a file or standard input should have held it.
    const [empty] = Object.entries(range).find(([, key]) => key?.length === 0) ?? [];
    if (empty !== undefined) throw new UsageError(`--${empty} is empty; what deletes all keys is --all`);
    const count = await space.count(all ? {} : range, { signal: call.io.signal });
    const where = namespace.length === 0 ? path : `namespace ${namespace.join(" / ")} of ${path}`;
    const what = all
      ? `Delete everything in ${where} (${showCounted(count, "entry", "entries")} and all namespaces inside)?`
      : `Delete ${showCounted(count, "entry", "entries")} (${bounds(range)}) in ${where}?`;
    await confirm(call, what);
    const commit = all ? await space.clear(options) : await space.deleteRange(range, options);
    await out.result(
      { ...commit, count },
      () =>
        out.note(
          `deleted ${showCounted(count, "entry", "entries")} (version ${commit.version}, ${
            showTime(commit.timestamp)
          })`,
        ),
    );
  },
};

function bounds(range: { prefix?: Key | undefined; start?: Key | undefined; end?: Key | undefined }): string {
  return Object.entries(range).map(([name, key]) => `${name} ${showKey(key as Key)}`).join(", ");
}
