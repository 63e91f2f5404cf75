import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { IOError } from "../../lib/base/errors.ts";
import { Catalog, keysIn } from "../../lib/db/catalog/catalog.ts";
import { Definition, NO_SPACE } from "../../lib/db/catalog/definition.ts";
import { catalogKey, writeCatalogCell } from "../../lib/format/catalog.ts";
import { ROOT_SPACE, spacePrefix } from "../../lib/format/space.ts";
import { readFile } from "../../lib/files/read.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Clockwork } from "../crash/public_database.ts";
import { turnsOf } from "../base/turns_of.ts";

describe("changes from before many restores", () => {
  it("are told as long as it is known whose they were, then as a reset: each restore would keep a catalog in memory", async () => {
    await using db = await DB.open(":memory:");
    const source = [new TextEncoder().encode("[]")];
    for (let i = 0; i < 8; i++) {
      await db.namespace("n").set(`k${i}`, i);
      await db.restore(source);
    }
    const told: string[] = [];
    for await (const { changes } of db.changes()) for (const change of changes) told.push(change.type);
    assert.deepEqual(told, [...Array(4).fill(["reset", "reset"]), ...Array(4).fill(["set", "reset"])].flat());
  });
});

describe("a restore into an open database, whose new catalog can't be read at once", () => {
  for (const mode of ["replace", "merge"] as const) {
    it(`shows the namespaces of before or of after, never none, ${mode}`, async () => {
      const disk = memoryFileSystem();
      const machine = new Clockwork();
      const db = await DB.open("/data", machine.options(disk));
      await db.namespace("n").set("a", "old");
      await db.backup("/dump.jsonl");
      await db.namespace("n").set("a", "new");
      await db.close();
      let late = 0;
      let hit = true;
      for (let at = 1; hit; at++) {
        let seen = 0;
        let fails = true;
        hit = false;
        const fork = disk.fork({ keep: "all" }, {
          beforeOperation({ mutates, name, path }) {
            if (!fails || mutates || ++seen < at) return;
            hit = true;
            throw new IOError(`Cannot ${name} ${path}: injected (EIO)`);
          },
        });
        fails = false;
        const open = await DB.open("/data", machine.fork().options(fork));
        fails = true;
        const error = await open.restore("/dump.jsonl", { mode }).then(() => undefined, (reason) => reason);
        assert.ok(error === undefined || ["IO", "READ_ONLY"].includes(error.code), `${error}`);
        if (error === undefined && hit) {
          late++;
          const get = async (): Promise<unknown> => await open.namespace("n").get("a");
          const found = await get().catch((reason) => reason);
          assert.ok(found === "old" || found instanceof IOError, `it says so, and does not find ${found}`);
        }
        fails = false;
        const { version } = open;
        assert.equal(await open.namespace("n").get("a"), version > 2 ? "old" : "new", `read ${at}`);
        assert.deepEqual(open.namespaces(), ["n"]);
        await open.close().catch(() => {});
      }
      assert.ok(late > 0, "some reads failed after the restore had taken effect");
    });
  }
});

describe("a namespace that a restore brings", () => {
  it("has the key encoding that it comes with, though the one it replaces had another", async () => {
    const fileSystem = memoryFileSystem();
    await using source = await DB.open("/source", { fileSystem });
    await source.namespace("n").set("text", "restored");
    await source.backup("/dump.jsonl");
    await using db = await DB.open("/data", { fileSystem });
    await db.namespace("n", { keyEncoding: "bytes" }).set(new Uint8Array([0xff]), "replaced");
    await db.restore("/dump.jsonl");
    assert.equal(await db.namespace("n").get("text"), "restored");
    assert.throws(() => db.namespace("n", { keyEncoding: "bytes" }), /has keyEncoding "utf8"/);
  });
});

describe("a namespace that a merging restore brings, and that is written to meanwhile", () => {
  for (const wasAsked of [false, true]) {
    it(`has the entries of both${wasAsked ? ", asked for before the restore began" : ""}`, async () => {
      const fileSystem = memoryFileSystem();
      await using source = await DB.open("/source", { fileSystem });
      await source.namespace("n").setMany(Array.from({ length: 5000 }, (_, i) => ({ key: `k${i}`, value: i })));
      await source.backup("/dump.jsonl");
      const dump = await readFile(fileSystem, "/dump.jsonl", Infinity);
      await using db = await DB.open("/data", { fileSystem });
      let asked = wasAsked ? db.namespace("n") : undefined;
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < dump.length; at += 1000) {
          yield dump.subarray(at, at + 1000);
          if (at !== 50_000) continue;
          asked ??= db.namespace("n");
          await asked.set("own", "1");
        }
      }
      await db.restore(pieces(), { mode: "merge" });
      assert.equal(await db.namespace("n").get("own"), "1");
      assert.equal(await db.namespace("n").get("k4999"), 4999);
      assert.equal(await db.namespace("n").count(), 5001);
    });
  }
});

/**
 * A catalog of namespaces of the root, or one inside the other, as an engine would give it; `asked` is called before rows are
 * walked.
 */
