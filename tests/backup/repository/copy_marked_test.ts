/** Copies into a repository in which a pruning has marked log: it lies there yet, and goes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import type { RepositoryContext } from "../../../lib/backup/repository/core/context.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { markKey, UNSETTLED } from "../../../lib/backup/repository/pruning/gc.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { openOver } from "./copy_fixture.ts";
import { verify } from "./damage_fixture.ts";
import { House } from "./house.ts";
import { DAY, keysOf, prune } from "./prune_fixture.ts";

/** Marks as a pruning does; what sweeps it. */
async function marked(context: RepositoryContext, keys: string[]): Promise<() => Promise<void>> {
  await writeDocument(context, "gc", markKey("1"), { id: "1", markedAt: 0, keys, leases: [UNSETTLED] });
  return async () => {
    for (const key of [...keys, markKey("1")]) await context.store.delete(key);
  };
}

describe("log that a pruning in the target of a copy has marked", () => {
  it("is copied once more, within what it was merged into", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    for (let n = 2; n <= 6; n++) {
      await house.set("a", `${n}`);
      await house.backup({ id: `inc-${n}`, type: "incremental" });
    }
    const to = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, to, {});
    // What an earlier copy left that was cut off, but for the fourth.
    const [, , fourth] = await keysOf(to.store, PART.log);
    for (const part of [PART.backups, PART.heads, PART.log]) {
      for (const key of await keysOf(to.store, part)) if (key !== fourth) await to.store.delete(key);
    }
    const sweep = await marked(to, [fourth!]);
    house.time.now += DAY;
    const [head] = await readHeads(house.context);
    assert.equal((await mergeLog(house.context, head!, new MergeMemory())).made, 1);
    await copyRepository(house.context, to, {});
    await sweep();
    assert.deepEqual((await verify(to)).problems, []);
    house.context = to;
    for (let version = 1; version <= 6; version++) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version), `${version}`);
    }
    await house.engine.close();
  });

  it("closes off no versions, though the source has it no more and the files that joined there are lost", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    await restoreInto(house.engine, house.handle, { backupId: "base" });
    await house.backup({ id: "second", type: "incremental" });
    const to = await openOver(new MemoryStore(), house.time.clock);
    await copyRepository(house.context, to, {});
    for (const part of [PART.backups, PART.heads]) {
      for (const key of await keysOf(to.store, part)) await to.store.delete(key);
    }
    await marked(to, await keysOf(to.store, PART.log));
    await house.set("b", "2");
    await house.backup({ id: "newest", type: "full" });
    await prune(house, { keepLast: 1 });
    await copyRepository(house.context, to, {});
    assert.deepEqual((await readHeads(to)).flatMap(({ gaps }) => gaps), []);
    await house.engine.close();
  });
});
