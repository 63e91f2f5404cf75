import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { IOError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Clockwork } from "../crash/public_database.ts";

describe("changes from before many restores", () => {
  it("are told as long as it is known whose they were, then as a reset: each restore would keep a catalog in memory", async () => {
    await using db = await DB.open(":memory:");
    const source = [new TextEncoder().encode("[]")];
    for (let i = 0; i < 8; i++) {
      await db.namespace("n").set(`k${i}`, i);
      await db.restore(source);
    }
    const told: string[] = [];
    for await (const { changes } of db.changes()) for (const change of changes) told.push(change.type);
    assert.deepEqual(told, [...Array(4).fill(["reset", "reset"]), ...Array(4).fill(["set", "reset"])].flat());
  });
});

describe("a restore into an open database, whose new catalog can't be read at once", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`shows the namespaces of before or of after, never none, ${mode}`, async () => {
      const disk = memoryFileSystem();
      const machine = new Clockwork();
      const db = await DB.open("/data", machine.options(disk));
      await db.namespace("n").set("a", "old");
      await db.backup("/dump.jsonl");
      await db.namespace("n").set("a", "new");
      await db.close();
      let late = 0;
      let hit = true;
      for (let at = 1; hit; at++) {
        let seen = 0;
        let fails = true;
        hit = false;
        const fork = disk.fork({ keep: "all" }, {
          beforeOperation({ mutates, name, path }) {
            if (!fails || mutates || ++seen < at) return;
            hit = true;
            throw new IOError(`Cannot ${name} ${path}: injected (EIO)`);
          },
        });
        fails = false;
        const open = await DB.open("/data", machine.fork().options(fork));
        fails = true;
        const error = await open.restore("/dump.jsonl", { mode }).then(() => undefined, (reason) => reason);
        assert.ok(error === undefined || ["IO", "READ_ONLY"].includes(error.code), `${error}`);
        if (error === undefined && hit) {
          late++;
          const get = async (): Promise<unknown> => await open.namespace("n").get("a");
          const found = await get().catch((reason) => reason);
          assert.ok(found === "old" || found instanceof IOError, `it says so, and does not find ${found}`);
        }
        fails = false;
        const { version } = open;
        assert.equal(await open.namespace("n").get("a"), version > 2 ? "old" : "new", `read ${at}`);
        assert.deepEqual(open.namespaces(), ["n"]);
        await open.close().catch(() => {});
      }
      assert.ok(late > 0, "some reads failed after the restore had taken effect");
    });
  }
});
