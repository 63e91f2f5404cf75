/** A check and a repair by listings that lack what is there, and by bytes that were spoiled on their way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError } from "../../../lib/base/errors.ts";
import { PART, pinKey } from "../../../lib/backup/repository/core/layout.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { FaultStore, type StoreFault } from "../../../lib/storage/fault_store.ts";
import type { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { over, repair, restoreFrom, type Sample, sampleRepository, storeOf, verify } from "./damage_fixture.ts";
import { collect } from "../helpers.ts";
import { keysOf } from "./prune_fixture.ts";

const sampled: Promise<Sample> = sampleRepository();

const HIDDEN: { what: string; part: string; key: string }[] = [
  { what: "objects", part: PART.objects, key: PART.objects },
  { what: "a backup on which others build", part: PART.backups, key: "backups/inc1.json" },
  { what: "a pinned backup, on which none builds", part: PART.backups, key: "backups/part.json" },
  { what: "a head", part: PART.heads, key: PART.heads },
];

for (const { what, part, key } of HIDDEN) {
  describe(`a listing that lacks ${what}`, () => {
    const hiding = async (times: number): Promise<{ inner: MemoryStore; context: RepositoryContext }> => {
      const inner = await storeOf(new Map((await sampled).image).set(pinKey("part"), new Uint8Array(0)));
      const store = new FaultStore(inner);
      const at: StoreFault["at"] = (call) => call.operation === "list" && call.key === part;
      store.inject({ at, do: "hide", hidden: (each) => each.startsWith(key), times });
      return { inner, context: over(await sampled, store) };
    };

    for (const [name, run] of [["verify", verify], ["repair", repair]] as const) {
      it(`for good says of nothing that it is lost (${name})`, async () => {
        const { inner, context } = await hiding(Infinity);
        const before = await keysOf(inner);
        await assert.rejects(
          run(context),
          (error) => error instanceof IntegrityError && /is there and was not listed/.test(error.message),
        );
        const isOwn = (each: string): boolean => before.includes(each) || !/^(audit|index)\//.test(each);
        assert.deepEqual((await keysOf(inner)).filter(isOwn), before);
      });
    }

    it("for a while is looked at anew", async () => {
      for (const times of [1, 2, 3]) {
        const { context } = await hiding(times);
        assert.deepEqual((await verify(context)).problems, [], `${times} times`);
      }
    });
  });
}

/** The sample, of which each key that `fits` is spoiled when it is read for the first time. */
async function spoiling(fits: (key: string) => boolean): Promise<{ store: MemoryStore; spoiled: Set<string> }> {
  const store = await storeOf((await sampled).image);
  const { get } = store;
  const spoiled = new Set<string>();
  store.get = async (key, options) => {
    const found = await get.call(store, key, options);
    if (found === undefined || !fits(key) || spoiled.has(key)) return found;
    spoiled.add(key);
    const bytes = await collect(found.body);
    bytes[bytes.length >> 1]! ^= 0x10;
    return {
      ...found,
      body: (async function* () {
        yield bytes;
      })(),
    };
  };
  return { store, spoiled };
}

describe("bytes that are spoiled on their way once", () => {
  for (const part of ["backups/", "heads/", "log/", "objects/", "audit/", "proofs/"]) {
    it(`are read again by a repair: ${part}`, async () => {
      const { store, spoiled } = await spoiling((key) => key.startsWith(part));
      const before = await keysOf(store, part);
      const { repaired, setAside } = await repair(over(await sampled, store));
      assert.deepEqual({ repaired, setAside }, { repaired: [], setAside: [] });
      assert.deepEqual((await keysOf(store, part)).slice(0, before.length), before);
      assert.deepEqual([...spoiled].sort(), before);
    });
  }

  for (const part of ["backups/", "heads/", "log/", "objects/"]) {
    for (const verifyAfter of [true, false]) {
      it(`are read again by a restore: ${part}${verifyAfter ? "" : ", which reads nothing back"}`, async () => {
        const { contents, version } = await restoreFrom(over(await sampled, await storeOf((await sampled).image)));
        const { store, spoiled } = await spoiling((key) => key.startsWith(part));
        const restored = await restoreFrom(over(await sampled, store), { verifyAfter });
        assert.deepEqual(restored, { contents, version });
        assert.ok(spoiled.size > 0);
      });
    }
  }
});
