/**
 * An intruder with the credential that the database's machine has: in a bucket with object lock nothing of the earlier backups
 * can be destroyed with it, and the bucket as it was before gives them back. With a user of Ceph who may do what the policy for
 * backups in docs/object-storage.md says, and nothing else.
 *
 * Ceph 16 ignores conditions of puts in a bucket with versions, so the repository in here has one writer at a time. What is
 * tested is what Ceph lets an intruder do, and the way back.
 */
import assert from "node:assert/strict";
import { it } from "node:test";
import {
  DeleteBucketCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ObjectVersion,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { BackupRepository, DB, MemoryStore, StorageError } from "../../../mod.ts";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import { isMyDay } from "../../crash/random.ts";
import { keysOf, pattern, text } from "../helpers.ts";
import { CEPH_CAN, clientOf, newBucket, optionsFor } from "../servers/buckets.ts";
import { OTHER_USER } from "../servers/ceph.ts";
import type { S3Server } from "../servers/s3_server.ts";
import { sharedServer } from "../servers/shared.ts";
import { policyOf } from "./policy.ts";

/** What a call of a client came to: `"done"`, or the status it was refused with. */
async function tried(client: S3Client, command: object): Promise<"done" | number> {
  try {
    const output = await client.send(command as never) as { Errors?: unknown[] };
    return output.Errors === undefined || output.Errors.length === 0 ? "done" : 403;
  } catch (error) {
    return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode ?? 0;
  }
}

/** All versions below a prefix. */
async function versionsOf(client: S3Client, Bucket: string, Prefix: string): Promise<ObjectVersion[]> {
  const { Versions = [], IsTruncated } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
  assert.equal(IsTruncated, false);
  return Versions;
}

const ceph = await sharedServer("ceph");
if (ceph === undefined) it("Ceph is not here", () => {});
else {
  it("an intruder on the database's machine can't destroy earlier backups in a bucket with object lock", async () => {
    if (!isMyDay(1)) return;
    await intrude(ceph);
  });
}

async function intrude(server: S3Server): Promise<void> {
  const owner = clientOf(server);
  const Bucket = await newBucket(server, { locked: true });
  const retention = { Mode: "COMPLIANCE", Days: 30 } as const;
  const lock = { ObjectLockEnabled: "Enabled", Rule: { DefaultRetention: retention } } as const;
  await owner.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: lock }));
  const rights = policyOf("Backups", Bucket, "shop", OTHER_USER.arn);
  rights.Statement.push(...policyOf("Recovery", Bucket, "shop", "arn:aws:iam:::user/tests").Statement);
  const policy = JSON.stringify(rights);
  await owner.send(new PutBucketPolicyCommand({ Bucket, Policy: policy }));
  const { accessKeyId, secretAccessKey } = OTHER_USER;
  const stolen = { accessKeyId, secretAccessKey };
  const at = (more: S3Options): ReturnType<typeof s3> =>
    s3(`s3://${Bucket}/shop`, { ...optionsFor(server), ...CEPH_CAN, ...more });

  // The machine's own work.
  await using db = await DB.open(":memory:");
  await db.setMany(Array.from({ length: 50 }, (_, i) => [`key/${i}`, pattern(500, i)] as [string, Uint8Array]));
  const encryption = { passphrase: "words that the intruder does not need" };
  {
    // It is asked what it can do: a bucket with object lock takes no conditions from this Ceph.
    await using repo = await BackupRepository.open(at({ credentials: stolen, capabilities: undefined }), {
      encryption,
    });
    await repo.backup(db);
    await db.set("last", "good");
    await repo.backup(db);
    const replication = await repo.replicate(db, { interval: 20 });
    await db.set("shipped", "too");
    await replication.flush();
    await replication.stop();
  }
  assert.deepEqual(await keysOf(at({}), { prefix: "writers/" }), [], "a claim that was given back");
  const good = await versionsOf(owner, Bucket, "shop/");
  assert.ok(good.some(({ Key }) => Key!.startsWith("shop/writers/")), "one program at a time wrote");
  const goodKeys = await keysOf(at({}));
  // What came last may have been a removal: that of a lease, or of the claim to write.
  const { DeleteMarkers = [] } = await owner.send(new ListObjectVersionsCommand({ Bucket, Prefix: "shop/" }));
  const last = Math.max(...[...good, ...DeleteMarkers].map(({ LastModified }) => LastModified!.getTime()));
  const before = last + 1;
  // The service's clock moves on: what the intruder does is later.
  while (Date.now() <= before + 1000) await new Promise((resolve) => setTimeout(resolve, 50));

  // The intruder's.
  const intruder = new S3Client({
    ...{ endpoint: server.endpoint, region: server.region, credentials: stolen, forcePathStyle: true },
    requestChecksumCalculation: "WHEN_REQUIRED",
  });
  const refused: Record<string, number> = {};
  const isRefused = async (what: string, client: S3Client, command: object): Promise<void> => {
    const came = await tried(client, command);
    assert.ok(came === 403 || came === 400 || came === 409, `${what}: ${came}`);
    refused[what] = (refused[what] ?? 0) + 1;
  };
  const soon = new Date(Date.now() + 1000);
  const rule = { ID: "x", Status: "Enabled", Filter: { Prefix: "" }, Expiration: { Days: 1 } } as const;
  const settings: [string, object][] = [
    [
      "a lifecycle rule",
      new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } }),
    ],
    ["no lifecycle", new DeleteBucketLifecycleCommand({ Bucket })],
    ["no versioning", new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Suspended" } })],
    [
      "no default retention",
      new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: "Enabled" } }),
    ],
    ["another policy", new PutBucketPolicyCommand({ Bucket, Policy: policy.replaceAll("GetObject", "*") })],
    ["no policy", new DeleteBucketPolicyCommand({ Bucket })],
    ["no bucket", new DeleteBucketCommand({ Bucket })],
  ];
  for (const [what, command] of settings) await isRefused(what, intruder, command);
  for (const [i, { Key, VersionId }] of good.entries()) {
    const of = { Bucket, Key, VersionId };
    await isRefused("delete a version", intruder, new DeleteObjectCommand(of));
    // The rest of some.
    if (i % 4 !== 0) continue;
    await isRefused(
      "delete a version, by force",
      intruder,
      new DeleteObjectCommand({ ...of, BypassGovernanceRetention: true }),
    );
    await isRefused(
      "shorten retention",
      intruder,
      new PutObjectRetentionCommand({ ...of, Retention: { Mode: "COMPLIANCE", RetainUntilDate: soon } }),
    );
    // Nor can who has all rights.
    await isRefused(
      "delete a version as owner",
      owner,
      new DeleteObjectCommand({ ...of, BypassGovernanceRetention: true }),
    );
    await isRefused(
      "shorten retention as owner",
      owner,
      new PutObjectRetentionCommand({
        ...of,
        BypassGovernanceRetention: true,
        Retention: { Mode: "COMPLIANCE", RetainUntilDate: soon },
      }),
    );
  }
  await isRefused("delete the bucket as owner", owner, new DeleteBucketCommand({ Bucket }));
  const Objects = good.map(({ Key, VersionId }) => ({ Key, VersionId }));
  await tried(intruder, new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  // What the policy allows: delete markers on log and leases, and garbage over everything.
  const done = { hidden: 0, overwritten: 0 };
  for (const key of goodKeys) {
    if (await tried(intruder, new DeleteObjectCommand({ Bucket, Key: `shop/${key}` })) === "done") done.hidden++;
    else if (
      await tried(intruder, new PutObjectCommand({ Bucket, Key: `shop/${key}`, Body: text("paid?") })) === "done"
    ) done.overwritten++;
  }
  assert.ok(done.hidden > 0 && done.overwritten > 0, JSON.stringify(done));
  await assert.rejects(
    BackupRepository.open(at({}), { encryption, readOnly: true }),
    /was damaged or changed/,
  );

  // Every version that there was still is.
  const still = new Set((await versionsOf(owner, Bucket, "shop/")).map(({ Key, VersionId }) => `${Key} ${VersionId}`));
  for (const { Key, VersionId } of good) assert.ok(still.has(`${Key} ${VersionId}`), `${Key}`);

  // The bucket as it was.
  const then = at({ asOf: before });
  assert.deepEqual(await keysOf(then), goodKeys);
  assert.deepEqual(await keysOf(then, { limit: 3 }), goodKeys);
  assert.deepEqual(await keysOf(then, { prefix: "log/" }), goodKeys.filter((key) => key.startsWith("log/")));
  assert.equal((await then.head("repository.json"))?.size, (await at({ asOf: before }).get("repository.json"))?.size);
  assert.equal(await at({ asOf: 1000 }).head("repository.json"), undefined);
  for (const call of [then.put("a", text("1")), then.delete("repository.json")]) {
    await assert.rejects(
      call,
      (error) => error instanceof StorageError && /can be read and not changed/.test(error.message),
    );
  }
  await using repo = await BackupRepository.open(then, { encryption, readOnly: true });
  assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
  await using back = await DB.open(":memory:");
  await repo.restore(back);
  assert.deepEqual([await back.get("last"), await back.get("shipped"), await back.count()], ["good", "too", 52]);
  // And on in another place.
  await using next = await BackupRepository.open(new MemoryStore());
  await repo.copyTo(next);
  assert.equal((await next.list()).length, 2);
  const denied = at({ asOf: before, credentials: stolen });
  await assert.rejects(denied.list(), /allow s3:GetObjectVersion .*s3:ListBucketVersions/);
  console.log(`refused: ${JSON.stringify(refused)}; done: ${JSON.stringify(done)}`);
  for (const each of [owner, intruder]) each.destroy();
}
