import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, encodeText, writeU32 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES, writeRecord } from "../../lib/format/log/frame.ts";
import { seedAt } from "../../lib/format/identity.ts";
import { RecordReader } from "../../lib/format/log/record_reader.ts";
import { forSeeds, patterned, readAll, reading, RecordFile } from "./fixture.ts";

/** A frame with any header fields, checksums made to fit. */
function frame(seed: number, offset: number, type: number, payload: Uint8Array, length = payload.length): Uint8Array {
  const out = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  const base = seedAt(seed, offset);
  writeU32(out, 4, crc32(payload, base));
  writeU32(out, 8, length);
  writeU32(out, 12, type);
  writeU32(out, 0, crc32(out, base, 4, 16));
  out.set(payload, FRAME_HEADER_BYTES);
  return out;
}

/** A good record, then these bytes (made for the place they come to). */
function withTail(
  make: (seed: number, offset: number) => Uint8Array,
): { file: RecordFile; bad: number; bytes: Uint8Array } {
  const file = new RecordFile().add(encodeText("good"));
  const bad = file.out.length;
  file.out.bytes(make(file.seed, bad));
  return { file, bad, bytes: file.bytes() };
}

describe("RecordReader", () => {
  it("finds every record where it was written and ends exactly at the file's end", () => {
    const lengths = [1, 2, 150, 65_536, FRAME_BYTES_MAX - 1, FRAME_BYTES_MAX, FRAME_BYTES_MAX + 1, 3_500_000, 10];
    const file = new RecordFile().add(...lengths.map((length, i) => patterned(length, i)));
    const { found, state } = readAll(file.bytes(), file.seed);
    assert.deepEqual(
      found.map(({ offset, end }) => ({ offset, end })),
      file.places.map(({ offset, end }) => ({ offset, end })),
    );
    for (const [i, { record }] of found.entries()) assert.deepEqual(record, file.places[i]!.record);
    assert.deepEqual(state, { kind: "end", offset: file.out.length });
  });

  it("finds a file without records at its end at once", () => {
    const file = new RecordFile();
    assert.deepEqual(readAll(file.bytes(), file.seed), { found: [], state: { kind: "end", offset: 64 } });
  });

  it("tells a footer from an end", () => {
    const file = new RecordFile().add(encodeText("a"));
    const offset = file.out.length;
    assert.deepEqual(readAll(file.finish().bytes(), file.seed).state, { kind: "footer", offset });
  });

  it("stays where it stopped", () => {
    const file = new RecordFile().add(encodeText("a"));
    const bytes = file.bytes();
    const reader = new RecordReader(reading(bytes), bytes.length, file.seed);
    assert.equal(reader.state.kind, "reading");
    reader.next();
    for (let n = 0; n < 3; n++) assert.equal(reader.next(), undefined);
    assert.equal(reader.state.kind, "end");
  });

  it("reads no further than the size it is given", () => {
    const file = new RecordFile().add(encodeText("a"), encodeText("b"));
    const reader = new RecordReader(reading(file.bytes()), file.places[1]!.offset, file.seed);
    assert.equal(reader.next()?.offset, 64);
    assert.equal(reader.next(), undefined);
    assert.deepEqual(reader.state, { kind: "end", offset: file.places[1]!.offset });
  });

  it("says what is wrong with a bad place", () => {
    const one = encodeText("x");
    const cases: [string, (seed: number, offset: number) => Uint8Array][] = [
      ["frame header checksum", () => new Uint8Array(1000)],
      ["frame header checksum", (seed, offset) => frame(seed, offset + 1, 1, one)],
      ["frame header checksum", (seed, offset) => frame(seed + 1, offset, 1, one)],
      ["payload checksum", (seed, offset) => frame(seed, offset, 1, one).map((byte, i) => i === 16 ? byte ^ 1 : byte)],
      ["length 0", (seed, offset) => frame(seed, offset, 1, new Uint8Array(0))],
      ["length 1048577 above 1048576", (seed, offset) => frame(seed, offset, 1, one, FRAME_BYTES_MAX + 1)],
      ["unknown frame type 0", (seed, offset) => frame(seed, offset, 0, one)],
      ["unknown frame type 6", (seed, offset) => frame(seed, offset, 6, one)],
      ["unknown frame type 257", (seed, offset) => frame(seed, offset, 257, one)],
      ["sequence: middle without first", (seed, offset) => frame(seed, offset, 3, one)],
      ["sequence: last without first", (seed, offset) => frame(seed, offset, 4, one)],
      ["bytes end early", () => new Uint8Array(15)],
      ["bytes end early in a payload", (seed, offset) => frame(seed, offset, 1, patterned(100)).subarray(0, 115)],
      ["bytes end early in a split record", (seed, offset) => frame(seed, offset, 2, one)],
      ["footer does not name its own place", (seed, offset) => frame(seed, offset, 5, one)],
      ["footer does not name its own place", (seed, offset) => frame(seed, offset, 5, new Uint8Array(8))],
    ];
    for (const [detail, make] of cases) {
      const { file, bad, bytes } = withTail(make);
      const { found, state } = readAll(bytes, file.seed);
      assert.equal(found.length, 1, detail);
      assert.deepEqual(state, { kind: "bad", offset: bad, detail });
    }
  });

  it("counts a split record as bad at its first frame, whichever frame is wrong", () => {
    const one = encodeText("x");
    const next = FRAME_HEADER_BYTES + 1;
    for (const [type, name] of [[1, "whole"], [2, "first"], [5, "footer"]] as const) {
      const { file, bad, bytes } = withTail((seed, offset) => {
        const out = new ByteWriter();
        out.bytes(frame(seed, offset, 2, one));
        out.bytes(frame(seed, offset + next, type, one));
        return out.take();
      });
      assert.deepEqual(readAll(bytes, file.seed).state, {
        kind: "bad",
        offset: bad,
        detail: `sequence: ${name} inside a split record`,
      });
    }
    const file = new RecordFile().add(encodeText("good"), patterned(3 * FRAME_BYTES_MAX));
    const { offset } = file.places[1]!;
    for (const damagedFrame of [0, 1, 2]) {
      for (const at of [3, 500]) {
        const bytes = file.bytes();
        bytes[offset + damagedFrame * (FRAME_HEADER_BYTES + FRAME_BYTES_MAX) + at]! ^= 0x10;
        const { found, state } = readAll(bytes, file.seed);
        assert.equal(found.length, 1);
        assert.equal(state.kind, "bad");
        assert.equal(state.offset, offset);
      }
    }
  });

  it("takes bytes behind a footer for damage, and a footer that was moved too", () => {
    const file = new RecordFile().add(encodeText("a")).finish();
    const place = file.places[0]!.end;
    file.out.u8(0);
    assert.deepEqual(readAll(file.bytes(), file.seed).state, {
      kind: "bad",
      offset: place,
      detail: "bytes behind the footer",
    });
  });

  it("notices records swapped, moved or taken from another file", () => {
    const records = ["one", "two", "six"].map(encodeText);
    const file = new RecordFile("log", 12).add(...records);
    const other = new RecordFile("log", 13).add(...records);
    const [first, second] = file.places;
    const swapped = file.bytes();
    swapped.copyWithin(first!.offset, second!.offset, second!.end);
    assert.equal(readAll(swapped, file.seed).state.offset, first!.offset);
    assert.equal(readAll(other.bytes(), file.seed).state.offset, 64);
    const mixed = file.bytes();
    mixed.set(other.bytes().subarray(second!.offset, second!.end), second!.offset);
    assert.deepEqual(readAll(mixed, file.seed).found.length, 1);
  });

  it("gives back exactly the whole records of a file cut anywhere", () => {
    forSeeds(20, (random) => {
      const file = new RecordFile();
      for (let n = 0; n < 10; n++) file.add(random.bytes(random.between(1, 60)));
      const bytes = file.finish().bytes();
      for (let size = 64; size < bytes.length; size++) {
        const { found, state } = readAll(bytes.subarray(0, size), file.seed);
        const whole = file.places.filter(({ end }) => end <= size);
        assert.equal(found.length, whole.length);
        const end = whole.at(-1)?.end ?? 64;
        assert.equal(state.offset, end);
        assert.equal(state.kind, end === size ? "end" : "bad");
      }
    });
  });

  it("gives back a prefix of what was written, whatever is damaged", () => {
    forSeeds(300, (random) => {
      const file = new RecordFile();
      const count = random.between(1, 12);
      for (let n = 0; n < count; n++) file.add(random.bytes(random.between(1, 200)));
      const bytes = (random.chance(0.5) ? file.finish() : file).bytes();
      const at = random.between(64, bytes.length - 1);
      const length = random.between(1, Math.min(bytes.length - at, random.pick([1, 4, 300])));
      const before = bytes.slice();
      for (let i = at; i < at + length; i++) bytes[i] = random.pick([0, 0xff, random.below(256)]);
      const first = bytes.findIndex((byte, i) => byte !== before[i]);
      if (first < 0) return;
      const { found, state } = readAll(bytes, file.seed);
      assert.equal(found.length, file.places.filter(({ end }) => end <= first).length);
      for (const [i, { record }] of found.entries()) assert.deepEqual(record, file.places[i]!.record);
      assert.equal(state.kind, "bad");
    });
  });

  it("treats a file that is shorter than was said as one that ends early", () => {
    const file = new RecordFile().add(encodeText("a"), encodeText("b"));
    const bytes = file.bytes();
    const reader = new RecordReader(reading(bytes.subarray(0, 85)), bytes.length, file.seed);
    assert.equal(reader.next()?.end, file.places[0]!.end);
    assert.equal(reader.next(), undefined);
    assert.deepEqual(reader.state, { kind: "bad", offset: file.places[0]!.end, detail: "bytes end early" });
  });

  it("holds no more than a few frames of a large file at a time", () => {
    const file = new RecordFile();
    for (let n = 0; n < 12; n++) file.add(patterned(FRAME_BYTES_MAX, n));
    const bytes = file.bytes();
    let largest = 0;
    const reader = new RecordReader(
      (into, position) => {
        largest = Math.max(largest, into.buffer.byteLength);
        return reading(bytes)(into, position);
      },
      bytes.length,
      file.seed,
    );
    let count = 0;
    while (reader.next() !== undefined) count++;
    assert.equal(count, 12);
    assert.ok(largest < 2 * FRAME_BYTES_MAX, `${largest} bytes held`);
  });

  it("reads each byte of a file of small records once", () => {
    const file = new RecordFile();
    for (let n = 0; n < 20_000; n++) file.add(patterned(100, n));
    const bytes = file.bytes();
    let read = 0;
    const reader = new RecordReader(
      (into, position) => {
        read += into.length;
        return reading(bytes)(into, position);
      },
      bytes.length,
      file.seed,
    );
    while (reader.next() !== undefined);
    assert.equal(read, bytes.length - 64);
  });

  it("uses the offset beyond 4 GiB", () => {
    const start = 2 ** 32 + 4096;
    const out = new ByteWriter();
    writeRecord(out, 7, start, encodeText("far"));
    const reader = new RecordReader(
      (into, position) => reading(out.view())(into, position - start),
      start + out.length,
      7,
      start,
    );
    assert.deepEqual(reader.next()?.record.slice(), encodeText("far"));
  });
});
