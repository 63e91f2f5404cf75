/** Namespaces that were asked for and never written to: a program may ask for any number of names. */
import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import { DB } from "../../mod.ts";
import { Definition } from "../../lib/db/catalog/definition.ts";
import { accessOf } from "../../lib/db/reading/reader.ts";
import { all, settle } from "./helpers.ts";

/** Collects garbage; undefined where a runtime doesn't let that be asked for. */
function collector(): (() => void) | undefined {
  const { Bun: bun } = globalThis as { Bun?: { gc(sync: boolean): void } };
  if (bun !== undefined) return () => bun.gc(true);
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc") as () => void;
  } catch {
    return undefined;
  }
}

describe("a namespace that is only asked for", () => {
  it("is known as long as somebody holds it", async (t) => {
    const collect = collector();
    if (collect === undefined) return t.diagnostic("not tried: garbage can't be collected on demand");
    const root = new Definition("utf8");
    const ask = (name: string): Definition => {
      const child = new Definition("utf8", root, name);
      root.ask(child);
      return child;
    };
    for (let i = 0; i < 1000; i++) ask(`n${i}`);
    const held = ask("held");
    root.keep(ask("kept"));
    for (let i = 0; i < 5; i++) {
      await settle();
      collect();
    }
    const left = [...root.children()].map(({ name }) => name);
    assert.ok(left.length < 500, `${left.length} are left`);
    assert.ok(left.includes("held") && left.includes("kept"), `${left}`);
    assert.equal(root.child("held"), held);
  });

  it("is not kept for a commit that was refused, or never made", async (t) => {
    const collect = collector();
    if (collect === undefined) return t.diagnostic("not tried: garbage can't be collected on demand");
    await using db = await DB.open(":memory:");
    const { context, definition: root } = accessOf("test", db);
    for (let i = 0; i < 300; i++) {
      const refused = db.namespace(`refused${i}`).atomic().check({ key: "k", version: 1 }).set("k", 1);
      assert.equal((await refused.commit()).ok, false);
      db.namespace(`never${i}`).atomic().set("k", 1);
    }
    await db.namespace("written").set("k", 1);
    for (let i = 0; i < 5; i++) {
      await settle();
      collect();
    }
    const left = [...root.children()].map(({ name }) => name);
    assert.ok(left.length < 300, `${left.length} are left`);
    assert.deepEqual(context.catalog.names(root), ["written"]);
  });

  it("is kept where one of two commits on their way is refused, and told of what the other wrote", async () => {
    await using db = await DB.open(":memory:");
    const n = db.namespace("n");
    const refused = n.atomic().check({ key: "k", version: 1 }).set("k", 1).commit();
    await Promise.all([refused, n.set("k", 2)]);
    assert.equal((await refused).ok, false);
    const told: string[] = [];
    for await (const { changes } of db.changes()) for (const change of changes) told.push(change.type);
    assert.deepEqual([told, db.namespaces()], [["set"], ["n"]]);
  });

  it("is the same one again where it was let go of in the middle of a transaction", async (t) => {
    const collect = collector();
    if (collect === undefined) return t.diagnostic("not tried: garbage can't be collected on demand");
    await using db = await DB.open(":memory:");
    let runs = 0;
    await db.transaction(async (tx) => {
      const seen = await tx.in(db.namespace("n")).get("k");
      if (runs++ > 0) return assert.equal(seen, 1);
      for (let i = 0; i < 3; i++) {
        await settle();
        collect();
      }
      await db.namespace("n").set("k", 1);
      tx.set("seen", "nothing");
    });
    assert.equal(runs, 2);
    assert.deepEqual(await all(db.keys()), []);
    assert.deepEqual(db.namespaces(), ["n"]);
  });
});
