/**
 * Backups in a bucket, continuously: the machine is lost, and all comes back from the bucket alone.
 *
 *     node examples/s3.ts
 *
 * It starts Ceph's S3 gateway on this machine where it is installed, and says so where it is not. With a bucket of yours
 * leave that out: `s3("s3://bucket/prefix", { region: "eu-central-1" })` finds credentials as the AWS tools do.
 *
 * @module
 */
import process from "node:process";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { BackupRepository, DB } from "@holdfast/db";
import { s3 } from "@holdfast/db/s3";
import { cephMissing, startCeph } from "../tests/storage/servers/ceph.ts";
import { count, fact, promise, scratch, step, title } from "./show.ts";

title("Backups in a bucket", "Every write is in S3 a moment later");
const missing = cephMissing();
if (missing !== undefined) {
  fact("not shown", missing);
  process.exit(0);
}
const server = await startCeph();
try {
  await using home = await scratch("s3");
  const { endpoint, region, credentials } = server;
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: "my-backups" }));
  client.destroy();
  const store = s3("s3://my-backups/meters", { endpoint, credentials });
  fact("the store", `${store.name}, ${server.version}`);

  step("A backup, and from then on every write");
  {
    await using db = await DB.open(`${home.path}/data`);
    await db.setMany(Array.from({ length: 10_000 }, (_, i) => [`meter/${i}`, { kWh: i }]));
    await using repo = await BackupRepository.open(store, { encryption: { passphrase: "from your vault" } });
    const replication = await repo.replicate(db, { interval: 100 });
    await db.set("meter/7", { kWh: 4711 });
    await replication.flush();
    fact("archived up to version", count(replication.status().archivedVersion));
  }

  step("Another machine, which knows the address and the passphrase");
  const encryption = { passphrase: "from your vault" };
  await DB.restore(s3("s3://my-backups/meters", { endpoint, credentials }), `${home.path}/there`, { encryption });
  await using back = await DB.open(`${home.path}/there`);
  promise(await back.count() === 10_000, "10,000 meters are back");
  promise((await back.get<{ kWh: number }>("meter/7"))?.kWh === 4711, "and so is the last reading");

  step("What goes wrong says what to do");
  const wrong = s3("s3://my-backup/meters", { endpoint, credentials });
  const error = await back.backup(wrong).catch((error: Error) => error) as Error;
  fact("", error.message.slice(error.message.indexOf(": ") + 2));
  promise(/there is no bucket my-backup/.test(error.message), "the bucket's name was wrong");
} finally {
  await server.stop();
}
