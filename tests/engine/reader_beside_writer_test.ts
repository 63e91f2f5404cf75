import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, IOError } from "../../mod.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { settle } from "../db/helpers.ts";

describe("a reader beside a writer", () => {
  it("does not take a record that was read while it was written for damage", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await writer.set("first", "x");
    const end = lastByte(await logBytes(disk)) + 1;
    await writer.set("second", "x");
    await writer.set("third", "x");
    // The reader's first look at the log is older than its second one: there the second record is not whole yet.
    let looks = 0;
    const late = withReads(disk, (path, bytes, position) => {
      if (!path.endsWith(".log") || position > end || position + bytes.length <= end || looks++ > 0) return;
      bytes[end - position + 2]! ^= 0xff;
    });
    await using reader = await DB.open("/db", { fileSystem: late, readOnly: true });
    assert.ok(looks > 1);
    assert.equal(await reader.get("third"), "x");
  });

  it("does not take a log that the writer has let go since for damage", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess(), history: { maxBytes: 0 } });
    await writer.set("a", "x");
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    await writer.compact();
    await writer.set("b", "x");
    assert.deepEqual((await disk.list("/db")).filter((name) => name.endsWith(".log")), ["000003.log"]);
    const { ok, problems } = await reader.verify();
    assert.deepEqual([ok, problems], [true, []]);
    assert.equal(await reader.get("a"), "x");
    // One that is gone though the manifest names it is damage here too.
    await reader.refresh();
    await disk.remove("/db/000003.log");
    assert.deepEqual((await reader.verify()).problems.map(({ file }) => file), ["000003.log"]);
  });

  it("opens where the writer has begun another manifest since its marker was read", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await writer.set("a", "x");
    disk.inject({ at: ({ name, path }) => name === "open" && path.includes("MANIFEST"), do: "fail" });
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    assert.equal(await reader.get("a"), "x");
  });

  it("opens where the writer removes a file that it is about to open, and gives back those that it had", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess(), blobBytes: 100 });
    await writer.set("a", "a".repeat(200));
    await writer.compact();
    let looks = 0;
    const left: string[] = [];
    const meanwhile = new Proxy<FileSystem>(disk, {
      get(target, name) {
        if (name === "list") {
          return async (path: string): Promise<string[]> => {
            if (looks++ === 0) {
              await writer.set("b", 1);
              // The manifest grows, and goes on under its number.
              await writer.compact();
            }
            return await target.list(path);
          };
        }
        const value = Reflect.get(target, name) as unknown;
        if (name !== "openSync") return typeof value === "function" ? value.bind(target) : value;
        return (path: string, mode: "read"): FileHandle => {
          // As networks say it.
          if (path.endsWith(".blob") && looks === 1) throw new IOError(`Cannot open ${path}: stale (ESTALE)`, { path });
          const handle = target.openSync(path, mode);
          left.push(path);
          return new Proxy(handle, {
            get(of, what) {
              if (what === "closeSync") left.splice(left.indexOf(path), 1);
              const own = Reflect.get(of, what) as unknown;
              return typeof own === "function" ? own.bind(of) : own;
            },
          });
        };
      },
    });
    // The other files stay: somebody reads them.
    const reading = writer.list();
    await reading.next();
    const reader = await DB.open("/db", { fileSystem: meanwhile, readOnly: true });
    assert.equal(await reader.get("b"), 1);
    assert.ok(left.length > 0);
    await reader.close();
    assert.deepEqual([looks, left], [2, []]);
    await reading.return?.();
  });

  it("still reports what is damaged each time it is read", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    await writer.set("first", "x");
    const end = lastByte(await logBytes(disk)) + 1;
    await writer.set("second", "x");
    await writer.set("third", "x");
    const damaged = withReads(disk, (path, bytes, position) => {
      const at = end + 2 - position;
      if (path.endsWith(".log") && at >= 0 && at < bytes.length) bytes[at]! ^= 0xff;
    });
    await assert.rejects(DB.open("/db", { fileSystem: damaged, readOnly: true }), { name: "CorruptionError" });
  });

  it("opens its files in slices, when it is opened and at a refresh: there may be thousands", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess(), tuning: { tableBytes: 1024 } });
    const noise = (i: number): Uint8Array => new Uint8Array(100).map((_, at) => (i * 7919 + at * at * 31) % 251);
    await writer.setMany(Array.from({ length: 400 }, (_, i) => [`k${i}`, noise(i)] as const));
    await writer.compact();
    let turn = 0;
    const turns = new Set<number>();
    const openSync = disk.openSync.bind(disk);
    disk.openSync = (path, mode) => {
      if (path.endsWith(".sst")) turns.add(turn);
      return openSync(path, mode);
    };
    let isDone = false;
    const count = (): void => {
      turn++;
      if (!isDone) setImmediate(count);
    };
    count();
    let ms = 0;
    // Each look at this clock finds a slice used up.
    const tuning = { monotonic: () => ms += 2 };
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true, tuning });
    const opened = turns.size;
    await writer.set("k", 1);
    await reader.refresh();
    isDone = true;
    assert.ok(opened > 20, `${opened} turns`);
    assert.ok(turns.size > 2 * opened - 3, `${turns.size} turns`);
    assert.deepEqual(await reader.get("k399"), noise(399));
  });

  it("never goes back, also when a refresh is overtaken by the next one", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    const { promise: overtaken, resolve: goOn } = Promise.withResolvers<void>();
    let lists = 0;
    const slow = new Proxy<FileSystem>(disk, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        // The first refresh has read manifest and log by then.
        if (name === "list") {
          return (path: string) => (++lists === 2 ? overtaken : Promise.resolve()).then(() => target.list(path));
        }
        return value.bind(target);
      },
    });
    await using reader = await DB.open("/db", { fileSystem: slow, readOnly: true });
    await writer.set("a", 1);
    const first = reader.refresh();
    while (lists < 2) await settle();
    await writer.set("a", 2);
    const second = reader.refresh();
    for (let turn = 0; turn < 20; turn++) await settle();
    goOn();
    await Promise.all([first, second]);
    assert.equal(await reader.get("a"), 2);
  });

  it("says that history is gone whose segments the writer has removed", async () => {
    const disk = memoryFileSystem();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess(), history: { maxBytes: 0 } });
    await writer.set("a", 1);
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    await writer.compact();
    await assert.rejects(reader.changes().next(), { name: "HistoryGoneError" });
    await reader.refresh();
    await assert.rejects(reader.changes().next(), { name: "HistoryGoneError" });
  });

  it("says so where the writer has written others since and was closed", async () => {
    const disk = memoryFileSystem();
    const writer = await DB.open("/db", { fileSystem: disk.otherProcess(), history: { maxBytes: 0 } });
    await writer.set("a", 1);
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    await writer.compact();
    await writer.set("b", 1);
    await writer.close();
    await assert.rejects(reader.changes().next(), { name: "HistoryGoneError" });
  });

  it("reads the history on that the writer has written anew behind a kill", async () => {
    const disk = memoryFileSystem();
    const killed = disk.otherProcess();
    const first = await DB.open("/db", { fileSystem: killed });
    for (const key of ["a", "b", "c"]) await first.set(key, 1);
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    const under = reader.changes();
    await under.next();
    killed.kill();
    await using writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    const versions = async (): Promise<number[]> =>
      (await Array.fromAsync(reader.changes({ since: 1 }))).map(({ version }) => version);
    assert.deepEqual(await versions(), [2, 3]);
    // What is written behind it comes with the next refresh.
    await writer.set("d", 1);
    assert.deepEqual(await versions(), [2, 3]);
    await writer.compact();
    assert.deepEqual((await Array.fromAsync(under)).map(({ version }) => version), [2, 3]);
    await reader.refresh();
    assert.deepEqual(await versions(), [2, 3, 4]);
  });

  it("goes on in what was written anew where it had come to, and tells no change twice", async () => {
    const disk = memoryFileSystem();
    const killed = disk.otherProcess();
    const first = await DB.open("/db", { fileSystem: killed });
    // More than are read at once.
    const count = 1000;
    await Promise.all(Array.from({ length: count }, (_, i) => first.set(`k${i}`, i)));
    await using reader = await DB.open("/db", { fileSystem: disk, readOnly: true });
    const changes = reader.changes();
    const seen = [(await changes.next()).value!.version];
    killed.kill();
    await using _writer = await DB.open("/db", { fileSystem: disk.otherProcess() });
    for await (const { version } of changes) seen.push(version);
    assert.deepEqual(seen, Array.from({ length: count }, (_, i) => i + 1));
  });
});

async function logBytes(disk: FileSystem): Promise<Uint8Array> {
  const name = (await disk.list("/db")).findLast((each) => each.endsWith(".log"))!;
  const handle = await disk.open(`/db/${name}`, "read");
  const bytes = new Uint8Array(handle.sizeSync());
  await handle.readAt(bytes, 0);
  await handle.close();
  return bytes;
}

function lastByte(bytes: Uint8Array): number {
  return bytes.findLastIndex((byte) => byte !== 0);
}

/** The disk, with what is read from it shown to `look`, which may change it. */
function withReads(
  disk: FileSystem,
  look: (path: string, bytes: Uint8Array, position: number) => void,
): FileSystem {
  const wrap = (handle: FileHandle): FileHandle =>
    new Proxy(handle, {
      get(target, name) {
        if (name === "readAtSync") {
          return (into: Uint8Array, position: number): number => {
            const count = target.readAtSync(into, position);
            look(target.path, into.subarray(0, count), position);
            return count;
          };
        }
        const value = Reflect.get(target, name) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  return new Proxy(disk, {
    get(target, name) {
      if (name === "openSync") return (...args: Parameters<FileSystem["openSync"]>) => wrap(target.openSync(...args));
      const value = Reflect.get(target, name) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
