/**
 * Redis, and what speaks its protocol (Valkey, KeyDB), as a source.
 *
 * Keys come in pages of `SCAN`. Its cursor is valid for as long as the server runs, so a position is the cursor and the
 * server's `run_id`; after a restart of the server the reading begins anew, which writes the same once more, as it does with
 * a server that tells no `run_id`. `SCAN` may give a key twice, and gives each that is there all the time.
 *
 * @module
 */
import { isText } from "../../base/bytes.ts";
import { checkOptions, choiceOption, stringOption } from "../../base/options.ts";
import type { Storable } from "../../db/data/values.ts";
import { unreadable } from "./errors.ts";
import { commandsOf, type IoRedisLike, type NodeRedisLike, type SendCommand, textOf } from "./redis_client.ts";
import { connectRedis } from "./redis_package.ts";
import {
  itemOf,
  type MigrationSource,
  plainBytes,
  type SourceItem,
  Unsupported,
  VALUE_FORMS,
  type ValueForm,
  valueOfBytes,
} from "./source.ts";

/** Options of `fromRedis`. */
export interface RedisSourceOptions {
  /** Only keys that fit this pattern, as `SCAN` has it: `"user:*"`. Default: all. */
  match?: string | undefined;
  /** What strings are; see `fromLevel`. Default: `"text"`. */
  values?: ValueForm | undefined;
  /** What the target remembers it by. Needed with a client; an address is remembered without its secrets. */
  id?: string | undefined;
}

/** Keys asked for at once. */
const PAGE = "256";
/** Values asked for at once. More would keep a server no busier, and each may have hundreds of MiB. */
const VALUES_AT_ONCE = 32;

/**
 * The keys of one server and database of Redis: an address (the package `redis` connects; install it beside Holdfast), or a
 * connected client of `redis` or `ioredis`, which stays open.
 *
 * | of Redis | here |
 * |---|---|
 * | string | text, or what `values` says |
 * | hash | JSON, an object of texts |
 * | list | JSON, an array of texts |
 * | set | JSON, an array of texts in order |
 * | sorted set | JSON, an array of `[member, score]` in order of score |
 * | stream, and types of modules | can't be kept |
 *
 * Times of expiry are kept. A member that is no UTF-8 can't be kept, nor with it its key.
 *
 * @example
 * ```ts ignore
 * import { DB } from "@holdfast/db";
 * import { fromRedis, migrate } from "@holdfast/db/migrate";
 *
 * await using db = await DB.open("./data");
 * await migrate(db, fromRedis("redis://localhost:6379/0", { match: "session:*" }));
 * ```
 */
export function fromRedis(
  redis: string | NodeRedisLike | IoRedisLike,
  options?: RedisSourceOptions,
): MigrationSource {
  const checked = checkOptions("fromRedis", options, ["match", "values", "id"]);
  const match = stringOption("fromRedis", checked, "match", undefined);
  const form = choiceOption("fromRedis", checked, "values", "text", VALUE_FORMS);
  const given = stringOption("fromRedis", checked, "id", undefined);
  const isAddress = typeof redis === "string";
  if (!isAddress) commandsOf(redis);
  if (!isAddress && given === undefined) {
    throw new TypeError('fromRedis: a client that is handed in needs option "id", which the target remembers it by');
  }
  const id = (given ?? `redis ${withoutSecrets(redis as string)}`) + (match === undefined ? "" : ` ${match}`);
  return {
    id,
    plan: JSON.stringify({ values: form }),
    async open() {
      const own = isAddress ? await connectRedis(redis, id) : undefined;
      const command = commandsOf(own?.client ?? redis as NodeRedisLike | IoRedisLike);
      const send: SendCommand = async (...args) => {
        try {
          return await command(...args);
        } catch (cause) {
          throw unreadable(id, own?.failure() ?? cause);
        }
      };
      // Not by waiting for answers: they may be what has not come.
      const close = async (): Promise<void> => own?.client.destroy();
      try {
        const run = /^run_id:(\w+)/m.exec(textOf(await send("INFO", "server")))?.[1] ?? "";
        return {
          total: match === undefined ? Number(await send("DBSIZE")) : undefined,
          entries: (_encoding, after) => pages({ send, match, form, run }, after),
          goesOn: (after) => cursorIn(run, after) !== undefined,
          close,
        };
      } catch (error) {
        await close();
        throw error;
      }
    },
  };
}

/** The address as it may be kept and shown. */
function withoutSecrets(address: string): string {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new TypeError('fromRedis: the address is no URL, such as "redis://localhost:6379/0"');
  }
  if (!/^rediss?:$/.test(url.protocol)) {
    throw new TypeError(`fromRedis: the address must begin with redis:// or rediss://, not ${url.protocol}//`);
  }
  return `${url.hostname}:${url.port || 6379}/${url.pathname.slice(1) || 0}`;
}

interface Server {
  send: SendCommand;
  match: string | undefined;
  form: ValueForm;
  run: string;
}

