/**
 * Takes every worked example out of docs/format.md, reads it, compares it with what the page states, and writes it again.
 * Tables and blob files are built in tests/tree/table_docs_test.ts, repositories are read in repository/repository_doc_test.ts.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, concatBytes, decodeText, encodeText, startsWith, toHex } from "../../lib/base/bytes.ts";
import { Batch, operationsOf, readCommit } from "../../lib/format/log/batch.ts";
import { catalogKey, readCatalogKey } from "../../lib/format/catalog.ts";
import { readCell, writeCell } from "../../lib/format/cell.ts";
import { writeFooter, writeRecord } from "../../lib/format/log/frame.ts";
import { checksumSeed, FILE_HEADER_BYTES, readFileHeader, writeFileHeader } from "../../lib/format/identity.ts";
import { decodeEdit, encodeEdit } from "../../lib/format/manifest/manifest_edit.ts";
import { readMarker, writeMarker } from "../../lib/format/manifest/marker.ts";
import { internalKey, spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import { bytesOf, DocumentedPage } from "./documented_page.ts";
import { commitRecord, DATABASE, LINEAGE, readAll } from "./fixture.ts";

const page = new DocumentedPage("format.md");
const example = (section: string) => page.example(section);

/** As the page states operations: bytes in hexadecimal, nothing for what is absent. */
function shown(ops: Uint8Array): unknown {
  return JSON.parse(
    JSON.stringify(operationsOf(ops), (_name, value) => value instanceof Uint8Array ? toHex(value) : value),
  );
}

// deno-lint-ignore no-explicit-any
function batchOf(operations: any[]): Batch {
  const batch = new Batch();
  for (const one of operations) {
    if (one.type === "put") batch.put(bytesOf(one.key), bytesOf(one.cell));
    else if (one.type === "delete") batch.delete(bytesOf(one.key));
    else if (one.type === "ingest") batch.ingest(one.info);
    else batch.deleteRange(bytesOf(one.start), one.end === undefined ? undefined : bytesOf(one.end));
  }
  return batch;
}

function seedOf(kind: "log" | "manifest", number: number): number {
  return checksumSeed({ kind, database: DATABASE, lineage: LINEAGE, number });
}

describe("docs/format.md", () => {
  it("shows a file header that reads as stated", () => {
    const { bytes, stated } = example("File header");
    const header = readFileHeader("log", bytes, "example");
    assert.deepEqual({ ...header, seed: `0x${checksumSeed(header).toString(16)}` }, stated);
    assert.deepEqual(writeFileHeader("log", stated), bytes);
    assert.match(page.text, new RegExp(`segment 12, whose seed is ${stated.seed}\\.`));
  });

  it("shows a frame that reads as stated", () => {
    const { bytes, stated } = example("Frames");
    const file = concatBytes(new Uint8Array(FILE_HEADER_BYTES), bytes);
    const { found, state } = readAll(file, seedOf("log", 12));
    assert.deepEqual(found.map((one) => ({ ...one, record: toHex(one.record) })), [stated]);
    assert.equal(state.kind, "end");
    const out = new ByteWriter();
    writeRecord(out, seedOf("log", 12), stated.offset, bytesOf(stated.record));
    assert.deepEqual(out.take(), bytes);
  });

  it("shows internal keys that are made as stated", () => {
    const { bytes, stated } = example("Internal keys");
    let at = 0;
    for (const { bytes: [first, last], space, key, tag, parent, name } of stated) {
      const shownKey = bytes.subarray(first, last + 1);
      assert.equal(first, at);
      at = last + 1;
      assert.ok(startsWith(shownKey, spacePrefix(space)));
      if (name !== undefined) {
        assert.deepEqual(readCatalogKey(shownKey), { parent, name });
        assert.deepEqual(catalogKey(parent, name), shownKey);
      } else {
        const prefix = tag === undefined ? spacePrefix(space) : tagPrefix(spacePrefix(space), encodeText(tag));
        assert.deepEqual(internalKey(prefix, encodeText(key)), shownKey);
      }
    }
    assert.equal(at, bytes.length);
  });

  it("shows a cell that reads as stated", () => {
    const { bytes, stated } = example("Cell");
    const cell = readCell(bytes);
    assert.deepEqual({ ...cell, payload: decodeText(cell.payload) }, stated);
    const out = new ByteWriter();
    writeCell(out, stated.kind, encodeText(stated.payload), stated.tags.map(encodeText), stated.expiresAt, stated.op);
    assert.deepEqual(out.take(), bytes);
  });

  it("shows a commit that reads as stated", () => {
    const { bytes, stated } = example("Commit");
    const { ops, ...head } = readCommit(bytes);
    assert.deepEqual({ ...head, operations: shown(ops) }, stated);
    const { version, timestamp, syncedTo, operations } = stated;
    assert.deepEqual(commitRecord(version, timestamp, syncedTo, batchOf(operations).ops.view()), bytes);
  });

  it("shows a log segment that reads as stated", () => {
    const { bytes, stated } = example("Log segment");
    const header = readFileHeader("log", bytes, "example");
    assert.deepEqual(header, { kind: "log", database: DATABASE, lineage: LINEAGE, number: stated.number });
    const { found, state } = readAll(bytes, checksumSeed(header));
    const records = found.map(({ record, offset, end }) => {
      const { ops, ...head } = readCommit(record);
      return { offset, end, ...head, operations: shown(ops) };
    });
    assert.deepEqual(records, stated.records);
    assert.deepEqual(state, { kind: "footer", offset: stated.footer });

    const out = new ByteWriter();
    out.bytes(writeFileHeader("log", header));
    for (const { offset, version, timestamp, syncedTo, operations } of stated.records) {
      const record = commitRecord(version, timestamp, syncedTo, batchOf(operations).ops.view());
      writeRecord(out, checksumSeed(header), offset, record);
    }
    writeFooter(out, checksumSeed(header), stated.footer);
    assert.deepEqual(out.take(), bytes);
  });

  it("shows a manifest that reads as stated", () => {
    const { bytes, stated } = example("Manifest");
    const header = readFileHeader("manifest", bytes, "example");
    assert.equal(header.number, stated.number);
    const { found, state } = readAll(bytes, checksumSeed(header));
    assert.equal(state.kind, "end");
    assert.deepEqual(found.map(({ record }) => JSON.parse(decodeText(record))), stated.edits);

    const out = new ByteWriter();
    out.bytes(writeFileHeader("manifest", header));
    for (const { record, offset } of found) {
      writeRecord(out, checksumSeed(header), offset, encodeEdit(decodeEdit(record, "example", offset)));
    }
    assert.deepEqual(out.take(), bytes);
  });

  it("shows a marker that reads as stated", () => {
    const { bytes, stated } = example("Marker");
    assert.deepEqual(readMarker(bytes, "example"), stated);
    assert.deepEqual(writeMarker(stated), bytes);
  });

  it("has no example that no test reads", () => {
    const elsewhere = [
      "Sorted table", // tests/tree/table_docs_test.ts
      "Blob file",
      "Object", // tests/format/repository/repository_doc_test.ts
      "Object with the digest of its body",
      "Encrypted object",
      "Archived log",
      "Index of backups",
    ];
    assert.deepEqual(page.sections.filter((section) => !page.decoded.has(section)), elsewhere);
  });
});
