import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { Pace } from "../../lib/base/pace.ts";
import { ExistsError, IOError, NoSpaceError, NotFoundError } from "../../lib/base/errors.ts";
import { copyFile } from "../../lib/files/copy.ts";
import type { FileSystem, OpenMode } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { publishFile } from "../../lib/files/publish.ts";
import { readFile } from "../../lib/files/read.ts";
import { pattern } from "./file_system_suite.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-copy-"));
after(() => rmSync(root, { recursive: true, force: true }));
let places = 0;

const kinds: [string, () => Promise<{ fs: FileSystem; from: string; to: string }>][] = [
  ["memory", () => Promise.resolve({ fs: memoryFileSystem(), from: "/a", to: "/b" })],
  ["node", async () => {
    const fs = nodeFileSystem();
    const directory = join(root, String(++places));
    await fs.makeDirectory(directory);
    return { fs, from: join(directory, "a"), to: join(directory, "b") };
  }],
];

for (const [kind, place] of kinds) {
  describe(`copyFile on a ${kind} file system`, () => {
    it("links a finished file", async () => {
      const { fs, from, to } = await place();
      await publishFile(fs, from, pattern(5000));
      let told = 0;
      assert.equal(await copyFile(fs, from, to, { length: 5000, onBytes: (count) => told += count }), "link");
      assert.equal(told, 5000);
      assert.deepEqual(await readFile(fs, to, 5000), pattern(5000));
    });

    it("gives a file that may still grow, or a part of one, bytes of its own", async () => {
      for (const options of [{ appendable: true }, { length: 4000 }, { link: "never" } as const]) {
        const { fs, from, to } = await place();
        await publishFile(fs, from, pattern(5000));
        assert.notEqual(await copyFile(fs, from, to, options), "link");
        const handle = await fs.open(from, "append");
        await handle.append(pattern(10));
        await handle.close();
        assert.deepEqual(await readFile(fs, to, 5000), pattern(5000).slice(0, options.length));
      }
    });

    it("copies in pieces and counts them", async () => {
      const { fs, from, to } = await place();
      const content = pattern(2.5 * 2 ** 20);
      await publishFile(fs, from, content);
      const told: number[] = [];
      assert.equal(await copyFile(fs, from, to, { link: "never", onBytes: (count) => told.push(count) }), "copy");
      assert.deepEqual(told, [2 ** 20, 2 ** 20, 2 ** 19]);
      assert.deepEqual(await readFile(fs, to, content.length), content);
    });

    it("lets others go first after each piece", async () => {
      const { fs, from, to } = await place();
      await publishFile(fs, from, pattern(1.5 * 2 ** 20));
      let [now, commits] = [0, 0];
      const pace = new Pace({
        activity: () => ++commits,
        monotonic: () => now,
        delay: (ms) => Promise.resolve(void (now += ms)),
      });
      await copyFile(fs, from, to, { link: "never", pace });
      // 1.5 MiB at 18 MiB a second, in less than the pace is measured over.
      assert.ok(Math.abs(now - 1.5 / 18 * 1000) < 1, `${now} ms`);
    });

    it("copies an empty file", async () => {
      const { fs, from, to } = await place();
      await publishFile(fs, from, new Uint8Array(0));
      assert.equal(await copyFile(fs, from, to, { link: "never" }), "copy");
      assert.equal((await fs.stat(to))?.size, 0);
    });

    it("refuses a destination that is there, a source that is not, and one that is too short", async () => {
      const { fs, from, to } = await place();
      await publishFile(fs, from, pattern(10));
      await publishFile(fs, to, pattern(20));
      for (const link of ["auto", "never"] as const) {
        await assert.rejects(copyFile(fs, from, to, { link }), ExistsError);
        await assert.rejects(copyFile(fs, `${from}x`, `${to}x`, { link }), NotFoundError);
        await assert.rejects(copyFile(fs, from, `${to}x`, { link, length: 11 }), IOError);
      }
      assert.deepEqual(await readFile(fs, to, 20), pattern(20));
      assert.equal(await fs.stat(`${to}x`), undefined);
    });

    it("leaves nothing behind when aborted", async () => {
      const { fs, from, to } = await place();
      await publishFile(fs, from, pattern(2 ** 21));
      const abort = new AbortController();
      const reason = new Error("enough");
      const copied = copyFile(fs, from, to, {
        link: "never",
        signal: abort.signal,
        onBytes: () => abort.abort(reason),
      });
      await assert.rejects(copied, reason);
      assert.equal(await fs.stat(to), undefined);
      await assert.rejects(copyFile(fs, from, to, { signal: abort.signal }), reason);
    });
  });
}

