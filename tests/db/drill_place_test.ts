/** Where a drill restores: a directory of its own, and what killed ones have left goes. */
import assert from "node:assert/strict";
import { symlinkSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { drillIn } from "../../lib/db/repository/drill_place.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { withDirectory } from "./helpers.ts";

/** A directory as a drill has it while it runs, and as it is left where its process is killed. */
async function leave(fs: FileSystem, directory: string, files: readonly string[] = ["LOCK", "table"]): Promise<void> {
  await fs.makeDirectory(directory);
  for (const name of files) await (await fs.open(`${directory}/${name}`, "create")).close();
}

describe("drillIn", () => {
  it("works in a directory of its own, which is gone afterwards", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/there");
    for (const isGood of [true, false]) {
      let lock = "";
      const drilled = drillIn("drill", "/there", fs, async (_, directory) => {
        assert.match(directory, /^\/there\/holdfast-drill-[0-9a-f]{12}$/);
        lock = `${directory}/LOCK`;
        assert.equal(fs.lockedHere(lock), true);
        await leave(fs, `${directory}/database`);
        if (!isGood) throw new RangeError("no");
        return 7;
      });
      if (isGood) assert.equal(await drilled, 7);
      else await assert.rejects(drilled, { name: "RangeError", message: "no" });
      assert.deepEqual(await fs.list("/there"), []);
      assert.equal(fs.lockedHere(lock), false);
    }
  });

  it("removes what drills have left that were killed, and nothing else", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/there");
    const stay = ["another", "holdfast-drill-begun", "holdfast-drill-running"];
    await leave(fs, "/there/another");
    await leave(fs, "/there/holdfast-drill-begun", ["table"]);
    await leave(fs, "/there/holdfast-drill-running");
    await leave(fs, "/there/holdfast-drill-killed");
    await leave(fs, "/there/holdfast-drill-killed/database");
    const running = await fs.lock("/there/holdfast-drill-running/LOCK");
    await drillIn("drill", "/there", fs, async (_, directory) => {
      assert.deepEqual((await fs.list("/there")).sort(), [...stay, directory.slice("/there/".length)].sort());
    });
    assert.equal(fs.lockedHere("/there/holdfast-drill-killed/LOCK"), false);
    running.release();
    await drillIn("drill", "/there", fs, () => Promise.resolve());
    assert.deepEqual((await fs.list("/there")).sort(), stay.slice(0, 2));
    assert.deepEqual(await fs.list("/there/another"), ["LOCK", "table"]);
  });

  it("names the place for temporary files that is not there, and the variable that chose it", async () => {
    const before = process.env["TMPDIR"];
    process.env["TMPDIR"] = "/nowhere/temporary/";
    try {
      await assert.rejects(drillIn("drill", undefined, memoryFileSystem(), () => Promise.resolve()), {
        name: "NotFoundError",
        message:
          /^Cannot drill in \/nowhere\/temporary\/?, the place for temporary files by TMPDIR: there is no such directory; make it, or pass option "directory" \(NOT_FOUND\)$/,
      });
    } finally {
      if (before === undefined) delete process.env["TMPDIR"];
      else process.env["TMPDIR"] = before;
    }
    await assert.rejects(drillIn("drill", "/nowhere", memoryFileSystem(), () => Promise.resolve()), {
      message: "Cannot drill in /nowhere: there is no such directory; make it first (NOT_FOUND)",
    });
  });

  it("follows no link", async () => {
    await withDirectory(async (path) => {
      const fs = nodeFileSystem();
      await leave(fs, `${path}/database`);
      await fs.makeDirectory(`${path}/there`);
      symlinkSync(`${path}/database`, `${path}/there/holdfast-drill-link`);
      await drillIn("drill", `${path}/there`, fs, () => Promise.resolve());
      assert.deepEqual(await fs.list(`${path}/there`), ["holdfast-drill-link"]);
      assert.deepEqual((await fs.list(`${path}/database`)).sort(), ["LOCK", "table"]);
    });
  });
});
