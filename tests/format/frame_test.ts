import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, encodeText, equalBytes, readU32, toHex } from "../../lib/base/bytes.ts";
import {
  FOOTER_BYTES,
  FRAME_BYTES_MAX,
  FRAME_FIRST,
  FRAME_HEADER_BYTES,
  FRAME_LAST,
  FRAME_MIDDLE,
  FRAME_WHOLE,
  RECORD_BYTES_MAX,
  recordSize,
  writeFooter,
  writeRecord,
} from "../../lib/format/log/frame.ts";
import { patterned } from "./fixture.ts";

/** Types and lengths of the frames in `bytes`. */
function frames(bytes: Uint8Array): [type: number, length: number][] {
  const out: [number, number][] = [];
  for (let at = 0; at < bytes.length; at += FRAME_HEADER_BYTES + readU32(bytes, at + 8)) {
    out.push([bytes[at + 12]!, readU32(bytes, at + 8)]);
  }
  return out;
}

describe("writeRecord()", () => {
  it("writes the example drawn in frame.ts", () => {
    const out = new ByteWriter();
    writeRecord(out, 0, 64, encodeText("hi"));
    assert.equal(toHex(out.view()), "624ee4ef85577ae402000000010000006869");
  });

  it("appends to what is there, and doesn't depend on it", () => {
    const [alone, behind] = [new ByteWriter(1), new ByteWriter(1)];
    writeRecord(alone, 5, 1000, encodeText("record"));
    behind.bytes(encodeText("before"));
    writeRecord(behind, 5, 1000, encodeText("record"));
    assert.deepEqual(behind.take().subarray(6), alone.take());
  });

  it("gives the same record other bytes in another file and at another place", () => {
    const written = [[1, 64], [2, 64], [1, 65], [1, 64 + 2 ** 32]].map(([seed, place]) => {
      const out = new ByteWriter();
      writeRecord(out, seed!, place!, encodeText("record"));
      return toHex(out.view());
    });
    assert.equal(new Set(written).size, 4);
  });

  it("splits what is longer than a frame into full ones and a rest", () => {
    const cases: [number, [number, number][]][] = [
      [1, [[FRAME_WHOLE, 1]]],
      [FRAME_BYTES_MAX, [[FRAME_WHOLE, FRAME_BYTES_MAX]]],
      [FRAME_BYTES_MAX + 1, [[FRAME_FIRST, FRAME_BYTES_MAX], [FRAME_LAST, 1]]],
      [2 * FRAME_BYTES_MAX, [[FRAME_FIRST, FRAME_BYTES_MAX], [FRAME_LAST, FRAME_BYTES_MAX]]],
      [2 * FRAME_BYTES_MAX + 7, [[FRAME_FIRST, FRAME_BYTES_MAX], [FRAME_MIDDLE, FRAME_BYTES_MAX], [FRAME_LAST, 7]]],
    ];
    for (const [length, expected] of cases) {
      const out = new ByteWriter();
      writeRecord(out, 9, 64, patterned(length));
      assert.deepEqual(frames(out.view()), expected);
      assert.equal(out.length, recordSize(length));
    }
  });

  it("writes a record in two parts as it writes it in one, wherever it is split", () => {
    for (const length of [5, 40, FRAME_BYTES_MAX, 2 * FRAME_BYTES_MAX + 7]) {
      const record = patterned(length);
      const whole = new ByteWriter();
      writeRecord(whole, 9, 64, record);
      for (const at of [0, 1, 20, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 3, length - 1, length]) {
        const out = new ByteWriter();
        writeRecord(out, 9, 64, record.subarray(0, at), record.subarray(at));
        assert.ok(equalBytes(out.view(), whole.view()), `${length} bytes, split at ${at}`);
      }
    }
  });

  it("refuses an empty record and one above the limit", () => {
    const out = new ByteWriter();
    assert.throws(() => writeRecord(out, 0, 64, new Uint8Array(0)), /zeros would pass/);
    const huge = { length: RECORD_BYTES_MAX + 1 } as Uint8Array; // refused by its length before it is looked at
    assert.throws(() => writeRecord(out, 0, 64, huge), RangeError);
    assert.equal(out.length, 0);
  });
});

describe("writeFooter()", () => {
  it("names the place it stands at", () => {
    const out = new ByteWriter();
    writeFooter(out, 3, 0x0102030405);
    assert.equal(out.length, FOOTER_BYTES);
    assert.equal(toHex(out.view().subarray(8)), "0800000005000000" + "0504030201000000");
  });
});
