/** Relative paths mean the directory in which the process is when they are given. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { BackupRepository, DB } from "../../mod.ts";
import { KeyvHoldfast } from "../../lib/adapters/keyv.ts";
import { HoldfastLevel } from "../../lib/adapters/level.ts";
import { schedule } from "../../lib/adapters/schedule.ts";
import { holdfastDriver } from "../../lib/adapters/unstorage.ts";
import { withDirectory } from "./helpers.ts";

/** Runs in a directory with `here` and `there`: what `call` begins is begun in `here`, and goes on in `there`. */
async function moving(
  prepare: (here: string) => Promise<void>,
  call: () => Promise<unknown>,
  made?: string,
  finish?: () => Promise<void>,
): Promise<void> {
  await withDirectory(async (path) => {
    const before = process.cwd();
    const [here, there] = [join(path, "here"), join(path, "there")];
    mkdirSync(here);
    mkdirSync(there);
    try {
      process.chdir(here);
      await prepare(here);
      const work = call();
      process.chdir(there);
      await work;
      assert.deepEqual(readdirSync(there), []);
      if (made !== undefined) assert.ok(existsSync(join(here, made)), made);
    } finally {
      process.chdir(before);
      await finish?.();
    }
  });
}

/** A database, copies of it, a repository, and a place to work in. */
async function prepare(here: string): Promise<void> {
  mkdirSync(join(here, "scratch"));
  await using db = await DB.open(join(here, "data"));
  await db.set("a", 1);
  await db.export(join(here, "copy"));
  await db.backup(join(here, "backups/"));
  await db.backup(join(here, "dump.json"));
}

describe("a relative path is where it was when it was given", () => {
  const cases: Record<string, readonly [call: () => Promise<unknown>, made?: string]> = {
    "DB.open": [async () => await (await DB.open("new")).close(), "new/CURRENT"],
    "DB.exists": [async () => assert.ok(await DB.exists("data"))],
    "DB.destroy": [() => DB.destroy("data")],
    "DB.repair": [() => DB.repair("data", { dryRun: true })],
    "DB.restore of a copy": [() => DB.restore("copy", "new"), "new/CURRENT"],
    "DB.restore of a file": [() => DB.restore("./dump.json", "./new"), "new/CURRENT"],
    "DB.restore of a repository": [() => DB.restore("backups", "new"), "new/CURRENT"],
    "repository": [async () => {
      const repo = await BackupRepository.open("new/");
      await repo.list();
    }, "new/repository.json"],
    "HoldfastLevel": [async () => {
      const level = new HoldfastLevel("new");
      assert.equal(level.location, "new");
      await level.put("a", "1");
      await level.close();
    }, "new/CURRENT"],
    "KeyvHoldfast": [async () => {
      const store = new KeyvHoldfast("new");
      await Promise.resolve();
      await store.set("a", "1");
      await store.disconnect();
    }, "new/CURRENT"],
    "holdfastDriver": [async () => {
      const driver = holdfastDriver({ path: "new" });
      await Promise.resolve();
      await driver.setItem("a", "1");
      await driver.dispose();
    }, "new/CURRENT"],
  };
  for (const [name, [call, made]] of Object.entries(cases)) {
    it(name, async () => await moving(prepare, call, made));
  }

  const open: Record<string, readonly [call: (db: DB, repo: BackupRepository) => Promise<unknown>, made?: string]> = {
    "db.export to a directory": [(db) => db.export("new"), "new/CURRENT"],
    "db.export to a file": [(db) => db.export("new.tar"), "new.tar"],
    "db.backup to a file": [(db) => db.backup("new.json"), "new.json"],
    "db.backup to a repository": [(db) => db.backup("new.d/"), "new.d/repository.json"],
    "db.restore": [(db) => db.restore("copy")],
    "repo.restore": [(_, repo) => repo.restore("new"), "new/CURRENT"],
    "repo.drill": [(_, repo) => repo.drill({ directory: "scratch" })],
    "schedule": [async (db, repo) => {
      const scheduled = schedule(repo, db, { verify: "0 0 1 1 *", journal: "journal.json" });
      await Promise.resolve();
      await scheduled.runNow("verify");
      await scheduled.stop();
    }, "journal.json"],
  };
  for (const [name, [call, made]] of Object.entries(open)) {
    it(name, async () => {
      let db: DB | undefined;
      let repo: BackupRepository | undefined;
      const opened = async (here: string): Promise<void> => {
        await prepare(here);
        db = await DB.open("data");
        repo = await BackupRepository.open("backups");
      };
      await moving(opened, () => call(db!, repo!), made, async () => {
        await repo?.close();
        await db?.close();
      });
    });
  }
});
