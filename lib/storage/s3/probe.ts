/**
 * Finding out what a service does with conditions and checksums, by a few small objects that are put and removed. Some refuse
 * conditions (501), some ignore them, which only a put that must not succeed shows.
 *
 * The objects lie under the store's prefix with a `~` in their names, which no key has, and no listing gives.
 *
 * @module
 */
import { toHex } from "../../base/bytes.ts";
import { delayWith } from "../../base/timers.ts";
import type { Abilities, Condition, MatchForm } from "./dialect.ts";
import { type DigestName, wholePart } from "../remote/part_cutter.ts";
import { digestHeaders, type S3Requests, UnansweredFailure } from "./requests.ts";

/** What a condition led to. */
type Outcome = { put: string } | "unmet" | "refused";

/** The name of an object of our own, which no key can have. */
export function ownKey(requests: S3Requests, what: string): string {
  return `~${what}-${toHex(requests.surroundings.randomBytes(16))}`;
}

/** Asks a service. A failure that says nothing about what is asked is thrown as the failure of a `put`. */
export async function probe(requests: S3Requests, signal: AbortSignal | undefined): Promise<Abilities> {
  const { timers, random } = requests.surroundings;
  for (let attempt = 1;; attempt++) {
    const key = ownKey(requests, "probe");
    try {
      return await probeOnce(requests, key, signal);
    } catch (error) {
      const mayPass = error instanceof UnansweredFailure && error.failure.retryable;
      if (!mayPass || attempt >= requests.settings.attempts) {
        throw await requests.told({ operation: "put", key }, error);
      }
      await delayWith(timers, 200 * attempt * (0.5 + random()), signal);
    } finally {
      await removeOwn(requests, key);
    }
  }
}

/** Every request once: the answer to a second attempt could be about the first. */
async function probeOnce(requests: S3Requests, key: string, signal: AbortSignal | undefined): Promise<Abilities> {
  const put = (condition: Condition, text: string, form: MatchForm = "quoted"): Promise<Outcome> =>
    putProbe(requests, key, condition, text, form, signal);
  const digest = await refusedDigest(requests, signal);
  const checksums = digest !== undefined;
  const none: Abilities = { ifAbsent: false, ifMatch: false, matchForm: "quoted", checksums, digest: digest ?? "md5" };
  const first = await put({ ifAbsent: true }, "1");
  if (typeof first !== "object") return none;
  const second = await put({ ifAbsent: true }, "2");
  const ifAbsent = second === "unmet";
  const tag = typeof second === "object" ? second.put : first.put;
  for (const matchForm of ["quoted", "bare"] as const) {
    if (await put({ ifMatch: "0".repeat(32) }, "3", matchForm) !== "unmet") break;
    const right = await put({ ifMatch: tag }, "4", matchForm);
    if (typeof right === "object") return { ...none, ifAbsent, ifMatch: true, matchForm };
  }
  return { ...none, ifAbsent };
}

/**
 * By which digest a body that does not match is refused, as an object and as a part of an upload; undefined: by none. The
 * SHA-256 that a request is signed with costs nothing more; a service that wants an MD5 as well, as some do for objects under
 * a lock, refuses what lacks it for another reason, and gets it.
 */
async function refusedDigest(requests: S3Requests, signal: AbortSignal | undefined): Promise<DigestName | undefined> {
  const names: DigestName[] = requests.settings.lock === undefined ? ["sha256", "md5"] : ["md5"];
  for (const name of names) if (await refusesDamage(requests, name, signal)) return name;
  return undefined;
}

async function refusesDamage(
  requests: S3Requests,
  name: DigestName,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  // A key of its own: where it was taken, it would be in the way, and not everyone may delete.
  const key = ownKey(requests, "probe");
  const place = { Bucket: requests.settings.bucket, Key: requests.full(key) };
  const Body = new Uint8Array([0]);
  const { digest } = wholePart(new Uint8Array([1]), name);
  const about = { operation: "put", key, signal, attempts: 1 };
  const damaged = { ...about, headers: digestHeaders(digest) };
  if (!await isRefused(requests.call(damaged, (sdk) => new sdk.PutObjectCommand({ ...place, Body })))) {
    await removeOwn(requests, key);
    return false;
  }
  let UploadId: string | undefined;
  const created = requests.call<{ UploadId?: string }>(about, (sdk) => new sdk.CreateMultipartUploadCommand(place));
  await isRefused(created.then(({ output }) => UploadId = output.UploadId));
  if (UploadId === undefined) return false;
  try {
    const part = { ...place, Body, UploadId, PartNumber: 1 };
    return await isRefused(requests.call(damaged, (sdk) => new sdk.UploadPartCommand(part)));
  } finally {
    await abortUpload(requests, key, UploadId);
  }
}

