/** A database that is set aside and put back: what a power cut would find at the steps that matter. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkDirectory } from "../../lib/backup/destination.ts";
import { putBack, setAside } from "../../lib/backup/former.ts";
import { parseFileName } from "../../lib/engine/file_names.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";
import { DB } from "../../mod.ts";

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

  it("is nothing that an export may begin in where its parts are in both places", async () => {
    const fs = memoryFileSystem();
    await using db = await DB.open("/db", { fileSystem: fs });
    await db.set("a", 1);
    await db.close();
    for (const name of await fs.list("/db")) {
      if (parseFileName(name) === undefined && name !== "CURRENT") await fs.remove(`/db/${name}`);
    }
    await fs.makeDirectory("/db/.stage-1-old");
    const check = () => checkDirectory("export", fs, "/db", { overwrite: false });
    for (const name of ["CURRENT", "MANIFEST-000001"]) {
      await fs.rename(`/db/${name}`, `/db/.stage-1-old/${name}`);
      await assert.rejects(check, /the directory is not empty/);
    }
    // Where all of it is aside it is told of.
    for (const name of await fs.list("/db")) {
      if (!name.startsWith(".stage")) await fs.rename(`/db/${name}`, `/db/.stage-1-old/${name}`);
    }
    await assert.rejects(check, /a database is there, in \.stage-1-old/);
    // A marker that leads to nothing is none of it.
    for (const name of await fs.list("/db/.stage-1-old")) {
      if (name.startsWith("MANIFEST")) await fs.remove(`/db/.stage-1-old/${name}`);
    }
    assert.equal(await check(), "empty");
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
