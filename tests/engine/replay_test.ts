/**
 * Commits applied again over a pin's tables give exactly what the original was at that version.
 *
 * `HOLDFAST_SEED=7` runs the one seed 7.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { ingestOfCommit } from "../../lib/backup/repository/log/ingests.ts";
import { ClosedError, IntegrityError, NoSpaceError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import type { CommitEvent, Engine, EngineSnapshot, Pin, ReplayOptions } from "../../lib/engine/types.ts";
import { KIND_BYTES } from "../../lib/format/cell.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { spacePrefix } from "../../lib/format/space.ts";
import { Random } from "../model/random.ts";
import { all, fill, get, name, open, put, removeRange } from "./fixture.ts";
import { bring, contents, copy, ingestSome, listed, NO_FILES, openAt, randomBatch, stage } from "./staged.ts";

const seed = process.env["HOLDFAST_SEED"];
// Each runtime has seeds of its own.
const runtime = "Deno" in globalThis ? 0 : "Bun" in globalThis ? 1 : 2;
const seeds = seed === undefined ? [1 + runtime, 4 + runtime, 7 + runtime] : [Number(seed)];

async function commitsAfter(engine: Engine, since: number, until = Infinity): Promise<CommitEvent[]> {
  const commits: CommitEvent[] = [];
  const follower = engine.follow(since);
  for (let next = await follower.next(Infinity); next !== undefined; next = await follower.next(Infinity)) {
    commits.push(...next.commits);
  }
  return commits.filter(({ version }) => version <= until);
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await yieldToLoop();
}

describe("replay()", () => {
  for (const one of seeds) {
    it(`gives exactly the original, at any version, across files taken in (seed ${one})`, async () => {
      const random = new Random(one);
      const fs = memoryFileSystem();
      const original = await open(fs, { historyBytes: 1e9 });
      await original.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
      const bases: { directory: string; version: number; pin: Pin }[] = [];
      const points: { snapshot: EngineSnapshot; meta: { lineage: string; parents: Pin["meta"]["parents"] } }[] = [];
      const ingests = new Set([150 + random.below(60), 260 + random.below(60), 390]);
      while (original.visibleVersion < 450) {
        await original.commit(randomBatch(random), { durability: "buffered" });
        if (ingests.delete(original.visibleVersion)) await ingestSome(original, 20, 160, random.chance(0.5));
        if (random.chance(0.01)) await original.compact();
        if (random.chance(0.02)) {
          const pin = await original.pin();
          const directory = `/base${bases.length}`;
          bases.push({ directory, version: pin.base.version, pin });
          await stage(original, pin, directory);
        }
        if (random.chance(0.03)) {
          const { lineage, parents } = original.meta;
          points.push({ snapshot: original.snapshot(), meta: { lineage, parents } });
        }
      }
      const reserveNumbersTo = original.newFileNumber();
      for (const { directory, version } of bases) {
        const point = random.pick(points);
        const target = point.snapshot.version;
        if (target < version) continue;
        const context = `seed ${one}: from ${version} to ${target}`;
        const options = {
          ingestFiles: bring(original, directory),
          reserveNumbersTo,
          lineage: point.meta,
        };
        let copied = await openAt(fs, directory);
        const commits = await commitsAfter(original, version, target);
        const { timestamp } = point.snapshot;
        assert.deepEqual(await copied.replay(listed(commits), options), { version: target, timestamp }, context);
        const expected = contents(original, original.read(point.snapshot));
        assert.deepEqual(contents(copied), expected, context);
        await copied.close();
        assert.deepEqual((await fs.list(directory)).filter((file) => file.endsWith(".log")), [], context);

        copied = await openAt(fs, directory, { randomId: () => new Uint8Array(16).fill(7) });
        assert.equal(copied.visibleVersion, target, context);
        assert.deepEqual(contents(copied), expected, context);
        assert.ok((await copied.verify()).ok, context);
        assert.equal(copied.lineage, point.meta.lineage);
        assert.equal(await put(copied, { next: "1" }), target + 1);
        const pin = await copied.pin();
        assert.equal(pin.meta.lineage, "07".repeat(16));
        assert.deepEqual(pin.meta.parents, [
          ...point.meta.parents,
          { lineage: point.meta.lineage, version: target },
        ]);
        pin.release();
        await copied.close();
      }
      for (const { pin } of bases) pin.release();
      await original.close();
    });
  }

  async function staged(
    commits: number,
    fs = memoryFileSystem(),
  ): Promise<{ engine: Engine; copied: Engine; tail: CommitEvent[] }> {
    const engine = await open(fs, { historyBytes: 1e9 });
    const pin = await engine.pin();
    await stage(engine, pin, "/copy");
    pin.release();
    await fill(engine, commits);
    return { engine, copied: await openAt(fs, "/copy"), tail: await commitsAfter(engine, 0) };
  }

  it("counts commits that leave nothing behind", async () => {
    const { engine, copied, tail } = await staged(3);
    await engine.commit(new Batch());
    await engine.commit(new Batch());
    const commits = await commitsAfter(engine, 0);
    assert.equal((await copied.replay(listed(commits), NO_FILES)).version, 5);
    assert.equal(tail.length, 3);
    // Nothing at all is in memory when these two come.
    await engine.commit(new Batch());
    await engine.commit(new Batch());
    await copied.replay(listed(await commitsAfter(engine, 5)), NO_FILES);
    await copied.close();
    const again = await openAt(copied.fs, "/copy");
    assert.equal(again.visibleVersion, 7);
    assert.equal(again.visibleTimestamp, engine.visibleTimestamp);
    await again.close();
    await engine.close();
  });

  it("uses the memory of memtables again, and gives what the original has", async () => {
    const fs = memoryFileSystem({ durable: false });
    const large = { memtableBytes: 3 * 2 ** 20, tableBytes: 2 ** 20, blobBytes: 2 ** 20, historyBytes: 1e9 };
    const engine = await open(fs, large);
    const pin = await engine.pin();
    await stage(engine, pin, "/copy");
    pin.release();
    for (let i = 0; i < 400; i++) {
      const entries: Record<string, string> = {};
      for (let n = 0; n < 20; n++) entries[name((i * 37 + n * 11) % 400)] = `${i} ${n} `.repeat(600);
      await put(engine, entries, "buffered");
    }
    const copied = await openAt(fs, "/copy", large);
    let made = 0;
    const { ArrayBuffer: Original } = globalThis;
    globalThis.ArrayBuffer = class extends Original {
      constructor(length: number) {
        super(length);
        if (length === 2 ** 20) made++;
      }
    } as ArrayBufferConstructor;
    try {
      await copied.replay(listed(await commitsAfter(engine, 0)), NO_FILES);
    } finally {
      globalThis.ArrayBuffer = Original;
    }
    assert.ok(made > 0 && made <= 10, `${made} MiB for 29 MB in memtables of 3 MiB`);
    assert.deepEqual(all(copied), all(engine));
    assert.ok((await copied.verify()).ok);
    await copied.close();
    await engine.close();
  });

  it("keeps memory bounded however much comes", async () => {
    // A disk so slow that tables are written later than they fill up.
    const delay = (call: string, path: string): Promise<void> | undefined =>
      call === "sync" && path.startsWith("/copy") && path.endsWith(".sst") ? turns(5) : undefined;
    const { engine, copied, tail } = await staged(2000, memoryFileSystem({ delay }));
    let most = 0;
    async function* watched(): AsyncGenerator<CommitEvent> {
      for (const commit of tail) {
        most = Math.max(most, copied.stats().memtableBytes);
        assert.ok(copied.stats().pendingFlushes <= 2);
        yield commit;
        await undefined;
      }
    }
    await copied.replay(watched(), NO_FILES);
    assert.ok(most < 4 * 1024, `${most} bytes in memtables of 1024`);
    assert.deepEqual(all(copied), all(engine));
    await copied.close();
    await engine.close();
  });

  /** An original, its tables staged without the bytes of any, and the commits behind them. */
  async function withoutFiles(): Promise<
    { engine: Engine; pin: Pin; bringFiles: () => Promise<void>; tail: CommitEvent[] }
  > {
    const engine = await open(memoryFileSystem(), { historyBytes: 1e9 });
    await fill(engine, 300);
    await engine.compact();
    const pin = await engine.pin();
    await stage(engine, pin, "/copy");
    const tables = pin.files.filter(({ kind }) => kind === "table").map((file) => file.name);
    assert.ok(tables.length > 3);
    for (const table of tables) await engine.fs.remove(`/copy/${table}`);
    await fill(engine, 300);
    const bringFiles = async (): Promise<void> => {
      for (const table of tables) await copy(engine.fs, `${engine.path}/${table}`, `/copy/${table}`);
    };
    // Keeps the originals there.
    return { engine, pin, bringFiles, tail: await commitsAfter(engine, pin.base.version) };
  }

  const level0 = (engine: Engine): number => engine.stats().levels.find(({ level }) => level === 0)?.tables ?? 0;

  it("reads none of the tables before they are there, however far behind compaction falls", async () => {
    const { engine, pin, bringFiles, tail } = await withoutFiles();
    let come: () => void = () => {};
    const filesLater = new Promise<void>((resolve) => come = resolve);
    const copied = await openAt(engine.fs, "/copy", { filesLater });
    let ended = false;
    const replayed = copied.replay(listed(tail), NO_FILES).then(() => ended = true);
    for (let i = 0; i < 1000 && level0(copied) < 9; i++) await turns(1);
    await turns(20);
    assert.equal(ended, false);
    assert.ok(level0(copied) >= 9, "compaction did not wait");
    await bringFiles();
    come();
    await replayed;
    assert.deepEqual(all(copied), all(engine));
    await copied.close();
    pin.release();
    await engine.close();
  });

  it("ends when the tables will never be there, and closes without waiting for them", async () => {
    for (const comes of [false, undefined]) {
      const { engine, pin, tail } = await withoutFiles();
      const controller = new AbortController();
      let fail: (error: Error) => void = () => {};
      const filesLater = new Promise<void>((_, reject) => fail = reject);
      filesLater.catch(() => controller.abort(new Error("the files do not come")));
      const copied = await openAt(engine.fs, "/copy", { filesLater });
      const replayed = copied.replay(listed(tail), { ...NO_FILES, signal: controller.signal });
      const refused = assert.rejects(replayed, comes === false ? /do not come/ : ClosedError);
      await turns(50);
      if (comes === false) fail(new Error("gone"));
      const closed = copied.close();
      await refused;
      await closed;
      pin.release();
      await engine.close();
    }
  });

  it("refuses what does not go on where the tables end, and gives up cleanly", async () => {
    for (
      const spoil of [
        (tail: CommitEvent[]) => tail.splice(30, 1),
        (tail: CommitEvent[]) => tail.splice(0, 1),
        (tail: CommitEvent[]) => tail[40]!.timestamp = 5,
        (tail: CommitEvent[]) => tail[50]!.ops = new Uint8Array([9, 9, 9]),
      ]
    ) {
      const { engine, copied, tail } = await staged(100);
      spoil(tail);
      await assert.rejects(copied.replay(listed(tail), NO_FILES), IntegrityError);
      assert.deepEqual(all(copied), all(engine).slice(0, copied.visibleVersion));
      // What is there is whole, so that even a write to it does no harm.
      const { visibleVersion } = copied;
      assert.equal(await put(copied, { z: "1" }), visibleVersion + 1);
      assert.equal(await put(copied, { z: "1" }), visibleVersion + 2);
      assert.equal(all(copied).length, visibleVersion + 1);
      await copied.close();
      const again = await openAt(copied.fs, "/copy");
      assert.equal(get(again, "z"), "1");
      assert.equal(again.visibleVersion, visibleVersion + 2);
      await again.close();
      await engine.close();
    }
  });

  it("takes tables alone: a directory with a log is refused", async () => {
    const engine = await open(memoryFileSystem());
    await fill(engine, 3);
    await assert.rejects(engine.replay(listed([]), NO_FILES), TypeError);
    assert.equal(await put(engine, { a: "1" }), 4);
    await engine.close();
  });

  it("ends on a signal, on an error of the source, on close, on a full disk, and closes after all of them", async () => {
    const stop = new AbortController();
    for (
      const [happens, expected] of [
        [() => assert.fail("the source broke"), /the source broke/],
        [(copied: Engine) => void copied.close(), ClosedError],
        [
          (copied: Engine, fs: ReturnType<typeof memoryFileSystem>) => {
            assert.ok(!copied.closed);
            fs.capacityBytes = fs.usedBytes;
          },
          NoSpaceError,
        ],
        [() => stop.abort(new Error("enough")), /enough/],
      ] as const
    ) {
      const { engine, copied, tail } = await staged(400);
      const fs = copied.fs as ReturnType<typeof memoryFileSystem>;
      const source = async function* (): AsyncGenerator<CommitEvent> {
        for (const commit of tail) {
          if (commit.version === 200) happens(copied, fs);
          yield commit;
          await yieldToLoop();
        }
      };
      await assert.rejects(copied.replay(source(), { ...NO_FILES, signal: stop.signal }), expected);
      await copied.close();
      fs.capacityBytes = Infinity;
      const again = await openAt(fs, "/copy");
      assert.deepEqual(all(again), all(engine).slice(0, again.visibleVersion));
      await again.close();
      await engine.close();
    }
  });

  it("ends when a table can't be written while compaction stands back, whenever that is", async () => {
    for (let late = 1; late <= 8; late++) {
      const fs = memoryFileSystem();
      const { engine, copied, tail } = await staged(200, fs);
      let syncs = 0;
      fs.inject({
        at: ({ name, path }) =>
          name === "sync" && path.startsWith("/copy") && path.endsWith(".sst") && ++syncs === late,
        do: "fail",
      });
      // Nothing of it waits for more to come: all of these are there before the first table is written.
      await assert.rejects(copied.replay(listed(tail), NO_FILES), /EIO/);
      await copied.close().catch(() => {});
      await engine.close();
    }
  });

  it("refuses files that are not the ones of the log, and numbers that are given away", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
    const pins = [await engine.pin(), await engine.pin(), await engine.pin(), await engine.pin()];
    for (const [i, pin] of pins.entries()) {
      await stage(engine, pin, `/copy${i}`);
      pin.release();
    }
    await fill(engine, 60);
    await ingestSome(engine, 0, 50, false);
    const commits = await commitsAfter(engine, 0);
    const reserveNumbersTo = engine.newFileNumber();
    const attempts: [ReplayOptions, RegExp][] = [
      [{ ingestFiles: () => Promise.resolve(), reserveNumbersTo }, /it is not there/],
      [{
        ingestFiles: async (info, version) => {
          assert.equal(version, 61);
          await bring(engine, "/copy1")(info);
          const path = `/copy1/${String(info.tables[0]!.number).padStart(6, "0")}.sst`;
          const handle = await fs.open(path, "append");
          await handle.truncate(info.tables[0]!.size - 1);
          await handle.append(new Uint8Array([1]));
          await handle.close();
        },
        reserveNumbersTo,
      }, /SHA-256/],
      [{
        ingestFiles: async (info) => {
          await bring(engine, "/copy2")(info);
          const path = `/copy2/${String(info.tables[0]!.number).padStart(6, "0")}.sst`;
          await (await fs.open(path, "append")).append(new Uint8Array(1));
        },
        reserveNumbersTo,
      }, /bytes long/],
      [{ ingestFiles: bring(engine, "/copy3") }, /one of that number already/],
    ];
    for (const [i, [options, message]] of attempts.entries()) {
      // So small a memtable that the replay gives out more numbers than the original did.
      const copied = await openAt(fs, `/copy${i}`, { memtableBytes: 64 });
      await assert.rejects(copied.replay(listed(commits), options), (error: unknown) => {
        assert.ok(error instanceof IntegrityError);
        assert.match(error.message, message);
        return true;
      });
      await copied.close();
    }
    await engine.close();
  });

  /** A copy of a base, made by a replay over it that begins after so many numbers were given away. */
  async function copyOf(
    fs: ReturnType<typeof memoryFileSystem>,
    directory: string,
    commits: readonly CommitEvent[],
    compacts: boolean,
    given: number,
  ): Promise<{ tables: number[]; blobs: number[] }> {
    // One flush and no compaction beside it, so that files have the same numbers each time.
    const copied = await openAt(fs, "/base", { memtableBytes: 2 ** 20, level0Tables: 100 });
    for (let i = 0; i < given; i++) copied.newFileNumber();
    await copied.replay(listed(commits), NO_FILES);
    if (compacts) await copied.compact();
    const pin = await copied.pin();
    await stage(copied, pin, directory);
    const numbersOf = (wanted: string): number[] =>
      pin.files.filter(({ kind }) => kind === wanted).map(({ number }) => number);
    const numbers = { tables: numbersOf("table"), blobs: numbersOf("blob") };
    pin.release();
    await copied.close();
    for (const name of await fs.list("/base")) await fs.remove(`/base/${name}`);
    await fs.removeDirectory("/base");
    return numbers;
  }

  it("takes files in whose numbers a copy has given to others, wherever these stand", async () => {
    for (const kind of ["tables", "blobs"] as const) {
      for (const [compacts, replace] of [[false, false], [true, false], [false, true], [true, true]] as const) {
        const context = `${kind} ${compacts ? "compacted" : "as replayed"}, ${replace ? "all" : "a part"} replaced`;
        // A disk that removes files late: never those that have got the name since.
        const delay = (call: string, path: string): Promise<void> | undefined =>
          call === "remove" && path.startsWith("/copy") ? turns(4) : undefined;
        const fs = memoryFileSystem({ delay });
        const engine = await open(fs, { historyBytes: 1e9 });
        await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
        const pin = await engine.pin();
        pin.release();
        const random = new Random(7);
        for (let i = 0; i < 120; i++) await engine.commit(randomBatch(random), { durability: "buffered" });
        for (let i = 0; i < 200; i++) engine.newFileNumber();
        const ingests = [await ingestSome(engine, 0, 90, false), await ingestSome(engine, 40, 160, replace)];
        for (let i = 0; i < 20; i++) await engine.commit(randomBatch(random), { durability: "buffered" });
        const commits = await commitsAfter(engine, 0);
        const infos = ingests.map((version) => ingestOfCommit(commits[version - 1]!.ops)!);
        const numbers = {
          tables: infos.flatMap((info) => info.tables.map(({ number }) => number)),
          blobs: infos.flatMap((info) => info.blobs.map(({ number }) => number)),
        };

        // A copy of the state before, whose own files have numbers of those that came in after it: tried, and then so.
        const before = commits.slice(0, 120);
        await stage(engine, pin, "/base");
        const tried = await copyOf(fs, "/tried", before, compacts, 0);
        const given = Math.min(...numbers[kind]) - Math.min(...tried[kind]);
        await stage(engine, pin, "/base");
        const copied = await copyOf(fs, "/copy", before, compacts, given);
        assert.ok(copied[kind].some((number) => numbers[kind].includes(number)), `${context}: numbers meet`);

        const replayed = await openAt(fs, "/copy");
        const options = { ingestFiles: bring(engine, "/copy"), reserveNumbersTo: engine.newFileNumber() };
        await replayed.replay(listed(commits.slice(120)), options);
        assert.deepEqual(contents(replayed), contents(engine), context);
        await replayed.close();
        const again = await openAt(fs, "/copy");
        assert.deepEqual(contents(again), contents(engine), context);
        assert.ok((await again.verify()).ok, context);
        await again.close();
        await engine.close();
      }
    }
  });

  it("knows a number that it gave to a file which has gone since", async () => {
    const { engine, copied } = await staged(0);
    for (let i = 0; i < 100; i++) await put(engine, { same: "x".repeat(200) });
    const commits = await commitsAfter(engine, 0);
    const batch = new Batch();
    const number = copied.newFileNumber() + 1;
    const file = { number, sha256: "00".repeat(32), size: 100 };
    batch.ingest({ replace: false, ranges: [], tables: [file], blobs: [] });
    commits.push({ version: 101, timestamp: engine.now(), ops: batch.ops.view() });
    await assert.rejects(copied.replay(listed(commits), NO_FILES), /one of that number already/);
    assert.equal(await copied.fs.stat(copied.filePath("table", number)), undefined);
    await copied.close();
    await engine.close();
  });

  it("gives no number of a file that was taken in to another, though none was reserved", async () => {
    const { engine, copied } = await staged(0);
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
    await put(engine, { before: "1" });
    for (let i = 0; i < 5; i++) engine.newFileNumber();
    await ingestSome(engine, 0, 50, false);
    await put(engine, { behind: "2" });
    const commits = await commitsAfter(engine, 0);
    const info = ingestOfCommit(commits[1]!.ops)!;
    await copied.replay(listed(commits), { ingestFiles: bring(engine, "/copy") });
    const taken = [...info.tables, ...info.blobs].map(({ number }) => number);
    assert.ok(copied.newFileNumber() > Math.max(...taken));
    assert.deepEqual(contents(copied), contents(engine));
    await copied.close();
    await engine.close();
  });

  it("has all that came before in tables when files are taken in", async () => {
    let slow = 1;
    const delay = (call: string, path: string): Promise<void> | undefined =>
      call === "sync" && path.startsWith("/copy") && path.endsWith(".sst") && slow-- > 0 ? turns(500) : undefined;
    const { engine, copied } = await staged(0, memoryFileSystem({ delay }));
    await engine.setSlot({ id: "s", repository: "r", version: 0, createdAt: 0 });
    await fill(engine, 8);
    await ingestSome(engine, 0, 50, true);
    const options = { ingestFiles: bring(engine, "/copy"), reserveNumbersTo: engine.newFileNumber() };
    await copied.replay(listed(await commitsAfter(engine, 0)), options);
    assert.deepEqual(contents(copied), contents(engine));
    await copied.close();
    const again = await openAt(copied.fs, "/copy");
    assert.equal(again.visibleVersion, 9);
    assert.deepEqual(contents(again), contents(engine));
    await again.close();
    await engine.close();
  });

  it("leaves a directory that was killed meanwhile openable, without a log", async () => {
    const { engine, copied, tail } = await staged(400);
    const fs = copied.fs as ReturnType<typeof memoryFileSystem>;
    let after: ReturnType<typeof memoryFileSystem> | undefined;
    async function* source(): AsyncGenerator<CommitEvent> {
      for (const commit of tail) {
        if (commit.version === 300) after = fs.fork({ keep: "none" });
        yield commit;
        await undefined;
      }
    }
    await removeRange(engine, name(0), name(5));
    await copied.replay(source(), NO_FILES);
    await copied.close();
    const found = await openAt(after!, "/copy");
    assert.ok(found.visibleVersion < 300);
    assert.equal(all(found).length, found.visibleVersion);
    await found.close();
    await engine.close();
  });

  it("keeps nothing of a commit's memory, in which the next one may come", async () => {
    const { engine, copied } = await staged(0);
    for (const letter of ["a", "b", "c"]) await put(engine, { [letter]: letter.repeat(100_000) });
    const commits = await commitsAfter(engine, 0);
    const memory = new Uint8Array(110_000);
    async function* source(): AsyncGenerator<CommitEvent> {
      for (const commit of commits) {
        memory.set(commit.ops);
        yield { ...commit, ops: memory.subarray(0, commit.ops.length) };
        await undefined;
      }
    }
    await copied.replay(source(), NO_FILES);
    assert.deepEqual(contents(copied), contents(engine));
    await copied.close();
    await engine.close();
  });

  it("applies a commit of many large values without holding up the loop", async () => {
    const { engine, copied } = await staged(0);
    const batch = new Batch();
    for (let i = 0; i < 5000; i++) {
      batch.putCell(
        spacePrefix(0),
        new TextEncoder().encode(name(i)),
        KIND_BYTES,
        new Uint8Array(i % 50 === 0 ? 4000 : 40),
      );
    }
    await engine.commit(batch);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await copied.replay(listed(await commitsAfter(engine, 0)), NO_FILES);
    clearInterval(timer);
    assert.ok(turns > 0);
    assert.deepEqual(contents(copied), contents(engine));
    await copied.close();
    await engine.close();
  });
});
