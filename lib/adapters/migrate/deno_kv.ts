/**
 * Files of Deno KV as sources. They are SQLite: a table `kv` with the key's bytes, the value, how the value is written, and
 * when it expires. Reading the file instead of asking `Deno.openKv` is what keeps the times of expiry, which that can't tell.
 *
 * ```
 * v_encoding   1: as V8 clones values        2: a KvU64, 8 bytes little-endian        3: bytes
 * ```
 *
 * Only V8 reads what V8 wrote, and only one as new as the one that wrote: the second byte of a value is the version of its
 * form. Deno reads its own; Node does where its V8 knows that version, and otherwise says so; Bun has no V8.
 *
 * @module
 */
import { resolve } from "node:path";
import { deserialize, serialize } from "node:v8";
import { toHex } from "../../base/bytes.ts";
import { pathOf } from "../../base/options.ts";
import { decodeKey } from "../kv/keys.ts";
import { loadStructuredCodec } from "../kv/structured.ts";
import { KvU64 } from "../kv/u64.ts";
import { toStored } from "../kv/values.ts";
import { tuple, type TuplePart } from "../typed/tuple.ts";
import { MigrationError } from "./errors.ts";
import { bytesOfHex, itemOf, type MigrationSource, plainBytes, Unsupported } from "./source.ts";
import { openSqliteFile, type SqlRow } from "./sqlite_file.ts";

const V8 = 1n;
const U64 = 2n;
const BYTES = 3n;

/** Messages to be delivered, and those whose delivery was under way. */
const WAITING = "select id from queue union all select id from queue_running";

/** What V8's form begins with. */
const V8_MARK = 0xff;

/**
 * A file of Deno KV, as `Deno.openKv(path)` makes it. In a database of byte keys the entries are what `@holdfast/db/kv`
 * reads as a KV; where keys are text they are those of `tuple` of `@holdfast/db/typed`. Values, `KvU64` included, and times
 * of expiry are kept; messages that wait in the file's queue can't be, and are told.
 *
 * It needs the package `devalue`, and a runtime that reads what Deno wrote: Deno itself, to be sure. `MigrationError` where
 * it can't.
 *
 * @example
 * ```ts ignore
 * import { DB } from "@holdfast/db";
 * import { openKv } from "@holdfast/db/kv";
 * import { fromDenoKv, migrate } from "@holdfast/db/migrate";
 *
 * {
 *   await using db = await DB.open("./data", { keyEncoding: "bytes" });
 *   await migrate(db, fromDenoKv("./data.sqlite"));
 * }
 * await using kv = await openKv("./data");
 * console.log(await kv.get(["users", "ada"]));
 * ```
 */
export function fromDenoKv(path: string | URL): MigrationSource {
  const place = resolve(pathOf("fromDenoKv", path));
  const id = `deno-kv ${place}`;
  return {
    id,
    async open() {
      const codec = await loadStructuredCodec("read the source");
      const file = await openSqliteFile(place, id);
      if (file.first("select 1 from sqlite_master where name = 'kv' and sql like '%v_encoding%'") === undefined) {
        file.close();
        throw new MigrationError(
          `Cannot read ${id}: it is SQLite, but no file of Deno KV; for a table of it, name the table (MIGRATION)`,
          {
            source: id,
          },
        );
      }
      return {
        total: Number(file.first(`select (select count(*) from kv) + (select count(*) from (${WAITING})) as n`)?.["n"]),
        async *entries(encoding, after) {
          const from = after === undefined ? new Uint8Array() : bytesOfHex(after);
          const columns = "k, v, v_encoding, expiration_ms";
          for (const row of file.rows(`select ${columns} from kv where k > ? order by k`, from)) {
            const bytes = plainBytes(row["k"] as Uint8Array);
            yield itemOf(toHex(bytes), shownKey(bytes), () => {
              const expires = Number(row["expiration_ms"] ?? -1n);
              return {
                key: encoding === "bytes" ? bytes : tuple.encode(partsOf(bytes)),
                value: toStored(codec, valueOf(row, id)),
                bytes: bytes.length + (row["v"] as Uint8Array).length,
                ...(expires > 0 ? { expiresAt: expires } : {}),
              };
            });
          }
          for (const { id: message } of file.rows(`${WAITING} order by id`)) {
            const unsupported = "it is a message that waits in the queue; let Deno deliver it first";
            yield { shown: `message ${String(message)}`, unsupported };
          }
        },
        close: async () => file.close(),
      };
    },
  };
}

function partsOf(bytes: Uint8Array): TuplePart[] {
  try {
    return decodeKey(bytes) as TuplePart[];
  } catch {
    throw new Unsupported("its key is none of Deno KV");
  }
}

function shownKey(bytes: Uint8Array): unknown {
  try {
    return decodeKey(bytes);
  } catch {
    return bytes;
  }
}

function valueOf(row: SqlRow, source: string): unknown {
  const bytes = plainBytes(row["v"] as Uint8Array);
  switch (row["v_encoding"]) {
    case BYTES:
      return bytes;
    case U64:
      return new KvU64(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
    case V8:
      try {
        return deserialize(bytes);
      } catch (cause) {
        assertReadable(bytes, source, cause);
        throw new Unsupported(`V8 can't read its value: ${(cause as Error).message}`);
      }
  }
  throw new Unsupported(`its value is written in a way that is not known (${String(row["v_encoding"])})`);
}

/** Ends it all where this runtime can't read such values: none of them would come through. */
function assertReadable(bytes: Uint8Array, source: string, cause: unknown): void {
  const own = serialize(null);
  const isV8 = own[0] === V8_MARK;
  if (bytes[0] !== V8_MARK || (isV8 && bytes[1]! <= own[1]!)) return;
  const why = isV8 ? `version ${bytes[1]} of its form, and this runtime reads ${own[1]}` : "and this runtime has no V8";
  throw new MigrationError(
    `Cannot read ${source}: its values are as Deno's V8 clones them, ${why}; run this in Deno, which reads its own (MIGRATION)`,
    { source, cause },
  );
}
