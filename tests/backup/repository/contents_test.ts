/** What a check keeps of the objects that it reads. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { restoreInto } from "../../../lib/backup/mod.ts";
import { Contents } from "../../../lib/backup/repository/care/check/contents.ts";
import { Findings } from "../../../lib/backup/repository/care/check/findings.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { House } from "./house.ts";
import { copyOf, DAY } from "./prune_fixture.ts";

describe("Contents", () => {
  it("knows the time before a commit that took files in from whichever object tells it, read first or last", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    house.time.now += 1000;
    await house.set("b", "2");
    const { visibleTimestamp: timeBefore } = house.engine;
    const ship = () => Shipper.of(house.context, house.engine).ship();
    await ship();
    house.time.now += 1000;
    await restoreInto(house.engine, house.handle, { backupId: "base", mode: "merge" });
    await ship();
    const single = await copyOf(house.store);
    house.time.now += DAY;
    const [head] = await readHeads(house.context);
    assert.equal((await mergeLog(house.context, head!, new MergeMemory())).made, 1);
    const [merged] = logObjects(await allKeys(house.store, PART.log));
    // The one that begins with this commit has not gone yet.
    const begun = logObjects(await allKeys(single, PART.log)).find(({ first }) => first === head!.ingests[0]!.version);
    await house.store.put(begun!.key, (await single.get(begun!.key))!.body);
    for (const order of [[merged!, begun!], [begun!, merged!]]) {
      const options = { versions: new Set<number>(), onBytes: () => {}, signal: undefined };
      const contents = new Contents({ ...house.context }, new Findings(), options);
      for (const object of order) await contents.logObject(object);
      assert.deepEqual([...contents.ingests.values()].map((ingest) => ingest.timeBefore), [timeBefore]);
    }
    await house.engine.close();
  });
});
