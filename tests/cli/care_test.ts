import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { BackupInfo, KeyInfo } from "../../mod.ts";
import { cli, damage, filesBelow, freshDisk, json, jsonLines, ok, open, putFile } from "./harness.ts";

const [db, repo] = ["/db", "/repo"];
const DAY = 86_400_000;
let now = Date.UTC(2026, 10, 1, 12);
const clock = { now: (): number => now };

beforeEach(() => {
  freshDisk();
  now = Date.UTC(2026, 10, 1, 12);
});

/** A full backup a day, named "day-1" and so on. */
async function days(count: number): Promise<void> {
  for (let day = 1; day <= count; day++) {
    now += DAY;
    await using opened = await open(db, { clock: clock.now });
    await opened.set(`key-${day}`, day);
    await opened.close();
    await ok(["backup", db, repo, "--type", "full", "--id", `day-${day}`], clock);
  }
}

const ids = async (): Promise<string[]> => (await jsonLines<BackupInfo>(["backups", repo])).map(({ id }) => id).sort();

describe("holdfast prune", () => {
  it("says what would go and why the rest stays, and changes nothing", async () => {
    await days(3);
    const { stdout } = await ok(["prune", repo, "--keep-last", "1", "--dry-run"], clock);
    assert.match(stdout, /day-1 +goes/);
    assert.match(stdout, /day-3 +stays +.*last 1/);
    assert.deepEqual(await ids(), ["day-1", "day-2", "day-3"]);
  });

  it("asks, and removes what it showed", async () => {
    await days(3);
    const alone = await cli(["prune", repo, "--keep-daily", "1"], clock);
    assert.deepEqual([alone.code, /Remove 2 backups of 3/.test(alone.stderr)], [2, true]);
    assert.deepEqual((await ids()).length, 3);
    const asked = await cli(["prune", repo, "--keep-daily", "1"], { ...clock, answers: [[/Remove 2 backups/, "y"]] });
    assert.equal(asked.code, 0, asked.stderr);
    assert.match(asked.stdout, /day-1 +goes[^]*removed 2 backups/);
    assert.deepEqual(await ids(), ["day-3"]);
  });

  it("removes one backup by its id, unless another needs it", async () => {
    await days(2);
    await ok(["backup", db, repo, "--id", "child", "--type", "incremental"], clock);
    assert.equal((await cli(["prune", repo, "--backup", "day-2", "--yes"], clock)).code, 1);
    await ok(["prune", repo, "--backup", "day-1", "--yes"], clock);
    assert.deepEqual(await ids(), ["child", "day-2"]);
  });

  it("wants rules", async () => {
    await days(1);
    assert.equal((await cli(["prune", repo, "--yes"], clock)).code, 2);
    assert.equal((await cli(["prune", repo, "--keep-last", "0", "--yes"], clock)).code, 2);
    assert.equal((await json(["prune", repo, "--policy", "standard"], clock))["dryRun"], false);
  });
});

describe("holdfast copy", () => {
  it("brings another repository up to date, also an encrypted one", async () => {
    await days(2);
    await putFile("/key", new Uint8Array(32).fill(1));
    const some = await ok(["copy", repo, "/some", "--backup", "day-1"], clock);
    assert.match(some.stdout, /^copied 1 backup, /);
    const to = ["--to-key-file", "/key"];
    await ok(["copy", repo, "/safe", "--encrypt", ...to], clock);
    const copied = await jsonLines<BackupInfo>(["backups", "/safe", "--key-file", "/key"], clock);
    assert.deepEqual(copied.map(({ id, encrypted }) => [id, encrypted]), [["day-1", true], ["day-2", true]]);
    assert.equal((await cli(["copy", repo, "/safe"], clock)).code, 1);
    assert.equal((await json(["copy", repo, "/safe", ...to], clock))["objects"], 0);
  });
});

describe("holdfast keys", () => {
  it("adds, lists, rotates and removes them", async () => {
    for (const [name, byte] of [["/one", 1], ["/two", 2], ["/three", 3]] as const) {
      await putFile(name, new Uint8Array(32).fill(byte));
    }
    await ok(["init", repo, "--repository", "--encrypt", "--key-file", "/one"]);
    const one = ["--key-file", "/one"];
    await ok(["keys", "add", repo, ...one, "--new-key-file", "/two"]);
    const keys = await jsonLines<KeyInfo>(["keys", "list", repo, "--key-file", "/two"]);
    assert.deepEqual(keys.map(({ kind }) => kind), ["key", "key"]);
    const unsure = await cli(["keys", "rotate", repo, ...one, "--new-key-file", "/three"]);
    assert.equal(unsure.code, 2);
    await ok(["keys", "rotate", repo, ...one, "--new-key-file", "/three", "--yes"]);
    assert.equal((await cli(["backups", repo, ...one])).code, 1);
    const [left] = await jsonLines<KeyInfo>(["keys", "list", repo, "--key-file", "/three"]);
    assert.equal((await cli(["keys", "remove", repo, left!.id, "--key-file", "/three", "--yes"])).code, 2);
    assert.equal((await cli(["keys", "add", repo, "--key-file", "/three"])).code, 2);
  });
});

