import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { type BackupInfo, DB } from "../../mod.ts";
import {
  cli,
  damage,
  fileBytes,
  filesBelow,
  freshDisk,
  json,
  jsonLines,
  linesOf,
  ok,
  open,
  otherProcess,
  putFile,
  removeFile,
} from "./harness.ts";

const [db, repo] = ["/db", "/repo"];

/** 2026-11-26 12:00 UTC. */
const NOON = Date.UTC(2026, 10, 26, 12);
let now = NOON;
const clock = { now: (): number => now };

beforeEach(async () => {
  freshDisk();
  now = NOON;
  await write("a", "1");
});

/** A commit of its own second. */
async function write(key: string, value: string): Promise<void> {
  now += 1000;
  await using opened = await open(db, { clock: clock.now });
  await opened.set(key, value);
}

/** Two backups: version 1 as "one", version 3 as "two". */
async function twoBackups(): Promise<void> {
  await ok(["backup", db, repo, "--id", "one"], clock);
  await write("b", "2");
  await write("c", "3");
  await ok(["backup", db, repo, "--id", "two", "--label", "by=hand"], clock);
}

describe("holdfast backup", () => {
  it("makes no repository inside of the database", async () => {
    for (const command of ["backup", "replicate"]) {
      const { code, stderr } = await cli([command, db, `${db}/backups`]);
      assert.equal(code, 2);
      assert.match(stderr, /\/db\/backups is the database's own directory or inside it/);
    }
    assert.deepEqual((await filesBelow(db)).filter((path) => path.includes("backups")), []);
  });

  it("says which word names the wrong kind of place where both are the same", async () => {
    assert.match((await cli(["backup", db, db])).stderr, /\/db is a database, and TO has to be a repository/);
    await twoBackups();
    assert.match((await cli(["restore", repo, repo])).stderr, /\/repo is a repository, and DB has to be a database/);
  });

  it("makes a full backup, then incremental ones", async () => {
    await twoBackups();
    const backups = await jsonLines<BackupInfo>(["backups", repo]);
    assert.deepEqual(backups.map(({ id, type, version }) => [id, type, version]), [["one", "full", 1], [
      "two",
      "incremental",
      3,
    ]]);
    assert.deepEqual(backups[1]!.labels, { by: "hand" });
  });

  it("prints what it did, as one document with --json", async () => {
    const { stdout } = await ok(["backup", db, repo, "--id", "one", "--type", "snapshot"], clock);
    assert.match(stdout, /^one: full \(instead of snapshot\) of version 1, .* in \d/);
    const info = await json<BackupInfo>(["backup", db, repo, "--type", "full", "--parent", "one"], clock).catch(String);
    assert.match(String(info), /parent/);
    assert.equal((await json<BackupInfo>(["backup", db, repo, "--type", "full", "--id", "x"], clock)).id, "x");
  });

  it("keeps what the rules say", async () => {
    await twoBackups();
    await write("d", "4");
    await ok(["backup", db, repo, "--type", "full", "--id", "three", "--keep-last", "1"], clock);
    assert.deepEqual((await jsonLines<BackupInfo>(["backups", repo])).map(({ id }) => id), ["three"]);
  });

  it("writes a part into a portable file, and refuses there what is for repositories", async () => {
    await write("b", "2");
    await ok(["backup", db, "/dump.jsonl", "--prefix", "b"], clock);
    const lines = linesOf(new TextDecoder().decode(await fileBytes("/dump.jsonl")));
    assert.equal(lines.filter((line) => line.includes('"key":"b"')).length, 1);
    assert.equal(lines.filter((line) => line.includes('"key":"a"')).length, 0);
    const again = await cli(["backup", db, "/dump.jsonl"], clock);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /--overwrite replaces it/);
    await ok(["backup", db, "/dump.jsonl", "--overwrite"], clock);
    for (const option of [["--type", "full"], ["--encrypt"], ["--keep-last", "1"], ["--max-store", "1MB"]]) {
      const { code, stderr } = await cli(["backup", db, "/other.json", ...option], clock);
      assert.deepEqual([code, /for repositories/.test(stderr)], [2, true], option[0]!);
    }
    assert.equal((await cli(["backup", db, repo, "--overwrite"], clock)).code, 2);
    // A directory is a repository, whatever its name ends in.
    await ok(["backup", db, "/named.json/"], clock);
    await ok(["backup", db, "/named.json", "--type", "full"], clock);
    assert.equal((await jsonLines(["backups", "/named.json"])).length, 2);
  });

  it("gives up when it would store more than it may", async () => {
    const { code } = await cli(["backup", db, repo, "--max-store", "10"], clock);
    assert.equal(code, 1);
    assert.deepEqual(await jsonLines(["backups", repo]), []);
  });

  it("goes beside a program that has the database open, when told to", async () => {
    await using here = await open(db);
    const { code, stderr } = await cli(["backup", db, repo], clock);
    assert.equal(code, 1);
    assert.match(stderr, /close it, or give --beside, which backs up beside it \(LOCKED\)/);
    await here.close();
    await using _ = await DB.open(db, otherProcess());
    assert.match((await ok(["backup", db, repo, "--beside"], clock)).stdout, /full of version 1/);
  });
});

