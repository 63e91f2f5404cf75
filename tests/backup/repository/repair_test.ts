import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, IntegrityError, ReadOnlyError } from "../../../lib/base/errors.ts";
import { copyRepository } from "../../../lib/backup/repository/care/copy_to.ts";
import { repairRepository } from "../../../lib/backup/repository/care/repair.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { readFacts } from "../../../lib/backup/repository/restoring/facts.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { recoveryRanges } from "../../../lib/backup/repository/restoring/recovery_points.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import {
  backupKey,
  headKey,
  objectKey,
  pinKey,
  REPOSITORY_COPY_KEY,
} from "../../../lib/backup/repository/core/layout.ts";
import { pinBackup } from "../../../lib/backup/repository/core/pins.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { sealDocument, sealOf } from "../../../lib/format/repository/document.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { mine } from "../../crash/random.ts";
import { openOver } from "./copy_fixture.ts";
import { collect } from "../helpers.ts";
import { copyOf, image as listing, keysOf, prune } from "./prune_fixture.ts";
import { House } from "./house.ts";
import {
  DAMAGES,
  drill,
  foreign,
  type Image,
  imageOf,
  over,
  repair,
  restoreFrom,
  type Sample,
  sampleRepository,
  storeOf,
  swapped,
  verify,
  withoutLogBetween,
} from "./damage_fixture.ts";

const samples: Record<string, Promise<Sample>> = { plain: sampleRepository(), encrypted: sampleRepository(true) };
const sampled = (): Promise<Sample> => samples["plain"]!;

async function points(context: Sample["house"]["context"]): Promise<string[]> {
  const ranges = recoveryRanges(await readFacts(context));
  return ranges.map(({ from, to }) => `${from.version}-${to.version}`);
}

function keyOf(sample: Sample, fits: (key: string) => boolean): string {
  return [...sample.image.keys()].find(fits)!;
}

