/** Damage that comes while a database is open: what is read is right or an error, and verify() sees it before the next open. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { LONG, SEED } from "../crash/random.ts";
import { DELETED, overwrite } from "./beneath.ts";
import { type Fault, faultsOf } from "./faults.ts";
import { diskOf, judge, judgeOpen, learnHistory } from "./judge.ts";
import { makeSpecimen, optionsFor, PATH, type Specimen } from "./specimen.ts";

/** In the short form every so many-th fault is tried. */
const EVERY = LONG ? 1 : 5;

describe("a database whose files are damaged while it is open", () => {
  it("answers right or names what is damaged, and verify() tells of all that the next open would meet", async () => {
    const specimen = await makeSpecimen("closed", { closed: true });
    const foreign = await makeSpecimen("foreign", { closed: true, id: 1000 });
    await learnHistory(specimen);
    const counts = { seen: 0, harmless: 0 };
    let index = 0;
    for (const fault of faultsOf(specimen, foreign)) {
      if (index++ % EVERY !== 0) continue;
      // Files that were not there have no name to be told by.
      if ([...fault.files.keys()].some((name) => !specimen.files.has(name))) continue;
      try {
        counts[await beneath(specimen, fault, index % 2 === 0)]++;
      } catch (error) {
        throw new Error(`${fault.what}, while open, HOLDFAST_SEED=${SEED}: ${error}`, { cause: error });
      }
    }
    console.log(`while open: ${counts.seen} seen by verify(), ${counts.harmless} harmless; HOLDFAST_SEED=${SEED}`);
  });
});

async function beneath(specimen: Specimen, fault: Fault, warm: boolean): Promise<"seen" | "harmless"> {
  const disk = await diskOf(specimen.files);
  const db = await DB.open(PATH, optionsFor(disk, 200));
  try {
    // With tables and blob files open already, or still to be opened.
    if (warm) { for await (const _ of db.list()); }
    for (const [name, bytes] of fault.files) await overwrite(disk, name, () => bytes ?? DELETED);
    if (!await judgeOpen(db, specimen, fault)) return "seen";
  } finally {
    await db.close().catch(() => {});
  }
  const next = await judge(specimen, fault, { readOnly: true, locked: true });
  assert.equal(next, "right", "verify() says all is well, and the next open");
  return "harmless";
}
