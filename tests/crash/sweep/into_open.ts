/** Restores into an open database: the old contents or the new ones, and nothing between. */
import assert from "node:assert/strict";
import { DB } from "../../../mod.ts";
import { ReadOnlyError } from "../../../lib/base/errors.ts";
import { PATH, stateOf, withoutVersions } from "../public_database.ts";
import { checkReading, fill } from "./making.ts";
import { errorOf, type Scenario } from "./sweep.ts";
import type { Trial } from "./trial.ts";

interface Before {
  /** What the database holds, and what it holds once restored. */
  old: string;
  new: string;
}

/** Each kind of source, in each mode. */
export const intoOpen: Scenario<Before>[] = [];
for (const mode of ["replace", "merge"] as const) {
  for (const source of ["/source", "/source.tar", "/source.tar.gz", "/source.json", "/source.jsonl"]) {
    intoOpen.push({
      name: `restore of ${source.slice(7) || "a directory"} into an open database, ${mode}`,
      async prepare({ disk, machine }) {
        const db = await DB.open(PATH, machine.options(disk));
        await fill(db, "kept");
        await (source.includes(".json") ? db.backup(source) : db.export(source, { link: "never" }));
        await db.set("user/1", "another");
        await db.delete("b");
        await fill(db, "later");
        await db.close();
        // A rehearsal tells what comes of it.
        const rehearsal = await DB.open(PATH, machine.fork().options(disk.fork({ keep: "all" })));
        const old = await stateOf(rehearsal);
        await rehearsal.restore(source, { mode });
        const restored = await stateOf(rehearsal);
        await rehearsal.close();
        assert.notEqual(withoutVersions(restored), withoutVersions(old));
        return { old, new: restored };
      },
      run: (trial, before) => run(trial, before, source, mode),
    });
  }
}

async function run(trial: Trial, before: Before, source: string, mode: "replace" | "merge"): Promise<void> {
  let db = await DB.open(PATH, trial.machine.options(trial.disk));
  trial.arm();
  const error = await errorOf(trial, db.restore(source, { mode }));
  const done = error === undefined;
  if (trial.broken && !trial.dead) await checkReading(trial, db, done ? before.new : before.old);
  trial.disarm();
  if (!trial.dead) {
    assert.equal(await stateOf(db), done ? before.new : before.old, "what the handle shows");
    // The same handle does it again, unless the failure was final.
    const refusal = await db.restore(source, { mode }).then(() => undefined, (reason) => reason);
    if (refusal === undefined) {
      assert.equal(withoutVersions(await stateOf(db)), withoutVersions(before.new));
    } else {
      assert.ok(refusal instanceof ReadOnlyError, `done again: ${refusal}`);
    }
  }
  await db.close().catch(() => {});
  const { disk, machine } = trial.next();
  db = await DB.open(PATH, machine.options(disk));
  const found = withoutVersions(await stateOf(db));
  const allowed = done ? [before.new] : [before.old, before.new];
  assert.ok(allowed.some((state) => withoutVersions(state) === found), `${done ? "done" : error.code}: ${found}`);
  assert.deepEqual((await db.verify()).problems, []);
  await db.restore(source, { mode });
  assert.equal(withoutVersions(await stateOf(db)), withoutVersions(before.new), "done again");
  await db.close();
  const last = await DB.open(PATH, machine.options(disk.fork({ keep: "none" })));
  assert.equal(withoutVersions(await stateOf(last)), withoutVersions(before.new), "and kept");
  assert.deepEqual((await last.verify()).problems, []);
  await last.close();
  // What could not be removed at once is removed by the next open.
  assert.deepEqual((await disk.list(PATH)).filter((name) => name.startsWith(".stage-")), []);
}
