/** File headers, the marker, manifest edits, whole manifests, and the names of files. */
import assert from "node:assert/strict";
import { ByteWriter, decodeText, encodeText } from "../../../lib/base/bytes.ts";
import { crc32 } from "../../../lib/base/checksum.ts";
import { fileName, parseFileName } from "../../../lib/engine/file_names.ts";
import { encodeManifest, loadManifest } from "../../../lib/engine/manifest/manifest.ts";
import { applyEdit, emptyState, type ManifestState, stateAsEdit } from "../../../lib/engine/manifest/manifest_state.ts";
import { decodeEdit, encodeEdit, type ManifestEdit } from "../../../lib/format/manifest/manifest_edit.ts";
import { readMarker, writeMarker } from "../../../lib/format/manifest/marker.ts";
import { writeRecord } from "../../../lib/format/log/frame.ts";
import {
  expectIdentity,
  FILE_HEADER_BYTES,
  type FileKind,
  readFileHeader,
  writeFileHeader,
} from "../../../lib/format/identity.ts";
import { logName, parseLogName } from "../../../lib/format/repository/archived_log.ts";
import { objectPath, parseObjectPath } from "../../../lib/format/repository/object_name.ts";
import { JSON_TEXT } from "../mutate.ts";
import type { Target } from "../target.ts";
import { assertSame, DATABASE, filesOf, framedFile, LINEAGE, sealedHeader } from "./files.ts";

const IDENTITY = { database: DATABASE, lineage: LINEAGE, number: 7 };
const KINDS: readonly FileKind[] = ["table", "blob", "log", "manifest"];

const header: Target = {
  name: "file-header",
  seeds: () => KINDS.map((kind) => writeFileHeader(kind, IDENTITY)),
  structure: {
    take: (bytes) => [{ bytes: bytes.subarray(0, FILE_HEADER_BYTES - 4) }],
    put: (parts) => sealedHeader(parts[0]!.bytes),
  },
  coded: true,
  decode(bytes) {
    const kind = KINDS.find((one) => bytes[2] === writeFileHeader(one, IDENTITY)[2]) ?? "table";
    const found = readFileHeader(kind, bytes, "f");
    assertSame(writeFileHeader(kind, found), bytes.slice(0, FILE_HEADER_BYTES));
    expectIdentity(found, IDENTITY, "f");
    return found;
  },
};

const marker: Target = {
  name: "marker",
  seeds: () => [writeMarker({ database: DATABASE, lineage: LINEAGE, manifest: 7 })],
  structure: {
    take(bytes) {
      const [first, json] = decodeText(bytes).split("\n") as [string, string];
      return [{ bytes: encodeText(first) }, { bytes: encodeText(json), json: true }];
    },
    put(parts) {
      const body = parts.map(({ bytes }) => `${new TextDecoder().decode(bytes)}\n`).join("");
      return encodeText(`${body}${crc32(encodeText(body)).toString(16).padStart(8, "0")}\n`);
    },
  },
  coded: true,
  decode(bytes) {
    const found = readMarker(bytes, "CURRENT");
    assertSame(readMarker(writeMarker(found), "CURRENT"), found);
    return found;
  },
};

