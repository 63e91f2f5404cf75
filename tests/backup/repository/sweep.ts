/**
 * Failing every call on a store in turn: once, for good, with and without effect, and by the end of the process.
 *
 * A scenario is prepared once. For every call of a good run and every kind of fault it is run again over copies of disk and
 * store, with that call failing; then the program starts anew over what is left.
 */
import assert from "node:assert/strict";
import { clearImmediate, setImmediate } from "node:timers";
import type { Timers } from "../../../lib/base/timers.ts";
import { OPEN_DEFAULTS, openRepository, type OpenSettings } from "../../../lib/backup/repository/core/open.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { FaultStore, type StoreCall, type StoreFaultKind } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { collect } from "../helpers.ts";
import { type Contents, House } from "./house.ts";

/** What is done to a repository. */
export interface Scenario {
  name: string;
  /** Makes the repository that it begins with, and remembers states. */
  prepare(house: House): Promise<void>;
  /** What is swept. */
  run(house: House): Promise<void>;
  /** Looks at what is there after a run that succeeded; the newest state is compared in any case. */
  check?(house: House): Promise<void>;
  /** How the repository is opened. */
  settings?: Partial<OpenSettings>;
  /** How it may be opened after a run, when its key was changed; the first that opens it counts. */
  after?: Partial<OpenSettings>[];
}

/** Waits that take no time: only order counts. */
export const NO_WAIT: Timers = {
  set(_ms, run) {
    const id = setImmediate(run);
    return () => clearImmediate(id);
  },
};

const MODES: { name: string; do: StoreFaultKind; times: number }[] = [
  { name: "refused once", do: "refuse", times: 1 },
  { name: "its answer lost once", do: "lose", times: 1 },
  { name: "torn once", do: "tear", times: 1 },
  { name: "refused for good", do: "refuse", times: Infinity },
  { name: "its answer lost, and all after it", do: "lose", times: Infinity },
  { name: "dead before it", do: "die", times: 1 },
  { name: "dead after it", do: "dieAfter", times: 1 },
];

/** A copy of all objects. */
export async function cloneStore<Store extends ObjectStore = MemoryStore>(
  from: ObjectStore,
  to: Store = new MemoryStore() as ObjectStore as Store,
): Promise<Store> {
  let after: string | undefined;
  for (;;) {
    const page = await from.list({ after });
    for (const { key } of page.objects) await to.put(key, await collect((await from.get(key))!.body));
    if (page.next === undefined) return to;
    after = page.next;
  }
}

/** Makes the empty store of one case. */
export type NewStore = () => ObjectStore | Promise<ObjectStore>;

/** Runs a scenario with each call failing in each way, `every` n-th case beginning with `first`; gives back how many. */
export async function sweep(
  scenario: Scenario,
  first = 0,
  every = 1,
  newStore: NewStore = () => new MemoryStore(),
): Promise<number> {
  const origin = await House.make({ repository: { timers: NO_WAIT, ...scenario.settings } });
  await scenario.prepare(origin);
  await origin.engine.flush();
  const states = origin.states;
  const now = origin.time.now;
  const base = { disk: origin.fs, store: origin.store, states, now, newStore };
  const good = await start(scenario, base);
  await scenario.run(good.house);
  const calls = [...good.faulty.calls];
  await finish(scenario, good.house);
  let cases = 0;
  let index = 0;
  for (const call of calls) {
    for (const mode of MODES) {
      if (index++ % every !== first) continue;
      cases++;
      const label = `${scenario.name}: ${call.operation} ${call.key} (call ${call.index}) ${mode.name}`;
      try {
        await strike(scenario, base, call, mode);
      } catch (error) {
        throw new Error(label, { cause: error });
      }
    }
  }
  await origin.engine.close();
  return cases;
}

interface Origin {
  disk: House["fs"];
  store: ObjectStore;
  states: Map<number, Contents>;
  now: number;
  newStore: NewStore;
}

async function start(
  scenario: Scenario,
  origin: Origin,
): Promise<{ house: House; faulty: FaultStore; inner: ObjectStore }> {
  const inner = await cloneStore(origin.store, await origin.newStore());
  const faulty = new FaultStore(inner);
  const fs = origin.disk.fork({ keep: "all" });
  const repository = { timers: NO_WAIT, ...scenario.settings };
  const house = await House.make({ fs, store: faulty, now: origin.now, repository });
  for (const [version, contents] of origin.states) house.states.set(version, contents);
  faulty.calls.length = 0;
  return { house, faulty, inner };
}

async function strike(
  scenario: Scenario,
  origin: Origin,
  call: StoreCall,
  mode: (typeof MODES)[number],
): Promise<void> {
  const { house, faulty, inner } = await start(scenario, origin);
  let index = 0;
  faulty.inject({ at: () => ++index >= call.index, do: mode.do, times: mode.times });
  let failure: unknown;
  try {
    await scenario.run(house);
  } catch (error) {
    failure = error;
  }
  if (mode.times === 1 && !faulty.dead && mode.do === "refuse") {
    // What may be sent again is, without anyone noticing; a body in pieces can't be.
    assert.ok(failure === undefined || call.operation === "put", `a single refusal was not made good: ${failure}`);
  }
  await house.engine.close();
  const after = await reopen(scenario, house, inner);
  for (const [version, contents] of house.states) after.states.set(version, contents);
  try {
    await assertValid(after, origin.states);
    await scenario.run(after);
    await finish(scenario, after);
  } finally {
    await after.engine.close();
  }
}

/** The program starts anew; it may not know whether its key was changed. */
async function reopen(scenario: Scenario, { fs, time }: House, store: ObjectStore): Promise<House> {
  const ways = [scenario.settings ?? {}, ...scenario.after ?? []];
  for (const [i, way] of ways.entries()) {
    try {
      await openRepository(store, { ...OPEN_DEFAULTS, ...way });
      return await House.make({ fs, store, now: time.now, repository: { timers: NO_WAIT, ...way } });
    } catch (error) {
      if (i === ways.length - 1) throw error;
    }
  }
  throw new Error("no way in");
}

/** All that was there before is there, and whole. */
async function assertValid(house: House, states: Map<number, Contents>): Promise<void> {
  const report = await verifyRepository(house.context, undefined, { read: "all" });
  assert.deepEqual(report.problems, []);
  for (const { from, to } of await house.points()) {
    for (const version of new Set([from.version, to.version])) {
      if (!states.has(version)) continue;
      assert.deepEqual((await house.restore({ at: { version } })).contents, states.get(version), `version ${version}`);
    }
  }
}

async function finish(scenario: Scenario, house: House): Promise<void> {
  await scenario.check?.(house);
  const newest = house.engine.visibleVersion;
  const { contents, info } = await house.restore();
  assert.equal(info.achieved.version, newest);
  assert.deepEqual(contents, house.states.get(newest));
}
