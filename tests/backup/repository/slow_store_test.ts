/**
 * What is done with many objects in a store that is far away: how often it is waited for, where requests that don't need each
 * other are made at once.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readAttempts } from "../../../lib/backup/repository/core/attempts.ts";
import { auditKey, lastAuditSeq } from "../../../lib/backup/repository/core/audit_lines.ts";
import { auditHistory } from "../../../lib/backup/repository/core/history.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { estimateRestore } from "../../../lib/backup/repository/restoring/estimate.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { turns } from "./fake_timers.ts";
import { House } from "./house.ts";
import { copyOf, keysOf, prune } from "./prune_fixture.ts";

/** Answers all that is under way once nothing more is asked, and counts how often. */
class FarStore extends FaultStore {
  waits = 0;
  readonly #asked: (() => void)[] = [];
  #isFar = false;

  constructor(inner: MemoryStore) {
    super(inner, {
      delay: () => {
        if (!this.#isFar) return undefined;
        return new Promise<void>((resolve) => {
          if (this.#asked.push(resolve) === 1) void this.#answer();
        });
      },
    });
  }

  async #answer(): Promise<void> {
    for (let seen = 0; seen < this.#asked.length;) {
      seen = this.#asked.length;
      await turns(20);
    }
    this.waits++;
    for (const answer of this.#asked.splice(0)) answer();
  }

  /** How often `work` waits, and how many calls it makes. */
  async during(work: () => Promise<unknown>): Promise<{ waits: number; calls: number }> {
    const [waits, calls] = [this.waits, this.calls.length];
    this.#isFar = true;
    await work();
    this.#isFar = false;
    return { waits: this.waits - waits, calls: this.calls.length - calls };
  }
}

const COUNT = 150;

/** So many backups in a row, each with a log object of its own; one of so many is complete. */
async function withBackups(complete = 10): Promise<House> {
  const house = await House.make();
  for (let i = 0; i < COUNT; i++) {
    await house.time.advance(1000);
    await house.set("key", `${i}`);
    await house.backup({ type: i % complete === 0 ? "snapshot" : "incremental" });
  }
  return house;
}

/** The same repository in a store that is far away. */
async function moved(house: House): Promise<{ house: House; store: FarStore; memory: MemoryStore }> {
  const memory = await copyOf(house.store);
  const store = new FarStore(memory);
  return { house: await House.make({ store, now: house.time.now }), store, memory };
}

/** Far fewer waits than calls, of which there must be many. */
function assertAtOnce({ waits, calls }: { waits: number; calls: number }, what: string, most = 1 / 2): void {
  assert.ok(calls >= COUNT - 1, `${what}: ${calls} calls`);
  assert.ok(waits < calls * most, `${what}: ${waits} waits for ${calls} calls`);
}

const NEWEST = { point: {}, database: undefined, lineage: undefined, allowEarlier: false, replayLog: true };
const UNLIMITED = { concurrency: undefined, bytesPerSecond: undefined, encryption: undefined };

describe("a store that is far away, with hundreds of backups", () => {
  const whole = withBackups();

  for (
    const [what, work] of Object.entries<(house: House) => Promise<unknown>>({
      "history()": ({ context }) => auditHistory(context),
      "the success rate": ({ context }) => readAttempts(context, { since: -Infinity, count: Infinity }),
      "estimate()": ({ context }) => estimateRestore("estimate", context, { ...NEWEST, ...UNLIMITED }),
      "verify()": ({ context }) => verifyRepository(context, undefined, { read: "all" }),
      "prune()": (house) => prune(house, { keepLast: 10 }),
      "copyTo()": async ({ context }) => copyRepository(context, (await House.make()).context, {}),
    })
  ) {
    it(`is not waited for once for each object by ${what}`, async () => {
      const { house, store } = await moved(await whole);
      // What other threads do in between, when objects are copied, leaves time for an answer.
      assertAtOnce(await store.during(() => work(house)), what, what === "copyTo()" ? 3 / 4 : 1 / 2);
    });
  }

  it("is not waited for once for each object by a copy of many complete backups", async () => {
    const { context } = await withBackups(1);
    const { house: target, store } = await moved(await House.make());
    const { waits, calls } = await store.during(() => copyRepository(context, target.context, {}));
    // Two of three were waited for where one came after the other; which ones meet, threads decide.
    assert.ok(waits * 2 < calls, `${waits} waits for ${calls} calls`);
    assert.deepEqual(await listBackups(target.context), await listBackups(context));
  });

  it("is not waited for once for each object by a restore through much log", async () => {
    const { house, store, memory } = await moved(await whole);
    const { states } = await whole;
    const bases = (await keysOf(memory, "backups/")).filter((_, i) => i > 0 && i % 10 === 0);
    for (const key of bases) await memory.delete(key);
    const restored = store.during(async () => {
      assert.deepEqual((await house.restore()).contents, states.get(COUNT));
    });
    // What is unpacked by other threads in between leaves time for an answer.
    assertAtOnce(await restored, "restore", 3 / 4);
  });

  it("is not waited for once for each object of log that is merged", async () => {
    const { house, store, memory } = await moved(await whole);
    house.time.now += 2 * 24 * 3_600_000;
    const [head] = await readHeads(house.context);
    const before = (await keysOf(memory, "log/")).length;
    assertAtOnce(await store.during(() => mergeLog(house.context, head!, new MergeMemory())), "merge");
    assert.deepEqual([before, (await keysOf(memory, "log/")).length], [COUNT - 1, 1]);
  });

  it("is asked for what was done once, however often figures are wanted", async () => {
    const { house, store } = await moved(await whole);
    const wish = { since: -Infinity, count: Infinity };
    const first = await readAttempts(house.context, wish);
    await house.backup();
    const before = store.calls.length;
    const second = await readAttempts(house.context, wish);
    assert.deepEqual([first.length, second.length], [COUNT, COUNT + 1]);
    assert.ok(store.calls.length - before <= 2, `${store.calls.length - before} calls`);
  });

  it("is asked for each proof once by a pruning", async () => {
    const { house, store, memory } = await moved(await whole);
    await verifyRepository(house.context, undefined, { read: "all" });
    const before = store.calls.length;
    await prune(house, { keepLast: 10 });
    const asked = store.calls.slice(before).filter(({ operation, key }) =>
      operation === "get" && key.startsWith("proofs/")
    );
    assert.equal(asked.length, COUNT + 1);
    assert.equal((await keysOf(memory, "proofs/")).length, 11, "those of what is left, and of all");
  });

  it("is asked for few deletes by a pruning where it can remove many at once, and for the rest one by one", async () => {
    const told = await (async () => await prune((await moved(await whole)).house, { keepLast: 10 }))();
    const { store, memory } = await moved(await whole);
    const together: string[][] = [];
    /** Leaves the first of each. */
    const deleteMany = async (keys: readonly string[]): Promise<string[]> => {
      together.push([...keys]);
      for (const key of keys.slice(1)) await memory.delete(key);
      return keys.slice(0, 1);
    };
    const house = await House.make({ store: Object.assign(store, { deleteMany }), now: (await whole).time.now });
    const before = store.calls.length;
    const report = await prune(house, { keepLast: 10 });
    const single = store.calls.slice(before).filter(({ operation, key }) =>
      operation === "delete" && !/^(?:gc|locks)/.test(key)
    );
    assert.deepEqual(
      single.map(({ key }) => key).filter((key) => together.some(([left]) => left === key)).length,
      together.length,
    );
    assert.ok(
      together.flat().length > COUNT && single.length < 20,
      `${together.flat().length} and ${single.length} keys`,
    );
    assert.deepEqual([report.freedBytes, report.logObjects], [told.freedBytes, told.logObjects]);
    assert.deepEqual((await verifyRepository(house.context, undefined, { read: "all" })).problems, []);
  });

  it("ends a failing pruning without deleting anything more behind its back", async () => {
    const { house, store, memory } = await moved(await whole);
    let deletes = 0;
    const isDelete = ({ operation, key }: StoreCall): boolean => operation === "delete" && key.startsWith("log/");
    store.inject({ at: (call) => isDelete(call) && ++deletes === 20, do: "refuse", error: () => new Error("enough") });
    await assert.rejects(prune(house, { keepLast: 10 }), /enough/);
    const left = (await keysOf(memory, "log/")).length;
    await turns(20);
    assert.equal((await keysOf(memory, "log/")).length, left);
    assert.ok(left > COUNT - 50, `${left} objects left`);
    await prune(house, { keepLast: 10 });
    assert.deepEqual((await verifyRepository(house.context, undefined, { read: "all" })).problems, []);
  });
});

describe("lastAuditSeq", () => {
  it("finds the end of a long audit log with few listings, whatever else lies there", async () => {
    for (const count of [0, 1, 999, 1000, 1001, 2000, 3001, 7000, 20_000]) {
      const memory = new MemoryStore();
      const house = await House.make({ store: memory });
      const line = new Uint8Array(1);
      for (let seq = 1; seq <= count; seq++) if (seq % 1500 !== 0) await memory.put(auditKey(seq), line);
      await memory.put("audit/zzz", line);
      let lists = 0;
      const store = new FaultStore(memory, {
        delay: ({ operation }) => operation === "list" && ++lists < 0 ? Promise.resolve() : undefined,
      });
      assert.equal(await lastAuditSeq({ ...house.context, store }), count);
      assert.ok(lists <= 12, `${lists} listings for ${count} lines`);
    }
  });
});
