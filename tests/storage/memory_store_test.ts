import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryStore } from "../../lib/storage/memory_store.ts";
import { text } from "./helpers.ts";
import { storeSuite } from "./store_suite.ts";

storeSuite("MemoryStore", () => new MemoryStore());

describe("MemoryStore", () => {
  it("gives every put a tag of its own, so that bytes that came back are not taken for those that were there", async () => {
    const store = new MemoryStore();
    const first = await store.put("a", text("1"));
    await store.put("a", text("2"));
    await store.put("a", text("1"));
    assert.equal(await store.put("a", text("3"), { ifMatch: first?.etag }), undefined);
  });

  it("refuses unknown options, wrong types and what is no body", async () => {
    const store = new MemoryStore();
    await assert.rejects(store.put("a", text("1"), { ifMatches: "x" } as never), /TypeError: put: unknown option/);
    for (const limit of [0, -1, 1.5, 1001]) await assert.rejects(store.list({ limit }), RangeError);
    await assert.rejects(store.get("a", { offset: -1 }), RangeError);
    await assert.rejects(store.get("a", { offset: "1" } as never), TypeError);
    await assert.rejects(store.put("a", "text" as never), /TypeError: put: body must be bytes/);
    await assert.rejects(store.put("a", 7 as never), TypeError);
    const letters = async function* (): AsyncGenerator<string> {
      yield "a";
    };
    await assert.rejects(store.put("a", letters() as never), /TypeError: put: body must give bytes/);
    assert.equal(await store.head("a"), undefined);
  });
});
