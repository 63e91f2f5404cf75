/**
 * Two programs on two repositories, each of which stands still once: the first runs up to a call, then the second up to one of
 * its own, then the first to its end, then the second. Sampled over both calls; whatever comes first, nothing is lost, nothing is
 * left, and no check or repair finds anything.
 */
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { NotFoundError, RepositoryLockedError } from "../../../lib/base/errors.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { LEASE_MS } from "../../../lib/backup/repository/core/lease.ts";
import { pruneRepository } from "../../../lib/backup/repository/pruning/prune.ts";
import { checkPolicy } from "../../../lib/backup/repository/pruning/retention_policy.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { LONG } from "../../crash/random.ts";
import { openOver, rangesOf } from "./copy_fixture.ts";
import { joined } from "./joined_fixture.ts";
import { copyOf, keysOf } from "./prune_fixture.ts";

/** Every so many calls of the first program are tried. */
const STEP = LONG ? 3 : 16;

/** The repositories that programs work on, both opened over stores of their own. */
interface Both {
  source: RepositoryContext;
  target: RepositoryContext;
}

type Program = (both: Both) => Promise<unknown>;

const prune = (context: RepositoryContext, keepLast = 1): Promise<unknown> =>
  pruneRepository(context, checkPolicy("prune", { keepLast }), {});

const PROGRAMS: Record<string, Program> = {
  "a pruning of the source": ({ source }) => prune(source),
  "a pruning of the target": ({ target }) => prune(target),
  "a copy": ({ source, target }) => copyRepository(source, target, {}),
  "a copy back": ({ source, target }) => copyRepository(target, source, {}),
  "a check of the target": async ({ target }) => {
    assert.deepEqual((await verifyRepository(target, undefined, { read: "all" })).problems, []);
  },
  "a repair of the target": async ({ target }) => {
    const { repaired, lostBackups, lostPoints, setAside } = await repairRepository(target, { dryRun: false });
    assert.deepEqual([repaired, lostBackups, lostPoints, setAside], [[], [], [], []]);
  },
};

/** Runs it, to its end or up to its nth call; it goes on when `go` is called. */
function begin(run: (over: (store: ObjectStore) => ObjectStore) => Promise<unknown>, nth: number): {
  stands: Promise<unknown>;
  go: () => Promise<boolean>;
} {
  const [stands, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let calls = 0;
  const delay = (): Promise<void> | undefined => {
    if (++calls < nth) return undefined;
    stands.resolve();
    return gate.promise;
  };
  const ended = run((store) => new FaultStore(store, { delay })).catch((error) => {
    assert.ok(error instanceof RepositoryLockedError || error instanceof NotFoundError, String(error.stack));
  });
  return {
    stands: Promise.race([stands.promise, ended]),
    go: async () => {
      gate.resolve();
      await ended;
      return calls >= nth;
    },
  };
}

describe("two programs, each of which stands still at some call", () => {
  let stores: [MemoryStore, MemoryStore];
  let now: number;
  before(async () => {
    const { house } = await joined();
    const target = new MemoryStore();
    await copyRepository(house.context, await openOver(target, house.time.clock), {});
    for (const type of ["full", "incremental"] as const) {
      await house.set("c", type);
      await house.backup({ type });
    }
    stores = [await copyOf(house.store), target];
    now = house.time.now;
    await house.engine.close();
  });

  async function interleaved(first: Program, second: Program, n: number, m: number): Promise<boolean> {
    const [source, target] = [await copyOf(stores[0]), await copyOf(stores[1])];
    const open = async (clock: () => number, over = (store: ObjectStore): ObjectStore => store): Promise<Both> => ({
      source: await openOver(over(source), clock),
      target: await openOver(over(target), clock),
    });
    const newest = async ({ source }: Both): Promise<number> =>
      Math.max(...(await rangesOf(source)).map(({ to }) => to.version));
    const at = await newest(await open(() => now));
    const one = begin(async (over) => await first(await open(() => now, over)), n);
    await one.stands;
    const two = begin(async (over) => await second(await open(() => now, over)), m);
    await two.stands;
    const stood = [await one.go(), await two.go()].every((it) => it);
    const both = await open(() => now);
    await PROGRAMS["a check of the target"]!(both);
    await PROGRAMS["a check of the target"]!({ ...both, target: both.source });
    assert.equal(await newest(both), at);
    const later = await open(() => now + 2 * LEASE_MS);
    for (let i = 0; i < 2; i++) for (const context of Object.values(later)) await prune(context, 9);
    await copyRepository(later.source, later.target, {});
    await PROGRAMS["a check of the target"]!(later);
    assert.deepEqual(await rangesOf(later.target).then((all) => Math.max(...all.map(({ to }) => to.version))), at);
    for (const store of [source, target]) {
      assert.deepEqual([...await keysOf(store, PART.locks), ...await keysOf(store, PART.marks)], []);
    }
    return stood;
  }

  const names = Object.keys(PROGRAMS);
  /** What one lease keeps apart in the target. */
  const alone = ["a pruning of the target", "a repair of the target"];
  for (const [i, first] of names.entries()) {
    for (const [k, second] of names.entries()) {
      if (i === k || (alone.includes(first) && alone.includes(second))) continue;
      it(`${first}, and ${second}`, async () => {
        let stood = 0;
        for (let n = 8 + i; n < 90; n += STEP) {
          const m = 6 + (n * 7 + k * 5) % (n < 24 ? 24 : 60);
          try {
            if (await interleaved(PROGRAMS[first]!, PROGRAMS[second]!, n, m)) stood++;
          } catch (error) {
            throw new Error(`call ${n} of the first, ${m} of the second`, { cause: error });
          }
        }
        assert.ok(stood > 0);
      });
    }
  }
});