describe("holdfast backups, points and estimate", () => {
  it("take ids of databases and histories as they show them", async () => {
    await twoBackups();
    // As from a variable that is not set: also where there is but one.
    assert.match((await cli(["points", repo, "--database", ""])).stderr, /is none of those/);
    await ok(["set", "/other", "x", "1", "--create"]);
    await ok(["backup", "/other", repo, "--id", "other"], clock);
    const [database, lineage] = /^([0-9a-f]{8}) +([0-9a-f]{8}) .* one$/m.exec((await ok(["points", repo])).stdout)!
      .slice(1);
    const listed = await jsonLines<BackupInfo>(["backups", repo, "--database", database!]);
    assert.deepEqual(listed.map(({ id }) => id), ["one", "two"]);
    assert.equal((await jsonLines(["points", repo, "--lineage", lineage!])).length, 1);
    assert.equal((await json(["estimate", repo, "--database", database!]))["version"], 3);
    assert.equal((await json(["drill", repo, "--database", database!, "--directory", "/"], clock))["version"], 3);
    await ok(["restore", repo, "/new", "--database", database!, "--lineage", lineage!], clock);
    assert.equal((await ok(["count", "/new"])).stdout, "3\n");
    const { code, stderr } = await cli(["backups", repo, "--database", "nope"]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`--database "nope" is none of those in there: .*${listed[0]!.database}`));
  });

  it("list, filter and show", async () => {
    await twoBackups();
    const { stdout } = await ok(["backups", repo]);
    assert.match(
      stdout,
      /^ID +TYPE +VERSION +STATE OF +SIZE +ADDED +PARENT +REMARKS\none +full +1 +2026-11-26 12:00:01Z/,
    );
    const ids = async (...options: string[]): Promise<string[]> =>
      (await jsonLines<BackupInfo>(["backups", repo, ...options])).map(({ id }) => id);
    assert.deepEqual(await ids("--type", "full"), ["one"]);
    assert.deepEqual(await ids("--label", "by=hand"), ["two"]);
    assert.deepEqual(await ids("--from", "2026-11-26 12:00:02"), ["two"]);
    assert.deepEqual(await ids("--to", "2026-11-26T13:00:02+01:00"), ["one"]);
    assert.deepEqual(await ids("--latest"), ["two"]);
    assert.match((await ok(["backups", repo, "two"])).stdout, /^parent +one$/m);
    assert.equal((await cli(["backups", repo, "three"])).code, 1);
    assert.equal((await cli(["backups", repo, "two", "--latest"])).code, 2);
  });

  it("tell what can be restored, and what it takes", async () => {
    await twoBackups();
    const [range] = await jsonLines<{ from: { version: number }; to: { version: number } }>(["points", repo]);
    assert.deepEqual([range!.from.version, range!.to.version], [1, 3]);
    assert.match((await ok(["points", repo])).stdout, /2026-11-26 12:00:01Z +2026-11-26 12:00:03Z .* 1 to 3 +one/);
    assert.equal((await json(["estimate", repo, "--at-version", "2"]))["version"], 2);
    assert.match((await ok(["estimate", repo])).stdout, /replays +1 commit\n|replays +2 commits\n/);
    const both = await cli(["estimate", repo, "--at", "now", "--backup", "one"]);
    assert.equal(both.code, 2);
  });

  it("make no repository where there is none", async () => {
    const { code, stderr } = await cli(["backups", "/nowhere"]);
    assert.equal(code, 1);
    assert.match(stderr, /nowhere/);
  });
});

