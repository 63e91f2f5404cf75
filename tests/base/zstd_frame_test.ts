import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { concatBytes } from "../../lib/base/bytes.ts";
import { isFrame } from "../../lib/base/zstd_format.ts";
import { unzstdFrame, zstdFrame } from "../../lib/base/zstd_frame.ts";

const level = (value: number) => ({ [constants.ZSTD_c_compressionLevel]: value });
const noise = (length: number) => createHash("shake256", { outputLength: length }).update(`${length}`).digest();
/** Half noise, half not: shrinks to about a half. */
const mixed = (length: number) => concatBytes(noise(length >>> 1), new Uint8Array(length - (length >>> 1)));

const whole = (pieces: readonly Uint8Array[]) => concatBytes(...pieces);

async function roundTrip(raw: Uint8Array, params = level(1)): Promise<number> {
  const frame = await zstdFrame(raw, params, whole);
  // Each frame by itself: nothing of another's before or behind it.
  assert.deepEqual(new Uint8Array(zstdDecompressSync(frame)), new Uint8Array(raw));
  return frame.length;
}

describe("zstdFrame()", () => {
  it("makes frames of all sizes that stand by themselves, one after another", async () => {
    for (const length of [0, 1, 2, 100, 65_535, 2 ** 17, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 5 * 2 ** 20]) {
      for (const raw of [noise(length), mixed(length), new Uint8Array(length)]) await roundTrip(raw);
    }
  });

  it("makes many at once", async () => {
    const sizes = Array.from({ length: 40 }, (_, i) => (i * 77_777) % 900_000);
    await Promise.all(sizes.map((size) => roundTrip(mixed(size))));
  });

  it("keeps levels and windows apart, also the large ones", async () => {
    const text = new TextEncoder().encode(Array.from({ length: 20_000 }, (_, i) => `${i * i} is a square`).join("\n"));
    const [fast, good] = [await roundTrip(text, level(1)), await roundTrip(text, level(19))];
    assert.ok(good < fast);
    assert.equal(await roundTrip(text, level(1)), fast);
    const checked = { [constants.ZSTD_c_checksumFlag]: 1 };
    const frame = await zstdFrame(text, checked, whole);
    frame[frame.length - 1]! ^= 1;
    assert.throws(() => zstdDecompressSync(frame));
    const long = await zstdFrame(mixed(5 * 2 ** 20), { ...level(19), [constants.ZSTD_c_windowLog]: 17 }, whole);
    const params = { [constants.ZSTD_d_windowLogMax]: 18 };
    assert.equal(zstdDecompressSync(long, { params }).length, 5 * 2 ** 20);
  });

  it("uses memory for output again, where the runtime lets it", async () => {
    const memory = new Set<ArrayBufferLike>();
    const note = (pieces: readonly Uint8Array[]) => pieces.forEach(({ buffer }) => memory.add(buffer));
    for (let i = 0; i < 20; i++) await zstdFrame(mixed(2 ** 20), level(2), note);
    // Deno makes frames by calls, each with memory of its own.
    if (!("Deno" in globalThis)) assert.equal(memory.size, 1);
  });

  it("goes on after what takes a frame has thrown", async () => {
    const failing = (): never => {
      throw new Error("no");
    };
    for (let i = 0; i < 10; i++) await assert.rejects(zstdFrame(mixed(1000), level(1), failing), /no/);
    await roundTrip(mixed(1000));
  });

  it("fails for what zstd does not take, and goes on", async () => {
    await assert.rejects(zstdFrame(noise(10), { [constants.ZSTD_c_windowLog]: 99 }, whole));
    await roundTrip(noise(10));
  });
});

