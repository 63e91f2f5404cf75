/** Leases by themselves: who holds one when several want it, or when its store fails. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RepositoryLockedError, StorageError } from "../../../lib/base/errors.ts";
import { backupKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import {
  activeLeases,
  clearLeases,
  type Lease,
  LEASE_MS,
  takeLease,
} from "../../../lib/backup/repository/core/lease.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { House } from "./house.ts";
import { copyOf, daily, prune } from "./prune_fixture.ts";
import { NO_WAIT } from "./sweep.ts";

const options = { kind: "backup", name: "backup-one", holder: "somebody" } as const;

/** What a pruning must not delete once it holds no lease. */
const DATA = [PART.backups, PART.log, PART.objects];

const at = (operation: string) => (call: StoreCall): boolean =>
  call.operation === operation && call.key.startsWith(PART.locks);

describe("a lease", () => {
  it("is held by one of those who find it expired at the same moment", async () => {
    const { context, time } = await House.make();
    const old = await takeLease(context, options);
    time.now += LEASE_MS + 1;
    const taken = await Promise.allSettled([takeLease(context, options), takeLease(context, options)]);
    assert.deepEqual(taken.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    for (const each of taken) {
      if (each.status === "fulfilled") await each.value.assertHeld();
      else assert.ok(each.reason instanceof RepositoryLockedError);
    }
    await assert.rejects(old.assertHeld(), RepositoryLockedError);
    await assert.rejects(old.touch(), RepositoryLockedError);
  });

  it("of the only holder is taken over when he is dead, and not while he lives", async () => {
    const { context } = await House.make();
    const first = await takeLease(context, { ...options, sole: true });
    await assert.rejects(takeLease(context, { ...options, sole: true }), RepositoryLockedError);
    await first.assertHeld();
    await first.release();
    await (await takeLease(context, { ...options, sole: true })).release();
  });

  it("can be had again at once when it could not be given back", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context } = await House.make({ store, repository: { timers: NO_WAIT } });
    const first = await takeLease(context, options);
    const end = store.inject({ at: at("delete"), do: "refuse", times: Infinity });
    await first.release();
    end();
    await (await takeLease(context, options)).release();
  });

  it("is had though the answer to its taking was lost, once the store answers again", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context } = await House.make({ store, repository: { timers: NO_WAIT } });
    store.inject({ at: at("put"), do: "lose" });
    const lease = await takeLease(context, options);
    await lease.assertHeld();
    await lease.release();
  });

  it("can be had again at once when the answer to its taking was lost, and the store was away then", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context } = await House.make({ store, repository: { timers: NO_WAIT } });
    store.inject({ at: at("put"), do: "lose" });
    const ends = ["put", "get"].map((operation) => store.inject({ at: at(operation), do: "refuse", times: Infinity }));
    await assert.rejects(takeLease(context, options), StorageError);
    for (const end of ends) end();
    await (await takeLease(context, options)).release();
  });

  it("of who publishes counts as held by who breaks it, also where the answer to its renewal was lost before", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context, time } = await House.make({ store, repository: { timers: NO_WAIT } });
    const lease = await takeLease(context, options);
    time.now += LEASE_MS / 2;
    store.inject({ at: at("put"), do: "lose" });
    const ends = ["put", "get"].map((operation) => store.inject({ at: at(operation), do: "refuse", times: Infinity }));
    await assert.rejects(lease.touch(), StorageError);
    for (const end of ends) end();
    await lease.assertHeld(true);
    await assert.rejects(
      takeLease(context, options),
      (error: Error) => error.message.startsWith(`Cannot backup in ${context.name}: somebody has done so since`),
    );
    time.now += LEASE_MS + 1;
    const [found] = await clearLeases(context, "prune");
    assert.deepEqual([found?.name, found?.broken], [lease.name, true]);
    assert.deepEqual(await clearLeases(context, "prune"), []);
    await assert.rejects(lease.assertHeld(), RepositoryLockedError);
  });

  it("is known to be another's who may still delete, by all who take it over until it is given back", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context, time } = await House.make({ store, repository: { timers: NO_WAIT } });
    const take = async (): Promise<Lease> => {
      const lease = await takeLease(context, options);
      await lease.assertHeld();
      return lease;
    };
    await (await take()).assertHeld(true);
    for (let times = 0; times < 3; times++) {
      time.now += LEASE_MS + 1;
      assert.equal((await take()).overtook, true);
    }
    time.now += LEASE_MS + 1;
    const last = await take();
    const end = store.inject({ at: at("delete"), do: "refuse", times: Infinity });
    await last.release();
    end();
    assert.equal((await take()).overtook, false);
  });

  it("is over by its holder's clock while the store takes no writes", async () => {
    const store = new FaultStore(new MemoryStore());
    const { context, time } = await House.make({ store, repository: { timers: NO_WAIT } });
    const lease = await takeLease(context, options);
    store.inject({ at: at("put"), do: "refuse", times: Infinity });
    time.now += LEASE_MS;
    await assert.rejects(lease.assertHeld(), RepositoryLockedError);
  });

  it("is over once another has it, also while the store takes no writes", async () => {
    const inner = new MemoryStore();
    const store = new FaultStore(inner);
    const { context } = await House.make({ store, repository: { timers: NO_WAIT } });
    const lease = await takeLease(context, options);
    store.inject({ at: at("put"), do: "refuse", times: Infinity });
    await lease.assertHeld();
    const fast = await House.make({ store: inner });
    fast.time.now += LEASE_MS;
    const taken = await takeLease(fast.context, options);
    await assert.rejects(lease.assertHeld(), RepositoryLockedError);
    await lease.release();
    await taken.assertHeld();
  });

  it("is not given back by who has not looked for long, once another has it", async () => {
    const { store, context, time } = await House.make();
    const lease = await takeLease(context, options);
    const fast = await House.make({ store });
    fast.time.now += LEASE_MS;
    const taken = await takeLease(fast.context, options);
    time.now += LEASE_MS / 2;
    await lease.release();
    await taken.assertHeld();
  });

  it("is renewed as work goes on, however long each step of a pruning takes", async () => {
    const inner = new MemoryStore();
    const others = await House.make({ store: inner });
    const held: string[][] = [];
    const store = new FaultStore(inner, {
      delay: async ({ operation, key }) => {
        if (operation !== "delete" || !key.startsWith(PART.backups)) return;
        others.time.now = house.time.now += LEASE_MS * 0.4;
        held.push((await activeLeases(others.context)).map(({ holder }) => holder));
      },
    });
    const house = await House.make({ store });
    await daily(house, 5);
    await prune(house, { keepLast: 1 });
    assert.deepEqual(held, Array(3).fill(["prune"]));
  });

  it("that is renewed while it is broken as expired holds", async () => {
    for (const [operation, nth] of [["get", 2], ["put", 1]] as const) {
      const meanwhile: { renewed?: Lease } = {};
      let count = 0;
      const inner = new MemoryStore();
      const store = new FaultStore(inner, {
        delay: async (call) => {
          const { renewed } = meanwhile;
          if (renewed !== undefined && at(operation)(call) && ++count === nth) await renewed.assertHeld();
        },
      });
      const slow = await House.make({ store: inner });
      const fast = await House.make({ store });
      const lease = await takeLease(slow.context, options);
      fast.time.now += LEASE_MS + 1;
      slow.time.now += LEASE_MS - 1;
      meanwhile.renewed = lease;
      const holding = await clearLeases(fast.context, "prune");
      assert.deepEqual(holding.map(({ name }) => name), ["backup-one"], operation);
      await lease.assertHeld();
    }
  });

  it("that is broken at any look of a pruning ends it: nothing more is deleted", async () => {
    const inner = new MemoryStore();
    const made = await House.make({ store: inner });
    await daily(made, 4);
    let cases = 0;
    for (let nth = 1;; nth++) {
      let looks = 0;
      let isBroken = false;
      const deleted: string[] = [];
      const copy = await copyOf(inner);
      const store = new FaultStore(copy, {
        delay: async ({ operation, key }) => {
          if (operation === "delete" && isBroken && DATA.some((part) => key.startsWith(part))) deleted.push(key);
          if (!["get", "head", "list"].includes(operation) || key.startsWith(PART.locks) || ++looks !== nth) return;
          isBroken = await copy.head(`${PART.locks}prune.json`) !== undefined;
          await copy.delete(`${PART.locks}prune.json`);
        },
      });
      const house = await House.make({ store, now: made.time.now });
      looks = 0;
      const error = await prune(house, { keepLast: 1 }).catch((error) => error);
      assert.deepEqual(deleted, [], `look ${nth}`);
      if (error instanceof RepositoryLockedError) cases++;
      if (looks < nth) break;
    }
    assert.ok(cases > 10, `${cases} prunings were ended`);
  });

  it("that is broken at any look of a backup ends it: no manifest of it stays", async () => {
    const inner = new MemoryStore();
    const made = await House.make({ store: inner });
    await daily(made, 2);
    const lock = `${PART.locks}backup-${made.engine.id}.json`;
    const manifest = backupKey("new");
    for (const type of ["snapshot", "incremental"] as const) {
      let cases = 0;
      for (let nth = 1;; nth++) {
        let looks = 0;
        const copy = await copyOf(inner);
        const store = new FaultStore(copy, {
          delay: async ({ operation, key }) => {
            const isLook = ["get", "head", "list"].includes(operation) || key === manifest;
            if (!isLook || key.startsWith(PART.locks) || ++looks !== nth) return;
            await copy.delete(lock);
          },
        });
        const house = await House.make({ store, fs: made.fs.fork({ keep: "all" }), now: made.time.now });
        looks = 0;
        const error = await house.backup({ id: "new", type }).then(() => undefined, (error) => error);
        if (error instanceof RepositoryLockedError) cases++;
        else assert.equal(error, undefined);
        assert.equal(await copy.head(manifest) === undefined, error !== undefined, `${type}, look ${nth}`);
        await house.engine.close();
        if (looks < nth) break;
      }
      assert.ok(cases > 5, `${cases} backups were ended`);
    }
  });
});
