import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { encodeText } from "../../lib/base/bytes.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readBlobPointer } from "../../lib/format/blob.ts";
import { BlobReader } from "../../lib/tree/blob/blob_reader.ts";
import { BlobWriter } from "../../lib/tree/blob/blob_writer.ts";
import { BlockCache } from "../../lib/tree/table/block_cache.ts";
import { NEWEST } from "../../lib/tree/cursor.ts";
import { RangeTombstones } from "../../lib/tree/range_tombstones.ts";
import { TableReader } from "../../lib/tree/table/table_reader.ts";
import { identity, putFile, readWhole, writeTable } from "./table_fixture.ts";
import { plain } from "./model.ts";

/** The bytes of the hex dump in a section of the format's description. */
function documented(section: string): Uint8Array {
  const pages = ["format.md", "format_tables.md"].map((name) => new URL(`../../docs/${name}`, import.meta.url));
  const text = pages.filter((page) => existsSync(page)).map((page) => readFileSync(page, "utf8")).join("\n");
  const part = text.split(/^## /m).find((one) => one.startsWith(section)) ?? "";
  const dump = /```hex\n([\s\S]*?)```/.exec(part)?.[1] ?? "";
  const bytes = dump.trim().split("\n").flatMap((line) => line.slice(6, 53).trim().split(" "));
  return new Uint8Array(bytes.map((byte) => parseInt(byte, 16)));
}

describe("the documented example", () => {
  it("of a sorted table is what is written, and reads as it says", async () => {
    const fs = memoryFileSystem();
    const tombstones = new RangeTombstones();
    tombstones.add({ start: encodeText("\0x"), end: encodeText("\0z"), version: 8, timestamp: 10 });
    const rows = [
      { key: encodeText("\0ab"), version: 7, timestamp: 9, cell: encodeText("\x05hi") },
      { key: encodeText("\0ac"), version: 6, timestamp: 9, cell: new Uint8Array(1) },
    ];
    const options = { identity: identity(10), compression: "none" } as const;
    await writeTable(fs, "/10.sst", rows, options, tombstones);
    const bytes = documented("Sorted table");
    assert.deepEqual(readWhole(fs, "/10.sst"), bytes);
    await putFile(fs, "/doc.sst", bytes);
    const table = TableReader.open(fs, "/doc.sst", identity(10), undefined, new BlockCache(0));
    for (const { key, version, timestamp, cell } of rows) {
      assert.deepEqual(plain(table.get(key, NEWEST)), { version, timestamp, cell });
    }
    assert.deepEqual(table.tombstones.fragments(), tombstones.fragments());
  });

  it("of a blob file is what is written, and reads as it says", async () => {
    const fs = memoryFileSystem();
    const handle = await fs.open("/11.blob", "create");
    const writer = new BlobWriter(handle, { identity: identity(11), compression: "none" });
    const pointer = writer.add(encodeText("\0ab"), 7, encodeText("a value"), 1);
    await writer.finish();
    assert.deepEqual(pointer, new Uint8Array([0x0b, 0x40, 0x2a, 0x07]));
    const bytes = documented("Blob file");
    assert.deepEqual(readWhole(fs, "/11.blob"), bytes);
    await putFile(fs, "/doc.blob", bytes);
    const blobs = BlobReader.open(fs, "/doc.blob", identity(11));
    assert.deepEqual(blobs.readSync(readBlobPointer(pointer), encodeText("\0ab")), encodeText("a value"));
  });
});
