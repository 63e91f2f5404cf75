import { describe, it } from "node:test";
import assert from "node:assert/strict";
import {
  ExistsError,
  HoldfastError,
  IntegrityError,
  LockedError,
  NoSpaceError,
  NotFoundError,
} from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { Engine } from "../../lib/engine/types.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { backupTo, exportDatabase, restoreTo } from "../../lib/backup/mod.ts";
import { DB } from "../../lib/db/db.ts";
import { exportStream } from "../../lib/db/export_stream.ts";
import { dump, fillSample, NOW, openAt, put, settingsOf, write } from "./fixture.ts";
import { collect } from "./helpers.ts";

const file = async (fs: FileSystem, path: string, text: string): Promise<void> => {
  const handle = await fs.open(path, "create");
  await handle.append(new TextEncoder().encode(text));
  await handle.close();
};

async function sample(): Promise<
  { fs: ReturnType<typeof memoryFileSystem>; engine: Awaited<ReturnType<typeof openAt>> }
> {
  const fs = memoryFileSystem();
  const engine = await openAt(fs, "/db");
  await fillSample(engine);
  return { fs, engine };
}

/** All paths with their sizes, the locks left out. */
async function tree(fs: FileSystem, path = "/"): Promise<string[]> {
  const found: string[] = [];
  for (const name of await fs.list(path)) {
    const full = path === "/" ? `/${name}` : `${path}/${name}`;
    const info = (await fs.stat(full))!;
    if (info.kind === "directory") found.push(`${full}/`, ...await tree(fs, full));
    else if (!name.startsWith("LOCK")) found.push(`${full} ${info.size}`);
  }
  return found;
}

