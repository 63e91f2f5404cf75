import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, compareBytes, DecodeError, prefixEnd, startsWith } from "../../lib/base/bytes.ts";
import { Batch, type Operation, operationsOf, readCommit } from "../../lib/format/log/batch.ts";
import { cellExpiry, readCell, writeCell } from "../../lib/format/cell.ts";
import { commitRecord } from "./fixture.ts";

const bytes = fc.uint8Array({ maxLength: 40 });
const whole = fc.maxSafeNat();
const cell = fc.record({
  kind: fc.integer({ min: 0, max: 15 }),
  payload: bytes,
  tags: fc.array(fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }), { maxLength: 4 }),
  expiresAt: fc.option(whole, { nil: undefined }),
});

describe("formats, for any input", () => {
  it("a cell comes back as it went in", () => {
    fc.assert(fc.property(cell, ({ kind, payload, tags, expiresAt }) => {
      const encoded = tags.map((tag) => new TextEncoder().encode(tag)).filter((tag) => tag.length <= 255);
      const out = new ByteWriter();
      writeCell(out, kind, payload, encoded, expiresAt);
      const back = readCell(out.view());
      assert.deepEqual({ kind: back.kind, tags: back.tags, expiresAt: back.expiresAt }, {
        kind,
        tags: encoded.map((tag) => new TextDecoder().decode(tag)),
        expiresAt,
      });
      assert.equal(compareBytes(back.payload, payload), 0);
      assert.equal(cellExpiry(out.view()), expiresAt);
    }));
  });

  it("a commit comes back with its operations in order", () => {
    const operation = fc.oneof(
      fc.record({
        type: fc.constant("put" as const),
        key: bytes,
        cell: fc.uint8Array({ minLength: 1, maxLength: 40 }),
      }),
      fc.record({ type: fc.constant("delete" as const), key: bytes }),
      fc.record({
        type: fc.constant("deleteRange" as const),
        start: bytes,
        end: fc.option(bytes, { nil: undefined }),
      }),
    );
    fc.assert(fc.property(fc.array(operation), whole, whole, whole, (operations, version, timestamp, syncedTo) => {
      const batch = new Batch();
      for (const one of operations) {
        if (one.type === "put") batch.put(one.key, one.cell);
        else if (one.type === "delete") batch.delete(one.key);
        else batch.deleteRange(one.start, one.end);
      }
      const back = readCommit(commitRecord(version, timestamp, syncedTo, batch.ops.view()));
      assert.deepEqual([back.version, back.timestamp, back.syncedTo], [version, timestamp, syncedTo]);
      // What fast-check makes has no prototype.
      assert.deepEqual(operationsOf(back.ops), operations.map((one): Operation => ({ ...one })));
      assert.equal(batch.count, operations.length);
      assert.equal(batch.puts, operations.filter((one) => one.type === "put").length);
    }));
  });

  it("bytes that are no operations are refused by name, never by another error", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      try {
        operationsOf(readCommit(garbage).ops);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
      }
    }));
  });

  it("a varint takes as many bytes as it says and comes back", () => {
    fc.assert(fc.property(whole, (value) => {
      const out = new ByteWriter(1);
      out.varint(value);
      const reader = new ByteReader(out.view());
      assert.equal(reader.varint(), value);
      assert.equal(reader.left, 0);
    }));
  });

  it("the end of a prefix is above all keys that have it, and at or below all other keys above them", () => {
    fc.assert(fc.property(bytes, bytes, (prefix, key) => {
      const end = prefixEnd(prefix);
      const inside = compareBytes(key, prefix) >= 0 && (end === undefined || compareBytes(key, end) < 0);
      assert.equal(inside, startsWith(key, prefix));
    }));
  });
});
