import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { concatBytes, DecodeError, encodeText, toHex, writeU32 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import {
  BLOB_FOOTER_BYTES,
  BLOB_HEAD_BYTES,
  BLOB_RECORDS_AT,
  readBlobFooter,
  readBlobHead,
  readBlobPointer,
  writeBlobFooter,
  writeBlobHead,
  writeBlobPointer,
} from "../../lib/format/blob.ts";
import { seedAt } from "../../lib/format/identity.ts";

const FILE = "/data/000011.blob";
const fields = { storedLength: 5, rawLength: 5, codec: 0, kind: 1, version: 2 ** 40, key: encodeText("\0key") };
const payload = encodeText("value");

describe("readBlobPointer", () => {
  it("reads the documented example", () => {
    const pointer = { number: 11, offset: 64, length: 1032, rawLength: 5000 };
    assert.equal(toHex(writeBlobPointer(pointer)), "0b4088088827");
    assert.deepEqual(readBlobPointer(writeBlobPointer(pointer)), pointer);
  });

  it("refuses what is shorter or longer", () => {
    const bytes = writeBlobPointer({ number: 2 ** 50, offset: 2 ** 45, length: 2 ** 28, rawLength: 0 });
    assert.deepEqual(readBlobPointer(bytes).offset, 2 ** 45);
    for (let n = 0; n < bytes.length; n++) assert.throws(() => readBlobPointer(bytes.subarray(0, n)), DecodeError);
    assert.throws(() => readBlobPointer(concatBytes(bytes, new Uint8Array(1))), DecodeError);
  });
});

describe("readBlobHead", () => {
  it("reads what was written", () => {
    const bytes = writeBlobHead(fields, payload, 3, 64);
    assert.equal(bytes.length, BLOB_HEAD_BYTES + 4);
    assert.deepEqual(readBlobHead(bytes, 3, FILE, 64), { ...fields, payloadCrc: crc32(payload, seedAt(3, 64)) });
  });

  it("asks for more bytes where there are too few", () => {
    const bytes = writeBlobHead(fields, payload, 3, 64);
    for (let n = 0; n < bytes.length; n++) assert.equal(readBlobHead(bytes.subarray(0, n), 3, FILE, 64), undefined);
  });

  it("refuses any change of any bit, another file and another place", () => {
    const bytes = concatBytes(writeBlobHead(fields, payload, 3, 64), new Uint8Array(200_000));
    for (let bit = 0; bit < (BLOB_HEAD_BYTES + 4) * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readBlobHead(changed, 3, FILE, 64), CorruptionError);
    }
    assert.throws(() => readBlobHead(bytes, 4, FILE, 64), CorruptionError);
    assert.throws(() => readBlobHead(bytes, 3, FILE, 65), CorruptionError);
  });

  it("refuses lengths and codecs that cannot be, though the checksum is good", () => {
    for (
      const wrong of [
        { storedLength: 6 },
        { codec: 2 },
        { codec: 1, storedLength: 6 },
        { codec: 1, rawLength: 2 ** 28 + 1 },
        { storedLength: 2 ** 29, rawLength: 2 ** 29 },
      ]
    ) {
      const bytes = writeBlobHead({ ...fields, ...wrong }, payload, 3, 64);
      assert.throws(() => readBlobHead(bytes, 3, FILE, 64), CorruptionError);
    }
    const zeros = writeBlobHead(fields, payload, 3, 64);
    writeU32(zeros, 16, 0xffffffff);
    assert.throws(() => readBlobHead(zeros, 3, FILE, 64), CorruptionError);
  });
});

describe("readBlobFooter", () => {
  it("reads what was written and refuses any change", () => {
    const size = BLOB_RECORDS_AT + 500 + BLOB_FOOTER_BYTES;
    const bytes = writeBlobFooter({ count: 3, bytes: 500 }, 3, size - BLOB_FOOTER_BYTES);
    assert.equal(bytes.length, BLOB_FOOTER_BYTES);
    assert.deepEqual(readBlobFooter(bytes, 3, FILE, size), { count: 3, bytes: 500 });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readBlobFooter(changed, 3, FILE, size), CorruptionError);
    }
    assert.throws(() => readBlobFooter(bytes, 3, FILE, size + 1), CorruptionError);
    const short = writeBlobFooter({ count: 3, bytes: 499 }, 3, size - BLOB_FOOTER_BYTES);
    assert.throws(() => readBlobFooter(short, 3, FILE, size), CorruptionError);
  });
});
