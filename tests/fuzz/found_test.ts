/** What the fuzzing of decoders has found: each input once came out as an error of the language, or not at all. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter, DecodeError, encodeText } from "../../lib/base/bytes.ts";
import { CorruptionError, IntegrityError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { PortableReader } from "../../lib/backup/portable/portable_reader.ts";
import { Catalog } from "../../lib/db/catalog/catalog.ts";
import { decodeKey } from "../../lib/db/data/keys.ts";
import { decodeValue } from "../../lib/db/data/values.ts";
import { parseFileName } from "../../lib/engine/file_names.ts";
import { catalogKey, readCatalogCell, writeCatalogCell } from "../../lib/format/catalog.ts";
import { KIND_JSON, KIND_TEXT, writeCell } from "../../lib/format/cell.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { IndexBuilder, TableIndex } from "../../lib/format/table/index_block.ts";
import { ShapeError, whole } from "../../lib/format/manifest/json_shape.ts";
import { parseJson } from "../../lib/format/manifest/json_text.ts";
import { decodeAuditLine } from "../../lib/format/repository/audit_line.ts";
import { openDocument, sealOf, UNCHECKED } from "../../lib/format/repository/document.ts";
import { leaseDocument } from "../../lib/format/repository/house_documents.ts";
import { type KeyFile, unwrapKeyRing, wrapKeyRing } from "../../lib/format/repository/key_ring.ts";
import { commitRecord, RecordFile } from "../format/fixture.ts";
import { counting, REPOSITORY, RING } from "../format/repository/fixture.ts";
import { inPieces } from "../backup/helpers.ts";
import { recover } from "./targets/log.ts";
import { Steps } from "./target.ts";
import { TABLE_TARGETS } from "./targets/table.ts";

function segmentOf(operations: Uint8Array): Uint8Array {
  return new RecordFile("log", 12).add(commitRecord(1, 1000, 64, operations)).bytes();
}

const DEEP = 60_000;
const deeper = { name: "IntegrityError", message: /nested deeper than 32 levels/ };
const NAMELESS = { toString: 1, valueOf: 1 };

async function readAll(text: string): Promise<void> {
  for await (const _ of new PortableReader(inPieces(encodeText(text)), "x").records()) { /* all of them */ }
}

describe("recoverLog()", () => {
  it("names file and place of a commit whose checksum holds and whose operations make no sense", async () => {
    for (const operations of [[9], [1, 2, 0], [1, 1, 0, 0], [3, 2, 0x7b, 0x7b]]) {
      const damaged = { name: "CorruptionError", file: "000012.log", offset: 64 };
      await assert.rejects(recover(segmentOf(Uint8Array.from(operations)), new Steps(1000)), damaged);
    }
  });

  it("does so in slices too", async () => {
    const batch = new Batch();
    for (let i = 0; i < 2000; i++) batch.put(encodeText(`\0key ${i}`), new Uint8Array(60).fill(5));
    batch.ops.u8(9);
    await assert.rejects(recover(segmentOf(batch.ops.take()), new Steps(1000)), CorruptionError);
  });
});

describe("decodeValue() and decodeKey()", () => {
  it("say that it is damage when a value is not of its kind, or a key no text", () => {
    const damaged = { name: "HoldfastError", code: "CORRUPTION" };
    assert.throws(() => decodeValue(KIND_TEXT, new Uint8Array([0xff])), damaged);
    assert.throws(() => decodeValue(KIND_JSON, new Uint8Array([0xff])), damaged);
    assert.throws(() => decodeValue(KIND_JSON, encodeText("{")), damaged);
    assert.throws(() => decodeKey("utf8", new Uint8Array([0, 0xff]), 1), damaged);
  });
});

describe("Catalog", () => {
  it("comes to an end when rows put a namespace inside itself", () => {
    const rows = [[0, "users", 4], [4, "users", 4], [4, "a", 6], [6, "b", 4]] as const;
    const cells = rows.map(([parent, name, space]) => ({
      key: catalogKey(parent, name),
      cell: writeCatalogCell({ space, keyEncoding: "utf8" }),
    }));
    let at = -1;
    const cursor = {
      next: () => ++at < cells.length,
      get key() {
        return cells[at]!.key;
      },
      get cell() {
        return cells[at]!.cell;
      },
      close: () => {},
    };
    const catalog = new Catalog("utf8", false);
    const engine = { read: () => ({ cursor: () => cursor }), meta: { parents: [] } };
    catalog.load(engine as unknown as Parameters<typeof catalog.load>[0]);
    assert.deepEqual(catalog.names(catalog.root), ["users"]);
  });
});

describe("readCatalogCell()", () => {
  it("refuses a space that is an object without a name for itself, or nested deep", () => {
    for (const space of [JSON.stringify(NAMELESS), "[".repeat(DEEP) + "]".repeat(DEEP)]) {
      const out = new ByteWriter();
      writeCell(out, KIND_JSON, encodeText(`{"space":${space},"keyEncoding":"utf8"}`));
      assert.throws(() => readCatalogCell(out.view()), DecodeError);
    }
  });
});

describe("TableIndex", () => {
  it("refuses lengths and counts above 32 bits instead of cutting them", () => {
    const builder = new IndexBuilder();
    builder.add(encodeText("a"), 100, 2 ** 32 + 5);
    assert.throws(() => new TableIndex(builder.finish(), 64), DecodeError);
    const out = new ByteWriter();
    out.varint(1);
    out.varint(2 ** 32 + 1);
    out.bytes(encodeText("a"));
    out.varint(100);
    out.varint(5);
    assert.throws(() => new TableIndex(out.view(), 64), DecodeError);
  });
});

