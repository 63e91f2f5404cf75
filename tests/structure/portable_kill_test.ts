/** Imports of skv's JSON that are cut off: nothing or all of it is in, and a second run gives what one alone would have. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB } from "../../mod.ts";
import { ok } from "../cli/harness.ts";
import { Clockwork } from "../crash/public_database.ts";
import { LONG, randomFrom, SEED } from "../crash/random.ts";

const machine = new Clockwork();
const TOTAL = 60;

/** Records as skv documents them, with what this project adds to some. */
const records = Array.from({ length: TOTAL }, (_, n) => ({
  key: `key/${n}`,
  ...(n % 3 === 0
    ? { value: Buffer.from([n, 0, 255]).toString("base64"), encoding: "base64" }
    : { value: `text ${n} ${"x".repeat(n === 7 ? 3000 : 40)}`, encoding: "text" }),
  ...(n % 5 === 0 ? { tags: ["fifth"], expires_at: 4e12 + n } : {}),
  ...(n % 7 === 0 ? { namespace: ["within"] } : {}),
}));
/** As its released code writes them. */
const bare = records.map(({ key, value, encoding }) =>
  encoding === "text" ? { key, value, is_binary: false } : { key, value_b64: value }
);
const documents = {
  "the documented object": JSON.stringify({ version: "1.0", total_records: TOTAL, records }),
  "the bare array": JSON.stringify(bare),
};

/** All there is, but for versions and times. */
async function contents(disk: MemoryFileSystem): Promise<string> {
  await using db = await DB.open("/data", machine.options(disk));
  const lines: unknown[] = [];
  for (const space of [db, db.namespace("within")]) {
    for await (const { key, value, tags, expiresAt } of space.list()) lines.push([key, value, tags, expiresAt]);
  }
  lines.push(await Array.fromAsync(db.keys({ tag: "fifth" })), db.namespaces());
  return JSON.stringify(lines);
}

describe("holdfast import of a portable file that is cut off", () => {
  for (const [name, document] of Object.entries(documents)) {
    it(`is in wholly or not at all, wherever the power goes: ${name}`, async () => {
      const before = memoryFileSystem();
      const file = await before.open("/dump.json", "create");
      await file.append(new TextEncoder().encode(document));
      await file.close();
      {
        await using db = await DB.open("/data", machine.options(before));
        await db.namespace("within").set("mine", "mine");
        await db.set("key/1", "of before", { tags: ["fifth"] });
        await db.set("own", "stays");
      }
      const [old, whole] = [await contents(before.fork({ keep: "all" })), before.fork({ keep: "all" })];
      await ok(["import", "/data", "/dump.json"], { fileSystem: whole });
      const wanted = await contents(whole);
      let [cases, notIn] = [0, 0];
      let done = false;
      for (let cut = 1; !done; cut += LONG ? 1 : 5) {
        const disk = before.fork({ keep: "all" });
        disk.cutPowerAt(cut);
        done = await (async () => {
          const db = await DB.open("/data", machine.options(disk));
          try {
            // What the command does.
            await db.restore("/dump.json", { mode: "merge" });
          } finally {
            await db.close();
          }
        })().then(() => true, () => false);
        const keep = cut % 2 === 0 ? "all" : "random";
        const after = disk.crash({ keep, random: randomFrom(SEED, cut) });
        const about = `cut at ${cut}, ${keep}, HOLDFAST_SEED=${SEED}`;
        const found = await contents(after);
        assert.ok(found === old || found === wanted, `${about}: neither what was there nor all of it`);
        cases++;
        if (found === old) notIn++;
        await ok(["import", "/data", "/dump.json"], { fileSystem: after });
        assert.equal(await contents(after), wanted, about);
        const strange = (await after.list("/data")).filter((file) => file.startsWith(".stage"));
        assert.deepEqual(strange, [], about);
      }
      assert.ok(notIn >= 8 && notIn < cases, `${notIn} of ${cases} were cut off before it was in`);
    });
  }
});
