import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { encodeText } from "../../lib/base/bytes.ts";
import {
  ExistsError,
  HoldfastError,
  IntegrityError,
  LockedError,
  NoSpaceError,
  NotFoundError,
  ReadOnlyError,
  UnsupportedFormatError,
} from "../../lib/base/errors.ts";
import type { Progress } from "../../lib/base/progress.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { internalKey, spacePrefix } from "../../lib/format/space.ts";
import { backupTo, exportDatabase, restoreInto, restoreTo } from "../../lib/backup/mod.ts";
import { spacesOf } from "../../lib/backup/namespaces.ts";
import { readTar } from "../../lib/backup/archive/tar_reader.ts";
import { writeTar } from "../../lib/backup/archive/tar_writer.ts";
import { define, dump, fillSample, NOW, openAt, put, settingsOf, write } from "./fixture.ts";
import { inPieces } from "./helpers.ts";

async function sample(): Promise<
  { fs: ReturnType<typeof memoryFileSystem>; engine: Awaited<ReturnType<typeof openAt>> }
> {
  const fs = memoryFileSystem();
  const engine = await openAt(fs, "/db");
  await fillSample(engine);
  return { fs, engine };
}

async function file(fs: FileSystem, path: string, content: string | Uint8Array): Promise<void> {
  const handle = await fs.open(path, "create");
  await handle.append(typeof content === "string" ? encodeText(content) : content);
  await handle.close();
}

const read = (fs: FileSystem, path: string): Promise<Uint8Array> => readFile(fs, path, 2 ** 30);

/** Names in the database directory that only a restore could have left. */
const leftovers = async (fs: FileSystem, path = "/db"): Promise<string[]> =>
  (await fs.list(path)).filter((name) => name.startsWith(".") || name.endsWith(".run"));

