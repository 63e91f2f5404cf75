import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { spacesInSlices, spacesOf } from "../../lib/backup/namespaces.ts";
import { Slicer } from "../../lib/base/yield.ts";
import type { ReadView } from "../../lib/engine/types.ts";
import { catalogKey, writeCatalogCell } from "../../lib/format/catalog.ts";
import { ROOT_SPACE } from "../../lib/format/space.ts";
import { turnsOf } from "../base/turns_of.ts";

/** A state with namespaces inside the root, each with one inside, and how many cursors stand open. */
function stateOf(count: number): { view: ReadView; open: () => number } {
  const rows = Array.from({ length: count }, (_, i) => [
    { key: catalogKey(ROOT_SPACE, `n${i}`), cell: writeCatalogCell({ space: 4 + 4 * i, keyEncoding: "utf8" }) },
    { key: catalogKey(4 + 4 * i, "inner"), cell: writeCatalogCell({ space: 6 + 4 * i, keyEncoding: "bytes" }) },
  ]).flat();
  let open = 0;
  const cursor = () => {
    open++;
    let at = -1;
    return {
      next: () => ++at < rows.length,
      close: () => void open--,
      get key() {
        return rows[at]!.key;
      },
      get cell() {
        return rows[at]!.cell;
      },
    };
  };
  return { view: { cursor } as unknown as ReadView, open: () => open };
}

describe("spacesInSlices()", () => {
  it("gives what spacesOf() gives, and the event loop goes round meanwhile", async () => {
    const { view, open } = stateOf(2000);
    let elapsed = 0;
    let spaces: unknown;
    const turns = await turnsOf(async () => {
      spaces = await spacesInSlices(view, "utf8", new Slicer(() => elapsed++));
    });
    assert.ok(turns > 20, `${turns} turns`);
    assert.deepEqual(spaces, spacesOf(view, "utf8"));
    assert.equal(spaces.length, 4001);
    assert.equal(open(), 0);
  });
});
