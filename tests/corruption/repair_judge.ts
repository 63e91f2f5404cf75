/** Repairs a damaged specimen and judges what comes back. */
import assert from "node:assert/strict";
import { DB, type RepairReport } from "../../mod.ts";
import type { MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { SEED } from "../crash/random.ts";
import type { Fault } from "./faults.ts";
import { entryId, type Holdings, versionOf } from "./holdings.ts";
import { diskOf, filesAfter, metered, verdictOn } from "./judge.ts";
import { assertTags, type Picture, pictureOf, SPACES } from "./picture.ts";
import { optionsFor, PATH, type Specimen } from "./specimen.ts";

/** What came of a repair. */
export type Repaired = "all is back" | "something is lost" | "nothing was damaged";

/** Repairs after one fault; throws with the fault's name when that goes wrong. */
export async function judgeRepair(specimen: Specimen, holdings: Holdings, fault: Fault): Promise<Repaired> {
  try {
    const disk = await diskOf(filesAfter(specimen, fault));
    const report = await DB.repair(PATH, { fileSystem: metered(disk) });
    await assertSetAside(disk, fault, report);
    const picture = await pictureAfter(disk);
    const lost = compare(specimen, holdings, fault, picture, report);
    assert.deepEqual(
      await DB.repair(PATH, { fileSystem: disk }),
      { kept: report.kept, lost: [], setAside: [] },
      "the second repair",
    );
    await goOn(disk, picture);
    return lost ? "something is lost" : report.setAside.length > 0 ? "all is back" : "nothing was damaged";
  } catch (error) {
    throw new Error(`${specimen.name}, ${fault.what}, HOLDFAST_SEED=${SEED}: ${error}`, { cause: error });
  }
}

/** Everything that a repaired database holds; it must be sound. */
export async function pictureAfter(disk: MemoryFileSystem): Promise<Picture> {
  const db = await DB.open(PATH, { ...optionsFor(disk, 300), readOnly: true });
  try {
    assert.deepEqual((await db.verify()).problems, [], "after the repair");
    const picture = await pictureOf(db);
    await assertTags(db, picture);
    return picture;
  } finally {
    await db.close();
  }
}

/** What a repaired database holds takes writes and stays. */
export async function goOn(disk: MemoryFileSystem, picture: Picture): Promise<void> {
  const db = await DB.open(PATH, optionsFor(disk, 310));
  await db.set("a/000", "written afterwards", { tags: ["new"] });
  await db.delete("a/000");
  await db.compact();
  const now = await pictureOf(db);
  const before = structuredClone(picture);
  before.spaces.set("", before.spaces.get("")!.filter(([key]) => key !== "a/000"));
  assert.deepEqual(now, before, "after writing on");
  await assertTags(db, now);
  assert.ok((await db.verify()).ok);
  await db.close();
}

/** Damaged files lie aside as they were found. */
export async function assertSetAside(disk: MemoryFileSystem, fault: Fault, report: RepairReport): Promise<void> {
  const names = (await disk.list(PATH)).filter((name) => name.startsWith("damaged-"));
  if (report.setAside.length === 0) return assert.deepEqual(names, []);
  for (const [name, bytes] of fault.files) {
    if (bytes === undefined) continue;
    const found = [];
    for (const directory of names) {
      if (await disk.stat(`${PATH}/${directory}/${name}`) === undefined) continue;
      found.push(await readFile(disk, `${PATH}/${directory}/${name}`, Infinity));
    }
    assert.ok(found.some((each) => Buffer.compare(each, bytes) === 0), `${name} is not kept as it was`);
  }
}

/** Returns whether anything is lost. */
function compare(
  specimen: Specimen,
  holdings: Holdings,
  fault: Fault,
  picture: Picture,
  report: RepairReport,
): boolean {
  const renamed = picture.namespaces.filter((name) => name.startsWith("recovered-"));
  for (const name of renamed) {
    assert.ok(report.lost.some(({ detail }) => detail.includes(name)), `${name} is not reported`);
  }
  let anyLost = renamed.length > 0;
  const verdict = verdictOn(specimen, fault);
  const isReported = (key: string): boolean =>
    report.lost.some(({ start, end }) =>
      (start === undefined || String(start) <= key) && (end === undefined || key <= String(end))
    );
  for (const path of SPACES) {
    const wanted = new Map(specimen.pictures.get(specimen.version)!.spaces.get(path)!);
    const found = new Map(picture.spaces.get(path)!);
    const ever = new Set(
      [...specimen.pictures.values()].flatMap((each) => each.spaces.get(path)!.map(([key, text]) => `${key} ${text}`)),
    );
    for (const [key, text] of wanted) {
      if (found.get(key) === text) continue;
      const where = `${path} ${key} ${text}`;
      // A torn tail is no damage: commits that nothing proves to have been synced.
      if (verdict.opens === "must" && versionOf(text) > verdict.version) continue;
      anyLost = true;
      const places = holdings.get(entryId(path, key, versionOf(text)))!;
      const held = places.some((files) => files.every((name) => !fault.files.has(name)));
      assert.ok(!held, `${where} is gone, and lay in ${JSON.stringify(places)}`);
      assert.ok(isReported(key), `${where} is gone and not reported: ${JSON.stringify(report.lost)}`);
    }
    for (const [key, text] of found) {
      if (wanted.get(key) === text) continue;
      assert.ok(ever.has(`${key} ${text}`), `${path} ${key} ${text} never was`);
      if (verdict.opens === "must" && verdict.version < specimen.version) continue;
      anyLost = true;
      assert.ok(
        isReported(key),
        `${path} ${key} ${text} came back and is not reported: ${JSON.stringify(report.lost)}`,
      );
    }
  }
  return anyLost;
}
