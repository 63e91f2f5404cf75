/** Names for namespaces whose row in the catalog is lost. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeText } from "../../lib/base/bytes.ts";
import { LostNames } from "../../lib/engine/recovery/lost_names.ts";
import { DELETE_CELL } from "../../lib/format/cell.ts";
import { catalogKey, readCatalogRow, writeCatalogCell } from "../../lib/format/catalog.ts";
import { internalKey, ROOT_SPACE, spacePrefix } from "../../lib/format/space.ts";

function seeKey(names: LostNames, space: number, key: Uint8Array): void {
  names.see(internalKey(spacePrefix(space), key), DELETE_CELL);
}

function seeName(names: LostNames, parent: number, name: string, space: number): void {
  names.see(catalogKey(parent, name), writeCatalogCell({ space, keyEncoding: "utf8" }));
}

/** What is found, as the catalog reads it. */
function found(names: LostNames): [string, number, string][] {
  return names.rows("utf8").map(({ name, key, cell }) => {
    const row = readCatalogRow(key, cell);
    assert.deepEqual([row.parent, row.name], [ROOT_SPACE, name]);
    return [name, row.space, row.keyEncoding];
  });
}

describe("LostNames", () => {
  it("names key spaces that are in use and that no row names, in the order of their names", () => {
    const names = new LostNames();
    seeKey(names, ROOT_SPACE, encodeText("a"));
    seeName(names, ROOT_SPACE, "known", 4);
    for (const space of [4, 6, 12]) seeKey(names, space, encodeText("a"));
    // What holds rows of tags is named by its entries.
    seeKey(names, 9, encodeText("a"));
    assert.deepEqual(found(names), [["recovered-12", 12, "utf8"], ["recovered-6", 6, "utf8"]]);
  });

  it("names one of which nothing is left but a namespace inside it", () => {
    const names = new LostNames();
    seeName(names, 6, "inner", 8);
    seeKey(names, 8, encodeText("a"));
    assert.deepEqual(found(names), [["recovered-6", 6, "utf8"]]);
  });

  it("takes the keys of one for bytes as soon as one of them is no text", () => {
    const names = new LostNames();
    for (const key of [encodeText("a"), new Uint8Array([0xff]), encodeText("b")]) seeKey(names, 6, key);
    assert.deepEqual(found(names), [["recovered-6", 6, "bytes"]]);
  });

  it("gives no name that is another's, of an earlier repair", () => {
    const names = new LostNames();
    seeName(names, ROOT_SPACE, "recovered-6", 4);
    seeKey(names, 6, encodeText("a"));
    assert.deepEqual(found(names), [["recovered-6-again", 6, "utf8"]]);
  });
});
