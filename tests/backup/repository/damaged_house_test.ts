import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecryptionError, IntegrityError } from "../../../lib/base/errors.ts";
import { readAudit, writeAudit } from "../../../lib/backup/repository/core/audit.ts";
import { Aside } from "../../../lib/backup/repository/care/repairing/aside.ts";
import { addSlot } from "../../../lib/backup/repository/core/keys.ts";
import { PART } from "../../../lib/backup/repository/core/layout.ts";
import { OPEN_DEFAULTS, openRepository } from "../../../lib/backup/repository/core/open.ts";
import { collect } from "../helpers.ts";
import { House } from "./house.ts";
import { DAMAGES, KEY, over, repair, restoreFrom, sampleRepository, storeOf, verify } from "./damage_fixture.ts";
import { keysOf } from "./prune_fixture.ts";

describe("a damaged audit line", () => {
  it("does not end the audit log, and hides no later line, even where it is not text", async () => {
    const house = await House.make();
    for (const action of ["one", "two", "three"]) await writeAudit(house.context, action, "ok", {});
    const [, second, third] = await keysOf(house.store, "audit/");
    for (const key of [second!, third!]) {
      const bytes = await collect((await house.store.get(key))!.body);
      bytes[10] = 0xff;
      await house.store.put(key, bytes);
    }
    await writeAudit({ ...house.context }, "four", "ok", {});
    const problems: string[] = [];
    const lines = await Array.fromAsync(readAudit(house.context, (key) => problems.push(key)));
    assert.deepEqual(lines.map(({ action, seq }) => `${seq} ${action}`), ["1 one", "4 four"]);
    assert.deepEqual(problems, [second, third]);
    await house.engine.close();
  });
});

describe("an audit line behind one that was replaced", () => {
  it("is found, and stays where it is when a repair has noted that", async () => {
    const house = await House.make();
    for (const action of ["one", "two", "three", "four"]) await writeAudit(house.context, action, "ok", {});
    const lines = await keysOf(house.store, "audit/");
    const other = await House.make();
    for (const action of ["alone", "another"]) await writeAudit(other.context, action, "ok", {});
    await house.store.put(lines[1]!, (await other.store.get(lines[1]!))!.body);
    const context = (): typeof house.context => ({ ...house.context });
    const found = (await verify(context())).problems.map(({ key }) => key);
    assert.deepEqual(found, [lines[1], lines[2]]);
    assert.deepEqual((await repair(context())).setAside, []);
    assert.deepEqual((await verify(context())).problems, []);
    for (const { engine } of [house, other]) await engine.close();
  });
});

describe("a damaged key slot", () => {
  it("is passed over when another opens the repository", async () => {
    const house = await House.make({ repository: { encryption: { key: KEY } } });
    const { ring, id, randomBytes } = house.context;
    const other = new Uint8Array(32).fill(6);
    await addSlot(house.store, { repository: id, ring: ring!, createdAt: 0, randomBytes }, { key: other });
    const opens = async (key: Uint8Array): Promise<boolean> => {
      const context = await openRepository(house.store, { ...OPEN_DEFAULTS, encryption: { key } });
      return context.ring!.id === ring!.id;
    };
    for (const slot of await keysOf(house.store, "keys/")) {
      const bytes = await collect((await house.store.get(slot))!.body);
      await house.store.put(slot, new Uint8Array(bytes.length));
      const results = await Promise.allSettled([opens(KEY), opens(other)]);
      assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
      await house.store.put(slot, bytes);
    }
    await assert.rejects(opens(new Uint8Array(32)), DecryptionError);
    await house.engine.close();
  });

  it("is set aside by a repair where another opens the repository, and left where it is otherwise", async () => {
    const house = await House.make({ repository: { encryption: { key: KEY } } });
    const { context, store } = house;
    const { ring, id, randomBytes } = context;
    const [slot] = await keysOf(store, "keys/");
    await store.put(slot!, new Uint8Array(9));
    assert.deepEqual((await repair(context)).setAside, []);
    const other = new Uint8Array(32).fill(6);
    await addSlot(store, { repository: id, ring: ring!, createdAt: 0, randomBytes }, { key: other });
    assert.deepEqual((await repair(context)).setAside, [slot]);
    await house.engine.close();
  });
});

describe("a damaged manifest", () => {
  it("stops no restore of another backup, and never lets an older state pass for the newest", async () => {
    const sample = await sampleRepository();
    const { states, engine } = sample.house;
    const damaged = over(sample, await storeOf(DAMAGES["zeroed"]!(sample.image, "backups/inc3.json")!));
    const { contents } = await restoreFrom(damaged, { backupId: "inc1" });
    assert.deepEqual(contents, states.get(sample.backups.get("inc1")!));
    await assert.rejects(restoreFrom(damaged), IntegrityError);
    const { lineage } = engine;
    assert.equal((await restoreFrom(damaged, { at: { version: 3 }, lineage })).version, 3);
    await assert.rejects(restoreFrom(damaged, { backupId: "inc3" }), IntegrityError);
    assert.equal((await restoreFrom(damaged, { allowEarlier: true })).version, engine.visibleVersion);
  });
});

describe("what a repair sets aside", () => {
  it("is removed only once its copy is there as it is", async () => {
    const house = await House.make();
    await house.set("a", "1");
    await house.backup();
    const inner = house.store;
    const [key] = await keysOf(inner, PART.objects);
    const put = inner.put.bind(inner);
    inner.put = async (to, body, options) => {
      if (!to.startsWith(PART.damaged)) return await put(to, body, options);
      return await put(to, (body instanceof Uint8Array ? body : await collect(body)).subarray(1), options);
    };
    await assert.rejects(new Aside(house.context, false).take(key!), IntegrityError);
    assert.ok(await inner.head(key!));
    inner.put = put;
    await new Aside(house.context, false).take(key!);
    assert.equal(await inner.head(key!), undefined);
    await house.engine.close();
  });
});