describe("holdfast backup of a part", () => {
  it("says how many entries were chosen, and warns of none", async () => {
    await ok(["set", db, "a", "1", "--create"]);
    const one = await ok(["backup", db, repo, "--prefix", "a", "--id", "one"], clock);
    assert.match(one.stdout, /^one: full of 1 chosen entry at version 2, /);
    assert.equal(one.stderr, "");
    const none = await ok(["backup", db, repo, "--namespace", "slip", "--id", "none"], clock);
    assert.match(none.stdout, /^none: full of 0 chosen entries at version 2, /);
    assert.equal(none.stderr, "warning: no entry was chosen: look at --prefix and --namespace\n");
    const { code, stderr } = await cli(["restore", repo, "/new"], clock);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /no complete backup .*; one of a part is restored by --backup, see holdfast backups \/repo \(/,
    );
    assert.equal((await ok(["restore", repo, "/new", "--backup", "one"], clock)).code, 0);
  });
});

describe("holdfast pin and unpin", () => {
  it("keep a backup, and let it go", async () => {
    await twoBackups();
    await ok(["pin", repo, "one", "two"]);
    assert.deepEqual((await jsonLines<BackupInfo>(["backups", repo])).map(({ pinned }) => pinned), [true, true]);
    await ok(["unpin", repo, "one"]);
    assert.match((await ok(["backups", repo])).stdout, /two .* pinned, by=hand/);
    assert.equal((await cli(["pin", repo, "three"])).code, 1);
  });

  it("touch none where one of the ids is of no backup", async () => {
    await twoBackups();
    const pinned = async (): Promise<boolean[]> =>
      (await jsonLines<BackupInfo>(["backups", repo])).map((backup) => backup.pinned);
    const { code, stderr } = await cli(["pin", repo, "one", "three"]);
    assert.equal(code, 1);
    assert.match(stderr, /^error: Cannot pin backup three: .*\(NOT_FOUND\)\n$/);
    assert.deepEqual(await pinned(), [false, false]);
    await ok(["pin", repo, "one", "two"]);
    assert.equal((await cli(["unpin", repo, "one", "three"])).code, 1);
    assert.deepEqual(await pinned(), [true, true]);
  });
});

