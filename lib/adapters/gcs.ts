/**
 * Backups in a bucket of Google Cloud Storage: `@holdfast/db/gcs`. It speaks the service's S3-compatible XML interface by
 * the package `@aws-sdk/client-s3`, and finds Google's application default credentials by `google-auth-library`; both are
 * loaded when the first request is made.
 *
 * @example
 * ```ts ignore
 * import { BackupRepository, DB } from "@holdfast/db";
 * import { gcs } from "@holdfast/db/gcs";
 *
 * await using db = await DB.open("./data");
 * await using repo = await BackupRepository.open(gcs("gs://my-backups/shop"));
 * await repo.backup(db);
 * ```
 *
 * @example With HMAC keys
 * ```ts ignore
 * import process from "node:process";
 * import { gcs } from "@holdfast/db/gcs";
 *
 * const { GCS_ACCESS_ID = "", GCS_SECRET = "" } = process.env;
 * const store = gcs("gs://my-backups/shop", { credentials: { accessId: GCS_ACCESS_ID, secret: GCS_SECRET } });
 * ```
 *
 * @module
 */
import { checkOptions } from "../base/options.ts";
import type { Duration } from "../base/duration.ts";
import { randomBytes, randomNumber } from "../base/simulation.ts";
import { systemTimers } from "../base/timers.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { type GoogleCredentials, googleDialect } from "../storage/s3/google_dialect.ts";
import { checkS3Options, type S3ObjectLock } from "../storage/s3/options.ts";
import { S3Store } from "../storage/s3/s3_store.ts";

export type { S3ObjectLock } from "../storage/s3/options.ts";
export type { Duration } from "../base/duration.ts";
export type * from "../storage/object_store.ts";

/** HMAC keys of a service account. */
export interface GcsHmacKeys {
  /** The access id. */
  accessId: string;
  /** The secret. */
  secret: string;
}

/** Gives an OAuth access token whenever one is needed. */
export type GcsTokenProvider = () => Promise<string>;

/** Options of `gcs`. */
export interface GcsOptions {
  /** HMAC keys, or what gives OAuth tokens. Unless given, Google's application default credentials. */
  credentials?: GcsHmacKeys | GcsTokenProvider | undefined;
  /** Another address of the service, such as a private one. */
  endpoint?: string | URL | undefined;
  /** The Cloud KMS key that encrypts, where it is not the bucket's own: `projects/P/locations/L/keyRings/R/cryptoKeys/K`. */
  kmsKeyName?: string | undefined;
  /** Such as `"NEARLINE"`. */
  storageClass?: string | undefined;
  /** Keeps what is written from being changed or removed; the bucket must allow retention of objects. */
  objectLock?: S3ObjectLock | undefined;
  /** The longest time of one attempt of a request, its body included; ms, or `"30s"`; 60 s unless given. */
  deadline?: Duration | undefined;
  /** How often a request is made at most when it fails in a way that may pass; 4 unless given. */
  attempts?: number | undefined;
  /** The size of a part of an upload: 5 MiB to 512 MiB, 8 MiB unless given. */
  partBytes?: number | undefined;
  /** How many parts of one object are on their way at once, up and down; 3 unless given. */
  concurrency?: number | undefined;
}

const NAMES = [
  ...["credentials", "endpoint", "kmsKeyName", "storageClass", "objectLock"],
  ...["deadline", "attempts", "partBytes", "concurrency"],
];

/**
 * The store of objects in a bucket, or in the part of it under a prefix: `gcs("gs://bucket/prefix")`. No request is made
 * before it is used. The bucket must be there.
 */
export function gcs(place: string | URL, options?: GcsOptions): ObjectStore {
  const { credentials, kmsKeyName, ...rest } = checkOptions("gcs", options, NAMES);
  const settings = checkS3Options("gcs", "gs", place, {
    endpoint: "https://storage.googleapis.com",
    ...rest,
    region: "auto",
    pathStyle: true,
    ...(kmsKeyName === undefined ? {} : { kmsKeyId: kmsKeyName, serverSideEncryption: "aws:kms" }),
  });
  const dialect = googleDialect(checkCredentials(credentials), Date.now);
  return new S3Store(settings, dialect, { timers: systemTimers, now: Date.now, random: randomNumber, randomBytes });
}

function checkCredentials(value: unknown): GoogleCredentials {
  if (value === undefined || typeof value === "function") return value as GoogleCredentials;
  const { accessId, secret } = (value ?? {}) as Partial<GcsHmacKeys>;
  if ([accessId, secret].every((each) => typeof each === "string" && each !== "")) {
    return { accessId: accessId!, secret: secret! };
  }
  // Never the value.
  throw new TypeError(
    'gcs: option "credentials" must be { accessId, secret } or a function that resolves to an access token',
  );
}
