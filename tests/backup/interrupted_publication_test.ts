/** Exports and restores over a database that are interrupted while they publish, and what the next opening or try finds. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { CorruptionError, ExistsError, IOError } from "../../lib/base/errors.ts";
import { copyFile } from "../../lib/files/copy.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { Clockwork } from "../crash/public_database.ts";
import { LONG, randomFrom, SEED } from "../crash/random.ts";

const machine = new Clockwork();

async function open(disk: MemoryFileSystem, path: string): Promise<DB> {
  return await DB.open(path, machine.options(disk));
}

/** The value of "a" in the database at a path. */
async function valueAt(disk: MemoryFileSystem, path: string): Promise<unknown> {
  const db = await open(disk, path);
  try {
    return await db.get("a");
  } finally {
    await db.close();
  }
}

/** The database that is at a path: itself, or set aside. */
async function foundAt(disk: MemoryFileSystem, path: string): Promise<unknown> {
  if (await disk.stat(`${path}/CURRENT`) !== undefined) return await valueAt(disk, path);
  const former = (await disk.list(path)).find((name) => name.endsWith("-old"));
  if (former === undefined) return undefined;
  await assert.rejects(open(disk, path), CorruptionError, "no empty database takes its place");
  await assert.rejects(DB.restore("/new", path, { fileSystem: disk }), ExistsError);
  return await valueAt(disk, `${path}/${former}`);
}

/** `/new`, which is restored over `/data`: of the same history, earlier or later, or of another one. */
async function prepare(which: "earlier" | "later" | "grown" | "other"): Promise<MemoryFileSystem> {
  const disk = memoryFileSystem();
  const db = await open(disk, "/db");
  const log = async (value: string): Promise<void> => {
    await db.set("a", value);
    await db.compact();
    await db.set("a", value);
  };
  const copy = (value: string): string => (value === "new") ? "/new" : "/data";
  if (which === "grown") {
    await log("old");
    await db.export("/data", { link: "never" });
    // New tables beside those that are there, which both have then.
    for (let i = 0; i < 12; i++) await db.set(`z${i}`, "z".repeat(100));
    await db.set("a", "new");
    await db.export("/new", { link: "never" });
    await db.close();
    const [old, grown] = [await disk.list("/data"), await disk.list("/new")];
    assert.ok(old.some((name) => name.endsWith(".sst") && grown.includes(name)));
    return disk;
  }
  const [first, second] = which === "earlier" ? ["new", "old"] : ["old", "new"];
  await log(first!);
  await db.export(copy(first!), { link: "never" });
  await log(second!);
  await db.export(copy(second!), { link: "never" });
  await db.close();
  if (which !== "other") return disk;
  await DB.destroy("/data", { fileSystem: disk });
  const other = await open(disk, "/data");
  await other.set("a", "old");
  await other.compact();
  await other.close();
  return disk;
}

const restore = (disk: MemoryFileSystem): Promise<unknown> =>
  DB.restore("/new", "/data", { fileSystem: disk, overwrite: true });

describe("a restore over a database", () => {
  for (const which of ["earlier", "later", "other"] as const) {
    it(`cut off at any operation leaves the old or the new one whole, over one of ${which} history`, async () => {
      const before = await prepare(which);
      let cases = 0;
      let done = false;
      for (let cut = 1; !done; cut++) {
        const disk = before.fork({ keep: "all" });
        disk.cutPowerAt(cut);
        done = await restore(disk).then(() => true, () => false);
        for (const outcome of LONG ? [0, 1, 2, 3, 4, 5, 6, 7] : [cut % 2, 2, 6]) {
          cases++;
          const keep = (["none", "all"] as const)[outcome] ?? (outcome < 6 ? "random" : "scattered");
          const after = disk.crash({ keep, random: randomFrom(SEED, cut, outcome) });
          const about = `cut at ${cut}, ${keep} ${outcome}, HOLDFAST_SEED=${SEED}`;
          const found = await foundAt(after.fork({ keep: "all" }), "/data").catch((error) =>
            assert.fail(`${about}: ${error.stack}`)
          );
          assert.ok(found === "new" || !done && found === "old", `${about}: ${found}`);
          // What tidies up loses power as well.
          const again = after.fork({ keep: "all" });
          await valueAt(again, "/data").catch(() => {});
          const later = again.fork({ keep: "random", random: randomFrom(SEED, cut, outcome, 1) });
          assert.equal(
            await foundAt(later, "/data").catch((error) => assert.fail(`${about}, again: ${error.stack}`)),
            found,
          );
          await restore(after).catch((error) => assert.fail(`${about}, done again: ${error.stack}`));
          assert.equal(await valueAt(after.crash({ keep: "none" }), "/data"), "new");
        }
      }
      console.log(`over one of ${which} history: ${cases} outcomes`);
    });
  }

  for (const which of ["earlier", "later", "grown", "other"] as const) {
    it(`one of whose steps fails leaves the old or the new one whole, over one of ${which} history`, async () => {
      const before = await prepare(which);
      for (const how of ["fail", "lose"] as const) {
        let done = false;
        for (let nth = 1; !done; nth++) {
          const disk = before.fork({ keep: "all" });
          let count = 0;
          const at = ({ mutates, path }: Operation): boolean => mutates && path.startsWith("/data") && ++count === nth;
          const end = disk.inject({ at, do: how });
          const told = await restore(disk).then(() => undefined, (error) => error);
          done = count < nth;
          end();
          const found = await foundAt(disk, "/data").catch((error) => assert.fail(`${how} ${nth}: ${error.stack}`));
          assert.ok(found === "new" || told !== undefined && found === "old", `${how} ${nth}: ${found}`);
        }
      }
    });
  }

  it("whose rename of the marker fails although it took effect leaves the new one whole", async () => {
    const before = await prepare("later");
    const disk = failing(before, ({ name, path }) => name === "rename" && path.endsWith("/CURRENT"));
    await assert.rejects(restore(disk), IOError);
    assert.equal(await valueAt(disk, "/data"), "new");
  });
});

