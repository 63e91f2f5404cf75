/** Runs: what is left of them, and long values, which are drained while the next one is packed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { ClosedError } from "../../lib/base/errors.ts";
import { RunOutput } from "../../lib/engine/background/run_output.ts";
import { emptyState } from "../../lib/engine/manifest/manifest_state.ts";
import { Store } from "../../lib/engine/store.ts";
import type { EngineSettings } from "../../lib/engine/types.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { KIND_BYTES, writeCell } from "../../lib/format/cell.ts";
import { randomFrom } from "../crash/random.ts";
import { key, name, tinySettings } from "./fixture.ts";

const MIB = 2 ** 20;

/** A file system that doesn't keep what is appended. */
function forgetful(): FileSystem {
  const fs = memoryFileSystem();
  const openSync = fs.openSync.bind(fs);
  fs.openSync = (path, mode) => {
    const handle = openSync(path, mode);
    handle.append = () => Promise.resolve();
    return handle;
  };
  return fs;
}

async function storeIn(fs: FileSystem, changes: Partial<EngineSettings> = {}): Promise<Store> {
  await fs.makeDirectory("/db");
  const state = emptyState();
  state.database = { id: "0".repeat(32), lineage: "1".repeat(32), keyEncoding: "utf8", createdAt: 0, parents: [] };
  const none = { number: 0, seed: 0, fresh: false, closed: false, size: 0, end: 0 };
  return new Store(fs, "/db", tinySettings({ tableBytes: MIB, ...changes }), { ...none, state });
}

/** A row whose value is so long. */
function cellOf(length: number): Uint8Array {
  const cell = new ByteWriter(length + 16);
  writeCell(cell, KIND_BYTES, new Uint8Array(length));
  return cell.view();
}

describe("a run", () => {
  it("leaves nothing when it is given up, and nothing open when it is done", async () => {
    for (const isDone of [false, true]) {
      const fs = memoryFileSystem();
      const output = new RunOutput(await storeIn(fs, { compression: "none" }));
      for (let i = 0; i < 3000; i++) {
        output.add(key(name(i) + "x".repeat(100)), 1, 1, cellOf(i % 100 === 0 ? 5000 : 200));
      }
      await output.drain();
      await output.cut();
      for (let i = 3000; i < 6000; i++) {
        output.add(key(name(i) + "x".repeat(100)), 1, 1, cellOf(i % 100 === 0 ? 5000 : 200));
      }
      await output.drain();
      if (isDone) {
        const { tables, blobs } = await output.finish();
        assert.deepEqual([tables.length, blobs.length], [2, 1]);
        for (const file of await fs.list("/db")) await fs.remove(`/db/${file}`);
      } else await output.abort();
      assert.deepEqual(await fs.list("/db"), []);
      assert.equal(fs.usedBytes, 0);
    }
  });

  it("that is given up when the database has failed stays: the manifest may name it", async () => {
    const fs = memoryFileSystem();
    const store = await storeIn(fs);
    const output = new RunOutput(store);
    output.add(key("a"), 1, 1, cellOf(10));
    store.fail(new Error("says the test"));
    await output.abort();
    assert.equal((await fs.list("/db")).length, 1);
  });

  it("begins no file once the database is closed", async () => {
    const fs = memoryFileSystem();
    const store = await storeIn(fs);
    store.closed = true;
    assert.throws(() => new RunOutput(store).add(key("a"), 1, 1, cellOf(10)), ClosedError);
    assert.deepEqual(await fs.list("/db"), []);
  });

  it("has values in a blob file that are long enough, whatever else stands in their cells", async () => {
    const store = await storeIn(memoryFileSystem());
    const { blobBytes } = store.settings;
    const tagged = (length: number): Uint8Array => {
      const cell = new ByteWriter(length + 200_000);
      writeCell(cell, KIND_BYTES, new Uint8Array(length), Array.from({ length: 60 }, () => new Uint8Array(250)));
      return cell.view();
    };
    const output = new RunOutput(store);
    output.add(key("a"), 1, 1, tagged(blobBytes - 1));
    await output.addLong(key("b"), 1, 1, tagged(blobBytes - 1));
    output.add(key("c"), 1, 1, tagged(blobBytes));
    await output.addLong(key("d"), 1, 1, tagged(blobBytes));
    const { tables, blobs } = await output.finish();
    assert.deepEqual([tables[0]!.rows, blobs[0]!.count], [4, 2]);
  });
});

describe("a run of many long values", () => {
  it("begins another blob file at 256 MiB, though nothing but long values comes", async () => {
    const output = new RunOutput(await storeIn(forgetful()));
    const random = randomFrom(1);
    // Packed to some four fifths.
    const value = new Uint8Array(MIB).map((_, i) => i % 100 < 75 ? random() * 256 : 7);
    const cell = new ByteWriter(MIB + 16);
    writeCell(cell, KIND_BYTES, value);
    for (let i = 0; i < 350; i++) {
      await output.addLong(key(name(i)), i + 1, 1, cell.view());
      if (output.wantsDrain) await output.drain();
    }
    const { blobs } = await output.finish();
    const sizes = blobs.map(({ size }) => size / MIB);
    assert.ok(sizes.length === 2 && sizes[0]! >= 256 && sizes[0]! < 258 && sizes[1]! < 40, `${sizes}`);
  });
});
