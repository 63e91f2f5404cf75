import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError } from "../../lib/base/errors.ts";
import { removeLeftovers } from "../../lib/engine/leftovers.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";

// What says of a segment that it is no lost part of the database must not go before it.
describe("removeLeftovers", () => {
  const names = ["MANIFEST-000006", "000007.log", "000008.sst"];

  async function withNames(beforeRemove: (path: string, fs: MemoryFileSystem) => void): Promise<MemoryFileSystem> {
    const fs = memoryFileSystem({
      beforeOperation: ({ name, path }) => {
        if (name === "remove") beforeRemove(path, fs);
      },
    });
    for (const name of names) await publishFile(fs, `/${name}`, new Uint8Array(1));
    return fs;
  }

  it("removes log segments for good before all else", async () => {
    let found: MemoryFileSystem | undefined;
    const fs = await withNames((path, fs) => {
      if (path === "/MANIFEST-000006") found = fs.crash({ keep: "none" });
    });
    await removeLeftovers(fs, "/", names);
    assert.deepEqual(await found!.list("/"), ["000008.sst", "MANIFEST-000006"]);
  });

  it("leaves all else where a segment can't be removed", async () => {
    const fs = await withNames((path) => {
      if (path === "/000007.log") throw new IOError("Cannot remove: stuck (EBUSY)");
    });
    await removeLeftovers(fs, "/", names);
    assert.deepEqual(await fs.list("/"), names.toSorted());
  });
});
