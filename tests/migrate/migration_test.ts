import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { memoryFileSystem } from "../../lib/adapters/testing.ts";
import {
  fromRedis,
  migrate,
  MIGRATIONS_NAMESPACE,
  type MigrationSource,
  type SourceItem,
} from "../../lib/adapters/migrate.ts";
import { DB } from "../../mod.ts";

/** Numbered entries; those that `wrong` names can't be kept, only every `stride`-th says where to go on. */
interface Numbered {
  total: number;
  stride?: number;
  wrong?: number[];
  /** What each says of its size: much makes small commits, of four entries unless given. */
  bytes?: number;
  /** Fails once so many are out. */
  failAt?: number;
}

/** A source, and the positions from which it was read. */
function numbered(
  { total, stride = 1, wrong = [], bytes = 2 ** 18, failAt = Infinity }: Numbered,
): MigrationSource & { asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    id: "numbers",
    asked,
    async open() {
      return {
        total,
        async *entries(_encoding, after): AsyncGenerator<SourceItem> {
          asked.push(after);
          const first = Number(after ?? -1) + 1;
          for (let n = first; n < total; n++) {
            if (n - first === failAt) throw new Error("the source has gone");
            const place = n % stride === stride - 1 ? { position: String(n) } : {};
            if (wrong.includes(n)) yield { ...place, shown: `number ${n}`, unsupported: "it is wrong" };
            else yield { ...place, key: `n/${String(n).padStart(6, "0")}`, value: n, bytes };
          }
        },
        async close() {},
      };
    },
  };
}

/** A Redis of so many keys in its so manieth run; the first of them can't be kept, and the first run ends at 10. */
function serverOf(total: number, run: number): Parameters<typeof fromRedis>[0] {
  const answers: Record<string, (...args: string[]) => unknown> = {
    INFO: () => `run_id:${run}\r\n`,
    DBSIZE: () => total,
    SCAN: (cursor) => {
      if (run === 1 && cursor === "10") throw new Error("the server has gone");
      const [from, to] = [Number(cursor), Math.min(total, Number(cursor) + 5)];
      return [String(to === total ? 0 : to), Array.from({ length: to - from }, (_, n) => Buffer.from(`k${from + n}`))];
    },
    TYPE: (key) => key === "k0" ? "stream" : "string",
    PTTL: () => -1,
    GET: (key) => Buffer.alloc(2 ** 18, key),
  };
  return { callBuffer: (command, ...args) => Promise.try(answers[command]!, ...(args as unknown[]).map(String)) };
}

