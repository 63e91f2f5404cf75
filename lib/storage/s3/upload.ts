/**
 * Putting objects: small ones by one request, large ones in parts.
 *
 * | body | condition | how |
 * |---|---|---|
 * | at most a part, or bytes up to 5 GiB with a condition | any | one PUT, with the condition |
 * | more | none | an upload in parts |
 * | more | any, the service honours it at the completion (AWS) | an upload in parts, completed with the condition |
 * | up to as many parts as are sent at once | any, it does not (Ceph, GCS) | held in memory, then one PUT with the condition |
 * | more | any, it does not | an upload in parts to a name of our own, then one PUT with the condition, whose body is read from there |
 *
 * The last is slow, as the bytes travel three times, and safe: the object appears whole by a single conditional request.
 *
 * A put whose answer was lost is made again, and may then meet its own object. So that it knows it again, each conditional
 * put and each upload carries a random number as metadata (`holdfast-put`).
 *
 * @module
 */
import type { Sdk } from "./client.ts";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { toHex } from "../../base/bytes.ts";
import { sendParts } from "../remote/in_parallel.ts";
import type { Digest, Part, Parts } from "../remote/part_cutter.ts";
import { storageError } from "../storage_failure.ts";
import type { Abilities, Condition } from "./dialect.ts";
import { readObject } from "./download.ts";
import { PARTS_MAX } from "./options.ts";
import { abortUpload, ownKey, removeOwn } from "./probe.ts";
import { digestHeaders, putInput, type S3Requests, UnansweredFailure } from "./requests.ts";

/** What a PUT may hold. */
const PUT_BYTES_MAX = 5 * 2 ** 30;

/** The metadata by which a put knows its object again. */
const PUT_ID = "holdfast-put";

/** How an object is put. */
export interface UploadOptions {
  condition: Condition | undefined;
  abilities: Abilities;
  signal: AbortSignal | undefined;
}

/** The tag of what was put (`""` when the service did not tell it); undefined when the condition did not hold. */
export type Uploaded = { etag: string } | undefined;

/** Puts bytes by one request. */
export async function putWhole(
  requests: S3Requests,
  key: string,
  { bytes, digest }: Part,
  options: UploadOptions,
): Promise<Uploaded> {
  return await putOnce(requests, key, options, deadlineOf(requests, bytes.length), digest, () => ({
    Body: bytes,
    ContentLength: bytes.length,
  }));
}

/** Whether bytes in memory should go by one request, as their condition wants. */
export function goesWhole(length: number, partBytes: number, condition: Condition | undefined): boolean {
  return length <= (condition === undefined ? partBytes : PUT_BYTES_MAX);
}

/** Puts a body of more than a part. `first` are the parts already taken. `conditional` says whether a completion can have conditions. */
export async function putLarge(
  requests: S3Requests,
  key: string,
  parts: Parts,
  first: readonly Part[],
  conditional: () => Promise<boolean>,
  options: UploadOptions,
): Promise<Uploaded> {
  const { condition } = options;
  if (condition === undefined || await conditional()) return await upload(requests, key, parts, first, options);
  const held = [...first];
  // An upload in parts has as many in memory, and one that is being filled.
  while (held.length <= requests.settings.concurrency) {
    const part = await parts.next();
    if (part === undefined) {
      const put = await putHeld(requests, key, held, options);
      for (const each of held) parts.giveBack(each);
      return put;
    }
    held.push(part);
  }
  return await putSpooled(requests, key, parts, held, options);
}

/** Puts a body by one request from the parts it was cut into. */
async function putHeld(
  requests: S3Requests,
  key: string,
  held: readonly Part[],
  options: UploadOptions,
): Promise<Uploaded> {
  const { name } = held[0]!.digest;
  const sum = createHash(name);
  let size = 0;
  for (const { bytes } of held) {
    sum.update(bytes);
    size += bytes.length;
  }
  return await putOnce(requests, key, options, deadlineOf(requests, size), { name, value: sum.digest() }, () => ({
    Body: Readable.from(held.map(({ bytes }) => bytes)),
    ContentLength: size,
  }));
}