describe("repairRepository()", () => {
  for (const [name, made] of Object.entries(samples)) {
    it(`keeps of a ${name} repository all that any damage leaves, and afterwards nothing else is wrong`, async () => {
      const sample = await made;
      const other = await sampleRepository(name === "encrypted");
      const more = { truncated: DAMAGES["truncated"]!, foreign: foreign(other.image) };
      const ways = {
        deleted: DAMAGES["deleted"]!,
        flipped: DAMAGES["flipped in the middle"]!,
        swapped,
        // Of these a key changes nothing.
        ...name === "plain" ? more : {},
      };
      for (const key of mine(sample.image.keys())) {
        for (const [way, damage] of Object.entries(ways)) {
          const image = damage(sample.image, key);
          if (image === undefined) continue;
          const what = `${key} ${way}`;
          const store = await storeOf(image);
          const report = await repair(over(sample, store));
          const lost = new Set(report.lostBackups.map(({ id }) => id));
          const fresh = over(sample, store);
          const after = await verify(fresh);
          // The last key slot can't be made without the secret.
          if (key.startsWith("keys/")) continue;
          assert.deepEqual(after.problems, [], what);
          const gone = way === "deleted" && key.startsWith("backups/");
          assert.ok(
            (await keysOf(store, "log/")).every((each) => each.startsWith(`log/${sample.house.engine.id}/`)),
            what,
          );
          if (/^(?!backups|objects|log)/.test(key)) assert.deepEqual(report.lostBackups, [], what);
          if (way === "swapped" && !key.startsWith("pins/")) assert.deepEqual(report.lostBackups, [], what);
          const listed = new Set((await readBackups(fresh)).map(({ id }) => id));
          for (const [id, version] of sample.backups) {
            assert.ok(
              listed.has(id) !== lost.has(id) || gone,
              `${what}: ${id} listed ${listed.has(id)}, lost ${lost.has(id)}`,
            );
            if (!listed.has(id)) continue;
            const { contents } = await restoreFrom(fresh, { backupId: id });
            assert.deepEqual(contents, sample.house.states.get(version), `${what}: ${id}`);
          }
          for (const { from, to } of recoveryRanges(await readFacts(fresh))) {
            for (const version of name === "plain" ? [from.version, to.version] : [to.version]) {
              const { contents } = await restoreFrom(fresh, { at: { version } });
              assert.deepEqual(contents, sample.house.states.get(version), `${what}: version ${version}`);
            }
          }
        }
      }
    });
  }

  it("does nothing to a repository that is whole, and tells that", async () => {
    const sample = await sampled();
    const store = await storeOf(sample.image);
    const { repaired, lostBackups, lostPoints, setAside } = await repair(over(sample, store));
    assert.deepEqual({ repaired, lostBackups, lostPoints, setAside }, {
      repaired: [],
      lostBackups: [],
      lostPoints: [],
      setAside: [],
    });
    const others = (keys: Iterable<string>): string[] => [...keys].filter((key) => !key.startsWith("audit/")).sort();
    assert.deepEqual(others(await keysOf(store)), others(sample.image.keys()));
  });

  it("says in a rehearsal what it would do, and writes nothing", async () => {
    const sample = await sampled();
    for (const part of ["objects/", "log/", "backups/", "heads/", "repository.json", "audit/", "proofs/"]) {
      const key = keyOf(sample, (each) => each.startsWith(part));
      const store = await storeOf(DAMAGES["flipped in the middle"]!(sample.image, key)!);
      const before = await listing(store);
      const planned = await repair({ ...over(sample, store), readOnly: true }, true);
      assert.deepEqual(await listing(store), before);
      const done = await repair(over(sample, store));
      assert.deepEqual({ ...planned, durationMs: 0 }, { ...done, durationMs: 0 }, key);
    }
  });

  it("heals an object from another copy of its content, and sets the damaged bytes aside", async () => {
    const house = await House.make();
    await house.set("a", "a".repeat(2000));
    await house.engine.compact();
    house.note();
    await house.backup({ id: "one", type: "full" });
    await house.backup({ id: "two", type: "full", compression: "gzip" });
    const copy = (await keysOf(house.store, "objects/")).find((key) => key.endsWith(".1"))!;
    const first = copy.slice(0, -2);
    for (const key of [first, copy]) {
      for (const bytes of [undefined, new Uint8Array(99).fill(7)]) {
        const image = await imageOf(house.store);
        if (bytes === undefined) image.delete(key);
        else image.set(key, bytes);
        const context = { ...house.context, store: await storeOf(image) };
        const report = await repair(context);
        assert.deepEqual(report.lostBackups, []);
        assert.equal(report.repaired.length, 1);
        assert.deepEqual((await verify({ ...context })).problems, []);
        // The copy may be stored otherwise; its length alone is no damage.
        assert.deepEqual((await verify({ ...context }, "none")).problems, []);
        const aside = (await keysOf(context.store, "damaged/")).map((each) => each.replace(/^damaged\/[^/]+\//, ""));
        assert.deepEqual(aside, bytes === undefined ? [] : [key]);
      }
    }
    await house.engine.close();
  });

  it("does not take for healed what the store spoils once more", async () => {
    const house = await House.make();
    await house.set("a", "a".repeat(2000));
    await house.engine.compact();
    for (const id of ["one", "two"]) await house.backup({ id, type: "full" });
    const damaged = (await keysOf(house.store, "objects/")).find((key) => key.endsWith(".1"))!;
    const image = await imageOf(house.store);
    const store = await storeOf(image);
    const { put } = store;
    const spoilt = new Uint8Array(image.get(damaged)!.length);
    store.put = (key, body, options) => put.call(store, key, key === damaged ? spoilt : body, options);
    await store.put(damaged, spoilt);
    const report = await repair({ ...house.context, store });
    assert.deepEqual([report.repaired, report.lostBackups.map(({ id }) => id)], [[], ["two"]]);
    assert.deepEqual((await verify({ ...house.context, store })).problems, []);
    await house.engine.close();
  });

  it("gives a repository that was made without it the copy of what it says of itself", async () => {
    const sample = await sampled();
    const image = new Map(sample.image);
    assert.ok(image.delete(REPOSITORY_COPY_KEY));
    const store = await storeOf(image);
    assert.deepEqual((await repair(over(sample, store))).repaired, []);
    assert.ok((await keysOf(store)).includes(REPOSITORY_COPY_KEY));
  });

  it("sets aside what lay in the place of a manifest that it puts there", async () => {
    const sample = await sampled();
    const [own, wrong] = ["backups/inc1.json", "backups/part.json"];
    const garbage = new Uint8Array(99).fill(7);
    const image = new Map(sample.image).set(own!, garbage).set(wrong!, sample.image.get(own!)!);
    const store = await storeOf(image);
    const { repaired } = await repair(over(sample, store));
    assert.ok(repaired.some((line) => line.includes(`lay at ${wrong}`)), `${repaired}`);
    const after = await imageOf(store);
    assert.deepEqual(after.get(own!), sample.image.get(own!));
    assert.ok([...after].some(([key, bytes]) => key.startsWith("damaged/") && bytes.join() === garbage.join()));
  });

  it("puts log where it belongs once, and not where it lies already", async () => {
    const sample = await sampled();
    const key = keyOf(sample, (each) => each.startsWith("log/"));
    const wrong = ["a", "b"].map((digit) => key.slice(0, -64) + digit.repeat(64));
    for (const isThere of [true, false]) {
      const image = new Map(sample.image);
      for (const name of wrong) image.set(name, image.get(key)!);
      if (!isThere) image.delete(key);
      const store = await storeOf(image);
      const puts: string[] = [];
      const { put } = store;
      store.put = (name, body, options) => (puts.push(name), put.call(store, name, body, options));
      const report = await repair(over(sample, store));
      assert.equal(puts.filter((name) => name === key).length, isThere ? 0 : 1);
      assert.equal(report.repaired.filter((line) => line.includes("put where it belongs")).length, isThere ? 0 : 1);
      assert.deepEqual(report.setAside, wrong);
      assert.deepEqual((await verify(over(sample, store))).problems, []);
    }
  });

  it("loses nothing with merged log when the objects it was made of are there, and the other way round", async () => {
    const sample = await sampled();
    const store = await storeOf(sample.image);
    const context = over(sample, store);
    const [head] = await readHeads(context);
    sample.house.time.advance(86_400_000);
    await mergeLog({ ...context, clock: () => sample.house.time.clock() + 2 * 86_400_000 }, head!, new MergeMemory());
    const image = new Map([...sample.image, ...await imageOf(store)]);
    const merged = [...image.keys()].filter((key) => key.startsWith("log/") && !sample.image.has(key));
    assert.equal(merged.length, 1);
    const [some] = [...sample.image.keys()].filter((key) => key.startsWith("log/"));
    for (const key of [merged[0]!, some!]) {
      const damaged = over(sample, await storeOf(DAMAGES["flipped in the middle"]!(image, key)!));
      const report = await repair(damaged);
      assert.deepEqual([report.lostBackups, report.lostPoints], [[], []]);
      assert.deepEqual(report.setAside, [key]);
      assert.deepEqual(await points(damaged), await points(context));
    }
  });

  it("makes a lost head again from backups and log, so that the database goes on under it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    await house.set("b", "2");
    await house.backup({ id: "inc" });
    await house.set("c", "3");
    const [key] = await keysOf(house.store, "heads/");
    const [before] = await readHeads(house.context);
    await house.store.delete(key!);
    await assert.rejects(house.backup({ id: "blind" }), IntegrityError);
    const report = await repair(house.context);
    assert.equal(report.repaired.length, 1);
    const [head] = await readHeads(house.context);
    // The log of the backup that was refused is there too.
    assert.deepEqual([head!.version, head!.start, head!.parents], [3, before!.start, before!.parents]);
    assert.ok(head!.epoch > before!.epoch);
    const info = await house.backup({ id: "next" });
    assert.equal(info.type, "incremental");
    assert.deepEqual((await house.restore()).contents, house.note() && house.states.get(info.version));
    assert.deepEqual((await verify(house.context)).problems, []);
    await house.engine.close();
  });

  it("ends between two steps when it is told to, and the next one goes on", async () => {
    const sample = await sampled();
    const object = keyOf(sample, (each) => each.startsWith("objects/"));
    const damage = DAMAGES["flipped in the middle"]!;
    const image = damage(damage(sample.image, object)!, sample.headKey)!;
    const store = await storeOf(image);
    const giveUp = new AbortController();
    const { put } = store;
    store.put = (key, body, options) => {
      if (key.startsWith("damaged/")) giveUp.abort(new Error("enough"));
      return put.call(store, key, body, options);
    };
    const options = { dryRun: false, signal: giveUp.signal };
    await assert.rejects(repairRepository(over(sample, store), options), /^Error: enough$/);
    const now = await imageOf(store);
    assert.deepEqual([now.has(object), now.get(sample.headKey)], [false, image.get(sample.headKey)]);
    assert.deepEqual(await keysOf(store, "locks/"), []);
    await repair(over(sample, store));
    assert.deepEqual((await verify(over(sample, store))).problems, []);
  });

  it("gives a head that it makes a later epoch than it had, though the clock was set back", async () => {
    const sample = await sampled();
    const store = await storeOf(new Map(sample.image).set(sample.headKey, sample.olderHead));
    const [old] = await readHeads(over(sample, store));
    await repair({ ...over(sample, store), clock: () => 1000 });
    const [head] = await readHeads(over(sample, store));
    assert.ok(head!.epoch > old!.epoch, `${head!.epoch} after ${old!.epoch}`);
  });

  it("removes nothing whose copy aside is not whole", async () => {
    const sample = await samples["plain"]!;
    const store = await storeOf(new Map(sample.image).set("proofs/verify-full-ok.json", new Uint8Array(10)));
    const { put } = store;
    store.put = (key, body, options) =>
      put.call(store, key, key.startsWith("damaged/") ? new Uint8Array(9) : body, options);
    await assert.rejects(
      repair(over(sample, store)),
      /is not the copy that was written; nothing was removed, try again$/,
    );
    assert.equal((await imageOf(store)).get("proofs/verify-full-ok.json")?.length, 10);
  });

  for (const moment of ["before it looks again", "as it writes"]) {
    it(`leaves a head that a writer moves on meanwhile, ${moment}`, async () => {
      const sample = await samples["plain"]!;
      const { headKey: key, image } = sample;
      const store = await storeOf(new Map(image).set(key, sample.olderHead));
      const { put, get } = store;
      let isCopied = false;
      store.put = async (name, ...rest) => {
        const done = await put.call(store, name, ...rest);
        isCopied ||= name.startsWith("damaged/") && name.endsWith(key);
        if (isCopied && moment === "before it looks again") await put.call(store, key, image.get(key)!);
        return done;
      };
      store.get = async (name, ...rest) => {
        const found = await get.call(store, name, ...rest);
        if (isCopied && name === key && moment === "as it writes") await put.call(store, key, image.get(key)!);
        return found;
      };
      await assert.rejects(repair(over(sample, store)), {
        code: "REPOSITORY_LOCKED",
        message: /was changed meanwhile/,
      });
      assert.deepEqual((await imageOf(store)).get(key), image.get(key));
    });
  }

  it("knows a head that it has put though it was told that another is there", async () => {
    const { headKey: key, image } = await samples["plain"]!;
    const store = await storeOf(new Map([...image].filter(([name]) => name !== key)));
    const { put } = store;
    // As after an answer that was lost, and a second try.
    store.put = async (name, ...rest) => {
      const done = await put.call(store, name, ...rest);
      return name === key ? undefined : done;
    };
    assert.equal((await repair(over(await sampled(), store))).repaired.length, 1);
    assert.deepEqual((await verify(over(await sampled(), store))).problems, []);
  });

  it("leaves a head that a writer puts where it found none", async () => {
    const { headKey: key, image } = await samples["plain"]!;
    const store = await storeOf(new Map([...image].filter(([name]) => name !== key)));
    const { put } = store;
    store.put = async (name, ...rest) => {
      if (name === key) await put.call(store, key, image.get(key)!);
      return await put.call(store, name, ...rest);
    };
    await assert.rejects(repair(over(await sampled(), store)), { code: "REPOSITORY_LOCKED" });
    assert.deepEqual((await imageOf(store)).get(key), image.get(key));
  });

  it("moves a head that was put back from an older time up to where the log is", async () => {
    const sample = await sampled();
    const store = await storeOf(new Map(sample.image).set(sample.headKey, sample.olderHead));
    const context = over(sample, store);
    assert.equal((await verify(context)).ok, false);
    const [now] = await readHeads(over(sample, await storeOf(sample.image)));
    await repair(context);
    const [head] = await readHeads(context);
    assert.deepEqual([head!.version, head!.chain], [now!.version, now!.chain]);
    assert.deepEqual((await verify(context)).problems, []);
    assert.deepEqual((await restoreFrom(context)).contents, sample.house.states.get(now!.version));
  });

  it("puts no head that lies in another's place over an older one, which is moved up by itself", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    const own = headKey(house.engine.id, house.engine.lineage);
    const older = await collect((await house.store.get(own))!.body);
    for (const version of [2, 3]) {
      await house.set("a", `${version}`);
      await house.backup({ id: `inc-${version}`, type: "incremental" });
    }
    const newest = (await readHeads(house.context))[0]!;
    const other = await house.open("/other");
    await house.set("b", "1");
    await house.backup({ id: "of-another" });
    await house.store.put(headKey(other.id, other.lineage), (await house.store.get(own))!.body);
    await house.store.put(own, older);
    const { repaired } = await repair(house.context);
    assert.deepEqual(repaired.filter((line) => /was put where it belongs/.test(line)), []);
    const heads = await readHeads({ ...house.context });
    const moved = heads.find(({ lineage }) => lineage === newest.lineage);
    assert.deepEqual([moved?.version, moved?.chain], [newest.version, newest.chain]);
    assert.deepEqual((await verify({ ...house.context })).problems, []);
    await other.close();
  });

  it("makes the next backup a new base when log behind the newest one is lost", async () => {
    for (const repaired of [true, false]) {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup({ id: "full" });
      await house.set("b", "2");
      await house.backup({ id: "inc" });
      await house.set("c", "3");
      await house.backup({ id: "inc2" });
      const [log] = await keysOf(house.store, "log/");
      await house.store.delete(log!);
      if (repaired) {
        const report = await repair(house.context);
        assert.deepEqual(report.lostBackups.map(({ id }) => id).sort(), ["inc", "inc2"]);
        assert.deepEqual(report.lostPoints.map(({ from, to }) => [from.version, to.version]), [[2, 3]]);
      }
      await house.set("d", "4");
      const info = await house.backup({ id: "next" });
      assert.equal(info.type, "snapshot", `repaired: ${repaired}`);
      assert.deepEqual((await house.restore()).contents, house.states.get(info.version));
      await house.set("e", "5");
      const last = await house.backup({ id: "last" });
      assert.equal(last.type, "incremental");
      assert.deepEqual((await house.restore()).contents, house.states.get(last.version));
      if (repaired) assert.deepEqual((await verify(house.context)).problems, []);
      await house.engine.close();
    }
  });

  it("keeps the points in time on both sides of lost log", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    for (const key of ["b", "c", "d", "e", "f", "g"]) {
      await house.set(key, key);
      await house.backup({ id: key, type: "incremental" });
      if (key === "e") await house.backup({ id: "base", type: "snapshot" });
    }
    const log = await keysOf(house.store, "log/");
    await house.store.delete(log[2]!);
    const report = await repair(house.context);
    assert.deepEqual(report.lostBackups.map(({ id }) => id), ["d"]);
    assert.deepEqual(report.lostPoints.map(({ from, to }) => [from.version, to.version]), [[4, 4]]);
    assert.deepEqual(await points(house.context), ["1-3", "5-7"]);
    for (const version of [1, 2, 3, 5, 6, 7]) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    await house.engine.close();
  });

  it("keeps the points in time before lost log that no backup ends in, and notes the gap", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    for (const key of ["b", "c", "d", "e", "f"]) {
      await house.set(key, key);
      await Shipper.of(house.context, house.engine).ship();
    }
    const log = await keysOf(house.store, "log/");
    await house.store.put(log[2]!, new Uint8Array(8));
    const report = await repair(house.context);
    assert.deepEqual(report.lostPoints.map(({ from, to }) => [from.version, to.version]), [[4, 6]]);
    assert.deepEqual(await points(house.context), ["1-3"]);
    assert.deepEqual((await house.restore({ at: { version: 3 } })).contents, house.states.get(3));
    const [head] = await readHeads(house.context);
    assert.deepEqual(head!.gaps.map(({ from, to }) => [from, to]), [[4, 4]]);
    assert.deepEqual((await verify(house.context)).problems, []);
    await house.engine.close();
  });

  it("keeps all but the states behind a commit whose files are lost, and makes a head know its files again", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    await house.set("b", "2");
    await house.backup({ id: "inc" });
    const ship = () => Shipper.of(house.context, house.engine).ship({ heartbeat: true });
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    house.note();
    await house.set("c", "3");
    await house.set("d", "4");
    await ship();
    const whole = await imageOf(house.store);
    const heads = await readHeads(house.context);
    const head = heads.find(({ ingests }) => ingests.length > 0)!;
    const [{ version, files }] = head.ingests as [typeof head.ingests[number]];
    const lost = new Map(whole);
    lost.delete(`objects/${files[0]!.object}`);
    const first = { ...house.context, store: await storeOf(lost) };
    assert.equal((await verify(first)).problems.length, 1);
    const report = await repair(first);
    const lostPoints = report.lostPoints.map(({ from, to }) => [from.version, to.version]);
    assert.deepEqual(lostPoints, [[version, version], [version + 1, house.engine.visibleVersion]]);
    assert.deepEqual(report.lostBackups, []);
    assert.deepEqual((await verify({ ...first })).problems, []);
    const before = await restoreFrom(first, { at: { version: version - 1 }, lineage: head.lineage });
    assert.deepEqual(before.contents, house.states.get(version - 1));
    const second = {
      ...house.context,
      store: await storeOf(new Map(whole).set(headKey(head.database, head.lineage), new Uint8Array(3))),
    };
    const again = await repair(second);
    assert.deepEqual([again.lostBackups, again.lostPoints], [[], []]);
    assert.deepEqual((await verify({ ...second })).problems, []);
    const last = house.engine.visibleVersion;
    assert.deepEqual((await restoreFrom(second)).contents, house.states.get(last));
    await house.engine.close();
  });

  for (const shipped of [true, false]) {
    it(`tells the time of the last state before such a commit, which log ${shipped ? "of its own" : "with it"} holds`, async () => {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup({ id: "full" });
      await house.set("b", "2");
      const { visibleVersion: version, visibleTimestamp: timestamp } = house.engine;
      const ship = () => Shipper.of(house.context, house.engine).ship();
      if (shipped) await ship();
      house.time.now += 60_000;
      await restoreInto(house.engine, house.handle, { backupId: "full" });
      await ship();
      const [ingest] = (await readHeads(house.context)).flatMap(({ ingests }) => ingests);
      assert.equal(ingest!.version, version + 1);
      await house.store.delete(`objects/${ingest!.files[0]!.object}`);
      await repair(house.context);
      const [before] = await house.points();
      assert.deepEqual(before!.to, { version, timestamp });
      assert.equal(before!.coveredUntil, house.engine.visibleTimestamp - 1);
      const { info } = await house.restore({ lineage: before!.lineage, at: house.engine.visibleTimestamp - 1 });
      assert.deepEqual(info.achieved, before!.to);
      await house.engine.close();
    });
  }

  /** Cuts a repair of these objects off after each write in turn; the next one comes to what one alone does. */
  async function assertGoesOn(sample: Sample, broken: Image, least: number): Promise<string> {
    const whole = await storeOf(broken);
    await repair(over(sample, whole));
    const expected = (await keysOf(whole, "backups/")).join();
    let cuts = 0;
    for (let after = 0;; after++) {
      const store = await storeOf(broken);
      let writes = 0;
      const { put, delete: remove } = store;
      const counted = (): void => {
        if (writes++ >= after) throw new HoldfastError("CUT", "cut off");
      };
      store.put = async (...args) => (counted(), await put.apply(store, args));
      store.delete = async (...args) => (counted(), await remove.apply(store, args));
      const done = await repair(over(sample, store)).then(() => true, () => false);
      Object.assign(store, { put, delete: remove });
      await sample.house.time.advance(20 * 60_000);
      await repair(over(sample, store));
      assert.equal((await keysOf(store, "backups/")).join(), expected, `cut off after ${after} writes`);
      assert.deepEqual((await verify(over(sample, store))).problems, [], `cut off after ${after} writes`);
      cuts++;
      if (done) break;
    }
    assert.ok(cuts > least, `${cuts} cuts`);
    return expected;
  }

  it("goes on where a repair was cut off, wherever that was", async () => {
    const sample = await sampled();
    const broken = new Map(sample.image);
    for (const part of ["objects/", "log/", "backups/inc1", "heads/", "audit/", "proofs/"]) {
      const key = keyOf(sample, (each) => each.startsWith(part));
      for (const [each, bytes] of DAMAGES["flipped in the middle"]!(sample.image, key)!) {
        if (each === key) broken.set(key, bytes);
      }
    }
    await assertGoesOn(sample, broken, 10);
    assert.ok((await repair(over(sample, await storeOf(broken)))).setAside.length > 5);
  });

  it("goes on where it was cut off as it put a manifest where it belongs", async () => {
    const sample = await sampled();
    const broken = new Map(sample.image).set("backups/elsewhere.json", sample.image.get("backups/inc2.json")!);
    broken.delete("backups/inc2.json");
    assert.ok((await assertGoesOn(sample, broken, 5)).includes("backups/inc2.json"));
  });

  it("sets a manifest aside that lies in its own place, too", async () => {
    const sample = await sampled();
    const store = await storeOf(
      new Map(sample.image).set("backups/twice.json", sample.image.get("backups/inc1.json")!),
    );
    const { repaired, setAside, lostBackups } = await repair(over(sample, store));
    assert.deepEqual({ repaired, setAside }, { repaired: [], setAside: ["backups/twice.json"] });
    assert.deepEqual(lostBackups.map(({ id }) => id), ["twice"]);
  });

  it("loses no bytes: what was there is there, or below damaged/", async () => {
    const sample = await sampled();
    for (const key of mine(sample.image.keys())) {
      const damaged = DAMAGES["flipped in the middle"]!(sample.image, key);
      if (damaged === undefined) continue;
      const store = await storeOf(damaged);
      await repair(over(sample, store));
      const after = await imageOf(store);
      const kept = [...after.values()].map((bytes) => bytes.join());
      for (const [each, bytes] of damaged) {
        assert.ok(kept.includes(bytes.join()), `${each} after ${key} was damaged`);
      }
    }
  });

  it("takes the place of an older repair's leftovers, and of a lease that can't be read", async () => {
    const sample = await sampled();
    const image = new Map(sample.image);
    for (const lease of ["prune", "backup-x", "restore-y"]) image.set(`locks/${lease}.json`, new Uint8Array(9));
    const store = await storeOf(image);
    const report = await repair(over(sample, store));
    assert.equal(report.setAside.length, 3);
    assert.deepEqual((await keysOf(store, "locks/")).sort(), ["locks/backup-x.json", "locks/restore-y.json"]);
    assert.deepEqual((await verify(over(sample, store))).problems, []);
  });

  it("leaves a backup that is made beside it, under the id of one that is gone, at any call", async () => {
    let ran = true;
    for (let nth = 1; ran; nth += 2) {
      ran = false;
      const house = await House.make();
      for (const id of ["full", "nightly", "child"]) {
        await house.set("a", id);
        await house.backup({ id });
      }
      await house.store.delete(backupKey("nightly"));
      const store = new FaultStore(house.store, {
        delay: async ({ index }) => {
          if (index !== nth) return;
          ran = true;
          await house.backup({ id: "nightly" });
          await pinBackup(house.context, "nightly");
        },
      });
      await repair({ ...house.context, store });
      const found = [...await keysOf(house.store, "backups/nightly"), ...await keysOf(house.store, "pins/")];
      assert.deepEqual(found, ran ? [backupKey("nightly"), pinKey("nightly")] : []);
      await house.engine.close();
    }
  });

  it("leaves alone what a newer release wrote", async () => {
    const newerOf = (bytes: Uint8Array): Uint8Array => {
      const { checksum: _checksum, ...fields } = JSON.parse(new TextDecoder().decode(bytes));
      const newer = { ...fields, formatVersion: 2 };
      const [seal, value] = sealOf(newer, undefined);
      return new TextEncoder().encode(`${JSON.stringify({ ...newer, [seal]: value }, null, 2)}\n`);
    };
    const sample = await sampled();
    const key = keyOf(sample, (each) => each.startsWith("proofs/"));
    const store = await storeOf(new Map(sample.image).set(key, newerOf(sample.image.get(key)!)));
    assert.equal((await verify(over(sample, store))).problems.length, 1);
    assert.deepEqual((await repair(over(sample, store))).setAside, []);
    // Nor a lease: somebody may be at work.
    const lease = { id: "0123456789abcdef", kind: "restore", holder: "somebody", takenAt: 1, expiresAt: 2 } as const;
    await store.put("locks/restore-0123456789abcdef.json", newerOf(sealDocument("lease", lease)));
    assert.deepEqual((await repair(over(sample, store))).setAside, []);
  });

  it("refuses a repository that it may not write to", async () => {
    const sample = await sampled();
    const context = { ...over(sample, await storeOf(sample.image)), readOnly: true };
    await assert.rejects(repair(context), ReadOnlyError);
  });
});

