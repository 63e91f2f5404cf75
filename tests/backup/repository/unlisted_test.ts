/** A check and a repair by listings that lack what is there. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError } from "../../../lib/base/errors.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { FaultStore, type StoreFault } from "../../../lib/storage/fault_store.ts";
import type { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { over, repair, type Sample, sampleRepository, storeOf, verify } from "./damage_fixture.ts";
import { keysOf } from "./prune_fixture.ts";

const sampled: Promise<Sample> = sampleRepository();

const HIDDEN: { what: string; part: string; key: string }[] = [
  { what: "objects", part: PART.objects, key: PART.objects },
  { what: "a backup on which others build", part: PART.backups, key: "backups/inc1.json" },
  { what: "a pinned backup", part: PART.backups, key: "backups/full.json" },
  { what: "a head", part: PART.heads, key: PART.heads },
];

for (const { what, part, key } of HIDDEN) {
  describe(`a listing that lacks ${what}`, () => {
    const hiding = async (times: number): Promise<{ inner: MemoryStore; context: RepositoryContext }> => {
      const inner = await storeOf((await sampled).image);
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
