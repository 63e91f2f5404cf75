/** Backups by who may add to a store, and neither read what backups consist of nor delete anything. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { activeLeases, clearLeases } from "../../../lib/backup/repository/core/lease.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { PermissionError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { FaultStore, type StoreFault } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore, StoreCapabilities } from "../../../lib/storage/object_store.ts";
import { House } from "./house.ts";
import { keysOf, prune } from "./prune_fixture.ts";
import { until } from "./fake_timers.ts";

const SECOND = 1000;

/** Refuses as a service does: a put whose condition fails asks what is in the way, which is refused, too. */
class WriteOnlyStore implements ObjectStore {
  readonly name = "a store to be added to";
  readonly inner: ObjectStore;
  /** The narrow rights end. */
  isOpen = false;
  refused = 0;

  constructor(inner: ObjectStore = new MemoryStore()) {
    this.inner = inner;
  }

  get capabilities(): StoreCapabilities {
    return this.inner.capabilities;
  }

  readonly put: ObjectStore["put"] = async (key, body, options) => {
    const put = await this.inner.put(key, body, options);
    if (put === undefined) this.#mayRead(key);
    return put;
  };
  readonly get: ObjectStore["get"] = async (key, options) => {
    this.#mayRead(key);
    return await this.inner.get(key, options);
  };
  readonly head: ObjectStore["head"] = async (key, options) => {
    this.#mayRead(key);
    return await this.inner.head(key, options);
  };
  readonly list: ObjectStore["list"] = (options) => this.inner.list(options);
  readonly delete: ObjectStore["delete"] = async (key, options) => {
    this.#refuse("delete", key, !this.isOpen);
    await this.inner.delete(key, options);
  };

  #mayRead(key: string): void {
    this.#refuse("read", key, !this.isOpen && /^(?:objects|log)\//.test(key));
  }

  #refuse(what: string, key: string, isRefused: boolean): void {
    if (!isRefused) return;
    this.refused++;
    throw new PermissionError(`Cannot ${what} ${key} in ${this.name} (PERMISSION)`);
  }
}

/** Every put of these keys fails, for a reason that no pause would end. */
function cutOffAt(prefix: string): StoreFault {
  return {
    at: ({ operation, key }) => operation === "put" && key.startsWith(prefix),
    do: "refuse",
    error: () => new Error("cut off"),
    times: Infinity,
  };
}

async function narrow(inner?: ObjectStore): Promise<{ house: House; store: WriteOnlyStore }> {
  const store = new WriteOnlyStore(inner);
  return { house: await House.make({ store }), store };
}

async function assertAllRestore(house: House, versions: Iterable<number>): Promise<void> {
  assert.deepEqual((await verifyRepository(house.context, undefined, { read: "all" })).problems, []);
  for (const version of versions) {
    const { contents } = await house.restore({ at: { version } });
    assert.deepEqual(contents, house.states.get(version), `version ${version}`);
  }
}

