/** The directory store on real files, in this process and between processes. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { type DirectoryStore, directoryStore, type DirectoryStoreOptions } from "../../lib/storage/directory_store.ts";
import { bytesOf, isStorageError, keysOf, pattern, streamed, text, textOf } from "./helpers.ts";
import { raceAt } from "./races.ts";
import { storeSuite } from "./store_suite.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-store-"));
let places = 0;
const newPlace = (): string => join(root, String(++places));
after(() => rmSync(root, { recursive: true, force: true }));

storeSuite("DirectoryStore on real files", () => directoryStore(newPlace()));
storeSuite("DirectoryStore on the simulated disk", () => directoryStore("/s", { fileSystem: memoryFileSystem() }));

/** Every file and directory below `path`, without what the store needs for itself unless asked. */
function below(path: string, all = false): string[] {
  return readdirSync(path, { recursive: true }).map(String).filter((name) => all || !name.includes("~")).sort();
}

/** See `raceAt`. */
const race = (directory: string, names: string[], count: number, work: string): Promise<number[]> =>
  raceAt(directory, names, count, work, [`--allow-read=${root}`, `--allow-write=${root}`]);

describe("DirectoryStore", () => {
  it("is made by its first put, below a directory that is there", async () => {
    const place = newPlace();
    const store = directoryStore(pathToFileURL(place));
    assert.equal(store.name, `directory ${place}`);
    assert.deepEqual(await store.list(), { objects: [], next: undefined });
    assert.ok((await store.freeSpace() ?? 1) > 0);
    await store.delete("a");
    assert.deepEqual(readdirSync(root).includes(String(places)), false);
    await store.put("a", text("1"));
    assert.deepEqual(below(place), ["a"]);
    const orphan = directoryStore(join(place, "none", "store"));
    await assert.rejects(orphan.put("a", text("1")), isStorageError("put", "a", /is not there; make it/));
  });

  it("keeps objects as plain files that others may put there too", async () => {
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("a/b.json", text("{}"));
    writeFileSync(join(place, "a", "by hand"), "no key");
    writeFileSync(join(place, "a", "by-hand"), "a key");
    assert.deepEqual(below(place), ["a", "a/b.json", "a/by hand", "a/by-hand"]);
    assert.deepEqual(await keysOf(store), ["a/b.json", "a/by-hand"]);
    assert.equal(await textOf(store, "a/by-hand"), "a key");
  });

  it("leaves nothing of its own behind but the lock file and an empty directory", async () => {
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("a", text("1"));
    await store.put("a", text("2"));
    await store.put("a", text("3"), { ifAbsent: true });
    await store.put("a", text("3"), { ifMatch: "none" });
    await store.put("b", streamed(pattern(10), 1, () => Promise.reject(new Error("broken")))).catch(() => {});
    await store.delete("a");
    assert.deepEqual(below(place, true), [".lock~", ".tmp~"]);
  });

  it("keeps no file open: of a small object none, of a large one none that was read, left or failed", async () => {
    const fileSystem = memoryFileSystem();
    const store = directoryStore("/s", { fileSystem });
    await store.put("a", pattern(1000));
    await store.get("a");
    await store.get("a", { offset: 10, length: 10 });
    await store.put("b", pattern(2.5 * 2 ** 20));
    await bytesOf(await store.get("b"));
    for await (const _ of (await store.get("b"))!.body) break;
    for (const reuse of [false, true]) {
      await store.put("b", pattern(2.5 * 2 ** 20));
      const cut = async (): Promise<void> => {
        for await (const _ of (await store.get("b", { reuse }))!.body) {
          const file = await fileSystem.open("/s/b", "append");
          await file.truncate(2 ** 20);
          await file.close();
        }
      };
      await assert.rejects(cut(), isStorageError("get", "b", /it ends before byte 2097152/));
    }
    await store.delete("a");
    await store.delete("b");
    // The space of a file that is open is not free.
    assert.equal(fileSystem.usedBytes, 0);
  });

  it("makes files and directories for this user alone", async () => {
    if (process.platform === "win32") return; // No such rights there.
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("a/b", text("1"));
    await store.put("a/b", text("2"));
    await store.put("a/c", text("2"), { ifAbsent: true });
    const rights = (name: string): string => (statSync(join(place, name)).mode & 0o777).toString(8);
    assert.deepEqual(["", "a", ".tmp~"].map(rights), ["700", "700", "700"]);
    assert.deepEqual(["a/b", "a/c", ".lock~"].map(rights), ["600", "600", "600"]);
  });

  it("says what is in the way of a key", async () => {
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("a", text("1"));
    await assert.rejects(store.put("a/b/c", text("2")), isStorageError("put", "a/b/c", /: a is an object, /));
    await store.put("d/e/f", text("1"));
    for (const options of [{}, { ifAbsent: true }]) {
      await assert.rejects(store.put("d/e", text("2"), options), isStorageError("put", "d/e", /objects below d\/e\//));
    }
    writeFileSync(`${place}-file`, "");
    const file = directoryStore(`${place}-file`);
    await assert.rejects(file.put("a", text("1")), isStorageError("put", "a", /it is a file/));
    await assert.rejects(file.list(), isStorageError("list", ""));
    assert.equal(await file.get("a"), undefined);
    assert.deepEqual(await keysOf(store), ["a", "d/e/f"]);
  });

  it("lets a key have the name of a directory whose objects are gone", async () => {
    const store = directoryStore(newPlace());
    await store.put("a/b/c", text("1"));
    await store.put("a/d", text("1"));
    await store.delete("a/b/c");
    await store.delete("a/d");
    for (const options of [{}, { ifAbsent: true }]) {
      assert.ok(await store.put("a", text("2"), options));
      await store.delete("a");
      await store.put("a/b/c", text("3"));
      assert.deepEqual(await keysOf(store), ["a/b/c"]);
      await store.delete("a/b/c");
    }
  });

  it("survives directories that someone removes", async () => {
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("a/b/c", text("1"));
    rmSync(join(place, "a"), { recursive: true });
    await store.put("a/b/c", text("2"), { ifAbsent: true });
    rmSync(join(place, ".tmp~"), { recursive: true });
    await store.put("a/b/d", text("3"));
    rmSync(place, { recursive: true });
    assert.deepEqual(await keysOf(store), []);
    await store.put("a/b/e", text("4"));
    assert.deepEqual(await keysOf(store), ["a/b/e"]);
    const body = streamed(pattern(10), 5, (piece) => piece === 1 && rmSync(join(place, "a"), { recursive: true }));
    await store.put("a/b/f", body);
    assert.deepEqual(await keysOf(store), ["a/b/f"]);
    const lost = streamed(pattern(10), 5, (piece) => piece === 1 && rmSync(join(place, ".tmp~"), { recursive: true }));
    await assert.rejects(store.put("a/b/g", lost), isStorageError("put", "a/b/g", /nothing is there/));
    await store.put("a/b/g", text("5"));
  });

  it("removes what a crash left a day ago, and nothing younger", async () => {
    const place = newPlace();
    const day = 24 * 3600_000;
    const now = 1_790_000_000_000;
    mkdirSync(join(place, ".tmp~"), { recursive: true });
    const names = [now - day - 1, now - day, now + day].map((time) => `${time}-0123456789abcdef`);
    for (const name of [...names, "foreign"]) writeFileSync(join(place, ".tmp~", name), "left");
    const store = directoryStore(place, { clock: () => now });
    assert.deepEqual(await keysOf(store), []);
    await store.put("a", text("1"));
    assert.deepEqual(readdirSync(join(place, ".tmp~")).sort(), [...names.slice(1), "foreign"]);
  });

  it("removes what a crash left shortly before a program began that goes on for long", async () => {
    const place = newPlace();
    const hour = 3600_000;
    let now = 1_790_000_000_000;
    mkdirSync(join(place, ".tmp~"), { recursive: true });
    writeFileSync(join(place, ".tmp~", `${now - hour}-0123456789abcdef`), "left");
    const store = directoryStore(place, { clock: () => now });
    for (const [hours, left] of [[0, 1], [22, 1], [24, 0]] as const) {
      now = 1_790_000_000_000 + hours * hour;
      await store.put(`after-${hours}-hours`, text("1"));
      assert.equal(readdirSync(join(place, ".tmp~")).length, left, `after ${hours} hours`);
    }
  });

  it("keeps what it is writing itself, as on a machine that slept for days in between", async () => {
    let now = 1_790_000_000_000;
    const place = newPlace();
    const store = directoryStore(place, { clock: () => now });
    const slow = streamed(pattern(10), 5, async (piece) => {
      if (piece !== 1) return;
      now += 3 * 24 * 3600_000;
      await store.put("b", text("2"));
    });
    await store.put("a", slow);
    assert.deepEqual(Buffer.from(await bytesOf(await store.get("a"))), Buffer.from(pattern(10)));
    assert.deepEqual(readdirSync(join(place, ".tmp~")), []);
  });

  it("reads an object on as it was while it is replaced and removed", async () => {
    const store = directoryStore(newPlace());
    const bytes = pattern(3 * 2 ** 20);
    await store.put("a", bytes);
    const object = await store.get("a");
    await store.put("a", text("new"));
    await store.delete("a");
    assert.deepEqual(Buffer.compare(await bytesOf(object), bytes), 0);
  });

  it("refuses wrong arguments", () => {
    assert.throws(() => directoryStore(""), TypeError);
    assert.throws(() => directoryStore(7 as never), TypeError);
    assert.throws(() => directoryStore("a", { filesystem: 1 } as never), /did you mean "fileSystem"/);
    assert.throws(() => directoryStore("a", { fileSystem: {} } as never), TypeError);
  });
});

describe("DirectoryStore between processes", () => {
  it("gives each name to one of those who put with ifAbsent", async () => {
    const place = newPlace();
    const won = await race(place, ["1", "2", "3"], 60, "absent");
    assert.equal(won.reduce((sum, count) => sum + count), 60, `won: ${won}`);
    const store = directoryStore(place);
    const found = [0, 0, 0];
    for (const key of await keysOf(store)) found[Number(await textOf(store, key)) - 1]!++;
    assert.deepEqual(found, won);
    assert.deepEqual(readdirSync(join(place, ".tmp~")), []);
  });

  it("loses no increment of those who put with ifMatch", async () => {
    const place = newPlace();
    const tries = await race(place, ["1", "2", "3"], 40, "match");
    assert.equal(await textOf(directoryStore(place), "counter"), "120", `tries: ${tries}`);
    assert.deepEqual(below(place, true), [".lock~", ".tmp~", "counter"]);
  });

  it("replaces and removes whole objects while others read", async () => {
    const place = newPlace();
    const store = directoryStore(place);
    await store.put("replaced", text("0".repeat(1000)));
    let running = true;
    const done = race(place, ["1", "2"], 60, "replace").finally(() => running = false);
    let reads = 0;
    while (running) {
      assert.match(await textOf(store, "replaced") ?? "missing", /^(.)\1{999}$/);
      assert.match(await textOf(store, "deleted") ?? "1", /^[12]$/);
      for (const { key, size } of (await store.list()).objects) assert.equal(size, key === "replaced" ? 1000 : 1);
      reads++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await done, [60, 60]);
    assert.ok(reads > 0);
    assert.deepEqual(await keysOf(store), ["deleted", "replaced"]);
  });

  it("works for two stores of one process as well", async () => {
    const place = newPlace();
    const stores = [1, 2, 3].map(() => directoryStore(place));
    await stores[0]!.put("counter", text("0"));
    const increment = async (store: DirectoryStore): Promise<void> => {
      for (let i = 0; i < 20;) {
        const object = await store.get("counter");
        const next = Number(new TextDecoder().decode(await bytesOf(object))) + 1;
        if (await store.put("counter", text(String(next)), { ifMatch: object!.etag })) i++;
      }
    };
    await Promise.all(stores.map(increment));
    assert.equal(await textOf(stores[0]!, "counter"), "60");
  });

  it("waits for the lock a bounded time, and less when told to give up", async () => {
    const fs = memoryFileSystem();
    const pauses: number[] = [];
    const options: DirectoryStoreOptions = {
      fileSystem: fs.otherProcess(),
      delay: (ms) => {
        pauses.push(ms);
        return Promise.resolve();
      },
    };
    const store = directoryStore("/s", options);
    await store.put("a", text("1"));
    const lock = await fs.lock("/s/.lock~");
    const refused = isStorageError("put", "a", /locked by another process/);
    await assert.rejects(store.put("a", text("2")), refused);
    const waited = pauses.reduce((sum, ms) => sum + ms, 0);
    assert.ok(waited > 5000 && waited < 15_000, `${waited} ms`);
    // What needs no lock goes on.
    await store.put("b", text("1"));
    assert.equal(await store.put("a", text("2"), { ifAbsent: true }), undefined);
    const giveUp = new AbortController();
    const reason = new Error("enough");
    pauses.length = 0;
    const deletion = store.delete("a", { signal: giveUp.signal });
    giveUp.abort(reason);
    await assert.rejects(deletion, (error) => error === reason);
    assert.ok(pauses.length < 5);
    lock.release();
    await store.put("a", text("3"));
    assert.equal(await textOf(store, "a"), "3");
  });
});
