/** Long work that is under way when the database closes: from then on its files may be another's, or gone. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClosedError, DB, type Progress } from "../../mod.ts";
import { Context } from "../../lib/db/context.ts";
import { onOneDisk } from "./helpers.ts";

async function filled(): Promise<{ db: DB; list: () => Promise<string[]> }> {
  const { fileSystem } = onOneDisk();
  const db = await DB.open("/d", { fileSystem, blobBytes: 1000 });
  for (let i = 0; i < 200; i++) await db.set(`k${i}`, `${i}`.repeat(1000));
  await db.flush();
  await db.compact();
  return { db, list: () => fileSystem.list("/") };
}

describe("a database that closes ends", () => {
  for (const format of ["tar", "jsonl"] as const) {
    it(`a stream of ${format}`, async () => {
      const { db } = await filled();
      const reader = db.exportStream({ format }).getReader();
      assert.equal((await reader.read()).done, false);
      await db.close();
      await assert.rejects(async () => {
        while (!(await reader.read()).done);
      }, ClosedError);
    });
  }

  const works: Record<string, (db: DB, onProgress: (progress: Progress) => void) => Promise<unknown>> = {
    "an export to a directory": (db, onProgress) => db.export("/copy", { onProgress }),
    "an export to a file": (db, onProgress) => db.export("/copy.tar", { onProgress }),
    "a portable backup": (db, onProgress) => db.backup("/copy.json", { onProgress }),
    "a backup into a repository": (db, onProgress) => db.backup("/copy/", { onProgress }),
  };
  for (const [name, work] of Object.entries(works)) {
    it(name, async () => {
      const { db, list } = await filled();
      let closed: Promise<void> | undefined;
      await assert.rejects(work(db, () => closed ??= db.close()), ClosedError);
      await closed;
      if (!name.includes("repository")) assert.deepEqual(await list(), ["d"]);
    });
  }

  it("what fails by it with the reason, and other work with its own", async () => {
    const context = new Context({ path: "/d" } as unknown as Context);
    const broken = new Error("a file is gone");
    await assert.rejects(context.whileOpen("export", () => Promise.reject(broken)), broken);
    const closing = context.whileOpen("export", () => {
      for (const close of context.closing) close();
      return Promise.reject(broken);
    });
    await assert.rejects(closing, ClosedError);
    assert.equal(context.closing.size, 0);
  });
});
