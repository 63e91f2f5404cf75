/**
 * Backups in a bucket of Amazon S3 or of any service that speaks S3: `@holdfast/db/s3`. It needs the package
 * `@aws-sdk/client-s3`, which is loaded when the first request is made; nothing else of Holdfast does.
 *
 * @example
 * ```ts ignore
 * import { BackupRepository, DB } from "@holdfast/db";
 * import { s3 } from "@holdfast/db/s3";
 *
 * await using db = await DB.open("./data");
 * await using repo = await BackupRepository.open(s3("s3://my-backups/shop", { region: "eu-central-1" }));
 * await repo.backup(db);
 * ```
 *
 * @example A service of your own
 * ```ts ignore
 * import { s3 } from "@holdfast/db/s3";
 *
 * const store = s3("s3://my-backups/shop", {
 *   endpoint: "https://ceph.example.com",
 *   credentials: { accessKeyId: "...", secretAccessKey: "..." },
 * });
 * ```
 *
 * @example The bucket as it was, when somebody has destroyed what lies there now
 * ```ts ignore
 * import { BackupRepository } from "@holdfast/db";
 * import { s3 } from "@holdfast/db/s3";
 *
 * const store = s3("s3://my-backups/shop", { region: "eu-central-1", asOf: new Date("2026-11-26T06:00:00Z") });
 * await using repo = await BackupRepository.open(store, { readOnly: true });
 * await repo.restore("./restored");
 * ```
 *
 * @module
 */
import { randomBytes, randomNumber } from "../base/simulation.ts";
import { systemTimers } from "../base/timers.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { awsDialect } from "../storage/s3/dialect.ts";
import { checkS3Options, type S3Options } from "../storage/s3/options.ts";
import { S3Store } from "../storage/s3/s3_store.ts";
import { S3VersionsStore } from "../storage/s3/versions_store.ts";

export type {
  S3Conditions,
  S3Credentials,
  S3CredentialsProvider,
  S3ObjectLock,
  S3Options,
} from "../storage/s3/options.ts";
export type { Duration } from "../base/duration.ts";
export type * from "../storage/object_store.ts";

/**
 * The store of objects in a bucket, or in the part of it under a prefix: `s3("s3://bucket/prefix")`. No request is made
 * before it is used. The bucket must be there.
 */
export function s3(place: string | URL, options?: S3Options): ObjectStore {
  const settings = checkS3Options("s3", awsDialect.scheme, place, options);
  const surroundings = { timers: systemTimers, now: Date.now, random: randomNumber, randomBytes };
  if (settings.asOf !== undefined) return new S3VersionsStore(settings, settings.asOf, awsDialect, surroundings);
  return new S3Store(settings, awsDialect, surroundings);
}
