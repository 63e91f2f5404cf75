import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { cli, freshDisk, ok, putFile } from "./harness.ts";

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
