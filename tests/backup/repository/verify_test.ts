import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, NotFoundError, StorageError } from "../../../lib/base/errors.ts";
import { readAudit, writeAudit } from "../../../lib/backup/repository/core/audit.ts";
import { readBackups } from "../../../lib/backup/repository/core/catalog.ts";
import { OPEN_DEFAULTS, openRepository } from "../../../lib/backup/repository/core/open.ts";
import { giveUp } from "../../../lib/backup/repository/core/given_up.ts";
import {
  backupKey,
  headKey,
  logPrefix,
  objectKey,
  PART,
  REPOSITORY_COPY_KEY,
  REPOSITORY_KEY,
} from "../../../lib/backup/repository/core/layout.ts";
import { writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { openLog } from "../../../lib/backup/repository/log/log_reader.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { keysOf } from "./prune_fixture.ts";
import { mergeLog } from "../../../lib/backup/repository/log/merge.ts";
import { MergeMemory } from "../../../lib/backup/repository/log/merge_memory.ts";
import { putLogObject } from "../../../lib/backup/repository/log/log_object.ts";
import { logName, nextChain, recordsOf, writeLogHead } from "../../../lib/format/repository/archived_log.ts";
import { PieceWriter } from "../../../lib/format/repository/piece_writer.ts";
import { readProofs } from "../../../lib/backup/repository/core/proofs.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { mine, SHARE } from "../../crash/random.ts";
import { House } from "./house.ts";
import {
  type Damage,
  DAMAGES,
  foreign,
  imageOf,
  isUnnoticed,
  over,
  restoreFrom,
  type Sample,
  sampleRepository,
  storeOf,
  swapped,
  verify,
} from "./damage_fixture.ts";

const samples: Record<string, Promise<Sample>> = { plain: sampleRepository(), encrypted: sampleRepository(true) };

describe("verifyRepository()", () => {
  for (const [name, made] of Object.entries(samples)) {
    it(`finds nothing in a ${name} repository that is whole, however much it reads`, async () => {
      const sample = await made;
      for (const read of ["none", "sample", "all"] as const) {
        const context = over(sample, await storeOf(sample.image));
        const report = await verify(context, read);
        assert.deepEqual(report.problems, []);
        assert.equal(report.ok, true);
        assert.equal(report.backups, 6);
        assert.equal(report.read, read);
        if (read === "none") assert.equal(report.bytes, 0);
        else assert.ok(report.bytes > 0);
      }
    });

    it(`finds every object of a ${name} repository that was damaged, in every way`, async () => {
      const sample = await made;
      const other = await (name === "plain" ? sampleRepository() : sampleRepository(true));
      const { deleted, truncated, "flipped behind the header": flip } = DAMAGES as Record<string, Damage>;
      const some = { deleted: deleted!, truncated: truncated!, "flipped behind the header": flip! };
      const ways = { ...name === "plain" ? DAMAGES : some, swapped, foreign: foreign(other.image) };
      const missed: string[] = [];
      let count = 0;
      for (const key of mine(sample.image.keys())) {
        for (const [way, damage] of Object.entries(ways)) {
          const image = damage(sample.image, key);
          if (image === undefined || isUnnoticed(sample, key, way)) continue;
          count++;
          const report = await verify(over(sample, await storeOf(image)));
          if (report.ok) missed.push(`${key} ${way}`);
        }
      }
      assert.deepEqual(missed, []);
      assert.ok(count > (name === "plain" ? 250 : 80) / SHARE, `${count} cases`);
    });

    it(`leaves a restore of a ${name} repository right or refused by name`, async () => {
      const sample = await made;
      const other = await (name === "plain" ? sampleRepository() : sampleRepository(true));
      const ways = {
        deleted: DAMAGES["deleted"]!,
        flipped: DAMAGES["flipped in the middle"]!,
        swapped,
        foreign: foreign(other.image),
      };
      for (const key of mine(sample.image.keys())) {
        if (/^(audit|proofs|pins|keys)\/|^repository/.test(key)) continue;
        for (const [way, damage] of Object.entries(ways)) {
          const image = damage(sample.image, key);
          if (image === undefined) continue;
          const context = over(sample, await storeOf(image));
          const lost = new Set((await verify(context)).problems.flatMap(({ backups }) => backups));
          for (const id of name === "plain" ? ["full", "inc2", "snap", "inc3"] : ["full", "inc3"]) {
            const what = `${id} after ${key} was ${way}`;
            try {
              const { contents } = await restoreFrom(context, { backupId: id });
              assert.deepEqual(contents, sample.house.states.get(sample.backups.get(id)!), what);
              assert.ok(!lost.has(id), `${what}: restored, and verify calls it lost`);
            } catch (error) {
              assert.ok(error instanceof HoldfastError, `${what}: ${error}`);
              const isGone = way === "deleted" && key === `backups/${id}.json`;
              assert.ok(lost.has(id) || isGone, `${what}: ${error.message}, and verify does not name it`);
            }
          }
        }
      }
    });
  }

  it("finds an object that goes between being listed and being read, and not what goes with its backup", async () => {
    const sample = await samples["plain"]!;
    const part = (await readBackups(over(sample, await storeOf(sample.image)))).find(({ id }) => id === "part")!;
    const key = objectKey(part.base!.files[0]!.object);
    const lost = await storeOf(sample.image);
    const { get } = lost;
    lost.get = async (name, ...rest) => {
      if (name === key) await lost.delete(key);
      return await get.call(lost, name, ...rest);
    };
    const { problems } = await verify(over(sample, lost));
    assert.deepEqual(problems.map(({ key, backups }) => ({ key, backups })), [{ key, backups: ["part"] }]);

    const pruned = await storeOf(sample.image);
    const { list } = pruned;
    pruned.list = async (options) => {
      if (options?.prefix === "objects/") { for (const gone of ["backups/part.json", key]) await pruned.delete(gone); }
      return await list.call(pruned, options);
    };
    assert.deepEqual((await verify(over(sample, pruned))).problems, []);
  });

  it("names a backup of a part whose object is gone, and no other", async () => {
    const sample = await samples["plain"]!;
    const part = (await readBackups(over(sample, await storeOf(sample.image)))).find(({ id }) => id === "part")!;
    const image = new Map(sample.image);
    const key = objectKey(part.base!.files[0]!.object);
    assert.ok(image.delete(key));
    const { problems } = await verify(over(sample, await storeOf(image)), "none");
    assert.deepEqual(problems.map(({ key, backups }) => ({ key, backups })), [{ key, backups: ["part"] }]);
  });

  it("names the backup that ends with a commit whose files are gone, or forgotten, and none before it or behind the next base", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "before", type: "full" });
    await restoreInto(house.engine, house.handle, { backupId: "before" });
    house.note();
    const { version } = await house.backup({ id: "with", type: "incremental" });
    await house.set("b", "1");
    await house.engine.compact();
    await house.backup({ id: "next", type: "full" });
    await house.set("c", "1");
    await house.backup({ id: "last", type: "incremental" });
    const [head] = await readHeads(house.context);
    const [ingest] = head!.ingests;
    assert.equal(ingest!.version, version);
    const own = { ...house.context, store: await storeOf(await imageOf(house.store)) };
    const key = headKey(head!.database, head!.lineage);
    await writeDocument(own, "head", key, { ...head!, ingests: [] });
    const forgotten = (await verifyRepository(own, undefined, { read: "all" })).problems;
    assert.deepEqual(forgotten.map(({ key, backups }) => ({ key, backups })), [{ key, backups: ["with"] }]);

    const object = objectKey(ingest!.files[0]!.object);
    await house.store.delete(object);
    const gone = (await verifyRepository(house.context, undefined, { read: "none" })).problems;
    assert.deepEqual(gone.map(({ key, backups }) => ({ key, backups })), [{ key: object, backups: ["with"] }]);
  });

  it("remembers nothing of what it read the last time", async () => {
    const house = await House.make();
    await house.set("a", "1");
    const key = backupKey((await house.backup()).id);
    assert.deepEqual((await verify(house.context)).problems, []);
    const damaged = DAMAGES["flipped in the middle"]!(await imageOf(house.store), key)!.get(key)!;
    await house.store.put(key, damaged);
    assert.deepEqual((await verify(house.context)).problems.map((problem) => problem.key), [key]);
  });

  it("finds nothing in log with files that joined which no head counts yet", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    await restoreInto(house.engine, house.handle);
    const store = new FaultStore(house.store, {
      faults: [{ at: ({ operation, key }) => operation === "put" && key.startsWith("heads/"), do: "die" }],
    });
    await assert.rejects(Shipper.of({ ...house.context, store }, house.engine).ship());
    const [head] = await readHeads(house.context);
    const beyond = (await keysOf(house.store, "log/")).map((key) => Number(key.split("-")[1]));
    assert.ok(Math.max(...beyond) > head!.version, `${beyond}`);
    assert.deepEqual((await verify(house.context)).problems, []);
  });

  it("finds an older head that was put back, by log that follows what is behind it, and by log that spans it", async () => {
    for (const isMerged of [false, true]) {
      const house = await House.make();
      await house.set("a", "1");
      await house.backup();
      const ship = async (value: string): Promise<void> => {
        await house.set("a", value);
        await Shipper.of(house.context, house.engine).ship();
      };
      await ship("2");
      const [key] = await keysOf(house.store, PART.heads);
      const older = (await imageOf(house.store)).get(key!)!;
      await ship("3");
      if (!isMerged) await ship("4");
      else {
        const separate = await keysOf(house.store, PART.log);
        house.time.now += 2 * 86_400_000;
        const [head] = await readHeads(house.context);
        assert.equal((await mergeLog(house.context, head!, new MergeMemory())).made, 1);
        for (const each of separate) await house.store.delete(each);
      }
      assert.deepEqual((await verify({ ...house.context })).problems, []);
      await house.store.put(key!, older);
      const { problems } = await verify({ ...house.context });
      assert.deepEqual(problems.map((problem) => problem.key), [key]);
      assert.match(problems[0]!.detail, /an older head was put back/);
      // What is behind it is looked into, and may be damaged.
      const [beyond] = (await keysOf(house.store, PART.log)).slice(isMerged ? -1 : -2);
      await house.store.put(beyond!, (await imageOf(house.store)).get(beyond!)!.fill(0, 70));
      assert.ok((await verify({ ...house.context })).problems.some((problem) => problem.key === beyond));
      await house.engine.close();
    }
  });

  it("takes no head for an older one behind which log is shipped while it looks", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const list = house.store.list.bind(house.store);
    let shipped = 0;
    house.store.list = async (options) => {
      for (let n = 0; n < 2 && options?.prefix?.startsWith(PART.log); n++) {
        await house.set("a", `${shipped++}`);
        await Shipper.of(house.context, house.engine).ship();
      }
      return await list(options);
    };
    assert.deepEqual((await verify({ ...house.context })).problems, []);
    assert.ok(shipped > 0);
    await house.engine.close();
  });

  it("finds log that is whole and of another history", async () => {
    const sample = await samples["plain"]!;
    const [first, second] = [...sample.image.keys()].filter((key) => key.startsWith("log/"));
    const store = await storeOf(sample.image);
    const context = over(sample, store);
    const [object] = logObjects([{ key: first!, size: 0 }]);
    const { head, pieces } = await openLog(context, object!);
    const writer = new PieceWriter();
    for await (const piece of pieces) {
      for (const { version, timestamp, ops } of recordsOf(piece)) {
        writer.add(version, timestamp, Uint8Array.of(...ops, ...ops));
      }
    }
    const piece = writer.take();
    const chain = nextChain(head.previous, piece.bytes);
    const other = logPrefix(head.database, head.lineage) + logName(head.first, head.last, chain);
    await putLogObject(context, other, async function* () {
      yield writeLogHead(head);
      yield piece.bytes;
    }, {});
    // Beside the right one it does no harm; in its place it makes what follows unrestorable.
    assert.deepEqual((await verify(context)).problems, []);
    await store.delete(first!);
    const report = await verify(over(sample, store));
    const about = report.problems.find(({ key }) => key === other);
    assert.match(about!.detail, /not of the history/);
    assert.ok(about!.backups.includes("inc2") && !about!.backups.includes("full"), `${second}`);
    await assert.rejects(restoreFrom(over(sample, store), { backupId: "inc2" }), HoldfastError);
  });

  it("takes no merged log that it has not read for that of another history", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    for (const key of ["b", "c", "d"]) {
      await house.set(key, "2");
      await house.backup({ type: "incremental" });
    }
    house.time.now += 2 * 86_400_000;
    const [head] = await readHeads(house.context);
    assert.equal((await mergeLog(house.context, head!, new MergeMemory())).made, 1);
    for (const read of ["none", "sample", "all"] as const) {
      assert.deepEqual((await verify(house.context, read)).problems, []);
    }
  });

  it("reads, for one backup, only what that one needs", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const all = await verify(context);
    const one = await verify(context, "all", "inc1");
    assert.equal(one.ok, true);
    assert.equal(one.backups, 1);
    assert.ok(one.bytes < all.bytes && one.objects < all.objects && one.logObjects === 1);
    const [snap] = (await readBackups(context)).filter(({ id }) => id === "snap");
    const full = new Set(
      (await readBackups(context)).find(({ id }) => id === "full")!.base!.files.map(({ object }) => object),
    );
    const own = snap!.base!.files.find(({ object }) => !full.has(object))!;
    const damaged = new Map(sample.image).set(`objects/${own.object}`, new Uint8Array(own.stored));
    assert.equal((await verify(over(sample, await storeOf(damaged)), "all", "inc1")).ok, true);
    const broken = over(sample, await storeOf(damaged));
    const report = await verify(broken, "all", "snap");
    assert.deepEqual(report.problems.map(({ key, backups }) => [key, backups]), [[`objects/${own.object}`, []]]);
    // Another base and log lead to it, and what was verified is not good for that.
    const bad = (await readProofs(broken)).filter(({ ok, backupId }) => !ok && backupId !== null);
    assert.deepEqual(bad.map(({ backupId, problems }) => [backupId, problems]), [["snap", 1]]);
    await assert.rejects(verify(context, "all", "none"), NotFoundError);
  });

  it("tells what is wrong with one backup that nothing restores any more", async () => {
    const sample = await samples["plain"]!;
    const [log] = [...sample.image.keys()].filter((key) => key.startsWith(PART.log));
    const image = new Map(sample.image);
    image.delete(log!);
    const { ok, problems } = await verify(over(sample, await storeOf(image)), "all", "inc1");
    assert.equal(ok, false);
    assert.ok(problems.every(({ backups }) => backups.includes("inc1")), JSON.stringify(problems));
  });

  it("counts what it has read, be it damaged", async () => {
    const sample = await samples["plain"]!;
    const key = [...sample.image.keys()].find((each) => each.startsWith(PART.objects))!;
    const damaged = DAMAGES["flipped in the middle"]!(sample.image, key)!;
    const [whole, report] = [
      await verify(over(sample, await storeOf(sample.image))),
      await verify(over(sample, await storeOf(damaged))),
    ];
    assert.deepEqual([report.ok, report.objects], [false, whole.objects]);
  });

  it("says by length alone what was cut, and reads what it must to be sure", async () => {
    const sample = await samples["plain"]!;
    const key = [...sample.image.keys()].find((each) => each.startsWith("objects/"))!;
    const image = DAMAGES["truncated"]!(sample.image, key)!;
    const report = await verify(over(sample, await storeOf(image)), "none");
    assert.deepEqual(report.problems.map((problem) => problem.key), [key]);
  });

  it("reads other objects each time, one of each backup at least", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const sizes = new Set<number>();
    for (let times = 0; times < 12; times++) {
      const report = await verify(context, "sample");
      assert.ok(report.objects >= 3 && report.objects < 30);
      sizes.add(report.bytes);
    }
    assert.ok(sizes.size > 1, "the same bytes twelve times");
  });

  it("samples the log of each backup, be it one commit", async () => {
    const house = await House.make();
    await house.set("k", "0");
    await house.backup({ id: "full" });
    for (let n = 1; n <= 12; n++) {
      await house.set("k", `${n}`);
      await house.backup({ id: `inc${n}`, type: "incremental" });
    }
    assert.equal((await verify(house.context, "sample")).logObjects, 12);
    await house.engine.close();
  });

  it("finds accidents without the key", async () => {
    const sample = await samples["encrypted"]!;
    const open = async (image: Sample["image"]) =>
      await openRepository(await storeOf(image), { ...OPEN_DEFAULTS, keyless: true, create: false });
    assert.deepEqual((await verify(await open(sample.image))).problems, []);
    for (const key of sample.image.keys()) {
      if (!/^(objects|log)\//.test(key)) continue;
      const report = await verify(await open(DAMAGES["flipped in the middle"]!(sample.image, key)!));
      assert.deepEqual(report.problems.map((problem) => problem.key), [key]);
    }
  });

  it("finds that what it says of itself is another's, and looks for no key by that", async () => {
    const [plain, encrypted] = [await samples["plain"]!, await samples["encrypted"]!];
    for (const key of [REPOSITORY_KEY, REPOSITORY_COPY_KEY]) {
      const image = new Map(plain.image).set(key, encrypted.image.get(REPOSITORY_KEY)!);
      const { problems } = await verify(over(plain, await storeOf(image)), "none");
      assert.deepEqual(problems.map((problem) => problem.key), [key]);
    }
  });

  it("finds given up what an old line of the audit log says of a parent", async () => {
    const house = await House.make();
    for (const id of ["base", "parent", "child"]) {
      await house.set("a", id);
      await house.backup({ id, type: id === "base" ? "full" : "incremental" });
    }
    await house.store.delete(backupKey("parent"));
    const missed = async (): Promise<string[]> =>
      (await verify({ ...house.context }, "none")).problems.map(({ key }) => key);
    assert.deepEqual(await missed(), [backupKey("parent")]);
    await giveUp(house.context, [backupKey("parent")]);
    for (let n = 0; n < 700; n++) await writeAudit(house.context, "later", "ok", {});
    assert.deepEqual(await missed(), []);
    await house.engine.close();
  });

  it("finds what lies beside log and is not named as log is", async () => {
    const sample = await samples["plain"]!;
    const log = [...sample.image.keys()].find((key) => key.startsWith(PART.log))!;
    const deeper = log.replace(/\/([^/]+)$/, "/copies/$1");
    const image = new Map(sample.image).set(deeper, sample.image.get(log)!).set(`${log}.old`, new Uint8Array(9));
    const { problems } = await verify(over(sample, await storeOf(image)), "none");
    assert.deepEqual(problems.map(({ key }) => key), [`${log}.old`, deeper].sort());
  });

  it("finds log whose bytes are whole and whose operations make no sense", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const [head] = await readHeads(house.context);
    const writer = new PieceWriter();
    writer.add(9, 1000, Uint8Array.of(99, 99, 99));
    const { bytes } = writer.take();
    const about = { database: head!.database, lineage: head!.lineage, previous: head!.chain, first: 9, last: 9 };
    const chain = nextChain(about.previous, bytes);
    const key = logPrefix(about.database, about.lineage) + logName(9, 9, chain);
    await putLogObject(house.context, key, async function* () {
      yield writeLogHead({ ...about, minTimestamp: 1000, maxTimestamp: 1000 });
      yield bytes;
    }, {});
    assert.deepEqual((await verify({ ...house.context })).problems.map((problem) => problem.key), [key]);
    await house.engine.close();
  });

  it("finds without the key what was put there unencrypted", async () => {
    const [plain, encrypted] = [await samples["plain"]!, await samples["encrypted"]!];
    for (const part of [PART.objects, PART.log]) {
      const first = ({ image }: Sample): string => [...image.keys()].find((key) => key.startsWith(part))!;
      const key = first(encrypted);
      const image = new Map(encrypted.image).set(key, plain.image.get(first(plain))!);
      const context = await openRepository(await storeOf(image), { ...OPEN_DEFAULTS, keyless: true, create: false });
      const { problems } = await verify(context);
      assert.deepEqual(problems.map((problem) => problem.key), [key]);
      assert.match(problems[0]!.detail, /is not encrypted/);
    }
  });

  it("finds a lease and a mark that can't be read", async () => {
    const sample = await samples["plain"]!;
    const keys = [`${PART.marks}mark.json`, `${PART.locks}restore-0123456789abcdef.json`].sort();
    const image = new Map(sample.image);
    for (const key of keys) image.set(key, new Uint8Array(9));
    const { problems } = await verify(over(sample, await storeOf(image)), "none");
    assert.deepEqual(problems.map(({ key }) => key).sort(), keys);
  });

  it("proves nothing good by what it has not read", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    for (const read of ["none", "sample"] as const) assert.ok((await verify(house.context, read)).ok);
    assert.deepEqual(await readProofs(house.context), []);
  });

  it("keeps a good proof of each backup, and a bad one of each that is lost", async () => {
    const sample = await samples["plain"]!;
    const store = await storeOf(sample.image);
    const good = (await readProofs(over(sample, store))).filter(({ ok, backupId }) => ok && backupId !== null);
    assert.deepEqual(good.map(({ backupId }) => backupId).sort(), ["full", "inc1", "inc2", "inc3", "part", "snap"]);
    const [log] = [...sample.image.keys()].filter((key) => key.startsWith("log/"));
    await store.delete(log!);
    const context = over(sample, store);
    const report = await verify(context, "none");
    assert.equal(report.ok, false);
    const bad = (await readProofs(context)).filter(({ ok }) => !ok).map(({ backupId }) => backupId);
    assert.deepEqual(bad.sort(), report.problems.flatMap(({ backups }) => backups).sort());
    let last;
    for await (const line of readAudit(context)) last = line;
    assert.equal(last?.action, "verify");
    assert.equal(last?.result, "failed");
  });

  it("proves nothing of the whole by what one backup needs", async () => {
    const sample = await samples["plain"]!;
    const image = new Map([...sample.image].filter(([key]) => !key.startsWith(PART.proofs)));
    const context = over(sample, await storeOf(image.set(`${PART.marks}mark.json`, new Uint8Array(9))));
    assert.equal((await verify(context)).ok, false);
    assert.equal((await verify(context, "all", "full")).ok, true);
    const whole = (await readProofs(context)).filter(({ backupId }) => backupId === null);
    assert.deepEqual(whole.map(({ ok }) => ok), [false]);
  });

  it("takes no pin for a stray one whose manifest can't be read", async () => {
    const sample = await samples["plain"]!;
    const key = backupKey("full");
    const context = over(sample, await storeOf(new Map(sample.image).set(key, new Uint8Array(9))));
    const { problems } = await verify(context, "none");
    assert.ok(problems.some((problem) => problem.key === key));
    assert.deepEqual(problems.filter((problem) => problem.key.startsWith(PART.pins)), []);
  });

  it("does not go on without a lease where the store fails to take one that it may take later", async () => {
    const sample = await samples["plain"]!;
    const store = await storeOf(sample.image);
    const put = store.put.bind(store);
    for (const retryable of [true, false]) {
      store.put = (key, ...rest) => {
        const details = { operation: "put", key, retryable };
        return key.startsWith(PART.locks) ? Promise.reject(new StorageError("refused", details)) : put(key, ...rest);
      };
      const done = verify(over(sample, store), "none");
      await (retryable ? assert.rejects(done, /refused/) : done);
    }
  });

  it("writes nothing where nothing may be written", async () => {
    const sample = await samples["plain"]!;
    const store = await storeOf(sample.image);
    const context = { ...over(sample, store), readOnly: true };
    const written: string[] = [];
    store.put = (key) => (written.push(key), Promise.reject(new Error("written")));
    assert.equal((await verify(context)).ok, true);
    // Also where nobody is told that it failed.
    assert.deepEqual(written, []);
  });

  it("tells of its progress and gives up when told to", async () => {
    const sample = await samples["plain"]!;
    const context = over(sample, await storeOf(sample.image));
    const phases = new Set<string>();
    await verifyRepository(context, undefined, { read: "all", onProgress: ({ phase }) => void phases.add(phase) });
    assert.deepEqual([...phases], ["documents", "read"]);
    const abort = new AbortController();
    const onProgress = ({ phase }: { phase: string }): void => {
      if (phase === "read") abort.abort(new Error("enough"));
    };
    await assert.rejects(
      verifyRepository(context, undefined, { read: "all", signal: abort.signal, onProgress }),
      /enough/,
    );
    assert.deepEqual(context.activities.list(), []);
  });

  it("throws when the store can't be read, and reports nothing then", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "full" });
    house.store.list = () => Promise.reject(new Error("away"));
    const { context } = house;
    await assert.rejects(verify(context), /away/);
    await house.engine.close();
  });
});
