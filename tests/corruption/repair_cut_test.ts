/** The power goes, or a call fails, at every file operation of a repair; run again it comes to the same end. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { HoldfastError, IOError } from "../../lib/base/errors.ts";
import type { MemoryFileSystem, Operation } from "../../lib/files/memory/memory_file_system.ts";
import { LONG, randomFrom, SEED } from "../crash/random.ts";
import { type Fault, faultsOf, kindOf } from "./faults.ts";
import { diskOf, filesAfter } from "./judge.ts";
import { assertSetAside, goOn, pictureAfter } from "./repair_judge.ts";
import { makeSpecimen, PATH, type Specimen } from "./specimen.ts";

/** In the short form the power goes at every so many-th operation. */
const EVERY = LONG ? 1 : 3;

/** One flip in the middle of a file of each kind, and each marker and manifest removed. */
function* harms(specimen: Specimen, foreign: Specimen): Generator<Fault> {
  const seen = new Set<string>();
  for (const fault of faultsOf(specimen, foreign)) {
    const [name] = [...fault.files.keys()];
    const kind = kindOf(name!);
    const wanted = fault.kind === "stretch" || fault.kind === "gone" && ["marker", "manifest"].includes(kind);
    if (!wanted || seen.has(`${kind} ${fault.kind}`)) continue;
    seen.add(`${kind} ${fault.kind}`);
    yield fault;
  }
}

describe("DB.repair() that is interrupted", () => {
  it("comes to the same end when it is run again, at whichever file operation it ended", async () => {
    const specimen = await makeSpecimen("killed", { closed: false });
    const foreign = await makeSpecimen("foreign", { closed: false, id: 1000 });
    const counts = { cuts: 0, failures: 0, operations: 0 };
    for (const fault of harms(specimen, foreign)) {
      const damaged = await diskOf(filesAfter(specimen, fault));
      const whole = damaged.fork({ keep: "all" });
      const expected = { ...await DB.repair(PATH, { fileSystem: whole }), picture: await pictureAfter(whole) };
      counts.operations += whole.operations;
      for (let at = 1; at <= whole.operations; at += EVERY) {
        for (const how of LONG ? ["none", "all", "random", "failure"] as const : [HOWS[at % HOWS.length]!]) {
          const what = `${fault.what}, ${how} at operation ${at}, HOLDFAST_SEED=${SEED}`;
          try {
            const disk = await interrupted(damaged, at, how);
            counts[how === "failure" ? "failures" : "cuts"]++;
            const report = await DB.repair(PATH, { fileSystem: disk });
            assert.equal(report.kept, expected.kept);
            assert.deepEqual(await pictureAfter(disk), expected.picture);
            await assertSetAside(disk, fault, expected);
            const again = await DB.repair(PATH, { fileSystem: disk });
            assert.deepEqual(again, { kept: expected.kept, lost: [], setAside: [] });
            await goOn(disk, expected.picture);
          } catch (error) {
            throw new Error(`${what}: ${error}`, { cause: error });
          }
        }
      }
    }
    console.log(`${counts.cuts} cuts, ${counts.failures} failures at ${counts.operations} operations of repairs`);
  });
});

const HOWS = ["none", "all", "random", "failure"] as const;

/** The disk after a repair that ended at an operation. */
async function interrupted(
  damaged: MemoryFileSystem,
  at: number,
  how: (typeof HOWS)[number],
): Promise<MemoryFileSystem> {
  const fail = ({ index, mutates, path }: Operation): void => {
    if (mutates && index === at) throw new IOError(`Cannot write ${path}: the disk fails (EIO)`, { path });
  };
  const disk = damaged.fork({ keep: "all" }, how === "failure" ? { beforeOperation: fail } : {});
  if (how !== "failure") disk.cutPowerAt(at);
  // A call that fails while the old files are removed is no reason for repair to fail.
  await DB.repair(PATH, { fileSystem: disk }).catch((error) => assert.ok(error instanceof HoldfastError, `${error}`));
  return how === "failure" ? disk.fork({ keep: "all" }) : disk.crash({ keep: how, random: randomFrom(SEED, at) });
}
