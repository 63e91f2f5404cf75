/** Log that a writer left which was overtaken: it lies beside the right one, and must not stand in its way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, LineageError } from "../../../lib/base/errors.ts";
import { backupKey, PART } from "../../../lib/backup/repository/core/layout.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { type LogObject, logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { putLogObject } from "../../../lib/backup/repository/log/log_object.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { openLog, readLog, type ReadLogOptions } from "../../../lib/backup/repository/log/log_reader.ts";
import { logName, nextChain, recordsOf, writeLogHead } from "../../../lib/format/repository/archived_log.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { dump, openAt, put, settingsOf, write } from "../fixture.ts";
import { openOver } from "./copy_fixture.ts";
import { verify } from "./damage_fixture.ts";
import { collect } from "../helpers.ts";
import { House } from "./house.ts";
import { copyOf, keysOf } from "./prune_fixture.ts";

/** A database with log for each of its versions 2 to 6 in an object of its own, behind a base at 1. */
async function oneByOne(): Promise<House> {
  const house = await House.make();
  await house.set("a", "1");
  await house.backup();
  const replication = await house.replicate();
  for (let i = 2; i <= 6; i++) {
    await house.set("a", `${i}`);
    await replication.flush();
  }
  await replication.stop();
  return house;
}

/**
 * Puts the versions from `first` to `last` there again, as one piece (or two, the first up to `cut`), perhaps with other
 * operations, or behind another history; returns its key.
 */
async function addStray(
  house: House,
  first: number,
  last: number,
  changed: boolean,
  { behind, cut }: { behind?: string; cut?: number } = {},
): Promise<string> {
  const { context } = house;
  const objects = logObjects(await allKeys(context.store, PART.log));
  const writer = new PieceWriter();
  const made: Uint8Array[] = [];
  let previous = behind;
  let chain = "";
  let times = { minTimestamp: 0, maxTimestamp: 0 };
  for (let version = first; version <= last; version++) {
    const { head, pieces } = await openLog(context, objects.find((object) => object.first === version)!);
    previous ??= head.previous;
    times = { minTimestamp: times.minTimestamp || head.minTimestamp, maxTimestamp: head.maxTimestamp };
    for await (const piece of pieces) {
      for (const { timestamp, ops } of recordsOf(piece)) {
        writer.add(version, timestamp, changed ? Uint8Array.of(...ops, ...ops) : ops);
      }
    }
    if (version !== cut && version !== last) continue;
    const { bytes } = writer.take();
    chain = nextChain(made.length === 0 ? previous : chain, bytes);
    made.push(bytes);
  }
  const { id: database, lineage } = house.engine;
  const key = `${PART.log}${database}/${lineage}/${logName(first, last, chain)}`;
  await putLogObject(context, key, async function* () {
    yield await Promise.resolve(writeLogHead({ database, lineage, previous: previous!, first, last, ...times }));
    yield* made;
  }, {});
  return key;
}

