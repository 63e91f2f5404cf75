import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IntegrityError, StorageError } from "../../../lib/base/errors.ts";
import { readBytes, readDocument, writeDocument } from "../../../lib/backup/repository/core/documents.ts";
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
