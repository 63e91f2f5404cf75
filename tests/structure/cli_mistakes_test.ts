/** What the command line says of mistakes. It says the same in every runtime. */
import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { cli, damage, filesBelow, freshDisk, ok, open, putFile } from "../cli/harness.ts";

const [db, repo] = ["/my db", "/repo"];

beforeEach(async () => {
  freshDisk();
  await ok(["set", db, "a", "1", "--create"]);
  await ok(["backup", db, repo, "--id", "one"]);
  await putFile("/dump.jsonl", '{"key":"b","value":"2"}\n');
});

/** What a command line that is refused says. */
async function refused(...argv: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await cli(argv);
  assert.deepEqual([code, stdout], [2, ""], `${argv.join(" ")}: ${stderr}`);
  return stderr.trimEnd().split("\n");
}

describe("a database where a repository is meant, and the other way round", () => {
  it("is named, with how the command is meant", async () => {
    assert.deepEqual(await refused("backup", repo, db), [
      "error: /repo is a repository, and DB has to be a database",
      "  usage: holdfast backup [options] <DB> <TO>",
      "  did you mean: holdfast backup '/my db' /repo",
    ]);
    assert.deepEqual(await refused("restore", db, repo, "--overwrite", "--yes"), [
      "error: /repo is a repository, and DB has to be a database",
      "  usage: holdfast restore [options] <FROM> <DB>",
      "  did you mean: holdfast restore /repo '/my db'",
    ]);
    assert.deepEqual(await refused("copy", repo, db), [
      "error: /my db is a database, and TO has to be a repository",
      "  usage: holdfast copy [options] <FROM> <TO>",
    ]);
    assert.deepEqual(await refused("import", "/dump.jsonl", db), [
      "error: /dump.jsonl is a file, and DB has to be a database",
      "  usage: holdfast import [options] <DB> <FROM>",
      "  did you mean: holdfast import '/my db' /dump.jsonl",
    ]);
  });

  it("may be either, and no file, where both are taken", async () => {
    assert.deepEqual(await refused("verify", "/dump.jsonl"), [
      "error: /dump.jsonl is a file, and PLACE has to be a database or a repository",
      "  usage: holdfast verify [options] <PLACE>",
    ]);
  });

  it("is told without what an address may have of secrets", async () => {
    assert.deepEqual(await refused("list", "https://a.blob.core.windows.net/c?sv=1&sig=secret"), [
      "error: https://a.blob.core.windows.net/c?... is the address of a repository, and DB has to be a database",
      "  usage: holdfast list [options] <DB>",
    ]);
    assert.deepEqual(await refused("backup", "s3://key:secret@bucket/x", db), [
      "error: s3://...@bucket/x is the address of a repository, and DB has to be a database",
      "  usage: holdfast backup [options] <DB> <TO>",
      "  did you mean: holdfast backup '/my db' s3://...@bucket/x",
    ]);
  });

  it("is told by every command that takes one of them", async () => {
    const databases = [["get", "k"], ["set", "k", "v"], ["delete", "k"], ["list"], ["count"], ["export", "/x"]];
    const more = [["import", "/dump.jsonl"], ["watch"], ["compact"], ["slots"], ["replicate", "/r"], ["backup", "/r"]];
    for (const [command = "", ...rest] of [...databases, ...more, ["schedule", "/r", "--full", "0 1 * * *"]]) {
      const [said] = await refused(command, repo, ...rest);
      assert.equal(said, "error: /repo is a repository, and DB has to be a database", command);
      assert.match((await refused(command, "s3://b/x", ...rest))[0]!, /is the address of a repository/);
    }
    const repositories = [["backups"], ["points"], ["estimate"], ["pin", "one"], ["unpin", "one"], ["drill"]];
    const others = [["health"], ["prune", "--keep-last", "1"], ["history"], ["keys", "list"], ["copy", "/x"]];
    for (const [command = "", ...rest] of [...repositories, ...others]) {
      const words = command === "keys" ? ["keys", "list", db] : [command, db, ...rest];
      assert.match(
        (await refused(...words))[0]!,
        /^error: \/my db is a database, and (?:REPO|FROM) has to be/,
        command,
      );
    }
    for (const command of ["verify", "stats", "repair"]) {
      assert.match((await refused(command, repo, "--kind", "database"))[0]!, /is a repository, and PLACE/);
      assert.match((await refused(command, db, "--kind", "repository"))[0]!, /is a database, and PLACE/);
    }
    for (const words of [["backup", db], ["replicate", db], ["schedule", db, "--full", "0 1 * * *"]]) {
      assert.match((await refused(words[0]!, db, db, ...words.slice(2)))[0]!, /\/my db is a database, and/);
    }
  });

  it("says what does what was wanted", async () => {
    assert.deepEqual(await refused("import", db, repo), [
      "error: /repo is a repository; its entries come in by",
      "  holdfast restore /repo '/my db' --mode merge",
    ]);
    assert.match(
      (await refused("export", db, repo, "--overwrite"))[0]!,
      /is a repository; backup puts a state into it/,
    );
    assert.deepEqual(await cli(["init", repo]).then(({ code, stderr }) => [code, stderr]), [
      1,
      "error: a repository is in /repo already\n",
    ]);
  });
});