describe("holdfast restore", () => {
  const keys = async (path: string): Promise<string> => (await ok(["list", path, "--keys"])).stdout;

  it("warns where the newest state that can be had is not the newest there was", async () => {
    await twoBackups();
    assert.doesNotMatch((await ok(["restore", repo, "/whole"], clock)).stderr, /warning/);
    for (const log of await filesBelow(`${repo}/log`)) await removeFile(log);
    const warning = /^warning: backup two is of version 3, which can't be restored: version 1 is the newest that can/m;
    assert.match((await ok(["restore", repo, "/new", "--quiet"], clock)).stderr, warning);
    // Before anything is replaced.
    assert.match((await cli(["restore", repo, "/new", "--mode", "replace"], clock)).stderr, warning);
    assert.doesNotMatch((await ok(["restore", repo, "/one", "--backup", "one"], clock)).stderr, /warning/);
  });

  it("warns where the part that is wanted is empty: its name may be a slip", async () => {
    await twoBackups();
    const { stderr } = await ok(["restore", repo, "/part", "--namespace", "no-such"], clock);
    assert.match(stderr, /^warning: .* holds nothing under --namespace at that point: no entry was restored/m);
    assert.doesNotMatch((await ok(["restore", repo, "/whole"], clock)).stderr, /warning/);
  });

  it("warns where a time misses what was written by then, while the clock was ahead", async () => {
    await twoBackups();
    const present = now;
    now += 365 * 24 * 3_600_000;
    await ok(["set", db, "ahead", "1"], clock);
    now = present + 60_000;
    await ok(["set", db, "behind", "1"], clock);
    await ok(["backup", db, repo, "--id", "three"], clock);
    now += 60_000;
    const warning =
      /^warning: backup three was made by then and is of version 5, .* comes back is version 3; --at-version/m;
    assert.match((await ok(["restore", repo, "/new", "--at", "now"], clock)).stderr, warning);
    assert.doesNotMatch((await ok(["restore", repo, "/old", "--at", `${present}`], clock)).stderr, /warning/);
    assert.doesNotMatch((await ok(["restore", repo, "/all", "--at-version", "5"], clock)).stderr, /warning/);
  });

  it("knows a repository that has lost what says that it is one", async () => {
    await twoBackups();
    await removeFile(`${repo}/repository.json`);
    assert.match((await ok(["backups", repo])).stdout, /two/, "by its copy");
    await removeFile(`${repo}/index/repository.json`);
    for (const command of [["restore", repo, "/new"], ["verify", repo], ["stats", repo], ["repair", repo]]) {
      const { code, stderr } = await cli(command, clock);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /it has parts of a repository .* but no repository.json, nor its copy index\/repository.json; put/,
      );
    }
  });

  it("makes a new database, of the newest state, a time, a version or a backup", async () => {
    await twoBackups();
    await ok(["restore", repo, "/new"], clock);
    assert.equal(await keys("/new"), "a\nb\nc\n");
    const info = await json(["restore", repo, "/at", "--at", "2026-11-26 12:00:02"], clock);
    assert.deepEqual((info["achieved"] as { version: number }).version, 2);
    await ok(["restore", repo, "/version", "--at-version", "2"], clock);
    assert.equal(await keys("/version"), "a\nb\n");
    await ok(["restore", repo, "/backup", "--backup", "one"], clock);
    assert.equal(await keys("/backup"), "a\n");
    now += 3_600_000;
    const ahead = await cli(["restore", repo, "/ahead", "--at", "now"], clock);
    assert.equal(ahead.code, 1);
    assert.match(ahead.stderr, /; --allow-earlier takes that \(GAP\)$/m);
    await ok(["restore", repo, "/ahead", "--at", "10m ago", "--allow-earlier"], clock);
    assert.equal(await keys("/ahead"), "a\nb\nc\n");
  });

  it("makes no database that nothing would open, as export makes none", async () => {
    await twoBackups();
    for (const argv of [["restore", repo, ":memory:"], ["export", db, ":memory:"]]) {
      const { code, stderr } = await cli(argv);
      assert.equal(code, 2, argv.join(" "));
      assert.match(stderr, /^error: a database in memory is gone with the command; give a directory$/m);
    }
  });

  it("asks before it touches a database that is there", async () => {
    await twoBackups();
    await write("d", "4");
    const plain = await cli(["restore", repo, db], clock);
    assert.equal(plain.code, 2);
    assert.match(plain.stderr, /--mode replace or --mode merge .* --overwrite/);
    for (const how of [["--mode", "replace"], ["--mode", "merge"], ["--overwrite"]]) {
      const { code, stderr } = await cli(["restore", repo, db, ...how], clock);
      assert.deepEqual([code, /give --yes; nothing was done/.test(stderr)], [2, true], how.join(" "));
    }
    assert.equal(await keys(db), "a\nb\nc\nd\n");
    const declined = await cli(["restore", repo, db, "--mode", "replace"], { ...clock, answers: [[/Replace/, ""]] });
    assert.equal(declined.code, 1);
    assert.equal(await keys(db), "a\nb\nc\nd\n");
  });

  it("replaces, merges or makes anew", async () => {
    await twoBackups();
    await write("a", "changed");
    await write("d", "4");
    await ok(["restore", repo, db, "--mode", "merge", "--yes"], clock);
    assert.equal((await ok(["get", db, "a"])).stdout, "1\n");
    assert.equal(await keys(db), "a\nb\nc\nd\n");
    const replaced = await cli(["restore", repo, db, "--mode", "replace", "--backup", "one"], {
      ...clock,
      answers: [[/Replace the contents of \/db by those of \/repo\?/, "yes"]],
    });
    assert.equal(replaced.code, 0, replaced.stderr);
    assert.equal(await keys(db), "a\n");
    await ok(["restore", repo, db, "--overwrite", "--yes"], clock);
    assert.equal(await keys(db), "a\nb\nc\n");
  });

  it("says only what it would do with --dry-run", async () => {
    await twoBackups();
    const { stdout } = await ok(["restore", repo, "/new", "--dry-run"], clock);
    assert.match(stdout, /would be +version 3 of 2026-11-26 12:00:03Z/);
    assert.match(stdout, /entries +at most 1, and what 2 commits wrote\n/);
    const whole = await ok(["restore", repo, "/new", "--dry-run", "--backup", "one"], clock);
    assert.match(whole.stdout, /entries +at most 1\n/);
    assert.equal((await cli(["list", "/new"])).code, 1);
    await ok(["restore", repo, db, "--dry-run", "--mode", "replace", "--backup", "one"], clock);
    await ok(["restore", repo, db, "--dry-run", "--backup", "one"], clock);
    assert.equal(await keys(db), "a\nb\nc\n");
  });

  it("says that a database can't be restored into itself", async () => {
    const { code, stderr } = await cli(["restore", db, db, "--mode", "merge", "--yes"], clock);
    assert.deepEqual(
      [code, /it is what would be restored into; give another \(LOCKED\)/.test(stderr)],
      [1, true],
      stderr,
    );
    assert.equal((await cli(["restore", db, db, "--overwrite", "--yes"], clock)).code, 2);
    assert.equal(await keys(db), "a\n");
  });

  it("takes portable files and standard input, or a part of them", async () => {
    await write("b", "2");
    await ok(["backup", db, "/dump.json"], clock);
    await ok(["restore", "/dump.json", "/part", "--prefix", "b"], clock);
    assert.equal(await keys("/part"), "b\n");
    await ok(["restore", "-", "/whole"], { ...clock, stdin: await fileBytes("/dump.json") });
    assert.equal(await keys("/whole"), "a\nb\n");
  });
});

