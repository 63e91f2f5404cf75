/** Damage that once went unnoticed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { DELETED, overwrite } from "./beneath.ts";
import { diskOf, recordsOf } from "./judge.ts";
import { openLogOf } from "./faults.ts";
import { all } from "../db/helpers.ts";
import { makeSpecimen, optionsFor, PATH } from "./specimen.ts";

describe("log that is kept for changes()", () => {
  it("is missed when it was cut between two commits, by changes() and by verify()", async () => {
    const specimen = await makeSpecimen("closed", { closed: true });
    const [name, bytes] = [...specimen.files].find(([each]) => each.endsWith(".log"))!;
    const records = recordsOf(bytes, name);
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

async function openSpecimen() {
  const specimen = await makeSpecimen("closed", { closed: true });
  const disk = await diskOf(specimen.files);
  const db = await DB.open(PATH, optionsFor(disk));
  await db.set("one more", 1);
  // So that the manifest has more than one edit.
  await db.compact();
  return { db, disk, specimen };
}
