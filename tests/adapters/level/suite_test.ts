/**
 * The suite that `abstract-level` publishes for implementations, all of it, on databases in real directories: each of its
 * tests is a test here.
 *
 * It makes some 1,700 databases. In the short form nothing waits for the disk, which would take most of the time and is no
 * concern of the suite; in the long form (`HOLDFAST_LONG=1`) they are opened just as users open them.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { HoldfastLevel } from "../../../lib/adapters/level.ts";
import { LONG } from "../../crash/random.ts";
import { collectTests, runTest } from "./tape_tests.ts";
import { unsyncedFileSystem } from "./unsynced.ts";

const suite = createRequire(import.meta.url)("abstract-level/test") as (options: object) => void;

/** Far above what any of them takes; one that hangs is to fail by itself. */
const LIMIT_MS = 30_000;

const files = unsyncedFileSystem();

/** Adds to the options where nobody looks at them: hooks are shown those of the user. */
class QuickLevel extends HoldfastLevel {
  override _open(options: Parameters<HoldfastLevel["_open"]>[0]): Promise<void> {
    return super._open({ ...options, fileSystem: files, tuning: { reserve: false } });
  }
}

describe("abstract-level's suite on HoldfastLevel", () => {
  const directory = mkdtempSync(join(tmpdir(), "level-suite-"));
  const databases: HoldfastLevel[] = [];
  let assertions = 0;

  const tests = collectTests((test) =>
    suite({
      test,
      factory(options?: object) {
        const location = join(directory, String(databases.length));
        const database = LONG ? new HoldfastLevel(location, options) : new QuickLevel(location, options);
        databases.push(database);
        return database;
      },
    })
  );

  after(async () => {
    // Some of its tests leave theirs open, or in a state that can't be left.
    const left = databases.filter(({ status }) => status === "open");
    await Promise.all(left.map(({ holdfast }) => holdfast.close()));
    rmSync(directory, { recursive: true });
  });

  for (const test of tests) {
    it(test.name, async () => {
      assertions += (await runTest(test, LIMIT_MS)).length;
    });
  }

  it("has run in full", () => {
    assert.deepEqual({ tests: tests.length, assertions }, { tests: 1509, assertions: 5168 });
  });
});
