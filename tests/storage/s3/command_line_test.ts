/** The command line with a repository in a bucket of Ceph, and its credentials in the environment. */
import assert from "node:assert/strict";
import process from "node:process";
import { it } from "node:test";
import { cli, freshDisk, linesOf, type Ran } from "../../cli/harness.ts";
import { newBucket } from "../servers/buckets.ts";
import { sharedServer } from "../servers/shared.ts";

const server = await sharedServer("ceph");

if (server === undefined) it("Ceph is not here", () => {});
else {
  it("holdfast makes, checks, restores and prunes backups in a bucket, and prints no credential", async () => {
    const { endpoint, region, credentials: { accessKeyId, secretAccessKey } } = server;
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
    freshDisk();
    const place = `s3://${await newBucket(server)}/shop`;
    // The first one finds out what the service can do; the others are told, and ask nothing.
    const can = ["ifAbsent", "ifMatch", "bareTags"].map((name) => `capabilities.${name}=true`);
    const options = [`endpoint=${endpoint}`, `region=${region}`, ...can].flatMap((each) => ["--store", each]);
    const all: Ran[] = [];
    const run = async (...argv: string[]): Promise<Ran> => {
      const store = argv[0] === "init" ? options.slice(0, 4) : options;
      const ran = await cli(argv.includes(place) ? [...argv, ...store] : argv);
      all.push(ran);
      return ran;
    };
    const done = async (...argv: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(...argv);
      assert.equal(code, 0, `${argv.join(" ")}: ${stderr}`);
      return stdout;
    };

    await done("set", "/db", "a", "1", "--create");
    assert.match(await done("init", place), /^made s3 /);
    await done("backup", "/db", place, "--id", "one");
    await done("set", "/db", "b", "2");
    await done("backup", "/db", place, "--id", "two", "--type", "full");
    const ids = async (): Promise<string[]> =>
      linesOf(await done("backups", place, "--json")).map((line) => JSON.parse(line).id);
    assert.deepEqual(await ids(), ["one", "two"]);
    assert.match(await done("verify", place), /✓ no damage/);
    await done("restore", place, "/back", "--backup", "one");
    assert.equal(await done("list", "/back", "--keys"), "a\n");
    assert.match(await done("prune", place, "--backup", "one", "--yes"), /^removed 1 backup,/);
    assert.deepEqual(await ids(), ["two"]);

    // What goes wrong is told without them, too.
    const there = await run("init", place);
    assert.deepEqual([there.code, there.stderr], [1, `error: a repository is in ${place} already\n`]);
    process.env["AWS_SECRET_ACCESS_KEY"] = "not-the-secret-of-this-user";
    const refused = await run("backups", place);
    assert.deepEqual([refused.code, /check the secret key/.test(refused.stderr)], [1, true], refused.stderr);
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    const without = await run("backups", place);
    assert.deepEqual([without.code, /; set AWS_ACCESS_KEY_ID and /.test(without.stderr)], [1, true], without.stderr);
    for (const { stdout, stderr } of all) {
      for (const secret of [accessKeyId, secretAccessKey, "not-the-secret"]) {
        assert.ok(!(stdout + stderr).includes(secret), stdout + stderr);
      }
    }
  });
}