describe("who may add to a store, and neither read backups nor delete", () => {
  it("makes backups of every type, which restore to every version", async () => {
    const { house, store } = await narrow();
    for (const type of ["full", "incremental", "incremental", "snapshot", "auto"] as const) {
      await house.set(type, type);
      assert.equal((await house.backup({ type, verify: false })).type, type === "auto" ? "incremental" : type);
    }
    store.isOpen = true;
    await assertAllRestore(house, [1, 2, 3, 4, 5]);
  });

  it("is told to read back nothing, where that was not said, and leaves no backup", async () => {
    const { house, store } = await narrow();
    await house.set("a", "1");
    await assert.rejects(house.backup(), PermissionError);
    const replication = await house.replicate();
    await assert.rejects(replication.flush(), PermissionError);
    await replication.stop();
    assert.deepEqual(await keysOf(store, "backups/"), []);
    await house.backup({ verify: false });
    store.isOpen = true;
    await assertAllRestore(house, [1]);
  });

  it("holds no lease behind its work, though none is removed", async () => {
    const { house, store } = await narrow();
    await house.set("a", "1");
    await house.backup({ verify: false });
    assert.equal((await keysOf(store, "locks/")).length, 1);
    assert.deepEqual(await activeLeases(house.context), []);
    assert.deepEqual(await clearLeases(house.context, "prune", false), [], "nor one that counts as held");
    await house.set("b", "1");
    await house.backup({ verify: false });
  });

  it("hears that others took what its backup needs, though the manifest that is there by then can't be taken back", async () => {
    const memory = new MemoryStore();
    let isPublished = false;
    const breaking = new FaultStore(memory, {
      delay: async ({ operation, key }) => {
        if (operation !== "put") return;
        if (isPublished && key.startsWith("locks/")) {
          for (const gone of [key, ...await keysOf(memory, "objects/")]) await memory.delete(gone);
        }
        isPublished ||= key.startsWith("backups/");
      },
    });
    const { house } = await narrow(breaking);
    await house.set("a", "1");
    await assert.rejects(house.backup({ verify: false }), RepositoryLockedError);
  });

  it("goes on behind a backup that was cut off, with copies of what it can't look at", async () => {
    const faults = new FaultStore(new MemoryStore());
    const { house, store } = await narrow(faults);
    await house.set("a", "1");
    const end = faults.inject(cutOffAt("backups/"));
    await assert.rejects(house.backup({ verify: false }));
    end();
    const left = await keysOf(store, "objects/");
    const { id } = await house.backup({ verify: false });
    assert.equal((await keysOf(store, "objects/")).length, 2 * left.length);
    store.isOpen = true;
    assert.deepEqual((await house.restore({ backupId: id })).contents, house.states.get(1));
    await assertAllRestore(house, [1]);
  });

  it("goes on behind log that no head counts yet", async () => {
    const faults = new FaultStore(new MemoryStore());
    const { house, store } = await narrow(faults);
    await house.set("a", "1");
    await house.backup({ verify: false });
    await house.set("b", "2");
    const end = faults.inject(cutOffAt("heads/"));
    await assert.rejects(house.backup({ type: "incremental", verify: false }));
    end();
    assert.equal((await keysOf(store, "log/")).length, 1);
    const { version } = await house.backup({ type: "incremental", verify: false });
    assert.deepEqual([version, (await keysOf(store, "log/")).length], [2, 1]);
    store.isOpen = true;
    await assertAllRestore(house, [1, 2]);
  });

  it("replicates, and leaves merging to a pruning", async () => {
    const { house, store } = await narrow();
    const { noteLink } = MergeMemory.prototype;
    let remembered = 0;
    MergeMemory.prototype.noteLink = function (...link) {
      remembered++;
      noteLink.apply(this, link);
    };
    await house.set("a", "0");
    const failures: unknown[] = [];
    const replication = await house.replicate({
      interval: SECOND,
      verify: false,
      onEvent: (event) => event.type === "failure" && failures.push(event.error),
    });
    await replication.flush();
    for (let i = 0; i < 300; i++) {
      await house.set("a", String(i));
      await house.time.advance(SECOND, () => until(() => replication.status().state !== "shipping"));
    }
    await replication.stop();
    MergeMemory.prototype.noteLink = noteLink;
    assert.deepEqual([failures, replication.status().lagVersions], [[], 0]);
    // One of each second would be millions in a year.
    assert.ok(remembered < 100, `${remembered} objects kept for merging`);
    const objects = (await keysOf(store, "log/")).length;
    assert.ok(objects > 256, `${objects} objects`);
    store.isOpen = true;
    house.time.now += 3600 * SECOND;
    await prune(house, { keepLast: 10 });
    const left = (await keysOf(store, "log/")).length;
    assert.ok(left < 10, `${left} objects`);
    await assertAllRestore(house, [1, 2, 100, 256, 257, 299, 301]);
  });
});
