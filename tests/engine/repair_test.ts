import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareBytes, encodeText } from "../../lib/base/bytes.ts";
import { IOError, NotFoundError, PermissionError } from "../../lib/base/errors.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import { repairDatabase } from "../../lib/engine/recovery/repair.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { nodeError } from "../../lib/files/node_errors.ts";
import { readFile } from "../../lib/files/read.ts";
import { KIND_BYTES } from "../../lib/format/cell.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { spacePrefix, tagPrefix } from "../../lib/format/space.ts";
import { all, fill, key, name, open, put, remove, removeRange, tinySettings } from "./fixture.ts";
import { ingestSome } from "./staged.ts";

const settings = tinySettings();

async function damage(fs: FileSystem, file: string, change: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const path = `/db/${file}`;
  const bytes = change(await readFile(fs, path, Infinity));
  await fs.remove(path);
  const handle = await fs.open(path, "create");
  await handle.append(bytes);
  await handle.close();
}

const flip = (at: number) => (bytes: Uint8Array): Uint8Array => {
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x40;
  return bytes;
};

/** A closed database with tables on several levels, blobs and a log, which holds what is in no table unless told otherwise. */
async function example(historyBytes = 0): Promise<{ fs: MemoryFileSystem; entries: Map<string, string> }> {
  const fs = memoryFileSystem();
  const engine = await open(fs, { historyBytes });
  await fill(engine, 300);
  await removeRange(engine, name(20), name(30));
  for (let i = 0; i < 5; i++) await put(engine, { [`large${i}`]: `${i}`.repeat(700) });
  await fill(engine, 40, "again");
  const entries = new Map(all(engine));
  await engine.close();
  return { fs, entries };
}

async function contents(fs: MemoryFileSystem): Promise<Map<string, string>> {
  const engine = await open(fs);
  assert.ok((await engine.verify()).ok);
  const entries = new Map(all(engine));
  await put(engine, { written: "afterwards" });
  await engine.close();
  return entries;
}

