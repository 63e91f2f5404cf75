/** The claim to write to a store that decides no conditions: what fails, what is slow, who gives up, and what stays behind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { abortable } from "../../../lib/base/abort.ts";
import { PermissionError, RepositoryLockedError, StorageError } from "../../../lib/base/errors.ts";
import { delayWith } from "../../../lib/base/timers.ts";
import { withReaderLease } from "../../../lib/backup/repository/restoring/source.ts";
import { keysOf, text, textOf } from "../../storage/helpers.ts";
import { FakeTime } from "./fake_timers.ts";
import { House, MIDNIGHT } from "./house.ts";
import { meanwhile, MINUTE, over, Program, SECOND, writeUntil } from "./programs.ts";
import { UnconditionalStore } from "./unconditional_store.ts";

const ABSENT = { ifAbsent: true };

describe("a claim to write", () => {
  it("is not taken over from a living program where an answer about it comes minutes late", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    const first = new Program(store, time);
    await first.store.put("b", text("1"), ABSENT);
    const writing = { over: false };
    const writes = writeUntil(first, time, writing);
    let looks = 0;
    const slow = over(store, {
      async get(key, options) {
        const found = await store.get(key, options);
        if (key.startsWith("writers/") && ++looks === 2) await delayWith(time, 3 * MINUTE);
        return found;
      },
    });
    const { error } = await meanwhile(time, new Program(slow, time).store.put("a", text("1"), ABSENT));
    assert.ok(error instanceof RepositoryLockedError, String(error));
    writing.over = true;
    await meanwhile(time, writes);
  });

  for (const failing of ["put", "list", "get"] as const) {
    it(`leaves nothing behind where a ${failing} fails that it takes, be it that its answer was lost`, async () => {
      const time = new FakeTime(MIDNIGHT);
      const inner = new UnconditionalStore();
      const others = failing === "get" ? ["writers/other.json"] : [];
      for (const key of others) await inner.put(key, text("{}"));
      let isPut = failing === "get";
      const lost = (now: string): void => {
        if (failing === now && isPut) throw new StorageError("away", { operation: now, key: "", retryable: false });
      };
      const store = over(inner, {
        async put(key, body, options) {
          const put = await inner.put(key, body, options);
          isPut = true;
          lost("put");
          return put;
        },
        async list(options) {
          lost("list");
          return await inner.list(options);
        },
        async get(key, options) {
          lost("get");
          return await inner.get(key, options);
        },
      });
      const { error } = await meanwhile(time, new Program(store, time).store.put("a", text("1"), ABSENT));
      assert.ok(error instanceof StorageError, String(error));
      assert.deepEqual(await keysOf(inner), others);
      assert.equal(time.keeping, 0, "nothing keeps the process");
    });
  }

  it("is waited for no longer than a signal lets it, and put for nobody then", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    await store.put("writers/odd.json", text("{}"));
    const program = new Program(store, time);
    const abort = new AbortController();
    time.set(30 * SECOND, () => abort.abort(new Error("no")), false);
    const { signal } = abort;
    const { error, took } = await meanwhile(time, program.store.put("a", text("1"), { ifAbsent: true, signal }));
    assert.equal(error, signal.reason);
    assert.equal(took, 30 * SECOND);
    await time.advance(5 * SECOND);
    assert.equal(time.keeping, 0, "nothing keeps the process");
    await time.advance(5 * MINUTE);
    assert.deepEqual(await keysOf(store), ["writers/odd.json"]);
    assert.equal((await meanwhile(time, program.store.put("a", text("1"), ABSENT))).error, undefined);
    await program.claim.letGo();
    assert.deepEqual(await keysOf(store), ["a"]);
  });

  it("is let go where a signal ended the wait for it while it was put", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    const abort = new AbortController();
    const store = over(inner, {
      async put(key, body, options) {
        abort.abort(new Error("no"));
        return await inner.put(key, body, options);
      },
    });
    const put = new Program(store, time).store.put("a", text("1"), { ifAbsent: true, signal: abort.signal });
    assert.equal((await meanwhile(time, put)).error, abort.signal.reason);
    await time.advance(5 * SECOND);
    assert.deepEqual(await keysOf(inner), []);
  });

  for (const key of ["locks/a.json", "objects/00/00"]) {
    it(`${key[0] === "l" ? "stays" : "goes"} where a put of ${key} was given up that may still arrive`, async () => {
      const time = new FakeTime(MIDNIGHT);
      const inner = new UnconditionalStore();
      const abort = new AbortController();
      const store = over(inner, {
        async put(name, body, options) {
          if (name !== key) return await inner.put(name, body, options);
          const arrival = delayWith(time, 10 * SECOND).then(() => inner.put(name, body));
          return await abortable(arrival, options?.signal);
        },
      });
      const first = new Program(store, time);
      time.set(SECOND, () => abort.abort(new Error("no")), false);
      const put = first.store.put(key, text("first"), { ifAbsent: true, signal: abort.signal });
      assert.equal((await meanwhile(time, put)).error, abort.signal.reason);
      await first.claim.letGo();
      const second = new Program(inner, time);
      const { took, value } = await meanwhile(time, second.store.put(key, text("second"), ABSENT));
      await second.claim.letGo();
      await time.advance(MINUTE);
      if (key.startsWith("objects/")) assert.equal(took, 0, "it is the same whenever it comes");
      else {
        assert.ok(took >= 2 * MINUTE, `${took} ms`);
        assert.equal(value, undefined, "it has come");
        assert.equal(await textOf(inner, key), "first");
      }
      assert.deepEqual(await keysOf(inner), [key]);
      // A program that goes on writes, and removes it in the end.
      await first.store.put("a", text("1"), ABSENT);
      await time.advance(5 * SECOND);
      assert.deepEqual(await keysOf(inner), ["a", key]);
    });
  }

  it("is held for a minute behind a put without an answer, though nothing is written any more", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let fails = true;
    const store = over(inner, {
      async put(key, body, options) {
        const put = await inner.put(key, body, options);
        if (key !== "a" || !fails) return put;
        fails = false;
        throw new StorageError("away", { operation: "put", key, retryable: false });
      },
    });
    const put = new Program(store, time).store.put("a", text("1"), ABSENT);
    assert.ok((await meanwhile(time, put)).error instanceof StorageError);
    await time.advance(59 * SECOND);
    assert.equal((await keysOf(inner, { prefix: "writers/" })).length, 1);
    await time.advance(2 * SECOND);
    assert.deepEqual(await keysOf(inner), ["a"]);
  });

  it("is not waited for without end where other programs come and go; who is refused keeps no process", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let programs = 0;
    const store = over(inner, {
      async list(options) {
        await inner.delete(`writers/${programs}.json`);
        await inner.put(`writers/${++programs}.json`, text("{}"));
        return await inner.list(options);
      },
    });
    const { error, took } = await meanwhile(time, new Program(store, time).store.put("a", text("1"), ABSENT));
    assert.ok(error instanceof RepositoryLockedError, String(error));
    assert.ok(took >= 4 * MINUTE && took < 5 * MINUTE, `${took} ms`);
    assert.equal(time.keeping, 0);
  });

  it("is put under another name where a renewal succeeded after it had lapsed, and writing goes on", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let renewals = 0;
    const store = over(inner, {
      async put(key, body, options) {
        if (!key.startsWith("writers/")) return await inner.put(key, body, options);
        // It heeds no signal.
        if (++renewals === 2) await delayWith(time, 50 * SECOND);
        return await inner.put(key, body);
      },
    });
    const { claim, store: writer } = new Program(store, time);
    const work = claim.during(() => delayWith(time, 75 * SECOND));
    await meanwhile(time, delayWith(time, 72 * SECOND));
    assert.equal((await meanwhile(time, writer.put("a", text("1"), ABSENT))).error, undefined);
    await meanwhile(time, work);
    await claim.letGo();
    assert.deepEqual(await keysOf(inner), ["a"]);
  });

  it("is gone when letting it go has ended, though that was begun before", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    const store = over(inner, {
      async delete(key) {
        await delayWith(time, 2 * SECOND);
        await inner.delete(key);
      },
    });
    const { claim } = new Program(store, time);
    await claim.during(() => Promise.resolve());
    await meanwhile(time, delayWith(time, 6 * SECOND));
    assert.equal((await keysOf(inner)).length, 1, "its removal is on its way");
    await meanwhile(time, claim.letGo());
    assert.deepEqual(await keysOf(inner), []);
  });

  it("of a dead program is looked at once by one that may not remove it", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let looks = 0;
    const store = over(inner, {
      delete: (key) => Promise.reject(new PermissionError(`no right to delete ${key}`)),
      get(key, options) {
        looks++;
        return inner.get(key, options);
      },
    });
    const write = async ({ store, claim }: Program, key: string): Promise<void> => {
      await store.put(key, text("1"), ABSENT);
      await claim.letGo();
    };
    for (const key of ["a", "b", "c"]) await write(new Program(store, time), key);
    looks = 0;
    const last = new Program(store, time);
    for (const key of ["d", "e", "f"]) await write(last, key);
    assert.equal(looks, 3);
  });

  it("of another program keeps a call waiting once, though it would write more than once", async () => {
    const house = await House.make({ store: new UnconditionalStore() });
    await house.set("a", "1");
    await house.backup();
    await house.context.letGo!();
    const other = new Program(house.store, house.time);
    const writing = { over: false };
    await other.store.put("b", text("1"), ABSENT);
    const writes = writeUntil(other, house.time, writing);
    // The second one is for the line that says that it was refused.
    const { error, took } = await meanwhile(house.time, house.backup(), 50);
    assert.ok(error instanceof RepositoryLockedError, String(error));
    assert.ok(took <= 30 * SECOND, `${took} ms`);
    const restored = await meanwhile(house.time, house.restore(), 50);
    assert.deepEqual(restored.value?.contents, house.states.get(1));
    assert.ok(restored.took <= 30 * SECOND, `${restored.took} ms`);
    writing.over = true;
    await meanwhile(house.time, writes);
  });

  for (const call of ["backup", "restore"] as const) {
    it(`of a dead program does not keep a ${call} from being given up`, async () => {
      const house = await House.make({ store: new UnconditionalStore() });
      await house.set("a", "1");
      await house.backup();
      await house.context.letGo!();
      await house.store.put("writers/odd.json", text("{}"));
      const abort = new AbortController();
      house.time.set(7 * SECOND, () => abort.abort(new Error("no")), false);
      const { signal } = abort;
      const work: Promise<unknown> = call === "backup" ? house.backup({ signal }) : house.restore({ signal });
      const { error, took } = await meanwhile(house.time, work);
      assert.equal(error, signal.reason);
      assert.ok(took <= 15 * SECOND, `${took} ms`);
      assert.deepEqual(await keysOf(house.store, { prefix: "writers/" }), ["writers/odd.json"]);
      assert.deepEqual(await keysOf(house.store, { prefix: "locks/" }), []);
    });
  }

  it("of another program that begins while something is restored does not keep that from its end", async () => {
    const store = new UnconditionalStore();
    const house = await House.make({ store });
    const writing = { over: false };
    const other = new Program(store, house.time);
    const work = withReaderLease(house.context, "restore", "/there", async (lease) => {
      await house.context.letGo!();
      await other.store.put("b", text("1"), ABSENT);
      const writes = writeUntil(other, house.time, writing);
      await delayWith(house.time, 6 * MINUTE);
      await lease.touch();
      await lease.assertHeld();
      writing.over = true;
      await writes;
    }, undefined);
    assert.equal((await meanwhile(house.time, work)).error, undefined);
  });
});
