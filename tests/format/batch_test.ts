import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, concatBytes, DecodeError, encodeText, toHex } from "../../lib/base/bytes.ts";
import {
  Batch,
  countOperations,
  DELETE,
  DELETE_RANGE,
  forEachOperation,
  type IngestInfo,
  type Operation,
  OperationReader,
  operationsOf,
  PUT,
  readCommit,
} from "../../lib/format/log/batch.ts";
import { KIND_JSON, KIND_TEXT, writeCell } from "../../lib/format/cell.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import type { Random } from "../model/random.ts";
import { commitRecord, forSeeds, patterned } from "./fixture.ts";

const INFO: IngestInfo = {
  replace: true,
  ranges: [{ start: "AGE", end: "AGI" }, { start: "BA" }],
  tables: [{ number: 12, sha256: "ab".repeat(32), size: 4096 }],
  blobs: [{ number: 13, sha256: "cd".repeat(32), size: 2 ** 40 }],
};

function cellOf(kind: number, payload: Uint8Array, tags: Uint8Array[] = [], expiresAt?: number): Uint8Array {
  const out = new ByteWriter();
  writeCell(out, kind, payload, tags, expiresAt);
  return out.take();
}

/** Random operations, and the same in a batch. */
function randomOperations(random: Random, count: number): { batch: Batch; expected: Operation[] } {
  const batch = new Batch(random.pick([0, 1, 16, 4096]));
  const expected: Operation[] = [];
  const length = (): number => random.pick([0, 1, 5, 127, 128, 300]);
  for (let n = 0; n < count; n++) {
    const key = random.bytes(length());
    const kind = random.below(7);
    if (kind < 2) {
      const cell = random.bytes(1 + length());
      batch.put(key, cell);
      expected.push({ type: "put", key, cell });
    } else if (kind === 2) {
      const prefix = random.bytes(random.between(1, 3));
      const payload = random.bytes(length());
      const tags = Array.from({ length: random.below(4) }, () => random.bytes(random.between(1, 255)));
      const expiresAt = random.chance(0.5) ? undefined : random.below(Number.MAX_SAFE_INTEGER);
      batch.putCell(prefix, key, KIND_JSON, payload, tags, expiresAt);
      const cell = cellOf(KIND_JSON, payload, tags, expiresAt);
      expected.push({ type: "put", key: internalKey(prefix, key), cell });
    } else if (kind === 3) {
      batch.delete(key);
      expected.push({ type: "delete", key });
    } else if (kind === 4) {
      batch.deleteKey(key, key);
      expected.push({ type: "delete", key: internalKey(key, key) });
    } else if (kind === 5) {
      const end = random.chance(0.3) ? undefined : random.bytes(length());
      batch.deleteRange(key, end);
      expected.push({ type: "deleteRange", start: key, end });
    } else {
      batch.ingest(INFO);
      expected.push({ type: "ingest", info: INFO });
    }
  }
  return { batch, expected };
}

