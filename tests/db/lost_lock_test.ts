/**
 * Two processes that write to one database, because the lock was lost: a process gives up its POSIX locks on a file as soon
 * as anything in it has opened and closed that file, and some network file systems only pretend to lock.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import {
  DB,
  ExistsError,
  IOError,
  LockedError,
  NoSpaceError,
  NotFoundError,
  type OpenOptions,
  ReadOnlyError,
} from "../../mod.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { LONG } from "../crash/random.ts";
import { seededRandom } from "../../lib/adapters/testing/simulate.ts";

const SMALL = { memtableBytes: 4096, tuning: { tableBytes: 1024 } };

/** A process on the disk whose lock keeps nobody away. `calls` stand in for what it does there. */
function unlocked(
  disk: MemoryFileSystem,
  calls: { [K in keyof FileSystem]?: FileSystem[K] | undefined } = {},
): FileSystem {
  const own = disk.otherProcess();
  const instead: typeof calls = {
    async lock(path) {
      await (await own.open(path, "append")).close();
      return { release() {} };
    },
    lockedHere: () => false,
    ...calls,
  };
  return new Proxy<FileSystem>(own, {
    get(target, name) {
      const found: unknown = name in instead ? Reflect.get(instead, name) : Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

function open(fileSystem: FileSystem, options: OpenOptions = {}): Promise<DB> {
  return DB.open("/db", { fileSystem, ...SMALL, ...options });
}

/** A handle of which some calls do something else. */
function handleWith(handle: FileHandle, calls: Partial<FileHandle>): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const found: unknown = Reflect.get(calls, name) ?? Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

async function keys(db: DB): Promise<string[]> {
  return (await Array.fromAsync(db.list())).map(({ key }) => key);
}

describe("a writer whose lock was lost", () => {
  for (const durability of ["commit", "interval", "buffered"] as const) {
    it(`says that nothing is kept once another has opened the database (${durability})`, async () => {
      const disk = memoryFileSystem();
      const first = await open(unlocked(disk), { durability, flushInterval: 1 });
      await first.set("a", 1);
      await first.flush();
      const second = await open(unlocked(disk));
      await second.set("b", 2);
      await assert.rejects(async () => {
        await first.set("c", 3);
        await first.flush();
      }, (error) => {
        assert.ok(error instanceof LockedError || error instanceof ReadOnlyError);
        assert.match(error.message, /another program has opened it for writing, replaced or removed it; close it/);
        return true;
      });
      await assert.rejects(first.set("d", 4), ReadOnlyError);
      assert.equal(first.getSync("a"), 1);
      await first.close().catch(() => {});
      await second.set("e", 5);
      await second.close();
      await using after = await open(disk);
      assert.deepEqual(await keys(after), ["a", "b", "e"]);
    });
  }

  it("finds out by itself where no write waits for a sync", async () => {
    const disk = memoryFileSystem();
    const failed = Promise.withResolvers<unknown>();
    const first = await open(unlocked(disk), {
      durability: "interval",
      flushInterval: 1,
      onEvent: (event) => event.type === "failure" && failed.resolve(event.error),
    });
    await first.set("a", 1);
    await first.flush();
    await using second = await open(unlocked(disk));
    await first.set("b", 2);
    assert.ok(await failed.promise instanceof LockedError);
    await first.close().catch(() => {});
    assert.deepEqual(await keys(second), ["a"]);
  });

  it("says so at a flush for which a sync beside it has left nothing", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk), { durability: "interval" });
    await first.set("a", 1);
    await first.flush();
    await using second = await open(unlocked(disk));
    await assert.rejects(first.flush(), LockedError);
    await assert.rejects(first.set("b", 2), ReadOnlyError);
    await first.close().catch(() => {});
    assert.deepEqual(await keys(second), ["a"]);
  });

  it("goes on where the other one did not write: it was not noticed by either", async () => {
    const disk = memoryFileSystem();
    await (await open(unlocked(disk))).close();
    const first = await open(unlocked(disk));
    await (await open(unlocked(disk))).close();
    await first.set("a", 1);
    await first.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["a"]);
  });

  it("writes nothing at all where the other one was the first to do so", async () => {
    const disk = memoryFileSystem();
    await (await open(unlocked(disk))).close();
    const first = await open(unlocked(disk));
    const second = await open(unlocked(disk));
    await second.set("b", 2);
    const names = await disk.list("/db");
    await assert.rejects(first.set("a", 1), LockedError);
    assert.deepEqual(await disk.list("/db"), names);
    await second.set("c", 3);
    await first.close().catch(() => {});
    await second.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["b", "c"]);
  });

  it("removes no file of the other one, when a compaction fails and when a snapshot ends", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    for (let i = 0; i < 40; i++) await first.set(`old${i % 20}`, "x".repeat(200));
    const snapshot = first.snapshot();
    await first.compact();
    const second = await open(unlocked(disk));
    // Its tables come to the numbers that the first one would give next.
    const compacting = assert.rejects(first.compact());
    for (let i = 0; i < 40; i++) await second.set(`new${i}`, "y".repeat(200));
    await second.compact();
    await compacting;
    snapshot[Symbol.dispose]();
    await assert.rejects(first.compact());
    await first.close().catch(() => {});
    const { ok, problems } = await second.verify();
    assert.deepEqual([ok, problems], [true, []]);
    await second.close();
    await using after = await open(disk);
    assert.equal((await keys(after)).length, 60);
    assert.equal((await after.verify()).ok, true);
  });

  it("is told so where another database took the place, whatever the number of its manifest", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    await DB.destroy("/db", { fileSystem: unlocked(disk) });
    await using second = await open(unlocked(disk));
    await assert.rejects(first.set("b", 2), LockedError);
    await second.set("c", 3);
    await first.close().catch(() => {});
    assert.deepEqual(await keys(second), ["c"]);
    assert.equal((await second.verify()).ok, true);
  });

  it("removes none of the files of such a database, which have the numbers of its own", async () => {
    const disk = memoryFileSystem();
    const fill = async (db: DB): Promise<void> => {
      for (let i = 0; i < 40; i++) await db.set(`a${i}`, "x".repeat(200));
    };
    const first = await open(unlocked(disk));
    await fill(first);
    await first.flush();
    const list = first.list()[Symbol.asyncIterator]();
    await list.next();
    const tables = (await disk.list("/db")).filter((name) => name.endsWith(".sst"));
    await first.compact();
    await DB.destroy("/db", { fileSystem: unlocked(disk) });
    await using second = await open(unlocked(disk));
    await fill(second);
    const before = await disk.list("/db");
    assert.ok(tables.some((name) => before.includes(name)));
    // The list was all that kept the old tables.
    await list.return!();
    await first.close().catch(() => {});
    assert.deepEqual(await disk.list("/db"), before);
    assert.equal((await second.verify()).ok, true);
  });

  it("is told so too where its directory was removed or moved", async () => {
    for (const isMoved of [false, true]) {
      const disk = memoryFileSystem();
      const db = await open(unlocked(disk));
      await db.set("a", 1);
      if (isMoved) await disk.rename("/db", "/elsewhere");
      else await DB.destroy("/db", { fileSystem: unlocked(disk) });
      await assert.rejects(db.set("b", 2), LockedError);
      await db.close().catch(() => {});
    }
  });

  it("goes on where its marker was put there again as it was, by a program that restores files", async () => {
    const disk = memoryFileSystem();
    await using db = await open(disk);
    await db.set("a", 1);
    const marker = await disk.open("/db/CURRENT", "read");
    const bytes = new Uint8Array(marker.sizeSync());
    marker.readAtSync(bytes, 0);
    await marker.close();
    await disk.remove("/db/CURRENT");
    const again = await disk.open("/db/CURRENT", "create");
    await again.append(bytes);
    await again.close();
    await db.set("b", 2);
    await db.set("c", 3);
    assert.deepEqual(await keys(db), ["a", "b", "c"]);
  });

  it("goes on while the marker can't be read: that says nothing of others", async () => {
    const disk = memoryFileSystem();
    await using db = await open(disk);
    let looks = 0;
    const heal = disk.inject({ at: ({ path }) => path === "/db/CURRENT" && ++looks > 0, do: "fail", times: Infinity });
    await db.set("a", 1);
    heal();
    assert.ok(looks > 0);
    assert.deepEqual(await keys(db), ["a"]);
  });
});

