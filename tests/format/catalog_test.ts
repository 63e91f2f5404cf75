import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../lib/base/bytes.ts";
import { catalogKey, readCatalogCell, readCatalogRow, writeCatalogCell } from "../../lib/format/catalog.ts";

describe("catalog", () => {
  it("writes the documented example", () => {
    assert.equal(toHex(catalogKey(0, "users")), "02007573657273");
    const cell = writeCatalogCell({ space: 4, keyEncoding: "utf8" });
    assert.equal(cell[0], 0x09);
    assert.equal(new TextDecoder().decode(cell.subarray(1)), '{"space":4,"keyEncoding":"utf8"}');
  });

  it("reads back what it wrote", () => {
    const row = readCatalogRow(catalogKey(300, "日本"), writeCatalogCell({ space: 70000, keyEncoding: "bytes" }));
    assert.deepEqual(row, { parent: 300, name: "日本", space: 70000, keyEncoding: "bytes" });
  });

  it("refuses rows that make no sense", () => {
    const cell = (json: string): Uint8Array => new Uint8Array([0x09, ...new TextEncoder().encode(json)]);
    assert.throws(() => readCatalogCell(cell("{")), /not JSON/);
    assert.throws(() => readCatalogCell(cell("null")), /space undefined/);
    assert.throws(() => readCatalogCell(cell('{"space":5,"keyEncoding":"utf8"}')), /space 5/);
    assert.throws(() => readCatalogCell(cell('{"space":4,"keyEncoding":"x"}')), /keys as x/);
    assert.throws(() => readCatalogCell(new Uint8Array([0])), /not JSON/);
    assert.throws(
      () => readCatalogRow(new Uint8Array([2, 0]), cell('{"space":4,"keyEncoding":"utf8"}')),
      /without a name/,
    );
    assert.throws(() => readCatalogRow(new Uint8Array([4, 0, 97]), cell("")), /not a catalog key/);
  });
});