/** Puts a body of many parts with a condition where the completion of an upload has none. */
async function putSpooled(
  requests: S3Requests,
  key: string,
  parts: Parts,
  first: readonly Part[],
  options: UploadOptions,
): Promise<Uploaded> {
  const { signal } = options;
  const spool = ownKey(requests, "spool");
  // The one that every service checks, whatever the parts have.
  const sum = createHash("md5");
  let size = 0;
  const counted: Parts = {
    async next() {
      const part = await parts.next();
      if (part !== undefined) take(part);
      return part;
    },
    giveBack: (part: Part) => parts.giveBack(part),
  } as Parts;
  const take = ({ bytes }: Part): void => {
    sum.update(bytes);
    size += bytes.length;
  };
  first.forEach(take);
  try {
    await upload(requests, spool, counted, first, { ...options, condition: undefined }, key);
    if (size > PUT_BYTES_MAX) {
      throw storageError(
        { store: requests.name, operation: "put", key },
        `it has ${size} bytes, and this service honours conditions only for objects of up to 5 GiB`,
      );
    }
    const digest: Digest = { name: "md5", value: sum.digest() };
    return await putOnce(requests, key, options, deadlineOf(requests, size), digest, async () => {
      const found = await readObject(requests, spool, {
        offset: 0,
        length: Infinity,
        reuse: false,
        unchecked: true,
        signal,
      });
      if (found === undefined) throw new Error("connection to the spooled object was lost");
      return { Body: Readable.from(found.body), ContentLength: size };
    });
  } finally {
    await removeOwn(requests, spool);
  }
}

/** How long a request with so many bytes may take: on a slow line as long for each part as for a part's own request. */
function deadlineOf({ settings }: S3Requests, size: number): number {
  return settings.deadlineMs * Math.max(1, Math.ceil(size / settings.partBytes));
}

/** One PUT, tried again where that is safe. */
async function putOnce(
  requests: S3Requests,
  key: string,
  { condition, abilities, signal }: UploadOptions,
  deadlineMs: number,
  digest: Digest,
  body: () => Partial<Sdk.PutObjectCommandInput> | Promise<Partial<Sdk.PutObjectCommandInput>>,
): Promise<Uploaded> {
  const { settings, dialect, surroundings } = requests;
  const id = condition === undefined ? undefined : toHex(surroundings.randomBytes(16));
  const about = {
    operation: "put",
    key,
    signal,
    deadlineMs,
    headers: {
      ...digestHeaders(digest),
      ...(condition === undefined ? {} : dialect.conditionHeaders(condition, abilities.matchForm)),
    },
  };
  try {
    const { headers } = await requests.call(about, async (sdk) =>
      new sdk.PutObjectCommand({
        Bucket: settings.bucket,
        Key: requests.full(key),
        ...putInput(settings, surroundings.now()),
        ...(id === undefined ? {} : { Metadata: { [PUT_ID]: id } }),
        ...await body(),
      }));
    return { etag: dialect.tagOf(headers) ?? "" };
  } catch (error) {
    if (id !== undefined) {
      const settled = await unmet(requests, key, error, id, signal);
      if (settled !== undefined) return settled === "unmet" ? undefined : settled;
    }
    throw await requests.told(about, error);
  }
}

/**
 * What a failed conditional put means: `"unmet"`, or a success whose answer was lost, or undefined for a failure. Rejects
 * where an answer was lost and nobody can know.
 */
async function unmet(
  requests: S3Requests,
  key: string,
  error: unknown,
  id: string,
  signal: AbortSignal | undefined,
): Promise<"unmet" | { etag: string } | undefined> {
  if (!(error instanceof UnansweredFailure)) return undefined;
  const { status, code } = error.failure;
  const isGone = status === 404 && code !== "NoSuchBucket" && code !== "NoSuchUpload";
  const mayBeOurs = code === "NoSuchUpload";
  if (status !== 412 && !isGone && !mayBeOurs) return undefined;
  // Also where no answer was lost: a runtime, or what lies between, may send a request again by itself.
  const there = await lookUp(requests, key, id, signal);
  if (there !== undefined) return there;
  if (mayBeOurs) return undefined;
  if (!error.unsure) return "unmet";
  throw storageError(
    { store: requests.name, operation: "put", key },
    "an answer was lost, and now another's object is there, or none: whether ours was there in between is not known; look, and try again",
    { retryable: true },
  );
}

