/** A real Redis on loopback, started for this file alone; where it can't be had, that is told. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { Buffer } from "node:buffer";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { fromRedis, migrate } from "../../lib/adapters/migrate.ts";
import { DB } from "../../mod.ts";
import { freePorts, missingPrograms, type OwnProcess, startProcess, until } from "../storage/servers/own_process.ts";

const missing = missingPrograms(["redis-server"], ["redis-server"]);
if (missing !== undefined) console.log(`Redis was not tested: ${missing}.`);

/** A client that gives up at once. */
function clientOf(url: string) {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  return client;
}
type Client = ReturnType<typeof clientOf>;

describe("fromRedis()", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
  let server: OwnProcess | undefined;
  let url = "";
  let client: Client | undefined;

  before(async () => {
    if (missing !== undefined) return;
    const [port = 0] = await freePorts(1);
    url = `redis://127.0.0.1:${port}`;
    server = startProcess([
      ...["redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
    ], { log: join(directory, "log") });
    await until("Redis", async () => {
      client = clientOf(url);
      return await client.connect().then(() => true, () => false);
    }, [server]);
  });
  after(async () => {
    client?.destroy();
    await server?.end();
    rmSync(directory, { recursive: true, force: true });
  });

  it("keeps every kind that has a counterpart, and times of expiry", async () => {
    if (client === undefined) return;
    const send = (...args: (string | Buffer)[]): Promise<unknown> => client!.sendCommand(args);
    await send("SET", "greeting", "hello");
    await send("SET", "bytes", Buffer.from([255, 0]));
    await send("SET", "session", "token", "PX", "3600000");
    await send("HSET", "user", "name", "Ada", "__proto__", "x");
    await send("RPUSH", "queue", "b", "a", "b");
    await send("SADD", "tags", "y", "x");
    await send("ZADD", "scores", "2.5", "b", "-1", "a");
    await send("XADD", "stream", "*", "k", "v");
    await send("HSET", "raw", "k", Buffer.from([255]));
    await send("ZADD", "endless", "-inf", "a");
    const io = new Redis(url, { lazyConnect: true });
    await io.connect();
    for (
      const source of [
        fromRedis(url, { values: "auto" }),
        fromRedis(client, { id: "client", values: "auto" }),
        fromRedis(io, { id: "io", values: "auto" }),
      ]
    ) {
      await using db = await DB.open(":memory:");
      const report = await migrate(db, source, { unsupported: "report" });
      assert.equal(report.entries, 7, source.id);
      assert.deepEqual(await db.getMany(["greeting", "bytes", "queue", "tags"]), [
        ...["hello", new Uint8Array([255, 0]), ["b", "a", "b"], ["x", "y"]],
      ]);
      assert.deepEqual(Object.entries(await db.get<object>("user") ?? {}), [["name", "Ada"], ["__proto__", "x"]]);
      assert.deepEqual(await db.get("scores"), [["a", -1], ["b", 2.5]]);
      const session = await db.getEntry("session");
      assert.ok(Math.abs(session!.expiresAt! - Date.now() - 3_600_000) < 600_000);
      const reasons = new Map(report.leftOut.map(({ key, reason }) => [key, reason]));
      assert.match(reasons.get('"stream"')!, /of type stream/);
      assert.match(reasons.get('"raw"')!, /no UTF-8/);
      assert.match(reasons.get('"endless"')!, /a score of it is -inf/);
      assert.equal(reasons.size, 3);
    }
    io.disconnect();
    await send("FLUSHALL");
  });

  it("goes on where it was, brings what fits a pattern, and remembers no password", async () => {
    if (client === undefined) return;
    const entries = Array.from({ length: 3000 }, (_, n) => [`k:${n}`, `v${n}`]);
    await client.sendCommand(["MSET", ...entries.flat(), "other", "x"]);
    await using db = await DB.open(":memory:");
    const source = fromRedis(url.replace("//", "//default:@"), { match: "k:*" });
    assert.equal(source.id, `redis ${new URL(url).host}/0 k:*`);
    const end = new AbortController();
    const ended = migrate(db, source, {
      signal: end.signal,
      onProgress: ({ doneItems }) => doneItems >= 2000 && end.abort(new Error("killed")),
    });
    await assert.rejects(ended, /killed/);
    const report = await migrate(db, source);
    assert.ok(report.earlier >= 1000 && report.earlier < 3000, String(report.earlier));
    assert.equal(await db.count(), 3000);
    assert.equal(await db.get("k:2999"), "v2999");
  });

  it("leaves no connection, read to the end or refused", async () => {
    if (client === undefined) return;
    const connections = async (): Promise<number> =>
      String(await client!.sendCommand(["CLIENT", "LIST"])).trim().split("\n").length;
    await using db = await DB.open(":memory:");
    await migrate(db, fromRedis(url));
    await client.sendCommand(["ACL", "SETUSER", "other", "on", ">secret", "~*", "+@all", "-info"]);
    const refused = migrate(db, fromRedis(url.replace("//", "//other:secret@"), { id: "other" }));
    await assert.rejects(refused, { code: "MIGRATION", message: /no permissions to run the 'info' command/ });
    await until("the end of the others", async () => await connections() === 1, [server!]);
  });

  it("says what it can't reach or understand", async () => {
    await using db = await DB.open(":memory:");
    const [port = 0] = await freePorts(1);
    await assert.rejects(migrate(db, fromRedis(`redis://127.0.0.1:${port}`)), { code: "MIGRATION" });
    if (client !== undefined) {
      const source = fromRedis(url);
      // Noticed by the command that waits, or before the next one.
      for (const turns of [0, 20]) {
        const cut = {
          ...source,
          async open() {
            const opened = await source.open();
            await client!.sendCommand(["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            for (let i = 0; i < turns; i++) await client!.sendCommand(["PING"]);
            return opened;
          },
        };
        await assert.rejects(migrate(db, cut), { code: "MIGRATION", message: /^Cannot read redis 127.*Socket closed/ });
      }
    }
    assert.throws(() => fromRedis("http://127.0.0.1"), /must begin with redis/);
    assert.throws(() => fromRedis("local host"), /no URL/);
    assert.throws(() => fromRedis({} as never), /a client of redis or ioredis, not an object/);
    assert.throws(() => fromRedis({ callBuffer() {} } as never), /needs option "id"/);
  });

  it("refuses clients by which keys would be passed over", () => {
    const node = { host: "127.0.0.1", port: 1 };
    const prefixed = new Redis({ ...node, lazyConnect: true, keyPrefix: "app:" });
    assert.throws(() => fromRedis(prefixed, { id: "io" }), /with keyPrefix would ask.*match: "app:\*"$/);
    const cluster = new Cluster([node], { lazyConnect: true });
    assert.throws(() => fromRedis(cluster, { id: "io" }), /a client of a cluster/);
    const other = createCluster({ rootNodes: [{ url: "redis://127.0.0.1:1" }] });
    assert.throws(() => fromRedis(other as never, { id: "redis" }), /a client of a cluster/);
  });
});
