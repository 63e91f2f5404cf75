import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BackupRepository, DB, type RestoreOptions } from "../../../mod.ts";
import { memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";

/** A database that has lost entries to a repair, whose backups before that hold them. */
async function repaired() {
  const fileSystem = memoryFileSystem();
  const repo = await BackupRepository.open(new MemoryStore());
  const before = await DB.open("/db", { fileSystem, compression: "none", history: { maxBytes: 0 } });
  await before.setMany(Array.from({ length: 1000 }, (_, i) => [`entry/${i}`, "some text ".repeat(10)] as const));
  await before.compact();
  await repo.backup(before);
  await before.close();
  const table = (await fileSystem.list("/db")).find((name) => name.endsWith(".sst"));
  fileSystem.damage(`/db/${table}`, (bytes) => bytes.with(200, bytes[200]! ^ 1));
  const { kept } = await DB.repair("/db", { fileSystem });
  assert.ok(kept > 0 && kept < 1000);
  const db = await DB.open("/db", { fileSystem });
  const countOf = async (options: RestoreOptions): Promise<number> => {
    await DB.restore(repo, "/restored", { ...options, fileSystem, overwrite: true });
    await using restored = await DB.open("/restored", { fileSystem, readOnly: true });
    return await restored.count();
  };
  return { db, repo, kept, countOf, before };
}

describe("a database that was repaired", () => {
  for (const type of ["auto", "incremental", "snapshot", "full"] as const) {
    it(`is in its next backup what it is, and no backup before it leads there (${type})`, async () => {
      const { db, repo, kept, countOf, before } = await repaired();
      const { id, version } = await repo.backup(db, { type });
      assert.equal(version, db.version);
      assert.equal(await countOf({ backupId: id }), kept);
      await db.set("written", "afterwards");
      const next = await repo.backup(db, { type: "incremental" });
      assert.equal(await countOf({ backupId: next.id }), kept + 1);
      // What was lost is still where it was.
      assert.equal(await countOf({ lineage: before.lineage }), 1000);
      assert.ok((await repo.verify()).ok);
      await db.close();
      await repo.close();
    });
  }

  it("is archived from there on: no log of its own leads from what was before", async () => {
    const { db, repo, kept, countOf, before } = await repaired();
    await db.set("written", "before it is archived again");
    const replication = await repo.replicate(db);
    await replication.flush();
    await db.set("more", 1);
    await replication.stop();
    await repo.backup(db, { type: "incremental" });
    const { id: database, lineage } = db;
    assert.equal(await countOf({ database, lineage }), kept + 2);
    assert.equal(await countOf({ database, lineage: before.lineage }), 1000);
    for (const { lineage: of, from, to } of await repo.recoveryPoints()) {
      for (let version = from.version; version <= to.version; version++) {
        const count = await countOf({ database, lineage: of, at: { version } });
        if (of === lineage) assert.equal(count, kept + 1 + version - (db.version - 1), `version ${version}`);
      }
    }
    await db.close();
    await repo.close();
  });
});
