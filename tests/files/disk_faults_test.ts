import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError } from "../../lib/base/errors.ts";
import {
  type DiskFaultKind,
  type MemoryFileSystem,
  memoryFileSystem,
  PowerCutError,
  randomDiskFault,
} from "../../lib/files/memory/memory_file_system.ts";

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7);

/** A disk on which the append of 100 bytes fails; what came of it, and how long the file is. */
async function appendWith(kind: DiskFaultKind): Promise<{ fs: MemoryFileSystem; error: unknown; size: number }> {
  const fs = memoryFileSystem();
  const file = await fs.open("/a", "create");
  fs.inject({ at: 2, do: kind });
  const error = await file.append(bytes(100)).then(() => undefined, (cause) => cause);
  const size = fs.powered && !fs.killed ? file.sizeSync() : (await fs.fork({ keep: "all" }).stat("/a"))!.size;
  return { fs, error, size };
}

describe("faults of a simulated disk", () => {
  it("fail a call with or without effect, or in the middle", async () => {
    const sizes = { fail: 0, lose: 100, tear: 50 } as const;
    for (const kind of ["fail", "lose", "tear"] as const) {
      const { error, size } = await appendWith(kind);
      assert.ok(error instanceof IOError, kind);
      assert.match(error.message, /append \/a/);
      assert.equal(size, sizes[kind], kind);
    }
    const { error, size } = await appendWith("full");
    assert.ok(error instanceof NoSpaceError);
    assert.equal(size, 50);
  });

  it("end the process or the power at a call", async () => {
    const killed = await appendWith("kill");
    assert.match(String(killed.error), /killed/);
    assert.equal(killed.size, 0);
    await assert.rejects(killed.fs.stat("/a"), /killed/);
    await killed.fs.otherProcess().stat("/a");
    const cut = await appendWith("cut");
    assert.ok(cut.error instanceof PowerCutError);
    await assert.rejects(cut.fs.otherProcess().stat("/a"), PowerCutError);
  });

  it("free the locks of the process that they end", async () => {
    const fs = memoryFileSystem();
    await fs.lock("/lock");
    fs.inject({ at: () => true, do: "kill" });
    await assert.rejects(fs.stat("/lock"), /killed/);
    (await fs.otherProcess().lock("/lock")).release();
  });

  it("leave no lock that nobody knows of", async () => {
    const fs = memoryFileSystem();
    fs.inject({ at: ({ name }) => name === "lock", do: "lose" });
    await assert.rejects(fs.lock("/lock"), IOError);
    (await fs.lock("/lock")).release();
  });

  it("lose for good what a sync that failed was to make durable", async () => {
    const fs = memoryFileSystem();
    const file = await fs.open("/a", "create");
    await fs.syncDirectory("/");
    await file.append(bytes(10));
    fs.inject({ at: ({ name }) => name === "sync", do: "fail" });
    await assert.rejects(file.sync(), IOError);
    await file.sync();
    const after = new Uint8Array(10);
    (await fs.fork({ keep: "none" }).open("/a", "read")).readAtSync(after, 0);
    assert.deepEqual(after, new Uint8Array(10));
  });

  it("strike reading calls too, as often as they are told, until they are taken back", async () => {
    const fs = memoryFileSystem();
    const remove = fs.inject({ at: ({ name }) => name === "list", do: "fail", times: 2 });
    for (let i = 0; i < 2; i++) await assert.rejects(fs.list("/"), IOError);
    assert.deepEqual(await fs.list("/"), []);
    remove();
    const removeAll = fs.inject({ at: () => true, do: "fail", times: Infinity });
    await assert.rejects(fs.list("/"), IOError);
    await assert.rejects(fs.makeDirectory("/d"), IOError);
    removeAll();
    await fs.makeDirectory("/d");
  });

  it("leave calls alone that need no space when the disk is full", async () => {
    const fs = memoryFileSystem();
    const file = await fs.open("/a", "create");
    fs.inject({ at: () => true, do: "full", times: Infinity });
    await assert.rejects(fs.open("/b", "create"), NoSpaceError);
    await file.sync();
    await fs.remove("/a");
    assert.deepEqual(await fs.list("/"), []);
  });

  it("are the same for the same seed", async () => {
    const outcome = async (): Promise<string[]> => {
      let state = 1;
      const random = (): number => (state = state * 48271 % 2147483647) / 2147483647;
      const fs = memoryFileSystem();
      fs.inject(randomDiskFault(random, 0.3));
      const results: string[] = [];
      for (let i = 0; i < 40; i++) {
        results.push(await fs.makeDirectory(`/${i}`).then(() => "ok", (error) => error.name));
      }
      return [...results, ...await fs.fork({ keep: "all" }).list("/")];
    };
    const first = await outcome();
    assert.deepEqual(await outcome(), first);
    assert.ok(first.includes("ok") && first.includes("IOError") && first.includes("NoSpaceError"));
  });
});
