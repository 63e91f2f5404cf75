/**
 * The policies of docs/object-storage.md do for the work they are for, and not for another's: with a user of Ceph who may do
 * nothing else.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import { PutBucketPolicyCommand } from "@aws-sdk/client-s3";
import { BackupRepository, DB, PermissionError } from "../../../mod.ts";
import { s3 } from "../../../lib/adapters/s3.ts";
import { isMyDay } from "../../crash/random.ts";
import { text } from "../helpers.ts";
import { CEPH_CAN, clientOf, newBucket, optionsFor } from "../servers/buckets.ts";
import { OTHER_USER } from "../servers/ceph.ts";
import { sharedServer } from "../servers/shared.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { policyOf } from "./policy.ts";

const ceph = await sharedServer("ceph");
if (ceph === undefined) it("Ceph is not here", () => {});
else {
  it("the policies of the page do for backups, for restores and for pruning", async () => {
    // What a policy allows is the service's business: two of the runtimes need not ask.
    if (!isMyDay(1)) return;
    const bucket = await newBucket(ceph);
    const client = clientOf(ceph);
    /** Gives the other user these rights, as the bucket's own policy. */
    const allow = async (heading: string): Promise<void> => {
      const policy = policyOf(heading, bucket, "shop", OTHER_USER.arn);
      await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(policy) }));
    };
    const { accessKeyId, secretAccessKey } = OTHER_USER;
    const store = (prefix = "shop"): ObjectStore =>
      s3(`s3://${bucket}/${prefix}`, {
        ...optionsFor(ceph),
        ...CEPH_CAN,
        credentials: { accessKeyId, secretAccessKey },
      });
    const denied = async (work: () => Promise<unknown>, words: RegExp): Promise<void> => {
      await assert.rejects(work, (error) => {
        assert.ok(error instanceof PermissionError, String(error));
        assert.match(error.message, words);
        return true;
      });
    };
    await using db = await DB.open(":memory:");
    await db.set("a", 1);

    await denied(() => BackupRepository.open(store()), /allow s3:GetObject/);

    await allow("Backups");
    {
      await using repo = await BackupRepository.open(store());
      await repo.backup(db);
      await db.set("a", 2);
      await repo.backup(db, { type: "full" });
      const replication = await repo.replicate(db, { interval: 20 });
      await db.set("a", 3);
      await replication.flush();
      await replication.stop();
      await denied(() => store().delete("backups/x"), /allow s3:DeleteObject/);
      await denied(() => store("else").put("a", text("1")), /allow s3:PutObject/);
      await denied(() => repo.prune({ keepLast: 1 }), /allow s3:DeleteObject/);
    }

    await allow("Backups that read none and delete none");
    {
      await using repo = await BackupRepository.open(store());
      for (const type of ["incremental", "full"] as const) {
        await db.set("a", type);
        await repo.backup(db, { type, verify: false });
      }
      const replication = await repo.replicate(db, { interval: 20, verify: false });
      await db.set("a", 3);
      await replication.flush();
      await replication.stop();
      await db.set("b", 1);
      // The service has checked it, so that it need not be read.
      assert.equal((await repo.backup(db, { type: "full" })).type, "full");
      await using back = await DB.open(":memory:");
      await denied(() => repo.restore(back), /allow s3:GetObject/);
      const [log] = (await store().list({ prefix: "log/" })).objects;
      await denied(() => store().head(log!.key), /allow s3:GetObject/);
      await denied(() => store().delete(log!.key), /allow s3:DeleteObject/);
      await denied(() => store("else").put("a", text("1")), /allow s3:PutObject/);
    }

    await allow("Restores");
    {
      await using repo = await BackupRepository.open(store(), { readOnly: true });
      await using back = await DB.open(":memory:");
      await repo.restore(back);
      assert.equal(await back.get("a"), 3);
      assert.deepEqual((await repo.verify()).problems, []);
      await denied(() => store().put("a", text("1")), /allow s3:PutObject/);
    }

    await allow("Pruning");
    {
      await using repo = await BackupRepository.open(store());
      const { backups } = await repo.prune({ keepLast: 1 });
      assert.ok(backups.some(({ keep }) => !keep));
      assert.equal((await repo.list()).length, backups.filter(({ keep }) => keep).length);
      assert.deepEqual((await repo.verify()).problems, []);
    }
    client.destroy();
  });
}
