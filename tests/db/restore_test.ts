import assert from "node:assert/strict";
import { createReadStream, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BackupRepository, type Change, ClosedError, DB } from "../../mod.ts";
import { all, onOneDisk, settle, withDb, withDirectory } from "./helpers.ts";

async function backedUp(path: string): Promise<string> {
  await using db = await DB.open(":memory:");
  await db.namespace("posts").set("p", "post", { tags: ["t"] });
  await db.namespace("users").set("ada", "from the backup");
  await db.set("root", "from the backup");
  await db.backup(path);
  return path;
}

describe("restore into an open database", () => {
  it("gives namespaces what the backup has, also through handles of before", () =>
    withDirectory(async (directory) => {
      const path = await backedUp(join(directory, "b.json"));
      await withDb(async (db) => {
        const users = db.namespace("users");
        const other = db.namespace("other");
        await users.set("bob", 1);
        await other.set("k", 1);
        using before = db.snapshot();
        await db.restore(path);
        assert.deepEqual(await all(users.keys()), ["ada"]);
        assert.deepEqual(await all(other.keys()), []);
        assert.deepEqual(db.namespaces().slice(-2), ["posts", "users"]);
        assert.deepEqual(await all(db.namespace("posts").keys({ tag: "t" })), ["p"]);
        await other.set("k", "after");
        await users.set("cleo", "after");
        assert.deepEqual(await all(users.keys()), ["ada", "cleo"]);
        assert.deepEqual(await all(db.namespace("posts").keys()), ["p"]);
        assert.equal(await other.get("k"), "after");
        assert.deepEqual(await all(before.in(users).keys()), ["bob"]);
        assert.deepEqual(await all(before.in(other).keys()), ["k"]);
        assert.deepEqual(await all(before.in(db.namespace("posts")).keys()), []);
      });
    }));

  it("is refused from the database's own directory", () =>
    withDirectory(async (directory) => {
      await using db = await DB.open(join(directory, "data"));
      await db.set("a", 1);
      symlinkSync(join(directory, "data"), join(directory, "link"));
      for (const path of ["data", "link"]) {
        await assert.rejects(db.restore(join(directory, path)), {
          name: "LockedError",
          message: `Cannot restore from ${
            join(directory, path)
          }: it is what would be restored into; give another (LOCKED)`,
        });
      }
      assert.equal(await db.get("a"), 1);
    }));

  it("writes made meanwhile to namespaces land in the right ones, whenever they come", () =>
    withDirectory(async (directory) => {
      const path = await backedUp(join(directory, "b.json"));
      for (const mode of ["replace", "merge"] as const) {
        await withDb(async (db) => {
          await db.namespace("aaa").set("k", 1);
          const restoring = db.restore(path, { mode });
          const writes: Promise<unknown>[] = [];
          let done = false;
          restoring.then(() => done = true, () => done = true);
          const atomic = db.atomic();
          atomic.in(db.namespace("late")).set("k", "late");
          for (let i = 0; !done; i++) {
            writes.push(db.namespace(`n${i % 3}`).set(`k${i}`, `n${i % 3}`, { durability: "buffered" }));
            await new Promise((resolve) => setTimeout(resolve, 0));
          }
          await restoring;
          await atomic.commit();
          await Promise.all(writes);
          for (const name of db.namespaces().filter((name) => name.startsWith("n"))) {
            for (const { value } of db.namespace(name).listSync()) assert.equal(value, name);
          }
          assert.deepEqual(await all(db.namespace("users").keys()), ["ada"]);
          assert.deepEqual(await all(db.namespace("posts").keys()), ["p"]);
          assert.deepEqual(await all(db.namespace("late").keys()), ["k"]);
          assert.equal((await db.verify()).ok, true);
        });
      }
    }));

  it("is a reset to watch and changes, and a conflict to transactions", () =>
    withDirectory(async (directory) => {
      const path = await backedUp(join(directory, "b.json"));
      await withDb(async (db) => {
        await db.set("root", "old");
        const watch = db.watch();
        const live = db.changes({ live: true, since: 1 });
        let runs = 0;
        await db.transaction(async (tx) => {
          const seen = await tx.get("root");
          if (runs++ === 0) {
            assert.equal(seen, "old");
            await db.restore(path);
          } else assert.equal(seen, "from the backup");
          tx.set("seen", seen!);
        });
        assert.equal(runs, 2);
        const { value } = await watch.next();
        assert.equal((value as Change[])[0]?.type, "reset");
        assert.equal((await live.next()).value?.changes[0]?.type, "reset");
        assert.equal((await live.next()).value?.changes[0]?.key, "seen");
        await live.return?.();
      });
    }));

  it("of a database in memory reads and writes real files", () =>
    withDirectory(async (directory) => {
      await withDb(async (db) => {
        await db.set("k", 1);
        await db.export(join(directory, "copy"));
        await db.export(join(directory, "copy.tar"));
        await db.backup(join(directory, "b.jsonl.gz"));
      });
      await using copy = await DB.open(join(directory, "copy"));
      assert.equal(await copy.get("k"), 1);
      await DB.restore(join(directory, "copy.tar"), join(directory, "restored"));
      await using restored = await DB.open(join(directory, "restored"));
      assert.equal(await restored.get("k"), 1);
      await withDb(async (db) => {
        await db.restore(join(directory, "b.jsonl.gz"));
        assert.equal(await db.get("k"), 1);
      });
    }));
});

