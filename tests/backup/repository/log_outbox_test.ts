/** Shipping more log at once than goes into one object. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { HoldfastError } from "../../../lib/base/errors.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { readHead } from "../../../lib/backup/repository/log/heads.ts";
import { LogIndex, logObjects } from "../../../lib/backup/repository/log/log_chain.ts";
import { measureLog } from "../../../lib/backup/repository/log/measure_log.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { FaultStore, type StoreCall } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { put, write } from "../fixture.ts";
import { type Contents, House, MIDNIGHT } from "./house.ts";
import { Gate, keysOf } from "./prune_fixture.ts";
import { NO_WAIT } from "./sweep.ts";

const MIB = 2 ** 20;

/** Bytes that don't shrink, as text that does by half. */
function noise(seed: number): string {
  return createHash("shake256", { outputLength: MIB / 2 }).update(`${seed}`).digest("hex");
}

/** What `dump` makes of the contents at a version: each key with its own. */
function contentsAt(version: number): Contents {
  const contents: Contents = { ":first": "1|1|||1" };
  for (let at = 2; at <= version; at++) contents[`:k${(at - 2) % 10}`] = `1|${MIB} bytes|||${at}`;
  return contents;
}

/** 40 commits of 1 MiB behind a full backup: 5 objects. */
async function withMuchLog(store: ObjectStore): Promise<House> {
  const engine = { memtableBytes: 64 * MIB, historyBytes: 0 };
  const house = await House.make({ store, repository: { timers: NO_WAIT }, engine });
  await house.set("first", "1");
  await house.backup();
  for (let i = 0; i < 40; i++) await write(house.engine, (batch) => put(batch, 0, `k${i % 10}`, { value: noise(i) }));
  return house;
}

async function logKeys(store: ObjectStore): Promise<string[]> {
  return (await store.list({ prefix: "log/" })).objects.map(({ key }) => key);
}

/** The keys that the head counts, as far back as the full backup. */
async function counted(house: House): Promise<string[]> {
  const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
  const listed = (await house.store.list({ prefix: "log/" })).objects;
  const walk = new LogIndex(logObjects(listed)).walkBack({ version: body.version, chain: body.chain }, 2);
  assert.equal(walk.from, 2);
  return walk.objects.map(({ key }) => key);
}

const isLogPut = ({ operation, key }: StoreCall): boolean => operation === "put" && key.startsWith("log/");
const isHeadPut = ({ operation, key }: StoreCall): boolean => operation === "put" && key.startsWith("heads/");