describe("exportDatabase", () => {
  for (const link of ["auto", "never"] as const) {
    it(`makes a directory that opens and holds the same, link ${link}`, async () => {
      const { fs, engine } = await sample();
      const info = await exportDatabase(engine, "/copy", { link });
      assert.equal(info.version, engine.visibleVersion);
      assert.equal(info.sharedBytes > 0, link === "auto");
      const names = await fs.list("/copy");
      assert.equal(names.length, info.files);
      assert.ok(!names.some((name) => name.startsWith(".stage") || name === "LOCK"), String(names));
      const copy = await openAt(fs, "/copy");
      assert.deepEqual(dump(copy, true), dump(engine, true));
      assert.equal(copy.id, engine.id);
      // Writing to either leaves the other as it is.
      await write(copy, (batch) => put(batch, 0, "text", { value: "changed" }));
      await write(engine, (batch) => put(batch, 0, "other", { value: "changed" }));
      assert.notEqual(copy.lineage, engine.lineage);
      assert.equal(dump(engine)[":text"], "1|hello||");
      assert.equal(dump(copy)[":other"], undefined);
      await copy.close();
      await engine.close();
    });
  }

  for (const name of ["copy.tar", "copy.tar.gz", "copy.tar.zst", "copy.tgz"]) {
    it(`makes one file that restores: ${name}`, async () => {
      const { fs, engine } = await sample();
      const info = await exportDatabase(engine, `/${name}`);
      assert.equal(info.bytes, (await fs.stat(`/${name}`))!.size);
      const restored = await restoreTo(fs, settingsOf(), `/${name}`, "/restored");
      assert.equal(restored.database, engine.id);
      const copy = await openAt(fs, "/restored");
      assert.deepEqual(dump(copy, true), dump(engine, true));
      assert.deepEqual((await fs.list("/")).sort(), [name, "db", "restored"].sort());
      await copy.close();
      await engine.close();
    });
  }

  it("exports an empty database", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await exportDatabase(engine, "/copy");
    await exportDatabase(engine, "/copy.tar");
    await engine.close();
    const copy = await openAt(fs, "/copy");
    assert.deepEqual(dump(copy), {});
    await copy.close();
  });

  it("is one point in time while writes, flushes and compactions go on", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db", { memtableBytes: 2 ** 13 });
    let stop = false;
    let n = 0;
    const writing = (async (): Promise<void> => {
      // Two keys that every commit sets alike: any copy of one point in time agrees.
      while (!stop) {
        const value = `${++n} ${"x".repeat(500)}`;
        await write(engine, (batch) => {
          put(batch, 0, "a", { value });
          put(batch, 0, `fill ${n % 50}`, { value });
          put(batch, 0, "z", { value });
        });
      }
    })();
    for (let round = 0; round < 8; round++) {
      const before = engine.visibleVersion;
      const info = await exportDatabase(engine, `/copy${round}`, { link: round % 2 ? "auto" : "never" });
      assert.ok(info.version >= before);
      const copy = await openAt(fs, `/copy${round}`, { readOnly: true });
      const all = dump(copy);
      assert.equal(all[":a"], all[":z"]);
      assert.equal(copy.visibleVersion, info.version);
      await copy.close();
    }
    stop = true;
    await writing;
    assert.ok(n > 8);
    assert.equal(engine.stats().pins, 0);
    await engine.close();
  });

  it("checks the destination first, each obstacle with its own error", async () => {
    const { fs, engine } = await sample();
    await fs.makeDirectory("/full");
    await file(fs, "/full/notes.txt", "x");
    await fs.makeDirectory("/empty");
    await file(fs, "/file", "x");
    await file(fs, "/old.tar", "x");
    await exportDatabase(engine, "/copy");
    const before = await tree(fs);
    const refusals: [string, object | undefined, new (...args: never[]) => Error, RegExp][] = [
      ["/copy", undefined, ExistsError, /a database is there; pass overwrite/],
      ["/full", { overwrite: true }, ExistsError, /not empty \(notes\.txt\)/],
      ["/file", { overwrite: true }, ExistsError, /a file is in its place/],
      ["/old.tar", undefined, ExistsError, /the file exists; pass overwrite/],
      ["/no/such", undefined, NotFoundError, /parent directory \/no is missing/],
      ["/no/such.tar", undefined, NotFoundError, /parent directory \/no is missing/],
      ["/file/x", undefined, NotFoundError, /is not a directory/],
      ["/db", { overwrite: true }, TypeError, /own directory/],
      ["/db/copy", undefined, TypeError, /own directory or inside it/],
      ["/db/copy.tar", undefined, TypeError, /inside the database's own/],
      ["s3://bucket/x", undefined, TypeError, /import \{ s3 \} from "@holdfast\/db\/s3"/],
      ["", undefined, TypeError, /must not be empty/],
      ["/x", { overwite: true }, TypeError, /did you mean "overwrite"/],
      ["/x", { link: "hard" }, TypeError, /"link" must be one of/],
    ];
    for (const [path, options, type, message] of refusals) {
      await assert.rejects(exportDatabase(engine, path, options as never), (error: Error) => {
        assert.ok(error instanceof type, `${path}: ${error}`);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.deepEqual(await tree(fs), before);
    await exportDatabase(engine, "/empty");
    await engine.close();
  });

  it("refuses when there is too little free space, naming both amounts", async () => {
    const { fs, engine } = await sample();
    fs.capacityBytes = fs.usedBytes + 1500;
    const before = await tree(fs);
    for (const [path, options] of [["/copy", { link: "never" }], ["/copy.tar", {}]] as const) {
      await assert.rejects(exportDatabase(engine, path, options), (error: Error) => {
        assert.ok(error instanceof NoSpaceError);
        assert.match(error.message, /\d+ bytes are needed and \d+ are free/);
        return true;
      });
    }
    assert.deepEqual(await tree(fs), before);
    await engine.close();
  });

  it("leaves no trace when aborted, at any step of its progress, and the database works on", async () => {
    const { fs, engine } = await sample();
    const before = await tree(fs);
    for (const path of ["/copy", "/copy.tar", "/copy.tar.gz"]) {
      let steps = 0;
      const dry = await exportDatabase(engine, path, { onProgress: () => steps++ });
      assert.ok(dry.files > 0 && steps >= 3);
      if (path === "/copy") {
        for (const name of await fs.list(path)) await fs.remove(`${path}/${name}`);
        await fs.removeDirectory(path);
      } else await fs.remove(path);
      for (let at = 1; at < steps; at++) {
        const controller = new AbortController();
        let seen = 0;
        const result = await exportDatabase(engine, path, {
          signal: controller.signal,
          onProgress: () => {
            if (++seen === at) controller.abort(new Error("stop"));
          },
        }).then(() => "done", (error: Error) => error.message);
        if (result === "done") continue; // Too late to stop it.
        assert.equal(result, "stop");
        assert.deepEqual(await tree(fs), before, `${path} at ${at}`);
      }
      if (path !== "/copy") await fs.remove(path).catch(() => {});
    }
    assert.equal(engine.stats().pins, 0);
    await write(engine, (batch) => put(batch, 0, "after", { value: "ok" }));
    await engine.close();
  });

  it("leaves no trace when any file operation fails, over nothing and over an old database", async () => {
    for (const overwrite of [false, true]) {
      for (let at = 0;; at++) {
        const fs = memoryFileSystem();
        const engine = await openAt(fs, "/db");
        await write(engine, (batch) => put(batch, 0, "a", { value: "new" }));
        await engine.compact();
        if (overwrite) {
          const old = await openAt(fs, "/copy");
          await write(old, (batch) => put(batch, 0, "a", { value: "old" }));
          await old.compact();
          await old.close();
        }
        const failing = failingAt(fs, at, (path) => path.startsWith("/copy"));
        const other = withFiles(engine, failing.fs);
        let failed = false;
        try {
          await exportDatabase(other, "/copy", { overwrite });
        } catch (error) {
          failed = true;
          assert.match(String(error), /injected|damaged|Damaged|IO/);
        }
        await engine.close();
        const there = await fs.stat("/copy/CURRENT") !== undefined;
        if (!failing.hit()) {
          assert.equal(failed, false);
          const copy = await openAt(fs, "/copy");
          assert.equal(dump(copy)[":a"], "1|new||");
          await copy.close();
          break;
        }
        if (!there) {
          assert.equal(overwrite, false, `at ${at}: the old database is gone`);
          assert.equal((await tree(fs)).some((path) => path.startsWith("/copy")), false, `at ${at}: ${await tree(fs)}`);
          continue;
        }
        const copy = await openAt(fs, "/copy");
        assert.match(dump(copy)[":a"]!, failed && overwrite ? /old|new/ : /new/, `at ${at}`);
        await copy.close();
      }
    }
  });

  for (
    const [path, first, overwrite] of [
      ["/copy", "/copy/MANIFEST-", false],
      ["/copy", "/copy/MANIFEST-", true],
      ["/copy.tar", "/copy.tar", false],
    ] as const
  ) {
    it(`and another at the same moment to ${path}, overwrite ${overwrite}: one of them is there, and says so`, async () => {
      const { fs, engine } = await sample();
      let second: ReturnType<typeof exportDatabase> | undefined;
      // All is looked at, and the first name is about to move.
      const slow = before("rename", fs, (to) => to.startsWith(first), async () => {
        await write(engine, (batch) => put(batch, 0, "late", { value: "second" }));
        second = exportDatabase(engine, path, { overwrite });
        await second.catch(() => {});
      });
      const ends = [(await Promise.allSettled([exportDatabase(withFiles(engine, slow), path, { overwrite })]))[0]];
      ends.push((await Promise.allSettled([second!]))[0]);
      const done = ends.filter((end) => end.status === "fulfilled");
      const failed = ends.filter((end) => end.status === "rejected");
      assert.equal(done.length, 1, ends.map(({ status }) => status).join());
      assert.ok(failed[0]!.reason instanceof ExistsError, String(failed[0]!.reason));
      await restoreTo(fs, settingsOf(), path, "/restored");
      const restored = await openAt(fs, "/restored", { readOnly: true });
      assert.equal(restored.visibleVersion, done[0]!.value.version);
      await restored.close();
      assert.deepEqual((await tree(fs)).filter((name) => /stage|tmp/.test(name)), []);
      await engine.close();
    });
  }

  it("and another that makes the directory in the same moment: the one goes on that has made it", async () => {
    const { fs, engine } = await sample();
    const arrived = Promise.withResolvers<void>();
    const refused = Promise.withResolvers<void>();
    let first: Promise<unknown> | undefined;
    const slow = before("makeDirectory", fs, (path) => path.startsWith("/copy/.stage-"), async () => {
      arrived.resolve();
      await refused.promise;
    });
    const late = before("makeDirectory", fs, (path) => path === "/copy", async () => {
      first = exportDatabase(withFiles(engine, slow), "/copy");
      await arrived.promise;
    });
    await assert.rejects(exportDatabase(withFiles(engine, late), "/copy"), ExistsError);
    refused.resolve();
    await first;
    const copy = await openAt(fs, "/copy", { readOnly: true });
    assert.deepEqual(dump(copy, true), dump(engine, true));
    await copy.close();
    await engine.close();
  });

  for (const path of ["/copy", "/copy.tar"]) {
    it(`of a reader whose files the writer has removed is of the present: ${path}`, async () => {
      const { fs, engine } = await sample();
      await engine.compact();
      const reader = await openAt(fs.otherProcess(), "/db", { readOnly: true });
      await write(engine, (batch) => put(batch, 0, "late", { value: "second" }));
      await engine.compact();
      const { version } = await exportDatabase(reader, path);
      assert.equal(version, engine.visibleVersion);
      await restoreTo(fs, settingsOf(), path, "/restored");
      const restored = await openAt(fs, "/restored", { readOnly: true });
      assert.deepEqual(dump(restored, true), dump(engine, true));
      for (const each of [restored, reader, engine]) await each.close();
    });
  }

  it("replaces an old database, and its stale files go", async () => {
    const { fs, engine } = await sample();
    const old = await openAt(fs, "/copy");
    await write(old, (batch) => put(batch, 0, "old", { value: "old" }));
    await assert.rejects(exportDatabase(engine, "/copy", { overwrite: true }), LockedError);
    await old.close();
    await exportDatabase(engine, "/copy", { overwrite: true });
    await write(engine, (batch) => put(batch, 0, "second", { value: "export" }));
    const info = await exportDatabase(engine, "/copy", { overwrite: true });
    const copy = await openAt(fs, "/copy", { readOnly: true });
    assert.deepEqual(dump(copy, true), dump(engine, true));
    await copy.close();
    const names = (await fs.list("/copy")).filter((name) => !name.startsWith("LOCK"));
    assert.equal(names.length, info.files, String(names));
    await engine.close();
  });

  it("leaves the old or the new database when the power goes at any operation", async () => {
    for (const kind of ["none", "same", "other"] as const) {
      for (let cut = 0;; cut++) {
        const fs = memoryFileSystem();
        const engine = await openAt(fs, "/db");
        await write(engine, (batch) => put(batch, 0, "a", { value: "first" }));
        await engine.compact();
        if (kind === "same") await exportDatabase(engine, "/copy");
        if (kind === "other") {
          const old = await openAt(fs, "/copy");
          await write(old, (batch) => put(batch, 0, "a", { value: "first" }));
          await old.compact();
          await old.close();
        }
        await write(engine, (batch) => put(batch, 0, "a", { value: "second" }));
        fs.cutPowerAt(fs.operations + cut);
        const done = await exportDatabase(engine, "/copy", { overwrite: true }).then(() => true, () => false);
        await engine.close().catch(() => {});
        const after = fs.crash({ keep: "none" });
        const source = await openAt(after, "/db");
        assert.equal(dump(source)[":a"], "1|second||");
        await source.close();
        const places = await after.stat("/copy") === undefined ? [] : [
          "/copy",
          ...(await after.list("/copy")).filter((name) => name.endsWith("-old")).map((name) => `/copy/${name}`),
        ];
        const found: string[] = [];
        for (const place of places) {
          if (await after.stat(`${place}/CURRENT`) === undefined) continue;
          const copy = await openAt(after, place);
          found.push(dump(copy)[":a"]!);
          await copy.close();
        }
        if (done) assert.equal(found[0], "1|second||", `${kind} at ${cut}`);
        if (kind === "none") assert.ok(found.every((value) => value === "1|second||"), `${kind} at ${cut}: ${found}`);
        else assert.ok(found.length > 0, `${kind} at ${cut}: no database is left`);
        if (done) break;
      }
    }
  });

  it("does not publish a copy that is not what it should be", async () => {
    const { fs, engine } = await sample();
    const table = (await engine.pin().then((pin) => {
      pin.release();
      return pin.files;
    })).find(({ kind }) => kind === "table")!;
    // The copy's bytes are changed on their way.
    const bad = withFiles(engine, corrupting(fs, (path) => path.endsWith(table.name) || path.endsWith(".tmp")));
    const before = await tree(fs);
    await assert.rejects(exportDatabase(bad, "/copy"), /Damaged|damaged/);
    await assert.rejects(exportDatabase(bad, "/copy.tar"), IntegrityError);
    await assert.rejects(backupTo(bad, "/copy.json"), IntegrityError);
    assert.deepEqual(await tree(fs), before);
    await engine.close();
  });
});

describe("exportStream", () => {
  it("streams a tar that restores, and lines", async () => {
    const { fs, engine } = await sample();
    for (const format of ["tar", "jsonl"] as const) {
      const stream = exportStream(engine, { format });
      assert.equal(engine.stats().pins, 0, "an unread stream holds nothing");
      await restoreTo(fs, settingsOf(), stream, `/restored-${format}`);
      const copy = await openAt(fs, `/restored-${format}`);
      assert.deepEqual(dump(copy), dump(engine));
      await copy.close();
    }
    assert.equal(engine.stats().pins, 0);
    await engine.close();
  });

  it("by a reader is of the present when it begins, and is not cut off by what the writer removes then", async () => {
    const { fs, engine } = await sample();
    await engine.compact();
    const reader = await openAt(fs.otherProcess(), "/db", { readOnly: true });
    await write(engine, (batch) => put(batch, 0, "late", { value: "second" }));
    await engine.compact();
    const expected = dump(engine, true);
    async function* streamed(): AsyncGenerator<Uint8Array> {
      for await (const piece of exportStream(reader, { format: "tar" })) {
        yield piece;
        await write(engine, (batch) => put(batch, 0, "later", { value: "third" }));
        await engine.compact();
      }
    }
    await restoreTo(fs, settingsOf(), ReadableStream.from(streamed()), "/restored");
    const restored = await openAt(fs, "/restored", { readOnly: true });
    assert.deepEqual(dump(restored, true), expected);
    assert.equal(reader.stats().pins, 0);
    for (const each of [restored, reader, engine]) await each.close();
  });

  it("by a reader goes on where more files would be open than may be, and leaves none of them open", async () => {
    const { fs, engine } = await sample();
    await engine.compact();
    const expected = dump(engine, true);
    const disk = fs.otherProcess();
    const reader = await openAt(disk, "/db", { readOnly: true });
    const open = disk.open.bind(disk);
    let opens = 0;
    const left = new Set<FileHandle>();
    disk.open = async (path, mode) => {
      if (++opens === 2) throw new HoldfastError("EMFILE", `Cannot open ${path}: too many files are open (EMFILE)`);
      const file = await open(path, mode);
      const [close, closeSync] = [file.close.bind(file), file.closeSync.bind(file)];
      left.add(file);
      file.close = () => (left.delete(file), close());
      file.closeSync = () => (left.delete(file), closeSync());
      return file;
    };
    await restoreTo(fs, settingsOf(), exportStream(reader, { format: "tar" }), "/restored");
    assert.equal(left.size, 0);
    const restored = await openAt(fs, "/restored", { readOnly: true });
    assert.deepEqual(dump(restored, true), expected);
    for (const each of [restored, reader, engine]) await each.close();
  });

  it("by a reader leaves no file open that nobody reads on when it is closed", async () => {
    const { fs, engine } = await sample();
    await engine.compact();
    const reader = await DB.open("/db", { fileSystem: fs.otherProcess(), readOnly: true });
    const stream = reader.exportStream().getReader();
    await stream.read();
    await write(engine, (batch) => put(batch, 0, "late", { value: "second" }));
    await engine.compact();
    await engine.close();
    await reader.close();
    const sizes = (await fs.list("/db")).map((name) => fs.statSync(`/db/${name}`)!.size);
    assert.equal(fs.usedBytes, sizes.reduce((sum, size) => sum + size));
  });

  it("lets go of everything when cancelled, before and within", async () => {
    const { engine } = await sample();
    for (const format of ["tar", "jsonl"] as const) {
      await exportStream(engine, { format }).cancel();
      const reader = exportStream(engine, { format }).getReader();
      assert.ok((await reader.read()).value!.length > 0);
      await reader.cancel();
      assert.equal(engine.stats().pins, 0);
    }
    assert.throws(() => exportStream(engine, { format: "zip" as never }), TypeError);
    const aborted = AbortSignal.abort(new Error("no"));
    await assert.rejects(collect(exportStream(engine, { signal: aborted })), /no/);
    await engine.close();
  });

  it("says the moment of the export in its header", async () => {
    const { engine } = await sample();
    const text = new TextDecoder().decode(await collect(exportStream(engine, { format: "jsonl" })));
    assert.equal(JSON.parse(text.split("\n")[0]!).created_at, new Date(NOW).toISOString());
    await engine.close();
  });
});

/** A file system whose nth writing operation on certain paths fails. */
function failingAt(
  fs: FileSystem,
  at: number,
  concerns: (path: string) => boolean,
): { fs: FileSystem; hit: () => boolean } {
  let count = 0;
  let hit = false;
  const CHANGES = ["makeDirectory", "rename", "link", "clone", "syncDirectory", "open", "remove", "removeDirectory"];
  const proxy = new Proxy(fs, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (!CHANGES.includes(String(name))) return value.bind(target);
      return (...args: unknown[]) => {
        const paths = args.filter((arg) => typeof arg === "string" && arg.startsWith("/"));
        if (paths.some((path) => concerns(path as string)) && count++ === at && !hit) {
          hit = true;
          return Promise.reject(new Error("injected"));
        }
        return value.apply(target, args);
      };
    },
  });
  return { fs: proxy as FileSystem, hit: () => hit };
}