it("a restore names the file whose stream it reads", () =>
  withDirectory(async (directory) => {
    const path = join(directory, "damaged.json");
    writeFileSync(path, '[{"key":5}]');
    await withDb(async (db) => {
      await assert.rejects(db.restore(createReadStream(path)), (error: Error) => error.message.includes(path));
      await assert.rejects(db.restore([readFileSync(path)]), /of the source stream/);
    });
  }));

/** How the work ends; "not yet" when it doesn't within so many rounds of the event loop. */
async function endOf(work: Promise<unknown>): Promise<unknown> {
  let turns = 0;
  const late = async (): Promise<string> => {
    while (turns++ < 500) await settle();
    return "not yet";
  };
  return await Promise.race([work.then(() => "done", (error) => error), late()]);
}

/** A source that is stuck after its first bytes; `isAsked` resolves when more is wanted of it. */
function stuck(): { source: AsyncIterable<Uint8Array>; isAsked: Promise<void>; goOn: () => void } {
  const asked = Promise.withResolvers<void>();
  const more = Promise.withResolvers<void>();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(`[{"key":"a","value":"1"},${" ".repeat(1000)}`);
    asked.resolve();
    await more.promise;
    yield new TextEncoder().encode('{"key":"b","value":"2"}]');
  }
  return { source: pieces(), isAsked: asked.promise, goOn: more.resolve };
}

describe("a restore whose source is stuck", () => {
  it("is given up when the database closes, before its directory may be someone else's", async () => {
    const { fileSystem } = onOneDisk();
    const db = await DB.open("/d", { fileSystem });
    await db.set("k", 1);
    const { source, isAsked, goOn } = stuck();
    const restored = endOf(db.restore(source));
    await Promise.race([isAsked, restored]);
    const stages = async () => (await fileSystem.list("/d")).filter((name) => name.startsWith(".stage-"));
    assert.equal((await stages()).length, 1);
    await db.close();
    assert.deepEqual(await stages(), []);
    const error = await restored;
    assert.ok(error instanceof ClosedError, `${error}`);
    await using again = await DB.open("/d", { fileSystem });
    goOn();
    await settle();
    assert.deepEqual(await all(again.keys()), ["k"]);
    assert.deepEqual(await stages(), []);
  });

  it("is given up by its signal", async () => {
    for (const into of ["an open database", "a path"]) {
      const { fileSystem } = onOneDisk();
      await using db = await DB.open("/d", { fileSystem });
      const { source, isAsked } = stuck();
      const controller = new AbortController();
      const { signal } = controller;
      const work = into === "a path"
        ? DB.restore(source, "/new", { fileSystem, signal })
        : db.restore(source, { signal });
      const end = endOf(work);
      await Promise.race([isAsked, end]);
      const reason = new Error("given up");
      controller.abort(reason);
      assert.equal(await end, reason, into);
    }
  });
});

describe("what has expired", () => {
  it("is decided by the clock of the restore: its own option, or the repository's", async () => {
    const { fileSystem } = onOneDisk();
    let now = 1000;
    const clock = () => now;
    await using db = await DB.open("/d", { fileSystem, clock });
    const repository = await BackupRepository.open("/repo/", { fileSystem, clock });
    await db.set("before", 1, { expiresAt: 2000 });
    await db.backup("/b.jsonl");
    await db.export("/export");
    await repository.backup(db);
    const sources = { file: "/b.jsonl", database: "/export", repository };
    for (const [at, expected] of [[1999, 1], [2000, 0]] as const) {
      now = at;
      for (const [name, source] of Object.entries(sources)) {
        const { entries } = await DB.restore(source, `/${name}-${at}`, { fileSystem, clock });
        assert.equal(entries, expected, name);
      }
      const { entries } = await repository.restore(`/by-repository-${at}`);
      assert.equal(entries, expected);
    }
    const { entries } = await DB.restore("/b.jsonl", "/by-the-system", { fileSystem });
    assert.equal(entries, 0);
    await assert.rejects(DB.restore("/b.jsonl", "/none", { fileSystem, clock: 5 as never }), {
      name: "TypeError",
      message: /DB\.restore: option "clock" must be a function/,
    });
    await repository.close();
  });
});
