/** A repository in Azure Blob Storage: made, continued, copied, checked, pruned, read back; and with a server that loses what it had said was kept. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { BackupRepository, DB, type ObjectStore } from "../../../mod.ts";
import { LONG, TURN } from "../../crash/random.ts";
import { bytesOf, keysOf } from "../helpers.ts";
import { ACCOUNT, KEY } from "../servers/azurite.ts";
import { azureFixture, ownAzureFixture } from "./fixture.ts";

const azure = await azureFixture();
const home = mkdtempSync(join(tmpdir(), "holdfast-azure-"));
after(() => rmSync(home, { recursive: true, force: true }));
let places = 0;
const place = (): string => join(home, String(++places));

const entries = (from: number, to: number): [string, { text: string }][] =>
  Array.from({ length: to - from }, (_, i) => [`key/${from + i}`, { text: `plain text of entry ${from + i}` }]);

/** All entries of a database that lies somewhere. */
async function contentsAt(path: string): Promise<Map<string, unknown>> {
  await using db = await DB.open(path, { readOnly: true });
  const found = new Map<string, unknown>();
  for await (const { key, value } of db.list()) found.set(key, value);
  return found;
}

describe("a repository in Azure Blob Storage", () => {
  it("is made by a backup, continued, shipped to, and gives back any moment", async () => {
    let now = Date.UTC(2026, 10, 26, 8);
    const clock = (): number => now += 1000;
    const store = await azure.open({ blockBytes: 64 * 1024 });
    await using db = await DB.open(place(), { clock });
    await db.setMany(entries(0, 500));
    // Large enough for blocks.
    await db.set("large", "x".repeat(300_000));
    const first = await db.backup(store);
    assert.equal(first.type, "full");
    await db.setMany(entries(500, 600));
    const second = await db.backup(store);
    assert.equal(second.type, "incremental");
    await using repo = await BackupRepository.open(store, { clock });
    await using replication = await repo.replicate(db, { interval: 60_000 });
    const { version } = await db.set("shipped", 1);
    await db.set("shipped", 2);
    await replication.flush();
    await replication.stop();

    const newest = place();
    await repo.restore(newest);
    assert.equal((await contentsAt(newest)).get("shipped"), 2);
    const between = place();
    const { achieved } = await repo.restore(between, { at: { version } });
    assert.equal(achieved.version, version);
    const then = await contentsAt(between);
    assert.deepEqual([then.get("shipped"), then.size], [1, 602]);
    const early = place();
    await DB.restore(store, early, { backupId: first.id });
    assert.equal((await contentsAt(early)).size, 501);
    assert.equal((await repo.verify()).ok, true);
  });

  it("is copied from a directory and back, pruned, and holds no plain text when encrypted", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({}, { container });
    const encryption = { passphrase: "correct horse battery staple" };
    const path = place();
    await using db = await DB.open(path);
    await using local = await BackupRepository.open(place());
    for (let i = 0; i < 3; i++) {
      await db.setMany(entries(i * 100, i * 100 + 100));
      await local.backup(db, { type: "full" });
    }
    const back = place();
    {
      await using remote = await BackupRepository.open(store, { encryption });
      await local.copyTo(remote);
      assert.equal((await remote.list()).length, 3);
      assert.equal((await remote.verify()).ok, true);
      await remote.prune({ keepLast: 1 });
      assert.equal((await remote.list()).length, 1);
      assert.equal((await remote.verify()).ok, true);
      await using returned = await BackupRepository.open(place());
      await remote.copyTo(returned);
      await returned.restore(back);
    }
    assert.deepEqual(await contentsAt(back), new Map<string, unknown>(entries(0, 300).sort()));
    for (const key of await keysOf(store)) {
      assert.doesNotMatch(
        new TextDecoder().decode(await bytesOf(await store.get(key))),
        /plain text|correct horse/,
        key,
      );
    }
    await assert.rejects(BackupRepository.open(store), /encrypted/);
    await assert.rejects(BackupRepository.open(store, { encryption: { passphrase: "another one" } }), /DECRYPTION/);
  });

  it("is not made where the container is missing, and says what to do", async () => {
    const store = await azure.open({}, { container: "no-such-container" });
    await assert.rejects(BackupRepository.open(store), /the container does not exist.*az storage container create/);
  });
});

describe("who has no more rights than needed", () => {
  const shared = new StorageSharedKeyCredential(ACCOUNT, KEY);
  const signed = (containerName: string, permissions: string): Promise<ObjectStore> => {
    const expiresOn = new Date(Date.now() + 3600_000);
    const allowed = ContainerSASPermissions.parse(permissions);
    const sasToken = generateBlobSASQueryParameters({ containerName, permissions: allowed, expiresOn }, shared)
      .toString();
    return azure.open({ sasToken, blockBytes: 64 * 1024 }, { container: containerName });
  };

  it("makes backups and replicates with rcwl, prunes with rcwdl, restores and verifies with rl", async () => {
    const container = await azure.server.newContainer();
    await using db = await DB.open(place());
    await db.setMany(entries(0, 100));
    await db.set("large", "z".repeat(200_000));
    {
      await using repo = await BackupRepository.open(await signed(container, "rcwl"));
      for (let i = 0; i < 2; i++) await repo.backup(db, { type: "full" });
      const replication = await repo.replicate(db, { interval: 20 });
      for (let i = 0; i < 2; i++) {
        await db.set("small", i);
        await replication.flush();
      }
      await replication.stop();
      await assert.rejects(repo.prune({ keepLast: 1 }), /the signature lacks the permission delete/);
    }
    {
      await using repo = await BackupRepository.open(await signed(container, "rcwdl"));
      await repo.prune({ keepLast: 1 });
    }
    await using repo = await BackupRepository.open(await signed(container, "rl"), { readOnly: true });
    assert.equal((await repo.verify()).ok, true);
    const path = place();
    await repo.restore(path);
    assert.equal((await contentsAt(path)).size, 102);
    await assert.rejects(DB.restore(await signed(container, "r"), place()), /the signature lacks the permission list/);
    await assert.rejects(db.backup(await signed(container, "rl")), /the signature lacks the permission create/);
  });
});

