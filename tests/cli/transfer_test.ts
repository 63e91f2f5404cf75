import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { cli, fileBytes, freshDisk, json, jsonLines, linesOf, ok, open, putFile } from "./harness.ts";

const db = "/db";

beforeEach(freshDisk);

describe("holdfast import", () => {
  it("reads what list --json prints", async () => {
    await fill();
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
    await fill();
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
        ['{"key":"a","value":"1","namespace":["x"]}', /another namespace; give --namespace "x"/],
        ['{"key":"/w==","value":"1","keyEncoding":"base64"}', /this key is not UTF-8/],
      ] as const
    ) assert.match((await cli(["import", db, "-", "--format", "jsonl"], { stdin: wrong })).stderr, why);
    assert.match((await cli(["import", db, "-"], { stdin: "no tab here", env: {} })).stderr, /--format/);
  });

  it("refuses for portable files what they say themselves", async () => {
    await fill();
    await ok(["export", db, "/portable.json"]);
    assert.equal((await cli(["import", db, "/portable.json", "--tag", "x"])).code, 2);
    assert.equal((await cli(["import", db, "-", "--as", "json"], { stdin: '{"key":"a","value":1}' })).code, 2);
  });
});

describe("holdfast export", () => {
  it("writes a directory, a tar file, or standard output", async () => {
    await fill();
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
    await fill();
    await ok(["export", db, "/copy", "--link", "never"]);
    assert.equal((await cli(["export", db, "/copy"])).code, 1);
    await ok(["export", db, "/copy", "--overwrite"]);
    await ok(["export", db, "/a.json"]);
    const before = await fileBytes("/a.json");
    assert.equal((await cli(["export", db, "/a.json"])).code, 1);
    assert.deepEqual(await fileBytes("/a.json"), before);
  });

  it("sends no archive to a terminal, and nothing to a bucket", async () => {
    await fill();
    assert.equal((await cli(["export", db, "-"], { terminal: true })).code, 2);
    assert.equal((await cli(["export", db, "s3://bucket/x"])).code, 2);
    assert.equal((await cli(["export", db, "/x", "--format", "tar"])).code, 2);
    assert.equal((await cli(["export", db, "-", "--json"])).code, 2);
  });
});

async function fill(): Promise<void> {
  await using opened = await open(db);
  await opened.set("a", { n: 1 }, { tags: ["t"] });
  await opened.set("b", "text");
  await opened.set("c", new Uint8Array([0, 255]));
}
