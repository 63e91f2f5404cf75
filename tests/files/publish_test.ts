import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ExistsError, IOError, NotFoundError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import {
  ensureDirectory,
  publishFile,
  putNew,
  removeIfThere,
  removeTree,
  writeAside,
} from "../../lib/files/publish.ts";
import { readFile, readFileSync, readRange, readRangeSync } from "../../lib/files/read.ts";
import { pattern } from "./file_system_suite.ts";

describe("publishFile", () => {
  it("puts bytes in place of what was there, durably, and leaves nothing aside", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(10));
    await publishFile(fs, "/a", pattern(20), "tmp-7");
    const after = fs.crash({ keep: "none" });
    assert.deepEqual(await after.list("/"), ["a"]);
    assert.deepEqual(await readFile(after, "/a", 20), pattern(20));
  });

  it("replaces what an interrupted publication left aside", async () => {
    const fs = memoryFileSystem();
    await (await fs.open("/a.new", "create")).append(pattern(99));
    await publishFile(fs, "/a", pattern(10));
    assert.deepEqual(await fs.list("/"), ["a"]);
    assert.equal((await fs.stat("/a"))?.size, 10);
  });

  it("leaves the old bytes and nothing aside when a step fails", async () => {
    for (const step of ["append", "sync", "rename"]) {
      let armed = false;
      const fs = memoryFileSystem({
        beforeOperation: ({ name }) => {
          if (armed && name === step) throw new IOError("Cannot do it: broken (EIO)");
        },
      });
      await publishFile(fs, "/a", pattern(10));
      armed = true;
      await assert.rejects(publishFile(fs, "/a", pattern(20)), /broken/);
      assert.deepEqual(await fs.list("/"), ["a"]);
      assert.deepEqual(await readFile(fs, "/a", 20), pattern(10));
    }
  });
});

describe("putNew", () => {
  it("puts in place what was written aside, durably, and leaves nothing aside", async () => {
    const fs = memoryFileSystem();
    await putNew(fs, await writeAside(fs, "/a", pattern(10)), "/a");
    const after = fs.crash({ keep: "none" });
    assert.deepEqual(await after.list("/"), ["a"]);
    assert.deepEqual(await readFile(after, "/a", 10), pattern(10));
  });

  for (const links of [true, false]) {
    it(`leaves what is there, where files ${links ? "can" : "can't"} have two names`, async () => {
      const fs = memoryFileSystem({
        beforeOperation: ({ name }) => {
          if (name === "link" && !links) throw new IOError("Cannot link: it can't (ENOTSUP)");
        },
      });
      await putNew(fs, await writeAside(fs, "/a", pattern(10)), "/a");
      await assert.rejects(
        writeAside(fs, "/a", pattern(20)).then((aside) => putNew(fs, aside, "/a")),
        (error) => error instanceof ExistsError && /Cannot make \/a: something is there/.test(error.message),
      );
      assert.deepEqual(await fs.list("/"), ["a"]);
      assert.deepEqual(await readFile(fs, "/a", 20), pattern(10));
    });
  }
});

describe("removeTree", () => {
  it("removes files, and directories with all in them", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/d/e/f", { parents: true });
    for (const path of ["/d/a", "/d/e/b", "/x"]) await publishFile(fs, path, pattern(3));
    await removeTree(fs, "/d");
    await removeTree(fs, "/d");
    assert.deepEqual(await fs.list("/"), ["x"]);
    await removeTree(fs, "/x");
    assert.deepEqual(await fs.list("/"), []);
  });

  it("passes on why something can't be removed", async () => {
    const fs = memoryFileSystem({
      beforeOperation: ({ name, path }) => {
        if (name === "remove" && path === "/d/a") throw new IOError("Cannot remove: stuck (EBUSY)");
      },
    });
    await fs.makeDirectory("/d");
    await publishFile(fs, "/d/a", pattern(3));
    await assert.rejects(removeTree(fs, "/d"), /stuck/);
  });
});

describe("removeIfThere", () => {
  it("tells whether there was something", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(3));
    assert.equal(await removeIfThere(fs, "/a"), true);
    assert.equal(await removeIfThere(fs, "/a"), false);
    await fs.makeDirectory("/d");
    await assert.rejects(removeIfThere(fs, "/d"), IOError);
  });
});

describe("ensureDirectory", () => {
  it("makes what is missing and makes it last", async () => {
    const fs = memoryFileSystem();
    await ensureDirectory(fs, "/a/b/c");
    await ensureDirectory(fs, "/a/b/c");
    const after = fs.crash({ keep: "none" });
    assert.deepEqual(await after.list("/a/b"), ["c"]);
  });

  it("makes what an attempt that failed left behind last, too", async () => {
    const calls: string[] = [];
    const fs = memoryFileSystem({
      beforeOperation: ({ name }) => {
        calls.push(name);
        if (name !== "syncDirectory" || calls.indexOf("makeDirectory") !== calls.length - 2) return;
        throw new IOError("Cannot sync: broken (EIO)");
      },
    });
    await assert.rejects(ensureDirectory(fs, "/a/b"), /broken/);
    await ensureDirectory(fs, "/a/b");
    assert.deepEqual(await fs.crash({ keep: "none" }).list("/a"), ["b"]);
  });

  it("refuses a file in its place and a place below a file", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(3));
    await assert.rejects(ensureDirectory(fs, "/a"), ExistsError);
    await assert.rejects(ensureDirectory(fs, "/a/b"), NotFoundError);
  });
});

describe("readFile", () => {
  it("refuses a file larger than it may be", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(30));
    await assert.rejects(readFile(fs, "/a", 29), /30 bytes, more than the 29/);
    assert.throws(() => readFileSync(fs, "/a", 29), IOError);
    assert.deepEqual(readFileSync(fs, "/a", 30), pattern(30));
  });
});

describe("readRange", () => {
  it("gives what is there of the range", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(30));
    const handle = await fs.open("/a", "read");
    assert.deepEqual(await readRange(handle, 5, 10), pattern(30).slice(5, 15));
    assert.deepEqual(readRangeSync(handle, 25, 10), pattern(30).slice(25));
    assert.equal((await readRange(handle, 30, 10)).length, 0);
    await handle.close();
  });
});
