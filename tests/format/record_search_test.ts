import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText, writeU32 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { FRAME_BYTES_MAX, FRAME_HEADER_BYTES } from "../../lib/format/log/frame.ts";
import { seedAt } from "../../lib/format/identity.ts";
import { findLaterRecord, RecordReader } from "../../lib/format/log/record_reader.ts";
import { forSeeds, patterned, reading, RecordFile } from "./fixture.ts";

const always = (): boolean => true;

function search(
  bytes: Uint8Array,
  seed: number,
  from: number,
  accept: (record: Uint8Array, isWhole: boolean) => boolean = always,
) {
  return findLaterRecord(reading(bytes), bytes.length, seed, from, accept);
}

/** Counts the bytes read from a file. */
function counting(bytes: Uint8Array): { read: (into: Uint8Array, position: number) => number; count: () => number } {
  let count = 0;
  return {
    read: (into, position) => {
      const got = reading(bytes)(into, position);
      count += got;
      return got;
    },
    count: () => count,
  };
}

describe("findLaterRecord()", () => {
  it("finds the first record behind a place, also from the middle of another", () => {
    const file = new RecordFile().add(...["one", "two", "three"].map(encodeText));
    const bytes = file.bytes();
    const [one, two, three] = file.places;
    for (
      const [from, expected] of [
        [one!.offset - 1, one],
        [one!.offset, two],
        [one!.offset + 1, two],
        [two!.offset - 1, two],
        [two!.offset, three],
        [three!.offset, undefined],
        [bytes.length, undefined],
      ] as const
    ) {
      assert.equal(search(bytes, file.seed, from), expected?.offset, `from ${from}`);
    }
  });

  it("passes over records that are not accepted, and gives their payload to be judged", () => {
    const file = new RecordFile().add(...["one", "two", "three"].map(encodeText));
    const seen: string[] = [];
    const found = search(file.bytes(), file.seed, 63, (record) => {
      seen.push(new TextDecoder().decode(record));
      return record.length === 5;
    });
    assert.equal(found, file.places[2]!.offset);
    assert.deepEqual(seen, ["one", "two", "three"]);
  });

  it("judges a split record by its first frame, and no other frame at all", () => {
    const file = new RecordFile().add(encodeText("one"), patterned(2 * FRAME_BYTES_MAX + 5));
    const split = file.places[1]!;
    const seen: [number, boolean][] = [];
    const accept = (record: Uint8Array, isWhole: boolean): boolean => {
      seen.push([record.length, isWhole]);
      return false;
    };
    assert.equal(search(file.bytes(), file.seed, 63, accept), undefined);
    assert.deepEqual(seen, [[3, true], [FRAME_BYTES_MAX, false]]);
    assert.equal(search(file.bytes(), file.seed, 65), split.offset);
    assert.equal(search(file.bytes(), file.seed, split.offset + 1), undefined, "middle and last are no beginning");
  });

  it("never comes back to the bad place, though a split record's first frame is good there", () => {
    const file = new RecordFile().add(patterned(2 * FRAME_BYTES_MAX), encodeText("behind"));
    const torn = file.bytes().subarray(0, 64 + FRAME_BYTES_MAX + 500);
    assert.equal(search(torn, file.seed, 64), undefined);
    const damaged = file.bytes();
    damaged[64 + FRAME_BYTES_MAX + 500]! ^= 1;
    const reader = new RecordReader(reading(damaged), damaged.length, file.seed);
    assert.equal(reader.next(), undefined);
    assert.equal(reader.state.offset, 64);
    assert.equal(search(damaged, file.seed, 64), file.places[1]!.offset);
  });

  it("takes no footer for a record", () => {
    const file = new RecordFile().add(encodeText("one")).finish();
    assert.equal(search(file.bytes(), file.seed, 65), undefined);
  });

  it("steps over good frames, so that a log kept inside a value is not mistaken for the log", () => {
    const inner = new RecordFile().add(encodeText("inner"));
    // The same file identity, and placed so that the inner frame's offset is the right one: the worst case.
    const outer = new RecordFile();
    const value = new Uint8Array(100);
    const forgedAt = 64 + FRAME_HEADER_BYTES + 40;
    const forged = frameAt(outer.seed, forgedAt, encodeText("forged"));
    value.set(forged, 40);
    outer.add(value);
    assert.equal(search(outer.bytes(), outer.seed, 63, (record) => record.length < 100), undefined);
    assert.equal(search(outer.bytes(), outer.seed, 65, always), forgedAt, "but within a damaged frame nobody can tell");
    const holder = new RecordFile().add(inner.bytes());
    assert.equal(search(holder.bytes(), holder.seed, 65, always), undefined, "another place is another checksum");
  });

  it("finds the record behind any damage, and nothing when nothing is behind it", () => {
    forSeeds(300, (random) => {
      const file = new RecordFile();
      const count = random.between(1, 8);
      for (let n = 0; n < count; n++) file.add(random.bytes(random.between(1, 120)));
      const bytes = file.bytes();
      const which = random.below(count);
      const { offset, end } = file.places[which]!;
      const kind = random.below(3);
      for (let at = offset; at < end; at++) {
        bytes[at] = kind === 0 ? 0 : kind === 1 ? random.below(256) : random.below(2);
      }
      const reader = new RecordReader(reading(bytes), bytes.length, file.seed);
      while (reader.next() !== undefined);
      assert.equal(reader.state.offset, offset);
      assert.equal(search(bytes, file.seed, offset), file.places[which + 1]?.offset);
    });
  });

  it("finds a record across the borders of what it holds at a time", () => {
    const window = 2 * (FRAME_BYTES_MAX + FRAME_HEADER_BYTES);
    for (const shift of [-20, -17, -16, -15, -1, 0, 1]) {
      const file = new RecordFile();
      const from = file.out.length;
      file.out.bytes(patterned(window + shift));
      file.add(encodeText("found"));
      assert.equal(search(file.bytes(), file.seed, from), from + window + shift, `shift ${shift}`);
    }
  });

  it("gives up where the file is shorter than was said", () => {
    const file = new RecordFile().add(encodeText("one"), encodeText("two"));
    const bytes = file.bytes();
    assert.equal(findLaterRecord(reading(bytes.subarray(0, 90)), bytes.length, file.seed, 65, always), undefined);
  });
});

