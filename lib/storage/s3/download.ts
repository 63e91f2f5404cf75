/**
 * Reading objects: in ranges, several at once, each checked to be whole and of the same object, and asked for again when its
 * connection breaks.
 *
 * @module
 */
import type { Sdk } from "./client.ts";
import { throwIfAborted } from "../../base/abort.ts";
import { borrow, giveBack } from "../../base/buffers.ts";
import { inOrder } from "../remote/in_parallel.ts";
import { RequestFailure } from "../remote/request_failure.ts";
import type { StoredObject } from "../object_store.ts";
import type { CheckedGet } from "../store_options.ts";
import { CODE } from "./failure.ts";
import { type S3Requests, UnansweredFailure } from "./requests.ts";

/** What one request fetches. */
export const RANGE_BYTES: number = 8 * 2 ** 20;

/** What a body gives at once. */
const PIECE_BYTES = 256 * 1024;

/** A part of an object. */
interface Range {
  bytes: Uint8Array;
  /** The whole object's length. */
  size: number;
  tag: string | undefined;
}

/** Reads an object or a part of it, or a version of it; undefined when there is none. */
export async function readObject(
  requests: S3Requests,
  key: string,
  wanted: CheckedGet,
  version?: string,
): Promise<StoredObject | undefined> {
  const { offset, length, signal } = wanted;
  const firstBytes = Math.min(length, RANGE_BYTES);
  const first = firstBytes === 0
    ? undefined
    : await readRange(requests, key, { ...wanted, length: firstBytes }, undefined, version);
  if (first === "none") return undefined;
  if (first === undefined || first === "beyond") {
    // An empty object, or a range behind the end: only its length is to be told.
    const found = await headObject(requests, key, "get", signal, version);
    if (found === undefined) return undefined;
    return { size: found.size, etag: found.size === 0 ? found.tag : undefined, body: noPieces() };
  }
  const { size, tag } = first;
  const end = Math.min(size, offset + length);
  const isWhole = offset === 0 && end === size;
  return { size, etag: isWhole ? tag : undefined, body: pieces(requests, key, first, wanted, end, version) };
}

async function* pieces(
  requests: S3Requests,
  key: string,
  first: Range,
  wanted: CheckedGet,
  end: number,
  version: string | undefined,
): AsyncGenerator<Uint8Array> {
  const { offset, signal } = wanted;
  const begin = offset + first.bytes.length;
  yield* cut(first.bytes, wanted);
  const count = Math.ceil((end - begin) / RANGE_BYTES);
  const rest = inOrder(count, requests.settings.concurrency, signal, async (index, own) => {
    const at = begin + index * RANGE_BYTES;
    const part = { ...wanted, offset: at, length: Math.min(RANGE_BYTES, end - at), signal: own };
    const range = await readRange(requests, key, part, first, version);
    if (typeof range === "object") return range.bytes;
    throw await changed(requests, key);
  });
  for await (const bytes of rest) yield* cut(bytes, wanted);
}

async function* cut(bytes: Uint8Array, { reuse, signal }: CheckedGet): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    throwIfAborted(signal);
    yield bytes.subarray(at, at + PIECE_BYTES);
    throwIfAborted(signal);
  }
  if (reuse) giveBack(bytes);
}

async function* noPieces(): AsyncGenerator<Uint8Array> {}

/** One range, whole. `"none"`: no such object; `"beyond"`: it ends before the range begins. */
async function readRange(
  requests: S3Requests,
  key: string,
  { offset, length, reuse, signal }: CheckedGet,
  expected: Range | undefined,
  version: string | undefined,
): Promise<Range | "none" | "beyond"> {
  const about = { operation: "get", key, signal };
  let range: Range | undefined;
  try {
    await requests.call<Sdk.GetObjectCommandOutput>(
      about,
      (sdk) =>
        new sdk.GetObjectCommand({
          Bucket: requests.settings.bucket,
          Key: requests.full(key),
          ...(version === undefined ? {} : { VersionId: version }),
          Range: `bytes=${offset}-${offset + length - 1}`,
        }),
      async (output, headers) => {
        const [, from, to, all] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(output.ContentRange ?? "") ?? [];
        const size = Number(all ?? output.ContentLength);
        const begin = Number(from ?? 0);
        const expectedBytes = Math.min(length, size - offset);
        const count = to === undefined ? size : Number(to) - begin + 1;
        const bytes = reuse ? borrow(count) : new Uint8Array(count);
        await readBody(output.Body, bytes);
        if (all === undefined) {
          // A service without ranges answers with all of it.
          range = { bytes: bytes.subarray(offset, offset + length), size, tag: requests.dialect.tagOf(headers) };
        } else if (begin !== offset || bytes.length !== expectedBytes) {
          throw new RequestFailure("the answer is of another range than was asked for", { retryable: true });
        } else {
          range = { bytes, size, tag: requests.dialect.tagOf(headers) };
        }
      },
    );
  } catch (error) {
    if (error instanceof UnansweredFailure) {
      const { status, code } = error.failure;
      if (status === 404 && code !== "NoSuchBucket") return "none";
      if (status === 416) return "beyond";
    }
    throw await requests.told(about, error);
  }
  if (expected !== undefined && (range!.tag !== expected.tag || range!.size !== expected.size)) {
    throw await changed(requests, key);
  }
  return range!;
}

/** Fills the memory with all bytes of an answer, which must be so many. */
async function readBody(body: unknown, bytes: Uint8Array): Promise<void> {
  const { length } = bytes;
  let at = 0;
  for await (const piece of body as AsyncIterable<Uint8Array>) {
    if (at + piece.length > length) throw new RequestFailure("the answer's body is too long", { retryable: true });
    bytes.set(piece, at);
    at += piece.length;
  }
  if (at === length) return;
  throw new RequestFailure(`the answer's body broke off after ${at} of ${length} bytes`, { retryable: true });
}

function changed(requests: S3Requests, key: string): Promise<unknown> {
  const facts = { code: CODE.replaced, retryable: true };
  const failure = new RequestFailure("it was replaced or removed while it was read", facts);
  return requests.told({ operation: "get", key }, new UnansweredFailure(failure, false));
}

/** What is known of an object; undefined when there is none. */
export async function headObject(
  requests: S3Requests,
  key: string,
  operation: string,
  signal: AbortSignal | undefined,
  version?: string,
): Promise<{ size: number; tag: string | undefined } | undefined> {
  const about = { operation, key, signal };
  try {
    const { output, headers } = await requests.call<Sdk.HeadObjectCommandOutput>(
      about,
      (sdk) =>
        new sdk.HeadObjectCommand({
          Bucket: requests.settings.bucket,
          Key: requests.full(key),
          ...(version === undefined ? {} : { VersionId: version }),
        }),
      async ({ ContentLength }) => {
        if (ContentLength === undefined) throw new RequestFailure("the answer has no length", { retryable: true });
      },
    );
    return { size: output.ContentLength!, tag: requests.dialect.tagOf(headers) };
  } catch (error) {
    if (error instanceof UnansweredFailure && error.failure.status === 404) return undefined;
    throw await requests.told(about, error);
  }
}
