/** Imports from other stores. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, beforeEach, describe, it } from "node:test";
import { ClassicLevel } from "classic-level";
import { open as openLmdb } from "lmdb";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { cli, freshDisk, json, ok, putFile, removeFile } from "./harness.ts";

const directory = mkdtempSync(join(tmpdir(), "holdfast-import-"));
after(() => rmSync(directory, { recursive: true, force: true }));
const place = (name: string): string => join(directory, name);
/** What other libraries wrote lies on the machine's disk. */
const real = { fileSystem: nodeFileSystem() };

beforeEach(freshDisk);

describe("holdfast import from other stores", () => {
  it("tells a directory of Level and one of LMDB by what is in them", async () => {
    const level = new ClassicLevel(place("level"));
    await level.put("a", "1");
    await level.put("b", "no json");
    await level.close();
    const lmdb = openLmdb({ path: place("lmdb") });
    await lmdb.put("when", new Date(0));
    await lmdb.put(["x", 1], "one");
    await lmdb.close();
    const db = place("db");
    assert.equal((await cli(["import", db, place("level")], real)).code, 1);
    const dry = await json(["import", db, place("level"), "--create", "--dry-run"], real);
    assert.deepEqual([dry["entries"], dry["dryRun"]], [2, true]);
    assert.equal((await cli(["import", db, place("nothing"), "--create", "--format", "level"], real)).code, 1);
    assert.equal((await cli(["count", db], real)).code, 1);
    const report = await json(["import", db, place("level"), "--create", "--namespace", "l"], real);
    assert.deepEqual([report["entries"], report["unsupported"]], [2, 0]);
    assert.equal((await ok(["get", db, "a", "--namespace", "l"], real)).stdout, "1\n");
    const again = await ok(["import", db, place("level"), "--namespace", "l"], real);
    assert.match(again.stdout, /^all 2 entries came in before, at 20.*; --again brings them in anew/);
    assert.match((await ok(["import", db, place("level"), "-n", "l", "--again"], real)).stdout, /^2 entries in /);

    const stopped = await cli(["import", db, place("level"), "--values", "json", "--json", "--again"], real);
    assert.equal(stopped.code, 1);
    const { error } = JSON.parse(stopped.stderr) as { error: { code: string; message: string } };
    assert.equal(error.code, "MIGRATION");
    assert.match(error.message, /Cannot keep "b" of level .*its value is no JSON.*--leave-out/);
    const left = await cli(["import", db, place("level"), "--values", "json", "--leave-out"], real);
    assert.deepEqual([left.code, /1 thing can't be kept\n {2}"b": its value is no JSON/.test(left.stdout)], [3, true]);

    const tuples = ["import", db, place("lmdb"), "-n", "m", "--keys", "tuple"];
    // In the words of the shell, be it the end or one of a list.
    const remedy = "value is a Date, which JSON gives back as something else; --structured keeps it";
    const ended = (await cli(tuples, real)).stderr;
    assert.ok(ended.includes(`${remedy}; `) && ended.includes("and told (--leave-out) (MIGRATION)"), ended);
    const told = (await cli([...tuples, "--leave-out", "--dry-run"], real)).stdout;
    assert.ok(told.includes(remedy), told);
    const keys = (await cli(["import", db, place("lmdb"), "-n", "k", "--structured"], real)).stderr;
    assert.match(keys, /its key is .*, not text; give --keys tuple; /);
    assert.equal((await json([...tuples, "--structured"], real))["entries"], 2);
  });

  it("reads a table of SQLite, and says what is missing", async () => {
    const path = place("shop.sqlite");
    const sqlite = new DatabaseSync(path);
    sqlite.exec("create table orders (id integer primary key, buyer text, until integer)");
    sqlite.exec("insert into orders values (1, 'Ada', 1000), (2, 'Grace', null)");
    sqlite.close();
    const db = place("orders");
    const line = ["import", db, path, "--table", "orders", "--key", "id", "--create"];
    const report = await ok([...line, "--column", "buyer", "--expires-column", "until"], real);
    assert.match(report.stdout, /^1 entry in .*, 1 entry had expired\n$/);
    assert.equal((await ok(["get", db, "2"], real)).stdout, '{"buyer":"Grace"}\n');
    for (
      const [argv, code, message] of [
        [["import", db, path], 1, /no file of Deno KV; for a table of it, name the table/],
        [["import", db, path, "--table", "orders"], 2, /needs --table and --key/],
        [[...line, "--match", "x"], 2, /--match is not for sqlite/],
        [[...line, "--tag", "x"], 2, /--tag is not for other stores/],
        [[...line.slice(0, 4), "order", ...line.slice(5)], 2, /no table "order"; the tables are orders/],
        [["import", db, directory], 1, /is a directory of no store that is known/],
        [["import", db, "redis://:secret@localhost"], 2, /set HOLDFAST_REDIS_PASSWORD/],
        [["import", db, "nowhere", "--format", "redis"], 2, /no address such as redis/],
        [["import", db, "redis://:a/secret@localhost/0"], 2, /error: FROM is no address such as redis/],
        [
          ["import", db, "s3://me:secret@bucket/of"],
          2,
          /s3:\/\/\.\.\.@bucket\/of is a repository; .* by\n {2}holdfast restore/,
        ],
        [["import", db, "redis://127.0.0.1:1"], 1, /Cannot read redis 127\.0\.0\.1:1\/0/],
        [["import", db, place("nothing"), "--format", "level"], 1, /there is nothing/],
      ] as const
    ) {
      const ran = await cli(argv, real);
      assert.equal(ran.code, code, `${argv.join(" ")}: ${ran.stderr}`);
      assert.match(ran.stderr, message);
      assert.doesNotMatch(ran.stderr, /secret@/);
    }
  });
});

describe("holdfast import from Redis", () => {
  it("says the password of the environment as it is", async () => {
    const password = "50%25/#@ ü";
    let heard = "";
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (piece) => {
        heard += piece;
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const ran = await cli(["import", "/db", `redis://127.0.0.1:${port}`, "--create"], {
      env: { HOLDFAST_REDIS_PASSWORD: password },
    });
    await new Promise((resolve) => server.close(resolve));
    assert.ok(heard.includes(password), heard);
    assert.deepEqual([ran.code, ran.stderr.includes("50%")], [1, false], ran.stderr);
  });
});

describe("holdfast import --resume and --dry-run of lines", () => {
  it("goes on behind the last line that is in", async () => {
    // Four make a commit.
    const lines = Array.from({ length: 10 }, (_, n) => `{"key":"k${n}","value":"${n}${"x".repeat(300_000)}"}`);
    const wrong = (at: number): string => lines.map((line, n) => n === at ? "what is this" : line).join("\n");
    await putFile("/lines", wrong(7));
    const line = ["import", "/db", "/lines", "--create", "--resume", "--format", "jsonl"];
    const first = await cli(line);
    assert.deepEqual([first.code, /line 8 of lines: no JSON/.test(first.stderr)], [1, true]);
    assert.equal((await json(["count", "/db"]))["count"], 4);
    // What is in is not looked at again: a mistake there does no harm.
    await removeFile("/lines");
    await putFile("/lines", wrong(2).replace("what is this", '{"key":"k2","value":"another"}'));
    const report = await json(line);
    assert.deepEqual([report["entries"], report["earlier"]], [10, 4]);
    assert.equal((await ok(["get", "/db", "k2"])).stdout.slice(0, 4), "2xxx");
    assert.match((await ok(line)).stdout, /came in before/);
    await ok([...line, "--again"]);
    assert.equal((await ok(["get", "/db", "k2"])).stdout, "another\n");
    assert.equal((await cli(["import", "/db", "-", "--resume"], { stdin: lines[0]! })).code, 2);
    for (const option of [["--again"], ["--leave-out"], ["--table", "x"], ["--resume", "--durability", "commit"]]) {
      assert.equal((await cli(["import", "/db", "/lines", ...option])).code, 2, option.join(" "));
    }
  });

  it("goes on with the same file in the same way only", async () => {
    const lines = (count: number): string => Array.from({ length: count }, (_, n) => `k${n}\t0x${n}`).join("\n");
    await putFile("/pairs", lines(1500) + "\nwrong");
    const line = ["import", "/db", "/pairs", "--create", "--resume"];
    assert.equal((await cli(line)).code, 1);
    assert.equal((await json(["count", "/db"]))["count"], 1000);
    await removeFile("/pairs");
    await putFile("/pairs", lines(200));
    assert.match((await cli(line)).stderr, /pairs ends at line 200, and line 1000 came in before.*--again/);
    await removeFile("/pairs");
    await putFile("/pairs", lines(1500));
    assert.match((await cli([...line, "--tag", "x"])).stderr, /read with .*"tags":\[\].*say the same as then/);
    assert.equal((await json(line))["entries"], 1500);
  });

  it("tells a file that was replaced since all of it came in", async () => {
    await putFile("/lines", '{"key":"a","value":1}\n{"key":"b","value":2}');
    const line = ["import", "/db", "/lines", "--create", "--resume"];
    await ok(line);
    await removeFile("/lines");
    await putFile("/lines", '{"key":"a","value":1}\n{"key":"c","value":3}');
    for (const more of [[], ["--dry-run"]]) {
      const { code, stderr } = await cli([...line, ...more]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^error: jsonl \/lines is not what it was when all 2 entries came in before, at 20.*; --again /,
      );
    }
    assert.deepEqual([(await json([...line, "--again"]))["entries"], (await json(["count", "/db"]))["count"]], [2, 3]);
    assert.match((await ok(line)).stdout, /^all 2 entries came in before/);
  });

  it("refuses what would come in changed", async () => {
    for (
      const [entry, message] of [
        ['{"key":"a","value":[12345678901234567890]}', /line 1 of lines: it has the number 12345678901234567890/],
        ['{"key":"a","value":"no!","encoding":"base64"}', /its value is not base64/],
        ['{"key":"YQ","keyEncoding":"base64","value":1}', /its key is not base64/],
      ] as const
    ) {
      await putFile("/lines", entry);
      const ran = await cli(["import", "/db", "/lines", "--create"]);
      assert.deepEqual([ran.code, message.test(ran.stderr)], [1, true], ran.stderr);
      await removeFile("/lines");
    }
  });

  it("writes nothing in a dry run", async () => {
    await putFile("/lines", '{"key":"a","value":1}\n{"key":"b","value":2}');
    const dry = await json(["import", "/db", "/lines", "--create", "--dry-run"]);
    assert.deepEqual([dry["entries"], dry["dryRun"]], [2, true]);
    await ok(["set", "/db", "a", "x", "--create"]);
    await ok(["export", "/db", "/portable.json"]);
    await ok(["import", "/db", "/lines", "--dry-run"]);
    assert.equal((await json(["import", "/db", "/portable.json", "--dry-run"]))["entries"], 1);
    assert.equal((await ok(["get", "/db", "a"])).stdout, "x\n");
  });

  it("tells in a dry run what the same line without it would bring in", async () => {
    await putFile("/lines", '{"key":"a","value":1}\n{"key":"b","value":2}');
    const line = ["import", "/db", "/lines", "--create"];
    await ok([...line, "--resume"]);
    assert.match((await ok([...line, "--dry-run"])).stdout, /^2 entries would come in\n$/);
    assert.match((await ok([...line, "--dry-run", "--resume"])).stdout, /^all 2 entries came in before/);
    assert.match((await ok([...line, "--dry-run", "--resume", "--again"])).stdout, /^2 entries would come in\n$/);
    assert.match((await ok([...line, "--resume"])).stdout, /^all 2 entries came in before/);
  });
});
