import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { withDb } from "./helpers.ts";

/** A portable backup of a database with one entry, `a`, in the namespace `n`. */
async function dumpOfNamespace(): Promise<ReadableStream<Uint8Array>> {
  await using db = await DB.open(":memory:");
  await db.namespace("n").set("a", 1);
  return (await new Response(db.exportStream({ format: "jsonl" })).blob()).stream();
}

describe("a restore beside a watch of a namespace that gets another keyEncoding", () => {
  it("keeps no later write from being made", () =>
    withDb(async (db) => {
      const bytes = db.namespace("n", { keyEncoding: "bytes" });
      await bytes.set(new Uint8Array([0xc3, 0xff]), 0);
      const watch = bytes.watch({ prefix: new Uint8Array([0xc3]) });
      await db.restore(await dumpOfNamespace());
      assert.equal((await watch.next()).value?.[0]?.type, "reset");
      // Those behind the first one of a group were never answered.
      await Promise.all([db.namespace("n").set("é", 1), db.namespace("n").set("e", 2), db.set("r", 3)]);
      assert.deepEqual((await watch.next()).value?.map(({ key }): unknown => key), ["é"]);
    }));
});

describe("a restore beside a transaction", () => {
  it("makes it conflict when it brings the namespace in which nothing was found", () =>
    withDb(async (db) => {
      const namespace = db.namespace("n");
      const source = await dumpOfNamespace();
      const found: unknown[] = [];
      await db.transaction(async (tx) => {
        found.push(await tx.in(namespace).get("a"));
        if (found.length === 1) await db.restore(source, { mode: "merge" });
        tx.set("found", found.length);
      });
      assert.deepEqual(found, [undefined, 1]);
    }));

  it("shows it its own writes, or makes it conflict", () =>
    withDb(async (db) => {
      const namespace = db.namespace("n");
      const source = await dumpOfNamespace();
      const found: unknown[] = [];
      await db.transaction(async (tx) => {
        tx.in(namespace).set("b", 2);
        if (found.length === 0) await db.restore(source, { mode: "merge" });
        tx.in(namespace).set("c", 3);
        found.push(await tx.in(namespace).getMany(["b", "c"]));
      });
      assert.deepEqual(found.at(-1), [2, 3]);
      assert.deepEqual(await namespace.getMany(["a", "b", "c"]), [1, 2, 3]);
    }));
});
