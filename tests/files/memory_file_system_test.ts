import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { fileSystemSuite } from "./file_system_suite.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";

for (const durable of [true, false]) {
  fileSystemSuite(`memory (durable: ${durable})`, () => {
    const fs = memoryFileSystem({ durable });
    void fs.makeDirectory("/place"); // takes effect at once: nothing delays it
    return { fs, directory: "/place" };
  });
}

describe("memoryFileSystem", () => {
  it("appends in constant time, however long the file", async () => {
    const fs = memoryFileSystem({ durable: false });
    const handle = await fs.open("/a", "create");
    const piece = new Uint8Array(100).fill(7);
    for (let i = 0; i < 100_000; i++) handle.appendSync(piece);
    assert.equal(handle.sizeSync(), 10_000_000);
    const into = new Uint8Array(3);
    assert.equal(handle.readAtSync(into, 9_999_998), 2);
    assert.deepEqual(into, new Uint8Array([7, 7, 0]));
  });
});