describe("a repaired repository", () => {
  it("lets a database that archived there all along go on", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const replication = await house.replicate();
    await house.set("b", "2");
    await replication.flush();
    const [key] = await keysOf(house.store, "heads/");
    await house.store.put(key!, new Uint8Array(5));
    await repair(house.context);
    await house.set("c", "3");
    await house.time.advance(120_000);
    await replication.flush();
    assert.ok(["waiting", "shipping"].includes(replication.status().state));
    assert.deepEqual((await house.restore()).contents, house.states.get(3));
    const again = await copyOf(house.store);
    assert.equal((await drill({ ...house.context, store: again })).ok, true);
    await replication.stop();
    await house.engine.close();
  });

  it("lets a replication make a new base behind log that is lost", async () => {
    const house = await House.make();
    const replication = await house.replicate();
    for (const key of ["a", "b", "c"]) {
      await house.set(key, key);
      await replication.flush();
    }
    const [, second] = await keysOf(house.store, "log/");
    await house.store.delete(second!);
    await repair(house.context);
    await house.set("d", "d");
    await replication.flush();
    assert.deepEqual((await house.restore()).contents, house.states.get(4));
    const { bases } = replication.status();
    await house.set("e", "e");
    await replication.flush();
    assert.equal(replication.status().bases, bases, "one base was enough");
    assert.deepEqual((await house.restore()).contents, house.states.get(5));
    await replication.stop();
    await house.engine.close();
  });

  it("is copied, with backups whose parents were lost, and so is a choice of them", async () => {
    const house = await House.make();
    await house.set("a", "a");
    const types = { base: "snapshot", two: "incremental", lost: "snapshot", three: "incremental" } as const;
    for (const [id, type] of Object.entries(types)) {
      house.time.now += 1000;
      if (type === "incremental") await house.set(id, id);
      await house.backup({ id, type });
    }
    await house.store.delete("backups/lost.json");
    await repair(house.context);
    for (const options of [{}, { backups: ["three"] }]) {
      const to = await openOver(new MemoryStore(), house.time.clock);
      await copyRepository(house.context, to, options);
      assert.deepEqual((await verify(to)).problems, []);
    }
  });

  it("lets a writer begin anew that had archived where nothing is left to tell of it", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "lost" });
    const key = headKey(house.engine.id, house.engine.lineage);
    for (const each of [key, "backups/lost.json"]) await house.store.delete(each);
    await repair(house.context);
    assert.equal(await house.store.head(key), undefined);
    // The same process, which remembers the head, and has something to tell there: that nothing came for a while.
    house.time.now += 5000;
    await house.backup({ id: "next" });
    await house.set("b", "2");
    await house.backup({ id: "last", type: "incremental" });
    for (const backupId of ["next", "last"]) {
      const { contents, info } = await house.restore({ backupId });
      assert.deepEqual(contents, house.states.get(info.achieved.version));
    }
    assert.deepEqual((await verify(house.context)).problems, []);
    await house.engine.close();
  });

  it("is not asked for by a writer whose head was lost where nothing told of it", async () => {
    for (const counted of [0, 2]) {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup({ id: "one", type: "full" });
      for (let i = 0; i < counted; i++) await house.set("b", `${i}`);
      await house.backup({ id: "two", type: "full" });
      await prune(house, { keepLast: 1 });
      assert.deepEqual(await keysOf(house.store, "log/"), []);
      await house.store.delete(headKey(house.engine.id, house.engine.lineage));
      assert.deepEqual((await repair(house.context)).repaired, []);
      await house.set("c", "3");
      await house.set("d", "4");
      for (const [id, type] of [["three", "incremental"], ["four", "full"]] as const) {
        await house.backup({ id, type });
        assert.deepEqual((await verify(house.context)).problems, []);
        await house.set("e", id);
      }
      await house.backup({ id: "last", type: "incremental" });
      assert.deepEqual(await points(house.context), [`${counted + 1}-${counted + 5}`]);
      const { contents, info } = await house.restore({ backupId: "last" });
      assert.deepEqual(contents, house.states.get(info.achieved.version));
      await house.engine.close();
    }
  });

  it("has log noted as lost that points in time need behind an older base, once the newest one is lost too", async () => {
    const house = await withoutLogBetween();
    const { base } = (await readBackups(house.context)).find(({ id }) => id === "newest")!;
    await house.store.delete(objectKey(base!.files[0]!.object));
    const { lostBackups, repaired } = await repair(house.context);
    assert.deepEqual(lostBackups.map(({ id }) => id), ["newest"]);
    assert.ok(repaired.some((what) => what.includes("versions 2 to 3 noted as lost")), repaired.join());
    assert.deepEqual((await verify(house.context)).problems, []);
    assert.deepEqual(await points(house.context), ["1-1"]);
    await house.engine.close();
  });
});
