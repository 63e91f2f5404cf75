import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { ByteWriter, compareBytes, DecodeError, encodeText, toHex } from "../../lib/base/bytes.ts";
import { CorruptionError } from "../../lib/base/errors.ts";
import { IndexBuilder, separatorOf, TableIndex } from "../../lib/format/table/index_block.ts";
import {
  readTableFooter,
  readTombstones,
  TABLE_FOOTER_BYTES,
  type TableFooter,
  writeTableFooter,
  writeTombstones,
} from "../../lib/format/table/table.ts";
import {
  readTableProperties,
  type TableProperties,
  writeTableProperties,
} from "../../lib/format/table/table_properties.ts";
import { randomFrom, randomRows } from "../tree/table_fixture.ts";

const FILE = "/data/000005.sst";

describe("separatorOf", () => {
  it("lies at or after the last key and before the next, and is never longer than the last key", () => {
    const random = randomFrom(5);
    for (let n = 0; n < 5000; n++) {
      const [a, b] = [0, 1].map(() => new Uint8Array(random(6)).map(() => random(3)));
      const [last, next] = compareBytes(a!, b!) <= 0 ? [a!, b!] : [b!, a!];
      const separator = separatorOf(last, next);
      assert.ok(compareBytes(last, separator) <= 0 && separator.length <= last.length);
      assert.ok(compareBytes(separator, next) < 0 || compareBytes(last, next) === 0);
    }
  });

  it("is short where the keys differ early", () => {
    assert.deepEqual(separatorOf(encodeText("apple pie"), encodeText("cherry")), encodeText("c"));
  });
});

describe("TableIndex", () => {
  it("reads the documented example", () => {
    const builder = new IndexBuilder();
    builder.add(encodeText("ab"), 200, 5);
    const bytes = builder.finish();
    assert.equal(toHex(bytes), "01026162c80105");
    const index = new TableIndex(bytes, 64);
    assert.deepEqual([index.count, ...index.offsets, ...index.rows], [1, 64, 264, 5]);
  });

  it("finds the first block whose separator is at or after a key", () => {
    const random = randomFrom(6);
    for (const prefix of ["", "a long prefix shared by all "]) {
      const keys = [...new Set(randomRows(random, 300).map(({ key }) => toHex(key)))].sort()
        .map((hex) =>
          new Uint8Array([...encodeText(prefix), ...(hex.match(/../g) ?? []).map((two) => parseInt(two, 16))])
        );
      const builder = new IndexBuilder();
      for (const key of keys) builder.add(key, 300, 10);
      const index = new TableIndex(builder.finish(), 64);
      const others = randomRows(random, 300).map(({ key }) => new Uint8Array([...encodeText(prefix), ...key]));
      for (
        const key of [
          ...keys,
          ...others,
          new Uint8Array(0),
          encodeText("a long"),
          encodeText("b"),
          new Uint8Array([255]),
        ]
      ) {
        const expected = keys.findIndex((separator) => compareBytes(separator, key) >= 0);
        assert.equal(index.find(key), expected < 0 ? keys.length : expected);
      }
    }
  });

  it("refuses hostile counts, lengths and orders", () => {
    const hostile = (fill: (out: ByteWriter) => void) => {
      const out = new ByteWriter();
      fill(out);
      return () => new TableIndex(out.take(), 64);
    };
    assert.throws(hostile((out) => out.varint(2 ** 50)), DecodeError);
    assert.throws(hostile((out) => [1, 2 ** 40, 1, 1, 1].forEach((n) => out.varint(n))), DecodeError);
    assert.throws(hostile((out) => [2, 1, 98, 9, 1, 1, 97, 9, 1].forEach((n) => out.varint(n))), /out of order/);
    assert.throws(hostile((out) => [1, 1, 98, 9, 1, 0].forEach((n) => out.varint(n))), /behind/);
    assert.throws(hostile(() => {}), DecodeError);
  });
});