describe("stray log", () => {
  for (const changed of [false, true]) {
    it(`is no damage, and each version restores (${changed ? "of other commits" : "cut otherwise"})`, async () => {
      for (const [first, last] of [[2, 3], [3, 5], [5, 6], [2, 6]] as const) {
        const house = await oneByOne();
        await addStray(house, first, last, changed);
        assert.deepEqual((await verify(house.context)).problems, [], `beside ${first} to ${last}`);
        for (let version = 1; version <= 6; version++) {
          const { contents } = await house.restore({ at: { version } });
          assert.deepEqual(contents, house.states.get(version), `version ${version} beside ${first} to ${last}`);
        }
        await house.engine.close();
      }
    });
  }

  it("is no damage where it goes back further than what is needed, which the right one does not", async () => {
    const house = await House.make();
    for (let version = 1; version <= 6; version++) {
      await house.set("a", `${version}`);
      if (version === 1 || version === 4) await house.backup({ id: `full-${version}`, type: "full" });
      await Shipper.of(house.context, house.engine).ship();
    }
    const stray = await addStray(house, 2, 5, true);
    const bytes = await collect((await house.store.get(stray))!.body);
    await deleteBackup(house.context, "full-1");
    assert.equal((await keysOf(house.store, PART.log)).length, 3);
    await house.store.put(stray, bytes);
    assert.deepEqual((await verify(house.context)).problems, []);
    await house.engine.close();
  });

  for (const teller of ["a backup", "a head"]) {
    it(`is found where only ${teller} tells that another history was archived`, async () => {
      const house = await oneByOne();
      await house.set("a", "7");
      const { id } = await house.backup({ type: "incremental" });
      const [headKey] = await keysOf(house.store, PART.heads);
      const head = await collect((await house.store.get(headKey!))!.body);
      for (const version of [8, 9]) {
        await house.set("a", `${version}`);
        await Shipper.of(house.context, house.engine).ship();
      }
      const stray = await addStray(house, 2, 9, true, { cut: 7 });
      for (const key of await keysOf(house.store, PART.log)) if (key !== stray) await house.store.delete(key);
      if (teller === "a backup") await house.store.delete(headKey!);
      else {
        await house.store.put(headKey!, head);
        await house.store.delete(backupKey(id));
      }
      const { problems } = await verify(house.context);
      const about = problems.find(({ key }) => key === stray);
      assert.match(`${about?.detail}`, /not of the history/);
      assert.deepEqual(about?.backups, teller === "a backup" ? [id] : []);
      await house.engine.close();
    });
  }

  it("is found in the place of log that is lost, though it goes on beside what follows", async () => {
    const house = await oneByOne();
    const stray = await addStray(house, 3, 6, true, { cut: 4 });
    const [lost] = (await keysOf(house.store, PART.log)).filter((key) => key.includes("/0000000000000004-"));
    await house.store.delete(lost!);
    const { problems } = await verify(house.context);
    assert.match(`${problems.find(({ key }) => key === stray)?.detail}`, /not of the history/);
    await house.engine.close();
  });

  it("does not keep a version from being restored (behind another history, with more behind)", async () => {
    const house = await oneByOne();
    await addStray(house, 3, 4, true, { behind: "ab".repeat(32) });
    for (const version of [1, 2, 5, 6]) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version), `${version}`);
    }
    await house.engine.close();
  });

  it("does not keep a copy from going on", async () => {
    for (const [first, last] of [[2, 4], [3, 4], [4, 5], [3, 5], [2, 6], [5, 6]] as const) {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      const replication = await house.replicate();
      const target = await House.make();
      for (let i = 2; i <= 6; i++) {
        await house.set("a", `${i}`);
        await replication.flush();
        if (i === 4) await copyRepository(house.context, target.context, {});
      }
      await replication.stop();
      for (const changed of [false, true]) await addStray(house, first, last, changed);
      await copyRepository(house.context, target.context, {});
      for (let version = 1; version <= 6; version++) {
        const path = `/copied-${first}-${last}-${version}`;
        await restoreTo(target.fs, settingsOf({ clock: target.time.clock }), target.handle, path, { at: { version } });
        const engine = await openAt(target.fs, path, { readOnly: true });
        assert.deepEqual(dump(engine, true), house.states.get(version), `${version} beside ${first} to ${last}`);
        await engine.close();
      }
    }
  });

  it("is never taken for the right one, where that is lost", async () => {
    const house = await oneByOne();
    const stray = await addStray(house, 3, 4, true);
    const [right] = (await house.store.list({ prefix: PART.log })).objects
      .filter(({ key }) => key !== stray && key.includes("0000000000000004-"));
    await house.store.delete(right!.key);
    await assert.rejects(
      house.restore({ at: { version: 6 } }),
      (error) => error instanceof IntegrityError || /gap|point/i.test(`${error}`),
    );
    await house.engine.close();
  });
});

