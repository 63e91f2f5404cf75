import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { crc32 } from "../../lib/base/checksum.ts";
import { CorruptionError, UnsupportedFormatError } from "../../lib/base/errors.ts";
import { isMarkerWhole, readMarker, writeMarker } from "../../lib/format/manifest/marker.ts";
import { DATABASE, LINEAGE } from "./fixture.ts";

const marker = { database: DATABASE, lineage: LINEAGE, manifest: 7 };

/** Any text with the checksum line that fits it. */
function whole(body: string): Uint8Array {
  return encodeText(`${body}${crc32(encodeText(body)).toString(16).padStart(8, "0")}\n`);
}

describe("readMarker()", () => {
  it("reads back what writeMarker() wrote", () => {
    for (const manifest of [0, 7, Number.MAX_SAFE_INTEGER]) {
      const bytes = writeMarker({ ...marker, manifest });
      assert.deepEqual(readMarker(bytes, "CURRENT"), { ...marker, manifest });
      assert.equal(isMarkerWhole(bytes), true);
    }
  });

  it("notices every single damaged bit and every cut", () => {
    const good = writeMarker(marker);
    const isDamage = (error: unknown): boolean => error instanceof CorruptionError && error.file === "CURRENT";
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bytes = good.slice();
      bytes[bit >>> 3]! ^= 1 << (bit & 7);
      assert.throws(() => readMarker(bytes, "CURRENT"), isDamage, `bit ${bit}`);
      assert.equal(isMarkerWhole(bytes), false);
    }
    for (let length = 0; length < good.length; length++) {
      assert.throws(() => readMarker(good.subarray(0, length), "CURRENT"), isDamage, `length ${length}`);
    }
    assert.throws(() => readMarker(new Uint8Array([...good, 10]), "CURRENT"), isDamage);
  });

  it("refuses a newer version by name, whatever else has changed in it", () => {
    for (const body of ["HOLDFAST 2\nanything\n", "HOLDFAST 17\n", 'HOLDFAST 2\n{"what":"ever"}\nand more\n']) {
      assert.throws(() => readMarker(whole(body), "CURRENT"), (error) => {
        return error instanceof UnsupportedFormatError && error.supported === "1" && /^[0-9]+$/.test(error.found);
      });
    }
  });

  it("takes a version that doesn't fit the checksum for damage", () => {
    const bytes = writeMarker(marker);
    bytes[9] = 0x32;
    assert.throws(() => readMarker(bytes, "CURRENT"), CorruptionError);
  });

  it("refuses a whole marker that says something else", () => {
    const line = JSON.stringify(marker);
    for (
      const body of [
        "",
        "HOLDFAST\n",
        "HOLDFAST 1\n",
        "HOLDFAST 01\n" + line + "\n",
        "holdfast 1\n" + line + "\n",
        "HOLDFAST 1\n[]\n",
        "HOLDFAST 1\n{}\n",
        `HOLDFAST 1\n${line}\n\n`,
        `HOLDFAST 1\n${line.replace("7", "-7")}\n`,
        `HOLDFAST 1\n${line.replace("0001", "zz01")}\n`,
        `HOLDFAST 1\n${line.replace("}", ',"more":1}')}\n`,
        `HOLDFAST 1\n${line}${" ".repeat(2000)}\n`,
      ]
    ) assert.throws(() => readMarker(whole(body), "CURRENT"), CorruptionError, body);
    assert.throws(() => readMarker(new Uint8Array([0xff, 0xfe]), "CURRENT"), /marker is not text/);
  });
});

describe("writeMarker()", () => {
  it("asserts that what it is given can be read back", () => {
    assert.throws(() => writeMarker({ ...marker, manifest: -1 }), /manifest is -1/);
    assert.throws(() => writeMarker({ ...marker, database: "" }), /database is ""/);
  });
});
