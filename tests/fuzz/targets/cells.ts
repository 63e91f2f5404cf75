/** Cells, keys, values, and the catalog of namespaces. */
import assert from "node:assert/strict";
import { ByteWriter, compareBytes, encodeText } from "../../../lib/base/bytes.ts";
import { Catalog } from "../../../lib/db/catalog/catalog.ts";
import { decodeKey, encodeKey } from "../../../lib/db/data/keys.ts";
import { decodeValue, encodeValue } from "../../../lib/db/data/values.ts";
import { spacesOf } from "../../../lib/backup/namespaces.ts";
import type { ReadView } from "../../../lib/engine/types.ts";
import { catalogKey, readCatalogCell, readCatalogRow, writeCatalogCell } from "../../../lib/format/catalog.ts";
import {
  cellExpiry,
  cellHasExpiry,
  cellHasTag,
  DELETE_CELL,
  KIND_JSON,
  KIND_TEXT,
  OP_BLOB,
  OP_SET,
  readCell,
  replacePayload,
  writeCell,
} from "../../../lib/format/cell.ts";
import { Batch, operationsOf } from "../../../lib/format/log/batch.ts";
import type { Steps, Structure, Target } from "../target.ts";
import { assertSame, concat } from "./files.ts";
import { OPERATIONS } from "./log.ts";

function cellBytes(
  ...parameters: Parameters<typeof writeCell> extends [unknown, ...infer Rest] ? Rest : never
): Uint8Array {
  const out = new ByteWriter();
  writeCell(out, ...parameters);
  return out.take();
}

const cell: Target = {
  name: "cell",
  seeds: () => [
    DELETE_CELL,
    cellBytes(KIND_TEXT, encodeText("hi")),
    cellBytes(KIND_JSON, encodeText("[1]"), ["x", "yz"].map(encodeText), 1.7e12),
    cellBytes(0, new Uint8Array([11, 64, 42, 7]), [encodeText("t")], undefined, OP_BLOB),
  ],
  decode(bytes) {
    const found = readCell(bytes);
    assert.equal(cellExpiry(bytes), found.expiresAt);
    assert.equal(cellHasExpiry(bytes[0]!), found.expiresAt !== undefined);
    for (const tag of found.tags) assert.ok(cellHasTag(bytes, 0, bytes.length, encodeText(tag)));
    // As it moves into a blob file and back.
    const moved = replacePayload(bytes, OP_BLOB, new Uint8Array([1, 2, 3]));
    assertSame(readCell(replacePayload(moved, found.op, found.payload)), found);
    if (found.op === OP_SET) {
      const again = cellBytes(found.kind, found.payload, found.tags.map(encodeText), found.expiresAt);
      assertSame(readCell(again), found);
    }
    return found;
  },
};

const value: Target = {
  name: "value",
  seeds: () =>
    ["text", { a: [1, "é", null], b: { c: true } }, [1.5, -0, 1e300], new Uint8Array([0, 255]), "", null].map((one) => {
      const { kind, payload } = encodeValue("test", one);
      return concat([new Uint8Array([kind]), payload]);
    }),
  structure: {
    take: (bytes) => [{ bytes: bytes.subarray(0, 1) }, { bytes: bytes.subarray(1), json: bytes[0] === KIND_JSON }],
    put: (parts) => concat(parts.map(({ bytes }) => bytes)),
  },
  decode(bytes) {
    const [kind = 0, ...payload] = bytes;
    const found = decodeValue(kind & 15, Uint8Array.from(payload));
    let again;
    try {
      again = encodeValue("test", found);
    } catch (error) {
      // What no writer takes: numbers beyond all bounds, halves of characters, what is nested too deep.
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      return found;
    }
    // As it is stored: what is nested deep can't be compared by walking over it.
    assertSame(encodeValue("test", decodeValue(again.kind, again.payload)), again);
    return found;
  },
};

const key: Target = {
  name: "key",
  seeds: () => ["\0a", "\x04é", "\x01\x03tag"].map(encodeText),
  decode(bytes) {
    const raw = decodeKey("bytes", bytes, 1);
    const found = decodeKey("utf8", bytes, 1);
    if (found.length > 0 && bytes.length < 65_536) {
      assertSame(encodeKey("test", "utf8", bytes.subarray(0, 1), found), bytes);
      assertSame(encodeKey("test", "bytes", bytes.subarray(0, 1), raw), bytes);
    }
    return found;
  },
};

const CELL: Structure = {
  take: (bytes) => [{ bytes: bytes.subarray(0, 1) }, { bytes: bytes.subarray(1), json: true }],
  put: (parts) => concat(parts.map(({ bytes }) => bytes)),
};

/** Rows of namespaces, as puts of a batch. */
function rows(...all: [parent: number, name: string, space: number][]): Uint8Array {
  const batch = new Batch();
  for (const [parent, name, space] of all) {
    batch.put(catalogKey(parent, name), writeCatalogCell({ space, keyEncoding: space % 3 === 0 ? "bytes" : "utf8" }));
  }
  return batch.ops.take();
}

const ROWS: Structure = {
  take: (bytes) => OPERATIONS.take(bytes)?.map((part, i) => i % 2 === 1 ? { ...part, inner: CELL } : part),
  put: (parts) => OPERATIONS.put(parts),
};

/** A view that has the rows which a batch puts. */
function viewOf(operations: Uint8Array, steps: Steps): ReadView {
  const puts = operationsOf(operations).flatMap((one) => one.type === "put" ? [one] : [])
    .sort((a, b) => compareBytes(a.key, b.key));
  const visible = puts.filter(({ key }, i) => key.length > 0 && (i === 0 || compareBytes(key, puts[i - 1]!.key) !== 0));
  return {
    get: () => undefined,
    cursor(start: Uint8Array, end: Uint8Array) {
      const found = visible.filter(({ key }) => compareBytes(key, start) >= 0 && compareBytes(key, end) < 0);
      let at = -1;
      return {
        next: () => (steps.take(), ++at < found.length),
        get key() {
          return found[at]!.key;
        },
        get cell() {
          return found[at]!.cell;
        },
        close: () => {},
      };
    },
  } as unknown as ReadView;
}

const catalog: Target = {
  name: "catalog",
  seeds: () => [
    rows([0, "users", 4]),
    rows([0, "users", 4], [0, "a/b", 6], [4, "drafts", 8], [8, "old", 300]),
    // Each row is well formed, but one namespace lies inside itself.
    rows([0, "users", 4], [4, "users", 4]),
    rows([0, "users", 4], [4, "a", 6], [6, "b", 4]),
  ],
  structure: ROWS,
  decode(bytes, steps) {
    for (const one of operationsOf(bytes)) {
      if (one.type !== "put") continue;
      const row = readCatalogRow(one.key, one.cell);
      assertSame(readCatalogCell(writeCatalogCell(row)), { space: row.space, keyEncoding: row.keyEncoding });
      assertSame(readCatalogRow(catalogKey(row.parent, row.name), one.cell), row);
    }
    const view = viewOf(bytes, steps);
    const spaces = spacesOf(view, "utf8");
    const loaded = new Catalog("utf8", false);
    loaded.load({ read: () => view, meta: { parents: [] } } as unknown as Parameters<typeof loaded.load>[0]);
    steps.take(spaces.length + loaded.spacesAt(1).size);
    return [spaces, loaded.names(loaded.root)];
  },
};

export const CELL_TARGETS: readonly Target[] = [cell, value, key, catalog];