/** A file system in which `meanwhile` happens before the first such call (a link is a rename) to a path that fits. */
function before(
  call: "rename" | "makeDirectory",
  fs: FileSystem,
  fits: (path: string) => boolean,
  meanwhile: () => Promise<void>,
): FileSystem {
  let met = false;
  return new Proxy(fs, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== call && !(name === "link" && call === "rename")) return value.bind(target);
      return async (...args: string[]) => {
        if (!met && fits(call === "rename" ? args[1]! : args[0]!)) {
          met = true;
          await meanwhile();
        }
        await value.apply(target, args);
      };
    },
  });
}

/** The same engine, whose file system seems to be another to those who copy. */
function withFiles(engine: Engine, fs: FileSystem): Engine {
  return new Proxy(engine, {
    get(target, name) {
      if (name === "fs") return fs;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** A file system without links that changes a byte of what is written to certain files. */
function corrupting(fs: FileSystem, concerns: (path: string) => boolean): FileSystem {
  return new Proxy(fs, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name === "link" || name === "clone") return () => Promise.reject(new Error("not here"));
      if (name !== "open") return value.bind(target);
      return async (path: string, mode: "read" | "create" | "append") => {
        const handle = await target.open(path, mode);
        if (mode !== "create" || !concerns(path)) return handle;
        return new Proxy(handle, {
          get(inner, key) {
            const own = Reflect.get(inner, key);
            if (key !== "append") return typeof own === "function" ? own.bind(inner) : own;
            return (bytes: Uint8Array) => {
              const changed = bytes.slice();
              if (changed.length > 900) changed[800]! ^= 1;
              return inner.append(changed);
            };
          },
        });
      };
    },
  });
}
