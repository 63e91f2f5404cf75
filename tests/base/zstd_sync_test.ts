import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createZstdDecompress, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { DecodeError, equalBytes } from "../../lib/base/bytes.ts";
import { decompressSync } from "../../lib/base/codec.ts";
import { packerOf, SPARE_BYTES, SyncPacker, SyncUnpacker, unpackSync } from "../../lib/base/zstd_sync.ts";
import { randomFrom } from "../crash/random.ts";

/** Half of it repeats. */
function block(seed: number, length = 16_384): Uint8Array {
  const random = randomFrom(seed);
  return Uint8Array.from({ length }, (_, i) => i % 100 < 50 ? 97 + seed % 26 : Math.floor(random() * 256));
}

/** Deno unpacks no longer ones in one step. */
const LENGTHS = [1, 100, 4096, 16_384, 2 ** 17, ...("Deno" in globalThis ? [] : [2 ** 17 + 1, 300_000, 2 ** 20])];

const pack = (raw: Uint8Array): Uint8Array => new Uint8Array(zstdCompressSync(raw));

describe("unpackSync", () => {
  it("is there in this runtime, and gives back one frame after the other, each in memory of its own", () => {
    const raws = LENGTHS.map((length, seed) => block(seed, length));
    const found = raws.map((raw) => unpackSync(pack(raw), raw.length)!);
    for (const [i, bytes] of found.entries()) {
      assert.ok(equalBytes(bytes, raws[i]!), `of ${raws[i]!.length}`);
      assert.ok(bytes.buffer.byteLength <= bytes.length + SPARE_BYTES);
      assert.ok(new Uint8Array(bytes.buffer, bytes.length).every((byte) => byte === 0), `behind ${bytes.length}`);
    }
  });

  it("unpacks into the memory that it is given, where that is long enough, and leaves the rest of it alone", () => {
    const room = new Uint8Array(20_000);
    for (const [seed, length] of [1, 4096, 16_384].entries()) {
      room.fill(7);
      const raw = block(seed, length);
      const found = unpackSync(pack(raw), length, room)!;
      assert.equal(found.buffer, room.buffer);
      assert.deepEqual([found.byteOffset, found.length], [0, length]);
      assert.ok(equalBytes(found, raw), `of ${length}`);
      assert.ok(room.subarray(length + SPARE_BYTES).every((byte) => byte === 7), `behind ${length}`);
    }
    const raw = block(4, 20_000 - SPARE_BYTES + 1);
    const found = unpackSync(pack(raw), raw.length, room)!;
    assert.notEqual(found.buffer, room.buffer);
    assert.ok(equalBytes(found, raw));
  });

  it("leaves frames of another length, cut ones and two in a row alone, and unpacks the next one", () => {
    const raw = block(1);
    const frame = pack(raw);
    for (const length of [raw.length - 1, raw.length + 1, 0]) assert.equal(unpackSync(frame, length), undefined);
    for (const cut of [1, 5, 12, 4000]) assert.equal(unpackSync(frame.subarray(0, -cut), raw.length), undefined);
    assert.equal(unpackSync(new Uint8Array([...frame, ...frame]), raw.length), undefined);
    assert.ok(equalBytes(unpackSync(frame, raw.length)!, raw));
  });

  it("leaves longer frames than it unpacks to the call", () => {
    const raw = block(5, LENGTHS.at(-1)! + 1);
    assert.equal(unpackSync(pack(raw), raw.length), undefined);
    assert.ok(equalBytes(decompressSync(pack(raw), raw.length), raw));
  });

  it("never gives another length for a damaged frame, and the frame behind it is right", () => {
    const random = randomFrom(7);
    for (const raws of [[block(1), block(2)], [block(3, LENGTHS.at(-1)), block(4, 20_000)]]) {
      assertRefused(random, raws);
    }
  });

  function assertRefused(random: () => number, raws: readonly Uint8Array[]): void {
    const frames = raws.map(pack);
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      const damaged = frames[0]!.slice();
      // Every other one where the frame says how it is to be read.
      const at = Math.floor(random() * (i % 2 === 0 ? damaged.length : 30));
      damaged[at]! ^= 1 << Math.floor(random() * 8);
      const found = unpackSync(damaged, raws[0]!.length);
      if (found === undefined) {
        refused++;
        // Asked of the call that is promised, it is an error or some bytes, and never the end of the process.
        try {
          assert.equal(decompressSync(damaged, raws[0]!.length).length, raws[0]!.length);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      } else assert.equal(found.length, raws[0]!.length);
      assert.ok(equalBytes(unpackSync(frames[1]!, raws[1]!.length)!, raws[1]!), `behind damage at ${at}`);
    }
    assert.ok(refused > 20, `${refused} refused`);
  }
});

describe("a packer", () => {
  it("makes one whole frame after the other, of any bytes", () => {
    const packer = packerOf(1);
    const random = randomFrom(9);
    for (const length of [1, 100, 4096, 16_384, 2 ** 17]) {
      const noise = Uint8Array.from({ length }, () => Math.floor(random() * 256));
      for (const raw of [block(1, length), noise, new Uint8Array(length)]) {
        const frame = packer.pack(raw);
        assert.ok(frame !== undefined, `of ${length}`);
        assert.ok(equalBytes(zstdDecompressSync(frame), raw), `of ${length}`);
      }
    }
    assert.ok(packer.pack(block(1))!.length < 0.7 * 16_384);
  });

  it("leaves long input to the call, and is not used where streams have become others", () => {
    assert.equal(packerOf(1).pack(new Uint8Array(2 ** 17 + 1)), undefined);
    assert.equal(new SyncPacker(() => ({})).pack(block(1)), undefined);
    const _writeState = Uint32Array.of(100_000, 0);
    assert.equal(new SyncPacker(() => ({ _handle: { writeSync() {} }, _writeState })).pack(block(1)), undefined);
  });
});

describe("an unpacker whose streams have become others", () => {
  const raw = block(3);
  const frame = pack(raw);

  for (
    const [what, make] of Object.entries<() => object>({
      "have nothing beneath": () => ({}),
      "have no call that writes": () => ({ _handle: {}, _writeState: new Uint32Array(2) }),
      "tell nothing of what is left": () => ({ _handle: { writeSync() {} }, _writeState: new Uint32Array(2) }),
      "write nothing and say that all is well": () => {
        const _writeState = Uint32Array.of(SPARE_BYTES, 0);
        return { _handle: { writeSync() {} }, _writeState };
      },
      "can't be made": () => {
        throw new Error("not to be had");
      },
    })
  ) {
    it(`that ${what} is not used`, () => {
      const unpacker = new SyncUnpacker(make);
      assert.equal(unpacker.unpack(frame, raw.length), undefined);
    });
  }

  it("is used where they are as they were, and makes another one behind a frame that it can't unpack", () => {
    let made = 0;
    const unpacker = new SyncUnpacker(() => {
      made++;
      return createZstdDecompress();
    });
    const assertRight = (): void => assert.ok(equalBytes(unpacker.unpack(frame, raw.length)!, raw));
    for (let i = 0; i < 3; i++) assertRight();
    assert.equal(made, 1);
    // The first byte of its block says that the literals are packed by a table that came before: of one frame, there is none.
    const at = frame[4] === 0 ? 9 : 10;
    const damaged = frame.slice();
    damaged[at]! |= 3;
    assert.equal(unpacker.unpack(damaged, raw.length), undefined);
    assertRight();
    assert.equal(made, 2);
  });
});