describe("backupTo", () => {
  it("ends with a ClosedError when the database is closed meanwhile, also where a value lies in a blob", async () => {
    for (const blobs of [false, true]) {
      const fs = memoryFileSystem();
      const engine = await openAt(fs, "/db");
      await write(engine, (batch) => {
        for (let i = 0; i < 50; i++) put(batch, 0, `k${i}`, { value: blobs ? new Uint8Array(100_000) : "short" });
      });
      await engine.compact();
      let closing: Promise<void> | undefined;
      const filter = (): boolean => (closing ??= engine.close()) !== undefined;
      await assert.rejects(backupTo(engine, "/x.json", { filter }), { code: "CLOSED" });
      await closing;
      assert.deepEqual((await fs.list("/")).sort(), ["db"]);
    }
  });

  it("writes what skv reads: version, created_at, total_records, records of key, value, encoding", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await write(engine, (batch) => {
      put(batch, 0, "username", { value: "alice" });
      put(batch, 0, "binary_data", { value: new Uint8Array([1, 2, 3, 4]) });
    });
    const info = await backupTo(engine, "/x.json", { labels: { why: "test" } });
    const document = JSON.parse(new TextDecoder().decode(await read(fs, "/x.json")));
    assert.equal(document.version, "1.0");
    assert.equal(document.created_at, new Date(NOW).toISOString());
    assert.equal(document.total_records, 2);
    assert.equal(document.key_encoding, "utf8");
    assert.deepEqual(document.records, [
      { key: "binary_data", value: "AQIDBA==", encoding: "base64" },
      { key: "username", value: "alice", encoding: "text" },
    ]);
    assert.equal(info.entryCount, 2);
    assert.equal(info.type, "full");
    assert.equal(info.id, "x.json");
    assert.equal(info.storedBytes, (await fs.stat("/x.json"))!.size);
    assert.equal(info.totalBytes, info.storedBytes);
    assert.match(info.checksum, /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(info.labels, { why: "test" });
    await engine.close();
  });

  for (const name of ["x.json", "x.jsonl", "x.json.gz", "x.json.zst", "x.jsonl.gz", "x.jsonl.zst"]) {
    it(`comes back whole through ${name}`, async () => {
      const { fs, engine } = await sample();
      const info = await backupTo(engine, `/${name}`);
      const restored = await restoreTo(fs, settingsOf(), `/${name}`, "/new");
      assert.equal(restored.entries, info.entryCount);
      assert.equal(restored.expired, 0);
      const copy = await openAt(fs, "/new");
      assert.deepEqual(dump(copy), dump(engine));
      assert.notEqual(copy.id, engine.id);
      assert.equal(copy.visibleVersion, 1);
      assert.deepEqual((await fs.list("/new")).filter((each) => each.startsWith(".")), []);
      await copy.close();
      await engine.close();
    });
  }

  it("keeps the entries chosen by prefix, namespace and filter", async () => {
    const { fs, engine } = await sample();
    const keys = async (options: object): Promise<string[]> => {
      const info = await backupTo(engine, "/x.json", { overwrite: true, ...options });
      assert.equal(info.selective, true);
      const { records, total_records } = JSON.parse(new TextDecoder().decode(await read(fs, "/x.json")));
      assert.equal(total_records, records.length);
      return records.map((record: { key: string; namespace?: string[] }) =>
        [...record.namespace ?? [], record.key].join("/")
      );
    };
    assert.deepEqual(await keys({ prefix: "t" }), ["tagged", "text"]);
    assert.equal((await keys({ namespace: "users" })).length, 300);
    assert.deepEqual(
      await keys({ namespace: "users", prefix: "user:000" }),
      [0, 1, 2, 3, 4, 5, 6, 8, 9].map((n) => `users/user:000${n}`),
    );
    assert.deepEqual(await keys({ namespace: ["users", "inner"] }), ["users/inner//wA="]);
    assert.deepEqual(await keys({ filter: ({ tags }: { tags: string[] }) => tags.includes("red") }), [
      "later",
      "tagged",
    ]);
    assert.deepEqual(
      await keys({
        filter: ({ value }: { value: unknown }) => typeof value === "object" && !(value instanceof Uint8Array),
      }),
      ["json"],
    );
    assert.deepEqual(await keys({ namespace: "nobody" }), []);
    let asked = 0;
    await assert.rejects(backupTo(engine, "/y.json", { filter: () => asked++ < 400 }), /must answer the same/);
    for (const filter of [() => Promise.resolve(true), () => undefined, () => 1]) {
      await assert.rejects(
        backupTo(engine, "/y.json", { filter: filter as never }),
        /the filter must answer true or false/,
      );
    }
    assert.equal(await fs.stat("/y.json"), undefined);
    assert.equal(await fs.stat("/y.json"), undefined);
    await engine.close();
  });

  it("shows the moment it began at, though writes go on", async () => {
    const { fs, engine } = await sample();
    const before = dump(engine);
    let started = false;
    const backup = backupTo(engine, "/x.json", {
      onProgress: () => {
        started = true;
      },
    });
    while (!started) await new Promise((resolve) => setImmediate(resolve));
    await write(engine, (batch) => {
      batch.deleteRange(spacePrefix(4), spacePrefix(5));
      put(batch, 0, "text", { value: "changed" });
    });
    await engine.compact();
    await backup;
    await restoreTo(fs, settingsOf(), "/x.json", "/new");
    const copy = await openAt(fs, "/new");
    assert.deepEqual(dump(copy), before);
    await copy.close();
    await engine.close();
  });

  it("refuses what it can't do, each with its own error", async () => {
    const { fs, engine } = await sample();
    await fs.makeDirectory("/repo");
    await file(fs, "/repo/mine", "x");
    await file(fs, "/there.json", "x");
    const refusals: [unknown, object | undefined, new (...args: never[]) => Error, RegExp][] = [
      ["/there.json", undefined, ExistsError, /the file exists/],
      ["/no/x.json", undefined, NotFoundError, /parent directory/],
      ["/repo", undefined, ExistsError, /other files \(mine\)/],
      ["/db", undefined, TypeError, /own directory/],
      ["/backups", { overwrite: true }, TypeError, /never replaced/],
      [{ put: 1 }, undefined, TypeError, /destination must be a path/],
      ["s3://bucket/x.json", undefined, TypeError, /import \{ s3 \} from "@holdfast\/db\/s3"/],
      ["gs://bucket/x", undefined, TypeError, /import \{ gcs \}/],
      ["http://x/y.json", undefined, TypeError, /http:\/\/ is not a path/],
      ["/x.txt", undefined, TypeError, /must end in \.json or \.jsonl/],
      ["/x.tar", undefined, TypeError, /for a copy that opens use export/],
      ["/x.json", { type: "incremental" }, TypeError, /must be "full"/],
      ["/x.json", { encryption: {} }, TypeError, /"encryption" is for backup repositories/],
      ["/x.json", { parent: "a" }, TypeError, /"parent" is for backup repositories/],
      ["/x.json", { compression: "gzip" }, TypeError, /says "none"/],
      ["/x.json", { level: 3 }, TypeError, /"level" needs/],
      ["/x.json.gz", { level: 12 }, RangeError, /gzip has 0 to 9/],
      ["/x.json", { prefix: "" }, TypeError, /"prefix" must not be empty/],
      ["/x.json", { prefix: 5 }, TypeError, /"prefix" must be a string or bytes/],
      ["/x.json", { namespace: [] }, TypeError, /"namespace" must be/],
      ["/x.json", { filter: "x" }, TypeError, /"filter" must be a function/],
      ["/x.json", { labels: { a: 1 } }, TypeError, /record of strings/],
      ["/x.json", { labels: ["nightly"] }, TypeError, /record of strings, not an array/],
      ["/x.json", { fliter: 1 }, TypeError, /did you mean "filter"/],
      ["/db/x.json", undefined, TypeError, /own directory/],
      [5, undefined, TypeError, /destination must be a path/],
    ];
    for (const [path, options, type, message] of refusals) {
      await assert.rejects(backupTo(engine, path as string, options as never), (error: Error) => {
        assert.ok(error instanceof type, `${path}: ${error}`);
        assert.match(error.message, message);
        return true;
      });
    }
    assert.deepEqual(await fs.list("/"), ["db", "repo", "there.json"]);
    assert.equal(engine.stats().pins, 0);
    await engine.close();
  });

  it("leaves no trace when aborted, at any step of its progress", async () => {
    const { fs, engine } = await sample();
    for (const name of ["/x.json", "/x.jsonl.zst"]) {
      for (let at = 1; at < 6; at++) {
        const controller = new AbortController();
        let seen = 0;
        const result = await backupTo(engine, name, {
          signal: controller.signal,
          onProgress: () => {
            if (++seen === at) controller.abort(new Error("stop"));
          },
        }).then(() => "done", (error: Error) => error.message);
        if (result === "done") await fs.remove(name);
        else assert.equal(result, "stop");
        assert.deepEqual(await fs.list("/"), ["db"], `${name} at ${at}: ${result}`);
      }
    }
    assert.equal(engine.stats().pins, 0);
    await engine.close();
  });
});

