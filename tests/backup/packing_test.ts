import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { concatBytes, encodeText } from "../../lib/base/bytes.ts";
import { IntegrityError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { pack, packingOf, unpack } from "../../lib/backup/archive/packing.ts";
import { collect, inPieces } from "./helpers.ts";

const text = encodeText("to and fro ".repeat(50_000));

describe("packing", () => {
  it("goes by the name", () => {
    assert.deepEqual(packingOf("a/dump.JSON.GZ"), { packing: "gzip", inner: "a/dump.JSON" });
    assert.deepEqual(packingOf("x.tar.zst"), { packing: "zstd", inner: "x.tar" });
    assert.deepEqual(packingOf("x.tgz"), { packing: "gzip", inner: "x.tar" });
    assert.deepEqual(packingOf("x.json"), { packing: "none", inner: "x.json" });
  });

  for (const packing of ["none", "gzip", "zstd"] as const) {
    it(`packs and unpacks: ${packing}`, async () => {
      const packed = await collect(pack(inPieces(text, 7000), packing));
      assert.deepEqual(await collect(unpack(inPieces(packed, 333), "x")), text);
      assert.deepEqual(
        await collect(unpack(inPieces(await collect(pack(inPieces(new Uint8Array(0)), packing))), "x")),
        new Uint8Array(0),
      );
    });
  }

  it("writes what others read and reads what others write", async () => {
    assert.deepEqual(new Uint8Array(gunzipSync(await collect(pack(inPieces(text), "gzip")))), text);
    assert.deepEqual(new Uint8Array(zstdDecompressSync(await collect(pack(inPieces(text), "zstd")))), text);
    assert.deepEqual(await collect(unpack(inPieces(gzipSync(text), 5), "x")), text);
    assert.deepEqual(await collect(unpack(inPieces(zstdCompressSync(text), 5), "x")), text);
  });

  it("reads the documented zstd frame, several frames in a row, and passes over skippable ones", async () => {
    const a = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01, 0x09, 0x00, 0x00, 0x61]);
    const skippable = new Uint8Array([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
    const file = concatBytes(a, skippable, zstdCompressSync(text), a);
    for (const piece of [1, 1000]) {
      assert.deepEqual(
        await collect(unpack(inPieces(file, piece), "x")),
        concatBytes(a.subarray(9), text, a.subarray(9)),
      );
    }
    for (let n = 1; n < 10; n++) {
      await assert.rejects(collect(unpack(inPieces(concatBytes(a, a.subarray(0, n))), "x")), IntegrityError);
    }
  });

  it("splits what it packs into frames that need little memory", async () => {
    const long = new Uint8Array(3 * 2 ** 20 + 5).fill(1);
    const packed = await collect(pack(inPieces(long, 100_000), "zstd", 1));
    assert.deepEqual(await collect(unpack(inPieces(packed), "x")), long);
    assert.ok(packed.length < 1000);
  });

  it("unpacks a small frame of far more than memory should hold piece by piece, and refuses it where it can't", async () => {
    // 3000 blocks that each repeat one byte 128 KiB long.
    const block = [0x02, 0x00, 0x10, 0x61];
    const blocks = Array.from({ length: 3000 }, () => block).flat();
    const bomb = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x60, ...blocks, 0x01, 0x00, 0x00]);
    const length = async (): Promise<number> => {
      let total = 0;
      for await (const piece of unpack(inPieces(bomb), "x")) total += piece.length;
      return total;
    };
    if ("Deno" in globalThis) await assert.rejects(length(), UnsupportedFormatError);
    else assert.equal(await length(), 3000 * 128 * 1024);
  });

  it("refuses frames that hold another length than they state, or ask for too much memory", async () => {
    const text = new Uint8Array(300).fill(0x61);
    const frame = (...head: number[]): Uint8Array =>
      concatBytes(new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, ...head, (300 << 3) & 255 | 1, 300 >> 5, 0]), text);
    assert.deepEqual(await collect(unpack(inPieces(frame(0x00, 0x38)), "x")), text);
    // Stated in two bytes (256 more than they say), as 300, 301, 299, and in eight bytes as 2^63.
    assert.deepEqual(await collect(unpack(inPieces(frame(0x40, 0x38, 44, 0)), "x")), text);
    for (const head of [[0x40, 0x38, 45, 0], [0x40, 0x38, 43, 0], [0xc0, 0x38, 0, 0, 0, 0, 0, 0, 0, 0x80]]) {
      await assert.rejects(collect(unpack(inPieces(frame(...head)), "x")), IntegrityError);
    }
    for (const head of [[0x00, (18 << 3) | 1], [0x00, 31 << 3], [0xe0, 0, 0, 0, 0, 1, 0, 0, 0]]) {
      await assert.rejects(
        collect(unpack(inPieces(frame(...head)), "x")),
        (error) => error instanceof UnsupportedFormatError && /window/.test(error.message),
      );
    }
  });

  for (const packing of ["gzip", "zstd"] as const) {
    it(`refuses damage and an early end: ${packing}`, async () => {
      const packed = await collect(pack(inPieces(text), packing));
      await assert.rejects(
        collect(unpack(inPieces(packed.subarray(0, packed.length - 3)), "x.gz")),
        (error) => error instanceof IntegrityError && /Cannot unpack x\.gz/.test(error.message),
      );
      const damaged = packed.slice();
      damaged[damaged.length >> 1]! ^= 0x55;
      await assert.rejects(collect(unpack(inPieces(damaged), "x")), IntegrityError);
    });

    it(`stops its source when its reader stops: ${packing}`, async () => {
      const packed = await collect(pack(inPieces(text), packing));
      let stopped = false;
      async function* source(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) yield packed;
        } finally {
          stopped = true;
        }
      }
      for await (const _ of unpack(source(), "x")) break;
      assert.equal(stopped, true);
    });

    it(`passes on what its source throws: ${packing}`, async () => {
      async function* source(): AsyncGenerator<Uint8Array> {
        yield text;
        throw new RangeError("source broke");
      }
      await assert.rejects(collect(pack(source(), packing)), /source broke/);
    });
  }
});
