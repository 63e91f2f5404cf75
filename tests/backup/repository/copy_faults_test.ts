/** Every call on both stores fails in turn; copied again, all is there. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StorageError } from "../../../lib/base/errors.ts";
import { historyOf, readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { FaultStore, type StoreFault } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { mine, SHARE } from "../../crash/random.ts";
import { assertBackupsRestore, keyOf, openOver, pastLeases, rangesOf, restored, smallSource } from "./copy_fixture.ts";

/** Into these the source's objects are copied: one seals anew, the other only moves. */
const targets = [{}, { encryption: keyOf(5) }];

/** A store with what another holds. */
async function cloneOf(store: ObjectStore): Promise<MemoryStore> {
  const clone = new MemoryStore();
  for (const { key } of (await store.list()).objects) await clone.put(key, (await store.get(key))!.body);
  return clone;
}

const ways: { name: string; fault: (index: number, key: (at: number) => string) => StoreFault }[] = [
  { name: "is refused once", fault: (at) => ({ at, do: "refuse" }) },
  { name: "loses its answer once", fault: (at) => ({ at, do: "lose" }) },
  { name: "is torn once", fault: (at) => ({ at, do: "tear" }) },
  {
    name: "is refused for good",
    fault: (index, key) => ({
      at: (call) => `${call.operation} ${call.key}` === key(index),
      do: "refuse",
      times: Infinity,
    }),
  },
  { name: "meets the end of the process", fault: (at) => ({ at, do: "die" }) },
  { name: "is the last before the end of the process", fault: (at) => ({ at, do: "dieAfter" }) },
];

describe("copyRepository, when a call", () => {
  for (const side of ["source", "target"] as const) {
    for (const { name, fault } of ways) {
      it(`on the ${side} ${name}, is complete after another try at the latest`, async () => {
        const { house, states } = await smallSource();
        const { clock } = house.time;
        const wanted = await rangesOf(house.context);
        const settings = targets[side === "source" ? 0 : 1]!;
        // One at a time, so that calls have the same numbers in every run.
        const changes = { concurrency: 1, ...settings };
        const attempt = async (faults: StoreFault[], target: ObjectStore, source: ObjectStore): Promise<FaultStore> => {
          const opened = { source: new FaultStore(source), target: new FaultStore(target) };
          const from = await openOver(opened.source, clock, { concurrency: 1 });
          const to = await openOver(opened.target, clock, changes);
          const store = opened[side];
          const begun = store.calls.length;
          for (const each of faults) {
            store.inject({ ...each, at: typeof each.at === "number" ? each.at + begun : each.at });
          }
          try {
            await copyRepository(from, to, {});
          } catch (error) {
            assert.ok(error instanceof StorageError, String(error));
          }
          store.calls.splice(0, begun);
          return store;
        };
        const good = (await attempt([], new MemoryStore(), await cloneOf(house.store))).calls;
        assert.ok(good.length > (side === "source" ? 20 : 40));
        const keyAt = (at: number): string => `${good[at - 1]!.operation} ${good[at - 1]!.key}`;
        let failed = 0;
        for (const at of mine(good.map((_, index) => index + 1))) {
          const [source, target] = [await cloneOf(house.store), new MemoryStore()];
          const faulty = await attempt([fault(at, keyAt)], target, source);
          const to = await openOver(target, clock, settings);
          const seen = await readFacts(to);
          if (seen.backups.length < 6) failed++;
          // What a head counts is there: a database that goes on from it must not leave a hole.
          for (const { database, lineage, version, chain, start } of seen.heads) {
            if (version < start) continue;
            const walk = seen.logs.get(historyOf(database, lineage))?.walkBack({ version, chain }, 1);
            assert.equal(walk?.objects.at(-1)?.chain, chain, `call ${at}`);
          }
          // What is listed is whole, at every moment. The first half of the calls has no more than the second.
          if (at % 13 === 0) await assertBackupsRestore(to, states);
          pastLeases(house);
          const from = await openOver(source, clock);
          const report = await copyRepository(from, to, {});
          assert.equal(report.backups.length, 6 - seen.backups.length, `call ${at} of ${faulty.calls.length}`);
          assert.deepEqual(await rangesOf(to), wanted, `call ${at}`);
          if (at % 3 !== 0) continue;
          const [{ from: first, to: last }] = wanted as [typeof wanted[number]];
          const version = first.version + at % (last.version - first.version + 1);
          const { contents } = await restored(to, { at: { version } });
          assert.deepEqual(contents, states.get(`${house.engine.lineage}/${version}`), `call ${at}`);
        }
        if (name.includes("end") || name.includes("good")) assert.ok(failed > 5 / SHARE, `${failed} tries failed`);
        else assert.equal(failed, 0, "one failure is got over");
      });
    }
  }
});
