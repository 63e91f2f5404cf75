/** Runs written with long values, which are drained while the next one is packed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { RunOutput } from "../../lib/engine/background/run_output.ts";
import { emptyState } from "../../lib/engine/manifest/manifest_state.ts";
import { Store } from "../../lib/engine/store.ts";
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

describe("a run of many long values", () => {
  it("begins another blob file at 256 MiB, though nothing but long values comes", async () => {
    const fs = forgetful();
    await fs.makeDirectory("/db");
    const state = emptyState();
    state.database = { id: "0".repeat(32), lineage: "1".repeat(32), keyEncoding: "utf8", createdAt: 0, parents: [] };
    const none = { number: 0, seed: 0, fresh: false, closed: false, size: 0, end: 0 };
    const output = new RunOutput(new Store(fs, "/db", tinySettings({ tableBytes: MIB }), { ...none, state }));
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
