import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { resolve } from "node:path";
import { beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { Interruption, run } from "../../lib/cli/cli.ts";
import { OutputClosed } from "../../lib/cli/core/exit_code.ts";
import { endedBy } from "../../lib/cli/core/failure.ts";
import type { CliIo } from "../../lib/cli/io.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB } from "../../mod.ts";
import {
  cli,
  fileBytes,
  freshDisk,
  json,
  jsonLines,
  linesOf,
  ok,
  open,
  otherProcess,
  putFile,
  removeFile,
  withStreams,
} from "./harness.ts";

const db = "/db";

beforeEach(freshDisk);

describe("holdfast set and get", () => {
  it("keep text, JSON and bytes apart", async () => {
    await ok(["set", db, "text", "1", "--create"]);
    await ok(["set", db, "json", '{"n":1}', "--as", "json"]);
    await ok(["set", db, "bytes", "AQID/w==", "--as", "base64"]);
    await ok(["set", db, "hex", "00ff", "--as", "hex"]);
    assert.equal((await ok(["get", db, "text"])).stdout, "1\n");
    assert.equal((await ok(["get", db, "json"])).stdout, '{"n":1}\n');
    assert.deepEqual([...(await ok(["get", db, "bytes"])).bytes], [1, 2, 3, 255]);
    assert.equal((await json(["get", db, "text"]))["value"], "1");
    assert.deepEqual((await json(["get", db, "json"]))["value"], { n: 1 });
    const { value, encoding } = await json(["get", db, "bytes"]);
    assert.deepEqual({ value, encoding }, { value: "AQID/w==", encoding: "base64" });
    assert.equal((await ok(["get", db, "hex", "--as", "hex"])).stdout, "00ff\n");
    assert.equal((await ok(["get", db, "json", "--as", "base64"])).stdout, "eyJuIjoxfQ==\n");
  });

  it("take values from files and from standard input, whole", async () => {
    await putFile("/file", "one\ntwo\n");
    await putFile("/raw", new Uint8Array([0xff, 0, 10]));
    await ok(["set", db, "file", "@/file", "--create"]);
    await ok(["set", db, "stdin", "-"], { stdin: "piped\n" });
    await ok(["set", db, "raw", "@/raw", "--as", "bytes"]);
    assert.equal((await ok(["get", db, "file", "--raw"])).stdout, "one\ntwo\n");
    assert.equal((await ok(["get", db, "stdin", "--raw"])).stdout, "piped\n");
    assert.deepEqual([...(await ok(["get", db, "raw"])).bytes], [0xff, 0, 10]);
    // A file that says it is empty and is not, as those of /proc do.
    const { fileSystem } = otherProcess();
    const open = fileSystem.open.bind(fileSystem);
    fileSystem.open = async (path, mode) =>
      Object.assign(await open(path, mode), path === "/file" ? { sizeSync: () => 0 } : {});
    await ok(["set", db, "proc", "@/file"], { fileSystem });
    assert.equal((await ok(["get", db, "proc", "--raw"])).stdout, "one\ntwo\n");
    const refused = await cli(["set", db, "raw", "@/raw"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /not UTF-8; give --as bytes/);
    // What a runtime makes of bytes that are no text.
    const garbled = await cli(["set", db, "gar\ufffdbled", "1"]);
    assert.equal(garbled.code, 2);
    assert.match(
      garbled.stderr,
      /"gar\ufffdbled" is not UTF-8, or has the character U\+FFFD; give such a key as --key-as/,
    );
    assert.match((await cli(["set", db, "x", "@nowhere"])).stderr, /cannot read nowhere: there is no such file/);
    assert.match((await cli(["set", db, "-", "-"], { stdin: "x" })).stderr, /once only/);
  });

  it("let go of a standard input from which nothing comes, at the first signal", async () => {
    await ok(["set", db, "key", "before", "--create"]);
    const controller = new AbortController();
    const stdin = {
      async *[Symbol.asyncIterator](): AsyncGenerator<string> {
        yield "half";
        controller.abort(new Interruption("SIGINT"));
        await new Promise(() => {});
      },
    };
    const settings = { signal: controller.signal };
    const { code, stdout } = await withStreams(settings, (io) => run(["set", db, "key", "-"], { ...io, stdin }));
    assert.deepEqual([code, stdout], [130, ""]);
    assert.equal((await ok(["get", db, "key"])).stdout, "before\n");
  });

  it("say of an interrupted import that what came before is in", async () => {
    await ok(["init", db]);
    const controller = new AbortController();
    const stdin = {
      async *[Symbol.asyncIterator](): AsyncGenerator<string> {
        for (let i = 0; i < 500; i++) yield `{"key":"${i}","value":"${"x".repeat(20_000)}"}\n`;
        controller.abort(new Interruption("SIGINT"));
        await new Promise(() => {});
      },
    };
    const settings = { signal: controller.signal };
    const { code, stderr } = await withStreams(settings, (io) => run(["import", db, "-"], { ...io, stdin }));
    assert.equal(code, 130);
    const [, told] = /^([\d,]+) entries before that are in$/m.exec(stderr) ?? [];
    const count = Number(told?.replaceAll(",", ""));
    assert.ok(count > 0 && count <= 500, stderr);
    assert.match(
      stderr,
      /^error: interrupted by SIGINT; what came before is in; run it again for the rest$/m,
    );
    assert.equal((await ok(["count", db])).stdout, `${count}\n`);
  });

  it("show keys of bytes in one form, one after the other", async () => {
    await ok(["init", db, "--key-encoding", "bytes"]);
    for (const key of ["0001", "0002", "0003"]) await ok(["set", db, key, "a value", "--key-as", "hex"]);
    assert.equal((await ok(["list", db, "--keys"])).stdout, "0x0001\n0x0002\n0x0003\n");
  });

  it("change nothing of a value: a byte order mark is shown, a number that JavaScript would round is refused", async () => {
    await ok(["set", db, "marked", "efbbbf61", "--as", "hex", "--create"]);
    assert.deepEqual([...(await ok(["get", db, "marked", "--as", "text"])).bytes], [0xef, 0xbb, 0xbf, 0x61, 0x0a]);
    const { code, stderr } = await cli(["set", db, "n", "[12345678901234567890]", "--as", "json"]);
    assert.deepEqual(
      [code, /number 12345678901234567890, which JavaScript would round/.test(stderr)],
      [2, true],
      stderr,
    );
    await ok(["set", db, "n", "[12345678901234567000]", "--as", "json"]);
  });

  it("take a key from a file without the line break at its end", async () => {
    await putFile("/key", "the key\n");
    await ok(["set", db, "@/key", "x", "--create"]);
    assert.equal((await ok(["get", db, "the key"])).stdout, "x\n");
  });

  it("take words as they stand with --literal", async () => {
    await ok(["set", db, "@home", "-", "--literal", "--create"]);
    assert.equal((await ok(["get", db, "@home", "--literal"])).stdout, "-\n");
  });

  it("keep tags and expiry", async () => {
    let now = 1_700_000_000_000;
    const clock = { now: () => now };
    await ok(["set", db, "k", "v", "-t", "a", "-t", "b", "--expire-in", "1h", "--create"], clock);
    const { tags, expiresAt } = await json(["get", db, "k"], clock);
    assert.deepEqual({ tags, expiresAt }, { tags: ["a", "b"], expiresAt: now + 3_600_000 });
    now += 3_600_000;
    const gone = await cli(["get", db, "k"], clock);
    assert.deepEqual([gone.code, gone.stdout], [1, ""]);
    const both = await cli(["set", db, "k", "v", "--expire-in", "1h", "--expires-at", "2027-01-01"], clock);
    assert.equal(both.code, 2);
  });

  it("work with keys of bytes, and with namespaces", async () => {
    await ok(["set", db, "ff00", "x", "--key-as", "hex", "--create", "--key-encoding", "bytes"]);
    const { key, keyEncoding } = await json(["get", db, "/wA=", "--key-as", "base64"]);
    assert.deepEqual({ key, keyEncoding }, { key: "/wA=", keyEncoding: "base64" });
    assert.match((await ok(["list", db])).stdout, /0xff00 +x/);
    await ok(["set", db, "inner", "y", "-n", "outer", "-n", "in"]);
    const entries = await jsonLines(["list", db, "-n", "outer", "-n", "in"]);
    assert.deepEqual(entries.map(({ key, namespace }) => [key, namespace]), [["inner", ["outer", "in"]]]);
    assert.equal((await ok(["list", db, "--namespaces"])).stdout, "outer\n");
    assert.equal((await ok(["count", db])).stdout, "1\n");
    // What is made is the innermost; what is there, or comes along with it, has the encoding that it would have anyway.
    const line = ["set", "/text", "k", "v", "--create", "--key-encoding"];
    await ok([...line, "utf8"]);
    await ok([...line, "bytes", "-n", "outer", "-n", "in"]);
    await ok([...line, "utf8", "-n", "outer"]);
  });

  it("makes a database only when told to", async () => {
    const { code, stderr } = await cli(["set", db, "k", "v"]);
    assert.equal(code, 1);
    assert.match(stderr, /--create makes it/);
    assert.equal(await DB.exists(db, otherProcess()), false);
  });

  it("says why it failed also where closing fails behind that, and what closing failed with behind an end that was wished for", async () => {
    const fileSystem = memoryFileSystem();
    await ok(["set", "/data", "a", "1", "--create"], { fileSystem });
    let appends = 0;
    let heal = fileSystem.inject({ at: ({ name }) => name === "append" && ++appends > 1, do: "fail", times: Infinity });
    const failed = await cli(["set", "/data", "a", "2", "--json"], { fileSystem });
    heal();
    const { error } = JSON.parse(failed.stderr);
    assert.deepEqual([failed.code, error.code], [1, "IO"]);
    assert.match(error.message, /^Cannot append \/data\/.* \(EIO\)$/);

    heal = fileSystem.inject({ at: ({ name }) => name === "sync", do: "fail", times: Infinity });
    const closed = Object.assign(new Error("closed"), { code: "EPIPE" });
    const unread = await withStreams({ fileSystem }, (io) => {
      const stdout = { write: (_: unknown, done?: (error: Error) => void) => done?.(closed) };
      return run(["set", "/data", "a", "2", "--durability", "interval", "--json"], { ...io, stdout });
    });
    heal();
    assert.equal(unread.code, 1);
    assert.match(unread.stderr, /"Cannot sync \/data\/.* \(EIO\)"/);
  });

  it("is told to have ended by what failed first, or by what closing failed with where that was an end wished for", () => {
    const giveUp = new AbortController();
    const io = { signal: giveUp.signal } as CliIo;
    const [first, closing] = [new Error("first"), new Error("closing")];
    const both = (suppressed: unknown): Error =>
      Object.assign(new Error("An error was suppressed"), { name: "SuppressedError", error: closing, suppressed });
    assert.equal(endedBy(first, io), first);
    assert.equal(endedBy(both(first), io), first);
    assert.equal(endedBy(both(both(first)), io), first);
    assert.equal(endedBy(both(new OutputClosed()), io), closing);
    giveUp.abort(first);
    assert.equal(endedBy(both(first), io), closing);
  });

  it("prints no bytes to a terminal", async () => {
    await ok(["set", db, "k", "1bff", "--as", "hex", "--create"]);
    const { code, stdout, stderr } = await cli(["get", db, "k"], { terminal: true });
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(stderr, /--as hex or base64/);
  });
});

describe("holdfast delete", () => {
  it("deletes keys without a question", async () => {
    await fill();
    await ok(["delete", db, "a/1", "b"]);
    assert.deepEqual((await ok(["list", db, "--keys"])).stdout, "a/2\nc\n");
  });

  it("counts the keys that were there", async () => {
    await fill();
    assert.match((await ok(["delete", db, "a/1", "nothing", "a/1"])).stderr, /^deleted 1 key \(/);
    assert.match((await ok(["delete", db, "a/1"])).stderr, /^deleted 0 keys \(/);
    assert.equal((await json(["delete", db, "b", "c"]))["count"], 2);
  });

  it("asks before it deletes a range, and does nothing unless it hears yes", async () => {
    await fill();
    const range = ["delete", db, "--prefix", "a/"];
    const alone = await cli(range);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /Delete 2 entries \(prefix a\/\).*give --yes/);
    for (const answer of ["n", "", "any", "yesterday", "no, y?"]) {
      assert.equal((await cli(range, { answers: [[/Delete 2 entries/, answer]] })).code, 1, answer);
    }
    assert.equal((await ok(["count", db])).stdout, "4\n");
    assert.equal((await cli(range, { answers: [[/Delete 2 entries/, "y"]] })).code, 0);
    assert.equal((await ok(["count", db])).stdout, "2\n");
    await ok(["delete", db, "--all", "--yes"]);
    assert.equal((await ok(["count", db])).stdout, "0\n");
  });

  it("wants to know what", async () => {
    await fill();
    for (const words of [[], ["a/1", "--all"], ["b", "--prefix", "c"]]) {
      assert.equal((await cli(["delete", db, ...words, "--yes"])).code, 2, words.join(" "));
    }
    await putFile("/empty", "\n");
    for (const bound of [["--prefix", "-"], ["--prefix", "@/empty"], ["--key-as", "hex", "--start", " "]]) {
      const { code, stderr } = await cli(["delete", db, ...bound, "--end", "7a", "--yes"], { stdin: "" });
      assert.deepEqual([code, / is empty; what deletes all keys is --all/.test(stderr)], [2, true], stderr);
    }
    assert.equal((await ok(["count", db])).stdout, "4\n");
  });
});

describe("holdfast list", () => {
  it("takes ranges, tags, order and limit", async () => {
    await fill();
    const keys = async (...options: string[]): Promise<string[]> =>
      linesOf((await ok(["list", db, "--keys", ...options])).stdout);
    assert.deepEqual(await keys(), ["a/1", "a/2", "b", "c"]);
    assert.deepEqual(await keys("--start", "a/2", "--end", "c"), ["a/2", "b"]);
    assert.deepEqual(await keys("--reverse", "--limit", "2"), ["c", "b"]);
    assert.deepEqual(await keys("--prefix", "a/", "--tag", "odd"), ["a/1"]);
    assert.equal((await ok(["count", db, "--tag", "odd"])).stdout, "2\n");
    assert.deepEqual(await json(["count", db, "-p", "a/"]), { count: 2 });
  });

  it("shows nothing that a terminal would obey, and cuts what is too long for it", async () => {
    await ok(["set", db, "evil\u001b[31m", `line\n\u001b]0;x\u0007${"z".repeat(500)}`, "--create"]);
    const { stdout } = await ok(["list", db, "--no-color"], { terminal: true, columns: 60 });
    assert.ok(!stdout.includes("\u001b"));
    assert.match(stdout, /evil\\u001b\[31m +line\\n\\u001b\]0;x\\u0007z+…/);
    for (const line of linesOf(stdout)) assert.ok(line.length <= 60, line);
    assert.match((await ok(["list", db])).stdout, /z{500}$/m);
  });

  it("holds few of many long values at a time", async () => {
    {
      await using opened = await open(db);
      for (let n = 0; n < 6; n++) await opened.set(`k${n}`, `${n}`.repeat(600_000));
    }
    const lengths: number[] = [];
    const { stdout } = await ok(["list", db], { onOutput: (text) => lengths.push(text.length) });
    assert.deepEqual(linesOf(stdout).map((line) => line.replace(/ +/, " ").slice(0, 4)), [
      "KEY ",
      ...Array.from({ length: 6 }, (_, n) => `k${n} ${n}`),
    ]);
    assert.ok(lengths.length > 2, `written in ${lengths.length} pieces`);
  });
});

async function fill(): Promise<void> {
  await using opened = await open(db);
  await opened.set("a/1", 1, { tags: ["odd"] });
  await opened.set("a/2", 2);
  await opened.set("b", "text", { tags: ["odd"] });
  await opened.set("c", new Uint8Array([1]));
}

describe("holdfast import", () => {
  it("reads what list --json prints", async () => {
    await fillKinds();
    const { stdout } = await ok(["list", db, "--json"]);
    const result = await json(["import", "/copy", "-", "--create"], { stdin: stdout });
    assert.equal(result["count"], 3);
    const entries = async (path: string): Promise<unknown[]> =>
      (await jsonLines(["list", path])).map(({ key, value, encoding, tags }) => ({ key, value, encoding, tags }));
    assert.deepEqual(await entries("/copy"), await entries(db));
  });

  it("reads pairs with a tab between them", async () => {
    await putFile("/pairs", 'a\t{"n":1}\r\n\nb\t[2]\n');
    await ok(["import", db, "/pairs", "--as", "json", "--tag", "new", "--create", "--format", "tsv"]);
    assert.deepEqual((await jsonLines(["list", db])).map(({ key, value, tags }) => [key, value, tags]), [
      ["a", { n: 1 }, ["new"]],
      ["b", [2], ["new"]],
    ]);
  });

  it("tells formats apart by their first line, packed or not", async () => {
    await fillKinds();
    await ok(["export", db, "/portable.jsonl.gz"]);
    await ok(["export", db, "/portable.json"]);
    await putFile("/lines", gzipSync('{"key":"x","value":"1"}\n{"key":"y","value":2,"tags":["t"]}'));
    await putFile("/tabs", "z\tone\n");
    await putFile("/skv.json", '[{"key":"skv","value":"old"}]');
    for (const file of ["/portable.jsonl.gz", "/portable.json", "/lines", "/tabs", "/skv.json"]) {
      await ok(["import", "/all", file, "--create"]);
    }
    assert.deepEqual((await ok(["list", "/all", "--keys"])).stdout, "a\nb\nc\nskv\nx\ny\nz\n");
    assert.equal((await ok(["get", "/all", "y"])).stdout, "2\n");
    assert.match((await cli(["import", "/none", "-", "--create"])).stdout, /^0 entries/);
    for (const more of [[], ["--resume"], ["--format", "jsonl"]]) {
      const missing = await cli(["import", "/nothing", "/missing.jsonl", "--create", ...more]);
      assert.match(missing.stderr, /missing\.jsonl/);
      assert.equal(await DB.exists("/nothing", otherProcess()), false, more.join(" "));
    }
    const unknown = await cli(["import", "/all", "-"], { stdin: "what is this" });
    assert.deepEqual([unknown.code, /give --format/.test(unknown.stderr)], [1, true]);
  });

  it("names the line that is wrong, and says what is in", async () => {
    const lines = ['{"key":"a","value":1}', '{"key":"b","value":1,"tags":"t"}'];
    const { code, stderr } = await cli(["import", db, "-", "--create"], { stdin: lines.join("\n") });
    assert.equal(code, 1);
    assert.match(stderr, /line 2 of standard input: "tags" is no list of strings/);
    for (
      const [wrong, why] of [
        ['{"key":"a","value":1}\n{"key":"b"', /line 2 of standard input: no JSON/],
        ['{"key":1,"value":1}', /"key" is missing or no string/],
        ['{"key":"a","value":1,"encoding":"base64"}', /has an encoding and is no string/],
        ['{"key":"a","value":"1","namespace":["x"]}', /another namespace; give --namespace x$/m],
        ['{"key":"/w==","value":"1","keyEncoding":"base64"}', /this key is not UTF-8/],
        ['{"key":"a","value":"1","expireIn":1000}', /line 1 of .*: an entry has no field "expireIn"; what is to be/],
        ['{"key":"a","value":"YQ==","is_binary":true}', /an entry has no field "is_binary"/],
        ['{"key":"a","value":"1","type":"book"}', /an entry has no field "type"/],
      ] as const
    ) assert.match((await cli(["import", db, "-", "--format", "jsonl"], { stdin: wrong })).stderr, why);
    await putFile("/lines", new Uint8Array([...Buffer.from('{"key":"a","value":1}\n{"key":"b","value":"'), 255]));
    assert.match((await cli(["import", db, "/lines"])).stderr, /line 2 of lines is not UTF-8/);
    assert.match((await cli(["import", db, "-"], { stdin: "no tab here", env: {} })).stderr, /--format/);
  });

  it("reads what list and watch print, with all that stands in it", async () => {
    await ok(["set", "/from", "a", "1", "--tag", "t", "--expire-in", "1h", "--create"]);
    await ok([
      "set",
      "/from",
      "ff",
      "00",
      "--key-as",
      "hex",
      "--as",
      "hex",
      "--namespace",
      "n",
      "--key-encoding",
      "bytes",
    ]);
    const listed = await ok(["list", "/from", "--json"]);
    const inside = await ok(["list", "/from", "--namespace", "n", "--json"]);
    const watched = await ok(["watch", "/from", "--since", "0", "--no-follow", "--prefix", "a"]);
    for (
      const [name, lines, ...more] of [
        ["/listed", listed.stdout],
        ["/inside", inside.stdout, "--namespace", "n", "--key-encoding", "bytes"],
        ["/watched", watched.stdout],
      ] as const
    ) {
      await putFile("/lines", lines);
      await ok(["import", name, "/lines", "--create", ...more]);
      const { stdout } = await ok(["list", name, "--json", ...more.slice(0, 2)]);
      const source = name === "/inside" ? inside.stdout : listed.stdout;
      const bare = (text: string) => text.replace(/"(version|timestamp)":\d+,?/g, "");
      assert.equal(bare(stdout), bare(source));
      await removeFile("/lines");
    }
  });

  it("reads lines as portable files have them, and pairs without the ends of their lines", async () => {
    await putFile(
      "/lines",
      [
        '{"key":"/w==","key_encoding":"base64","value":1,"expires_at":4000000000000}',
        '{"key":"a","value":"{\\"n\\":1}","encoding":"text","kind":"json"}',
        '{"key":"b","value":"eyJuIjoyfQ==","encoding":"base64","kind":"json"}',
        '{"key":"c","value":"eA==","encoding":"base64","kind":"text"}',
        '{"key":"d","value":"eA==","encoding":"base64"}',
        '{"key":"e","value":"{}","kind":"json"}',
      ].join("\n"),
    );
    await ok(["import", db, "/lines", "--format", "jsonl", "--create", "--key-encoding", "bytes"]);
    assert.deepEqual(
      (await jsonLines(["list", db])).map(({ key, value, encoding, expiresAt }) => [key, value, encoding ?? expiresAt]),
      [
        ["a", { n: 1 }, undefined],
        ["b", { n: 2 }, undefined],
        ["c", "x", undefined],
        ["d", "eA==", "base64"],
        ["e", "{}", undefined],
        ["/w==", 1, 4_000_000_000_000],
      ],
    );
    await ok(["import", db, "-", "--format", "tsv"], { stdin: "f\tx\r\n" });
    assert.equal((await ok(["get", db, "f"])).stdout, "x\n");
    for (
      const [line, why] of [
        ['{"key":"g"}', /"value" is missing/],
        ['{"key":"g","value":1,"expiresAt":"soon"}', /"expiresAt" is no time/],
        ['{"key":"g\\ud800","value":1}', /the key "g\\ud800" has a lone surrogate/],
      ] as const
    ) {
      const ran = await cli(["import", db, "-", "--format", "jsonl"], { stdin: line });
      assert.deepEqual([ran.code, why.test(ran.stderr)], [1, true], ran.stderr);
    }
    const own = await cli(["import", "/other", db, "--create"]);
    assert.deepEqual([own.code, /\/db is a database; its entries come in by/.test(own.stderr)], [2, true], own.stderr);
  });

  it("gives tags and expiry to the lines that say none of their own", async () => {
    await putFile(
      "/lines",
      '{"key":"a","value":1,"tags":["own"],"expiresAt":4000000000000}\n{"key":"b","value":2,"tags":[]}',
    );
    await ok(["import", db, "/lines", "--create", "--tag", "all", "--expires-at", "3000000000000"]);
    assert.deepEqual((await jsonLines(["list", db])).map(({ tags, expiresAt }) => [tags, expiresAt]), [
      [["own"], 4_000_000_000_000],
      [undefined, 3_000_000_000_000],
    ]);
  });

  it("looks at no more than the beginning to tell what it is, and makes no database in a dry run without --create", async () => {
    let pieces = 0;
    const stdin = {
      async *[Symbol.asyncIterator]() {
        for (; pieces < 100; pieces++) yield "x".repeat(4096);
      },
    };
    const ran = await withStreams({}, (io) => run(["import", db, "-", "--create"], { ...io, stdin }));
    assert.match(ran.stderr, /standard input is no file of entries that is known/);
    assert.ok(pieces <= 1, `${pieces} pieces`);
    await putFile("/lines", '{"key":"a","value":1}');
    const dry = await cli(["import", db, "/lines", "--dry-run"]);
    assert.deepEqual([dry.code, /there is no database; --create makes it/.test(dry.stderr)], [1, true], dry.stderr);
  });

  it("remembers a file by its whole path", async () => {
    await putFile("/lines", '{"key":"a","value":1}');
    const { source } = await json(["import", db, "lines", "--create", "--resume"]);
    assert.equal(source, `jsonl ${resolve("lines")}`);
  });

  it("speaks of one entry as of one", async () => {
    // As much as one commit takes.
    await putFile("/lines", `{"key":"a","value":"${"x".repeat(5e6)}"}\nnull`);
    const { stderr } = await cli(["import", db, "/lines", "--create"]);
    assert.match(stderr, /^1 entry before that is in\nerror: line 2 of lines: /);
    await putFile("/line", '{"key":"b","value":1}');
    await ok(["import", db, "/line", "--resume"]);
    assert.match((await ok(["import", db, "/line", "--resume"])).stdout, /^its only entry came in before, at 20/);
    const other = await cli(["import", db, "/line", "--resume", "--tag", "t"]);
    assert.match(other.stderr, /, by which 1 entry came in, /);
  });

  it("names the line that the database refuses, says what is in, and is no mistake of the command line", async () => {
    const lines = Array.from({ length: 300 }, (_, n) => `{"key":"${n}","value":"${"x".repeat(1000)}"}\n`).join("");
    for (
      const [wrong, why] of [
        ['{"key":"","value":1}', "the key is empty; a key has 1 to 65,535 bytes"],
        ['{"key":"a","value":1,"tags":[""]}', "a tag is empty; a tag has 1 to 255 bytes"],
        ["null", '"key" is missing or no string'],
      ] as const
    ) {
      await putFile("/lines", `${lines}\n${wrong}\n`);
      const { code, stderr } = await cli(["import", db, "/lines", "--create", "--json"]);
      const { error } = JSON.parse(stderr) as { error: { code: string; message: string; committed: number } };
      assert.deepEqual([code, error.code, error.message], [1, "FAILED", `line 302 of lines: ${why}`]);
      assert.equal((await json(["count", db]))["count"], error.committed);
      assert.ok(error.committed > 0);
      assert.match((await cli(["import", db, "/lines"])).stderr, /^\d+ entries before that are in\nerror: line 302/);
      const resumed = await cli(["import", db, "/lines", "--resume"]);
      assert.deepEqual([resumed.code, resumed.stderr], [1, `error: line 302 of lines: ${why}\n`]);
      await removeFile("/lines");
      await ok(["delete", db, "--all", "--yes"]);
    }
  });

  it("knows lines by their beginning, however long the first is", async () => {
    await putFile("/lines", `${JSON.stringify({ value: "x".repeat(2 ** 19), key: "a" })}\n{"key":"b","value":1}\n`);
    await ok(["import", db, "/lines", "--create"]);
    assert.deepEqual((await jsonLines(["list", db, "--keys"])).map(({ key }) => key), ["a", "b"]);
    await removeFile("/lines");
  });

  it("reads what begins with empty lines", async () => {
    await ok(["import", db, "-", "--create"], { stdin: '\n\r\n{"key":"a","value":1}\n' });
    await ok(["import", db, "-"], { stdin: "\n" });
    assert.deepEqual((await jsonLines(["list", db])).map(({ key }) => key), ["a"]);
  });

  it("reads what begins with a byte order mark", async () => {
    await ok(["import", db, "-", "--create"], { stdin: '\ufeff{"key":"a","value":1}\n{"key":"\ufeffb","value":1}' });
    await ok(["import", db, "-"], { stdin: "\ufeffc\t1\n\ufeffd\t1" });
    assert.deepEqual((await jsonLines(["list", db])).map(({ key }) => key), ["a", "c", "\ufeffb", "\ufeffd"]);
  });

  it("shows of a file that is wrong nothing that a terminal or shell would obey", async () => {
    for (
      const [line, shown] of [
        ['{"key":\u001b]0;x\u0007}', /no JSON: .*\\u001b/],
        [
          '{"key":"a","value":1,"namespace":["$(date)","\u009b2J"]}',
          /give --namespace '\$\(date\)' --namespace '\\u009b2J'$/m,
        ],
      ] as const
    ) {
      const { code, stderr } = await cli(["import", db, "-", "--format", "jsonl", "--create"], { stdin: line });
      assert.deepEqual([code, shown.test(stderr)], [1, true], stderr);
      // deno-lint-ignore no-control-regex
      assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(stderr), stderr);
    }
    await putFile("/no json", "\u001b[31m");
    const { stderr } = await cli(["set", db, "a", "@/no json", "--as", "json", "--create"]);
    assert.match(stderr, /the value is not JSON: .*\\u001b/);
    assert.ok(!stderr.includes("\u001b"));
  });

  it("refuses numbers of pairs that JavaScript would round", async () => {
    const stdin = "a\t1\nb\t12345678901234567890\n";
    const { code, stderr } = await cli(["import", db, "-", "--create", "--as", "json"], { stdin });
    assert.deepEqual([code, /line 2 of standard input: the value has the number 123.*round/.test(stderr)], [1, true]);
  });

  it("names the portable file that can't be read", async () => {
    const damaged = '{"format":"holdfast.portable","version":"1.0","entries":[{"key":5}]}';
    const { code, stderr } = await cli(["import", db, "-", "--create", "--format", "portable"], { stdin: damaged });
    assert.equal(code, 1, stderr);
    assert.match(stderr, /standard input/);
    assert.doesNotMatch(stderr, /source stream/);
  });

  it("refuses for portable files what they say themselves", async () => {
    await fillKinds();
    await ok(["export", db, "/portable.json"]);
    assert.equal((await cli(["import", db, "/portable.json", "--tag", "x"])).code, 2);
    assert.equal((await cli(["import", db, "-", "--as", "json"], { stdin: '{"key":"a","value":1}' })).code, 2);
  });
});

describe("holdfast export", () => {
  it("writes a directory, a tar file, or standard output", async () => {
    await fillKinds();
    assert.match((await ok(["export", db, "/copy"])).stdout, /^\/copy: version 3 of .* files, /);
    assert.equal((await ok(["count", "/copy"])).stdout, "3\n");
    await ok(["export", db, "/copy.tar", "--no-verify"]);
    await ok(["restore", "/copy.tar", "/from-tar"]);
    assert.equal((await ok(["count", "/from-tar"])).stdout, "3\n");
    const tar = await ok(["export", db, "-"]);
    await ok(["restore", "-", "/from-stream"], { stdin: tar.bytes });
    assert.equal((await ok(["count", "/from-stream"])).stdout, "3\n");
    const lines = linesOf((await ok(["export", db, "-", "--format", "jsonl"])).stdout);
    assert.match(lines[0]!, /holdfast-jsonl/);
  });

  it("replaces nothing unless it is told to", async () => {
    await fillKinds();
    await ok(["export", db, "/copy", "--link", "never"]);
    assert.equal((await cli(["export", db, "/copy"])).code, 1);
    await ok(["export", db, "/copy", "--overwrite"]);
    await ok(["export", db, "/a.json"]);
    const before = await fileBytes("/a.json");
    assert.equal((await cli(["export", db, "/a.json"])).code, 1);
    assert.deepEqual(await fileBytes("/a.json"), before);
  });

  it("sends no archive to a terminal, and nothing to a bucket", async () => {
    await fillKinds();
    assert.equal((await cli(["export", db, "-"], { terminal: true })).code, 2);
    assert.equal((await cli(["export", db, "s3://bucket/x"])).code, 2);
    assert.equal((await cli(["export", db, "/x", "--format", "tar"])).code, 2);
    assert.equal((await cli(["export", db, "-", "--json"])).code, 2);
  });
});

/** One entry of each kind of value. */
async function fillKinds(): Promise<void> {
  await using opened = await open(db);
  await opened.set("a", { n: 1 }, { tags: ["t"] });
  await opened.set("b", "text");
  await opened.set("c", new Uint8Array([0, 255]));
}