describe("Batch", () => {
  it("holds what was put into it, in order", () => {
    forSeeds(200, (random) => {
      const { batch, expected } = randomOperations(random, random.below(20));
      assert.deepEqual(operationsOf(batch.ops.view()), expected);
      assert.equal(batch.count, expected.length);
      assert.equal(batch.bytes, batch.ops.length);
      assert.equal(batch.isEmpty, expected.length === 0);
      assert.equal(countOperations(batch.ops.view()), expected.length);
    });
  });

  it("copies what it is given", () => {
    const batch = new Batch();
    const key = encodeText("key");
    const cell = cellOf(KIND_TEXT, encodeText("value"));
    batch.put(key, cell);
    const before = toHex(batch.ops.view());
    key.fill(0);
    cell.fill(0);
    assert.equal(toHex(batch.ops.view()), before);
  });

  it("writes the same cell in place as from a cell made before", () => {
    const [direct, made] = [new Batch(0), new Batch(0)];
    const tags = [encodeText("a"), patterned(255)];
    direct.putCell(new Uint8Array([0]), encodeText("k"), KIND_TEXT, patterned(1000), tags, 1_700_000_000_000);
    made.put(encodeText("\0k"), cellOf(KIND_TEXT, patterned(1000), tags, 1_700_000_000_000));
    assert.deepEqual(direct.ops.view(), made.ops.view());
  });

  it("is empty again after a reset", () => {
    const batch = new Batch();
    batch.delete(encodeText("a"));
    batch.reset();
    assert.equal(batch.isEmpty, true);
    assert.equal(batch.bytes, 0);
    batch.delete(encodeText("b"));
    assert.deepEqual(operationsOf(batch.ops.view()), [{ type: "delete", key: encodeText("b") }]);
  });

  it("takes a value of several megabytes", () => {
    const batch = new Batch();
    const payload = patterned(5_000_000);
    batch.putCell(new Uint8Array([0]), encodeText("k"), 0, payload);
    const [operation] = operationsOf(batch.ops.view());
    assert.ok(operation?.type === "put");
    assert.deepEqual(operation.cell.subarray(1), payload);
  });
});

describe("OperationReader", () => {
  it("says where each operation and what it holds stands", () => {
    const bytes = new Uint8Array([PUT, 2, 0, 97, 3, 5, 104, 105, DELETE, 2, 0, 98, DELETE_RANGE, 1, 99, 0]);
    const reader = new OperationReader(bytes);
    const stands = () => [reader.code, reader.keyStart, reader.keyEnd, reader.cellStart, reader.cellEnd];
    assert.equal(reader.next(), true);
    assert.deepEqual(stands(), [PUT, 2, 4, 5, 8]);
    assert.equal(reader.next(), true);
    assert.deepEqual(stands().slice(0, 3), [DELETE, 10, 12]);
    assert.equal(reader.next(), true);
    assert.deepEqual([...stands().slice(0, 3), reader.end], [DELETE_RANGE, 14, 15, undefined]);
    assert.equal(reader.next(), false);
    assert.equal(reader.next(), false);
  });
});

describe("readCommit()", () => {
  it("reads the example drawn in batch.ts", () => {
    const record = new Uint8Array(
      "05 e8 07 40 01 02 00 61 03 05 68 69 00 02 00 62".split(" ").map((byte) => parseInt(byte, 16)),
    );
    const commit = readCommit(record);
    assert.deepEqual({ ...commit, ops: operationsOf(commit.ops) }, {
      version: 5,
      timestamp: 1000,
      syncedTo: 64,
      ops: [
        { type: "put", key: encodeText("\0a"), cell: encodeText("\x05hi") },
        { type: "delete", key: encodeText("\0b") },
      ],
    });
  });

  it("has room behind a cell for the rows of its tags", () => {
    const batch = new Batch();
    const [prefix, key] = [spacePrefix(0), encodeText("key")];
    const tags = ["red", "x".repeat(255)].map(encodeText);
    batch.putCell(prefix, key, KIND_TEXT, new Uint8Array(100_000), tags, 2 ** 45);
    const { buffer } = batch.ops;
    for (const tag of tags) {
      batch.putCell(tagPrefix(spacePrefix(1), tag), key, KIND_TEXT, new Uint8Array(0), [], 2 ** 45);
    }
    assert.equal(batch.ops.buffer, buffer);
  });

  it("reads back what writeCommitHead() wrote, up to the largest numbers", () => {
    for (const number of [0, 1, 127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(readCommit(commitRecord(number, number, number, encodeText("ops"))), {
        version: number,
        timestamp: number,
        syncedTo: number,
        ops: encodeText("ops"),
      });
    }
  });

  it("refuses a record that ends before its operations begin", () => {
    for (const bytes of [[], [5], [5, 0xe8], [5, 1], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]]) {
      assert.throws(() => readCommit(new Uint8Array(bytes)), DecodeError);
    }
  });
});