describe("repairDatabase()", () => {
  it("says what it would do where nothing may be written, and does nothing there", async () => {
    const { fs } = await example();
    const table = (await fs.list("/db")).find((file) => file.endsWith(".sst"))!;
    await damage(fs, table, flip(100));
    const said = await repairDatabase(fs.fork({ keep: "all" }), "/db", settings, { dryRun: true });
    assert.ok(said.lost.length > 0);
    const readable = fs.fork({ keep: "all" }, {
      beforeOperation({ name, mutates }) {
        if (!mutates && name !== "lock") return;
        throw new PermissionError(`Cannot ${name}: the disk is mounted to be read (PERMISSION)`);
      },
    });
    assert.deepEqual(await repairDatabase(readable, "/db", settings, { dryRun: true }), said);
    await assert.rejects(repairDatabase(readable, "/db", settings, { dryRun: false }), { code: "PERMISSION" });
  });

  it("leaves a sound database as it is", async () => {
    const { fs, entries } = await example();
    const before = await fs.list("/db");
    const report = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.deepEqual(report, { kept: entries.size, lost: [], setAside: [] });
    assert.deepEqual((await fs.list("/db")).filter((one) => one !== "LOCK"), before.filter((one) => one !== "LOCK"));
    assert.deepEqual(await contents(fs), entries);
  });

  it("leaves nothing of its own, and no file open, where it fails before the marker names it", async () => {
    const { fs } = await example();
    await damage(fs, (await fs.list("/db")).find((file) => file.endsWith(".sst"))!, flip(100));
    const before = await fs.list("/db");
    fs.inject({ at: ({ name, path }) => name === "makeDirectory" && path.includes("damaged-"), do: "fail" });
    await assert.rejects(repairDatabase(fs, "/db", settings, { dryRun: false }), IOError);
    assert.deepEqual(await fs.list("/db"), before);
    for (const file of before) await fs.remove(`/db/${file}`);
    assert.equal(fs.usedBytes, 0);
  });

  it("keeps what it made where the marker names it, though the switch failed", async () => {
    const { fs, entries } = await example();
    await fs.remove("/db/CURRENT");
    fs.inject({ at: ({ name, path }) => name === "rename" && path.includes("CURRENT"), do: "lose" });
    await assert.rejects(repairDatabase(fs, "/db", settings, { dryRun: false }), IOError);
    assert.deepEqual(await contents(fs), entries);
  });

  it("has put the originals by for good before they go", async () => {
    const { fs } = await example();
    await damage(fs, (await fs.list("/db")).find((file) => file.endsWith(".sst"))!, flip(100));
    const whole = fs.fork({ keep: "all" });
    const { setAside } = await repairDatabase(whole, "/db", settings, { dryRun: false });
    assert.ok(setAside.length > 5);
    const after = whole.crash({ keep: "none" });
    const aside = (await after.list("/db")).find((file) => file.startsWith("damaged-"));
    assert.deepEqual((await after.list(`/db/${aside}`)).sort(), setAside.sort());
  });

  it("goes on where an earlier one of the same moment was interrupted", async () => {
    const { fs, entries } = await example();
    await fs.remove("/db/CURRENT");
    const once = { ...settings, clock: () => 2_000_000 };
    fs.inject({ at: ({ name, path }) => name === "rename" && path.includes("CURRENT"), do: "fail" });
    await assert.rejects(repairDatabase(fs, "/db", once, { dryRun: false }), IOError);
    await repairDatabase(fs, "/db", once, { dryRun: false });
    assert.deepEqual(await contents(fs), entries);
  });

  it("takes no time for its own that a row has already, also where only tables tell", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    await fill(engine, 20);
    await engine.compact();
    const { visibleTimestamp } = engine;
    await engine.close();
    for (const file of await fs.list("/db")) if (/log$|^MANIFEST|^CURRENT/.test(file)) await fs.remove(`/db/${file}`);
    await repairDatabase(fs, "/db", { ...settings, clock: () => 5 }, { dryRun: false });
    const again = await open(fs, { clock: () => 5 });
    assert.ok(again.visibleTimestamp > visibleTimestamp);
    await again.close();
  });

  it("takes no time for its own that a commit had of which no row is left", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 0 });
    await fill(engine, 20);
    await engine.compact();
    await remove(engine, name(0));
    await engine.compact();
    const { visibleTimestamp } = engine;
    await engine.close();
    await damage(fs, (await fs.list("/db")).find((file) => file.endsWith(".sst"))!, flip(100));
    await repairDatabase(fs, "/db", { ...settings, clock: () => 5 }, { dryRun: false });
    const again = await open(fs, { clock: () => 5 });
    assert.ok(again.visibleTimestamp > visibleTimestamp);
    await again.close();
  });

  it("tells no loss of values in a damaged blob file that the log has all of", async () => {
    const fs = memoryFileSystem();
    let engine = await open(fs, { historyBytes: 0 });
    await fill(engine, 20);
    await engine.compact();
    await engine.close();
    engine = await open(fs, { historyBytes: 2 ** 20 });
    await put(engine, { large: "1".repeat(700) });
    await engine.compact();
    const entries = new Map(all(engine));
    await engine.close();
    await damage(fs, (await fs.list("/db")).find((file) => file.endsWith(".blob"))!, flip(100));
    const { kept, lost, setAside } = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.deepEqual([kept, lost, setAside.length > 0], [21, [], true]);
    assert.deepEqual(await contents(fs), entries);
  });

  it("tells what may be lost where the log goes back to the first commit, but not to the last", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 2 ** 20, memtableBytes: 2 ** 20 });
    await fill(engine, 20);
    await engine.compact();
    for (let i = 0; i < 3; i++) await put(engine, { [`behind${i}`]: "v".repeat(100) });
    await engine.close();
    const files = await fs.list("/db");
    await damage(fs, files.find((file) => file.endsWith(".sst"))!, flip(100));
    await damage(fs, files.findLast((file) => file.endsWith(".log"))!, flip(64 + 20));
    const { kept, lost } = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.equal(kept, 22);
    assert.ok(lost.length > 0);
  });

  it("brings everything back when the marker or the manifest is lost or damaged", async () => {
    for (const harm of ["no marker", "marker", "no manifest", "manifest"]) {
      const { fs, entries } = await example();
      const manifest = (await fs.list("/db")).find((one) => one.startsWith("MANIFEST"))!;
      if (harm === "no marker") await fs.remove("/db/CURRENT");
      if (harm === "marker") await damage(fs, "CURRENT", flip(15));
      if (harm === "no manifest") await fs.remove(`/db/${manifest}`);
      if (harm === "manifest") await damage(fs, manifest, flip(100));
      const report = await repairDatabase(fs, "/db", settings, { dryRun: false });
      assert.equal(report.kept, entries.size, harm);
      assert.deepEqual(await contents(fs), entries, harm);
    }
  });

  for (const replace of [true, false]) {
    const what = replace ? "everything" : "ranges";
    it(`doesn't bring back ${what} that a restore replaced when the manifest is lost`, async () => {
      for (const follows of [true, false]) {
        const fs = memoryFileSystem();
        const engine = await open(fs);
        await fill(engine, 200);
        await ingestSome(engine, 20, 60, replace);
        if (follows) await put(engine, { behind: "it" });
        const entries = all(engine);
        assert.ok(entries.length < 100, `${entries.length}`);
        await engine.compact();
        await engine.close();
        const manifest = (await fs.list("/db")).find((one) => one.startsWith("MANIFEST"))!;
        await damage(fs, manifest, flip(100));
        const report = await repairDatabase(fs, "/db", settings, { dryRun: false });
        assert.equal(report.kept, entries.length);
        const repaired = await open(fs);
        // A namespace that nobody named has a row with its name.
        const found = all(repaired).filter(([key]) => !key.startsWith("\0recovered-"));
        assert.deepEqual(found.map(([key]) => key), entries.map(([key]) => key));
        assert.ok(found.every(([, text], i) => text === entries[i]![1]));
        assert.ok((await repaired.verify()).ok);
        await repaired.close();
      }
    });
  }

  it("keeps what a restore was to replace that never took effect", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await fill(engine, 200);
    const entries = new Map(all(engine));
    await engine.close();
    const cut = fs.fork({ keep: "all" });
    const restored = await open(fs);
    const names = await fs.list("/db");
    await ingestSome(restored, 20, 60, true);
    // The record of it is in the log, and nothing else came of it.
    const segment = (await fs.list("/db")).filter((one) => one.endsWith(".log") && !names.includes(one));
    assert.equal(segment.length, 1);
    const handle = await cut.open(`/db/${segment[0]}`, "create");
    await handle.append(await readFile(fs, `/db/${segment[0]}`, Infinity));
    await handle.close();
    await restored.close();
    await damage(cut, (await cut.list("/db")).find((one) => one.startsWith("MANIFEST"))!, flip(100));
    await repairDatabase(cut, "/db", settings, { dryRun: false });
    assert.deepEqual(await contents(cut), entries);
  });

  it("keeps all that the other files hold when a table is damaged, and says which keys may be lost", async () => {
    const { fs, entries } = await example();
    const tables = (await fs.list("/db")).filter((one) => one.endsWith(".sst"));
    for (const table of tables) {
      const copy = fs.fork({ keep: "all" });
      await damage(copy, table, flip(90));
      const report = await repairDatabase(copy, "/db", settings, { dryRun: false });
      assert.ok(report.lost.length > 0, table);
      assert.ok(report.setAside.includes(table));
      const left = await contents(copy);
      let missing = 0;
      for (const [key, value] of entries) if (left.get(key) !== value) missing++;
      assert.ok(missing < entries.size / 2, `${table}: ${missing} of ${entries.size} lost`);
      const aside = (await copy.list("/db")).find((one) => one.startsWith("damaged-"))!;
      assert.ok((await copy.list(`/db/${aside}`)).includes(table));
    }
  });

  it("says which keys of a damaged block may be lost, and no more", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, {
      memtableBytes: 2 ** 20,
      tableBytes: 2 ** 20,
      historyBytes: 0,
      compression: "none",
    });
    await fill(engine, 100);
    await engine.compact();
    await engine.close();
    const table = (await fs.list("/db")).find((one) => one.endsWith(".sst"))!;
    const starts: (Uint8Array | undefined)[] = [];
    for (const place of [90, 1000]) {
      const copy = fs.fork({ keep: "all" });
      await damage(copy, table, flip(place));
      const { lost } = await repairDatabase(copy, "/db", settings, { dryRun: true });
      assert.equal(lost.length, 1);
      starts.push(lost[0]!.start);
    }
    assert.deepEqual(starts[0], key(name(0)));
    assert.ok(compareBytes(starts[1]!, key(name(10))) > 0);
  });

  it("keeps the commits before and behind bad places in the log, and tells each of them", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 1024 * 1024 });
    for (let i = 0; i < 30; i++) await put(engine, { [name(i)]: "x".repeat(50) });
    await engine.close();
    const log = (await fs.list("/db")).find((one) => one.endsWith(".log"))!;
    for (const places of [[1000], [1000, 1500]]) {
      const copy = fs.fork({ keep: "all" });
      for (const place of places) await damage(copy, log, flip(place));
      const report = await repairDatabase(copy, "/db", settings, { dryRun: false });
      assert.equal(report.kept, 30 - places.length);
      assert.equal(report.lost.length, places.length);
      assert.doesNotMatch(report.lost[0]!.detail, /repair/, "the remedy is under way");
      assert.equal((await contents(copy)).size, 30 - places.length);
    }
  });

  it("keeps a commit behind a bad place that is so large that its record is split", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 8 * 2 ** 20 });
    for (let i = 0; i < 3; i++) await put(engine, { [name(i)]: "x".repeat(50) });
    await put(engine, { large: "y".repeat(2 ** 21) });
    fs.kill();
    await engine.close().catch(() => {});
    const disk = fs.otherProcess();
    await damage(disk, (await disk.list("/db")).find((one) => one.endsWith(".log"))!, flip(300));
    await repairDatabase(disk, "/db", settings, { dryRun: false });
    assert.deepEqual([...(await contents(disk)).keys()].includes("large"), true);
  });

  it("loses only the values that a damaged blob file held", async () => {
    const { fs, entries } = await example();
    const blob = (await fs.list("/db")).find((one) => one.endsWith(".blob"))!;
    await damage(fs, blob, flip(110));
    const report = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.ok(report.kept >= entries.size - 5 && report.kept < entries.size);
    const left = await contents(fs);
    for (const [key, value] of entries) if (!key.startsWith("large")) assert.equal(left.get(key), value);
  });

  it("keeps the values before the place where a blob file was cut, and all where something was put behind it", async () => {
    for (const harm of ["cut", "longer"]) {
      const { fs, entries } = await example();
      const blobs = (await fs.list("/db")).filter((one) => one.endsWith(".blob"));
      for (const blob of blobs) {
        await damage(fs, blob, (bytes) => {
          return harm === "cut" ? bytes.slice(0, -50) : new Uint8Array([...bytes, ...encodeText("not of it")]);
        });
      }
      const { kept, lost } = await repairDatabase(fs, "/db", settings, { dryRun: false });
      // The end of each file is the end of its last value.
      assert.equal(lost.length, harm === "cut" ? blobs.length : 0);
      assert.equal(kept, entries.size - lost.length);
      for (const [key, value] of await contents(fs)) assert.equal(value, entries.get(key), harm);
    }
  });

  it("takes from the log what damaged tables and blob files held, as far back as nothing is missing there", async () => {
    const harms: [string, (fs: MemoryFileSystem, files: string[]) => Promise<void>][] = [
      ["all gone", async (fs, files) => {
        for (const file of files) await fs.remove(`/db/${file}`);
      }],
      ["all cut", async (fs, files) => {
        for (const file of files) await damage(fs, file, (bytes) => bytes.slice(0, bytes.length >> 1));
      }],
      ["one flipped", (fs, files) => damage(fs, files[0]!, flip(100))],
    ];
    for (const kinds of [[".sst"], [".blob"], [".sst", ".blob"]]) {
      for (const [what, harm] of harms) {
        const { fs, entries } = await example(2 ** 20);
        await harm(fs, (await fs.list("/db")).filter((one) => kinds.some((kind) => one.endsWith(kind))));
        const report = await repairDatabase(fs, "/db", settings, { dryRun: false });
        assert.deepEqual([report.kept, report.lost], [entries.size, []], `${kinds}: ${what}`);
        assert.deepEqual(await contents(fs), entries, `${kinds}: ${what}`);
      }
    }
  });

  it("takes nothing from the log before a place that is damaged: what is missing there may have deleted it", async () => {
    const made = memoryFileSystem();
    const engine = await open(made, { historyBytes: 2 ** 20 });
    await fill(engine, 300);
    await removeRange(engine, name(100), name(200));
    await fill(engine, 40, "again");
    await engine.compact(); // The deleted range is in no table any more.
    const entries = new Map(all(engine));
    await engine.close();
    let some = 0;
    for (const log of (await made.list("/db")).filter((one) => one.endsWith(".log"))) {
      const fs = made.fork({ keep: "all" });
      if ((await fs.stat(`/db/${log}`))!.size < 200) continue;
      await damage(fs, log, flip(150));
      for (const one of await fs.list("/db")) if (one.endsWith(".sst")) await fs.remove(`/db/${one}`);
      const { kept, lost } = await repairDatabase(fs, "/db", settings, { dryRun: false });
      assert.ok(kept <= entries.size, `${log}: ${kept}`);
      assert.ok(lost.some(({ detail }) => detail.includes(log)), `${log} is told of`);
      if (kept > 0 && kept < entries.size) some++;
      for (const [key, value] of await contents(fs)) assert.equal(value, entries.get(key), `${log}: ${key}`);
    }
    assert.ok(some > 3, `${some}`);
  });

  it("takes nothing from the log before a segment of which tables have a part: what is in it may have deleted that", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 2 ** 20, memtableBytes: 2 ** 20 });
    await fill(engine, 20);
    await engine.compact();
    await removeRange(engine, name(0), name(20));
    for (let i = 0; i < 20; i++) await put(engine, { [`behind${i}`]: "v".repeat(100) });
    fs.kill();
    await engine.close().catch(() => {});
    const disk = fs.otherProcess();
    // A smaller memtable is full before the end of the segment.
    const flushed = Promise.withResolvers<void>();
    const onEvent = ({ type }: { type: string }): void => void (type === "flush" && flushed.resolve());
    const again = await open(disk, { historyBytes: 2 ** 20, memtableBytes: 1500, onEvent });
    await flushed.promise;
    const entries = new Map(all(again));
    await again.close();
    const { state } = await loadManifest(disk, "/db");
    assert.ok(state.lastVersion > 21 && state.lastVersion < 41, `${state.lastVersion}`);
    for (const one of await disk.list("/db")) if (one.endsWith(".sst")) await disk.remove(`/db/${one}`);
    const { kept, lost } = await repairDatabase(disk, "/db", settings, { dryRun: false });
    assert.deepEqual([kept > 0, lost.length > 0], [true, true]);
    for (const [key, value] of await contents(disk)) assert.equal(value, entries.get(key), key);
  });

  it("tells of log that could not be read just then, in which damaged tables are looked for", async () => {
    const { fs: made, entries } = await example(2 ** 20);
    for (const one of await made.list("/db")) if (one.endsWith(".sst")) await made.remove(`/db/${one}`);
    let some = 0;
    for (const log of (await made.list("/db")).filter((one) => one.endsWith(".log"))) {
      for (let nth = 1; nth <= 4; nth++) {
        let opens = 0;
        const fs = made.fork({ keep: "all" }, {
          beforeOperation({ name, path }) {
            if (!name.startsWith("open") || !path.endsWith(log) || ++opens !== nth) return;
            throw nodeError(name, path, { code: "EIO" });
          },
        });
        const report = await repairDatabase(fs, "/db", settings, { dryRun: false }).catch((error) => {
          assert.match(error.message, /EIO/, "refused, and nothing has changed");
        });
        if (report === undefined || report.kept === entries.size) continue;
        some++;
        assert.ok(report.lost.some(({ detail }) => detail.includes("EIO")), `${log}, ${nth}: ${report.kept}`);
      }
    }
    assert.ok(some > 0, `${some}`);
  });

  it("has from the log what a restore brought no more, and nothing that it replaced", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { historyBytes: 2 ** 20 });
    await fill(engine, 200);
    await ingestSome(engine, 20, 60, true);
    await fill(engine, 10, "behind");
    const entries = new Map(all(engine));
    await engine.compact();
    await engine.close();
    for (const one of await fs.list("/db")) if (one.endsWith(".sst")) await fs.remove(`/db/${one}`);
    const { kept, lost } = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.ok(lost.length > 0);
    const left = await contents(fs);
    assert.equal(left.size, kept);
    assert.ok(kept >= 10 && kept < entries.size, `${kept}`);
    for (const [key, value] of left) assert.equal(value, entries.get(key), key);
  });

  it("opens a damaged blob file once for all of its values", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs, { memtableBytes: 2 ** 20, historyBytes: 0 });
    for (let i = 0; i < 50; i++) await put(engine, { [`large${i}`]: `${i}`.repeat(700) });
    await engine.compact();
    await engine.close();
    const [blob] = (await fs.list("/db")).filter((one) => one.endsWith(".blob"));
    await damage(fs, blob!, flip(110));
    let opened = 0;
    const counting = fs.fork({ keep: "all" }, {
      beforeOperation({ name, path }) {
        if (name === "open" && path.endsWith(blob!)) opened++;
      },
    });
    const { kept, lost } = await repairDatabase(counting, "/db", settings, { dryRun: true });
    assert.deepEqual([kept, lost.length], [49, 1]);
    assert.ok(opened > 0 && opened < 10, `${opened}`);
  });

  it("takes for no damage that too many files are open, and changes nothing then", async () => {
    for (const code of ["EMFILE", "ENFILE", "ENOMEM"]) {
      const { fs } = await example();
      const [table] = (await fs.list("/db")).filter((one) => one.endsWith(".sst"));
      const [blob] = (await fs.list("/db")).filter((one) => one.endsWith(".blob"));
      await damage(fs, table!, flip(100));
      const before = await fs.list("/db");
      const short = fs.fork({ keep: "all" }, {
        beforeOperation({ name, path }) {
          if (name === "open" && path.endsWith(blob!)) throw nodeError(name, path, { code });
        },
      });
      await assert.rejects(repairDatabase(short, "/db", settings, { dryRun: false }), (error: IOError) => {
        return error instanceof IOError && error.message.includes(code);
      });
      assert.deepEqual(await short.list("/db"), before);
    }
  });

  it("takes for no damage that memory is short, whatever it opens or reads just then", async () => {
    const { fs } = await example();
    const table = (await fs.list("/db")).find((one) => one.endsWith(".sst"))!;
    await damage(fs, table, flip(90));
    const whole = await repairDatabase(fs.fork({ keep: "all" }), "/db", settings, { dryRun: true });
    let wasShort = true;
    for (let at = 0; wasShort; at++) {
      let left = at;
      wasShort = false;
      const short = fs.fork({ keep: "all" }, {
        beforeOperation({ name, path }) {
          if (!["open", "read"].includes(name) || !(path.endsWith(table) || path.endsWith(".log")) || left-- !== 0) {
            return;
          }
          wasShort = true;
          throw nodeError(name, path, { code: "ENOMEM" });
        },
      });
      const repaired = await repairDatabase(short, "/db", settings, { dryRun: true }).catch((error) => error);
      if (wasShort) assert.match(repaired.message, /ENOMEM/, `${at}`);
      else assert.deepEqual(repaired, whole);
    }
  });

  it("tells no loss for what it makes anew: rows of tags", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    const batch = new Batch();
    const prefix = tagPrefix(spacePrefix(1), encodeText("tag"));
    for (let i = 0; i < 500; i++) {
      batch.putCell(spacePrefix(0), encodeText(name(i)), KIND_BYTES, new Uint8Array(0), [encodeText("tag")]);
      batch.putCell(prefix, encodeText(name(i)), KIND_BYTES, new Uint8Array(0));
    }
    await engine.commit(batch);
    await engine.compact();
    await engine.close();
    const tables = (await fs.list("/db")).filter((one) => one.endsWith(".sst"));
    await damage(fs, tables.at(-1)!, flip(90));
    const { lost, setAside } = await repairDatabase(fs, "/db", settings, { dryRun: false });
    assert.deepEqual(lost, []);
    assert.ok(setAside.includes(tables.at(-1)!));
  });

  it("counts all rows that it reads, and can be given up among those of tags as well", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    const batch = new Batch();
    const prefix = tagPrefix(spacePrefix(1), encodeText("tag"));
    for (let i = 0; i < 2000; i++) batch.putCell(prefix, encodeText(name(i)), KIND_BYTES, new Uint8Array(0));
    await engine.commit(batch);
    await engine.close();
    let told = 0;
    await repairDatabase(fs, "/db", settings, { dryRun: true, onRows: (rows) => told += rows });
    assert.ok(told > 1900, `${told} of 2000 rows`);
    let now = 0;
    const giveUp = new AbortController();
    const slow = tinySettings({ monotonic: () => now += 10, signal: giveUp.signal });
    const onRows = (): void => giveUp.abort(new Error("enough"));
    await assert.rejects(repairDatabase(fs, "/db", slow, { dryRun: true, onRows }), /enough/);
  });

  it("can be given up while it looks at tables and blob files, and has none open then", async () => {
    let slices = 0;
    let atRows = 0;
    const slow = { monotonic: () => 10 * ++slices };
    const { fs: whole } = await example();
    await repairDatabase(whole, "/db", tinySettings(slow), { dryRun: true, onRows: () => atRows ||= slices });
    for (const part of [0.1, 0.5, 0.95]) {
      const { fs } = await example();
      const giveUp = new AbortController();
      const monotonic = (): number => {
        if (++slices > atRows * part) giveUp.abort(new Error("enough"));
        return 10 * slices;
      };
      slices = 0;
      const settings = tinySettings({ monotonic, signal: giveUp.signal });
      const onRows = (): void => assert.fail("it went on");
      await assert.rejects(repairDatabase(fs, "/db", settings, { dryRun: true, onRows }), /enough/);
      for (const file of await fs.list("/db")) await fs.remove(`/db/${file}`);
      assert.equal(fs.usedBytes, 0);
    }
  });

  it("begins a history of its own, one version on: what it keeps is no state that there was", async () => {
    for (const harm of ["table", "manifest", "manifest is lost"]) {
      const { fs } = await example();
      const before = await open(fs);
      const { id, lineage, visibleVersion, visibleTimestamp } = before;
      await before.compact();
      await before.close();
      const names = await fs.list("/db");
      const manifest = names.find((one) => one.startsWith("MANIFEST"))!;
      if (harm === "table") await damage(fs, names.find((one) => one.endsWith(".sst"))!, flip(90));
      if (harm === "manifest") await damage(fs, manifest, flip(100));
      if (harm === "manifest is lost") await fs.remove(`/db/${manifest}`);
      // Its clock is behind the last commit's time.
      await repairDatabase(fs, "/db", tinySettings({ clock: () => 5, randomId: () => new Uint8Array(16).fill(7) }), {
        dryRun: false,
      });
      const repaired = await open(fs);
      assert.equal(repaired.id, id, harm);
      assert.equal(repaired.lineage, "07".repeat(16), harm);
      assert.deepEqual(repaired.meta.parents.at(-1), { lineage, version: visibleVersion }, harm);
      assert.equal(repaired.forked, false, harm);
      assert.equal(repaired.visibleVersion, visibleVersion + 1, harm);
      assert.ok(repaired.visibleTimestamp > visibleTimestamp, harm);
      await assert.rejects(
        async () => {
          for await (const _ of repaired.history(visibleVersion));
        },
        { code: "HISTORY_GONE" },
        harm,
      );
      await repaired.close();
    }
  });

  it("says what it would do and changes nothing with dryRun", async () => {
    const { fs } = await example();
    const table = (await fs.list("/db")).find((one) => one.endsWith(".sst"))!;
    await damage(fs, table, flip(90));
    const before = await fs.list("/db");
    const report = await repairDatabase(fs, "/db", settings, { dryRun: true });
    assert.ok(report.lost.length > 0);
    assert.deepEqual(report.setAside, []);
    assert.deepEqual((await fs.list("/db")).filter((one) => one !== "LOCK"), before.filter((one) => one !== "LOCK"));
  });

  it("refuses a directory that holds no database", async () => {
    const fs = memoryFileSystem();
    await fs.makeDirectory("/empty");
    await assert.rejects(repairDatabase(fs, "/empty", settings, { dryRun: false }), NotFoundError);
    await assert.rejects(repairDatabase(fs, "/nowhere", settings, { dryRun: false }), NotFoundError);
  });
});