describe("secrets", () => {
  it("are typed twice where something new is encrypted, once later, and shown never", async () => {
    const twice = [[/New passphrase of \/repo: /, "a long one"], [/The same again: /, "a long one"]] as const;
    const made = await ok(["backup", db, repo, "--encrypt", "--id", "one"], { ...clock, answers: twice });
    assert.ok(!made.stderr.includes("a long one"), "nor where it is new");
    const typed = await ok(["backups", repo], { ...clock, answers: [[/Passphrase of \/repo: /, "a long one"]] });
    assert.ok(!typed.stderr.includes("a long one"), "it is not shown");
    assert.match(typed.stdout, /one +full/);
    const differ = [[/New passphrase of \/other: /, "first"], [/The same again: /, "second"]] as const;
    const { code, stderr } = await cli(["backup", db, "/other", "--encrypt"], { ...clock, answers: differ });
    assert.equal(code, 2);
    assert.match(stderr, /differ; nothing was done/);
  });

  it("are asked for before any line of progress is drawn, which would wipe the question", async () => {
    // Whoever answers takes longer than it is until the line of progress comes: here that comes at once.
    const { setTimeout: later } = globalThis;
    const atOnce = (run: () => void, ms?: number): unknown => later(run, ms === 250 ? 0 : ms);
    globalThis.setTimeout = atOnce as typeof globalThis.setTimeout;
    try {
      const twice = [[/New passphrase of \/repo: /, "a long one"], [/The same again: /, "a long one"]] as const;
      const made = await ok(["backup", db, repo, "--encrypt", "--no-color"], { ...clock, answers: twice });
      assert.match(made.stderr, /^New passphrase of \/repo: \nThe same again: \n/);
      const once = [[/Passphrase of \/repo: /, "a long one"]] as const;
      const more = await ok(["backup", db, repo, "--no-color"], { ...clock, answers: once });
      assert.match(more.stderr, /^Passphrase of \/repo: \n/);
    } finally {
      globalThis.setTimeout = later;
    }
  });

  it("come from a file or the environment where nobody can be asked, and nowhere else", async () => {
    const none = await cli(["backup", db, repo, "--encrypt"], clock);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /--passphrase-file or --key-file, or set HOLDFAST_PASSPHRASE/);
    await putFile("/passphrase", "a long one\n");
    await ok(["backup", db, repo, "--encrypt", "--passphrase-file", "/passphrase"], clock);
    const alone = await cli(["backups", repo], clock);
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /encrypted.*\n.*--passphrase-file.*HOLDFAST_PASSPHRASE/);
    for (const same of ["a long one\n", "a long one"]) {
      await ok(["backups", repo], { ...clock, env: { HOLDFAST_PASSPHRASE: same } });
    }
    const spaced = await cli(["backups", repo], { ...clock, env: { HOLDFAST_PASSPHRASE: " a long one" } });
    assert.equal(spaced.code, 1);
    const wrong = await cli(["backups", repo], { ...clock, env: { HOLDFAST_PASSPHRASE: "another" } });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /does not open it/);
    assert.ok(!wrong.stderr.includes("another"));
    assert.equal((await cli(["backups", repo, "--passphrase", "a long one"])).code, 2);
  });

  it("may be raw keys, as bytes, hex or base64", async () => {
    await putFile("/raw", new Uint8Array(32).fill(7));
    await ok(["backup", db, repo, "--encrypt", "--key-file", "/raw"], clock);
    await ok(["backups", repo], { ...clock, env: { HOLDFAST_KEY: "07".repeat(32) } });
    await putFile("/base64", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
    await ok(["backups", repo, "--key-file", "/base64"], clock);
    await putFile("/short", "070707");
    assert.match((await cli(["backups", repo, "--key-file", "/short"])).stderr, /holds no key/);
  });

  it("are not needed to list and verify with --keyless", async () => {
    await ok(["backup", db, repo, "--encrypt", "--id", "one"], {
      ...clock,
      env: { HOLDFAST_KEY: "07".repeat(32) },
    });
    assert.match((await ok(["verify", repo, "--keyless"])).stdout, /✓ no damage/);
    assert.equal((await jsonLines(["backups", repo, "--keyless"])).length, 1);
  });
});

