/** A database that is set aside and put back: what a power cut would find at the steps that matter. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { putBack, setAside } from "../../lib/backup/former.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";

const NAMES = ["000002.log", "CURRENT", "MANIFEST-000001"];

/** A durable database in `/db`; at the first operation that `which` names, what would be durable is kept. */
async function made(
  which: (operation: Operation) => boolean,
): Promise<{ fs: MemoryFileSystem; found(): MemoryFileSystem }> {
  let image: MemoryFileSystem | undefined;
  const fs = memoryFileSystem({
    beforeOperation(operation) {
      if (image === undefined && which(operation)) image = fs.fork({ keep: "none" });
    },
  });
  await fs.makeDirectory("/db");
  await fs.syncDirectory("/");
  for (const name of NAMES) await publishFile(fs, `/db/${name}`, new Uint8Array(1));
  return { fs, found: () => image! };
}

describe("a database that is replaced", () => {
  it("is found aside before it is no database any more", async () => {
    const { fs, found } = await made(({ name, path }) => name === "remove" && path.endsWith("CURRENT"));
    await setAside(fs, "/db", NAMES, "/db/old");
    assert.deepEqual(await found().list("/db/old"), NAMES);
  });

  it("is whole aside, and no database any more, before its files go", async () => {
    const { fs, found } = await made(({ name, path }) => name === "remove" && path.endsWith(".log"));
    await setAside(fs, "/db", NAMES, "/db/old");
    assert.deepEqual(await found().list("/db/old"), NAMES);
    assert.equal(await found().stat("/db/CURRENT"), undefined);
    assert.deepEqual(await fs.fork({ keep: "none" }).list("/db"), ["old"]);
  });

  it("has its files again before its marker, and that before it is gone aside", async () => {
    let isBack = false;
    const { fs, found } = await made(({ name, path }) => isBack && name === "link" && path.endsWith("CURRENT"));
    await setAside(fs, "/db", NAMES, "/db/old");
    isBack = true;
    await putBack(fs, "/db", NAMES, "/db/old");
    assert.deepEqual(await found().list("/db"), ["000002.log", "MANIFEST-000001", "old"]);
    const after = await fs.fork({ keep: "none" }).list("/db");
    assert.deepEqual(after.filter((name) => name !== "old"), NAMES);
  });
});
