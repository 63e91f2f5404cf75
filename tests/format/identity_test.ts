import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readU32, writeU32 } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import {
  checksumSeed,
  expectIdentity,
  FILE_HEADER_BYTES,
  type FileKind,
  readFileHeader,
  seedAt,
  writeFileHeader,
} from "../../lib/format/identity.ts";
import { DATABASE, LINEAGE } from "./fixture.ts";

const KINDS: FileKind[] = ["table", "blob", "log", "manifest"];
const identity = { database: DATABASE, lineage: LINEAGE, number: 12 };

/** The header with some bytes changed and the checksum made to fit again. */
function forged(change: (bytes: Uint8Array) => void): Uint8Array {
  const bytes = writeFileHeader("log", identity);
  change(bytes);
  writeU32(bytes, 60, crc32(bytes, 0, 0, 60));
  return bytes;
}

describe("readFileHeader()", () => {
  it("reads back what writeFileHeader() wrote, of every kind and up to the largest number", () => {
    for (const kind of KINDS) {
      for (const number of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        const bytes = writeFileHeader(kind, { ...identity, number });
        assert.equal(bytes.length, FILE_HEADER_BYTES);
        assert.deepEqual(readFileHeader(kind, bytes, "f"), { kind, ...identity, number });
      }
    }
  });

  it("notices every single damaged bit", () => {
    const good = writeFileHeader("log", identity);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bytes = good.slice();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readFileHeader("log", bytes, "000012.log"), (error) => {
        return error instanceof CorruptionError && error.file === "000012.log" && error.offset === 0;
      });
    }
  });

  it("refuses zeros, nothing and a header cut short", () => {
    for (const bytes of [new Uint8Array(64), new Uint8Array(0), writeFileHeader("log", identity).subarray(0, 63)]) {
      assert.throws(() => readFileHeader("log", bytes, "f"), CorruptionError);
    }
  });

  it("names the kind found when a file of another kind stands in its place", () => {
    for (const kind of KINDS.filter((kind) => kind !== "log")) {
      assert.throws(
        () => readFileHeader("log", writeFileHeader(kind, identity), "f"),
        new RegExp(`expected a log file, found ${kind} file`),
      );
    }
    assert.throws(() => readFileHeader("log", forged((bytes) => void (bytes[2] = 0x58)), "f"), /another kind of file/);
  });

  it("refuses a newer version of the format by name, and reserved bytes in use", () => {
    const isNewer = (found: string) => (error: unknown): boolean =>
      error instanceof UnsupportedFormatError && error.found === found && error.supported === "HFWRLOG1" &&
      /Cannot read f: .* use a newer release/.test(error.message);
    assert.throws(() => readFileHeader("log", forged((bytes) => void (bytes[7] = 0x32)), "f"), isNewer("HFWRLOG2"));
    assert.throws(() => readFileHeader("log", forged((bytes) => void (bytes[59] = 1)), "f"), isNewer("HFWRLOG1"));
  });

  it("refuses a number that is not exact", () => {
    assert.throws(() => readFileHeader("log", forged((bytes) => void (bytes[47] = 1)), "f"), /number above 2\^53/);
  });
});

describe("writeFileHeader()", () => {
  it("asserts that ids and number can be written", () => {
    for (const id of ["", DATABASE.slice(1), DATABASE.toUpperCase(), `${DATABASE}00`, DATABASE.replace("0", "g")]) {
      assert.throws(() => writeFileHeader("log", { ...identity, database: id }), /not 32 hexadecimal digits/);
      assert.throws(() => writeFileHeader("log", { ...identity, lineage: id }), /not 32 hexadecimal digits/);
    }
    for (const number of [-1, 0.5, NaN, 2 ** 53]) {
      assert.throws(() => writeFileHeader("log", { ...identity, number }), RangeError);
    }
  });
});

describe("expectIdentity()", () => {
  const header = { kind: "log" as const, ...identity };

  it("accepts the file expected, comparing only what is given", () => {
    expectIdentity(header, identity, "f");
    expectIdentity(header, { number: 12 }, "f");
    expectIdentity(header, {}, "f");
  });

  it("notices a file of another database, lineage or number", () => {
    for (const other of [{ database: LINEAGE }, { lineage: DATABASE }, { number: 13 }]) {
      assert.throws(() => expectIdentity(header, { ...identity, ...other }, "f"), /swapped or foreign file/);
    }
  });
});

describe("checksumSeed()", () => {
  it("is the checksum in the header", () => {
    assert.equal(checksumSeed({ kind: "log", ...identity }), readU32(writeFileHeader("log", identity), 60));
  });

  it("differs from file to file", () => {
    const seeds = KINDS.flatMap((kind) =>
      [
        identity,
        { ...identity, number: 13 },
        { ...identity, database: LINEAGE },
        { ...identity, lineage: DATABASE },
      ].map((one) => checksumSeed({ kind, ...one }))
    );
    assert.equal(new Set(seeds).size, seeds.length);
  });
});

describe("seedAt()", () => {
  it("is the checksum of the offset as u64, continued from the seed", () => {
    const place = new Uint8Array([0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0, 0]);
    assert.equal(seedAt(77, 0x060504030201), crc32(place, 77));
  });

  it("differs from place to place", () => {
    const places = Array.from({ length: 5000 }, (_, i) => i < 4000 ? i : i * 2 ** 20);
    assert.equal(new Set(places.map((place) => seedAt(0xa4175b94, place))).size, places.length);
  });
});
