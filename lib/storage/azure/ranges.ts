/**
 * Reading blobs: ranges that the service sends with their checksums, several at once.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { borrow, giveBack } from "../../base/buffers.ts";
import { equalBytes } from "../../base/bytes.ts";
import { inOrder } from "../remote/in_parallel.ts";
import { RequestFailure } from "../remote/request_failure.ts";
import { bodyFailure, REPLACED } from "./failure.ts";
import type { BlockBlobClient } from "./sdk.ts";

/** The most of which the service tells a checksum. */
export const RANGE_BYTES: number = 4 * 2 ** 20;

/** Bytes of a blob, with the whole of its size. */
export interface Range {
  bytes: Uint8Array;
  size: number;
  etag: string;
}

/**
 * Fetches up to `length` bytes at `offset`, of just those bytes that `etag` names where it is given; `reuse`: into borrowed
 * memory; `unchecked`: without their checksum.
 */
export async function fetchRange(
  blob: BlockBlobClient,
  range: { offset: number; length: number; reuse: boolean; unchecked: boolean; etag?: string | undefined },
  signal: AbortSignal,
  clock: () => number,
): Promise<Range> {
  const answer = await blob.download(range.offset, range.length, {
    abortSignal: signal,
    // What breaks off is fetched again as a whole, with its checksum.
    maxRetryRequests: 0,
    ...(range.unchecked ? {} : { rangeGetContentMD5: true }),
    ...(range.etag === undefined ? {} : { conditions: { ifMatch: range.etag } }),
  });
  const [, first, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.contentRange ?? "") ?? [];
  const stream = answer.readableStreamBody as (AsyncIterable<Uint8Array> & { destroy?(): void }) | undefined;
  const etag = answer.etag;
  if (size === undefined || stream === undefined || etag === undefined) {
    throw new RequestFailure("the service sent something else than the range that was asked for", { retryable: false });
  }
  const count = Math.min(range.length, Number(size) - range.offset);
  const bytes = range.reuse ? borrow(count) : new Uint8Array(count);
  if (Number(first) !== range.offset || Number(last) !== range.offset + bytes.length - 1) {
    throw new RequestFailure(`the service sent bytes ${first} to ${last} instead`, { retryable: false });
  }
  await fill(bytes, stream, signal, clock);
  const { contentMD5 } = answer;
  const isLeft = range.unchecked || contentMD5 === undefined;
  if (!isLeft && !equalBytes(createHash("md5").update(bytes).digest(), contentMD5)) {
    throw new RequestFailure("the bytes arrived damaged", { code: "Md5Mismatch", retryable: true, harmless: true });
  }
  return { bytes, size: Number(size), etag };
}

async function fill(
  bytes: Uint8Array,
  stream: AsyncIterable<Uint8Array> & { destroy?(): void },
  signal: AbortSignal,
  clock: () => number,
): Promise<void> {
  // A reader that has left must not leave a connection that goes on sending.
  const end = (): void => stream.destroy?.();
  signal.addEventListener("abort", end, { once: true });
  let at = 0;
  try {
    for await (const piece of stream) {
      if (at + piece.length > bytes.length) break;
      bytes.set(piece, at);
      at += piece.length;
    }
  } catch (error) {
    throw bodyFailure(error, clock());
  } finally {
    signal.removeEventListener("abort", end);
  }
  if (at !== bytes.length) throw bodyFailure(new Error(`${at} bytes came instead of ${bytes.length}`), clock());
}

/** The rest of a blob behind its first range, up to `end`; `fetch` makes the requests. */
export async function* restOf(
  rest: { at: number; end: number; rangeBytes: number; reuse: boolean },
  concurrency: number,
  signal: AbortSignal | undefined,
  fetch: (offset: number, length: number, signal: AbortSignal) => Promise<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const { at, end, rangeBytes, reuse } = rest;
  const ranges = inOrder(Math.ceil((end - at) / rangeBytes), concurrency, signal, (index, own) => {
    const offset = at + index * rangeBytes;
    return fetch(offset, Math.min(rangeBytes, end - offset), own);
  });
  for await (const bytes of ranges) {
    yield bytes;
    if (reuse) giveBack(bytes);
  }
}

/** A failure of a later range: the blob went away or became another one meanwhile, and is there to be read anew, or gone. */
export function whileReading(error: unknown): unknown {
  if (!(error instanceof RequestFailure)) return error;
  const { status, requestId } = error;
  if (status !== 412 && status !== 404 && status !== 416) return error;
  const facts = { status, code: REPLACED, requestId, retryable: true };
  return new RequestFailure("it was replaced or removed while it was read", facts);
}
