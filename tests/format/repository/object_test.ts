import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import {
  checkObject,
  type ObjectCompression,
  readBack,
  readObject,
  writeObject,
} from "../../../lib/format/repository/object.ts";
import { ChunkPacker, COMPRESSED_HEAD_BYTES, isCompressed } from "../../../lib/format/repository/object_codec.ts";
import { counting, drain, failure, opened, OTHER_RING, pieces, reused, RING, stored, Watched } from "./fixture.ts";
import { concatBytes } from "../../../lib/base/bytes.ts";
import { patterned } from "../fixture.ts";

const CODECS: readonly ObjectCompression[] = ["none", "zstd", "gzip"];
const text = new TextEncoder().encode("all work and no play makes jack a dull boy. ".repeat(2000));

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe("writeObject() and readObject()", () => {
  for (const compression of CODECS) {
    for (const ring of [undefined, RING]) {
      it(`give back what was put in: ${compression}, ${ring === undefined ? "plain" : "encrypted"}`, async () => {
        for (const raw of [new Uint8Array(0), text.subarray(0, 1), text, patterned(5000), patterned(4096)]) {
          const options = { compression, randomBytes: counting(), chunkBytes: 1024, ...(ring && { ring }) };
          const { bytes, totals } = await drain(writeObject(pieces(raw, 700), options));
          const { written: _written, ...read } = totals;
          assert.deepEqual(read, {
            rawBytes: raw.length,
            storedBytes: bytes.length,
            sha256: hash(raw),
            check: hash(ring === undefined ? raw : bytes.subarray(0, -32)),
          });
          const back = await drain(readObject(pieces(bytes, 333), { name: "obj", ...(ring && { ring }) }));
          assert.deepEqual(back.bytes, raw);
          assert.deepEqual(back.totals, read);
          const { sha256: _, ...told } = totals;
          assert.deepEqual(await readBack(pieces(bytes, 99), "obj"), told);
          assert.deepEqual(await checkObject(pieces(bytes, 50), "obj"), {
            rawBytes: raw.length,
            storedBytes: bytes.length,
            check: totals.check,
            encrypted: ring !== undefined,
          });
        }
      });
    }
  }

  for (const compression of CODECS) {
    it(`give back what was put in, under the digest of what is stored for it: ${compression}`, async () => {
      const noise = createHash("shake256", { outputLength: 2000 }).update("noise").digest();
      for (const raw of [new Uint8Array(0), text, noise, concatBytes(noise, text, noise)]) {
        const options = { compression, digest: "body", randomBytes: counting(), chunkBytes: 1000 } as const;
        const { bytes, totals } = await drain(writeObject(pieces(raw, 700), options));
        const { written, ...read } = totals;
        assert.equal(written, totals.check);
        assert.deepEqual(read, { ...read, rawBytes: raw.length, storedBytes: bytes.length, sha256: "" });
        const isPacked = compression !== "none" && raw.length > noise.length;
        assert.equal(totals.check === hash(raw), !isPacked);
        for (const how of [{}, { reuse: true }, { unchecked: true }, { unchecked: true, reuse: true }]) {
          const back = await drain(readObject(pieces(bytes, 333), { name: "obj", ...how }));
          assert.ok(Buffer.compare(back.bytes, raw) === 0);
          assert.deepEqual(back.totals, read);
        }
        assert.deepEqual(await readBack(pieces(bytes, 99), "obj"), {
          rawBytes: raw.length,
          storedBytes: bytes.length,
          check: totals.check,
          written,
        });
        const { rawBytes, storedBytes, check } = totals;
        const checked = { rawBytes, storedBytes, check, encrypted: false };
        assert.deepEqual(await checkObject(pieces(bytes, 50), "obj"), checked);
      }
    });
  }

  it("have the digest of all that is stored where they are encrypted, whichever is asked for", async () => {
    const options = { ring: RING, randomBytes: counting(), compression: "zstd" } as const;
    const named = await drain(writeObject(pieces(text), options));
    const { bytes, totals } = await drain(writeObject(pieces(text), { ...options, digest: "body" }));
    assert.deepEqual(bytes, named.bytes);
    assert.deepEqual(totals, { ...named.totals, sha256: "" });
  });

  it("shrink what can be shrunk, and leave alone what cannot", async () => {
    for (const compression of ["zstd", "gzip"] as const) {
      assert.ok((await stored(text, { compression })).length < text.length / 20);
      const noise = createHash("shake256", { outputLength: 4096 }).update("noise").digest();
      // Header, one length, one kind of payload, trailer.
      assert.equal((await stored(noise, { compression })).length, 64 + 4 + 1 + 4096 + 40);
    }
  });

  it("try only parts of what is large and does not shrink, and notice where it begins to", async () => {
    const chunkBytes = 2 ** 18;
    const noise = createHash("shake256", { outputLength: chunkBytes }).update("noise").digest();
    for (const compression of ["zstd", "gzip"] as const) {
      const packer = new ChunkPacker(compression);
      const pack = async (raw: Uint8Array): Promise<string> => {
        const room = new Uint8Array(COMPRESSED_HEAD_BYTES + chunkBytes);
        room.set(raw, COMPRESSED_HEAD_BYTES);
        return isCompressed(await packer.pack(room)) ? "c" : ".";
      };
      // However many are tried at once, four are left out behind them; after the next try eight.
      await Promise.all([noise, noise, noise].map(pack));
      let kinds = "";
      for (const _ of Array(4)) kinds += await pack(new Uint8Array(chunkBytes));
      await pack(noise);
      for (const _ of Array(10)) kinds += await pack(new Uint8Array(chunkBytes));
      assert.equal(kinds, "............cc");
    }
  });

  it("read on in an object whose first chunks are compressed, or are not, and then the other way round", async () => {
    const noise = createHash("shake256", { outputLength: 3000 }).update("noise").digest();
    for (const raw of [concatBytes(noise, text, noise), concatBytes(text, noise, text)]) {
      const bytes = await stored(raw, { compression: "zstd", chunkBytes: 1000 });
      assert.ok(bytes.length < raw.length - 50_000);
      for (const reuse of [false, true]) {
        const hash = createHash("sha256");
        for await (const piece of readObject(reused(bytes, 700), { name: "obj", reuse })) hash.update(piece);
        assert.equal(hash.digest("hex"), createHash("sha256").update(raw).digest("hex"));
      }
      assert.equal((await checkObject(reused(bytes, 77), "obj")).rawBytes, raw.length);
    }
  });

  it("use memory again only where they may", async () => {
    const raw = patterned(3 * 2 ** 17);
    const bytes = await stored(raw, { chunkBytes: 2 ** 17 });
    for (const reuse of [false, true]) {
      const kept: Uint8Array[] = [];
      for await (const piece of readObject(reused(bytes, 2 ** 16), { name: "obj", reuse })) kept.push(piece);
      const isWhole = Buffer.compare(concatBytes(...kept), raw) === 0;
      assert.equal(isWhole, !reuse);
    }
  });

  it("take every level, and every window fits the reader", async () => {
    // Text with a number here and there: the highest levels take minutes for what hardly repeats.
    const raw = concatBytes(...Array.from({ length: 30 }, (_, i) => concatBytes(Uint8Array.of(i), text)));
    for (const level of [1, 15, 16, 19]) {
      const bytes = await stored(raw, { compression: "zstd", level, chunkBytes: 4 * 2 ** 20 });
      assert.ok(bytes.length < raw.length / 100);
      assert.deepEqual(await opened(bytes), raw);
    }
    assert.deepEqual(await opened(await stored(text, { compression: "gzip", level: 9 })), text);
  });

  it("copy what they hold on to, when the source uses its memory again", async () => {
    const raw = patterned(10_000);
    const { bytes } = await drain(writeObject(reused(raw, 300), {
      compression: "zstd",
      ring: RING,
      randomBytes: counting(),
      chunkBytes: 1000,
    }));
    assert.deepEqual((await drain(readObject(reused(bytes, 77), { name: "obj", ring: RING }))).bytes, raw);
  });

  it("encrypt the same bytes differently under another salt, and show none of them", async () => {
    const one = await stored(text, { ring: RING });
    const other = await stored(text, { ring: RING, randomBytes: counting(1) });
    assert.notDeepEqual(one.subarray(70, 100), other.subarray(70, 100));
    assert.ok(!new TextDecoder("latin1").decode(one).includes("dull boy"));
  });

  it("have at most a window of chunks in work, whatever the length", async () => {
    const source = new Watched(pieces(patterned(100_000), 1000));
    const object = writeObject(source, { compression: "zstd", randomBytes: counting(), chunkBytes: 1000 });
    await object.next();
    assert.equal(source.taken, 0);
    await object.next();
    // Four in work, and one more piece to know that the fourth is not the last.
    assert.equal(source.taken, 5);
    await object.return(undefined as never);
    assert.ok(source.ended);

    const bytes = await stored(patterned(100_000), { chunkBytes: 1000 });
    const back = new Watched(pieces(bytes, 1005));
    const reading = readObject(back, { name: "obj" });
    await reading.next();
    assert.ok(back.taken <= 6, `${back.taken} pieces`);
    await reading.return(undefined as never);
    assert.ok(back.ended);
  });

  it("end the source and pass its error on when it fails", async () => {
    const broken = new Error("the disk fell off");
    async function* failing(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, bytes.length >> 1);
      throw broken;
    }
    const options = { compression: "zstd", randomBytes: counting(), chunkBytes: 100 } as const;
    assert.equal(await failure(() => drain(writeObject(failing(text), options))), broken);
    const bytes = await stored(text, { chunkBytes: 100 });
    assert.equal(await failure(() => drain(readObject(failing(bytes), { name: "obj" }))), broken);
    assert.equal(await failure(() => checkObject(failing(bytes), "obj")), broken);
  });

  it("end the source when the object is damaged", async () => {
    const bytes = await stored(text, { chunkBytes: 100, ring: RING });
    bytes[90]! ^= 1;
    const source = new Watched(pieces(bytes, 64));
    await failure(() => drain(readObject(source, { name: "obj", ring: RING })));
    assert.ok(source.ended);
    const checked = new Watched(pieces(bytes.slice(1), 64));
    await failure(() => checkObject(checked, "obj"));
    assert.ok(checked.ended);
  });

  it("let the event loop have its turn while a source in memory never waits", async () => {
    let turns = 0;
    let going = true;
    const count = (): void => {
      turns++;
      if (going) setImmediate(count);
    };
    setImmediate(count);
    const raw = patterned(2 ** 16);
    const bytes = await stored(raw, { chunkBytes: 2 ** 10 });
    const written = turns;
    await opened(bytes);
    going = false;
    assert.ok(written >= 30, `${written} turns while writing`);
    assert.ok(turns - written >= 30, `${turns - written} turns while reading`);
  });

  it("refuse chunks that no reader takes", async () => {
    for (const chunkBytes of [0, -1, 1.5, 4 * 2 ** 20 + 1]) {
      assert.ok(await failure(() => stored(text, { chunkBytes })) instanceof RangeError);
    }
  });

  it("tell a missing ring, another ring and a plain object from damage", async () => {
    const bytes = await stored(text, { ring: RING });
    for (const ring of [undefined, OTHER_RING]) {
      const error = await failure(() => opened(bytes, ring));
      assert.equal((error as { code?: string }).code, "DECRYPTION");
      assert.match(error.message, /^Cannot read obj: /);
    }
    const plain = await failure(() => stored(text).then((bytes) => opened(bytes, RING)));
    assert.equal((plain as { code?: string }).code, "INTEGRITY");
    assert.match(plain.message, /not encrypted/);
  });
});
