/**
 * `watch`.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import { HistoryGoneError } from "../../base/errors.ts";
import type { Change } from "../../db/watching/change.ts";
import type { CommitRecord } from "../../db/watching/changes.ts";
import type { Key } from "../../db/data/keys.ts";
import type { DB } from "../../db/db.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { DATABASE, KEY_OPTIONS, keySpace, openToRead } from "../core/database.ts";
import { EXIT, UsageError } from "../core/exit_code.ts";
import { readKey } from "../core/forms.ts";
import { codeOf, pause } from "../core/stop.ts";
import { entryJson, jsonLine, keyJson } from "../output/json.ts";

/** Faster than this it would read the log all the time. */
const INTERVAL_MS_MIN = 20;

/** `watch` */
export const watch: CommandSpec = {
  name: "watch",
  summary: "Print changes as lines of JSON, until it is ended",
  details:
    "Each line is one change: set (with the entry), delete, deleteRange (start, end), or reset: read again what you need, the " +
    "log does not reach back so far or the contents were replaced. It reads beside the program that writes, and looks " +
    "for changes every --interval. Expiry is no change.",
  group: "Services",
  args: [DATABASE],
  options: [
    { name: "prefix", short: "p", kind: "text", value: "KEY", help: "only keys that begin with this" },
    { name: "key", short: "k", kind: "text", value: "KEY", many: true, help: "only this key" },
    { name: "all-namespaces", kind: "flag", help: "changes of all namespaces, which their lines name" },
    {
      name: "since",
      kind: "count",
      value: "VERSION",
      help: "begin with what came after this version: now unless given",
    },
    { name: "initial", kind: "flag", help: "print the entries that are there first" },
    { name: "no-follow", kind: "flag", help: "end with the newest change there is" },
    { name: "interval", kind: "duration", help: "how often it looks: 1s unless given" },
    ...KEY_OPTIONS,
  ],
  examples: [
    { line: "watch ./data --prefix order/", does: "follow the orders" },
    { line: "watch ./data --since 1200 --no-follow", does: "all that changed after version 1200" },
  ],
  async run(call) {
    const { given, io, out } = call;
    const { signal } = io;
    const [initial, follow, everywhere] = [
      given.flag("initial"),
      !given.flag("no-follow"),
      given.flag("all-namespaces"),
    ];
    const interval = Math.max(INTERVAL_MS_MIN, given.number("interval") ?? 1000);
    const since = given.number("since");
    await using db = await openToRead(call, call.words[0] ?? "");
    const { space, encoding, path } = keySpace(call, db);
    if (everywhere && (path.length > 0 || initial)) {
      throw new UsageError("--all-namespaces goes with neither --namespace nor --initial");
    }
    if (initial && since !== undefined) throw new UsageError("give --initial or --since, not both");
    const wanted = await wantedOf(call, encoding);
    let version = since ?? db.version;
    if (initial) {
      const entries = space.list(wanted.prefix === undefined ? {} : { prefix: wanted.prefix }, { signal });
      for await (const entry of entries) {
        if (isWanted(wanted, entry.key)) await out.write(jsonLine({ type: "set", ...entryJson(entry, path) }));
      }
    }
    do {
      try {
        await db.refresh();
        for await (const commit of commitsAfter(db, version, signal)) {
          for (const change of commit.changes) {
            if (change.type !== "reset" && !everywhere && (change.namespace ?? []).join("\0") !== path.join("\0")) {
              continue;
            }
            if (concerns(wanted, change)) await out.write(jsonLine(changeJson(change, commit)));
          }
          version = commit.version;
        }
        version = Math.max(version, db.version);
      } catch (error) {
        if (error !== signal.reason || !signal.aborted) throw error;
      }
    } while (follow && await pause(interval, signal));
    return signal.aborted ? codeOf(signal) : EXIT.done;
  },
};

/** The commits after a version; where the log does not reach back that far, one that says so. */
async function* commitsAfter(db: DB<Key>, since: number, signal: AbortSignal): AsyncGenerator<CommitRecord> {
  const reset = (): CommitRecord => {
    const { version, timestamp } = db;
    return { version, timestamp, changes: [{ type: "reset", version }] };
  };
  // The directory may hold another history by now: what a restore put there can be older.
  if (since > db.version) return yield reset();
  try {
    yield* db.changes({ since, signal });
  } catch (error) {
    if (!(error instanceof HistoryGoneError)) throw error;
    yield reset();
  }
}

interface Wanted {
  prefix: Key | undefined;
  keys: Key[];
}

async function wantedOf(call: Call, encoding: "utf8" | "bytes"): Promise<Wanted> {
  const { given } = call;
  const prefix = given.text("prefix");
  const keys: Key[] = [];
  for (const word of given.list("key")) keys.push(await readKey(call, word, encoding));
  if (prefix !== undefined && keys.length > 0) throw new UsageError("give --prefix or --key, not both");
  return { prefix: prefix === undefined ? undefined : await readKey(call, prefix, encoding), keys };
}

function concerns(wanted: Wanted, { type, key, start, end }: Change<Key>): boolean {
  if (type === "reset") return true;
  if (type !== "deleteRange") return isWanted(wanted, key!);
  const { prefix, keys } = wanted;
  if (prefix === undefined && keys.length === 0) return true;
  const inside = (each: Key): boolean =>
    (start === undefined || compare(each, start) >= 0) && (end === undefined || compare(each, end) < 0);
  // A range meets a prefix when it begins inside of it, or holds its beginning.
  return keys.some(inside) ||
    (prefix !== undefined && (inside(prefix) || (start !== undefined && begins(start, prefix))));
}

function isWanted({ prefix, keys }: Wanted, key: Key): boolean {
  if (keys.length > 0) return keys.some((each) => compare(each, key) === 0);
  return prefix === undefined || begins(key, prefix);
}

function bytes(key: Key): Uint8Array {
  return typeof key === "string" ? new TextEncoder().encode(key) : key;
}

function begins(key: Key, prefix: Key): boolean {
  if (typeof key === "string" && typeof prefix === "string") return key.startsWith(prefix);
  const [long, short] = [bytes(key), bytes(prefix)];
  return long.length >= short.length && compareBytes(long.subarray(0, short.length), short) === 0;
}

function compare(a: Key, b: Key): number {
  return compareBytes(bytes(a), bytes(b));
}

function changeJson({ type, key, start, end, entry, namespace, version }: Change<Key>, commit: CommitRecord): unknown {
  if (type === "set") return { type, ...entryJson({ ...entry!, timestamp: commit.timestamp }, namespace) };
  // In the form that keys have: a bound that is no text has a field that says so.
  const bound = (name: string, each: Key | undefined): Record<string, unknown> => {
    if (each === undefined) return {};
    const { key: written, keyEncoding } = keyJson(each);
    return { [name]: written, ...(keyEncoding === undefined ? {} : { [`${name}Encoding`]: keyEncoding }) };
  };
  return {
    type,
    ...(key === undefined ? {} : keyJson(key)),
    ...bound("start", start),
    ...bound("end", end),
    ...(namespace === undefined ? {} : { namespace }),
    version,
    timestamp: commit.timestamp,
  };
}
