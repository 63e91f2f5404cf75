import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, NotFoundError, ReadOnlyError } from "../../../lib/base/errors.ts";
import { encodeText } from "../../../lib/base/bytes.ts";
import { readAuditLine } from "../../../lib/backup/repository/core/audit_lines.ts";
import { auditHistory } from "../../../lib/backup/repository/core/history.ts";
import { type BackupFilter, findBackup, listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { pinBackup, unpinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { encodeAuditLine } from "../../../lib/format/repository/audit_line.ts";
import { House } from "./house.ts";
import { daily, DAY, keysOf } from "./prune_fixture.ts";

/** Two databases in one repository: the second by its own engine. */
async function twoDatabases(): Promise<House> {
  const house = await House.make();
  await daily(house, 3);
  const first = house.engine;
  await house.open("/other");
  await house.set("x", "1");
  await house.backup({ id: "other", labels: { kind: "rare", by: "hand" } });
  await house.time.advance(DAY);
  await house.set("x", "2");
  await house.backup({ id: "other-2", labels: { kind: "rare" } });
  house.engine = first;
  return house;
}

describe("list()", () => {
  it("gives the backups by version, and only those that fit", async () => {
    const house = await twoDatabases();
    const ids = async (filter?: BackupFilter): Promise<string[]> =>
      (await listBackups(house.context, filter)).map(({ id }) => id);
    assert.deepEqual(await ids(), ["full", "other", "other-2", "day-1", "day-2", "day-3"]);
    assert.deepEqual(await ids({ type: "snapshot" }), ["day-3"]);
    assert.deepEqual(await ids({ type: "incremental" }), ["other-2", "day-1", "day-2"]);
    assert.deepEqual(await ids({ database: house.engine.id }), ["full", "day-1", "day-2", "day-3"]);
    assert.deepEqual(await ids({ lineage: house.engine.lineage, type: "full" }), ["full"]);
    assert.deepEqual(await ids({ labels: { kind: "rare" } }), ["other", "other-2"]);
    assert.deepEqual(await ids({ labels: { kind: "rare", by: "hand" } }), ["other"]);
    assert.deepEqual(await ids({ labels: { toString: "x" } }), []);
    const { timestamp } = (await findBackup(house.context, "day-2"))!;
    assert.deepEqual(await ids({ from: timestamp, to: new Date(timestamp) }), ["day-2"]);
    assert.deepEqual(await ids({ to: timestamp - 1 }), ["full", "day-1"]);
  });

  it("is whole however calls overlap", async () => {
    const house = await twoDatabases();
    const ids = async (): Promise<string[]> => (await listBackups(house.context)).map(({ id }) => id);
    const all = await ids();
    for (let later = 0; later < 100; later++) {
      const first = ids();
      for (let i = 0; i < later; i++) await Promise.resolve();
      assert.deepEqual(
        await Promise.all([first, ids()]),
        [all, all],
        `the second begins ${later} turns after the first`,
      );
    }
  });

  it("refuses options that make no sense", async () => {
    const house = await House.make();
    const refused = (filter: unknown, error: RegExp): Promise<void> =>
      assert.rejects(listBackups(house.context, filter as BackupFilter), error);
    await refused({ kind: "full" }, /TypeError: list: unknown option "kind"/);
    await refused({ type: "auto" }, /TypeError: list: option "type" must be one of/);
    await refused({ from: "today" }, /TypeError: list: option "from"/);
    await refused({ labels: { a: 1 } }, /TypeError: list: option "labels" must be a record of strings, but "a" is 1$/);
    await refused({ from: 2, to: 1 }, /RangeError: list: option "from" is later than "to"/);
    assert.deepEqual(await listBackups(house.context), []);
  });
});

describe("get()", () => {
  it("tells of one backup what its making told, and whether it is pinned", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const made = await house.backup({ id: "a" });
    assert.deepEqual(await findBackup(house.context, "a"), made);
    await pinBackup(house.context, "a");
    assert.deepEqual(await findBackup(house.context, "a"), { ...made, pinned: true });
    assert.deepEqual(await listBackups(house.context), [{ ...made, pinned: true }]);
    for (const id of ["b", "", ".", "..", "a/b", "../a", "x".repeat(200)]) {
      assert.equal(await findBackup(house.context, id), undefined);
    }
  });
});

describe("pin() and unpin()", () => {
  it("may be said twice, and need a backup", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "a" });
    for (let i = 0; i < 2; i++) await pinBackup(house.context, "a");
    assert.deepEqual(await keysOf(house.store, "pins/"), ["pins/a"]);
    for (let i = 0; i < 2; i++) await unpinBackup(house.context, "a");
    for (const call of [pinBackup, unpinBackup]) {
      for (const id of ["b", "..", "a/b"]) await assert.rejects(call(house.context, id), NotFoundError);
    }
    assert.deepEqual(await keysOf(house.store, "pins/"), []);
    await house.openRepository({ readOnly: true });
    for (const call of [pinBackup, unpinBackup]) await assert.rejects(call(house.context, "a"), ReadOnlyError);
  });
});

describe("history()", () => {
  it("tells what was done, the oldest first", async () => {
    const house = await House.make();
    assert.deepEqual(await auditHistory(house.context), []);
    await house.set("a", "1");
    await house.backup({ id: "a" });
    await pinBackup(house.context, "a");
    await assert.rejects(pinBackup(house.context, "b"));
    const told = (await auditHistory(house.context)).map(({ seq, action, result, detail, at }) => {
      assert.equal(at, house.time.now);
      return [seq, action, result, detail["id"]];
    });
    assert.deepEqual(told, [[1, "backup", "ok", "a"], [2, "pin", "ok", "a"], [3, "pin", "failed", "b"]]);
  });

  it("names the line that was changed or is gone", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "a" });
    await pinBackup(house.context, "a");
    await unpinBackup(house.context, "a");
    const [first, second] = await keysOf(house.store, "audit/");
    const { body } = (await house.store.get(second!))!;
    let bytes = new Uint8Array(0);
    for await (const piece of body) bytes = piece.slice();
    await house.store.delete(second!);
    await assert.rejects(auditHistory(house.context), IntegrityError);
    await house.store.put(second!, bytes);
    assert.equal((await auditHistory(house.context)).length, 3);
    await house.store.put(first!, bytes);
    await assert.rejects(auditHistory(house.context), (error: Error) => error.message.includes(first!));
  });

  it("names the line behind one that was written anew, as good as any", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "a" });
    await pinBackup(house.context, "a");
    const [first, second] = await keysOf(house.store, "audit/");
    const line = (await readAuditLine(house.context, first!))!;
    await house.store.put(first!, encodeText(encodeAuditLine({ ...line, at: line.at + 1 }, undefined)));
    assert.equal((await readAuditLine(house.context, first!))!.at, line.at + 1, "by itself it is a line");
    await assert.rejects(auditHistory(house.context), (error: Error) => error.message.includes(second!));
  });
});