describe("readTableFooter", () => {
  const footer: TableFooter = {
    filter: { offset: 500, length: 74 },
    tombstones: { offset: 574, length: 10 },
    index: { offset: 584, length: 30 },
    properties: { offset: 614, length: 40 },
    rows: 12,
  };
  const size = 654 + TABLE_FOOTER_BYTES;

  it("reads what was written", () => {
    const bytes = writeTableFooter(footer, 3, 654);
    assert.equal(bytes.length, TABLE_FOOTER_BYTES);
    assert.deepEqual(readTableFooter(bytes, 3, FILE, size), footer);
  });

  it("refuses any change of any bit, another file and another place", () => {
    const bytes = writeTableFooter(footer, 3, 654);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readTableFooter(changed, 3, FILE, size), CorruptionError);
    }
    assert.throws(() => readTableFooter(bytes, 4, FILE, size), CorruptionError);
    assert.throws(() => readTableFooter(bytes, 3, FILE, size + 1), CorruptionError);
  });

  it("refuses places that leave the file, overlap or leave gaps, though the checksum is good", () => {
    const wrong: Partial<TableFooter>[] = [
      { filter: { offset: 10, length: 564 } },
      { filter: { offset: 500, length: 75 } },
      { tombstones: { offset: 574, length: 0 } },
      { index: { offset: 2 ** 50, length: 30 } },
      { properties: { offset: 614, length: 0xffffffff } },
      { properties: { offset: 614, length: 39 } },
    ];
    for (const part of wrong) {
      const bytes = writeTableFooter({ ...footer, ...part }, 3, 654);
      assert.throws(() => readTableFooter(bytes, 3, FILE, size), CorruptionError);
    }
  });
});

describe("readTombstones", () => {
  it("reads the documented example", () => {
    const fragments = [{ start: encodeText("a"), end: encodeText("c"), versions: [{ version: 7, timestamp: 9 }] }];
    assert.equal(toHex(writeTombstones(fragments)), "01016101016301" + "0709");
    assert.deepEqual(readTombstones(writeTombstones(fragments)), fragments);
  });

  it("keeps a range without end, and refuses ranges and versions out of order", () => {
    const versions = [{ version: 7, timestamp: 9 }, { version: 3, timestamp: 8 }];
    const [a, c, e] = ["a", "c", "e"].map(encodeText) as [Uint8Array, Uint8Array, Uint8Array];
    const good = [{ start: a, end: c, versions }, { start: c, end: undefined, versions }];
    assert.deepEqual(readTombstones(writeTombstones(good)), good);
    for (
      const bad of [
        [{ start: c, end: a, versions }],
        [{ start: a, end: a, versions }],
        [{ start: a, end: undefined, versions }, { start: c, end: e, versions }],
        [{ start: a, end: e, versions }, { start: c, end: e, versions }],
        [{ start: a, end: c, versions: [] }],
        [{ start: a, end: c, versions: versions.toReversed() }],
        [{ start: a, end: c, versions: [versions[0]!, versions[0]!] }],
      ]
    ) assert.throws(() => readTombstones(writeTombstones(bad)), DecodeError);
    const bytes = writeTombstones(good);
    for (let n = 0; n < bytes.length; n++) assert.throws(() => readTombstones(bytes.subarray(0, n)), DecodeError);
  });
});

describe("readTableProperties", () => {
  const properties: TableProperties = {
    rows: 1,
    deletes: 0,
    tombstones: 0,
    rawBytes: 4,
    minVersion: 7,
    maxVersion: 7,
    minTimestamp: 9,
    maxTimestamp: 9,
    smallest: encodeText("ab"),
    largest: encodeText("ab"),
    largestExclusive: false,
    blobs: [],
  };

  it("reads the documented example", () => {
    const bytes = writeTableProperties(properties);
    assert.equal(toHex(bytes), "0100000407070909" + "00" + "026162026162" + "00");
    assert.deepEqual(readTableProperties(bytes), properties);
  });

  it("keeps blob files, a bound without end, and refuses every shorter form", () => {
    const full = {
      ...properties,
      largest: undefined,
      rawBytes: 2 ** 50,
      blobs: [{ number: 3, bytes: 2 ** 40, count: 5 }, { number: 9, bytes: 1, count: 1 }],
    };
    const bytes = writeTableProperties(full);
    assert.deepEqual(readTableProperties(bytes), full);
    for (let n = 0; n < bytes.length; n++) assert.throws(() => readTableProperties(bytes.subarray(0, n)), DecodeError);
  });
});