describe("readLog()", () => {
  async function versions(house: House, objects: LogObject[], options: ReadLogOptions): Promise<number[]> {
    const found: number[] = [];
    for await (const { version } of readLog(house.context, objects, options)) found.push(version);
    return found;
  }

  it("gives the commits that were asked for, each once, and none behind where a history was left", async () => {
    const house = await oneByOne();
    const merged = await addStray(house, 2, 6, false);
    const objects = logObjects(await allKeys(house.context.store, PART.log)).sort((a, b) => a.first - b.first);
    const ones = objects.filter(({ key }) => key !== merged);
    const [whole] = objects.filter(({ key }) => key === merged);
    for (const log of [ones, [whole!], [...ones.slice(0, 2), whole!]]) {
      assert.deepEqual(await versions(house, log, { after: 1 }), [2, 3, 4, 5, 6]);
      assert.deepEqual(await versions(house, log, { after: 2, upTo: 5 }), [3, 4, 5]);
      assert.deepEqual(await versions(house, log, { after: 4, upTo: 4 }), []);
    }
    assert.deepEqual(await versions(house, [{ ...whole!, until: 4 }], { after: 1 }), [2, 3, 4]);
    assert.deepEqual(await versions(house, [{ ...whole!, until: 4 }], { after: 4 }), []);
  });

  it("passes no hole", async () => {
    const house = await oneByOne();
    const objects = logObjects(await allKeys(house.context.store, PART.log)).sort((a, b) => a.first - b.first);
    const holed = objects.filter(({ first }) => first !== 4);
    await assert.rejects(
      versions(house, holed, { after: 1 }),
      (error: IntegrityError) =>
        error instanceof IntegrityError && error.path === holed[2]!.key &&
        /goes on with version 5 where 4 belongs/.test(error.message),
    );
    await assert.rejects(versions(house, objects.slice(1), { after: 1 }), /goes on with version 3 where 2 belongs/);
  });

  it("takes no log of another history, whatever it is named", async () => {
    const house = await oneByOne();
    const { store } = house;
    const [object] = logObjects(await allKeys(store, PART.log));
    const { id, lineage } = house.engine;
    for (const [from, to] of [[id, "f".repeat(32)], [lineage, "e".repeat(32)]] as const) {
      const key = object!.key.replace(from, to);
      await store.put(key, (await store.get(object!.key))!.body);
      await assert.rejects(
        versions(house, [{ ...object!, key }], { after: object!.first - 1 }),
        /it is the log of another history; run verify, then repair/,
      );
    }
  });

  it("takes no log of a copy that went its own way for the one whose name it has", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await write(copy, (batch) => put(batch, 0, "b", { value: "of the copy" }));
    const { context } = house;
    const other = house.context = await openOver(await copyOf(house.store), house.time.clock);
    await house.backup({ type: "incremental" }, copy);
    await copy.close();
    house.context = context;
    await house.set("b", "2");
    await house.backup({ type: "incremental" });
    const [object] = logObjects(await allKeys(house.store, PART.log));
    const [theirs] = logObjects(await allKeys(other.store, PART.log));
    await house.store.put(object!.key, (await other.store.get(theirs!.key))!.body);
    await assert.rejects(versions(house, [object!], { after: 1 }), IntegrityError);
    await assert.rejects(house.restore(), IntegrityError);
  });
});

describe("a reader that is held against log which is damaged", () => {
  it("is backed up all the same: nothing tells that it is not of that history", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await house.copyDirectory("/twin");
    const twin = await openAt(house.fs, "/twin", { clock: () => house.time.now + 1000 });
    await write(twin, (batch) => put(batch, 0, "b", { value: "of the twin" }));
    await twin.close();
    await house.set("b", "2");
    await house.copyDirectory("/copy");
    await house.set("c", "3");
    await house.backup({ type: "incremental" });
    const [key] = (await allKeys(house.store, PART.log)).map((object) => object.key);
    await house.store.put(key!, new Uint8Array(100));
    // What another reader has shown says nothing either: who writes the history does.
    for (const path of ["/copy", "/twin"]) {
      const reader = await openAt(house.fs, path, { clock: house.time.clock, readOnly: true });
      assert.equal(reader.visibleVersion, 2);
      const { id } = await house.backup({}, reader);
      assert.deepEqual((await house.restore({ backupId: id })).contents, dump(reader, true));
      await reader.close();
    }
  });
});

describe("two copies of a database that write into one history", () => {
  it("leave log beyond the head, which is no older one that was put back", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await write(copy, (batch) => put(batch, 0, "b", { value: "of the copy" }));
    const { id } = await house.backup({ type: "incremental" }, copy);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await assert.rejects(house.backup({ type: "incremental" }), LineageError);
    assert.equal((await allKeys(house.store, PART.log)).length, 2);
    assert.deepEqual((await verify(house.context)).problems, []);
    assert.deepEqual((await house.restore({ backupId: id })).contents, dump(copy, true));
    for (const engine of [copy, house.engine]) await engine.close();
  });

  it("are told apart, though neither has a slot, by the last commit that is archived", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.copyDirectory("/copy");
    const copy = await openAt(house.fs, "/copy", { clock: house.time.clock });
    await house.backup({}, copy);
    await write(copy, (batch) => put(batch, 0, "b", { value: "of the copy" }));
    await house.backup({ type: "incremental" }, copy);
    for (const key of ["b", "c"]) await house.set(key, "2");
    await assert.rejects(house.backup(), LineageError);
    assert.deepEqual((await house.restore()).contents, dump(copy, true));
    for (const engine of [copy, house.engine]) await engine.close();
  });
});
