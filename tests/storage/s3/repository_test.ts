/** A repository in a bucket: of Ceph, with accidents on the way there, and with the gateway killed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BackupRepository, DB } from "../../../mod.ts";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import { isMyDay, LONG, randomFrom, SEED } from "../../crash/random.ts";
import { pattern } from "../helpers.ts";
import { CEPH_CAN, newBucket, optionsFor } from "../servers/buckets.ts";
import { startCeph } from "../servers/ceph.ts";
import { errorAnswer, type Fate, type SeenRequest, startLoopback } from "../servers/loopback.ts";
import type { S3Server } from "../servers/s3_server.ts";
import { sharedServer } from "../servers/shared.ts";

const ceph = await sharedServer("ceph");
const MIB = 2 ** 20;

/** A database of some size. */
async function filled(entries: number, bytes = 1000): Promise<DB> {
  const db = await DB.open(":memory:");
  await more(db, 0, entries, bytes);
  return db;
}

async function more(db: DB, from: number, to: number, bytes = 1000): Promise<void> {
  for (let i = from; i < to;) {
    const batch: { key: string; value: Uint8Array }[] = [];
    for (const end = Math.min(to, i + 100); i < end; i++) batch.push({ key: keyOf(i), value: pattern(bytes, i + 1) });
    await db.setMany(batch);
  }
}

const keyOf = (i: number): string => `key/${String(i).padStart(6, "0")}`;

/** Asserts that what was restored holds the first `entries`, and no more. */
async function assertHolds(db: DB, entries: number, bytes = 1000): Promise<void> {
  let count = 0;
  for await (const { key, value } of db.list()) {
    assert.equal(key, keyOf(count));
    if (count % 97 === 0) assert.deepEqual(value, pattern(bytes, count + 1));
    count++;
  }
  assert.equal(count, entries);
}

async function restored(repo: BackupRepository): Promise<DB> {
  const db = await DB.open(":memory:");
  await repo.restore(db);
  return db;
}

if (ceph === undefined) it("Ceph is not here", () => {});
else tests(ceph, await newBucket(ceph));