describe("TableReader.salvage()", () => {
  it("does not believe an index with a good checksum that leads beyond the file", async () => {
    const target = TABLE_TARGETS.find(({ name }) => name === "salvaged-table")!;
    const parts = target.structure!.take((await target.seeds())[0]!)!;
    const at = parts.findIndex(({ label }) => label === "index");
    const builder = new IndexBuilder();
    builder.add(encodeText("a"), 2 ** 52, 5);
    parts[at] = { label: "index", bytes: builder.finish(), changed: true };
    const input = await target.structure!.put(parts);
    const damages = target.decode(input, new Steps(10_000)) as { detail: string }[];
    assert.match(damages[0]!.detail, /the index does not cover the data blocks/);
  });
});

describe("TableReader.salvage()", () => {
  it("stops at rows that don't follow those before them, when it makes an index anew", async () => {
    const target = TABLE_TARGETS.find(({ name }) => name === "salvaged-table")!;
    const parts = target.structure!.take((await target.seeds())[0]!)!;
    const at = parts.findIndex(({ label }) => label === "index");
    parts[at] = { label: "index", bytes: new Uint8Array([0xff]), changed: true };
    [parts[1], parts[2]] = [parts[2]!, parts[1]!];
    const input = await target.structure!.put(parts);
    const damages = target.decode(input, new Steps(10_000)) as { detail: string }[];
    assert.match(damages[0]!.detail, /bytes end early/);
  });
});

describe("parseFileName()", () => {
  it("takes no number that is not exact", () => {
    assert.equal(parseFileName("9007199254740993.sst"), undefined);
    assert.equal(parseFileName("MANIFEST-9999999999999999"), undefined);
    assert.deepEqual(parseFileName("9007199254740991.log"), { kind: "log", number: 2 ** 53 - 1 });
  });
});

describe("openDocument()", () => {
  it("refuses a document that does not say what it is", () => {
    for (const fields of [{}, { format: 1 }, { format: NAMELESS }]) {
      const [name, seal] = sealOf(fields, undefined);
      const bytes = encodeText(`${JSON.stringify({ ...fields, [name]: seal }, null, 2)}\n`);
      assert.throws(() => openDocument("lease", bytes, "d", leaseDocument), IntegrityError);
    }
  });

  it("refuses one that is nested too deep, with a key, without, and unchecked", () => {
    const deep = "[".repeat(DEEP) + "]".repeat(DEEP);
    for (const seal of ["mac", "checksum"]) {
      const text = `{"format":"holdfast-lease","formatVersion":1,"id":${deep},"${seal}":"x"}`;
      for (const ring of [RING, UNCHECKED, undefined] as const) {
        assert.throws(() => openDocument("lease", encodeText(text), "d", leaseDocument, ring), deeper);
      }
    }
  });
});

describe("decodeAuditLine()", () => {
  it("refuses a field that is nested too deep", () => {
    const deep = "[".repeat(DEEP) + "]".repeat(DEEP);
    for (const field of ["seq", "action", "result", "previous"]) {
      assert.throws(() => decodeAuditLine(`{"${field}":${deep}}\n`, "a line", RING), deeper);
    }
  });
});

describe("whole()", () => {
  it("makes a zero of JSON's -0, which is written again as one", () => {
    assert.ok(Object.is(whole()(JSON.parse("-0"), "a"), 0));
  });
});

describe("parseJson()", () => {
  it("counts no brackets in strings, and goes on behind escaped quotes", () => {
    const text = JSON.stringify({ a: "[".repeat(100), 'b"': '\\"{{{', c: [["\\"]] });
    assert.deepEqual(parseJson(text), JSON.parse(text));
    assert.deepEqual(parseJson("[".repeat(32) + "]".repeat(32)), JSON.parse("[".repeat(32) + "]".repeat(32)));
    assert.throws(() => parseJson(`["\\\\",${"[".repeat(32)}${"]".repeat(32)}]`), ShapeError);
    assert.throws(() => parseJson('["'), SyntaxError);
  });
});

describe("unwrapKeyRing()", () => {
  it("refuses a cost that scrypt itself does not take", async () => {
    const secret = { passphrase: "correct horse" };
    const options = { repository: REPOSITORY, slot: "main", createdAt: 1, randomBytes: counting() };
    const file = await wrapKeyRing(RING, secret, { ...options, scrypt: { N: 16, r: 8, p: 1 } });
    const costly = { ...file, kdf: { ...file.kdf, N: 2 ** 16, r: 1 } } as KeyFile;
    await assert.rejects(unwrapKeyRing(costly, secret, REPOSITORY), UnsupportedFormatError);
  });
});

describe("PortableReader", () => {
  it("refuses by name what is an object where a word should be", async () => {
    const nameless = JSON.stringify(NAMELESS);
    await assert.rejects(readAll(`{"version":${nameless},"records":[]}`), UnsupportedFormatError);
    for (const field of ["encoding", "kind", "key_encoding"]) {
      const record = `{"key":"a","value":"b","${field}":${nameless}}`;
      await assert.rejects(readAll(`{"version":"1.0","records":[${record}]}`), UnsupportedFormatError);
    }
  });
});
