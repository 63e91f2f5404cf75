/** A file of Deno KV, as Deno writes it: read by Deno, and by the others as far as their engines can. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { after, describe, it } from "node:test";
import { serialize } from "node:v8";
import { KvU64, openKv } from "../../lib/adapters/kv.ts";
import { fromDenoKv, migrate } from "../../lib/adapters/migrate.ts";
import { tuple } from "../../lib/adapters/typed.ts";
import { DB } from "../../mod.ts";
import { binary } from "../tools/runtimes.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-deno-kv-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const isDeno = process.versions["deno"] !== undefined;

/** What Deno writes. */
const PROGRAM = `
const kv = await Deno.openKv(Deno.args[0]);
await kv.set(["users", "ada", 1], { born: new Date("1815-12-10"), likes: new Set(["looms"]), big: 2n ** 70n });
await kv.set(["plain"], { a: [1, "x", null] });
await kv.set(["soon"], "gone soon", { expireIn: 3600_000 });
await kv.set(["count"], new Deno.KvU64(77n));
await kv.set(["bytes"], new Uint8Array([1, 2, 3]));
await kv.enqueue("a message", { delay: 1e9 });
kv.close();
`;

function fileOfDeno(): string {
  const program = join(directory, "program.js");
  const path = join(directory, "deno.sqlite");
  writeFileSync(program, PROGRAM);
  execFileSync(binary("deno"), ["run", "-A", "--no-config", "--unstable-kv", program, path], { stdio: "pipe" });
  return path;
}

/** A file like Deno's whose values are as this runtime writes them. */
function fileOfThisRuntime(rows: readonly (readonly [key: Uint8Array, value: Uint8Array, encoding: number])[]): string {
  const path = join(directory, `own-${rows.length}.sqlite`);
  const file = new DatabaseSync(path);
  file.exec(`
    create table kv (k blob primary key, v blob not null, v_encoding integer not null, version integer not null,
      seq integer not null default 0, expiration_ms integer not null default -1) without rowid;
    create table queue (ts integer not null, id text not null, data blob not null, primary key (ts, id));
    create table queue_running (deadline integer not null, id text not null, data blob not null);
  `);
  const insert = file.prepare("insert into kv (k, v, v_encoding, version) values (?, ?, ?, 1)");
  for (const row of rows) insert.run(...row);
  file.close();
  return path;
}

describe("fromDenoKv()", () => {
  it("reads what Deno wrote in Deno, and says elsewhere that it can't", async () => {
    const path = fileOfDeno();
    const home = join(directory, "home");
    {
      await using db = await DB.open(home, { keyEncoding: "bytes" });
      const moving = migrate(db, fromDenoKv(path), { unsupported: "report" });
      if (!isDeno) {
        // Node's V8 may come to know the form of Deno's.
        const report = await moving.catch((error) => error);
        if (!(report instanceof Error)) return;
        assert.equal((report as { code?: unknown }).code, "MIGRATION");
        return assert.match(report.message, /as Deno's V8 clones them, .*; run this in Deno/);
      }
      const { entries, leftOut } = await moving;
      assert.equal(entries, 5);
      assert.match(leftOut[0]!.key, /^message /);
      assert.match(leftOut[0]!.reason, /waits in the queue/);
      const [soon] = (await Array.fromAsync(db.list())).filter(({ value }) => value === "gone soon");
      assert.ok(Math.abs(soon!.expiresAt! - Date.now() - 3600_000) < 600_000);
    }
    await using kv = await openKv(home);
    const ada = await kv.get<{ born: Date; likes: Set<string>; big: bigint }>(["users", "ada", 1]);
    assert.deepEqual(ada.value, { born: new Date("1815-12-10"), likes: new Set(["looms"]), big: 2n ** 70n });
    assert.deepEqual((await kv.get(["plain"])).value, { a: [1, "x", null] });
    assert.deepEqual((await kv.get(["count"])).value, new KvU64(77n));
    assert.deepEqual((await kv.get(["bytes"])).value, new Uint8Array([1, 2, 3]));
  });

  it("makes tuples as text where keys are text, and tells of values that can't be read", async () => {
    const key = (...parts: string[]): Uint8Array => tuple.bytes.encode(parts);
    const good: [Uint8Array, Uint8Array, number] = [key("a", "b"), new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0]), 2];
    await using db = await DB.open(":memory:");
    await migrate(db, fromDenoKv(fileOfThisRuntime([good])));
    assert.deepEqual(await db.get(tuple.encode(["a", "b"])), { $u64: "5" });
    const rows: typeof good[] = [good, [key("c"), new Uint8Array([1]), 9]];
    // Where values of V8 are known here, of this version.
    const isV8 = serialize(null)[0] === 0xff;
    if (isV8) rows.push([key("d"), new Uint8Array([0xff, 15, 1]), 1], [key("e"), serialize(new Map([[1, 2]])), 1]);
    const { entries, leftOut } = await migrate(db, fromDenoKv(fileOfThisRuntime(rows)), { unsupported: "report" });
    assert.equal(entries, isV8 ? 2 : 1);
    assert.deepEqual(leftOut.map((each) => each.key), isV8 ? ['["c"]', '["d"]'] : ['["c"]']);
    assert.match(leftOut[0]!.reason, /not known \(9\)/);
  });

  it("says what it can't open", async () => {
    await using db = await DB.open(":memory:");
    await assert.rejects(migrate(db, fromDenoKv(join(directory, "nothing"))), { code: "NOT_FOUND" });
    const other = join(directory, "other.sqlite");
    const file = new DatabaseSync(other);
    file.exec("create table kv (k, v)");
    file.close();
    await assert.rejects(migrate(db, fromDenoKv(other)), /no file of Deno KV; for a table/);
  });
});