describe("shipping much log", () => {
  it("makes several objects in a row, and moves the head on the way", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await withMuchLog(store);
    const before = store.calls.length;
    const info = await house.backup();
    assert.equal(info.type, "incremental");
    const calls = store.calls.slice(before);
    const puts = calls.filter(isLogPut).length;
    assert.ok(puts >= 4, `${puts} objects`);
    // Not after each, and not only in the end.
    const moves = calls.filter(isHeadPut).length;
    assert.ok(moves >= 2 && moves < puts, `${moves} moves for ${puts} objects`);
    assert.deepEqual((await counted(house)).sort(), await logKeys(store));
    assert.equal(puts, (await logKeys(store)).length, "one was put twice");
    for (const version of [17, 41]) {
      const { contents } = await house.restore({ at: { version } });
      assert.deepEqual(contents, contentsAt(version), `${version}`);
    }
    assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
  });

  it("tells the times from the first commit of an object to its last, however many pieces lie between", async () => {
    const store = new MemoryStore();
    const house = await House.make({ store, engine: { memtableBytes: 64 * MIB } });
    await house.set("first", "1");
    await house.backup();
    for (let i = 0; i < 6; i++) {
      house.time.now += 1000;
      await write(house.engine, (batch) => put(batch, 0, `k${i}`, { value: noise(i) }));
    }
    assert.equal((await house.backup()).type, "incremental");
    assert.equal((await logKeys(store)).length, 1);
    for (let i = 1; i <= 6; i++) {
      const { contents } = await house.restore({ at: MIDNIGHT + i * 1000 });
      assert.deepEqual(contents, contentsAt(i + 1), `${i}`);
    }
    assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
  });

  it("goes on where it stood when any of the objects could not be put", async () => {
    for (const at of [1, 3, 5]) {
      const store = new FaultStore(new MemoryStore());
      const house = await withMuchLog(store);
      let count = 0;
      const nth = (call: StoreCall): boolean => isLogPut(call) && ++count >= at;
      const error = (): Error => new HoldfastError("STORAGE", "the cable is out");
      const heal = store.inject({ at: nth, do: "refuse", times: Infinity, error });
      await assert.rejects(house.backup({ type: "incremental" }), /the cable is out/);
      heal();
      // Behind it there are more commits of the very same time.
      const { body } = (await readHead(house.context, house.engine.id, house.engine.lineage))!;
      assert.ok(at === 5 ? body.version > 1 && body.version < 41 : body.version < 41, `${body.version}`);
      assert.ok(body.version === 1 || body.coveredUntil < body.timestamp);
      const { length } = store.calls;
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(store.calls.length, length, "something went on behind its back");
      const info = await house.backup({ type: "incremental" });
      assert.equal(info.version, 41);
      assert.deepEqual((await counted(house)).sort(), await logKeys(store), `${at}`);
      const { contents } = await house.restore();
      assert.deepEqual(contents, contentsAt(41));
      assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
    }
  });

  it("counts what it has read when the log behind that goes meanwhile", async () => {
    const gate = new Gate(new MemoryStore());
    const house = await withMuchLog(gate.store);
    const stands = gate.hold((does, key) => does === "put" && key.startsWith(PART.log));
    const shipping = Shipper.of(house.context, house.engine).ship();
    await stands;
    await house.engine.dropSlot(house.context.id);
    await house.engine.compact();
    gate.open();
    const { head, gap } = await shipping;
    assert.deepEqual([head.version, gap!.to], [41, 41]);
    const last = gap!.from - 1;
    assert.ok(last > 1 && last < 41, `${last}`);
    assert.deepEqual((await house.restore({ at: { version: last } })).contents, contentsAt(last));
    assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
  });

  it("puts no log before there is a head that will count it", async () => {
    const store = new FaultStore(new MemoryStore());
    const house = await House.make({ store });
    const shipper = Shipper.of(house.context, house.engine);
    await house.set("a", "1");
    await shipper.ship();
    await house.set("b", "2");
    const heal = store.inject({
      ...{ at: ({ operation, key }) => operation === "put" && key.startsWith("heads/"), do: "refuse", times: Infinity },
      error: () => new HoldfastError("STORAGE", "the cable is out"),
    });
    await assert.rejects(shipper.ship(), /the cable is out/);
    assert.deepEqual(await logKeys(store), []);
    heal();
    await shipper.ship();
    assert.equal((await verifyRepository(house.context, undefined, { read: "all" })).ok, true);
  });

  it("has come to an end with everything when one object fails while the next is on its way", async () => {
    let count = 0;
    const slow = (call: StoreCall): Promise<void> | undefined =>
      isLogPut(call) && ++count === 2 ? new Promise((resolve) => setTimeout(resolve, 50)) : undefined;
    const store = new FaultStore(new MemoryStore(), { delay: slow });
    const house = await withMuchLog(store);
    const error = (): Error => new HoldfastError("STORAGE", "the cable is out");
    store.inject({ at: isLogPut, do: "refuse", error });
    await assert.rejects(house.backup({ type: "incremental" }), /the cable is out/);
    assert.equal(count, 2);
    const { length } = store.calls;
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(store.calls.length, length);
    assert.equal((await house.backup({ type: "incremental" })).version, 41);
  });

  it("sends nothing where it would be more than the limit, and all where it is not", async () => {
    const house = await withMuchLog(new MemoryStore());
    const before = await keysOf(house.store);
    const isOver = (error: HoldfastError): boolean => error.code === "LIMIT";
    for (const maxBytes of [MIB, 6 * MIB, 14 * MIB, 18 * MIB]) {
      await assert.rejects(house.backup({ type: "incremental", maxBytes }), isOver);
      const left = (await keysOf(house.store)).filter((key) => !key.startsWith(PART.audit));
      assert.deepEqual(left, before.filter((key) => !key.startsWith(PART.audit)));
    }
    const needed = await measureLog(house.context, house.engine, Infinity);
    // Chains and ids are random, and don't pack to the very same length.
    await assert.rejects(house.backup({ type: "incremental", maxBytes: needed - 100 }), isOver);
    const { storedBytes } = await house.backup({ type: "incremental", maxBytes: needed + 100 });
    assert.ok(Math.abs(storedBytes - needed) < 100, `${storedBytes} stored, ${needed} measured`);
    assert.deepEqual((await counted(house)).sort(), await logKeys(house.store));
  });
});
