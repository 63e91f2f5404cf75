import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, StorageError } from "../../../lib/base/errors.ts";
import { readBytes, readDocument, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
import { headKey } from "../../../lib/backup/repository/core/layout.ts";
import { readHeads } from "../../../lib/backup/repository/log/heads.ts";
import { Shipper } from "../../../lib/backup/repository/log/shipper.ts";
import { gcMark } from "../../../lib/format/repository/house_documents.ts";
import { FaultStore } from "../../../lib/storage/fault_store.ts";
import { MemoryStore } from "../../../lib/storage/memory_store.ts";
import { House } from "./house.ts";

const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i);

async function store(): Promise<FaultStore> {
  const inner = new MemoryStore();
  await inner.put("a", bytes);
  return new FaultStore(inner);
}

describe("readBytes", () => {
  it("asks again for a body that broke off, and gives up when that goes on", async () => {
    const torn = await store();
    torn.inject({ at: () => true, do: "tear", times: 2 });
    assert.deepEqual((await readBytes(torn, "a", 4000))?.bytes, bytes);
    torn.inject({ at: () => true, do: "tear", times: 3 });
    await assert.rejects(readBytes(torn, "a", 4000), StorageError);
    assert.equal(torn.calls.length, 6);
  });

  it("does not ask again for what the store refused, nor for what is too large", async () => {
    const refusing = await store();
    refusing.inject({ at: () => true, do: "refuse", times: 1 });
    await assert.rejects(readBytes(refusing, "a", 4000), StorageError);
    await assert.rejects(readBytes(refusing, "a", 2999), IntegrityError);
    assert.equal(refusing.calls.length, 2);
    assert.equal(await readBytes(refusing, "b", 4000), undefined);
  });
});

describe("writeDocument", () => {
  it("writes nothing that no reader would take", async () => {
    const { store, context, engine } = await House.make();
    const mark = { id: "g1", markedAt: -1, keys: [], leases: [] };
    await assert.rejects(writeDocument(context, "gc", "gc/g1.json", mark), { code: "INTERNAL", message: /markedAt/ });
    assert.equal(await store.head("gc/g1.json"), undefined);
    await writeDocument(context, "gc", "gc/g1.json", { ...mark, markedAt: 0, spare: undefined });
    assert.deepEqual((await readDocument(context, "gc", "gc/g1.json", gcMark))?.body, { ...mark, markedAt: 0 });
    await engine.close();
  });
});

describe("a head that lies in another's place", () => {
  it("is refused by who would go on from it, and by who reads all of them", async () => {
    const store = new MemoryStore();
    const house = await House.make({ store });
    const other = await House.make({ store, engine: { randomId: () => new Uint8Array(16).fill(9) } });
    for (const each of [house, other]) {
      await each.set("a", "1");
      await each.backup();
    }
    const [mine, theirs] = [house, other].map(({ engine }) => headKey(engine.id, engine.lineage)) as [string, string];
    await store.put(mine, (await readBytes(store, theirs, 100_000))!.bytes);
    await house.engine.close();
    await house.open();
    await house.set("b", "2");
    const refused = { name: "IntegrityError", message: /is the head of lineage 0909/ };
    await assert.rejects(Shipper.of(house.context, house.engine).ship(), refused);
    await assert.rejects(readHeads(house.context), refused);
  });
});
