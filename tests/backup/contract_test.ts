/** Sentences of the contract on export, portable backup and restore, through the `DB` class and real files. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { DB, NoSpaceError, type Progress } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";

// deno-lint-ignore no-explicit-any
type Anything = any;

const root = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-contract-")));
const at = (name: string): string => join(root, name);
let db: DB;

before(async () => {
  db = await DB.open(at("data"), { tuning: { reserve: false } });
  await db.set("json", { a: [1] }, { tags: ["t"] });
  await db.set("text", "hello", { expiresAt: Date.now() + 86_400_000 });
  await db.set("bytes", new Uint8Array([0, 255]));
  await db.set("large", new Uint8Array(randomBytes(1_300_000)));
  await db.namespace("users").set("ada", "Ada");
});
after(async () => {
  await db.close();
  rmSync(root, { recursive: true, force: true });
});

/** Every path with the hash of its bytes; the open database's own directory left out. */
function tree(): string[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => !/^data([/\\]|$)/.test(name)).sort()
    .map((name) => {
      const path = at(name);
      if (statSync(path).isDirectory()) return name;
      return `${name} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
    });
}

describe("what needs a backup repository", () => {
  it("is refused clearly where there is none: other directories, objects that are no store", async () => {
    mkdirSync(at("existing.json"));
    writeFileSync(at("existing.json/mine.txt"), "mine");
    const before = tree();
    await assert.rejects(db.backup(at("existing.json")), { code: "EXISTS", message: /other files \(mine\.txt\)/ });
    for (const odd of [{}, { put() {} }, new (class BackupRepository {})()]) {
      await assert.rejects(db.backup(odd as Anything), { name: "TypeError", message: /destination must be a path/ });
      await assert.rejects(db.restore(odd as Anything), { name: "TypeError", message: /source must be a path/ });
      await assert.rejects(DB.restore(odd as Anything, at("new")), { name: "TypeError", message: /source must be/ });
    }
    const neither = { code: "NOT_FOUND", message: /neither a database nor a backup repository/ };
    await assert.rejects(db.restore(at("existing.json")), neither);
    await assert.rejects(DB.restore(at("existing.json"), at("new")), neither);
    assert.deepEqual(tree(), before);
    rmSync(at("existing.json"), { recursive: true });
  });

  it("is refused by the name of the option", async () => {
    await db.backup(at("all.json"));
    const before = tree();
    const backup = {
      id: "x",
      parent: "x",
      maxBytes: 1,
      concurrency: 4,
      bytesPerSecond: 1,
      prune: {},
      excludeLog: true,
      encryption: { passphrase: "x" },
    };
    const restore = {
      backupId: "x",
      at: 1,
      database: "0".repeat(32),
      lineage: "0".repeat(32),
      allowEarlier: true,
      concurrency: 4,
      bytesPerSecond: 2000,
      encryption: { passphrase: "x" },
    };
    for (const [name, value] of Object.entries(backup)) {
      const message = `db.backup: option "${name}" is for backup repositories; leave it out for a portable file`;
      const options = { [name]: value } as Anything;
      await assert.rejects(db.backup(at("x.json"), options), { name: "TypeError", message });
    }
    for (const [name, value] of Object.entries(restore)) {
      const message = new RegExp(`estore: option "${name}" is for backup repositories, and .*all.json is none`);
      const options = { [name]: value } as Anything;
      await assert.rejects(db.restore(at("all.json"), options), { name: "TypeError", message });
      await assert.rejects(DB.restore(at("all.json"), at("new"), options), { name: "TypeError", message });
    }
    for (const type of ["incremental", "snapshot"] as const) {
      await assert.rejects(db.backup(at("x.json"), { type }), {
        name: "TypeError",
        message: `db.backup: option "type" must be "full" for a portable file, not "${type}"`,
      });
    }
    await assert.rejects(db.restore(at("all.json"), { at: 1, backupId: "x" } as Anything), {
      name: "TypeError",
      message: /both option "at" and option "backupId"/,
    });
    assert.deepEqual(tree(), before);
    rmSync(at("all.json"));
  });

  it("and stores elsewhere, say which import to add", async () => {
    for (const [url, name] of [["s3://b/p", "s3"], ["gs://b/p", "gcs"], ["az://b/p", "azure"]] as const) {
      const refused = { name: "TypeError", message: new RegExp(`import \\{ ${name} \\} from "@holdfast/db/${name}"`) };
      await assert.rejects(db.backup(url), refused);
      await assert.rejects(db.export(url), refused);
      await assert.rejects(db.restore(url), refused);
      await assert.rejects(DB.restore(url, at("new")), refused);
    }
  });
});

describe("destinations", () => {
  it("are checked first, each obstacle with its own error, and nothing is changed", async () => {
    mkdirSync(at("full"));
    writeFileSync(at("full/notes.txt"), "mine");
    writeFileSync(at("file.tar"), "mine");
    writeFileSync(at("file.json"), "mine");
    writeFileSync(at("plain"), "mine");
    await db.export(at("copy"));
    const before = tree();
    const refusals: [() => Promise<unknown>, string, RegExp][] = [
      [() => db.export(at("copy")), "ExistsError", /a database is there; pass overwrite: true/],
      [() => db.export(at("full"), { overwrite: true }), "ExistsError", /not empty \(notes.txt\)/],
      [() => db.export(at("plain"), { overwrite: true }), "ExistsError", /a file is in its place/],
      [() => db.export(at("file.tar")), "ExistsError", /the file exists; pass overwrite: true/],
      [() => db.export(at("no/copy")), "NotFoundError", /its parent directory .*no is missing; make it first/],
      [() => db.export(at("no/copy.tar.gz")), "NotFoundError", /parent directory .* is missing/],
      [() => db.export(at("plain/copy")), "NotFoundError", /is not a directory/],
      [() => db.export(at("data")), "TypeError", /own directory/],
      [() => db.export(at("data/copy.tar")), "TypeError", /inside the database's own directory/],
      [() => db.export(at("dump.json")), "TypeError", /dump\.json looks like a file, .* a backup is \.json/],
      [() => db.export(at("dump.gz")), "TypeError", /dump\.gz looks like a file/],
      [() => db.backup(at("file.json")), "ExistsError", /the file exists; pass overwrite: true/],
      [() => db.backup(at("no/x.json")), "NotFoundError", /parent directory .* is missing/],
      [() => db.backup(at("data/x.json")), "TypeError", /inside the database's own directory/],
      [() => db.backup(at("x.txt")), "TypeError", /must end in .json or .jsonl/],
      [() => DB.restore(at("copy"), at("full")), "ExistsError", /not empty/],
      [() => DB.restore(at("copy"), at("no/new")), "NotFoundError", /parent directory .* is missing/],
      [() => DB.restore(at("copy"), at("copy")), "ExistsError", /a database is there/],
      [() => DB.restore(at("copy"), at("data"), { overwrite: true }), "LockedError", /this process has it open/],
      [
        () => DB.restore(at("copy"), ":memory:"),
        "TypeError",
        /DB\.restore: ":memory:" is no path; .* while it is open/,
      ],
      [() => db.export(":memory:"), "TypeError", /db\.export: ":memory:" is no path/],
      [() => db.backup(":memory:"), "TypeError", /db\.backup: ":memory:" is no path/],
      [() => DB.restore(at("nothing"), at("new")), "NotFoundError", /nothing is there; check the path/],
    ];
    for (const [call, name, message] of refusals) await assert.rejects(call(), { name, message });
    assert.deepEqual(tree(), before);
    await db.export(at("copy"), { overwrite: true });
    await db.export(at("file.tar"), { overwrite: true });
    await db.backup(at("file.json"), { overwrite: true });
    for (const name of ["full", "file.tar", "file.json", "plain", "copy"]) rmSync(at(name), { recursive: true });
  });

  it("that are links leading nowhere are refused as such, and replaced with overwrite as files are", async () => {
    const names = ["link", "link.tar", "link.json"];
    for (const name of names) symlinkSync(at("nowhere"), at(name));
    const refusals: [() => Promise<unknown>, string, RegExp][] = [
      [() => db.export(at("link")), "ExistsError", /a link that leads nowhere is in its place/],
      [() => db.export(at("link.tar")), "ExistsError", /a link that leads nowhere is in its place/],
      [() => db.backup(at("link.json")), "ExistsError", /a link that leads nowhere is in its place/],
      [() => db.backup(at("link/")), "ExistsError", /as a repository: it is a link that leads nowhere/],
      [() => DB.open(at("link")), "ExistsError", /it is a link that leads nowhere, and a database is a directory/],
      [() => DB.restore(at("link"), at("new")), "NotFoundError", /Cannot restore from .*: it is a link that leads/],
    ];
    try {
      for (const [call, name, message] of refusals) await assert.rejects(call, { name, message });
      await db.backup(at("link.json"), { overwrite: true });
      assert.equal(lstatSync(at("link.json")).isFile(), true);
    } finally {
      for (const name of names) rmSync(at(name));
    }
  });

  it("with too little space are a NoSpaceError, and nothing is left there", async () => {
    const small = at("small");
    mkdirSync(small);
    let mounted = false;
    if (process.platform === "linux" && process.getuid?.() === 0) {
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small], { stdio: "ignore" });
        mounted = true;
      } catch {
        // Not allowed here: the file system in memory below has to do.
      }
    }
    const fileSystem = memoryFileSystem();
    const other = await DB.open("/data", { fileSystem, tuning: { reserve: false } });
    await other.set("large", new Uint8Array(randomBytes(1_000_000)));
    fileSystem.capacityBytes = fileSystem.usedBytes + 100_000;
    try {
      const places: [DB, string, () => string[] | Promise<string[]>][] = [[other, "/", () => fileSystem.list("/")]];
      if (mounted) places.push([db, `${small}/`, () => readdirSync(small)]);
      for (const [from, place, names] of places) {
        const before = await names();
        for (const name of ["copy", "copy.tar", "copy.tar.zst", "all.json", "all.jsonl.gz"]) {
          const path = place + name;
          const done = name.startsWith("copy") ? from.export(path, { link: "never" }) : from.backup(path);
          await assert.rejects(done, (error: Error) => {
            assert.ok(error instanceof NoSpaceError, `${path}: ${error}`);
            if (/^copy(.tar)?$/.test(name)) assert.match(error.message, /\d+ bytes are needed and \d+ are free/);
            return true;
          });
          assert.deepEqual(await names(), before, path);
        }
        await from.set("after", 1);
      }
      await db.delete("after");
    } finally {
      if (mounted) execFileSync("umount", ["-l", small]);
      rmSync(small, { recursive: true });
      await other.close();
    }
  });
});

describe("work that is stopped", () => {
  it("leaves nothing, and the database as it was, whenever its signal fires", async () => {
    await db.backup(at("all.json"));
    await db.export(at("copy.tar"));
    const before = tree();
    const works: Record<string, (options: object) => Promise<unknown>> = {
      "export to a directory": (options) => db.export(at("out"), options),
      "export to a file": (options) => db.export(at("out.tar.zst"), options),
      "backup": (options) => db.backup(at("out.json"), options),
      "restore": (options) => db.restore(at("all.json"), options),
      "restore into a path": (options) => DB.restore(at("copy.tar"), at("out"), options),
      "restore of lines into a path": (options) => DB.restore(at("all.json"), at("out"), options),
    };
    for (const [what, work] of Object.entries(works)) {
      for (let step = 1;; step++) {
        const controller = new AbortController();
        const reason = { why: `${what}, step ${step}` };
        const { version, lineage } = db;
        let seen = 0;
        let published = false;
        const onProgress = ({ phase }: Progress): void => {
          published = phase === "publish";
          if (++seen === step) controller.abort(reason);
        };
        try {
          await work({ signal: controller.signal, onProgress });
        } catch (error) {
          assert.equal(error, reason, what);
          assert.deepEqual(tree(), before, `${what}, step ${step}`);
          assert.deepEqual([db.version, db.lineage], [version, lineage]);
          assert.deepEqual(readdirSync(at("data")).filter((name) => name.startsWith(".")), []);
          continue;
        }
        // Too late to be stopped: it is done, all of it.
        assert.ok(published || seen <= step, `${what}, step ${step}`);
        for (const name of readdirSync(root)) if (name.startsWith("out")) rmSync(at(name), { recursive: true });
        assert.deepEqual(tree(), before);
        if (seen < step) break;
      }
    }
    assert.equal(await db.namespace("users").get("ada"), "Ada");
    assert.equal(db.stats().pins, 0);
    rmSync(at("all.json"));
    rmSync(at("copy.tar"));
  });

  it("by a failure carries `partial`: what was done", async () => {
    await db.backup(at("all.jsonl"));
    const text = readFileSync(at("all.jsonl"), "utf8").split("\n");
    writeFileSync(at("cut.jsonl"), text.slice(0, 3).join("\n"));
    for (const work of [() => db.restore(at("cut.jsonl")), () => DB.restore(at("cut.jsonl"), at("new"))]) {
      const error = await work().catch((e) => e);
      assert.equal(error.name, "IntegrityError");
      assert.deepEqual(Object.keys(error.partial).sort(), ["bytes", "items"]);
    }
    rmSync(at("all.jsonl"));
    rmSync(at("cut.jsonl"));
  });
});

describe("what comes back", () => {
  it("says all that it did", async () => {
    const backup = await db.backup(at("all.json.gz"), { labels: { why: "test" } });
    assert.deepEqual(Object.keys(backup).sort(), [
      "addedBytes",
      "checksum",
      "compression",
      "createdAt",
      "database",
      "databaseName",
      "durationMs",
      "encrypted",
      "entryCount",
      "fileCount",
      "id",
      "labels",
      "lineage",
      "namespace",
      "parentId",
      "pinned",
      "prefix",
      "requestedType",
      "selective",
      "storedBytes",
      "timestamp",
      "totalBytes",
      "type",
      "version",
    ]);
    assert.deepEqual(
      [backup.type, backup.database, backup.databaseName, backup.entryCount, backup.compression, backup.selective],
      ["full", db.id, "data", 5, "gzip", false],
    );
    assert.match(backup.checksum, /^sha256:[0-9a-f]{64}$/);
    assert.equal((await db.backup(at("some.json"), { prefix: "t" })).selective, true);
    const info = await DB.restore(at("all.json.gz"), at("new"));
    assert.deepEqual(Object.keys(info).sort(), [
      "achieved",
      "backups",
      "bytes",
      "database",
      "durationMs",
      "entries",
      "expired",
      "lineage",
      "recordsReplayed",
      "requested",
      "reusedBytes",
    ]);
    assert.equal(info.entries, 5);
    await using copy = await DB.open(at("new"));
    assert.deepEqual([copy.id, copy.version], [info.database, info.achieved.version]);
    for (const key of ["json", "text", "bytes", "large"]) {
      const [one, two] = [await db.getEntry(key), await copy.getEntry(key)];
      assert.deepEqual([two!.value, two!.tags, two!.expiresAt], [one!.value, one!.tags, one!.expiresAt], key);
    }
    assert.equal(await copy.namespace("users").get("ada"), "Ada");
  });

  it("from an export has the versions, times and id it had, and a new lineage from its next write on", async () => {
    await db.export(at("copy"));
    await using copy = await DB.open(at("copy"));
    assert.deepEqual([copy.id, copy.version, copy.timestamp], [db.id, db.version, db.timestamp]);
    assert.deepEqual(await copy.getEntry("json"), await db.getEntry("json"));
    await copy.set("other", 1);
    assert.notEqual(copy.lineage, db.lineage);
    assert.equal(await db.has("other"), false);
  });
});
