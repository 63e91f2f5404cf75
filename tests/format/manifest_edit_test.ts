import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { decodeText, encodeText } from "../../lib/base/bytes.ts";
import { CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { decodeEdit, encodeEdit, LEVEL_MAX, type ManifestEdit } from "../../lib/format/manifest/manifest_edit.ts";
import type { TableMeta } from "../../lib/format/table/table_meta.ts";
import { DATABASE, forSeeds, LINEAGE } from "./fixture.ts";

const SHA = "0123456789abcdef".repeat(4);

const table: TableMeta = {
  number: 8,
  size: 4096,
  rows: 3,
  deletes: 1,
  smallest: new Uint8Array([0, 0xff, 0xfe]),
  largest: encodeText("z"),
  largestExclusive: true,
  minVersion: 1,
  maxVersion: 3,
  minTimestamp: 900,
  maxTimestamp: 1000,
  tombstones: 2,
  rawBytes: 120,
  globalVersion: 4,
  globalTimestamp: 1001,
  blobs: [{ number: 5, bytes: 70_000, count: 2 }],
  sha256: SHA,
};

/** Every field there is. */
const full: Required<ManifestEdit> = {
  database: {
    id: DATABASE,
    lineage: LINEAGE,
    keyEncoding: "bytes",
    createdAt: 1_700_000_000_000,
    parents: [{ lineage: DATABASE, version: 17 }],
  },
  forked: true,
  lastVersion: Number.MAX_SAFE_INTEGER,
  lastTimestamp: 1000,
  nextNumber: 10,
  openLog: { number: 9, end: 4096 },
  addLogs: [{
    number: 7,
    end: 92,
    firstVersion: 1,
    lastVersion: 3,
    minTimestamp: 900,
    maxTimestamp: 1000,
    lineage: LINEAGE,
  }],
  removeLogs: [1, 2],
  addTables: [{ level: 0, table }, { level: LEVEL_MAX, run: 3, table: { ...table, number: 9 } }],
  removeTables: [{ level: 1, number: 4 }],
  addBlobs: [{ number: 5, size: 90_000, bytes: 80_000, count: 3, sha256: SHA }],
  removeBlobs: [3],
  setSlots: [{ id: "slot", repository: "repo", version: 2, createdAt: 5 }],
  removeSlots: ["old"],
  gaps: [{ from: 5, to: 5 }, { from: 7, to: 9 }],
};

function decode(json: unknown): ManifestEdit {
  return decodeEdit(encodeText(typeof json === "string" ? json : JSON.stringify(json)), "MANIFEST-000007", 64);
}

/** The JSON of `full` with one field, named by its path, set to something else. */
function changed(path: string, value: unknown): unknown {
  const json: unknown = JSON.parse(decodeText(encodeEdit(full)));
  const names = path.split(".");
  const last = names.pop()!;
  const holder = names.reduce((at, name) => at[name] as Fields, json as Fields);
  holder[last] = value;
  return json;
}

type Fields = { [name: string]: unknown };

function isDamage(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof CorruptionError && error.file === "MANIFEST-000007" && error.offset === 64 &&
    message.test(error.detail);
}

describe("decodeEdit()", () => {
  it("reads back an edit with every field there is, and each field alone", () => {
    assert.deepEqual(decodeEdit(encodeEdit(full), "f", 0), full);
    for (const [name, value] of Object.entries(full)) {
      const edit = { [name]: value } as ManifestEdit;
      assert.deepEqual(decodeEdit(encodeEdit(edit), "f", 0), edit);
    }
    assert.deepEqual(decodeEdit(encodeEdit({}), "f", 0), {});
  });

  it("leaves out what may be absent", () => {
    const { globalVersion: _version, globalTimestamp: _timestamp, largest: _largest, ...rest } = table;
    const edit: ManifestEdit = { addTables: [{ level: 1, table: rest }], openLog: { number: 1, end: null } };
    const back = decodeEdit(encodeEdit(edit), "f", 0);
    assert.deepEqual(back, edit);
    assert.ok(!Object.hasOwn(back.addTables![0]!.table, "globalVersion"));
    const unbounded: ManifestEdit = { addTables: [{ level: 1, table: { ...rest, largest: undefined } }] };
    assert.equal(decodeEdit(encodeEdit(unbounded), "f", 0).addTables![0]!.table.largest, undefined);
  });

  it("keeps keys of any bytes", () => {
    forSeeds(100, (random) => {
      const smallest = random.bytes(random.below(40));
      const largest = new Uint8Array([...smallest, ...random.bytes(random.below(5))]);
      const edit: ManifestEdit = { addTables: [{ level: 0, table: { ...table, smallest, largest } }] };
      assert.deepEqual(decodeEdit(encodeEdit(edit), "f", 0), edit);
    });
  });

  it("gives keys that own their memory", () => {
    const { smallest } = decodeEdit(encodeEdit(full), "f", 0).addTables![0]!.table;
    assert.equal(smallest.buffer.byteLength, smallest.length);
    assert.ok(!Buffer.isBuffer(smallest));
  });

  it("refuses a field that it doesn't know, at any depth, as something newer", () => {
    const cases: [string, unknown][] = [
      ["colour", { colour: "red" }],
      ["openLog.colour", { openLog: { number: 1, end: 2, colour: "red" } }],
      ["addTables[0].table.colour", changed("addTables.0.table.colour", 1)],
      ["__proto__", '{"__proto__": {}}'],
      ["constructor", '{"constructor": {}}'],
    ];
    for (const [field, json] of cases) {
      assert.throws(() => decode(json), (error) => {
        return error instanceof UnsupportedFormatError && error.found === field &&
          /use a newer release/.test(error.message);
      }, field);
    }
  });

  it("refuses what is no edit", () => {
    const cases: [RegExp, unknown][] = [
      [/manifest edit: /, ""],
      [/manifest edit: /, "{"],
      [/not an object/, "[]"],
      [/not an object/, "null"],
      [/not an object/, "7"],
      [/lastVersion is -1/, { lastVersion: -1 }],
      [/lastVersion is 1\.5/, { lastVersion: 1.5 }],
      [/lastVersion is 9007199254740992/, '{"lastVersion": 9007199254740992}'],
      [/lastVersion is "1"/, { lastVersion: "1" }],
      [/lastVersion is null/, { lastVersion: null }],
      [/forked is 1, not true or false/, { forked: 1 }],
      [/removeLogs is \{\}, not a list/, { removeLogs: {} }],
      [/removeLogs\[1\] is null/, { removeLogs: [1, null] }],
      [/openLog\.end is missing/, { openLog: { number: 1 } }],
      [/database\.id is /, changed("database.id", DATABASE.toUpperCase())],
      [/database\.keyEncoding is "utf16"/, changed("database.keyEncoding", "utf16")],
      [/addTables\[0\]\.level is 7/, changed("addTables.0.level", LEVEL_MAX + 1)],
      [/smallest is "a b", not base64url/, changed("addTables.0.table.smallest", "a b")],
      [/smallest is "AB", not base64url/, changed("addTables.0.table.smallest", "AB")],
      [/smallest is "AA==", not base64url/, changed("addTables.0.table.smallest", "AA==")],
      [/smallest above largest/, changed("addTables.0.table.largest", "")],
      [/minVersion above maxVersion/, changed("addTables.0.table.minVersion", 9)],
      [/minTimestamp above/, changed("addTables.0.table.minTimestamp", 9999)],
      [/more deletes than rows/, changed("addTables.0.table.deletes", 4)],
      [/go together/, changed("addTables.0.table.globalVersion", undefined)],
      [/sha256 is /, changed("addBlobs.0.sha256", SHA.slice(1))],
      [/firstVersion above/, changed("addLogs.0.firstVersion", 5)],
      [/gaps\[0\]: from above to/, changed("gaps.0.from", 6)],
    ];
    for (const [message, json] of cases) assert.throws(() => decode(json), isDamage(message), `${message}`);
    assert.throws(() => decodeEdit(new Uint8Array([0xff]), "MANIFEST-000007", 64), isDamage(/manifest edit: /));
  });

  it("throws one of its two errors or nothing, whatever is damaged", () => {
    const good = encodeEdit(full);
    forSeeds(500, (random) => {
      const bytes = good.slice(0, random.chance(0.8) ? good.length : random.below(good.length));
      for (let n = random.between(1, 4); n > 0 && bytes.length > 0; n--) {
        bytes[random.below(bytes.length)] = random.chance(0.5)
          ? random.below(256)
          : random.pick([...'{}[]",:0-.e']).charCodeAt(0);
      }
      try {
        decodeEdit(bytes, "f", 0);
      } catch (error) {
        assert.ok(error instanceof CorruptionError || error instanceof UnsupportedFormatError, `${error}`);
      }
    });
  });
});

describe("encodeEdit()", () => {
  it("asserts that what it is given can be read back", () => {
    assert.throws(() => encodeEdit({ lastVersion: -1 }), /lastVersion is -1/);
    assert.throws(() => encodeEdit({ lastVersion: NaN }), /lastVersion is null/);
    assert.throws(() => encodeEdit({ colour: 1 } as ManifestEdit), /colour is not a known field/);
  });

  it("takes a Node Buffer for the bytes it is", () => {
    const buffered = { ...table, smallest: Buffer.from(table.smallest) };
    const edit = decodeEdit(encodeEdit({ addTables: [{ level: 0, table: buffered }] }), "f", 0);
    assert.deepEqual(edit.addTables![0]!.table.smallest, table.smallest);
  });
});