describe("an object that the server had acknowledged and lost", () => {
  it("is found by verify, whichever it is, and the next full backup is whole", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({}, { container });
    await using db = await DB.open(place());
    await db.setMany(entries(0, 200));
    const info = await db.backup(store);
    await using repo = await BackupRepository.open(store);
    const parts = (await keysOf(store)).filter((key) => /^(?:objects|log)\//.test(key));
    assert.ok(parts.length >= 2);
    for (const key of parts) {
      const bytes = await bytesOf(await store.get(key));
      await store.delete(key);
      assert.equal((await repo.verify(info.id)).ok, false, key);
      await store.put(key, bytes);
      assert.equal((await repo.verify(info.id)).ok, true, key);
    }
    for (const key of parts) await store.delete(key);
    const next = await repo.backup(db, { type: "full" });
    assert.equal((await repo.verify(next.id)).ok, true);
    const path = place();
    await repo.restore(path, { backupId: next.id });
    assert.equal((await contentsAt(path)).size, 200);
  });
});

/**
 * A server that is killed loses what it acknowledged within the last 5 s, which the service does not do; that makes it the
 * worst of stores. Before each accident it is ended in order and started again, so that what came before is kept for sure;
 * all that the backup has put up to the accident is lost, though each put was acknowledged, and the backup, whose next
 * request waits until the server is there again, knows nothing of it.
 */
describe("a server that is killed in the middle of a backup and loses what it acknowledged", () => {
  it("is found out by verify, and made good by the next backup", async () => {
    // Two servers are started for each accident, which is the same in each runtime.
    if (!LONG && ("Deno" in globalThis || "Bun" in globalThis)) return;
    const own = await ownAzureFixture();
    const outcomes: Record<string, number> = {};
    let noticed = 0;
    let puts = LONG ? 1 : 9;
    // The short form takes another accident each day.
    for (let at = LONG ? 1 : 1 + TURN % puts; at <= puts; at += LONG ? 1 : puts) {
      const container = await own.server.newContainer();
      const store = await own.open({ blockBytes: 64 * 1024 }, { container });
      await using db = await DB.open(place());
      await db.setMany(entries(0, 100));
      const kept = await db.backup(store);
      await own.server.end();
      await own.server.start();
      await db.setMany(entries(100, 200));
      await db.set("large", "y".repeat(200_000));
      let seen = 0;
      own.proxy.faultOf = async ({ method }) => {
        if (method !== "PUT" || ++seen !== at) return undefined;
        await own.server.kill();
        await own.server.start();
        return undefined;
      };
      const info = await db.backup(store, { type: "full" }).catch((error: unknown) => error as Error);
      own.proxy.faultOf = () => undefined;
      assert.ok(seen >= at, "the accident took place");
      if (LONG) puts = Math.max(puts, seen);

      await using repo = await BackupRepository.open(store);
      const report = await repo.verify();
      const listed = (await repo.list()).map(({ id }) => id);
      let restored: unknown = "not listed";
      if (!(info instanceof Error) && listed.includes(info.id)) {
        const path = place();
        restored = await repo.restore(path, { backupId: info.id }).then(() => "whole", (error: Error) => error);
        if (restored === "whole") assert.equal((await contentsAt(path)).size, 201);
        else assert.equal(report.ok, false, `verify found nothing, but: ${restored}`);
      }
      const outcome = `backup ${info instanceof Error ? "failed" : "succeeded"}, ${
        restored instanceof Error ? "damaged" : restored
      }, verify ${report.ok ? "ok" : "found it"}`;
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;

      // What was kept before is whole, and the next backup is.
      await repo.restore(place(), { backupId: kept.id });
      await db.set("after", 1);
      const next = await repo.backup(db, { type: "full" }).catch(async (error: Error) => {
        // The head that was lost had been acknowledged, too: to go on is the user's decision.
        const [, slot] =
          /older state of the repository has been put back; db\.dropSlot\("(\w+)"\)/.exec(error.message) ?? [];
        if (slot === undefined) throw error;
        noticed++;
        await db.dropSlot(slot);
        return await repo.backup(db, { type: "full" });
      });
      assert.equal((await repo.verify(next.id)).ok, true);
      const path = place();
      await repo.restore(path, { backupId: next.id });
      assert.equal((await contentsAt(path)).size, 202);
    }
    console.log(
      `killed servers: ${JSON.stringify(outcomes)} ; ${noticed} databases noticed that the repository went back`,
    );
  });
});