/** The tag of an object when it is the one that this put made. */
async function lookUp(
  requests: S3Requests,
  key: string,
  id: string,
  signal: AbortSignal | undefined,
): Promise<{ etag: string } | undefined> {
  const about = { operation: "head", key, signal };
  try {
    const { headers } = await requests.call(
      about,
      (sdk) => new sdk.HeadObjectCommand({ Bucket: requests.settings.bucket, Key: requests.full(key) }),
    );
    if (headers[`x-amz-meta-${PUT_ID}`] !== id && headers[`x-goog-meta-${PUT_ID}`] !== id) return undefined;
    return { etag: requests.dialect.tagOf(headers) ?? "" };
  } catch (error) {
    if (error instanceof UnansweredFailure && error.failure.status === 404) return undefined;
    throw await requests.told(about, error);
  }
}

/** An upload in parts. It leaves none of them when it fails, unless the service can't be reached any more. */
async function upload(
  requests: S3Requests,
  key: string,
  parts: Parts,
  first: readonly Part[],
  { condition, abilities, signal }: UploadOptions,
  toldKey = key,
): Promise<Uploaded> {
  const { settings, dialect, surroundings } = requests;
  const about = { operation: "put", key: toldKey, signal };
  const place = { Bucket: settings.bucket, Key: requests.full(key) };
  const id = toHex(surroundings.randomBytes(16));
  // A spooled object goes soon, so nothing must keep it.
  const input = putInput(key === toldKey ? settings : { ...settings, lock: undefined }, surroundings.now());
  const created = await requests.request<Sdk.CreateMultipartUploadCommandOutput>(
    about,
    (sdk) => new sdk.CreateMultipartUploadCommand({ ...place, ...input, Metadata: { [PUT_ID]: id } }),
  );
  const uploadId = created.output.UploadId;
  if (uploadId === undefined) {
    throw storageError({ store: requests.name, ...about }, "the service gave no upload's id", { retryable: true });
  }
  let completed = false;
  try {
    const sent = await sendParts(parts, first, settings.concurrency, signal, async (part, index, own) => {
      if (index >= PARTS_MAX) {
        throw storageError(
          { store: requests.name, operation: "put", key: toldKey },
          `it has more than ${PARTS_MAX} parts of ${settings.partBytes} bytes; raise option "partBytes"`,
        );
      }
      const { headers } = await requests.request(
        { ...about, signal: own, headers: digestHeaders(part.digest) },
        (sdk) =>
          new sdk.UploadPartCommand({
            ...place,
            UploadId: uploadId,
            PartNumber: index + 1,
            Body: part.bytes,
            ContentLength: part.bytes.length,
          }),
      );
      return { PartNumber: index + 1, ETag: headers["etag"] };
    });
    try {
      const { output, headers } = await requests.call<Sdk.CompleteMultipartUploadCommandOutput>(
        {
          ...about,
          headers: condition === undefined ? undefined : dialect.conditionHeaders(condition, abilities.matchForm),
        },
        (sdk) =>
          new sdk.CompleteMultipartUploadCommand({ ...place, UploadId: uploadId, MultipartUpload: { Parts: sent } }),
      );
      completed = true;
      await keepLocked(requests, key, toldKey, input, signal);
      const told = dialect.tagOf({ ...headers, etag: output.ETag });
      // Ceph tells none.
      return told === undefined || told === ""
        ? await lookUp(requests, key, id, signal) ?? { etag: "" }
        : { etag: told };
    } catch (error) {
      const settled = await unmet(requests, key, error, id, signal);
      completed ||= typeof settled === "object";
      if (settled === undefined || (settled === "unmet" && condition === undefined)) {
        throw await requests.told(about, error);
      }
      return settled === "unmet" ? undefined : settled;
    }
  } finally {
    if (!completed) await abortUpload(requests, key, uploadId);
  }
}

/** Ceph 16 takes a lock for an upload in parts and forgets it; what is not locked then is locked now. */
async function keepLocked(
  requests: S3Requests,
  key: string,
  toldKey: string,
  { ObjectLockMode, ObjectLockRetainUntilDate }: Partial<Sdk.CreateMultipartUploadCommandInput>,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (ObjectLockMode === undefined) return;
  const place = { Bucket: requests.settings.bucket, Key: requests.full(key) };
  const about = { operation: "put", key: toldKey, signal };
  const { headers } = await requests.request(about, (sdk) => new sdk.HeadObjectCommand(place));
  if ((headers["x-amz-object-lock-mode"] ?? headers["x-goog-object-lock-mode"]) === ObjectLockMode) return;
  const retention = { Mode: ObjectLockMode, RetainUntilDate: ObjectLockRetainUntilDate };
  await requests.request(about, (sdk) => new sdk.PutObjectRetentionCommand({ ...place, Retention: retention }));
}