describe("findLaterRecord() on bytes made to be slow", () => {
  const size = 8 * 2 ** 20;
  const seed = new RecordFile().seed;

  /** Fills a file with what looks like a header every 16 bytes; `holds`: with a checksum that holds. */
  function headers(length: (offset: number) => number, holds: boolean): Uint8Array {
    const bytes = new Uint8Array(size);
    for (let at = 64; at + FRAME_HEADER_BYTES <= size; at += FRAME_HEADER_BYTES) {
      writeU32(bytes, at + 8, length(at));
      writeU32(bytes, at + 12, 1);
      if (holds) writeU32(bytes, at, crc32(bytes, seedAt(seed, at), at + 4, at + 16));
    }
    return bytes;
  }

  /** The bytes that are read and the time they take, at most. */
  function isLinear(bytes: Uint8Array, expected: (found: number | undefined) => void): void {
    const { read, count } = counting(bytes);
    const began = performance.now();
    expected(findLaterRecord(read, bytes.length, seed, 64, always));
    const tookMs = performance.now() - began;
    assert.ok(count() <= bytes.length, `${count()} bytes read`);
    // Here it takes 10 to 300 ms; quadratic work would take hours.
    assert.ok(tookMs < 10_000, `${tookMs} ms`);
    const reader = new RecordReader(read, bytes.length, seed);
    while (reader.next() !== undefined);
    assert.equal(reader.state.kind, "bad");
  }

  const nothing = (found: number | undefined): void => assert.equal(found, undefined);

  it("is done with zeros, noise and ones in linear time", () => {
    isLinear(new Uint8Array(size), nothing);
    isLinear(patterned(size), nothing);
    isLinear(new Uint8Array(size).fill(1), nothing);
    isLinear(new Uint8Array(size).map((_, i) => i % 4 === 0 ? 1 : 0), nothing);
  });

  it("is done with plausible headers whose checksum doesn't hold in linear time", () => {
    isLinear(headers(() => FRAME_BYTES_MAX, false), nothing);
    isLinear(headers((at) => 1 + at % 5000, false), nothing);
  });

  it("reports the place it has reached when headers whose checksum holds use up what it may check", () => {
    isLinear(headers((at) => Math.min(FRAME_BYTES_MAX, size - at - 16), true), (found) => {
      assert.ok(found !== undefined && found > 64);
      assert.equal((found - 64) % 16, 0);
    });
  });

  it("checks all short frames, however many are bad", () => {
    isLinear(headers(() => 16, true), nothing);
  });
});

function frameAt(seed: number, offset: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  const base = seedAt(seed, offset);
  writeU32(out, 4, crc32(payload, base));
  writeU32(out, 8, payload.length);
  writeU32(out, 12, 1);
  writeU32(out, 0, crc32(out, base, 4, 16));
  out.set(payload, FRAME_HEADER_BYTES);
  return out;
}