/** A flush, the clean close behind it, and an edit that says everything there is to say. */
function edits(): ManifestEdit[] {
  const table = {
    number: 8,
    size: 4096,
    rows: 3,
    deletes: 0,
    smallest: encodeText("\0a"),
    largest: encodeText("\0c"),
    largestExclusive: false,
    minVersion: 1,
    maxVersion: 3,
    minTimestamp: 900,
    maxTimestamp: 1000,
    tombstones: 0,
    rawBytes: 120,
    blobs: [{ number: 9, bytes: 100, count: 1 }],
    sha256: "ab".repeat(32),
  };
  const log = { number: 6, end: 200, firstVersion: 1, lastVersion: 3, minTimestamp: 900, maxTimestamp: 1000 };
  const database = {
    id: DATABASE,
    lineage: LINEAGE,
    keyEncoding: "utf8",
    createdAt: 5,
    parents: [{ lineage: DATABASE, version: 2 }],
  } as const;
  return [
    {
      database: { ...database, parents: [...database.parents] },
      lastVersion: 3,
      nextNumber: 12,
      addTables: [{ level: 0, table }, { level: 1, run: 2, table: { ...table, number: 10, plain: true } }],
      addBlobs: [{ number: 9, size: 300, bytes: 100, count: 1, sha256: "cd".repeat(32) }],
      addLogs: [{ ...log, lineage: LINEAGE }],
      setSlots: [{ id: "s1", repository: DATABASE, version: 2, createdAt: 7 }],
      gaps: [{ from: 1, to: 1 }],
    },
    {
      openLog: { number: 11, end: null },
      removeTables: [{ level: 0, number: 8 }],
      removeLogs: [6],
      lastTimestamp: 1000,
    },
    {
      forked: true,
      openLog: { number: 11, end: 400 },
      removeBlobs: [9],
      removeSlots: ["s1"],
      gaps: [{ from: 5, to: 6 }],
    },
  ];
}

const edit: Target = {
  name: "manifest-edit",
  seeds: () => edits().map(encodeEdit),
  structure: JSON_TEXT,
  coded: true,
  decode(bytes) {
    const found = decodeEdit(bytes, "MANIFEST-000007", 64);
    assertSame(decodeEdit(encodeEdit(found), "f", 0), found);
    return found;
  },
};

const PATH = "/db/MANIFEST-000007";

function manifestBytes(all: readonly ManifestEdit[], cut = 0): Uint8Array {
  const state = emptyState();
  applyEdit(state, all[0]!);
  const { bytes, seed } = encodeManifest(state, 7);
  const out = new ByteWriter();
  out.bytes(bytes);
  for (const one of all.slice(1)) writeRecord(out, seed, out.length, encodeEdit(one));
  return out.take().slice(0, out.length - cut);
}

const manifest: Target = {
  name: "manifest",
  seeds: () => [manifestBytes(edits()), manifestBytes(edits().slice(0, 1)), manifestBytes(edits(), 10)],
  structure: framedFile({ json: true }),
  coded: true,
  async decode(bytes, steps) {
    const current = writeMarker({ database: DATABASE, lineage: LINEAGE, manifest: 7 });
    const { state } = await loadManifest(filesOf({ "/db/CURRENT": current, [PATH]: bytes }, steps), "/db");
    // What was loaded can be written as a new manifest, and says the same there.
    const again: ManifestState = emptyState();
    assert.equal(applyEdit(again, decodeEdit(encodeEdit(stateAsEdit(state)), PATH, 64)), undefined);
    assertSame(again, state);
    return state;
  },
};

const SHA = "ab".repeat(32);

const names: Target = {
  name: "names",
  seeds: () =>
    [
      ...[fileName("manifest", 7), fileName("table", 123_456_789), fileName("blob", 2 ** 53 - 1), fileName("log", 0)],
      ...[logName(1, 2 ** 53 - 1, SHA), objectPath(SHA), objectPath(SHA, 12)],
    ].map(encodeText),
  decode(bytes) {
    const name = new TextDecoder().decode(bytes);
    const file = parseFileName(name);
    if (file !== undefined) {
      assert.ok(Number.isSafeInteger(file.number), "a number is exact, or it means another file");
      assert.equal(parseFileName(fileName(file.kind, file.number))?.number, file.number);
    }
    const log = parseLogName(name);
    if (log !== undefined) assert.equal(logName(log.first, log.last, log.chain), name);
    const object = parseObjectPath(name);
    if (object !== undefined) assert.equal(objectPath(object.name, object.copy), name);
    return [file, log, object];
  },
};

export const MANIFEST_TARGETS: readonly Target[] = [header, marker, edit, manifest, names];