describe("holdfast verify, drill and health", () => {
  it("end with 0 where all is well", async () => {
    await twoBackups();
    assert.match((await ok(["verify", db])).stdout, /✓ no damage/);
    assert.match((await ok(["verify", repo, "--read", "sample"], clock)).stdout, /read +sample/);
    assert.equal((await json(["verify", repo, "--backup", "one"], clock))["ok"], true);
    await ok(["backup", db, repo], clock);
    assert.match((await ok(["health", repo], clock)).stdout, /✓ OK/);
    assert.equal((await cli(["verify", db, "--read", "all"])).code, 2);
  });

  it("restore for real into a directory, and remove it again", async () => {
    await twoBackups();
    const report = await json(["drill", repo, "--directory", "/", "--at-version", "2"], clock);
    assert.deepEqual([report["ok"], report["version"], report["entries"]], [true, 2, 2]);
    assert.deepEqual((await filesBelow("/")).filter((path) => path.includes("holdfast-drill")), []);
    assert.match((await ok(["history", repo, "--last", "1"])).stdout, /drill +ok/);
  });

  it("end with 3 where something is found", async () => {
    await twoBackups();
    const [object] = await filesBelow(`${repo}/objects`);
    await damage(object!, 100);
    const verified = await cli(["verify", repo], clock);
    assert.equal(verified.code, 3);
    assert.match(verified.stdout, /✗ .*objects\/.*needed by/);
    assert.equal((await cli(["drill", repo, "--directory", "/"], clock)).code, 3);
    const health = await cli(["health", repo, "--json"], clock);
    assert.equal(health.code, 3);
    assert.ok(JSON.parse(health.stdout).findings.length > 0);
    now += 48 * 3_600_000;
    assert.match((await cli(["health", repo], clock)).stdout, /error +overdue|warning +overdue/);
    for (const none of ["0s", "0"]) {
      const { code, stdout } = await cli(["health", repo, "--max-age", none, "--json"], clock);
      assert.deepEqual([code, stdout.includes("overdue")], [3, false]);
    }
  });

  it("count a database that does not even open among the findings", async () => {
    const manifest = (await filesBelow(db)).find((path) => path.includes("MANIFEST"))!;
    await damage(manifest, 70);
    const { code, stdout } = await cli(["verify", db, "--json"]);
    assert.equal(code, 3);
    assert.match(JSON.parse(stdout).problems[0].file, /MANIFEST/);
  });
});
