/** The directory store on a simulated disk that loses power, fails, fills up, or cannot link. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError, StorageError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { type DirectoryStore, directoryStore } from "../../lib/storage/directory_store.ts";
import { randomFrom, SEED } from "../crash/random.ts";
import { bytesOf, keysOf, pattern, streamed, text, textOf } from "./helpers.ts";
import { storeSuite } from "./store_suite.ts";

const storeOn = (fileSystem: MemoryFileSystem): DirectoryStore =>
  directoryStore("/s", { fileSystem, clock: () => 1_790_000_000_000, delay: () => Promise.resolve() });

/** What an object holds, in short; undefined: it is not there. */
type Content = string | undefined;

const LARGE = pattern(300_000);

async function contentOf(store: DirectoryStore, key: string): Promise<Content> {
  const object = await store.get(key);
  if (object === undefined) return undefined;
  const bytes = await bytesOf(object);
  if (bytes.length < 100) return new TextDecoder().decode(bytes);
  return Buffer.compare(bytes, LARGE) === 0 ? "large" : `${bytes.length} wrong bytes`;
}

/** What is known of a store's contents: what was acknowledged, and what may have happened beside it. */
class Ledger {
  readonly acknowledged = new Map<string, Content>();
  pending: { key: string; content: Content } | undefined;

  async step(key: string, content: Content, work: () => Promise<unknown>): Promise<void> {
    this.pending = { key, content };
    await work();
    this.acknowledged.set(key, content);
    this.pending = undefined;
  }

  /** Asserts that a store holds all that was acknowledged, and at most the one thing under way beside it. */
  async judge(store: DirectoryStore, context: string): Promise<void> {
    const keys = new Set([...this.acknowledged.keys(), ...(this.pending ? [this.pending.key] : [])]);
    const there: string[] = [];
    for (const key of keys) {
      const content = await contentOf(store, key);
      const allowed = [this.acknowledged.get(key), ...(this.pending?.key === key ? [this.pending.content] : [])];
      assert.ok(allowed.includes(content), `${context}: ${key} is ${content}, not ${allowed.join(" or ")}`);
      if (content !== undefined) there.push(key);
    }
    assert.deepEqual(await keysOf(store), there.sort(), `${context}: the listing`);
  }
}

/** Every kind of put and a delete, in new directories and known ones. */
async function work(store: DirectoryStore, ledger: Ledger): Promise<void> {
  const put = (key: string, content: string, options = {}): Promise<void> =>
    ledger.step(key, content, async () => assert.ok(await store.put(key, text(content), options)));
  await put("a/b/new", "1", { ifAbsent: true });
  await put("a/b/new", "2");
  await ledger.step("a/large", "large", () => store.put("a/large", streamed(LARGE, 70_000)));
  const etag = (await store.get("a/b/new"))!.etag;
  await put("a/b/new", "3", { ifMatch: etag });
  await put("top", "4");
  await ledger.step("a/b/new", undefined, () => store.delete("a/b/new"));
  await put("a/b/new", "5", { ifAbsent: true });
  await ledger.step("a/large", undefined, () => store.delete("a/large"));
  await put("a/large", "6");
}

async function operationsOfWork(): Promise<number> {
  const disk = memoryFileSystem();
  await work(storeOn(disk), new Ledger());
  return disk.operations;
}

describe("DirectoryStore when the power goes", () => {
  it("at any operation keeps what was acknowledged, and every object whole", async () => {
    const operations = await operationsOfWork();
    assert.ok(operations > 50);
    for (let cut = 1; cut <= operations; cut++) {
      const disk = memoryFileSystem();
      disk.cutPowerAt(cut);
      const ledger = new Ledger();
      await assert.rejects(work(storeOn(disk), ledger), StorageError);
      const outcomes = [{ keep: "none" }, { keep: "all" }] as const;
      const random = [1, 2, 3, 4].map((n) =>
        ({ keep: n % 2 === 1 ? "random" : "scattered", random: randomFrom(SEED, cut, n) }) as const
      );
      for (const [index, outcome] of [...outcomes, ...random].entries()) {
        const after = disk.crash(outcome);
        const store = storeOn(after);
        const context = `cut at ${cut}, outcome ${index}; again with HOLDFAST_SEED=${SEED}`;
        await ledger.judge(store, context);
        // The one who was interrupted does it again, and all goes on.
        await store.put("a/b/new", text("again"));
        await store.delete("a/large");
        assert.equal(await textOf(store, "a/b/new"), "again", context);
        await store.put("a/large", text("last"), { ifAbsent: true });
        assert.deepEqual((await keysOf(store)).filter((key) => key !== "top"), ["a/b/new", "a/large"], context);
      }
    }
  });

  it("keeps what a put with ifAbsent found there, also when the one who made it was killed in the middle", async () => {
    for (let killedAt = 1;; killedAt++) {
      let seen = 0;
      const disk = memoryFileSystem({
        beforeOperation: () => {
          if (++seen === killedAt) first.kill();
        },
      });
      const first = disk.otherProcess();
      const killed = await storeOn(first).put("a/b", text("same"), { ifAbsent: true }).then(() => false, () => true);
      const second = storeOn(disk.otherProcess());
      const put = await second.put("a/b", text("same"), { ifAbsent: true });
      const after = storeOn(disk.crash({ keep: "none" }));
      assert.equal(await textOf(after, "a/b"), "same", `killed at ${killedAt}, ${put ? "put again" : "found"}`);
      if (!killed) break;
      assert.ok(killedAt < 100);
    }
  });

  it("keeps what a put found there whose condition did not hold: its own, when only the sync of a try before failed", async () => {
    for (const tried of ["ifMatch", "ifAbsent"] as const) {
      const disk = memoryFileSystem();
      const store = storeOn(disk);
      const { etag } = (await store.put("a/head", text("1")))!;
      const key = tried === "ifMatch" ? "a/head" : "a/new";
      const condition = tried === "ifMatch" ? { ifMatch: etag } : { ifAbsent: true };
      const heal = disk.inject({ at: ({ name, path }) => name === "syncDirectory" && path === "/s/a", do: "fail" });
      await assert.rejects(store.put(key, text("2"), condition), StorageError);
      heal();
      assert.equal(await store.put(key, text("2"), condition), undefined);
      assert.equal(await contentOf(store, key), "2");
      assert.equal(await contentOf(storeOn(disk.crash({ keep: "none" })), key), "2", tried);
    }
  });
});

