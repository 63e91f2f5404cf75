import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  ByteWriter,
  compareBytes,
  concatBytes,
  DecodeError,
  encodeText,
  prefixEnd,
  startsWith,
  toHex,
} from "../../lib/base/bytes.ts";
import {
  cellExpiry,
  cellHasTag,
  cellKind,
  cellLength,
  cellOp,
  DELETE_CELL,
  KIND_BYTES,
  KIND_JSON,
  KIND_TEXT,
  OP_BLOB,
  OP_DELETE,
  OP_SET,
  readCell,
  readCellHead,
  replacePayload,
  writeCell,
} from "../../lib/format/cell.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import { forSeeds } from "./fixture.ts";

describe("readCell()", () => {
  it("reads the examples drawn in cell.ts", () => {
    const text = { op: OP_SET, kind: KIND_TEXT, expiresAt: undefined, tags: [], payload: encodeText("hi") };
    assert.deepEqual(readCell(new Uint8Array([0x05, 0x68, 0x69])), text);
    assert.equal(readCell(DELETE_CELL).op, OP_DELETE);
  });

  it("reads back what writeCell() wrote, as long as cellLength() said", () => {
    forSeeds(300, (random) => {
      const kind = random.pick([KIND_BYTES, KIND_TEXT, KIND_JSON, 15]);
      const payload = random.bytes(random.pick([0, 1, 200]));
      const tags = Array.from(
        { length: random.pick([0, 1, 64]) },
        (_, i) => `tag ${i} ${"é".repeat(random.below(100))}`,
      );
      const expiresAt = random.chance(0.5)
        ? undefined
        : random.pick([0, 1, 1_700_000_000_000, Number.MAX_SAFE_INTEGER]);
      const op = random.pick([OP_SET, OP_BLOB]);
      const encoded = tags.map(encodeText);
      const out = new ByteWriter(0);
      writeCell(out, kind, payload, encoded, expiresAt, op);
      assert.deepEqual(readCell(out.view()), { op, kind, expiresAt, tags, payload });
      assert.equal(out.length, cellLength(payload, encoded, expiresAt));
      assert.equal(cellOp(out.buffer[0]!), op);
      assert.equal(cellKind(out.buffer[0]!), kind);
      assert.equal(cellExpiry(out.view()), expiresAt);
      const around = concatBytes(new Uint8Array(3), out.view(), encodeText("tag 0"));
      const hasTag = (tag: string) => cellHasTag(around, 3, 3 + out.length, encodeText(tag));
      for (const tag of tags) assert.ok(hasTag(tag));
      for (const tag of ["tag", "tag 0x", "tag 64", ""]) assert.ok(!hasTag(tag));
      const { payloadStart, ...head } = readCellHead(around, 3, 3 + out.length);
      assert.deepEqual(head, { op, kind, expiresAt, tags });
      assert.equal(payloadStart, 3 + out.length - payload.length);
    });
  });

  it("refuses what is no cell", () => {
    for (const bytes of [[], [3], [0x41], [0x81], [0x81, 1], [0x81, 1, 5, 0x61], [0x81, 1, 1, 0xff]]) {
      assert.throws(() => readCell(new Uint8Array(bytes)), DecodeError, toHex(new Uint8Array(bytes)));
    }
  });
});

describe("cellHasTag()", () => {
  it("refuses a cell that ends within its tags, and does not look behind it", () => {
    const whole = new Uint8Array([0x81, 1, 5, ...encodeText("hello")]);
    assert.ok(cellHasTag(whole, 0, whole.length, encodeText("hello")));
    for (let end = 1; end < whole.length; end++) {
      assert.throws(() => cellHasTag(whole, 0, end, encodeText("hello")), DecodeError, `${end} bytes`);
    }
  });
});

describe("replacePayload()", () => {
  it("keeps kind, tags and expiry, there and back", () => {
    const out = new ByteWriter();
    writeCell(out, KIND_JSON, encodeText("[1]"), [encodeText("x")], 1000);
    const cell = out.take();
    const moved = replacePayload(cell, OP_BLOB, encodeText("pointer"));
    const expected = { op: OP_BLOB, kind: KIND_JSON, expiresAt: 1000, tags: ["x"], payload: encodeText("pointer") };
    assert.deepEqual(readCell(moved), expected);
    assert.deepEqual(replacePayload(moved, OP_SET, encodeText("[1]")), cell);
  });
});

describe("internal keys", () => {
  it("are the examples drawn in space.ts", () => {
    assert.equal(toHex(internalKey(spacePrefix(0), encodeText("a"))), "0061");
    assert.equal(toHex(internalKey(tagPrefix(spacePrefix(1), encodeText("t")), encodeText("a"))), "01017461");
  });

  it("of one space are contiguous: no space's prefix begins another's", () => {
    const prefixes = [0, 1, 2, 3, 4, 5, 126, 127, 128, 129, 255, 256, 16_383, 16_384, 2 ** 35].map(spacePrefix);
    for (const one of prefixes) {
      for (const other of prefixes) if (one !== other) assert.ok(!startsWith(one, other));
      const end = prefixEnd(one)!;
      const outside = prefixes.filter((other) => compareBytes(other, one) >= 0 && compareBytes(other, end) < 0);
      assert.deepEqual(outside, [one]);
    }
  });

  it("of one tag are contiguous: a tag that begins another's name has other rows", () => {
    const space = spacePrefix(5);
    assert.ok(!startsWith(tagPrefix(space, encodeText("ab")), tagPrefix(space, encodeText("a"))));
  });
});