describe("migrate()", () => {
  it("brings all entries in, with tags and times, and reports them", async () => {
    await using db = await DB.open(":memory:");
    const source: MigrationSource = {
      id: "three",
      open: async () => ({
        async *entries() {
          yield { position: "1", key: "a", value: { n: 1 }, tags: ["t"] };
          yield { position: "2", key: "b", value: new Uint8Array([1]), expiresAt: 2e12 };
          yield { position: "3", key: "c", value: "old", expiresAt: 1000 };
        },
        close: async () => {},
      }),
    };
    const report = await migrate(db, source, { clock: () => 1_800_000_000_000 });
    const { durationMs, ...counts } = report;
    assert.ok(durationMs >= 0);
    assert.deepEqual(counts, {
      ...{ source: "three", entries: 2, earlier: 0, bytes: 10, expired: 1, unsupported: 0, leftOut: [], dryRun: false },
    });
    assert.deepEqual((await db.getEntry("a"))?.tags, ["t"]);
    assert.equal((await db.getEntry("b"))?.expiresAt, 2e12);
    assert.deepEqual(await Array.fromAsync(db.keys()), ["a", "b"]);
    assert.deepEqual(db.namespaces(), [MIGRATIONS_NAMESPACE]);
  });

  it("goes on where it was interrupted, and does nothing once it is done", async () => {
    await using db = await DB.open(":memory:");
    const failing = numbered({ total: 25, failAt: 15 });
    await assert.rejects(migrate(db, failing), /the source has gone/);
    assert.equal(await db.count(), 12);
    const source = numbered({ total: 25 });
    const seen: number[] = [];
    const report = await migrate(db, source, { onProgress: ({ doneItems }) => seen.push(doneItems) });
    assert.deepEqual(source.asked, ["11"]);
    assert.deepEqual([report.entries, report.earlier, report.doneBefore], [25, 12, undefined]);
    assert.deepEqual([seen.at(-1), seen.every((n, i) => i === 0 || n >= seen[i - 1]!)], [25, true]);
    assert.equal(await db.count(), 25);
    await db.delete("n/000000");
    const third = await migrate(db, source);
    assert.equal(typeof third.doneBefore, "number");
    assert.deepEqual([third.entries, third.earlier, source.asked.length], [25, 25, 1]);
    assert.equal(await db.count(), 24);
    await migrate(db, source, { again: true });
    assert.deepEqual([await db.count(), source.asked.at(-1)], [25, undefined]);
  });

  it("counts each entry once where the source has to begin anew", async () => {
    await using db = await DB.open(":memory:");
    const migration = (run: number): ReturnType<typeof migrate> =>
      migrate(db, fromRedis(serverOf(15, run), { id: "redis" }), { unsupported: "report" });
    await assert.rejects(migration(1), { code: "MIGRATION", committed: 9 });
    // The server was started anew: its cursors are others.
    const { entries, earlier, unsupported, leftOut } = await migration(2);
    assert.deepEqual([entries, earlier, unsupported, leftOut.length], [14, 0, 1, 1]);
    assert.equal(await db.count(), 14);
    assert.equal((await migration(3)).entries, 14);
  });

  it("has the entries and how far it came in the same commits, wherever the power goes", async () => {
    const total = 60;
    let between = 0;
    for (let at = 12;; at++) {
      const disk = memoryFileSystem();
      const db = await DB.open("/data", { fileSystem: disk });
      disk.cutPowerAt(at);
      const done = await migrate(db, numbered({ total, stride: 3, bytes: 2 ** 19 })).then(() => true, () => false);
      await db.close().catch(() => {});
      if (done) break;
      await using after = await DB.open("/data", { fileSystem: disk.crash({ keep: at % 4 === 0 ? "all" : "none" }) });
      const [mark] = await Array.fromAsync(after.namespace(MIGRATIONS_NAMESPACE).list());
      const { entries = 0 } = (mark?.value ?? {}) as { entries?: number };
      assert.equal(await after.count(), entries, `cut at ${at}`);
      if (entries > 0 && entries < total) between++;
      const report = await migrate(after, numbered({ total, stride: 3, bytes: 2 ** 19 }));
      assert.deepEqual([report.entries, report.earlier, await after.count()], [total, entries, total]);
    }
    assert.ok(between > 3, `${between} times only part of it was in`);
  });

  it("is done, on the disk, also where the source can't be gone on with, and was done in one way", async () => {
    const fileSystem = memoryFileSystem();
    const source = { ...numbered({ total: 5, stride: Infinity }), plan: "one" };
    const db = await DB.open("/db", { fileSystem });
    await migrate(db, source);
    const disk = fileSystem.crash({ keep: "none" });
    await db.close().catch(() => {});
    await using after = await DB.open("/db", { fileSystem: disk });
    assert.equal(await after.count(), 5);
    assert.ok((await migrate(after, source)).doneBefore! > 0);
    assert.equal(source.asked.length, 1);
    await assert.rejects(migrate(after, { ...source, plan: "two" }), {
      code: "MIGRATION",
      message: /it was read with one, by which 5 entries came in, and is to be read with two now/,
    });
  });

  it("stops at what can't be kept, with its key; what came before is in, and another try meets it again", async () => {
    await using db = await DB.open(":memory:");
    const source = numbered({ total: 20, wrong: [14, 17] });
    for (let tries = 0; tries < 2; tries++) {
      await assert.rejects(migrate(db, source), {
        ...{ name: "MigrationError", code: "MIGRATION", key: "number 14", source: "numbers" },
        message: /^Cannot keep number 14 of numbers: it is wrong; 14 entries before it are in/,
      });
      assert.equal(await db.count(), 14);
    }
    const told: string[] = [];
    const report = await migrate(db, source, { unsupported: "report", onUnsupported: ({ key }) => told.push(key) });
    assert.deepEqual([report.entries, report.unsupported, told], [18, 2, ["number 14", "number 17"]]);
    assert.deepEqual(report.leftOut[1], { key: "number 17", reason: "it is wrong" });
    assert.deepEqual((await migrate(db, source)).leftOut, report.leftOut);
  });

  it("counts once what came in behind the last place where the source can be gone on with", async () => {
    await using db = await DB.open(":memory:");
    const source = numbered({ total: 10, stride: 4, wrong: [6] });
    await assert.rejects(migrate(db, source), /6 entries before it are in/);
    assert.equal(await db.count(), 6);
    const { entries, earlier, unsupported } = await migrate(db, source, { unsupported: "report" });
    assert.deepEqual([entries, earlier, unsupported, source.asked], [9, 4, 1, [undefined, "3"]]);
  });

  it("tells what the database refuses as what can't be kept", async () => {
    await using db = await DB.open(":memory:");
    const items: SourceItem[] = [
      { key: "", value: 1 },
      { key: "x".repeat(70_000), value: 1 },
      { key: new Uint8Array([255]), value: 1 },
      { key: "date", value: { a: NaN } },
      { key: "none", value: undefined as unknown as string },
    ];
    const source: MigrationSource = {
      id: "wrong",
      open: async () => ({
        entries: async function* () {
          yield* items;
        },
        close: async () => {},
      }),
    };
    const { unsupported, leftOut } = await migrate(db, source, { unsupported: "report" });
    assert.equal(unsupported, 5);
    const reasons = [/the key is empty/, /65,535 bytes/, /not UTF-8/, /value\.a is NaN/, /undefined is no value/];
    reasons.forEach((reason, i) => assert.match(leftOut[i]!.reason, reason));
    assert.equal(leftOut[2]!.key, "0xff");
  });

  it("writes nothing in a dry run, and tells all that would be left out", async () => {
    await using db = await DB.open(":memory:");
    const { version } = db;
    const source = numbered({ total: 25, wrong: [3, 20] });
    const report = await migrate(db, source, { dryRun: true });
    assert.deepEqual([report.dryRun, report.entries, report.unsupported], [true, 23, 2]);
    assert.equal(db.version, version);
  });

  it("goes into a namespace, and is remembered for each apart", async () => {
    await using db = await DB.open(":memory:");
    const [a, b] = [db.namespace("a"), db.namespace("b")];
    await migrate(db, numbered({ total: 3 }), { into: a });
    await migrate(db, numbered({ total: 3 }), { into: b.namespace("c") });
    assert.deepEqual([await db.count(), await a.count(), await b.namespace("c").count()], [0, 3, 3]);
  });

  it("ends with the signal's reason while the source gives nothing, and closes it", async () => {
    await using db = await DB.open(":memory:");
    const end = new AbortController();
    let late: ReturnType<typeof setTimeout> | undefined;
    let isClosed = false;
    const source: MigrationSource = {
      id: "stuck",
      open: async () => ({
        async *entries() {
          yield { key: "a", value: 1 };
          setTimeout(() => end.abort(new Error("enough")), 0);
          await new Promise((_, reject) => late = setTimeout(() => reject(new Error("it was waited for")), 2000));
        },
        close: async () => void (isClosed = true),
      }),
    };
    await assert.rejects(migrate(db, source, { signal: end.signal }), /enough/);
    clearTimeout(late);
    assert.ok(isClosed);
  });

  it("ends with the signal's reason, and checks its options", async () => {
    await using db = await DB.open(":memory:");
    const end = new AbortController();
    const source = numbered({ total: 25 });
    const ended = migrate(db, source, {
      signal: end.signal,
      onProgress: ({ doneItems }) => doneItems >= 16 && end.abort(new Error("enough")),
    });
    const { message, committed } = await ended.then(
      () => assert.fail(),
      (error: Error & { committed: number }) => error,
    );
    assert.deepEqual([message, committed], ["enough", await db.count()]);
    assert.ok(committed >= 12);
    assert.equal((await migrate(db, source)).entries, 25);
    await using other = await DB.open(":memory:");
    const refused: [unknown, unknown, unknown, RegExp][] = [
      [{}, source, {}, /expected a database/],
      [db, {}, {}, /expected a source, such as fromLevel/],
      [db, source, { into: db.snapshot() }, /"into" must be a namespace/],
      [db, source, { into: other.namespace("x") }, /belongs to another database/],
      [db, source, { unsupported: "skip" }, /must be one of "stop", "report"/],
      [db, source, { dryrun: true }, /did you mean "dryRun"/],
    ];
    for (const [first, second, options, message] of refused) {
      await assert.rejects(migrate(first as DB, second as MigrationSource, options as never), {
        name: "TypeError",
        message,
      });
    }
  });
});