describe("DirectoryStore when a call of the system fails", () => {
  it("rejects or succeeds, leaves no part, and does it the next time", async () => {
    let failed = 0;
    for (let failing = 1;; failing++) {
      let calls = 0;
      let armed = true;
      let struck: string | undefined;
      const disk = memoryFileSystem({
        beforeOperation: ({ name, path }) => {
          if (!armed || ++calls !== failing) return;
          struck = name;
          throw new IOError(`Cannot ${name} ${path}: injected (EIO)`, { path });
        },
      });
      const store = storeOn(disk);
      const ledger = new Ledger();
      await work(store, ledger).catch((error) => {
        failed++;
        assert.ok(error instanceof StorageError && error.retryable, `${struck}: ${error}`);
        assert.ok(error.cause instanceof IOError);
      });
      armed = false;
      await ledger.judge(store, `call ${failing}, ${struck}`);
      if (struck !== "remove" && await disk.stat("/s/.tmp~") !== undefined) {
        assert.deepEqual(await disk.list("/s/.tmp~"), [], `call ${failing}, ${struck}`);
      }
      await store.put("a/b/new", text("again"));
      await store.delete("a/large");
      assert.equal(await textOf(store, "a/b/new"), "again");
      if (struck === undefined) break;
    }
    assert.ok(failed > 40, `${failed} calls failed`);
  });

  it("never gives a listing with a part missing", async () => {
    for (let failing = 1;; failing++) {
      let calls = 0;
      let armed = false;
      const disk = memoryFileSystem({
        beforeOperation: ({ name, path }) => {
          if (armed && ++calls === failing) throw new IOError(`Cannot ${name} ${path}: injected (EIO)`, { path });
        },
      });
      const store = storeOn(disk);
      for (const key of ["a", "b/c", "b/d/e", "f/g"]) await store.put(key, text(key));
      armed = true;
      const page = await store.list().catch((error) => {
        assert.ok(error instanceof StorageError);
        return undefined;
      });
      if (page !== undefined) assert.deepEqual(page.objects.map(({ key }) => key), ["a", "b/c", "b/d/e", "f/g"]);
      if (calls < failing) break;
      assert.equal(page, undefined, `call ${failing}`);
    }
  });

  it("passes on that the disk is full, and leaves its space as it was", async () => {
    const disk = memoryFileSystem({ capacityBytes: 100_000 });
    const store = storeOn(disk);
    await store.put("a", text("old"));
    const used = disk.usedBytes;
    assert.equal(await store.freeSpace(), 100_000 - used);
    for (const body of [LARGE, streamed(LARGE, 1000)]) {
      for (const key of ["a", "b"]) await assert.rejects(store.put(key, body), NoSpaceError);
    }
    assert.equal(disk.usedBytes, used);
    assert.deepEqual(await keysOf(store), ["a"]);
    disk.capacityBytes = 1_000_000;
    await store.put("b", LARGE);
    assert.equal(await contentOf(store, "b"), "large");
  });
});

/** A disk whose file system has no links, as that of many memory cards. */
function linkless(): MemoryFileSystem {
  return memoryFileSystem({
    beforeOperation: ({ name, path }) => {
      if (name !== "link") return;
      const cause = Object.assign(new Error("not supported"), { code: "ENOTSUP" });
      throw new IOError(`Cannot link ${path}: the file system cannot do it (ENOTSUP)`, { path, cause });
    },
  });
}

storeSuite("DirectoryStore without links", () => storeOn(linkless()));

describe("DirectoryStore without links", () => {
  it("lets one of two processes win a name", async () => {
    const disk = linkless();
    const stores = [1, 2, 3].map(() => storeOn(disk.otherProcess()));
    for (let round = 0; round < 10; round++) {
      const puts = await Promise.all(stores.map((store, i) => store.put(`${round}`, text(`${i}`), { ifAbsent: true })));
      assert.equal(puts.filter((put) => put !== undefined).length, 1);
      assert.equal(await textOf(stores[0]!, `${round}`), `${puts.findIndex((put) => put !== undefined)}`);
    }
  });
});
