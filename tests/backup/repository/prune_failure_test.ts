import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StorageError } from "../../../lib/base/errors.ts";
import { readAllDocuments } from "../../../lib/backup/repository/core/documents.ts";
import { gcMark } from "../../../lib/format/repository/house_documents.ts";
import { backupKey, PART, pinKey } from "../../../lib/backup/repository/core/layout.ts";
import { readBytes } from "../../../lib/backup/repository/core/documents.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { takeLease } from "../../../lib/backup/repository/core/lease.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { deleteBackup } from "../../../lib/backup/repository/pruning/prune.ts";
import { FaultStore, type StoreCall, type StoreFaultKind } from "../../../lib/storage/fault_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { mine, SHARE } from "../../crash/random.ts";
import { House } from "./house.ts";
import { assertAllRestore, copyOf, daily, image, keysOf, leaveObjects, prune } from "./prune_fixture.ts";

const MINUTE = 60_000;
const MIB = 2 ** 20;
const LAST = { keepLast: 1 };

describe("a pruning whose store fails", () => {
  /** A repository with work for every step: manifests, log, objects, a head's files, pins and an older mark. */
  async function prepared(): Promise<{ house: House; store: ObjectStore }> {
    const house = await House.make();
    await daily(house, 4);
    await restoreInto(house.engine, house.handle, { backupId: "full" });
    house.note();
    await house.backup({ id: "joined", type: "incremental" });
    await leaveObjects(house, { id: "cut", type: "full" });
    const lease = await takeLease(house.context, { kind: "verify", holder: "other" });
    await prune(house, { keepLast: 10 });
    await lease.release();
    await house.set("last", "1");
    await house.engine.compact();
    house.note();
    await house.backup({ id: "newest", type: "snapshot" });
    await house.store.put("pins/gone", new Uint8Array(0));
    return { house, store: house.store };
  }

  const open = async (house: House, store: ObjectStore): Promise<void> => {
    const { context } = house;
    house.context = { ...context, store };
    await Promise.resolve();
  };
  const contents = async (store: ObjectStore): Promise<string[]> =>
    (await keysOf(store)).filter((key) => !key.startsWith(PART.audit));
  const error = (): StorageError =>
    new StorageError("the store fails", { operation: "any", key: "any", retryable: false });

  for (const kind of ["refuse", "lose", "die", "dieAfter"] as const satisfies readonly StoreFaultKind[]) {
    it(`at any call, by "${kind}": what is listed restores, and the next pruning finishes`, async () => {
      const { house, store } = await prepared();
      const good = new FaultStore(await copyOf(store));
      await open(house, good);
      await prune(house, LAST);
      const wanted = await contents(good);
      await assertAllRestore(house);
      const seen = new Set<string>();
      assert.ok(good.calls.length > 60);
      for (const at of mine(good.calls.map((_, index) => index + 1))) {
        const copy = await copyOf(store);
        await open(house, new FaultStore(copy, { faults: [{ at, do: kind, error }] }));
        await prune(house, LAST).catch(() => {});
        await open(house, copy);
        const image = (await contents(copy)).join();
        if (!seen.has(image)) await assertAllRestore(house);
        seen.add(image);
        house.time.now += 16 * MINUTE;
        await prune(house, LAST);
        assert.deepEqual(await contents(copy), wanted, `after a failure at call ${at}`);
        house.time.now -= 16 * MINUTE;
      }
      assert.ok(seen.size > 5 / SHARE);
    });
  }

  it("by listing a part: nothing goes that should stay", async () => {
    const { house, store } = await prepared();
    const good = new FaultStore(await copyOf(store));
    await open(house, good);
    await prune(house, LAST);
    const lists = good.calls.filter(({ operation }) => operation === "list").map(({ index }) => index);
    for (const at of lists) {
      const copy = await copyOf(store);
      const hidden = (key: string): boolean =>
        /newest|\/joined|heads/.test(key) || key.charCodeAt(key.length - 1) % 2 === 0;
      await open(house, new FaultStore(copy, { faults: [{ at, do: "hide", hidden }] }));
      await prune(house, LAST).catch(() => {});
      await open(house, copy);
      assert.ok((await assertAllRestore(house)).includes("newest"), `a part at call ${at}`);
      assert.ok(await copy.head(backupKey("newest")));
    }
  });

  it("by listing less from some call on, for good: what was there before does not go", async () => {
    const { house, store } = await prepared();
    const lists = ({ operation, key }: StoreCall): boolean => operation === "list" && key === PART.backups;
    const good = new FaultStore(await copyOf(store));
    await open(house, good);
    await prune(house, LAST);
    let told = 0;
    for (const { index } of good.calls.filter(lists).slice(1)) {
      const copy = await copyOf(store);
      const at = (call: StoreCall): boolean => lists(call) && call.index >= index;
      const hidden = (key: string): boolean => key === backupKey("newest");
      await open(house, new FaultStore(copy, { faults: [{ at, do: "hide", hidden, times: Infinity }] }));
      await prune(house, LAST).catch(({ message }) => {
        told++;
        assert.match(message, /backups\/newest\.json was listed, and then was not/);
      });
      await open(house, copy);
      assert.ok((await assertAllRestore(house)).includes("newest"), `less from call ${index} on`);
    }
    assert.ok(told > 2);
  });

  it("by listing no log at the look behind the mark: it looks again, and does what it would have done", async () => {
    const { house, store } = await prepared();
    // The older one of these needs log.
    const TWO = { keepLast: 2 };
    const good = new FaultStore(await copyOf(store));
    await open(house, good);
    await prune(house, TWO);
    const wanted = await contents(good);
    let marks = 0;
    let looks = 0;
    const copy = await copyOf(store);
    const fails = new FaultStore(copy);
    fails.inject({
      at: ({ operation, key }) => {
        if (operation === "put" && key.startsWith(PART.marks)) marks++;
        // Of manifests first, of log behind that. A head whose log is not listed has it listed again.
        if (operation !== "list" || !key.startsWith(PART.log) || marks !== 2) return false;
        if (key === PART.log) looks++;
        return looks === 1;
      },
      do: "hide",
      hidden: () => true,
      times: Infinity,
    });
    await open(house, fails);
    await prune(house, TWO);
    assert.ok(looks > 1);
    await open(house, copy);
    assert.deepEqual(await contents(copy), wanted);
    await assertAllRestore(house);
  });

  it("by listing log no more that names files which joined: they stay", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup({ id: "base", type: "full" });
    await restoreInto(house.engine, house.handle, { backupId: "base", mode: "merge" });
    house.note();
    await Shipper.of(house.context, house.engine).ship();
    const [head] = await readHeads(house.context);
    const [ingest] = head!.ingests;
    const copy = await copyOf(house.store);
    const fails = new FaultStore(copy);
    let looks = 0;
    fails.inject({
      at: ({ operation, key }) => operation === "list" && key.startsWith(PART.log) && ++looks > 1,
      do: "hide",
      hidden: () => true,
      times: Infinity,
    });
    await open(house, fails);
    await prune(house, LAST);
    await open(house, copy);
    assert.deepEqual((await readHeads(house.context)).map(({ ingests }) => ingests), [[ingest]]);
    const { contents } = await house.restore({ at: { version: ingest!.version } });
    assert.deepEqual(contents, house.states.get(ingest!.version));
    await house.engine.close();
  });

  it("at a delete, whatever came of it: what was marked stays so, for that may still come to pass", async () => {
    const { house, store } = await prepared();
    for (const at of [PART.backups, PART.objects]) {
      const copy = await copyOf(store);
      const refused = ({ operation, key }: StoreCall): boolean => operation === "delete" && key.startsWith(at);
      const fails = new FaultStore(copy, { faults: [{ at: refused, do: "refuse", error }] });
      await open(house, fails);
      await assert.rejects(prune(house, LAST), { name: "StorageError" });
      const key = fails.calls.find(refused)!.key;
      const marks = await readAllDocuments({ ...house.context, store: copy }, "gc", PART.marks, gcMark);
      assert.ok(marks.some(({ body }) => body.keys.includes(key)), `${key} is marked`);
    }
  });

  it("by listing pins and leaving some out, however often: what is pinned stays", async () => {
    const { house, store } = await prepared();
    await open(house, store);
    const { backups } = await prune(house, LAST, true);
    const going = backups.filter(({ keep }) => !keep).map(({ id }) => id);
    assert.ok(going.length > 0);
    for (const id of going) {
      const copy = await copyOf(store);
      await copy.put(pinKey(id), new Uint8Array(0));
      const hidden = (key: string): boolean => key === pinKey(id);
      const at = ({ operation, key }: StoreCall): boolean => operation === "list" && key === PART.pins;
      await open(house, new FaultStore(copy, { faults: [{ at, do: "hide", hidden, times: Infinity }] }));
      const before = await image(copy);
      await assert.rejects(prune(house, LAST), { name: "IntegrityError", message: /is there and was not listed/ });
      // By its pin, or by what builds on it.
      await assert.rejects(deleteBackup(house.context, id), { name: /^(Integrity|Holdfast)Error$/ });
      const kept = (all: string[]): string[] => all.filter((each) => !each.startsWith(PART.audit));
      assert.deepEqual(kept(await image(copy)), kept(before), id);
    }
  });

  it("by leaving out what builds on a backup until that is gone: it is put back", async () => {
    const house = await House.make();
    await house.set("a", "0");
    await house.backup({ id: "base", type: "full" });
    await house.set("a", "1");
    await house.backup({ id: "child", type: "incremental" });
    const base = backupKey("base");
    const manifest = await readBytes(house.store, base, MIB);
    const shows = new FaultStore(await copyOf(house.store));
    const gone = ({ operation, key }: StoreCall): boolean => operation === "delete" && key === base;
    const at = ({ operation, key }: StoreCall): boolean =>
      operation === "list" && key === PART.backups && !shows.calls.some(gone);
    shows.inject({ at, do: "hide", hidden: (key) => key === backupKey("child"), times: Infinity });
    await open(house, shows);
    const message = /is there and was not listed; nothing is deleted/;
    await assert.rejects(deleteBackup(house.context, "base"), { name: "IntegrityError", message });
    assert.ok(shows.calls.some(gone));
    await open(house, await copyOf(shows));
    assert.ok((await assertAllRestore(house)).includes("child"));
    assert.deepEqual((await readBytes(house.context.store, base, MIB))?.bytes, manifest?.bytes);
  });
});
