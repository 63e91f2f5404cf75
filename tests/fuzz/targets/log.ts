/** Log records, segments, and what recovery and repair make of a segment. */
import assert from "node:assert/strict";
import { ByteWriter, encodeText } from "../../../lib/base/bytes.ts";
import { Slicer } from "../../../lib/base/yield.ts";
import { emptyState, type ManifestState } from "../../../lib/engine/manifest/manifest_state.ts";
import { recoverLog } from "../../../lib/engine/recovery/recovery.ts";
import { salvageCommits } from "../../../lib/engine/recovery/salvage.ts";
import { applySliced } from "../../../lib/engine/writing/apply.ts";
import { Batch, countOperations, type Operation, operationsOf, readCommit } from "../../../lib/format/log/batch.ts";
import { KIND_BYTES, KIND_JSON, KIND_TEXT } from "../../../lib/format/cell.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader } from "../../../lib/format/identity.ts";
import { findLaterRecord, RecordReader } from "../../../lib/format/log/record_reader.ts";
import { Memtable } from "../../../lib/tree/memtable/memtable.ts";
import { UnseenRanges } from "../../../lib/tree/unseen_ranges.ts";
import { commitRecord, RecordFile } from "../../format/fixture.ts";
import type { Part, Steps, Structure, Target } from "../target.ts";
import { assertSame, assertSpelled, concat, DATABASE, filesOf, framedFile, LINEAGE, putFrame } from "./files.ts";

const key = (text: string): Uint8Array => encodeText(`\0${text}`);

/** Batches of every operation, as commits are made of them. */
export function batches(): Batch[] {
  const few = new Batch();
  few.putCell(new Uint8Array([0]), encodeText("a"), KIND_TEXT, encodeText("hi"));
  few.delete(key("b"));
  const many = new Batch();
  many.deleteRange(key("c"), key("e"));
  many.deleteRange(key("x"));
  many.putCell(new Uint8Array([0]), encodeText("t"), KIND_JSON, encodeText('{"a":[1]}'), [encodeText("tag")], 1.7e12);
  many.putCell(new Uint8Array([1]), encodeText("\x03tagt"), KIND_BYTES, new Uint8Array(0));
  const ingest = new Batch();
  ingest.ingest({
    replace: false,
    ranges: [{ start: "AGY", end: "AGc" }, { start: "AHo" }],
    tables: [{ number: 12, sha256: "ab".repeat(32), size: 4096 }],
    blobs: [{ number: 13, sha256: "cd".repeat(32), size: 100 }],
  });
  return [few, many, ingest];
}

function commit(version: number, batch: Batch, syncedTo = 64): Uint8Array {
  return commitRecord(version, 1000 + version, syncedTo, batch.ops.view());
}

/** Operations as parts: what is before them, then keys, cells and bounds. Lengths are made anew. */
export const OPERATIONS: Structure = {
  take: (ops) => operationsOf(ops).flatMap(partsOf),
  put(parts) {
    const out = new ByteWriter();
    for (const { bytes, label } of parts) {
      if (label === "put") out.u8(1);
      else if (label === "delete") out.u8(0);
      else if (label === "range") out.u8(2);
      else if (label === "ingest") out.u8(3);
      else if (label === "open" || label === "end") out.u8(label === "end" ? 1 : 0);
      if (label !== "open") out.prefixed(bytes);
    }
    return out.take();
  },
};

function partsOf(operation: Operation): Part[] {
  if (operation.type === "put") return [{ bytes: operation.key, label: "put" }, { bytes: operation.cell }];
  if (operation.type === "delete") return [{ bytes: operation.key, label: "delete" }];
  if (operation.type === "ingest") {
    return [{ bytes: encodeText(JSON.stringify(operation.info)), label: "ingest", json: true }];
  }
  const { start, end } = operation;
  return [{ bytes: start, label: "range" }, { bytes: end ?? new Uint8Array(0), label: end ? "end" : "open" }];
}

const COMMIT: Structure = {
  take(bytes) {
    const { ops } = readCommit(bytes);
    return [{ bytes: bytes.subarray(0, bytes.length - ops.length) }, { bytes: ops, inner: OPERATIONS }];
  },
  put: (parts) => concat(parts.map(({ bytes }) => bytes)),
};

function batchOf(operations: readonly Operation[]): Batch {
  const batch = new Batch();
  for (const one of operations) {
    if (one.type === "put") batch.put(one.key, one.cell);
    else if (one.type === "delete") batch.delete(one.key);
    else if (one.type === "ingest") batch.ingest(one.info);
    else batch.deleteRange(one.start, one.end);
  }
  return batch;
}