describe("opening a database on which another process is at work without a lock", () => {
  it("is refused when the log has grown since it was read, and leaves nothing behind", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    const names = await disk.list("/db");
    let late = 0;
    const meanwhile = unlocked(disk, {
      // The last thing that it waits for before it puts the marker in place.
      async syncDirectory() {
        if (late++ === 0) await first.set("late", 2);
      },
    });
    await assert.rejects(open(meanwhile), (error) => {
      assert.ok(error instanceof LockedError);
      assert.match(
        error.message,
        /Cannot open \/db: another process is writing to it, though it does not hold the lock/,
      );
      return true;
    });
    assert.ok(late > 0);
    assert.deepEqual(await disk.list("/db"), names);
    for (let i = 0; i < 40; i++) await first.set(`more${i}`, "x".repeat(200));
    await first.compact();
    await first.close();
    await using after = await open(disk);
    assert.equal((await keys(after)).length, 42);
  });

  for (const whose of ["log", "manifest"] as const) {
    it(`is refused where the ${whose} grows in the very step in which the marker is switched, which is undone`, async () => {
      const disk = memoryFileSystem();
      const first = await open(unlocked(disk));
      await first.set("a", 1);
      const names = await disk.list("/db");
      const markers: Uint8Array[] = [];
      // As where the process is held up between its look and the rename for as long as a commit takes, or a close.
      const meanwhile = unlocked(disk, {
        renameSync: undefined,
        async rename(from, to) {
          markers.push(await readFile(disk, to, 4096));
          if (markers.length === 1) await (whose === "log" ? first.set("late", 2) : first.close());
          await disk.rename(from, to);
          markers.push(await readFile(disk, to, 4096));
        },
      });
      await assert.rejects(open(meanwhile), LockedError);
      assert.equal(markers.length, 4);
      assert.notDeepEqual(markers[1], markers[0]);
      assert.deepEqual(markers[3], markers[0]);
      assert.deepEqual(await disk.list("/db"), names);
      if (whose === "log") await first.set("b", 3);
      await first.close();
      await using after = await open(disk);
      assert.deepEqual(await keys(after), whose === "log" ? ["a", "b", "late"] : ["a"]);
    });
  }

  it("undoes it also where the directory can't be synced behind the switch", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    let isSwitched = false;
    const meanwhile = unlocked(disk, {
      renameSync: undefined,
      async rename(from, to) {
        if (!isSwitched) {
          await first.set("late", 2);
          disk.inject({ at: ({ name }) => name === "syncDirectory", do: "fail" });
        }
        isSwitched = true;
        await disk.rename(from, to);
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.ok(isSwitched);
    await first.close().catch(() => {});
    for (const keep of ["all", "none"] as const) {
      await using after = await open(disk.fork({ keep }));
      assert.deepEqual(await keys(after), ["a", "late"]);
    }
  });

  it("leaves the marker alone where a third one has put its own there meanwhile", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    let renames = 0;
    let third: DB | undefined;
    const meanwhile = unlocked(disk, {
      renameSync: undefined,
      async rename(from, to) {
        await first.set("late", 2);
        await disk.rename(from, to);
        renames++;
      },
      async syncDirectory(path) {
        if (renames === 1) third ??= await open(unlocked(disk));
        await disk.syncDirectory(path);
      },
    });
    const second = await open(meanwhile);
    assert.equal(renames, 1);
    await assert.rejects(second.set("c", 4), LockedError);
    await second.close().catch(() => {});
    await third!.set("b", 3);
    await third!.close();
    await first.close().catch(() => {});
    await using after = await open(disk);
    assert.equal(await after.get("b"), 3);
    assert.equal((await after.verify()).ok, true);
  });

  it("keeps the place where the manifest that it found is gone, for that marker would name nothing", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    const manifest = (await disk.list("/db")).find((name) => name.startsWith("MANIFEST"));
    const meanwhile = unlocked(disk, {
      renameSync: undefined,
      async rename(from, to) {
        await disk.remove(`/db/${manifest}`);
        await disk.rename(from, to);
      },
    });
    const second = await open(meanwhile);
    await second.set("b", 2);
    await second.close();
    await assert.rejects(first.set("c", 3), LockedError);
    await first.close().catch(() => {});
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["a", "b"]);
    assert.deepEqual((await disk.list("/db")).filter((name) => name.startsWith("CURRENT.")), []);
  });

  for (const readOnly of [false, true]) {
    it(`tells of no damage where others begin manifests while it looks for one (readOnly ${readOnly})`, async () => {
      const disk = memoryFileSystem();
      await (await open(unlocked(disk))).close();
      let gone = 0;
      const slow = unlocked(disk, {
        async stat(path) {
          if (path.startsWith("/db/MANIFEST") && gone < 4) {
            const other = await open(unlocked(disk));
            await other.set(`${gone}`, 1);
            await other.close();
            if (await disk.stat(path) === undefined) gone++;
          }
          return await disk.stat(path);
        },
      });
      await using db = await open(slow, { readOnly });
      assert.equal(gone, 4);
      assert.equal((await db.verify()).ok, true);
    });
  }

  it("is not in the way of the one at work, which comes to the same numbers meanwhile", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    let late = 0;
    const meanwhile = unlocked(disk, {
      async syncDirectory() {
        if (late++ > 0) return;
        for (let i = 0; i < 40; i++) await first.set(`late${i}`, "x".repeat(200));
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    await first.set("b", 1);
    await first.close();
    await using after = await open(disk);
    assert.equal((await keys(after)).length, 42);
  });

  it("is refused when the manifest has grown", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    for (let i = 0; i < 20; i++) await first.set(`a${i}`, "x".repeat(200));
    let late = 0;
    const meanwhile = unlocked(disk, {
      async syncDirectory() {
        if (late++ === 0) await first.close();
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.ok(late > 0);
    await using after = await open(disk);
    assert.equal((await keys(after)).length, 20);
  });

  it("is refused where the other one takes all away meanwhile", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    let late = 0;
    const meanwhile = unlocked(disk, {
      async open(path, mode) {
        if (mode === "create" && late++ === 0) await DB.destroy("/db", { fileSystem: unlocked(disk) });
        return await disk.open(path, mode);
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.equal(late, 1);
    await first.close().catch(() => {});
  });

  it("is refused where the other one has put others in the place of its tables, and they are not taken for lost", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    await first.flush();
    await first.compact();
    const manifest = (await disk.list("/db")).find((name) => name.startsWith("MANIFEST"));
    let looks = 0;
    const meanwhile = unlocked(disk, {
      openSync(path, mode) {
        if (!path.endsWith(".sst")) return disk.openSync(path, mode);
        looks++;
        // As an edit would have it, which cannot be waited for here.
        const edited = disk.openSync(`/db/${manifest}`, "append");
        edited.appendSync(new Uint8Array(1));
        edited.closeSync();
        throw new NotFoundError(`Cannot open ${path}: it is not there (NOT_FOUND)`);
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.equal(looks, 1);
    await first.close().catch(() => {});
  });

  it("is refused where the other one has let log go that was about to be read, and that is not taken for lost", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    const manifest = (await disk.list("/db")).find((name) => name.startsWith("MANIFEST"));
    let looks = 0;
    const meanwhile = unlocked(disk, {
      statSync(path) {
        if (!path.endsWith(".log")) return disk.statSync(path);
        // As an edit would have it, which cannot be waited for here.
        const edited = disk.openSync(`/db/${manifest}`, "append");
        if (looks++ === 0) edited.appendSync(new Uint8Array(1));
        edited.closeSync();
        return undefined;
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.ok(looks > 0);
    await first.close().catch(() => {});
  });

  it("is refused where a record was read while it was written, and not taken for damaged", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    for (let i = 0; i < 3; i++) await first.set(`a${i}`, "x");
    let looks = 0;
    const early = unlocked(disk, {
      openSync(path, mode) {
        const handle = disk.openSync(path, mode);
        if (!path.endsWith(".log")) return handle;
        return handleWith(handle, {
          readAtSync(into, position) {
            const count = handle.readAtSync(into, position);
            // The first commit behind the header, at the first look alone.
            if (count > 64 && looks++ === 0) into[80 - position]! ^= 1;
            return count;
          },
        });
      },
    });
    await assert.rejects(open(early), LockedError);
    assert.ok(looks > 1);
    await first.set("b", 1);
    await first.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["a0", "a1", "a2", "b"]);
  });

  it("gives back all files where it is refused", async () => {
    const disk = memoryFileSystem();
    await using first = await open(unlocked(disk));
    await first.set("a", 1);
    let opened = 0;
    let closed = 0;
    const counted = (handle: FileHandle): FileHandle => {
      let isClosed = false;
      const close = (): void => {
        if (!isClosed) closed++;
        isClosed = true;
      };
      opened++;
      return handleWith(handle, {
        closeSync() {
          close();
          handle.closeSync();
        },
        async close() {
          close();
          await handle.close();
        },
      });
    };
    const meanwhile = unlocked(disk, {
      openSync: (path, mode) => counted(disk.openSync(path, mode)),
      open: async (path, mode) => counted(await disk.open(path, mode)),
      async syncDirectory() {
        await first.set(`late${opened}`, 2);
      },
    });
    await assert.rejects(open(meanwhile), LockedError);
    assert.ok(opened > 2);
    assert.equal(closed, opened);
  });

  it("tells what went wrong, and not what went wrong when it looked why", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    let hasFailed = false;
    const broken = unlocked(disk, {
      syncDirectory() {
        hasFailed = true;
        throw new IOError("the first failure", { path: "/db" });
      },
      openSync(path, mode) {
        if (hasFailed) throw new IOError("the second failure", { path });
        return disk.openSync(path, mode);
      },
    });
    await assert.rejects(open(broken), /the first failure/);
    assert.ok(hasFailed);
    await first.close();
  });

  it("does not take a disk that fails while damage is read again for another process", async () => {
    const disk = memoryFileSystem();
    const first = disk.otherProcess();
    const db = await open(first);
    for (let i = 0; i < 3; i++) await db.set(`a${i}`, "x");
    first.kill();
    const log = (await disk.list("/db")).findLast((name) => name.endsWith(".log"));
    disk.damage(`/db/${log}`, (bytes) => bytes.map((byte, i) => i === 80 ? byte ^ 1 : byte));
    let looks = 0;
    const broken = unlocked(disk, {
      openSync(path, mode) {
        if (path.endsWith(".log") && looks++ > 0) throw new IOError("the disk failed", { path });
        return disk.openSync(path, mode);
      },
    });
    await assert.rejects(open(broken), /the disk failed/);
    assert.equal(looks, 2);
  });

  it("removes nothing that the other one has just begun before the place is its own", async () => {
    const disk = memoryFileSystem();
    await (await open(unlocked(disk))).close();
    const removing = Promise.withResolvers<void>();
    const tried = Promise.withResolvers<void>();
    let opening: Promise<DB> | undefined;
    const first = await open(unlocked(disk, {
      // The last thing that it waits for before it puts the marker in place.
      async syncDirectory() {
        if ((await disk.list("/db")).filter((name) => name.startsWith("MANIFEST-")).length !== 2) return;
        opening ??= open(unlocked(disk, {
          async remove(path) {
            removing.resolve();
            await tried.promise;
            await disk.remove(path);
          },
        }));
        await removing.promise;
      },
    }));
    await assert.rejects(first.set("a", 1), LockedError);
    tried.resolve();
    const second = await opening!;
    await first.close().catch(() => {});
    await second.set("b", 2);
    await second.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["b"]);
    assert.equal((await after.verify()).ok, true);
  });

  for (const how of ["goes on", "is opened by a third one"] as const) {
    it(`removes nothing on a full disk, where no marker can be switched, when the other one ${how}`, async () => {
      const disk = memoryFileSystem();
      const first = await open(unlocked(disk));
      await first.set("a", 1);
      // As the other one writes it just now.
      await (await disk.open("/db/000099.sst", "create")).close();
      let third: Promise<DB> | undefined;
      let syncs = 0;
      const removed: string[] = [];
      const full = unlocked(disk, {
        async remove(path) {
          removed.push(path);
          await disk.remove(path);
        },
        open(path, mode) {
          if (mode === "create") throw new NoSpaceError(`Cannot write ${path}: the disk is full (NO_SPACE)`, { path });
          return disk.open(path, mode);
        },
        // Behind the second sync there is nothing more to wait for.
        async syncDirectory() {
          if (++syncs !== 2) return;
          if (how === "goes on") return await first.compact();
          const switched = Promise.withResolvers<void>();
          third = open(unlocked(disk, {
            // The old manifest goes once the marker names the new one.
            async remove(path) {
              if (path.includes("MANIFEST")) {
                switched.resolve();
                await refused;
              }
              await disk.remove(path);
            },
          }));
          await switched.promise;
        },
      });
      const opening = open(full);
      const refused = opening.then(() => {}, () => {});
      await assert.rejects(opening, LockedError);
      assert.equal(syncs, 2);
      assert.deepEqual(removed, []);
      await third?.then((db) => db.close());
      await first.close().catch(() => {});
    });
  }

  for (const isNew of [true, false]) {
    it(`loses nothing and damages nothing where two ${isNew ? "make it" : "open it"} at once`, async () => {
      let refused = 0;
      for (let seed = 1; seed <= (LONG ? 1000 : 64); seed++) {
        const random = seededRandom(seed);
        const disk = memoryFileSystem({
          delay: () => random() < 0.5 ? turns(1 + Math.floor(random() * 6)) : undefined,
        });
        if (!isNew) {
          // No log that would have to be written anew, and no note of a close.
          const process = disk.otherProcess();
          await (await open(process)).compact();
          process.kill();
        }
        const kept: string[] = [];
        const write = async (name: string): Promise<void> => {
          const db = await open(unlocked(disk));
          try {
            for (let i = 0; i < 5; i++) {
              await db.set(`${name}${i}`, i);
              kept.push(`${name}${i}`);
            }
          } finally {
            await db.close().catch(() => {});
          }
        };
        const told = (error: unknown): void => {
          assert.ok(error instanceof LockedError, `seed ${seed}: ${error}`);
          refused++;
        };
        const one = write("a").catch(told);
        await turns(Math.floor(random() * 40));
        const other = write("b").catch(told);
        await Promise.all([one, other]);
        await using after = await open(disk);
        const shown = new Set(await keys(after));
        assert.deepEqual(kept.filter((key) => !shown.has(key)), [], `seed ${seed}`);
        assert.equal((await after.verify()).ok, true, `seed ${seed}`);
      }
      assert.ok(refused > 4, `refused ${refused} times`);
    });
  }

  it("is not refused for a record that recovery leaves out, nor for a torn one", async () => {
    const disk = memoryFileSystem();
    const first = await open(unlocked(disk));
    await first.set("a", 1);
    const log = (await disk.list("/db")).findLast((name) => name.endsWith(".log"));
    const handle = await disk.open(`/db/${log}`, "append");
    await handle.append(new Uint8Array(100).fill(7));
    await handle.close();
    await using second = await open(unlocked(disk));
    assert.deepEqual(await keys(second), ["a"]);
    await first.close().catch(() => {});
  });

  it("loses nothing that was acknowledged, however the two come between each other", async () => {
    let taken = 0;
    let refused = 0;
    for (let seed = 1; seed <= (LONG ? 1000 : 16); seed++) {
      const random = seededRandom(seed);
      const disk = memoryFileSystem({
        // Some calls take a few turns of the event loop, as a pool of threads has it.
        delay: () => random() < 0.3 ? turns(1 + Math.floor(random() * 6)) : undefined,
      });
      const kept: string[] = [];
      let isOver = false;
      const write = async (db: DB, name: string): Promise<void> => {
        for (let i = 0; !isOver; i++) {
          // While it is idle another may take its place.
          if (random() < 0.1) await turns(Math.floor(random() * 300));
          await db.set(`${name}${i}`, "x".repeat(50 + Math.floor(random() * 200)));
          kept.push(`${name}${i}`);
        }
      };
      const assertKept = async (db: DB): Promise<void> => {
        const before = [...kept];
        const shown = new Set(await keys(db));
        assert.deepEqual(before.filter((key) => !shown.has(key)), [], `seed ${seed}`);
      };
      // Of some a rename takes its time as well, and what the others do comes between a look and the step that relies on it.
      const renaming = seed % 2 === 0 ? {} : { renameSync: undefined };
      const databases = [await open(unlocked(disk))];
      const writers = [write(databases[0]!, "0-").catch(() => {})];
      try {
        for (let n = 1; n <= 4; n++) {
          await turns(Math.floor(random() * 60));
          const next = await open(unlocked(disk, renaming)).catch((error) => {
            assert.ok(error instanceof LockedError, `seed ${seed}: ${error}`);
            refused++;
          });
          if (next === undefined) continue;
          taken++;
          await assertKept(next);
          databases.push(next);
          writers.push(write(next, `${n}-`).catch(() => {}));
        }
        await turns(20);
        // The writers of those that came before end by themselves.
        await Promise.all(writers.slice(0, -1));
      } finally {
        isOver = true;
        await Promise.all(writers);
        for (const db of databases) await db.close().catch(() => {});
      }
      await using after = await open(disk);
      await assertKept(after);
      assert.equal((await after.verify()).ok, true);
    }
    console.log(`taken ${taken} times, refused ${refused} times`);
    assert.ok(taken > 2 && refused > 2);
  });
});

/** So many turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

describe("making a database where another process makes one", () => {
  it("is refused though nothing was there when it looked last", async () => {
    const disk = memoryFileSystem();
    let second: DB | undefined;
    const meanwhile = unlocked(disk, {
      async link(from, to) {
        second = await open(unlocked(disk));
        await second.set("b", 2);
        await disk.link(from, to);
      },
    });
    await assert.rejects(open(meanwhile), (error) => {
      assert.ok(error instanceof LockedError);
      assert.match(error.message, /another process is writing to it/);
      return true;
    });
    const names = await disk.list("/db");
    assert.deepEqual(names.filter((name) => name.startsWith("CURRENT.")), []);
    assert.equal(names.filter((name) => name.startsWith("MANIFEST")).length, 1);
    await second!.set("c", 3);
    await second!.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["b", "c"]);
  });

  it("makes it where a file can't have a second name, and is refused there too", async () => {
    const disk = memoryFileSystem();
    const link = (): Promise<void> => Promise.reject(new IOError("Cannot link: it can't (ENOTSUP)"));
    const first = await open(unlocked(disk, { link }));
    await first.set("a", 1);
    await first.close();
    let second: DB | undefined;
    const meanwhile = unlocked(disk, {
      async link() {
        second = await DB.open("/other", { fileSystem: unlocked(disk) });
        await link();
      },
    });
    await assert.rejects(DB.open("/other", { fileSystem: meanwhile }), LockedError);
    await second!.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["a"]);
  });

  it("makes it where a network refuses the name that it has just given", async () => {
    const disk = memoryFileSystem();
    let given = 0;
    const synced: number[] = [];
    const db = await open(unlocked(disk, {
      async link(from, to) {
        await disk.link(from, to);
        given++;
        throw new ExistsError("Cannot link: it is there (EEXIST)");
      },
      async syncDirectory(path) {
        await disk.syncDirectory(path);
        synced.push(given);
      },
    }));
    assert.equal(given, 1);
    assert.ok(synced.includes(1), "the name of the marker was not made durable");
    await db.set("a", 1);
    await db.close();
    await using after = await open(disk);
    assert.deepEqual(await keys(after), ["a"]);
  });

  it("loses nothing that was acknowledged where three make it at once, with and without second names", async () => {
    let refused = 0;
    for (let seed = 1; seed <= (LONG ? 600 : 24); seed++) {
      const random = seededRandom(seed);
      const disk = memoryFileSystem({
        delay: () => random() < 0.4 ? turns(1 + Math.floor(random() * 5)) : undefined,
      });
      const link = (): Promise<void> => Promise.reject(new IOError("Cannot link: it can't (ENOTSUP)"));
      const kept: string[] = [];
      const work = async (name: string): Promise<void> => {
        await turns(Math.floor(random() * 30));
        for (let n = 0; n < 2; n++) {
          const db = await open(unlocked(disk, seed % 2 === 0 ? { link } : {})).catch((error) => {
            assert.ok(error instanceof LockedError, `seed ${seed}: ${error}`);
            refused++;
          });
          if (db === undefined) continue;
          try {
            for (let i = 0; i < 4; i++) {
              await db.set(`${name}${n}-${i}`, 1);
              kept.push(`${name}${n}-${i}`);
            }
          } catch {
            // Another one has it by now.
          }
          await db.close().catch(() => {});
        }
      };
      await Promise.all([work("a"), work("b"), work("c")]);
      for (const keep of ["all", "none", "scattered"] as const) {
        await using after = await open(disk.fork({ keep, random }));
        const shown = new Set(await keys(after));
        assert.deepEqual(kept.filter((key) => !shown.has(key)), [], `seed ${seed}, ${keep}`);
        assert.equal((await after.verify()).ok, true, `seed ${seed}, ${keep}`);
      }
    }
    assert.ok(refused > 2);
  });
});

describe("a program that loses its lock", () => {
  const root = mkdtempSync(join(tmpdir(), "holdfast-lost-lock-"));
  after(() => rmSync(root, { recursive: true, force: true }));
  const ways: Record<string, (path: string) => void> = {
    "by copying the directory of its own open database": (path) => cpSync(path, `${path}-copy`, { recursive: true }),
    "because somebody removed the file": (path) => rmSync(join(path, "LOCK")),
  };

  it("is told so where its marker was written over in place, as by a copy of another database", async () => {
    const path = mkdtempSync(join(root, "db"));
    const other = mkdtempSync(join(root, "other"));
    await (await DB.open(other)).close();
    const db = await DB.open(path);
    await db.set("a", 1);
    // Time passes between the two as the system counts it for files.
    await new Promise((resolve) => setTimeout(resolve, 20));
    writeFileSync(join(path, "CURRENT"), readFileSync(join(other, "CURRENT")));
    await assert.rejects(db.set("b", 2), LockedError);
    await db.close().catch(() => {});
  });

  for (const [way, lose] of Object.entries(ways)) {
    it(`${way}, is told so as soon as another program has written`, async () => {
      const path = mkdtempSync(join(root, "db"));
      const db = await DB.open(path);
      await db.set("a", 1);
      lose(path);
      const program = fileURLToPath(new URL("write_and_close.ts", import.meta.url));
      const args = process.versions["deno"] === undefined ? [program] : ["run", "-A", "--no-check", program];
      const { status, stderr } = spawnSync(process.execPath, [...args, path], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      await assert.rejects(db.set("b", 2), LockedError);
      await db.close().catch(() => {});
      await using after = await DB.open(path);
      assert.deepEqual(await keys(after), ["a", "theirs"]);
    });
  }
});