describe("unzstdFrame()", () => {
  const limits = { [constants.ZSTD_d_windowLogMax]: 23 };
  // With a checksum, so that damage is noticed.
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const packed = (raw: Uint8Array) => new Uint8Array(zstdCompressSync(raw, { params, chunkSize: raw.length + 1024 }));
  const unpack = (frame: Uint8Array, most: number) => unzstdFrame(frame, most, limits, whole);

  it("gives back frames of all sizes, one after another and many at once", async () => {
    const sizes = [0, 1, 2, 100, 65_535, 2 ** 17, 2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 3 * 2 ** 20];
    const raws = sizes.flatMap((length) => [noise(length), mixed(length), new Uint8Array(length)]);
    for (const raw of raws) assert.deepEqual(await unpack(packed(raw), raw.length), new Uint8Array(raw));
    const all = await Promise.all(raws.map((raw) => unpack(packed(raw), raw.length)));
    for (const [i, raw] of raws.entries()) assert.deepEqual(all[i], new Uint8Array(raw));
  });

  it("uses memory for output again, where the runtime lets it", async () => {
    const memory = new Set<ArrayBufferLike>();
    const frame = packed(mixed(2 ** 20));
    const note = (pieces: readonly Uint8Array[]) => pieces.forEach(({ buffer }) => memory.add(buffer));
    for (let i = 0; i < 20; i++) {
      await unzstdFrame(frame, 2 ** 20, { ...limits, [constants.ZSTD_d_windowLogMax]: 22 }, note);
    }
    if (!("Deno" in globalThis)) assert.equal(memory.size, 1);
  });

  it("refuses what is too long, damaged or cut, and nothing of it gets into the next frame", async () => {
    const raw = mixed(300_000);
    const frame = packed(raw);
    const damaged = frame.slice();
    damaged.fill(0xff, 100, 200);
    const bad: [Uint8Array, number][] = [
      [frame, raw.length - 1],
      [frame, 10],
      [damaged, raw.length],
      [frame.subarray(0, -1), raw.length],
      [frame.subarray(0, 20), raw.length],
      [frame.subarray(4), raw.length],
      [new Uint8Array(50), raw.length],
      [packed(new Uint8Array(50 * 2 ** 20)), 2 ** 20],
    ];
    for (const [bytes, most] of bad) {
      // Not every runtime notices an early end; what comes out is then too short, or right when only the checksum is cut.
      const found = await unpack(bytes, most).catch(() => undefined);
      assert.ok(
        found === undefined || found.length < raw.length || concatBytes(found).every((byte, i) => byte === raw[i]),
      );
      assert.deepEqual(await unpack(frame, raw.length), new Uint8Array(raw));
    }
  });

  it("takes a frame with an empty one behind it, as Deno makes them", async () => {
    const raw = mixed(1000);
    const empty = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x00, 0x01, 0x00, 0x00);
    assert.deepEqual(await unpack(concatBytes(packed(raw), empty), raw.length), new Uint8Array(raw));
    assert.deepEqual(await unpack(packed(raw), raw.length), new Uint8Array(raw));
  });
});

describe("isFrame()", () => {
  it("takes one whole frame of the length, however it is cut into pieces, and nothing else", () => {
    for (const length of [1, 300, 70_000, 300_000]) {
      for (const raw of [noise(length), mixed(length), new Uint8Array(length)]) {
        const frame = new Uint8Array(zstdCompressSync(raw, { chunkSize: length + 1024 }));
        const bare = frame.subarray(0, -3);
        assert.ok(isFrame([frame], length));
        for (const at of [1, 5, 7, frame.length >> 1, frame.length - 1]) {
          assert.ok(isFrame([frame.subarray(0, at), frame.subarray(at)], length));
          assert.ok(!isFrame([frame.subarray(0, at)], length), `${at} of ${frame.length} bytes`);
        }
        assert.ok(!isFrame([bare], length));
        assert.ok(!isFrame([frame, frame], length));
        assert.ok(!isFrame([frame, new Uint8Array(1)], length));
        assert.ok(!isFrame([new Uint8Array(4), frame.subarray(4)], length));
      }
    }
    assert.ok(!isFrame([], 0));
  });
});
