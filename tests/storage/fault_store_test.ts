import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NoSpaceError, type StorageError } from "../../lib/base/errors.ts";
import { FaultStore, randomFault, type StoreFaultKind } from "../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../lib/storage/memory_store.ts";
import type { ObjectStore, StoreCapabilities } from "../../lib/storage/object_store.ts";
import { randomFrom, SEED } from "../crash/random.ts";
import { bytesOf, isStorageError, keysOf, pattern, streamed, text, textOf } from "./helpers.ts";
import { storeSuite } from "./store_suite.ts";

storeSuite("FaultStore without faults", () => new FaultStore(new MemoryStore()));

const pair = (): { inner: MemoryStore; store: FaultStore } => {
  const inner = new MemoryStore();
  return { inner, store: new FaultStore(inner) };
};

describe("FaultStore", () => {
  it("refuses what is no fault, which would let a test pass", () => {
    const { inner, store } = pair();
    const refused = (work: () => unknown, message: RegExp): void => assert.throws(work, { name: "TypeError", message });
    refused(
      () => new FaultStore(inner, { fault: [] } as never),
      /FaultStore: unknown option "fault"; did you mean "faults"/,
    );
    refused(
      () => new FaultStore(inner, { faults: "lose" as never }),
      /"faults" must be an array of faults, not "lose"/,
    );
    refused(() => new FaultStore(inner, { delay: 5 as never }), /"delay" must be a function, not 5/);
    refused(
      () => store.inject({ at: 1, do: "loose" as never }),
      /"do" must be one of "refuse", "lose", .* not "loose"/,
    );
    refused(() => store.inject({ at: 1 } as never), /"do" is missing/);
    refused(() => store.inject({ at: "1", do: "lose" } as never), /"at" must be the number of a call or a function/);
    refused(() => store.inject({ at: 1, do: "lose", time: 2 } as never), /unknown option "time"; did you mean "times"/);
    assert.throws(() => store.inject({ at: 1, do: "lose", times: NaN }), RangeError);
    refused(() => new FaultStore(inner, { faults: [{ at: 1, do: "loose" as never }] }), /not "loose"/);
  });

  it("counts and logs every call", async () => {
    const { store } = pair();
    const put = await store.put("a", text("1"), { ifAbsent: true });
    await store.put("a", text("2"), { ifMatch: put!.etag });
    await store.get("a");
    await store.head("b");
    await store.list({ prefix: "a", after: "a" });
    await store.delete("a");
    await store.put("a", text("3"), { ifAbsent: false });
    assert.deepEqual(store.calls, [
      { index: 1, operation: "put", key: "a", option: "ifAbsent" },
      { index: 2, operation: "put", key: "a", option: "ifMatch" },
      { index: 3, operation: "get", key: "a", option: undefined },
      { index: 4, operation: "head", key: "b", option: undefined },
      { index: 5, operation: "list", key: "a", option: "after" },
      { index: 6, operation: "delete", key: "a", option: undefined },
      { index: 7, operation: "put", key: "a", option: undefined },
    ]);
  });

  it("is as large as the store below, and vouches for no bytes, which it may spoil", async () => {
    const inner = new MemoryStore() as ObjectStore & { capabilities: StoreCapabilities };
    inner.capabilities = { ...inner.capabilities, checksums: true };
    inner.freeSpace = () => Promise.resolve(1234);
    const store = new FaultStore(inner);
    assert.deepEqual(store.capabilities, { ...inner.capabilities, checksums: false });
    assert.equal(await store.freeSpace(), 1234);
    assert.deepEqual(store.calls, []);
  });

  it("refuses the call with an index, once", async () => {
    const { inner, store } = pair();
    store.inject({ at: 2, do: "refuse" });
    await store.put("a", text("1"));
    await assert.rejects(store.put("a", text("2")), (error: StorageError) => {
      assert.deepEqual([error.retryable, error.status], [true, 503]);
      return isStorageError("put", "a", /at call 2/)(error);
    });
    assert.equal(await textOf(inner, "a"), "1");
    await store.put("a", text("3"));
    assert.equal(await textOf(inner, "a"), "3");
  });

  it("refuses calls that a predicate names, as often as told, until the fault is removed", async () => {
    const { store } = pair();
    const remove = store.inject({ at: ({ key }) => key.startsWith("log/"), do: "refuse", times: Infinity });
    for (let i = 0; i < 3; i++) await assert.rejects(store.put("log/a", text("1")), isStorageError("put", "log/a"));
    await store.put("other", text("1"));
    remove();
    await store.put("log/a", text("1"));
  });

  it("throws the error it was given", async () => {
    const { store } = pair();
    store.inject({ at: 1, do: "refuse", error: ({ key }) => new NoSpaceError(`Cannot put ${key}: full (NO_SPACE)`) });
    await assert.rejects(store.put("a", text("1")), NoSpaceError);
  });

  it("loses the answer of a call that took effect", async () => {
    const { inner, store } = pair();
    store.inject({ at: () => true, do: "lose", times: 2 });
    await assert.rejects(store.put("a", text("1"), { ifAbsent: true }), isStorageError("put", "a", /"lose"/));
    assert.equal(await textOf(inner, "a"), "1");
    await assert.rejects(store.delete("a"), isStorageError("delete", "a"));
    assert.equal(await inner.head("a"), undefined);
  });

  it("ends the body of an answer that is lost, which nobody else can", async () => {
    const inner = new MemoryStore();
    let ended = 0;
    const body = {
      [Symbol.asyncIterator]: (): AsyncIterator<Uint8Array> => ({
        next: () => Promise.resolve({ done: true, value: undefined }),
        return: () => Promise.resolve({ done: true, value: void ended++ }),
      }),
    };
    inner.get = () => Promise.resolve({ size: 1, etag: undefined, body });
    for (const kind of ["lose", "dieAfter"] as const) {
      const store = new FaultStore(inner, { faults: [{ at: 1, do: kind }] });
      await assert.rejects(store.get("a"), isStorageError("get", "a"));
    }
    const store = new FaultStore(inner);
    const reading = store.get("a");
    await Promise.resolve();
    store.kill();
    await assert.rejects(reading, isStorageError("get", "a", /dead/));
    assert.equal(ended, 3);
  });

  it("tears an upload: half of the body is taken, nothing is to be seen", async () => {
    const { inner, store } = pair();
    await inner.put("old", text("old"));
    store.inject({ at: ({ operation }) => operation === "put", do: "tear", times: 4 });
    for (const key of ["old", "new"]) {
      const body = streamed(pattern(1000), 100);
      await assert.rejects(store.put(key, body), isStorageError("put", key, /"tear"/));
      assert.equal(body.closed, true);
      await assert.rejects(store.put(key, pattern(1000)), isStorageError("put", key, /"tear"/));
    }
    assert.deepEqual(await keysOf(inner), ["old"]);
    assert.equal(await textOf(inner, "old"), "old");
  });

  it("tears a download: half of a piece comes, then an error", async () => {
    const { store } = pair();
    await store.put("a", text("123456"));
    store.inject({ at: ({ operation }) => operation === "get", do: "tear" });
    const object = await store.get("a");
    let read = "";
    await assert.rejects(async () => {
      for await (const piece of object!.body) read += new TextDecoder().decode(piece);
    }, isStorageError("get", "a", /"tear"/));
    assert.equal(read, "123");
    assert.equal(await textOf(store, "a"), "123456");
  });

  it("lists as it was when told to be stale", async () => {
    const { inner, store } = pair();
    for (const key of ["a", "b", "c"]) await store.put(key, text(key));
    const remove = store.inject({ at: () => true, do: "stale", times: Infinity });
    await store.delete("b");
    await store.put("c", text("longer"));
    await store.put("d", text("d"));
    await store.put("aa", text("d"));
    await store.delete("d");
    await store.delete("a");
    await store.put("a", text("aaa"));
    assert.deepEqual(await keysOf(store), ["a", "b", "c"]);
    assert.deepEqual(await keysOf(store, { limit: 1 }), ["a", "b", "c"]);
    assert.deepEqual(await keysOf(store, { prefix: "b" }), ["b"]);
    assert.deepEqual(await store.list({ after: "b" }), { objects: [{ key: "c", size: 1 }], next: undefined });
    assert.equal((await store.list({ limit: 3 })).next, undefined);
    assert.equal(await store.head("b"), undefined);
    remove();
    assert.deepEqual(await keysOf(store), await keysOf(inner));
    assert.deepEqual(await keysOf(store), ["a", "aa", "c"]);
  });

  it("lists as it was also where a function draws that, and however long the listing is", async () => {
    const { inner, store } = pair();
    const keys = Array.from({ length: 1500 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    for (const key of keys) await inner.put(key, text("1"));
    store.inject(randomFault(() => 0, 1, ["stale"]));
    await store.delete("k0003");
    for (const key of ["a", "b", "c"]) await store.put(key, text("1"));
    assert.deepEqual(await keysOf(store), keys);
  });

  it("hides where a function draws that, and lists the rest as it is", async () => {
    const { store } = pair();
    await store.put("a", text("1"));
    await store.put("b", text("1"));
    store.inject({ at: 3, do: () => "hide", hidden: (key) => key === "a" });
    assert.deepEqual(await keysOf(store), ["b"]);
  });

  it("keeps what can befall listings alone for the next one", async () => {
    for (const kind of ["stale", "hide"] as const) {
      const { store } = pair();
      await store.put("a", text("1"));
      store.inject({ at: () => true, do: kind, hidden: () => true });
      await store.put("b", text("1"));
      assert.equal((await store.head("a"))!.size, 1);
      assert.deepEqual(await keysOf(store), kind === "stale" ? ["a"] : []);
      assert.deepEqual(await keysOf(store), ["a", "b"]);
    }
  });

  it("lists without some keys when told to hide", async () => {
    const { store } = pair();
    for (const key of ["a", "b", "c", "d"]) await store.put(key, text(key));
    store.inject({ at: () => true, do: "hide" });
    assert.deepEqual(await keysOf(store), ["a", "c"]);
    store.inject({ at: () => true, do: "hide", hidden: (key) => key > "b", times: 2 });
    assert.deepEqual(await keysOf(store, { limit: 2 }), ["a", "b"]);
    assert.deepEqual(await keysOf(store), ["a", "b", "c", "d"]);
  });

  it("can reject a listing in the middle", async () => {
    const { store } = pair();
    for (const key of ["a", "b", "c"]) await store.put(key, text(key));
    store.inject({ at: ({ option }) => option === "after", do: "refuse" });
    await assert.rejects(keysOf(store, { limit: 2 }), isStorageError("list", ""));
  });

  it("dies before or after a call, and refuses all that follow", async () => {
    for (const [kind, expected] of [["die", undefined], ["dieAfter", "1"]] as const) {
      const { inner, store } = pair();
      store.inject({ at: 1, do: kind });
      await assert.rejects(store.put("a", text("1")), isStorageError("put", "a", /dead/));
      assert.equal(store.dead, true);
      await assert.rejects(store.get("a"), isStorageError("get", "a", /dead/));
      await assert.rejects(store.list(), isStorageError("list", "", /dead/));
      await assert.rejects(store.put("a", text("2")), isStorageError("put", "a", /dead/));
      assert.equal(await textOf(inner, "a"), expected);
    }
  });

  it("breaks off what is under way when it is killed", async () => {
    const { inner, store } = pair();
    await store.put("a", pattern(5_000_000));
    const body = (await store.get("a"))!.body;
    const upload = streamed(pattern(1000), 100, (piece) => piece === 5 && store.kill());
    await assert.rejects(store.put("b", upload), isStorageError("put", "b", /dead/));
    assert.equal(upload.closed, true);
    await assert.rejects(bytesOf({ size: 0, etag: undefined, body }), isStorageError("get", "a", /dead/));
    assert.deepEqual(await keysOf(inner), ["a"]);
  });

  it("gives no answer to what is under way when it is killed, and does nothing that had not begun", async () => {
    const inner = new MemoryStore();
    const waits: (() => void)[] = [];
    const store = new FaultStore(inner, {
      delay: ({ key }) => key === "later" ? new Promise((resolve) => waits.push(resolve)) : undefined,
    });
    const later = store.put("later", text("1"));
    const put = inner.put.bind(inner);
    inner.put = (...args) => put(...args).finally(() => store.kill());
    await assert.rejects(store.put("now", text("1")), isStorageError("put", "now", /dead/));
    waits[0]!();
    await assert.rejects(later, isStorageError("put", "later", /dead/));
    assert.deepEqual(await keysOf(inner), ["now"]);
  });

  it("is as slow as told", async () => {
    const waits: (() => void)[] = [];
    const store = new FaultStore(new MemoryStore(), {
      delay: ({ operation }) => operation === "put" ? new Promise((resolve) => waits.push(resolve)) : undefined,
    });
    const put = store.put("a", text("1"));
    assert.deepEqual(await keysOf(store), []);
    waits[0]!();
    await put;
    assert.deepEqual(await keysOf(store), ["a"]);
  });

  it("lets a sweep fail each call of a piece of work in turn", async () => {
    const work = async (store: FaultStore): Promise<void> => {
      await store.put("a", text("1"));
      await store.put("b", streamed(text("22"), 1));
      await store.delete("a");
    };
    const good = pair().store;
    await work(good);
    for (const kind of ["refuse", "lose", "tear", "die", "dieAfter"] satisfies StoreFaultKind[]) {
      for (let at = 1; at <= good.calls.length; at++) {
        const { inner, store } = pair();
        store.inject({ at, do: kind });
        await assert.rejects(work(store));
        assert.equal(store.calls.length, at);
        const done = at - (kind === "lose" || kind === "dieAfter" ? 0 : 1);
        assert.deepEqual(await keysOf(inner), [[], ["a"], ["a", "b"], ["b"]][done], `${kind} at ${at}`);
      }
    }
  });

  it("draws faults from a generator, the same ones for the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const store = new FaultStore(new MemoryStore(), { faults: [randomFault(randomFrom(seed), 0.3)] });
      let outcome = "";
      for (let i = 0; i < 100; i++) {
        outcome += await store.put(`k${i}`, text("1")).then(() => ".", (error) => error.message.match(/"(.)/)?.[1]);
      }
      return outcome;
    };
    const outcome = await run(SEED);
    assert.equal(await run(SEED), outcome);
    assert.notEqual(await run(SEED + 1), outcome);
    for (const mark of ".rlt") assert.ok(outcome.includes(mark), outcome);
  });
});