/** Codes by which services refuse a body that does not match its digest. */
const MISMATCHES = ["BadDigest", "XAmzContentSHA256Mismatch"];

/** Whether it is the checksum that a put fails by. Other refusals say nothing: where credentials are wrong, the puts that follow tell. */
async function isRefused(put: Promise<unknown>): Promise<boolean> {
  try {
    await put;
    return false;
  } catch (error) {
    const { status, code } = error instanceof UnansweredFailure ? error.failure : {};
    if (code !== undefined && MISMATCHES.includes(code)) return true;
    // To one that signs what it got, the SHA-256 is a wrong signature.
    if (status === 400 || status === 501 || code === "SignatureDoesNotMatch") return false;
    throw error;
  }
}

/**
 * Whether the completion of an upload in parts honours its condition: an object is put, and an upload to the same key must
 * not complete. Ceph completes it.
 */
export async function probeCompletion(requests: S3Requests, signal: AbortSignal | undefined): Promise<boolean> {
  const key = ownKey(requests, "probe");
  const { bucket } = requests.settings;
  const place = { Bucket: bucket, Key: requests.full(key) };
  const about = { operation: "put", key, signal };
  let uploadId: string | undefined;
  try {
    const { bytes: Body, digest } = wholePart(new Uint8Array([1]), "md5");
    const sent = { ...about, headers: digestHeaders(digest) };
    await requests.request(sent, (sdk) => new sdk.PutObjectCommand({ ...place, Body }));
    const created = await requests.request<{ UploadId?: string }>(
      about,
      (sdk) => new sdk.CreateMultipartUploadCommand(place),
    );
    uploadId = created.output.UploadId;
    const upload = { ...place, UploadId: uploadId };
    const part = await requests.request<{ ETag?: string }>(
      sent,
      (sdk) => new sdk.UploadPartCommand({ ...upload, PartNumber: 1, Body }),
    );
    const parts = [{ PartNumber: 1, ETag: part.output.ETag }];
    await requests.call(
      { ...about, headers: requests.dialect.conditionHeaders({ ifAbsent: true }, "quoted") },
      (sdk) => new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }),
    );
    uploadId = undefined;
    return false;
  } catch (error) {
    if (!(error instanceof UnansweredFailure)) throw error;
    return error.failure.status === 412;
  } finally {
    if (uploadId !== undefined) await abortUpload(requests, key, uploadId);
    await removeOwn(requests, key);
  }
}

/** Ends an upload, as well as it can be done now; what is left is removed by `cleanUp`. */
export async function abortUpload(requests: S3Requests, key: string, uploadId: string): Promise<void> {
  const input = { Bucket: requests.settings.bucket, Key: requests.full(key), UploadId: uploadId };
  await best(requests, (sdk) => new sdk.AbortMultipartUploadCommand(input));
}

/** Removes an object of our own, as well as it can be done now: a program may be allowed to write and not to delete. */
export async function removeOwn(requests: S3Requests, key: string): Promise<void> {
  await best(
    requests,
    (sdk) => new sdk.DeleteObjectCommand({ Bucket: requests.settings.bucket, Key: requests.full(key) }),
  );
}

/** How long cleaning up may hold up whoever waits for a put. */
const CLEANING_MS_MAX = 5000;

async function best(requests: S3Requests, make: Parameters<S3Requests["call"]>[1]): Promise<void> {
  const deadlineMs = Math.min(CLEANING_MS_MAX, requests.settings.deadlineMs);
  try {
    await requests.call({ operation: "delete", key: "", attempts: 2, deadlineMs }, make);
  } catch {
    // See above.
  }
}

async function putProbe(
  requests: S3Requests,
  key: string,
  condition: Condition,
  text: string,
  form: MatchForm,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const { bytes: Body, digest } = wholePart(new TextEncoder().encode(text), "md5");
  const { bucket } = requests.settings;
  const about = {
    operation: "put",
    key,
    signal,
    attempts: 1,
    headers: { ...digestHeaders(digest), ...requests.dialect.conditionHeaders(condition, form) },
  };
  try {
    const { headers } = await requests.call(
      about,
      (sdk) => new sdk.PutObjectCommand({ Bucket: bucket, Key: requests.full(key), Body }),
    );
    return { put: requests.dialect.tagOf(headers) ?? "" };
  } catch (error) {
    if (error instanceof UnansweredFailure) {
      const { status } = error.failure;
      if (status === 412) return "unmet";
      // Not implemented; a 400 is how some say that they don't know a header.
      if (status === 501 || status === 400 || status === 405) return "refused";
    }
    throw error;
  }
}
