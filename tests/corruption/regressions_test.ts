/** Damage that once went unnoticed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { repairReport } from "../../lib/db/repair.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { DELETED, overwrite } from "./beneath.ts";
import { commitsIn, diskOf } from "./judge.ts";
import { openLogOf } from "./faults.ts";
import { all } from "../db/helpers.ts";
import { pictureAfter } from "./repair_judge.ts";
import { versionOf } from "./holdings.ts";
import { makeSpecimen, optionsFor, PATH, type Specimen } from "./specimen.ts";

describe("log that is kept for changes()", () => {
  it("is missed when it was cut between two commits, by changes() and by verify()", async () => {
    const specimen = await makeSpecimen("closed", { closed: true });
    const [name, bytes] = [...specimen.files].find(([each]) => each.endsWith(".log"))!;
    const records = commitsIn(bytes, name);
    const cut = bytes.slice(0, records[2]!.offset);
    const db = await DB.open(PATH, optionsFor(await diskOf(new Map([...specimen.files, [name, cut]]))));
    const error = { name: "CorruptionError", file: name, offset: cut.length };
    await assert.rejects(all(db.changes({ since: specimen.since })), error);
    assert.deepEqual((await db.verify()).problems.map(({ file, offset }) => [file, offset]), [[name, cut.length]]);
    await db.close();
  });
});

describe("verify()", () => {
  it("notices the loss of the last edit of the manifest, which the next open would take for one that never counted", async () => {
    const { db, disk } = await openSpecimen();
    const name = (await disk.list(PATH)).find((each) => each.startsWith("MANIFEST"))!;
    await overwrite(disk, name, (bytes) => bytes.subarray(0, bytes.length - 1));
    const { problems } = await db.verify();
    assert.deepEqual(problems.map(({ file, detail }) => [file, detail]), [[name, "an edit that counts can't be read"]]);
    await db.close().catch(() => {});
  });

  it("reads a segment that is only kept for changes()", async () => {
    const { db, disk, specimen } = await openSpecimen();
    const name = [...specimen.files.keys()].findLast((each) => each.endsWith(".log") && each !== openLogOf(specimen))!;
    await overwrite(disk, name, () => DELETED);
    assert.deepEqual((await db.verify()).problems.map(({ file }) => file), [name]);
    await db.close();
  });
});

describe("DB.repair()", () => {
  it("goes by all files when the manifest has lost its last edits", async () => {
    const specimen = await makeSpecimen("killed", { closed: false });
    const [name, bytes] = [...specimen.files].find(([each]) => each.startsWith("MANIFEST"))!;
    const disk = await diskOf(new Map([...specimen.files, [name, bytes.slice(0, bytes.length - 1)]]));
    await DB.repair(PATH, { fileSystem: disk });
    assert.deepEqual(await pictureAfter(disk), specimen.pictures.get(specimen.version));
  });

  it("goes by all files also when it is run again after it was killed while it set the originals aside", async () => {
    const specimen = await makeSpecimen("killed", { closed: false });
    const [name, bytes] = [...specimen.files].find(([each]) => each.startsWith("MANIFEST"))!;
    let cuts = 0;
    for (const lost of [1, 600, 1500]) {
      const damaged = await diskOf(new Map([...specimen.files, [name, bytes.slice(0, bytes.length - lost)]]));
      const whole = damaged.fork({ keep: "all" });
      const { kept } = await DB.repair(PATH, { fileSystem: whole });
      for (let at = 1; at <= whole.operations; at++) {
        const disk = damaged.fork({ keep: "all" });
        disk.cutPowerAt(at);
        await DB.repair(PATH, { fileSystem: disk }).catch(() => {});
        const after = disk.crash({ keep: "all" });
        assert.equal((await DB.repair(PATH, { fileSystem: after })).kept, kept, `${lost} bytes lost, killed at ${at}`);
        cuts++;
      }
    }
    assert.ok(cuts > 50);
  });

  it("reads a segment that the manifest has lost, though its first record is damaged; and no open removes it", async () => {
    const specimen = await makeSpecimen("killed", { closed: false });
    const [manifest, edits] = [...specimen.files].find(([each]) => each.startsWith("MANIFEST"))!;
    const log = openLogOf(specimen);
    const records = specimen.files.get(log)!.slice();
    const [first, ...later] = commitsIn(records, log);
    records[first!.offset + 20]! ^= 1;
    const disk = await diskOf(
      new Map([...specimen.files, [manifest, edits.slice(0, edits.length - 1)], [log, records]]),
    );
    await assert.rejects(DB.open(PATH, optionsFor(disk)), { name: "CorruptionError", file: log });
    const { lost } = await DB.repair(PATH, { fileSystem: disk });
    assert.ok(lost.some(({ start, end, detail }) => start === undefined && end === undefined && detail.includes(log)));
    const { spaces } = await pictureAfter(disk);
    const kept = new Map(spaces.get("")!);
    const wanted = new Map(specimen.pictures.get(specimen.version)!.spaces.get("")!);
    const versions = new Set(later.map(({ version }) => version));
    const behind = [...wanted].filter(([, text]) => versions.has(versionOf(text)));
    assert.ok(behind.length > 3);
    for (const [key, text] of behind) assert.equal(kept.get(key), text);
  });

  for (const also of [["log"], ["log", "sst"], []]) {
    it(`doesn't go by a marker of another database ${also.length > 0 ? `that came with its .${also.join(", .")}` : ""}`, async () => {
      const specimen = await makeSpecimen("closed", { closed: true });
      const foreign = await makeSpecimen("foreign", { closed: true, id: 1000 });
      const names = also.map((end) => [...specimen.files.keys()].find((name) => name.endsWith(end))!);
      const disk = await diskOf(
        new Map([...specimen.files, ...["CURRENT", ...names].map((name) => [name, foreign.files.get(name)!] as const)]),
      );
      await DB.repair(PATH, { fileSystem: disk });
      const { spaces } = await pictureAfter(disk);
      const wanted = specimen.pictures.get(specimen.version)!.spaces;
      if (!also.includes("sst")) assert.deepEqual(spaces, wanted);
      else assert.ok(spaces.get("")!.length > 20);
    });
  }

  it("doesn't take a young database for that of a foreign manifest in it", async () => {
    const files = async (id: number): Promise<Map<string, Uint8Array>> => {
      const disk = memoryFileSystem();
      const db = await DB.open(PATH, optionsFor(disk, id));
      await db.set("whose", id);
      await db.close();
      return await filesOn(disk);
    };
    const [mine, theirs] = [await files(1), await files(2)];
    const name = [...mine.keys()].find((each) => each.startsWith("MANIFEST"))!;
    const disk = await diskOf(new Map([...mine, [name, theirs.get(name)!]]));
    await DB.repair(PATH, { fileSystem: disk });
    const db = await DB.open(PATH, optionsFor(disk));
    assert.equal(await db.get("whose"), 1);
    await db.close();
  });

  it("leaves keys bytes when only the marker is lost", async () => {
    const disk = memoryFileSystem();
    const db = await DB.open(PATH, { ...optionsFor(disk), keyEncoding: "bytes" });
    await db.set(new Uint8Array([255, 0]), 1);
    await db.close();
    await disk.remove(`${PATH}/CURRENT`);
    await DB.repair(PATH, { fileSystem: disk });
    const repaired = await DB.open(PATH, { ...optionsFor(disk), keyEncoding: "bytes" });
    assert.equal(await repaired.get(new Uint8Array([255, 0])), 1);
    await repaired.close();
  });

  it("mends a database of which only log kept for changes() is damaged", async () => {
    const specimen = await makeSpecimen("closed", { closed: true });
    const [name, bytes] = [...specimen.files].find(([each]) => each.endsWith(".log"))!;
    const disk = await diskOf(new Map([...specimen.files, [name, bytes.slice(0, 100)]]));
    const { lost, setAside } = await DB.repair(PATH, { fileSystem: disk });
    assert.deepEqual(lost, []);
    assert.ok(setAside.includes(name));
    assert.deepEqual(await pictureAfter(disk), specimen.pictures.get(specimen.version));
  });

  it("gives no namespace the entries of another whose name is lost, but the other a name", async () => {
    const disk = memoryFileSystem();
    const options = { ...optionsFor(disk), history: { maxBytes: 0 } };
    const db = await DB.open(PATH, options);
    for (let i = 0; i < 40; i++) await db.namespace("secret").set(`k${i}`, `secret ${i}`.repeat(8));
    await db.namespace("secret").namespace("inner").set("deep", 1);
    await db.compact();
    await db.close();
    const files = await filesOn(disk);
    let renamed = 0;
    for (const name of [...files.keys()].filter((each) => each.endsWith(".sst"))) {
      const copy = await diskOf(files);
      await overwrite(copy, name, (bytes) => bytes.map((byte, at) => at === 70 ? byte ^ 1 : byte));
      const { lost } = await DB.repair(PATH, { fileSystem: copy });
      const repaired = await DB.open(PATH, optionsFor(copy));
      assert.equal(await repaired.namespace("new").count(), 0);
      await repaired.namespace("new").set("mine", 1);
      assert.equal(await repaired.namespace("new").count(), 1);
      if (!repaired.namespaces().includes("secret")) {
        renamed++;
        assert.ok(await repaired.namespace("recovered-4").count() > 30);
        assert.ok(lost.some(({ detail }) => detail.includes('"recovered-4"')));
      }
      await repaired.close();
    }
    assert.equal(renamed, 1);
  });

  it("gives no bounds where what may be lost lies in several key spaces", () => {
    const bytes = (text: string): Uint8Array => Uint8Array.from(text, (each) => each.charCodeAt(0));
    const keysOf = (start: string, end: string): unknown => {
      const lost = [{ start: bytes(start), end: bytes(end), detail: "damaged" }];
      return repairReport({ kept: 0, lost, setAside: [] }).lost[0];
    };
    assert.deepEqual(keysOf("\x00a", "\x00b"), { start: "a", end: "b", detail: "damaged" });
    assert.deepEqual(keysOf("\x04a", "\x04b"), { start: "a", end: "b", detail: "damaged" });
    for (const [start, end] of [["\x00z", "\x01\x03newb"], ["\x00z", "\x04a"], ["\x01\x03newa", "\x04a"]]) {
      assert.deepEqual(keysOf(start!, end!), { detail: "damaged" });
    }
    assert.deepEqual(keysOf("\x02\x00log", "\x02\x00more"), { detail: "damaged" });
  });
});

async function filesOn(disk: MemoryFileSystem): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of await disk.list(PATH)) {
    if (!name.startsWith("LOCK")) files.set(name, await readFile(disk, `${PATH}/${name}`, Infinity));
  }
  return files;
}

async function openSpecimen(): Promise<{ db: DB; disk: MemoryFileSystem; specimen: Specimen }> {
  const specimen = await makeSpecimen("closed", { closed: true });
  const disk = await diskOf(specimen.files);
  const db = await DB.open(PATH, optionsFor(disk));
  await db.set("one more", 1);
  // So that the manifest has more than one edit.
  await db.compact();
  return { db, disk, specimen };
}
