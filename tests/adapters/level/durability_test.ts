/** What survives the end of a process and the end of power, by durability and `sync`, on a simulated disk. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastLevel, type LevelOptions } from "../../../lib/adapters/level.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { DB } from "../../../mod.ts";

type Level = HoldfastLevel<string, string>;

/** No timer writes or syncs anything by itself. */
const STILL = { flushInterval: 2 ** 30, tuning: { reserve: false } };

/** Opens a database, writes to it, and returns the keys that are there after the power went, and after a kill. */
async function keptAfter(
  options: LevelOptions<string, string>,
  write: (level: Level) => Promise<void>,
): Promise<{ power: string[]; kill: string[] }> {
  const disk = memoryFileSystem();
  const level = new HoldfastLevel("/data", { ...STILL, ...options, fileSystem: disk });
  await level.put("before", "", { sync: true });
  await write(level);
  const power = await keysOf(disk.fork({ keep: "none" }));
  const next = disk.otherProcess();
  disk.kill();
  // Fails, its process being gone; but its timer must not keep this one.
  await level.close().catch(() => {});
  return { power, kill: await keysOf(next) };
}

async function keysOf(disk: MemoryFileSystem): Promise<string[]> {
  await using level = new HoldfastLevel("/data", { fileSystem: disk, tuning: { reserve: false } });
  return (await level.keys().all()).filter((key) => key !== "before");
}

describe("HoldfastLevel's writes", () => {
  const all = ["batched", "chained", "put"];
  const writes = async (level: Level, options: { sync?: boolean }): Promise<void> => {
    await level.put("put", "", options);
    await level.batch([{ type: "put", key: "batched", value: "" }], options);
    await level.batch().put("chained", "").write(options);
  };

  it("survive power loss unless told otherwise", async () => {
    assert.deepEqual(await keptAfter({}, (level) => writes(level, {})), { power: all, kill: all });
  });

  it("survive the end of the process with sync: false, and not that of power", async () => {
    const kept = await keptAfter({}, (level) => writes(level, { sync: false }));
    assert.deepEqual(kept, { power: [], kill: all });
  });

  it("survive power loss with sync: true, whatever the database's durability", async () => {
    for (const durability of ["interval", "buffered"] as const) {
      const kept = await keptAfter({ durability }, (level) => writes(level, { sync: true }));
      assert.deepEqual(kept, { power: all, kill: all }, durability);
    }
  });

  it("are as durable as the database says where sync is left out", async () => {
    assert.deepEqual(await keptAfter({}, (level) => level.put("put", "", { sync: null as never })), {
      power: ["put"],
      kill: ["put"],
    });
    assert.deepEqual(await keptAfter({ durability: "interval" }, (level) => writes(level, {})), {
      power: [],
      kill: all,
    });
    assert.deepEqual(await keptAfter({ durability: "buffered" }, (level) => writes(level, {})), {
      power: [],
      kill: [],
    });
  });

  it("with sync: false are no more durable than the database's own", async () => {
    const kept = await keptAfter({ durability: "buffered" }, (level) => writes(level, { sync: false }));
    assert.deepEqual(kept, { power: [], kill: [] });
  });

  it("keep their sync through hooks and sublevels", async () => {
    const kept = await keptAfter({ durability: "interval" }, async (level) => {
      level.hooks.prewrite.add((operation, batch) => {
        if (operation.type === "put" && operation.key === "put") batch.add({ type: "put", key: "added", value: "" });
      });
      const sub = level.sublevel("sub");
      await level.put("put", "", { sync: true });
      await sub.put("in it", "", { sync: true } as object);
    });
    assert.deepEqual(kept.power, ["!sub!in it", "added", "put"]);
  });

  it("that delete are as durable as those that set", async () => {
    const written = async (level: Level): Promise<void> => {
      await level.batch(["a", "b", "c", "d"].map((key) => ({ type: "put", key, value: "" })), { sync: true });
    };
    const kept = await keptAfter({ durability: "interval" }, async (level) => {
      await written(level);
      await level.del("a", { sync: true });
      await level.clear({ gt: "b", lt: "d", sync: true } as object);
      await level.clear({ gt: "c", limit: 1, sync: true } as object);
    });
    assert.deepEqual(kept, { power: ["b"], kill: ["b"] });
    const lost = await keptAfter({}, async (level) => {
      await written(level);
      await level.del("a", { sync: false });
      await level.clear({ gt: "b", lt: "d", sync: false } as object);
      await level.clear({ gt: "c", limit: 1, sync: false } as object);
    });
    assert.deepEqual(lost, { power: ["a", "b", "c", "d"], kill: ["b"] });
  });

  it("refuse a sync that is no boolean", async () => {
    await using level = new HoldfastLevel(":memory:");
    await assert.rejects(level.put("a", "b", { sync: 1 as unknown as boolean }), {
      name: "TypeError",
      message: 'option "sync" must be a boolean, not 1',
    });
    assert.equal(await level.get("a"), undefined);
  });

  it("are those of the database beneath where it was given", async () => {
    const disk = memoryFileSystem();
    const db = await DB.open("/data", { ...STILL, fileSystem: disk, durability: "interval" });
    const level = new HoldfastLevel(db);
    await level.put("usual", "");
    assert.equal((await keysOf(disk.fork({ keep: "none" }))).length, 0);
    await new HoldfastLevel(db, { durability: "commit" }).put("synced", "");
    assert.deepEqual(await keysOf(disk.fork({ keep: "none" })), ["synced", "usual"]);
    await db.close();
  });
});
