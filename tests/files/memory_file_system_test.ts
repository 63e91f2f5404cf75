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
  it("refuses what it does not know: a disk that is another than was asked for proves nothing", () => {
    const refused = (work: () => unknown, message: RegExp): void => assert.throws(work, { name: "TypeError", message });
    refused(() => memoryFileSystem({ capacity: 1000 } as never), /memoryFileSystem: unknown option "capacity"/);
    refused(() => memoryFileSystem({ capacityBytes: "1000" as never }), /"capacityBytes" must be a number, not "1000"/);
    refused(() => memoryFileSystem({ durable: 0 as never }), /"durable" must be true or false, not 0/);
    refused(() => memoryFileSystem({ delay: 5 as never }), /"delay" must be a function, not 5/);
    const fs = memoryFileSystem();
    refused(
      () => fs.crash({ keep: "nothing" as never }),
      /crash: option "keep" must be one of "none", "all", .* not "nothing"/,
    );
    refused(() => fs.fork({ kep: "none" } as never), /unknown option "kep"; did you mean "keep"/);
    refused(() => fs.crash({ keep: "none" }, { durabel: false } as never), /unknown option "durabel"/);
    refused(() => fs.inject({ at: 1, do: "explode" as never }), /"do" must be one of "fail", "lose", .* not "explode"/);
    refused(() => fs.inject({ at: 1, do: "lose", part: 0.5 as never }), /"part" must be a function, not 0.5/);
    assert.equal(fs.powered, true);
  });

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