function engineWith(
  names: readonly string[],
  asked: () => void = () => {},
  { forks = [], spaces = names.map((_, i) => [ROOT_SPACE, 4 + 2 * i]), closed = () => {} }: {
    /** Versions behind which other lineages went on. */
    forks?: readonly number[];
    /** The key space around each, and its own. */
    spaces?: readonly (readonly number[])[];
    /** Called when a walk has ended. */
    closed?: () => void;
  } = {},
) {
  const rows = names.map((name, i) => ({
    key: catalogKey(spaces[i]![0]!, name),
    cell: writeCatalogCell({ space: spaces[i]![1]!, keyEncoding: "utf8" }),
    version: i + 1,
  }));
  const byKey = new Map(rows.map((row) => [row.key.join(), row]));
  let elapsed = 0;
  return {
    meta: { parents: forks.map((version) => ({ lineage: `${version}`, version })) },
    settings: { monotonic: () => elapsed++ },
    read: () => ({
      version: names.length,
      get: (key: Uint8Array) => byKey.get(key.join()),
      cursor() {
        asked();
        let at = -1;
        const row = () => rows[at]!;
        return {
          next: () => ++at < rows.length,
          close: closed,
          get key() {
            return row().key;
          },
          get cell() {
            return row().cell;
          },
          get version() {
            return row().version;
          },
        };
      },
    }),
  } as unknown as Parameters<Catalog["loadFirst"]>[0];
}

describe("a catalog", () => {
  it("says of each key space since when it is surely its namespace's: since the last fork before its row", () => {
    const catalog = new Catalog("utf8", false);
    const names = ["a", "b", "c", "d", "e", "f"];
    catalog.load(engineWith(names, undefined, { forks: [2, 4] }));
    assert.deepEqual(names.map((name) => catalog.root.child(name)?.since), [0, 0, 2, 2, 4, 4]);
  });

  it("closes what it was read with", () => {
    let walks = 0;
    const count = (by: number) => () => void (walks += by);
    new Catalog("utf8", false).load(engineWith(["a"], count(1), { closed: count(-1) }));
    assert.equal(walks, 0);
  });

  it("gives no key space to what it may not write, nor to what was not there", () => {
    const reader = new Catalog("utf8", true);
    reader.load(engineWith(["a"]));
    assert.equal(reader.define("test", reader.root, "b", undefined).space, NO_SPACE);
    const b = new Definition("utf8", reader.root, "b");
    const { prefix, tags } = keysIn(engineWith(["a"]).read(), new Definition("utf8", b, "a"));
    assert.deepEqual([prefix, tags], [spacePrefix(NO_SPACE), spacePrefix(NO_SPACE)]);
  });

  it("keeps what is not in the database yet out of the way of a restore that is about to begin", () => {
    const catalog = new Catalog("utf8", false);
    catalog.load(engineWith(["a"]));
    const define = (name: string) => catalog.define("test", catalog.root, name, undefined);
    const [asked, arriving] = [define("asked"), define("arriving")];
    catalog.arrive(arriving);
    const before = arriving.space;
    assert.deepEqual(catalog.reserve(["arriving"]), { space: before, keyEncoding: "utf8" });
    const reserved = catalog.reserve(["later"]);
    assert.deepEqual(catalog.reserve(["later"]), reserved);
    const first = catalog.leaveGap();
    const far = first + 1000;
    const spaces = [asked, arriving, define("new"), define("later")].map(({ space }) => space);
    assert.ok(first > reserved.space && spaces.every((space) => space > far), `${first}, ${spaces}`);
    assert.equal(new Set(spaces).size, spaces.length);
    assert.deepEqual([catalog.at(before, 9), catalog.at(arriving.space, 9)], [undefined, arriving]);
    const { space } = catalog.reserve(["merged"]);
    assert.equal(define("merged").space, space);
  });

  it("knows behind a restore since when key spaces were whose before it", () => {
    const catalog = new Catalog("utf8", false);
    catalog.load(engineWith(["a", "b"], undefined, { forks: [1] }));
    catalog.load(engineWith(["a"]), 3);
    assert.deepEqual([catalog.at(4, 2)?.since, catalog.at(6, 2)?.since, catalog.at(6, 3)], [0, 1, undefined]);
  });

  it("leads no further where damage has put a namespace inside itself", () => {
    const catalog = new Catalog("utf8", false);
    catalog.load(engineWith(["a", "b"], undefined, { spaces: [[ROOT_SPACE, 4], [4, 4]] }));
    assert.deepEqual([...catalog.root.subtree()].map(({ path }) => path.join("/")), ["", "a", "a/b"]);
  });
});

describe("a catalog of very many namespaces", () => {
  const names = Array.from({ length: 5000 }, (_, i) => `n${i}`);

  it("lets the event loop go round while a database is opened", async () => {
    const catalog = new Catalog("utf8", false);
    const turns = await turnsOf(() => catalog.loadFirst(engineWith(names)));
    assert.ok(turns > 20, `${turns} turns`);
    assert.deepEqual(catalog.names(catalog.root), names.toSorted());
  });

  it("is not gone through for each write while a restore is under way", () => {
    const catalog = new Catalog("utf8", false);
    let walks = 0;
    const engine = engineWith(names, () => walks++);
    catalog.load(engine);
    const asked = (name: string) => [catalog.define("test", catalog.root, name, undefined)];
    walks = 0;
    assert.equal(catalog.agrees(engine.read(), asked("n7")), true);
    assert.equal(
      catalog.agrees(engineWith(["n1", "n7"], () => walks++).read(), asked("n7")),
      false,
      "another key space",
    );
    assert.equal(catalog.agrees(engineWith(["n1"], () => walks++).read(), asked("n7")), false, "not there");
    assert.equal(walks, 0);
    assert.equal(catalog.agrees(engine.read(), asked("new")), true);
    const more = engineWith([...names, "more"]).read();
    assert.equal(catalog.agrees(more, asked("new")), false, "its key space is another's");
  });
});