function tests(server: S3Server, bucket: string): void {
  const options: S3Options = { ...optionsFor(server), ...CEPH_CAN, partBytes: 5 * MIB };
  let places = 0;
  const newStore = (more: S3Options = {}): ReturnType<typeof s3> =>
    s3(`s3://${bucket}/r${++places}`, { ...options, ...more });

  describe("a repository in a bucket", () => {
    it("is backed up into, replicated to, verified, copied, pruned and restored from", async () => {
      const store = newStore();
      await using db = await filled(2000);
      // One value of more than a part, and with it an object.
      const large = pattern(7 * MIB, 5);
      await using repo = await BackupRepository.open(store, { encryption: { passphrase: "three random words" } });
      assert.equal((await repo.backup(db)).type, "full");
      await more(db, 2000, 2500);
      assert.equal((await repo.backup(db)).type, "incremental");
      const replication = await repo.replicate(db, { interval: 50 });
      await more(db, 2500, 2600);
      await db.set("large", large);
      await replication.flush();
      await db.delete("large");
      await more(db, 2600, 2700);
      await replication.flush();
      await replication.stop();
      await using back = await restored(repo);
      await assertHolds(back, 2700);
      assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);

      await using other = await BackupRepository.open(newStore(), { encryption: { passphrase: "other words" } });
      await repo.copyTo(other);
      await using again = await restored(other);
      assert.ok((await again.get(keyOf(2000))) !== undefined);
      const pruned = await repo.prune({ keepLast: 1 });
      assert.ok(pruned !== undefined);
      await using last = await restored(repo);
      await assertHolds(last, 2700);
    });

    it("is one for two who make it and back up into it at once", async () => {
      const place = `s3://${bucket}/r${++places}`;
      const repos = await Promise.all([1, 2, 3].map(() => BackupRepository.open(s3(place, options))));
      assert.equal(new Set(repos.map(({ id }) => id)).size, 1);
      const dbs = await Promise.all([1, 2, 3].map(() => filled(200)));
      await Promise.all(repos.map((repo, i) => repo.backup(dbs[i]!)));
      assert.equal((await repos[0]!.list()).length, 3);
      assert.deepEqual((await repos[0]!.verify()).problems, []);
      for (const each of [...repos, ...dbs]) await each.close();
    });

    it("is db.backup's target, too", async () => {
      await using db = await filled(100);
      const store = newStore();
      await db.backup(store);
      await using back = await DB.open(":memory:");
      await back.restore(store);
      await assertHolds(back, 100);
    });

    it("costs so many requests for a replication that is idle and one that is busy", async () => {
      const loopback = await startLoopback({ target: server.endpoint });
      await using db = await filled(100);
      await using repo = await BackupRepository.open(newStore({ endpoint: loopback.endpoint }));
      const replication = await repo.replicate(db, { interval: 1000, heartbeat: 1000 });
      await replication.flush();
      const settled = async (ms: number): Promise<number> => {
        loopback.requests.length = 0;
        await new Promise((resolve) => setTimeout(resolve, ms));
        return loopback.requests.length;
      };
      const idle = await settled(2000) / 2;
      loopback.requests.length = 0;
      const shipments = 5;
      const before = replication.status().shipments;
      for (let i = 0; i < shipments; i++) {
        await db.set("busy", i);
        await replication.flush();
      }
      const busy = loopback.requests.length / (replication.status().shipments - before);
      await replication.stop();
      await loopback.stop();
      const [idleHour, busyHour] = [Math.round(idle) * 60, Math.round(busy) * 3600];
      console.log(
        `requests: ${
          idle.toFixed(1)
        } per heartbeat, ${idleHour} an hour; ${busy} per shipment, ${busyHour} an hour of commits each second`,
      );
      assert.ok(idle <= 2, `${idle} requests per heartbeat`);
      assert.ok(busy <= 4, `${busy} requests per shipment`);
    });
  });

  describe("a repository behind a bad line", () => {
    it("holds what was acknowledged, and comes back whole", async () => {
      if (!isMyDay(2)) return;
      const rounds = LONG ? 12 : 1;
      let [requests, accidents] = [0, 0];
      for (let round = 0; round < rounds; round++) {
        const random = randomFrom(SEED + round);
        let quiet = false;
        const loopback = await startLoopback({
          target: server.endpoint,
          fate: async (): Promise<Fate> => {
            requests++;
            if (quiet || random() > 0.15) return "pass";
            accidents++;
            const kinds: Fate[] = [
              ...(["cut before", "cut after", "truncate", "double"] as const),
              errorAnswer(500, "InternalError"),
              errorAnswer(503, "SlowDown", "", { "retry-after": "0" }),
            ];
            const kind = Math.floor(random() * (kinds.length + 1));
            if (kind < kinds.length) return kinds[kind]!;
            await new Promise((resolve) => setTimeout(resolve, random() * 50));
            return "pass";
          },
        });
        try {
          const store = newStore({ endpoint: loopback.endpoint, attempts: 8, deadline: "20s" });
          await using db = await filled(3000);
          await db.set("large", pattern(6 * MIB, round));
          await using repo = await BackupRepository.open(store);
          await repo.backup(db);
          const replication = await repo.replicate(db, { interval: 20 });
          await db.delete("large");
          for (let i = 0; i < 5; i++) {
            await more(db, 3000 + i * 50, 3050 + i * 50);
            await replication.flush();
          }
          await replication.stop();
          await using back = await restored(repo);
          await assertHolds(back, 3250);
          quiet = true;
          assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
        } catch (error) {
          throw new Error(`seed ${SEED}, round ${round}: ${(error as Error).message}`, { cause: error });
        } finally {
          await loopback.stop();
        }
      }
      console.log(
        `seed ${SEED}: ${rounds} repositories behind a bad line, ${accidents} accidents in ${requests} requests`,
      );
    });
  });

  describe("a gateway that is killed in the middle of a backup", () => {
    it("lets the next one go on with what is there", async () => {
      // It starts a gateway of its own, which takes a while.
      if (!isMyDay(2)) return;
      const own = await startCeph();
      const loopback = await startLoopback({ target: own.endpoint });
      try {
        const from = await newBucket(own);
        await using db = await DB.open(":memory:", { memtableBytes: 2 * MIB });
        await more(db, 0, 8000, 2000);
        const place: S3Options = { ...optionsFor(own), ...CEPH_CAN, endpoint: loopback.endpoint, attempts: 2 };
        await using repo = await BackupRepository.open(s3(`s3://${from}/r`, place));
        let sent = 0;
        let killed = false;
        loopback.options.fate = async (request: SeenRequest): Promise<Fate> => {
          if (!killed) sent += request.body.length;
          // In the middle: a part of it is there, and several objects are on their way.
          if (!killed && sent > 11 * MIB) {
            killed = true;
            await own.kill();
          }
          return "pass";
        };
        await assert.rejects(repo.backup(db), /check the network and the endpoint/);
        await own.restart();
        loopback.requests.length = 0;
        await repo.backup(db);
        const again = loopback.requests.reduce((sum, { body }) => sum + body.length, 0);
        assert.ok(again < 15 * MIB, `${again} bytes were sent once more`);
        await using back = await restored(repo);
        await assertHolds(back, 8000, 2000);
        assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
        console.log(`killed when ${sent} bytes were sent; ${again} more made it whole`);
      } finally {
        await loopback.stop();
        await own.stop();
      }
    });
  });
}