describe("what the library says of a failure", () => {
  it("is told in the words of the shell", async () => {
    const said = async (...argv: string[]): Promise<string> => {
      const { code, stderr } = await cli(argv);
      assert.ok(code === 1 || code === 2, `${argv.join(" ")} ended with ${code}`);
      return stderr;
    };
    for (
      const [argv, wanted] of [
        [
          ["pin", repo, "x"],
          "error: Cannot pin backup x: directory /repo has none of that id; see holdfast backups /repo (NOT_FOUND)\n",
        ],
        [["verify", repo, "-b", "x"], /; see holdfast backups \/repo \(NOT_FOUND\)\n$/],
        [["restore", repo, "/new", "-b", "x"], /; see holdfast backups \/repo \(NOT_FOUND\)\n$/],
        [["restore", repo, "/new", "--at-version", "0"], /see holdfast points \/repo \(GAP\)\n$/],
        [
          ["restore", repo, "/new", "--at-version", "9"],
          /see holdfast points \/repo, or give --allow-earlier \(GAP\)\n$/,
        ],
        [["restore", repo, "/new", "--mode", "merge"], /no database in \/new that --mode merge could merge with/],
        [["backup", db, repo, "--type", "full", "--max-store", "1"], /of --max-store would have to be stored/],
        [["backup", db, repo, "--type", "full", "--parent", "one"], /^error: --parent is for incremental backups\n$/],
        [["backup", db, repo, "--id", "a b"], /^error: --id must be /],
        [["backup", db, "/dump.jsonl"], /the file exists; --overwrite replaces it \(EXISTS\)\n$/],
        [["prune", repo, "--keep-last", "0", "--yes"], /at least one of --keep-last, --keep-hourly,.* --max-bytes/],
        [["set", db, "", "v"], /^error: the key is empty; a key has 1 to 65,535 bytes\n$/],
        [["set", "/none", "k", "v"], /there is no database; --create makes it \(NOT_FOUND\)\n$/],
        [["backups", repo, "x"], "error: there is no backup x in /repo\n  holdfast backups /repo lists them\n"],
        [["verify", "/none"], /there is neither a database nor a repository \(NOT_FOUND\)\n$/],
        [["delete", db, "--prefix", "", "--yes"], /^error: --prefix is empty; what deletes all keys is --all\n$/],
        [["list", "/none"], /there is no database \(NOT_FOUND\)\n$/],
        [["import", db, "/none.jsonl", "--create"], /^(?!.*--create)/],
        [
          ["keys", "add", repo, "--new-passphrase-file", "/dump.jsonl"],
          /^error: Cannot add a key to .* use holdfast copy/,
        ],
      ] as const
    ) {
      const text = await said(...argv);
      if (typeof wanted === "string") assert.equal(text, wanted);
      else assert.match(text, wanted, argv.join(" "));
    }
  });

  it("asks for the secret of the repository that lacks it", async () => {
    await putFile("/key", new Uint8Array(32).fill(1));
    await ok(["init", "/safe", "--repository", "--encrypt", "--key-file", "/key"]);
    const hints = async (...argv: string[]): Promise<string | undefined> => (await cli(argv)).stderr.split("\n")[1];
    assert.match((await hints("backups", "/safe"))!, /^ {2}--passphrase-file .* HOLDFAST_PASSPHRASE /);
    assert.match((await hints("copy", repo, "/safe"))!, /^ {2}--to-passphrase-file .* HOLDFAST_TO_PASSPHRASE /);
    assert.match((await hints("copy", "/safe", "/x"))!, /^ {2}--passphrase-file /);
    assert.equal(await hints("backups", repo, "--key-file", "/key"), "");
  });

  it("names the command that goes on", async () => {
    await using opened = await open(db);
    const locked = await cli(["set", db, "k", "v"]);
    assert.match(locked.stderr, /; (?:close it first|use the database that is open, or close it) \(LOCKED\)\n$/);
    await opened.compact();
    await opened.close();
    await damage((await filesBelow(db)).find((path) => path.endsWith(".sst"))!, 60);
    assert.match((await cli(["get", db, "a"])).stderr, /restore a backup or run holdfast repair '\/my db'/);
  });

  it("is left alone where it is not the library's", async () => {
    await putFile("/lines.jsonl", "maxBytes: see list()\n");
    const { stderr } = await cli(["import", db, "/lines.jsonl", "--format", "jsonl"]);
    assert.ok(!stderr.includes("holdfast backups"), stderr);
  });
});