describe("restoreInto", () => {
  it("replaces all contents at one new version", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy");
    await exportDatabase(engine, "/copy.tar.zst");
    const wanted = dump(engine);
    for (const source of ["/x.json", "/copy", "/copy.tar.zst"]) {
      await write(engine, (batch) => {
        batch.deleteRange(new Uint8Array([0]), new Uint8Array([1]));
        put(batch, 0, "new", { value: "x", tags: ["red"] });
        define(batch, 0, "other", 100);
        put(batch, 100, "k", { value: "v" });
      });
      const resets: unknown[] = [];
      const stop = engine.onCommit((event) => resets.push("reset" in event));
      const before = engine.visibleVersion;
      const info = await restoreInto(engine, source);
      stop();
      assert.equal(info.achieved.version, before + 1, source);
      assert.equal(engine.visibleVersion, before + 1);
      assert.deepEqual(resets, [true]);
      assert.deepEqual(dump(engine), wanted, source);
      for (const line of Object.values(dump(engine, true))) assert.match(line, new RegExp(`\\|${before + 1}$`));
      assert.equal(info.entries, Object.keys(wanted).filter((key) => !key.includes("#")).length);
      assert.deepEqual(await leftovers(fs), []);
    }
    await engine.compact();
    assert.deepEqual(dump(engine), wanted);
    await engine.close();
    const again = await openAt(fs, "/db");
    assert.deepEqual(dump(again), wanted);
    assert.deepEqual((await again.verify()).problems, []);
    await again.close();
  });

  it("merges: the backup's entries win, other keys stay", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const other = await openAt(fs, "/other");
    await write(other, (batch) => {
      put(batch, 0, "text", { value: "loses", tags: ["red"] });
      put(batch, 0, "mine", { value: "stays" });
      put(batch, 0, "gone", { value: "stays too" });
      define(batch, 0, "things", 4);
      put(batch, 4, "t", { value: "stays as well" });
    });
    await restoreInto(other, "/x.json", { mode: "merge" });
    const found = dump(other);
    assert.equal(found[":text"], "1|hello||");
    assert.equal(found[":mine"], "1|stays||");
    assert.equal(found[":gone"], "1|stays too||");
    assert.equal(found["things:t"], "1|stays as well||");
    assert.equal(found["users:user:0001"], "1|name 1||");
    assert.equal(found["users/inner:<255 0>"], "1|bytes key|raw|");
    // And again: what was new now has its spaces.
    await restoreInto(other, "/x.json", { mode: "merge" });
    assert.deepEqual(dump(other), found);
    await other.close();
    await engine.close();
  });

  it("replaces only what a selection covers", async () => {
    const { engine } = await sample();
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy");
    const wanted = dump(engine);
    for (const source of ["/x.json", "/copy"]) {
      await write(engine, (batch) => {
        put(batch, 4, "user:0001", { value: "damaged" });
        put(batch, 4, "user:9999", { value: "should go" });
        put(batch, 0, "text", { value: "stays changed" });
        batch.delete(internalKey(spacePrefix(4), encodeText("user:0100")));
      });
      const info = await restoreInto(engine, source, { namespace: "users" });
      assert.equal(info.entries, 300);
      assert.deepEqual(dump(engine), { ...wanted, ":text": "1|stays changed||" }, source);
      await write(engine, (batch) => {
        put(batch, 0, "text", { value: "x" });
        put(batch, 0, "textual", { value: "should go" });
      });
      await restoreInto(engine, source, { prefix: "text" });
      assert.deepEqual(dump(engine), wanted, source);
    }
    await engine.close();
  });

  it("leaves expired entries away or clears their expiry", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const later = await openAt(fs, "/later", { clock: () => NOW + 5000 });
    const kept = await restoreInto(later, "/x.json");
    assert.equal(kept.expired, 1);
    assert.equal(dump(later)[":later"], undefined);
    const cleared = await restoreInto(later, "/x.json", { expiry: "clear" });
    assert.equal(cleared.expired, 0);
    assert.equal(cleared.entries, kept.entries + 1);
    assert.equal(dump(later)[":later"], "1|expires|red|");
    assert.equal(dump(later)["#\u0003redlater"], "0|||");
    await later.close();
    await engine.close();
  });

  it("takes an entry that expires at this very moment for expired, also in the place of an earlier one", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    const expires = (at: number): string => JSON.stringify({ key: "a", value: "2", expires_at: at });
    const restore = (last: string) => restoreInto(engine, [encodeText(`[{"key":"a","value":"1"},${last}]`)]);
    assert.deepEqual((await restore(expires(NOW))).entries, 0);
    assert.deepEqual(dump(engine), {});
    assert.deepEqual((await restore(expires(NOW + 1))).entries, 1);
    await engine.close();
  });

  it("makes no namespace that was not selected", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy");
    await engine.close();
    for (const [n, source] of ["/x.json", "/copy"].entries()) {
      await restoreTo(fs, settingsOf(), source, `/new${n}`, { prefix: "text" });
      const made = await openAt(fs, `/new${n}`);
      assert.deepEqual(spacesOf(made.read(), made.keyEncoding).map(({ path }) => path), [[]], source);
      await made.close();
    }
  });

  it("reads a source in any order, with keys that come twice, far larger than its memory", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db", { memtableBytes: 30_000 });
    async function* source(): AsyncGenerator<Uint8Array> {
      yield encodeText("[");
      for (let n = 0; n < 6000; n++) {
        const key = (n * 7919) % 5000;
        const text = JSON.stringify({ key: `k${key}`, value: `${n} ${"v".repeat(100)}`, tags: [`t${n % 3}`] });
        yield encodeText(`${n === 0 ? "" : ",\n"}${text}`);
      }
      yield encodeText("]");
    }
    const info = await restoreInto(engine, source());
    assert.equal(info.entries, 5000);
    const found = dump(engine);
    for (let n = 1000; n < 6000; n++) {
      assert.ok(found[`:k${(n * 7919) % 5000}`]!.includes(`|t${n % 3}|`));
    }
    assert.deepEqual(await leftovers(fs), []);
    await engine.close();
  });

  it("restores skv's files", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await file(
      fs,
      "/skv.json",
      '{\n  "version": "1.0",\n  "created_at": "2024-12-06T12:00:00Z",\n  "total_records": 2,\n  "records": [\n' +
        '    { "key": "username", "value": "alice", "encoding": "text" },\n' +
        '    { "key": "binary_data", "value": "AQIDBA==", "encoding": "base64" }\n  ]\n}\n',
    );
    await restoreInto(engine, "/skv.json");
    assert.deepEqual(dump(engine), { ":binary_data": "0|\u0001\u0002\u0003\u0004||", ":username": "1|alice||" });
    await restoreInto(
      engine,
      inPieces(encodeText('[{"key":"b","value_b64":"/w=="},{"key":"a","value":"x","is_binary":false}]'), 3),
    );
    assert.deepEqual(dump(engine), { ":a": "1|x||", ":b": "0|<255>||" });
    await restoreInto(engine, [encodeText("[]")]);
    assert.deepEqual(dump(engine), {});
    await engine.close();
    const again = await openAt(fs, "/db");
    assert.deepEqual(dump(again), {});
    await again.close();
  });

  it("changes nothing when the source is bad, refused or missing, or the work aborted", async () => {
    const { fs, engine } = await sample();
    const before = dump(engine, true);
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy.tar");
    await exportDatabase(engine, "/damaged", { link: "never" });
    const table = (await fs.list("/damaged")).find((name) => name.endsWith(".sst"))!;
    const bytes = await read(fs, `/damaged/${table}`);
    bytes[300]! ^= 1;
    await fs.remove(`/damaged/${table}`);
    await file(fs, `/damaged/${table}`, bytes);
    const dumpBytes = await read(fs, "/x.json");
    const tarBytes = await read(fs, "/copy.tar");
    await file(fs, "/cut.json", dumpBytes.subarray(0, dumpBytes.length - 200));
    await file(fs, "/changed.json", new TextDecoder().decode(dumpBytes).replace("name 12", "name 13"));
    await file(fs, "/newer.json", '{"version":"9.0","records":[]}');
    await file(fs, "/cut.tar", tarBytes.subarray(0, tarBytes.length - 3000));
    await file(fs, "/nothing.txt", "hello");
    await fs.makeDirectory("/dir");
    await fs.makeDirectory("/half");
    await file(fs, "/half/000012.sst", "x");
    const refusals: [unknown, object | undefined, new (...args: never[]) => Error, RegExp][] = [
      ["/cut.json", undefined, IntegrityError, /ends early/],
      ["/changed.json", undefined, IntegrityError, /checksum/],
      ["/newer.json", undefined, UnsupportedFormatError, /9\.0/],
      ["/cut.tar", undefined, IntegrityError, /ends/],
      ["/damaged", undefined, IntegrityError, /damaged/],
      ["/nothing.txt", undefined, IntegrityError, /does not begin as/],
      ["/missing.json", undefined, NotFoundError, /nothing is there/],
      ["/dir", undefined, NotFoundError, /neither a database nor a backup repository/],
      ["/half", undefined, IntegrityError, /no marker/],
      ["/db", undefined, LockedError, /./],
      ["s3://b/x", undefined, TypeError, /import \{ s3 \}/],
      [{ list: 1 }, undefined, TypeError, /source must be/],
      [7, undefined, TypeError, /source must be/],
      [["text"], undefined, TypeError, /must give Uint8Array pieces/],
      ["/x.json", { backupId: "a" }, TypeError, /"backupId" is for backup repositories/],
      ["/x.json", { at: 5 }, TypeError, /"at" is for/],
      ["/x.json", { overwrite: true }, TypeError, /is for a restore into a path/],
      ["/x.json", { mode: "append" }, TypeError, /"mode" must be one of/],
      ["/x.json", { replayLog: false, at: 5 }, TypeError, /"replayLog" false/],
    ];
    for (const [source, options, type, message] of refusals) {
      await assert.rejects(restoreInto(engine, source as string, options as never), (error: Error) => {
        assert.ok(error instanceof type, `${JSON.stringify(source)}: ${error}`);
        if (error instanceof IntegrityError && source === "/changed.json") {
          assert.ok((error as IntegrityError & { partial: { items: number } }).partial.items > 0);
        }
        assert.match(error.message, message);
        return true;
      });
    }
    for (const source of ["/x.json", "/copy.tar"]) {
      for (let at = 1; at < 12; at++) {
        const controller = new AbortController();
        let seen = 0;
        const result = await restoreInto(engine, source, {
          signal: controller.signal,
          onProgress: ({ phase }) => {
            if (phase !== "publish" && ++seen === at) controller.abort(new Error("stop"));
          },
        }).then(() => "done", (error: Error) => error.message);
        if (result === "done") break;
        assert.equal(result, "stop");
        assert.deepEqual(dump(engine, true), before);
      }
      if (engine.visibleVersion !== Number(Object.values(before)[0]!.split("|").at(-1))) break;
    }
    assert.deepEqual(await leftovers(fs), []);
    await engine.close();
  });

  it("leaves none of its files where they don't read back as they were written, or it is given up by then", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const before = dump(engine, true);
    const names = await fs.list("/db");
    const giveUp = new AbortController();
    const restore = restoreInto(engine, "/x.json", {
      signal: giveUp.signal,
      onProgress: ({ phase }) => {
        if (phase === "verify") giveUp.abort(new Error("stop"));
      },
    });
    await assert.rejects(restore, /^Error: stop$/);
    assert.deepEqual(await fs.list("/db"), names);

    const open = fs.open.bind(fs);
    fs.open = async (path, mode) => {
      if (mode === "read" && path.endsWith(".sst") && !names.includes(path.slice("/db/".length))) {
        const bytes = await readFile({ ...fs, open } as FileSystem, path, 2 ** 30);
        bytes[300]! ^= 1;
        await fs.remove(path);
        await file(fs, path, bytes);
      }
      return await open(path, mode);
    };
    await assert.rejects(restoreInto(engine, "/x.json"), (error: Error) => {
      assert.ok(error instanceof IntegrityError, String(error));
      assert.match(error.message, /000\d+\.sst does not read back as it was written; check the disk, try again$/);
      return true;
    });
    fs.open = open;
    assert.deepEqual(await fs.list("/db"), names);
    assert.deepEqual(dump(engine, true), before);
    await engine.close();
  });

  it("ends with the signal's reason while a stream gives nothing more, and cancels that", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await fillSample(engine);
    await backupTo(engine, "/dump.jsonl");
    const bytes = await readFile(fs, "/dump.jsonl", Infinity);
    const before = dump(engine);
    for (const given of [0, 200]) {
      for (const asIterable of [false, true]) {
        const abort = new AbortController();
        let isCancelled = false;
        let late: ReturnType<typeof setTimeout> | undefined;
        // Asked for more, it does not answer.
        const stalled = (): Promise<void> => {
          setTimeout(() => abort.abort(new Error("enough")), 0);
          return new Promise((_, reject) => late = setTimeout(() => reject(new Error("it was waited for")), 2000));
        };
        const pieces = given === 0 ? [] : [bytes.slice(0, given)];
        const stream = new ReadableStream<Uint8Array>({
          pull: (controller) => pieces.length === 0 ? stalled() : controller.enqueue(pieces.pop()!),
          cancel: () => void (isCancelled = true),
        }, { highWaterMark: 0 });
        const iterable = (async function* () {
          yield* pieces;
          await stalled();
        })();
        const restoring = restoreInto(engine, asIterable ? iterable : stream, { signal: abort.signal });
        await assert.rejects(restoring, /enough/);
        clearTimeout(late);
        assert.equal(isCancelled, !asIterable);
        assert.deepEqual(dump(engine), before);
      }
    }
    await engine.close();
  });

  it("changes nothing in a dry run", async () => {
    const { fs, engine } = await sample();
    await write(engine, (batch) => put(batch, 0, "gone since", { value: "expired", expiresAt: NOW - 1000 }));
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy");
    await exportDatabase(engine, "/copy.tar");
    const before = dump(engine, true);
    const operations = (await fs.list("/db")).join();
    for (const source of ["/x.json", "/copy", "/copy.tar"]) {
      const info = await restoreInto(engine, source, { dryRun: true });
      assert.equal(info.entries, Object.keys(before).filter((key) => !key.includes("#")).length, source);
      assert.equal(info.requested.dryRun, true);
      assert.equal((await restoreTo(fs, settingsOf(), source, "/dry", { dryRun: true })).entries, info.entries);
    }
    assert.equal(await fs.stat("/dry"), undefined);
    assert.deepEqual(dump(engine, true), before);
    assert.equal((await fs.list("/db")).join(), operations);
    await engine.close();
    // Nor does it need the right to.
    const reader = await openAt(fs, "/db", { readOnly: true });
    const makeDirectory = fs.makeDirectory.bind(fs);
    fs.makeDirectory = (path) => Promise.reject(new Error(`${path} must not be made`));
    for (const source of ["/x.json", "/copy"]) await restoreInto(reader, source, { dryRun: true });
    fs.makeDirectory = makeDirectory;
    await reader.close();
  });

  it("refuses keys that are not text in a text key space, and a database open as reader", async () => {
    const fs = memoryFileSystem();
    const bytes = await openAt(fs, "/bytes", { keyEncoding: "bytes" });
    await write(bytes, (batch) => put(batch, 0, new Uint8Array([0xff]), { value: "x" }));
    await backupTo(bytes, "/x.json");
    const text = await openAt(fs, "/text");
    await assert.rejects(
      restoreInto(text, "/x.json"),
      (error: Error) => error instanceof TypeError && /keys that are not UTF-8/.test(error.message),
    );
    assert.deepEqual(await leftovers(fs, "/text"), []);
    await text.close();
    const reader = await openAt(fs, "/text", { readOnly: true });
    await assert.rejects(restoreInto(reader, "/x.json"), ReadOnlyError);
    await reader.close();
    // A new database takes the encoding from the file.
    await restoreTo(fs, settingsOf(), "/x.json", "/new");
    const copy = await openAt(fs, "/new");
    assert.equal(copy.keyEncoding, "bytes");
    assert.deepEqual(dump(copy), dump(bytes));
    await copy.close();
    await assert.rejects(restoreTo(fs, settingsOf(), "/x.json", "/new2", { keyEncoding: "utf8" }), TypeError);
    assert.equal(await fs.stat("/new2"), undefined);
    await bytes.close();
  });

  it("refuses other keys than those of files that are taken as they are", async () => {
    const fs = memoryFileSystem();
    const text = await openAt(fs, "/text");
    await write(text, (batch) => put(batch, 0, encodeText("a"), { value: "x" }));
    await exportDatabase(text, "/copy");
    await exportDatabase(text, "/copy.tar");
    await backupTo(text, "/repository/");
    await backupTo(text, "/x.json");
    await text.close();
    for (const source of ["/copy", "/copy.tar", "/repository"]) {
      await assert.rejects(restoreTo(fs, settingsOf(), source, "/never", { keyEncoding: "bytes" }), {
        name: "TypeError",
        message: /^DB\.restore: option "keyEncoding" is "bytes", but the keys of .* are "utf8"; leave the option out$/,
      }, source);
      // A rehearsal of a repository reads no data, and knows no keys.
      if (source !== "/repository") {
        const rehearsed = restoreTo(fs, settingsOf(), source, "/never", { keyEncoding: "bytes", dryRun: true });
        await assert.rejects(rehearsed, { name: "TypeError", message: /leave the option out$/ }, source);
      }
      assert.equal(await fs.stat("/never"), undefined);
      await restoreTo(fs, settingsOf(), source, "/new", { keyEncoding: "utf8", overwrite: true });
    }
    await restoreTo(fs, settingsOf(), "/x.json", "/new", { keyEncoding: "bytes", overwrite: true });
    const copy = await openAt(fs, "/new");
    assert.equal(copy.keyEncoding, "bytes");
    await copy.close();
  });

  it("leaves the old or the new contents when the power goes at any operation", async () => {
    const build = async (fs: ReturnType<typeof memoryFileSystem>): Promise<Awaited<ReturnType<typeof openAt>>> => {
      const engine = await openAt(fs, "/db");
      await write(engine, (batch) => put(batch, 0, "old", { value: "x", tags: ["t"] }));
      return engine;
    };
    const source = encodeText('[{"key":"new","value":"y"},{"key":"more","value":"z"}]');
    for (let cut = 0;; cut++) {
      const fs = memoryFileSystem();
      const engine = await build(fs);
      const first = fs.operations;
      fs.cutPowerAt(first + cut);
      const done = await restoreInto(engine, [source]).then(() => true, () => false);
      await engine.close().catch(() => {});
      const after = fs.crash({ keep: "none" });
      const again = await openAt(after, "/db");
      const keys = Object.keys(dump(again)).filter((key) => key.startsWith(":")).join();
      assert.ok(keys === ":old" || keys === ":more,:new", `cut ${cut}: ${keys}`);
      if (done) assert.equal(keys, ":more,:new");
      assert.deepEqual((await again.verify()).problems, []);
      await again.close();
      if (done) break;
    }
  });
});

