/**
 * Removing what unfinished puts left: uploads in parts that nobody will complete, probes and spooled objects. A program that
 * was killed leaves them, and they are paid for.
 *
 * @module
 */
import type { Sdk } from "./client.ts";
import { isKey } from "../object_key.ts";
import type { S3Requests } from "./requests.ts";

const OWN = /^~(?:probe|spool)-[0-9a-f]{32}$/;

/** Removes what was begun before `before`, ms since the Unix epoch by the service's clock; gives how much it was. */
export async function cleanUp(requests: S3Requests, before: number, signal: AbortSignal | undefined): Promise<number> {
  const isOld = (time: Date | undefined): boolean => time !== undefined && time.getTime() < before;
  return await ownObjects(requests, isOld, signal) + await uploads(requests, isOld, signal);
}

type IsOld = (time: Date | undefined) => boolean;

async function ownObjects(requests: S3Requests, isOld: IsOld, signal: AbortSignal | undefined): Promise<number> {
  const { bucket, prefix } = requests.settings;
  let removed = 0;
  let after: string | undefined;
  for (;;) {
    const input: Sdk.ListObjectsV2CommandInput = { Bucket: bucket, Prefix: `${prefix}~`, StartAfter: after };
    const { output } = await requests.request<Sdk.ListObjectsV2CommandOutput>(
      { operation: "list", key: "", signal },
      (sdk) => new sdk.ListObjectsV2Command(input),
    );
    for (const { Key = "", LastModified } of output.Contents ?? []) {
      const key = Key.slice(prefix.length);
      if (!OWN.test(key) || !isOld(LastModified)) continue;
      await requests.request(
        { operation: "delete", key, signal },
        (sdk) => new sdk.DeleteObjectCommand({ Bucket: bucket, Key }),
      );
      removed++;
    }
    const last = output.Contents?.at(-1)?.Key;
    if (!output.IsTruncated || last === undefined) return removed;
    after = last;
  }
}

async function uploads(requests: S3Requests, isOld: IsOld, signal: AbortSignal | undefined): Promise<number> {
  const { bucket, prefix } = requests.settings;
  const input: Sdk.ListMultipartUploadsCommandInput = { Bucket: bucket, ...(prefix === "" ? {} : { Prefix: prefix }) };
  for (let removed = 0;;) {
    const { output } = await requests.request<Sdk.ListMultipartUploadsCommandOutput>(
      { operation: "list uploads", key: "", signal },
      (sdk) => new sdk.ListMultipartUploadsCommand(input),
    );
    for (const { Key = "", UploadId, Initiated } of output.Uploads ?? []) {
      const key = Key.slice(prefix.length);
      if (!isOld(Initiated) || !(isKey(key) || OWN.test(key))) continue;
      await requests.request(
        { operation: "abort upload", key, signal },
        (sdk) => new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }),
      );
      removed++;
    }
    const { IsTruncated, NextKeyMarker, NextUploadIdMarker } = output;
    const moves = NextKeyMarker !== input.KeyMarker || NextUploadIdMarker !== input.UploadIdMarker;
    if (!IsTruncated || !NextKeyMarker || !moves) return removed;
    Object.assign(input, { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker });
  }
}