describe("a restore that can't take back all that it has moved", () => {
  for (const [where, path] of [["over a database", "/data"], ["to a new directory", "/fresh"]] as const) {
    it(`${where} leaves behind what tells whose that is`, async () => {
      const disk = (await prepare("grown")).fork({ keep: "all" });
      if (where === "to a new directory") await disk.makeDirectory(path);
      await disk.syncDirectory("/");
      const again = (): Promise<unknown> =>
        DB.restore("/new", path, { fileSystem: disk, overwrite: where === "over a database" });
      const failsAt = ({ name, path }: Operation): boolean =>
        name === "rename" ? path.endsWith("/CURRENT") : name === "remove" && path.endsWith(".log");
      const end = disk.inject({ at: failsAt, do: "fail", times: Infinity });
      await assert.rejects(again(), IOError);
      end();
      for (const after of [disk.fork({ keep: "none" }), disk]) {
        assert.ok((await after.list(path)).some((name) => name.endsWith(".log")));
        assert.equal(await foundAt(after.fork({ keep: "all" }), path), where === "over a database" ? "old" : undefined);
      }
      await again();
      assert.equal(await valueAt(disk, path), "new");
    });
  }
});

describe("a restore that can't tell whether its marker was renamed", () => {
  it("takes nothing back, for these may be the files of the database that is there", async () => {
    const disk = failing(await prepare("grown"), ({ name, path }) => name === "rename" && path.endsWith("/CURRENT"));
    let isMoving = false;
    const blind = new Proxy<FileSystem>(disk, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name);
        if (name === "rename") isMoving = true;
        if (name !== "stat") return typeof found === "function" ? found.bind(target) : found;
        return (path: string) => {
          const isAsked = isMoving && /\/\.stage-.*\/CURRENT$/.test(path);
          return isAsked ? Promise.reject(new IOError(`Cannot look at ${path} (EIO)`)) : disk.stat(path);
        };
      },
    });
    await assert.rejects(DB.restore("/new", "/data", { fileSystem: blind, overwrite: true }), IOError);
    assert.equal(await valueAt(disk, "/data"), "new");
  });
});