describe("holdfast repair", () => {
  it("says what is lost of a database, asks, sets aside and ends with 3", async () => {
    await using opened = await open(db, { history: { maxBytes: 0 } });
    for (let n = 0; n < 50; n++) await opened.set(`key-${n}`, "x".repeat(100));
    await opened.compact();
    await opened.close();
    const table = (await filesBelow(db)).find((path) => path.endsWith(".sst"))!;
    await damage(table, 200);
    const planned = await cli(["repair", db, "--dry-run"]);
    assert.equal(planned.code, 3);
    // The first of two blocks, with the 38 keys below "key-42".
    const told = /would keep +12 entries\nlost +1 range of keys\n\nFROM KEY +TO KEY +WHY\nkey-0 +key-42 /;
    assert.match(planned.stdout, told);
    // Not what the error says besides: to run a repair.
    assert.match(planned.stdout, /Damaged data in \S+\.sst at byte \d+: [a-z ]+\n$/);
    const alone = await cli(["repair", db]);
    assert.deepEqual([alone.code, (await filesBelow(db)).includes(table)], [2, true]);
    const { code, stdout } = await cli(["repair", db, "--yes", "--json"]);
    assert.equal(code, 3);
    assert.ok(JSON.parse(stdout).setAside.length > 0);
    assert.equal((await cli(["verify", db])).code, 0);
  });

  it("asks nothing where nothing of a repository is to be mended", async () => {
    await days(1);
    const { stdout } = await ok(["repair", repo], clock);
    assert.match(stdout, /^put right +0\nset aside +0 objects\nlost backups +0\nlost points +0 ranges\n$/);
    const { repaired, setAside } = JSON.parse((await ok(["repair", repo, "--json"], clock)).stdout);
    assert.deepEqual([repaired, setAside], [[], []]);
    await ok(["repair", repo, "--yes"], clock);
  });

  it("mends a repository", async () => {
    await days(1);
    const [object] = await filesBelow(`${repo}/objects`);
    await damage(object!, 100);
    const { code, stdout } = await cli(["repair", repo], { ...clock, answers: [[/Repair \/repo\?/, "y"]] });
    assert.equal(code, 3);
    assert.match(stdout, /lost backups +1[^]*✗ day-1/);
    assert.deepEqual(await ids(), []);
    assert.equal((await cli(["repair", repo, "--key-encoding", "utf8"], clock)).code, 2);
  });
});

describe("holdfast stats, compact and slots", () => {
  it("show figures of a database and of a repository", async () => {
    await days(1);
    const figures = await json(["stats", db]);
    assert.deepEqual([figures["version"], figures["keyEncoding"]], [1, "utf8"]);
    assert.match((await ok(["stats", db])).stdout, /^database +\/db\nid +[0-9a-f]{32}/);
    assert.deepEqual((await json(["stats", repo]))["backups"], { full: 1, snapshot: 0, incremental: 0 });
    assert.match((await ok(["stats", repo, "--prometheus"])).stdout, /^# HELP /);
    assert.equal((await cli(["stats", db, "--prometheus"])).code, 2);
    assert.equal((await cli(["stats", "/nowhere"])).code, 1);
    assert.equal((await cli(["stats", "/nowhere", "--kind", "repository"])).code, 1);
  });

  it("compact what was deleted", async () => {
    await using opened = await open(db);
    await opened.setMany(Array.from({ length: 100 }, (_, n) => [`${n}`, "x".repeat(500)] as const));
    await opened.compact();
    await opened.clear();
    await opened.close();
    const { before, after } = await json(["compact", db]) as { before: number; after: number };
    assert.ok(after < before, `${after} of ${before}`);
  });

  it("forget a repository that is gone", async () => {
    await days(1);
    const [slot] = await jsonLines<{ id: string }>(["slots", db]);
    assert.match((await ok(["slots", db])).stdout, /ID +ARCHIVED +SINCE/);
    assert.equal((await cli(["slots", db, "--drop", slot!.id])).code, 2);
    const unknown = await cli(["slots", db, "--drop", "abcd"]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /there is none of that name/);
    await ok(["slots", db, "--drop", slot!.id, "--yes"]);
    assert.deepEqual(await jsonLines(["slots", db]), []);
  });
});

describe("holdfast init and demo", () => {
  it("make a database or a repository, once", async () => {
    assert.equal((await json(["init", db, "--key-encoding", "bytes"]))["keyEncoding"], "bytes");
    assert.equal((await cli(["init", db])).code, 1);
    assert.match((await ok(["init", repo, "--repository"])).stdout, /^made directory \/repo \([0-9a-f]{32}\)\n$/);
    const again = await cli(["init", repo, "--repository"]);
    assert.deepEqual([again.code, /already/.test(again.stderr)], [1, true]);
    assert.equal((await cli(["init", "/x", "--encrypt"])).code, 2);
  });

  it("make something to try, in which all that is suggested works", async () => {
    const made = await json<{ try: string[] }>(["demo", "/try"]);
    for (const line of made.try) {
      const [program, ...argv] = line.split(" ");
      assert.equal(program, "holdfast");
      const extra = argv[0] === "drill" ? ["--directory", "/"] : [];
      await ok([...argv, ...extra]);
    }
    assert.equal((await ok(["count", "/try/restored", "--prefix", "order/"])).stdout, "40\n");
    assert.equal((await ok(["count", "/try/data", "--prefix", "order/"])).stdout, "0\n");
    const again = await cli(["demo", "/try"]);
    assert.deepEqual([again.code, /not empty/.test(again.stderr)], [1, true]);
  });
});
