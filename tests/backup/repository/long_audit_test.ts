/** Checks of a repository whose audit log is long: it has no end, and each line is a request. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writeAudit } from "../../../lib/backup/repository/core/audit.ts";
import { auditKey } from "../../../lib/backup/repository/core/audit_lines.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { repair, verify } from "./damage_fixture.ts";
import { House } from "./house.ts";

const LINES = 1000;

/** A backup, so many lines, and how many of them were read since it was asked last. */
async function longHouse(): Promise<{ house: House; memory: MemoryStore; linesRead: () => number }> {
  const memory = new MemoryStore();
  const store = new FaultStore(memory);
  const house = await House.make({ store });
  await house.set("a", "1");
  await house.backup({ id: "full" });
  for (let seq = 2; seq <= LINES; seq++) await writeAudit(house.context, "restore", "ok", {});
  let seen = store.calls.length;
  const linesRead = (): number => {
    const calls = store.calls.slice(seen);
    seen = store.calls.length;
    return calls.filter(({ operation, key }) => operation === "get" && key.startsWith("audit/")).length;
  };
  return { house, memory, linesRead };
}

describe("a check of a repository with a long audit log", () => {
  it("reads all of that where all is to be read, and else its end and a part of the rest", async () => {
    const { house, linesRead } = await longHouse();
    for (const [read, id, count] of [["all", undefined, LINES], ["all", "full"], ["sample"], ["none"]] as const) {
      assert.deepEqual((await verify(house.context, read, id)).problems, []);
      const lines = linesRead();
      assert.ok(count === undefined ? lines === 500 : lines >= count, `${lines} lines read with ${read} of ${id}`);
    }
    await house.engine.close();
  });

  it("finds a line that is gone each time, unless that was given up long ago", async () => {
    const { house, memory } = await longHouse();
    await memory.delete(auditKey(700));
    for (const read of ["all", "none"] as const) {
      const { problems } = await verify(house.context, read);
      assert.deepEqual(problems.map(({ key }) => key), [auditKey(701)], read);
    }
    await repair(house.context);
    for (let i = 0; i < 250; i++) await writeAudit(house.context, "restore", "ok", {});
    for (let i = 0; i < 3; i++) assert.deepEqual((await verify(house.context, "none")).problems, []);
    await house.engine.close();
  });

  it("knows of a backup that was given up long ago, and that another builds on", async () => {
    const { house, memory } = await longHouse();
    for (const id of ["parent", "child"]) {
      await house.set(id, "1");
      await house.backup({ id, type: "incremental" });
    }
    await memory.put("backups/parent.json", new Uint8Array(10));
    await repair(house.context);
    const named = (problems: readonly { key: string }[]): string[] => problems.map(({ key }) => key);
    assert.deepEqual(named((await verify(house.context, "all")).problems), []);
    // So many that of what lies before them only a part is read.
    for (let i = 0; i < 250; i++) await writeAudit(house.context, "restore", "ok", {});
    for (let i = 0; i < 20; i++) assert.deepEqual(named((await verify(house.context, "none")).problems), []);
    await house.engine.close();
  });

  it("finds a damaged line in the end", async () => {
    const { house, memory } = await longHouse();
    await memory.put(auditKey(100), new Uint8Array(10));
    let tries = 1;
    while ((await verify(house.context, "none")).ok) assert.ok(++tries < 1000, "it is never read");
    await house.engine.close();
  });
});
