import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fetchRange } from "../../../lib/storage/azure/ranges.ts";
import type { BlockBlobClient } from "../../../lib/storage/azure/sdk.ts";

/** A client to which the service answers with these pieces, as the bytes of a range. */
function answering(pieces: AsyncIterable<Uint8Array>, contentRange = "bytes 0-9/10"): BlockBlobClient {
  return { download: () => Promise.resolve({ contentRange, readableStreamBody: pieces, etag: "1" }) } as never;
}

async function* piecesOf(...lengths: number[]): AsyncGenerator<Uint8Array> {
  for (const length of lengths) yield new Uint8Array(length).fill(1);
}

const WANTED = { offset: 0, length: 10, reuse: false, unchecked: true };

describe("fetchRange()", () => {
  it("takes as many bytes as were announced and no others, also without a checksum", async () => {
    const fetch = (...lengths: number[]) =>
      fetchRange(answering(piecesOf(...lengths)), WANTED, new AbortController().signal, () => 0);
    assert.deepEqual((await fetch(4, 6)).bytes, new Uint8Array(10).fill(1));
    for (const lengths of [[], [9], [4, 5], [4, 7], [11]]) {
      await assert.rejects(fetch(...lengths), /bytes came instead of 10/, `${lengths}`);
    }
  });

  it("ends a body that is on its way when it is given up", async () => {
    const given = new AbortController();
    let isEnded = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(new Uint8Array(4));
      given.abort();
      if (isEnded) throw new Error("destroyed");
      yield new Uint8Array(6);
    }
    const body = Object.assign(endless(), { destroy: () => isEnded = true });
    await assert.rejects(fetchRange(answering(body), WANTED, given.signal, () => 0), /destroyed/);
  });
});