const commits: Target = {
  name: "commit",
  seeds: () => batches().map((batch, i) => commit(5 + i, batch)),
  structure: COMMIT,
  decode(bytes, steps) {
    const found = readCommit(bytes);
    const operations = operationsOf(found.ops);
    steps.take(operations.length);
    assert.equal(countOperations(found.ops), operations.length);
    const out = commitRecord(found.version, found.timestamp, found.syncedTo, batchOf(operations).ops.view());
    // What an ingest says is JSON, which may be spelled otherwise.
    if (operations.every(({ type }) => type !== "ingest")) assertSpelled(out, bytes);
    const again = readCommit(out);
    assertSame({ ...again, ops: operationsOf(again.ops) }, { ...found, ops: operations });
    return operations;
  },
};

/** A segment that is finished, one that was torn, and one whose record lies in three frames. */
function segments(): Uint8Array[] {
  const [few, many, ingest] = batches() as [Batch, Batch, Batch];
  const records = [commit(1, few), commit(2, many, 120), commit(3, few, 150)];
  const whole = new RecordFile("log", 12).add(...records);
  const torn = whole.bytes().slice(0, -5);
  const finished = new RecordFile("log", 12).add(...records).finish().bytes();
  const last = new RecordFile("log", 12).add(commit(1, many), commit(2, ingest)).bytes();
  const split = new RecordFile("log", 12);
  const parts = [records[0]!.subarray(0, 3), records[0]!.subarray(3, 6), records[0]!.subarray(6)];
  parts.forEach((part, i) => putFrame(split.out, split.seed, concat([new Uint8Array([2 + i, 0, 0, 0]), part])));
  return [whole.bytes(), finished, torn, last, split.bytes()];
}

const SEGMENT = framedFile({ inner: COMMIT });

const segment: Target = {
  name: "segment",
  seeds: segments,
  structure: SEGMENT,
  decode(bytes, steps) {
    const seed = checksumSeed(readFileHeader("log", bytes, "000012.log"));
    const handle = filesOf({ f: bytes }, steps).openSync("f", "read");
    const read = (into: Uint8Array, position: number): number => handle.readAtSync(into, position);
    const reader = new RecordReader(read, bytes.length, seed, FILE_HEADER_BYTES);
    let end = FILE_HEADER_BYTES;
    for (let found = reader.next(); found !== undefined; found = reader.next()) {
      steps.take();
      assert.equal(found.offset, end, "records follow each other");
      assert.ok(found.end > found.offset && found.end <= bytes.length, "records lie in the file");
      end = found.end;
    }
    const { state } = reader;
    assert.notEqual(state.kind, "reading");
    assert.equal(state.offset, end, "the good bytes end where the last record does");
    if (state.kind !== "bad") return state;
    const later = findLaterRecord(read, bytes.length, seed, state.offset, () => (steps.take(), false));
    assert.ok(later === undefined || later >= state.offset, "a later record lies behind the bad place");
    return state;
  },
};

const EXPECTED = { number: 12, database: DATABASE };

function openState(end: number | null): ManifestState {
  const state = emptyState();
  state.database = { id: DATABASE, lineage: LINEAGE, keyEncoding: "utf8", createdAt: 0, parents: [] };
  return { ...state, openLog: { number: 12, end } };
}

/** What recovery makes of the newest segment, whose end is not known, over no tables. */
export async function recover(bytes: Uint8Array, steps: Steps): Promise<unknown> {
  const memtable = new Memtable();
  const unseen = new UnseenRanges();
  const slicer = new Slicer(() => 0);
  let last = 0;
  const found = await recoverLog(filesOf({ "/db/000012.log": bytes }, steps), "/db", openState(null), {
    apply: ({ ops, version, timestamp }) => {
      steps.take();
      assert.equal(version, last + 1, "versions rise by one");
      last = version;
      return applySliced({ memtable, unseen }, ops, version, timestamp, slicer);
    },
    slicer,
  });
  assert.equal(found.version, last);
  return found;
}

const recovery: Target = {
  name: "recovery",
  seeds: segments,
  structure: SEGMENT,
  coded: true,
  decode: recover,
};

const salvage: Target = {
  name: "salvaged-log",
  seeds: segments,
  structure: SEGMENT,
  coded: true,
  decode(bytes, steps) {
    const lost: unknown[] = [];
    let commits = 0;
    for (
      const { ops } of salvageCommits(filesOf({ "/db/000012.log": bytes }, steps), "/db", EXPECTED, (range) => {
        steps.take();
        lost.push(range);
      })
    ) {
      steps.take(1 + countOperations(ops));
      commits++;
    }
    return { commits, lost };
  },
};

export const LOG_TARGETS: readonly Target[] = [commits, segment, recovery, salvage];
