/** Buckets of test servers, and stores in them. */
import { randomBytes as nodeRandomBytes } from "node:crypto";
import process from "node:process";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import type { S3Server } from "./s3_server.ts";

/** A client with all rights. */
export function clientOf(server: S3Server): S3Client {
  return new S3Client({
    endpoint: server.endpoint,
    region: server.region,
    credentials: server.credentials,
    forcePathStyle: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

/** Makes a bucket of a new name. */
export async function newBucket(server: S3Server, options: { locked?: boolean } = {}): Promise<string> {
  const name = `tests-${process.pid}-${nodeRandomBytes(6).toString("hex")}`;
  const client = clientOf(server);
  await client.send(
    new CreateBucketCommand({ Bucket: name, ...(options.locked ? { ObjectLockEnabledForBucket: true } : {}) }),
  );
  client.destroy();
  return name;
}

/** What `s3` needs for a server. */
export function optionsFor(server: S3Server): S3Options {
  const { endpoint, region, credentials } = server;
  return { endpoint, region, credentials };
}

/** What Ceph can do, so that not each store has to ask; that they find out is tested by itself. */
export const CEPH_CAN: S3Options = { capabilities: { ifAbsent: true, ifMatch: true, bareTags: true, checksums: true } };

/** And Swift. */
export const SWIFT_CAN: S3Options = { capabilities: { ifAbsent: false, ifMatch: false } };

let places = 0;

/** Stores of their own in one bucket; the smallest parts, so that large bodies are made of several. */
export function placesIn(server: S3Server, bucket: string, options: S3Options): () => ObjectStore {
  return () => s3(`s3://${bucket}/p${++places}`, { ...optionsFor(server), partBytes: 5 * 2 ** 20, ...options });
}