/** The cursor of a position, if it is of this run of the server. */
function cursorIn(run: string, position: string): string | undefined {
  const [sameRun, cursor] = position.split(" ");
  return sameRun === run ? cursor : undefined;
}

async function* pages(server: Server, after: string | undefined): AsyncGenerator<SourceItem, void> {
  const { send, match, run } = server;
  let cursor = cursorIn(run, after ?? "") ?? "0";
  const pattern = match === undefined ? [] : ["MATCH", match];
  do {
    const [next, keys] = await send("SCAN", cursor, ...pattern, "COUNT", PAGE) as [unknown, Uint8Array[]];
    cursor = textOf(next);
    let last: SourceItem | undefined;
    for (let at = 0; at < keys.length; at += VALUES_AT_ONCE) {
      const some = keys.slice(at, at + VALUES_AT_ONCE);
      for (const item of await Promise.all(some.map((key) => itemAt(server, plainBytes(key))))) {
        if (item === undefined) continue;
        if (last !== undefined) yield last;
        last = item;
      }
    }
    if (last === undefined) continue;
    // Behind the last key of a page one can go on, but after the last page, and where a server doesn't say which run of it
    // a cursor is of: in another one it would pass over keys.
    yield cursor === "0" || run === "" ? last : { ...last, position: `${run} ${cursor}` };
  } while (cursor !== "0");
}

/** What is at a key; undefined when it has gone meanwhile. */
async function itemAt(server: Server, key: Uint8Array): Promise<SourceItem | undefined> {
  const [type, left] = await Promise.all([server.send("TYPE", key), server.send("PTTL", key)]);
  const asked = Date.now();
  const ms = Number(left);
  if (textOf(type) === "none" || ms === -2) return undefined;
  const read = await valueAt(server, textOf(type), key);
  if (read === undefined) return undefined;
  return itemOf(undefined, key, () => {
    const { value, bytes } = read();
    return { key, value, bytes: key.length + bytes, ...(ms < 0 ? {} : { expiresAt: asked + ms }) };
  });
}

type Read = () => { value: Storable; bytes: number };

/**
 * Asks for the value; what it becomes is decided by the function that is returned. Undefined when it has expired or was
 * deleted since its type was asked for: nothing there has no members.
 */
async function valueAt({ send, form }: Server, type: string, key: Uint8Array): Promise<Read | undefined> {
  switch (type) {
    case "string": {
      const bytes = await send("GET", key) as Uint8Array | null;
      if (bytes === null) return undefined;
      return () => ({ value: valueOfBytes(bytes, form), bytes: bytes.length });
    }
    case "list": {
      const items = await send("LRANGE", key, "0", "-1") as Uint8Array[];
      if (items.length === 0) return undefined;
      return () => ({ value: items.map(member), bytes: sum(items) });
    }
    case "hash": {
      const fields = await scanned(send, "HSCAN", key);
      if (fields.length === 0) return undefined;
      return () => {
        const value: Record<string, string> = {};
        for (let i = 0; i < fields.length; i += 2) {
          // Also a field named __proto__ is one of its own.
          const property = { value: member(fields[i + 1]!), enumerable: true, writable: true, configurable: true };
          Object.defineProperty(value, member(fields[i]!), property);
        }
        return { value, bytes: sum(fields) };
      };
    }
    case "set": {
      const members = await scanned(send, "SSCAN", key);
      if (members.length === 0) return undefined;
      return () => ({ value: [...new Set(members.map(member))].sort(), bytes: sum(members) });
    }
    case "zset": {
      const pairs = await scanned(send, "ZSCAN", key);
      if (pairs.length === 0) return undefined;
      return () => {
        const scores = new Map<string, number>();
        for (let i = 0; i < pairs.length; i += 2) scores.set(member(pairs[i]!), score(pairs[i + 1]!));
        const value = [...scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
        return { value, bytes: sum(pairs) };
      };
    }
  }
  return () => {
    throw new Unsupported(`it is of type ${type}, which has no counterpart here`);
  };
}

/** All that a command of the kind of `HSCAN` gives of a key. */
async function scanned(send: SendCommand, command: string, key: Uint8Array): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  let cursor = "0";
  do {
    const [next, part] = await send(command, key, cursor, "COUNT", "1000") as [unknown, Uint8Array[]];
    for (const each of part) found.push(each);
    cursor = textOf(next);
  } while (cursor !== "0");
  return found;
}

function member(bytes: Uint8Array): string {
  if (!isText(bytes)) throw new Unsupported("a member of it is no UTF-8, and JSON holds no bytes");
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function score(answer: unknown): number {
  const text = textOf(answer);
  const value = Number(text);
  if (Number.isFinite(value)) return value;
  throw new Unsupported(`a score of it is ${text}, which JSON can't hold`);
}

function sum(parts: readonly Uint8Array[]): number {
  return parts.reduce((bytes, part) => bytes + part.length, 0);
}