describe("restoreTo", () => {
  it("keeps id, versions and times of an export, and begins a new lineage at the next write", async () => {
    const { fs, engine } = await sample();
    await exportDatabase(engine, "/copy");
    const info = await restoreTo(fs, settingsOf(), "/copy", "/new");
    assert.equal(info.database, engine.id);
    assert.deepEqual(info.achieved, { version: engine.visibleVersion, timestamp: engine.visibleTimestamp });
    assert.equal(info.entries, Object.keys(dump(engine)).filter((key) => !key.includes("#")).length);
    const copy = await openAt(fs, "/new");
    assert.deepEqual(dump(copy, true), dump(engine, true));
    await write(copy, (batch) => put(batch, 0, "x", { value: "y" }));
    assert.notEqual(copy.lineage, engine.lineage);
    await copy.close();
    await engine.close();
  });

  it("restores a selection, and entries whose expiry is cleared, into a new database", async () => {
    const { fs, engine } = await sample();
    await exportDatabase(engine, "/copy");
    await restoreTo(fs, settingsOf(), "/copy", "/users", { namespace: "users" });
    const users = await openAt(fs, "/users");
    const all = Object.entries(dump(engine));
    assert.deepEqual(dump(users), Object.fromEntries(all.filter(([key]) => key.startsWith("users"))));
    await users.close();
    await restoreTo(fs, settingsOf(), "/copy", "/cleared", { expiry: "clear" });
    const cleared = await openAt(fs, "/cleared");
    assert.equal(dump(cleared)[":later"], "1|expires|red|");
    await cleared.close();
    await engine.close();
  });

  it("restores an archive of a closed database made by hand, as a fork of it", async () => {
    const { fs, engine } = await sample();
    await engine.close();
    const members = await Promise.all(
      (await fs.list("/db")).map(async (name) => ({ name: `db/${name}`, bytes: await read(fs, `/db/${name}`) })),
    );
    const tar = writeTar(members.map(({ name, bytes }) => ({ name, size: bytes.length, pieces: () => [bytes] })), 0);
    await restoreTo(fs, settingsOf(), tar, "/new");
    const original = await openAt(fs, "/db");
    const copy = await openAt(fs, "/new");
    assert.deepEqual(dump(copy, true), dump(original, true));
    await write(copy, (batch) => put(batch, 0, "x", { value: "y" }));
    assert.notEqual(copy.lineage, original.lineage);
    await copy.close();
    await original.close();
  });

  it("cuts what such an archive has behind the end of a log, for good", async () => {
    const { fs, engine } = await sample();
    await engine.close();
    const log = (await fs.list("/db")).filter((name) => name.endsWith(".log")).at(-1)!;
    const { size } = (await fs.stat(`/db/${log}`))!;
    const added = await fs.open(`/db/${log}`, "append");
    await added.append(new Uint8Array(1000).fill(7));
    await added.close();
    const members = await Promise.all(
      (await fs.list("/db")).map(async (name) => ({ name: `db/${name}`, bytes: await read(fs, `/db/${name}`) })),
    );
    const tar = writeTar(members.map(({ name, bytes }) => ({ name, size: bytes.length, pieces: () => [bytes] })), 0);
    await restoreTo(fs, settingsOf(), tar, "/new");
    const later = fs.fork({ keep: "none" });
    assert.equal((await later.stat(`/new/${log}`))?.size, size);
    await (await openAt(later, "/new")).close();
  });

  it("puts nothing by for a full disk while it makes a database of entries", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const touched: string[] = [];
    fs.inject({ at: ({ path }) => touched.push(path) < 0, do: "fail" });
    await restoreTo(fs, settingsOf({ reserve: true }), "/x.json", "/new");
    assert.deepEqual(touched.filter((path) => path.endsWith("RESERVE")), []);
    await engine.close();
  });

  it("takes nothing in where it is given up once all is written", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const { visibleVersion } = engine;
    const giveUp = new AbortController();
    const isWritten = ({ name, path }: Operation): boolean => {
      if (name === "sync" && path.endsWith(".sst")) giveUp.abort(new Error("enough"));
      return false;
    };
    fs.inject({ at: isWritten, do: "fail" });
    const options = { verifyAfter: false, signal: giveUp.signal };
    await assert.rejects(restoreInto(engine, "/x.json", options), /^Error: enough$/);
    assert.equal(engine.visibleVersion, visibleVersion);
    assert.deepEqual(await leftovers(fs), []);
    await engine.close();
  });

  it("leaves none of its files where a full disk lets them not be taken in", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    const tables = async (): Promise<string[]> => (await fs.list("/db")).filter((name) => name.endsWith(".sst"));
    await engine.compact();
    const before = await tables();
    let isPublishing = false;
    const isIngest = ({ name, path }: Operation): boolean => isPublishing && name === "append" && path.endsWith(".log");
    fs.inject({ at: isIngest, do: "full" });
    const onProgress = ({ phase }: Progress): void => void (isPublishing = phase === "publish");
    await assert.rejects(restoreInto(engine, "/x.json", { onProgress }), NoSpaceError);
    assert.deepEqual(await tables(), before);
    await engine.close();
  });

  it("refuses a destination that is taken, and replaces a database when told to", async () => {
    const { fs, engine } = await sample();
    await backupTo(engine, "/x.json");
    await exportDatabase(engine, "/copy");
    await exportDatabase(engine, "/copy.tar");
    await restoreTo(fs, settingsOf(), "/x.json", "/new");
    await assert.rejects(restoreTo(fs, settingsOf(), "/x.json", "/new"), ExistsError);
    await assert.rejects(restoreTo(fs, settingsOf(), "/x.json", "/db", { overwrite: true }), LockedError);
    await assert.rejects(restoreTo(fs, settingsOf(), "/copy", "/copy", { overwrite: true }), /own directory/);
    await assert.rejects(restoreTo(fs, settingsOf(), "copy", "/copy/sub"), /own directory/);
    await assert.rejects(restoreTo(fs, settingsOf(), "/x.json", "/a/b"), NotFoundError);
    await assert.rejects(restoreTo(fs, settingsOf(), "/x.json", "/z", { mode: "merge" }), /needs an open database/);
    const wanted = dump(engine);
    await engine.close();
    for (const source of ["/x.json", "/copy", "/copy.tar"]) {
      const old = await openAt(fs, "/new");
      await write(old, (batch) => put(batch, 0, "extra", { value: "x" }));
      await old.close();
      await restoreTo(fs, settingsOf(), source, "/new", { overwrite: true });
      const copy = await openAt(fs, "/new");
      assert.deepEqual(dump(copy), wanted);
      await copy.close();
      assert.deepEqual((await fs.list("/new")).filter((name) => name.startsWith(".")), []);
    }
  });

  it("reads the source, or what came of it, or neither, as it was told", async () => {
    const { fs, engine } = await sample();
    await exportDatabase(engine, "/copy", { link: "never" });
    await engine.close();
    const names = await fs.list("/copy");
    const blob = names.find((name) => name.endsWith(".blob"))!;
    const bytes = await read(fs, `/copy/${blob}`);
    bytes[bytes.length >> 1]! ^= 1;
    await fs.remove(`/copy/${blob}`);
    await file(fs, `/copy/${blob}`, bytes);
    const members = await Promise.all(names.map(async (name) => ({ name, bytes: await read(fs, `/copy/${name}`) })));
    const archive = (): AsyncGenerator<Uint8Array> =>
      writeTar(members.map(({ name, bytes }) => ({ name, size: bytes.length, pieces: () => [bytes] })), 0);
    for (const source of [() => "/copy", archive]) {
      const to = (options: object): Promise<unknown> =>
        restoreTo(fs, settingsOf(), source(), "/new", { verifyBefore: false, verifyAfter: false, ...options });
      await assert.rejects(to({ verifyBefore: true }), /damaged|checksum/);
      await assert.rejects(to({ verifyAfter: true }), /damaged|checksum|not what was/);
      assert.equal(await fs.stat("/new"), undefined);
      await to({});
      for (const name of await fs.list("/new")) await fs.remove(`/new/${name}`);
      await fs.removeDirectory("/new");
    }
  });

  it("notices any changed byte of an exported file, and leaves no trace", async () => {
    const { fs, engine } = await sample();
    await exportDatabase(engine, "/copy.tar");
    await engine.close();
    const tar = await read(fs, "/copy.tar");
    let flips = 0;
    let next = 0;
    for await (const { name, size } of readTar(inPieces(tar), "copy.tar")) {
      const start = next + 512;
      next = start + Math.ceil(size / 512) * 512;
      for (let at = start; at < start + size; at += 97, flips++) {
        const damaged = tar.slice();
        damaged[at]! ^= 0x40;
        await assert.rejects(restoreTo(fs, settingsOf(), [damaged], "/new"), HoldfastError, `${name} at ${at - start}`);
        assert.equal(await fs.stat("/new"), undefined);
      }
    }
    assert.ok(flips > 20);
    for (const length of [0, 100, 3000, tar.length - 1024]) {
      await assert.rejects(restoreTo(fs, settingsOf(), inPieces(tar.subarray(0, length)), "/new"), IntegrityError);
      assert.equal(await fs.stat("/new"), undefined);
    }
  });
});
