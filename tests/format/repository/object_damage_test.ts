import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, concatBytes, readU32, writeU32 } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { IntegrityError, UnsupportedFormatError } from "../../../lib/base/errors.ts";
import { checkObject, type ObjectCompression, readBack, writeObject } from "../../../lib/format/repository/object.ts";
import { writeObjectHeader } from "../../../lib/format/repository/object_header.ts";
import { counting, drain, failure, flipped, opened, pieces, RING, stored, Watched } from "./fixture.ts";

const CODECS: readonly ObjectCompression[] = ["none", "zstd", "gzip"];
const text = new TextEncoder().encode("the same again and again, ".repeat(20));
const noise = createHash("shake256", { outputLength: 300 }).update("noise").digest();
const raw = text;
const SEALS = [
  { seal: "plain", ring: undefined, digest: "raw" },
  { seal: "plain, digest of the body", ring: undefined, digest: "body" },
  { seal: "encrypted", ring: RING, digest: "raw" },
] as const;
const KINDS = CODECS.flatMap((compression) =>
  SEALS.map(({ seal, ring, digest }) => ({
    kind: `${compression}, ${seal}`,
    ring,
    options: { compression, chunkBytes: 200, digest, ...(ring && { ring }) },
  }))
);

/** The chunks of an object with their lengths, and what is around them. */
function parts(bytes: Uint8Array): { header: Uint8Array; chunks: Uint8Array[]; size: Uint8Array } {
  const chunks: Uint8Array[] = [];
  let at = 64;
  for (let last = false; !last;) {
    const word = readU32(bytes, at);
    last = word >= 2 ** 31;
    const end = at + 4 + (word % 2 ** 31);
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return { header: bytes.subarray(0, 64), chunks, size: bytes.subarray(at, at + 8) };
}

/** An encrypted object with a trailer that fits, as an attacker would make it. */
function joined(...all: Uint8Array[]): Uint8Array {
  const body = concatBytes(...all);
  return concatBytes(body, createHash("sha256").update(body).digest());
}

/** The same of one that is not encrypted: its trailer has the digest of the raw bytes. */
function plainly(raw: Uint8Array, ...all: Uint8Array[]): Uint8Array {
  return concatBytes(...all, size(raw.length), createHash("sha256").update(raw).digest());
}

/** A payload that is a frame behind its checksum. */
function framed(frame: Uint8Array): Uint8Array {
  const head = new Uint8Array(5);
  head[0] = 1;
  writeU32(head, 1, crc32(frame));
  return concatBytes(head, frame);
}

function chunk(payload: Uint8Array, last: boolean, length = payload.length): Uint8Array {
  const out = new Uint8Array(4 + payload.length);
  writeU32(out, 0, length + (last ? 2 ** 31 : 0));
  out.set(payload, 4);
  return out;
}

function size(rawBytes: number): Uint8Array {
  const out = new ByteWriter();
  out.u64(rawBytes);
  return out.take();
}

function withHeader(bytes: Uint8Array, change: (header: Uint8Array) => void): Uint8Array {
  const out = bytes.slice();
  change(out);
  writeU32(out, 60, crc32(out, 0, 0, 60));
  return out;
}

async function isDamage(bytes: Uint8Array, ring?: typeof RING): Promise<void> {
  const error = await failure(() => opened(bytes, ring));
  assert.ok(error instanceof IntegrityError, String(error));
  assert.match(error.message, /^Cannot read obj: .+; .+/);
}

describe("readObject(), for what is not as it was stored", () => {
  for (const { kind, ring, options } of KINDS) {
    it(`notices every cut: ${kind}`, async () => {
      const bytes = await stored(raw, options);
      for (let end = 0; end < bytes.length; end++) {
        await isDamage(bytes.subarray(0, end), ring);
        assert.ok(await failure(() => checkObject(pieces(bytes.subarray(0, end)), "obj")) instanceof IntegrityError);
      }
    });

    it(`notices a flipped bit in every byte: ${kind}`, async () => {
      const bytes = await stored(raw, options);
      for (let at = 0; at < bytes.length; at++) {
        await isDamage(flipped(bytes, at, at % 8), ring);
        assert.ok(await failure(() => checkObject(pieces(flipped(bytes, at)), "obj")) instanceof IntegrityError);
      }
    });

    it(`reads another thing back for every flipped bit: ${kind}`, async () => {
      const raw = concatBytes(noise, text, noise);
      const { bytes, totals } = await drain(writeObject(pieces(raw), { ...options, randomBytes: counting() }));
      const { sha256: _, ...told } = totals;
      assert.deepEqual(await readBack(pieces(bytes, 60), "obj"), told);
      for (let at = 0; at < bytes.length; at++) {
        const found = await readBack(pieces(flipped(bytes, at, at % 8)), "obj").catch((error) => {
          assert.ok(error instanceof IntegrityError, String(error));
        });
        assert.notDeepEqual(found, told, `byte ${at}`);
      }
    });

    it(`notices bytes behind the end: ${kind}`, async () => {
      const bytes = await stored(raw, options);
      await isDamage(concatBytes(bytes, new Uint8Array(1)), ring);
      await isDamage(concatBytes(bytes, bytes), ring);
    });
  }

  it("notices chunks that were moved, dropped, repeated or ended early, though the trailer fits", async () => {
    const options = { ring: RING, chunkBytes: 200 };
    const bytes = await stored(raw, options);
    const { header, chunks: [a, b, c], size: length } = parts(bytes);
    assert.deepEqual(joined(header, a!, b!, c!, length), bytes);
    await isDamage(joined(header, b!, a!, c!, length), RING);
    await isDamage(joined(header, a!, c!, size(320)), RING);
    await isDamage(joined(header, a!, b!, b!, c!, size(720)), RING);
    await isDamage(joined(header, a!, chunk(b!.subarray(4), true), size(400)), RING);
    await isDamage(joined(header, a!, chunk(b!.subarray(4), true), c!, length), RING);
    await isDamage(joined(header, a!, b!, c!, size(519)), RING);
  });

  it("notices a chunk or a header of another object under the same keys", async () => {
    const one = parts(await stored(raw, { ring: RING, chunkBytes: 200 }));
    const salted = (count: number): Uint8Array => new Uint8Array(count).fill(9);
    const other = parts(await stored(raw, { ring: RING, chunkBytes: 200, randomBytes: salted }));
    await isDamage(joined(one.header, one.chunks[0]!, other.chunks[1]!, one.chunks[2]!, one.size), RING);
    await isDamage(joined(other.header, ...one.chunks, one.size), RING);
  });

  it("notices a codec or a chunk size that was changed under the encryption", async () => {
    const bytes = await stored(raw, { ring: RING, chunkBytes: 200 });
    const { chunks, size: length } = parts(bytes);
    for (const change of [(h: Uint8Array) => void (h[8] = 1), (h: Uint8Array) => writeU32(h, 12, 201)]) {
      await isDamage(joined(withHeader(bytes.subarray(0, 64), change), ...chunks, length), RING);
    }
  });

  it("notices chunks that hold too little, too much or nothing", async () => {
    const header = writeObjectHeader({ compression: "zstd", chunkBytes: 100, digest: "raw", cipher: undefined });
    const payload = (count: number): Uint8Array => new Uint8Array(1 + count);
    const zeros = (count: number): Uint8Array => new Uint8Array(count);
    await isDamage(plainly(zeros(101), header, chunk(framed(zstdCompressSync(zeros(101))), true)));
    await isDamage(plainly(zeros(109), header, chunk(payload(99), false), chunk(payload(10), true)));
    await isDamage(plainly(zeros(100), header, chunk(payload(100), false), chunk(payload(0), true)));
    await isDamage(plainly(zeros(101), header, chunk(payload(101), true)));
    await isDamage(plainly(zeros(0), header, chunk(new Uint8Array(0), true)));
    await isDamage(plainly(zeros(1), header, chunk(Uint8Array.of(2, 0), true)));
    assert.equal((await opened(plainly(zeros(0), header, chunk(payload(0), true)))).length, 0);
    const fine = plainly(zeros(100), header, chunk(framed(zstdCompressSync(zeros(100))), true));
    assert.deepEqual(await opened(fine), zeros(100));
  });

  it("notices a zstd frame that asks for more memory than a chunk needs", async () => {
    const header = writeObjectHeader({ compression: "zstd", chunkBytes: 100, digest: "raw", cipher: undefined });
    // Window descriptor f8: 2^41 bytes.
    const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x09, 0x00, 0x00, 0x61);
    await isDamage(plainly(Uint8Array.of(0x61), header, chunk(framed(frame), true)));
  });

  it("notices another frame of the same bytes, of which no digest would tell", async () => {
    const bytes = await stored(raw, { compression: "gzip" });
    // Its time, which unpackers pass over.
    const at = 64 + 4 + 5 + 4;
    assert.equal(bytes[at - 4], 0x1f);
    await isDamage(flipped(bytes, at));
    assert.ok(await failure(() => checkObject(pieces(flipped(bytes, at)), "obj")) instanceof IntegrityError);
  });

  it("takes no memory for a length that is a lie, and reads no further", async () => {
    const header = writeObjectHeader({ compression: "none", chunkBytes: 100, digest: "raw", cipher: undefined });
    await isDamage(concatBytes(header, chunk(new Uint8Array(3), true, 101)));
    for (const length of [102, 2 ** 31 - 1]) {
      const bytes = concatBytes(header, chunk(new Uint8Array(100_000), true, length));
      const source = new Watched(pieces(bytes, 64));
      assert.ok(await failure(() => checkObject(source, "obj")) instanceof IntegrityError);
      assert.ok(source.taken <= 2, `${source.taken} pieces`);
    }
  });

  it("tells what is newer from what is damaged", async () => {
    const bytes = await stored(raw);
    const changes: ((header: Uint8Array) => void)[] = [
      (header) => void (header[7] = 0x32),
      (header) => void (header[8] = 3),
      (header) => void (header[9] = 2),
      (header) => void (header[10] = 2),
      (header) => void (header[11] = 1),
      (header) => void (header[20] = 1),
      (header) => void (header[59] = 1),
      (header) => writeU32(header, 12, 4 * 2 ** 20 + 1),
    ];
    for (const change of changes) {
      const error = await failure(() => opened(withHeader(bytes, change)));
      assert.ok(error instanceof UnsupportedFormatError, String(error));
    }
    // A cipher has its own.
    const sealed = withHeader(await stored(raw, { ring: RING }), (header) => void (header[10] = 1));
    assert.ok(await failure(() => opened(sealed, RING)) instanceof UnsupportedFormatError);
    await isDamage(withHeader(bytes, (header) => void (header[0] = 0x58)));
    await isDamage(withHeader(bytes, (header) => writeU32(header, 12, 0)));
  });
});