describe("forEachOperation()", () => {
  it("gives views, not copies", () => {
    const batch = new Batch();
    batch.put(encodeText("key"), encodeText("\x05v"));
    const ops = batch.ops.take();
    forEachOperation(ops, {
      put(key, cell) {
        assert.equal(key.buffer, ops.buffer);
        assert.equal(cell.buffer, ops.buffer);
      },
      delete() {},
      deleteRange() {},
      ingest() {},
    });
  });

  it("calls the methods on the visitor", () => {
    const batch = new Batch();
    batch.delete(encodeText("a"));
    class Counter {
      #deletes = 0;
      put(): void {}
      delete(): void {
        this.#deletes++;
      }
      deleteRange(): void {}
      ingest(): void {}
      get deletes(): number {
        return this.#deletes;
      }
    }
    const counter = new Counter();
    forEachOperation(batch.ops.view(), counter);
    assert.equal(counter.deletes, 1);
  });

  it("says where what is no operation begins", () => {
    const ingest = (json: string): number[] => [3, json.length, ...encodeText(json)];
    const cases: [RegExp, number[]][] = [
      [/unknown operation 4/, [4]],
      [/unknown operation 255/, [0xff]],
      [/bytes end early/, [0]],
      [/bytes end early/, [0, 3, 1, 2]],
      [/bytes end early/, [1, 1, 0x61]],
      [/bytes end early/, [1, 1, 0x61, 2, 5]],
      [/empty cell/, [1, 1, 0x61, 0]],
      [/bytes end early/, [2, 1, 0x61]],
      [/range end marked 2/, [2, 1, 0x61, 2]],
      [/bytes end early/, [2, 1, 0x61, 1, 9]],
      [/ingest: /, ingest("{")],
      [/ingest: .*\[\] is|not an object/, ingest("[]")],
      [/ingest: replace is missing/, ingest('{"ranges":[],"tables":[],"blobs":[]}')],
      [/ingest: more is not a known field/, ingest('{"replace":true,"ranges":[],"tables":[],"blobs":[],"more":1}')],
      [
        /ingest: ranges\[0\]\.start is "\?"/,
        ingest('{"replace":true,"ranges":[{"start":"?"}],"tables":[],"blobs":[]}'),
      ],
      [/varint longer than 8 bytes/, [0, ...new Array(9).fill(0x80)]],
    ];
    const good = [0, 1, 0x61];
    for (const [message, bytes] of cases) {
      let told = 0;
      const visit = (): void => {
        forEachOperation(new Uint8Array([...good, ...bytes]), {
          put() {},
          delete: () => void told++,
          deleteRange() {},
          ingest() {},
        });
      };
      assert.throws(visit, (error) => {
        return error instanceof DecodeError && message.test(error.message) && error.offset >= good.length;
      }, `${message}`);
      assert.equal(told, 1, "what stands before it was told");
      assert.throws(() => countOperations(new Uint8Array([...good, ...bytes])), DecodeError);
    }
  });

  it("either reads damaged bytes or throws DecodeError, and never runs on", () => {
    forSeeds(500, (random) => {
      const { batch } = randomOperations(random, random.between(1, 6));
      const ops = batch.ops.take();
      for (let n = random.between(1, 3); n > 0; n--) ops[random.below(ops.length)] = random.pick([0, 1, 0x7f, 0xff, 3]);
      const bytes = random.chance(0.5) ? ops : ops.subarray(0, random.below(ops.length));
      try {
        operationsOf(bytes);
      } catch (error) {
        assert.ok(error instanceof DecodeError, `${error}`);
      }
    });
  });

  it("reads operations that stand in the middle of a buffer", () => {
    const batch = new Batch();
    batch.put(encodeText("key"), encodeText("\x05v"));
    const framed = concatBytes(encodeText("before"), batch.ops.take(), encodeText("behind"));
    const ops = framed.subarray(6, framed.length - 6);
    assert.deepEqual(operationsOf(ops), [{ type: "put", key: encodeText("key"), cell: encodeText("\x05v") }]);
  });
});