describe("copyFile", () => {
  it("copies byte by byte where a link was made and an error told, and leaves what was there before", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(5000));
    fs.inject({ at: ({ name }) => name === "link" || name === "clone", do: "lose" });
    assert.equal(await copyFile(fs, "/a", "/b"), "copy");
    assert.deepEqual(await readFile(fs, "/b", 5000), pattern(5000));
    const refusing = memoryFileSystem({
      beforeOperation: ({ name }) => {
        if (name === "link" || name === "clone") throw new IOError("Cannot link: the disk says no (EIO)");
      },
    });
    await publishFile(refusing, "/a", pattern(5000));
    await publishFile(refusing, "/b", pattern(7));
    await assert.rejects(copyFile(refusing, "/a", "/b"), ExistsError);
    assert.deepEqual(await readFile(refusing, "/b", 5000), pattern(7));
  });

  it("gives a clone the length that was asked for, durably, and takes back one that is shorter", async () => {
    const memory = memoryFileSystem();
    await publishFile(memory, "/a", pattern(5000));
    let cloned = 100;
    const fs = {
      stat: (path: string) => memory.stat(path),
      open: (path: string, mode: OpenMode) => memory.open(path, mode),
      remove: (path: string) => memory.remove(path),
      link: () => Promise.reject(new IOError("Cannot link: not here (ENOTSUP)")),
      clone: async (_from: string, to: string) => {
        const handle = await memory.open(to, "create");
        await handle.append(pattern(cloned));
        await handle.close();
      },
    } as unknown as FileSystem;
    await assert.rejects(copyFile(fs, "/a", "/b"), /ends at byte 100, before the 5000 wanted/);
    assert.deepEqual(await memory.list("/"), ["a"]);
    cloned = 5000;
    assert.equal(await copyFile(fs, "/a", "/b", { length: 4000 }), "clone");
    await memory.syncDirectory("/");
    assert.deepEqual(await readFile(memory.crash({ keep: "none" }), "/b", 5000), pattern(4000));
  });

  it("fails where the source has become shorter meanwhile", async () => {
    const fs = memoryFileSystem();
    await publishFile(fs, "/a", pattern(1.5 * 2 ** 20));
    const pace = { took: async () => await (await fs.open("/a", "append")).truncate(2 ** 20) };
    const copied = copyFile(fs, "/a", "/b", { link: "never", pace: pace as unknown as Pace });
    await assert.rejects(copied, /ends at byte 1048576, before the 1572864 wanted/);
    assert.deepEqual(await fs.list("/"), ["a"]);
  });

  it("copies byte by byte where links are refused", async () => {
    const fs = memoryFileSystem({
      beforeOperation: ({ name }) => {
        if (name === "link") throw new IOError("Cannot link: the two paths are on different file systems (EXDEV)");
      },
    });
    await publishFile(fs, "/a", pattern(10));
    assert.equal(await copyFile(fs, "/a", "/b"), "copy");
    await fs.syncDirectory("/");
    assert.deepEqual(await readFile(fs.crash({ keep: "none" }), "/b", 10), pattern(10));
  });

  it("leaves nothing behind on a full disk", async () => {
    const fs = memoryFileSystem({ capacityBytes: 150 });
    await publishFile(fs, "/a", pattern(100));
    await assert.rejects(copyFile(fs, "/a", "/b", { link: "never" }), NoSpaceError);
    assert.deepEqual(await fs.list("/"), ["a"]);
    assert.equal(fs.usedBytes, 100);
  });
});