describe("an export or restore to a new directory", () => {
  it("has its stage and then its manifest there for good before any other name is moved", async () => {
    const durable: { moving: string; names: string[] }[] = [];
    const images: Promise<void>[] = [];
    const disk: MemoryFileSystem = (await prepare("later")).fork({ keep: "all" }, {
      beforeOperation({ name, path }) {
        if (name !== "rename" || !path.startsWith("/fresh/")) return;
        const image = disk.fork({ keep: "none" });
        images.push(
          image.list("/fresh").then((names) => void durable.push({ moving: path.split("/").at(-1)!, names })),
        );
      },
    });
    await disk.makeDirectory("/fresh");
    await disk.syncDirectory("/");
    await DB.restore("/new", "/fresh", { fileSystem: disk });
    await Promise.all(images);
    const [manifest, ...others] = durable;
    assert.match(manifest!.moving, /^MANIFEST/);
    assert.ok(manifest!.names.some((name) => name.startsWith(".stage")), `${manifest!.names}`);
    assert.ok(others.length > 1);
    for (const { moving, names } of others) assert.ok(names.includes(manifest!.moving), `${moving}: ${names}`);
  });

  it("has there for good what it made of a repository before any name is moved", async () => {
    const disk: MemoryFileSystem = (await prepare("later")).fork({ keep: "all" }, {
      beforeOperation({ name, path }) {
        if (name === "rename" && /^\/fresh\/.*\/MANIFEST/.test(path)) image ??= disk.fork({ keep: "none" });
      },
    });
    let image: MemoryFileSystem | undefined;
    const db = await open(disk, "/new");
    await db.compact();
    await db.backup("/repository");
    await db.close();
    await disk.makeDirectory("/fresh");
    await disk.syncDirectory("/");
    await DB.restore("/repository", "/fresh", { fileSystem: disk });
    const stage = `/fresh/${(await image!.list("/fresh")).find((name) => name.startsWith(".stage-"))}`;
    const made: string[] = [];
    for (const name of await image!.list(stage)) {
      if ((await image!.stat(`${stage}/${name}`))?.kind === "directory") {
        made.push(...await image!.list(`${stage}/${name}`));
      }
    }
    assert.ok(made.includes("CURRENT"), `${made}`);
  });

  it("moves its manifest first, and its marker once all names are durable", async () => {
    const moved: string[] = [];
    let image: MemoryFileSystem | undefined;
    const disk: MemoryFileSystem = (await prepare("later")).fork({ keep: "all" }, {
      beforeOperation({ name, path }) {
        if (name !== "rename" || !path.startsWith("/fresh/")) return;
        moved.push(path.split("/").at(-1)!);
        if (path.endsWith("/CURRENT")) image = disk.fork({ keep: "none" });
      },
    });
    await disk.makeDirectory("/fresh");
    await disk.syncDirectory("/");
    await DB.restore("/new", "/fresh", { fileSystem: disk });
    assert.match(moved[0]!, /^MANIFEST/);
    assert.equal(moved.at(-1), "CURRENT");
    const there = await image!.list("/fresh");
    assert.deepEqual(moved.slice(0, -1).filter((name) => !there.includes(name)), []);
  });

  it("is done again when it was cut off at any operation", async () => {
    const before = await prepare("later");
    let done = false;
    for (let cut = 1; !done; cut++) {
      const disk = before.fork({ keep: "all" });
      disk.cutPowerAt(cut);
      done = await DB.restore("/new", "/fresh", { fileSystem: disk }).then(() => true, () => false);
      for (let outcome = 0; outcome < 6; outcome++) {
        const keep = outcome % 2 === 0 ? "random" : "scattered";
        const after = disk.crash({ keep, random: randomFrom(SEED, cut, outcome) });
        const there = await DB.exists("/fresh", { fileSystem: after });
        await DB.restore("/new", "/fresh", { fileSystem: after, overwrite: there });
        assert.equal(await valueAt(after.crash({ keep: "none" }), "/fresh"), "new", `cut at ${cut}`);
      }
    }
  });

  it("is done again after a rename that failed although it took effect", async () => {
    const disk = failing(await prepare("later"), ({ name, path }) => name === "rename" && /\.(log|sst)$/.test(path));
    await assert.rejects(DB.restore("/new", "/fresh", { fileSystem: disk }), IOError);
    await DB.restore("/new", "/fresh", { fileSystem: disk });
    assert.equal(await valueAt(disk, "/fresh"), "new");
  });

  it("is refused over a file whose name one has that an earlier try never moved", async () => {
    const before: MemoryFileSystem = (await prepare("later")).fork({ keep: "all" }, {
      beforeOperation({ name, path }) {
        if (name === "rename" && path.startsWith("/fresh/")) disk ??= before.fork({ keep: "all" });
      },
    });
    let disk: MemoryFileSystem | undefined;
    await DB.restore("/new", "/fresh", { fileSystem: before });
    const table = (await before.list("/fresh")).find((name) => name.endsWith(".sst"));
    const again = disk!.fork({ keep: "all" });
    await DB.restore("/new", "/fresh", { fileSystem: again });
    // Somebody's, that was there all along.
    await (await disk!.open(`/fresh/${table}`, "create")).close();
    await assert.rejects(DB.restore("/new", "/fresh", { fileSystem: disk! }), ExistsError);
  });

  it("makes the directory's name durable also when an earlier try has made it", async () => {
    const disk = await prepare("later");
    await disk.makeDirectory("/fresh");
    await DB.restore("/new", "/fresh", { fileSystem: disk });
    assert.equal(await valueAt(disk.crash({ keep: "none" }), "/fresh"), "new");
  });

  it("leaves a database alone that was copied there meanwhile", async () => {
    const disk = await prepare("other");
    const lock: FileSystem["lock"] = async (path) => {
      // The last thing before names move.
      for (const name of path.endsWith("/.stage-lock") ? await disk.list("/data") : []) {
        if (!name.startsWith("LOCK")) await copyFile(disk, `/data/${name}`, `/fresh/${name}`);
      }
      return await disk.lock(path);
    };
    const meanwhile = new Proxy<FileSystem>(disk, {
      get(target, name) {
        const found: unknown = name === "lock" ? lock : Reflect.get(target, name);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    await assert.rejects(DB.restore("/new", "/fresh", { fileSystem: meanwhile }), ExistsError);
    assert.equal(await valueAt(disk, "/fresh"), "old");
  });

  it("is not taken for one of its own by another restore that runs beside it", async () => {
    const disk = await prepare("later");
    const both = await Promise.allSettled([1, 2].map(() => DB.restore("/new", "/fresh", { fileSystem: disk })));
    assert.ok(both.some(({ status }) => status === "fulfilled"));
    assert.equal(await valueAt(disk, "/fresh"), "new");
  });
});

/** A disk on which the first such call fails after it took effect. */
function failing(before: MemoryFileSystem, which: (operation: Operation) => boolean): MemoryFileSystem {
  let failed = false;
  return before.fork({ keep: "all" }, {
    afterOperation(operation) {
      if (failed || !which(operation)) return;
      failed = true;
      throw new IOError(`Cannot ${operation.name} ${operation.path}: injected (EIO)`);
    },
  });
}
