/**
 * `repair`.
 *
 * @module
 */
import type { RepositoryRepairReport } from "../../backup/repository/mod.ts";
import { DB } from "../../db/db.ts";
import type { RepairReport } from "../../db/repair.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { EXIT, UsageError } from "../core/exit_code.ts";
import { expectKind } from "../core/places.ts";
import { confirm } from "../core/prompt.ts";
import {
  KIND,
  kindOf,
  openRepository,
  PLACE,
  refuseRepositoryOptions,
  REPOSITORY_OPTIONS,
} from "../core/repository.ts";
import { showKey } from "../output/entries.ts";
import { showCount, showCounted } from "../output/figures.ts";
import { codeFor } from "../output/output.ts";
import { printRanges } from "../output/reports.ts";
import { YES } from "./entries.ts";

/** `repair` */
export const repair: CommandSpec = {
  name: "repair",
  summary: "Save what can be saved of a damaged database or repository",
  details:
    "All that verifies is kept, what is damaged is set aside and never removed, and all that is lost is said. It says so " +
    "before anything is done, and asks; a repository of which nothing is damaged needs no answer. Where something is lost it ends with exit code 3.",
  group: "Databases",
  args: [PLACE],
  options: [
    { name: "dry-run", kind: "flag", help: "say what would be done, change nothing" },
    YES,
    {
      name: "key-encoding",
      kind: "choice",
      choices: ["utf8", "bytes"],
      help: "of a database: what keys are, where nothing that says so is left",
    },
    KIND,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [
    { line: "repair ./data --dry-run", does: "say what is lost of a database" },
    { line: "repair ./backups", does: "mend a repository, after a question" },
  ],
  async run(call) {
    const [place = ""] = call.words;
    return await kindOf(call, place) === "database"
      ? await repairDatabase(call, place)
      : await repairBackups(call, place);
  },
};

async function repairDatabase(call: Call, path: string): Promise<number> {
  const { given, out, io } = call;
  refuseRepositoryOptions(call, [], `${path} is a database`);
  await expectKind(call, path, "a database");
  const keyEncoding = given.choice<KeyEncoding>("key-encoding");
  const work = async (dryRun: boolean): Promise<RepairReport> => {
    const report = await DB.repair(path, {
      dryRun,
      ...(keyEncoding === undefined ? {} : { keyEncoding }),
      signal: io.signal,
      onProgress: out.progress("repair"),
      fileSystem: io.fileSystem,
    });
    out.endProgress();
    return report;
  };
  const show = (report: RepairReport, done: boolean): Promise<void> => showDatabase(call, report, done);
  return await weighed(
    call,
    `Repair ${path} and set its damaged files aside?`,
    work,
    show,
    ({ lost }) => lost.length === 0,
  );
}

async function repairBackups(call: Call, place: string): Promise<number> {
  const { given, out, io } = call;
  if (given.isGiven("key-encoding")) {
    throw new UsageError(`--key-encoding is for databases, and ${place} is a repository`);
  }
  await using repo = await openRepository(call, place, { write: !given.flag("dry-run") });
  const work = async (dryRun: boolean): Promise<RepositoryRepairReport> => {
    const report = await repo.repair({ dryRun, signal: io.signal, onProgress: out.progress("repair") });
    out.endProgress();
    return report;
  };
  const nothingLost = ({ lostBackups, lostPoints }: RepositoryRepairReport): boolean =>
    lostBackups.length === 0 && lostPoints.length === 0;
  const isWhole = (plan: RepositoryRepairReport): boolean =>
    nothingLost(plan) && plan.repaired.length === 0 && plan.setAside.length === 0;
  const show = (report: RepositoryRepairReport, done: boolean): Promise<void> => showBackups(call, report, done);
  return await weighed(call, `Repair ${place}?`, work, show, nothingLost, isWhole);
}

/** Says what would be done, asks, does it, says what was done. */
async function weighed<R>(
  call: Call,
  question: string,
  work: (dryRun: boolean) => Promise<R>,
  show: (report: R, done: boolean) => Promise<void>,
  nothingLost: (report: R) => boolean,
  isWhole: (plan: R) => boolean = () => false,
): Promise<number> {
  const { given, out } = call;
  const dryRun = given.flag("dry-run");
  if (!dryRun && !given.flag("yes")) {
    const plan = await work(true);
    // Where nothing would be done there is nothing to ask.
    if (isWhole(plan)) {
      await out.result(plan, () => show(plan, true));
      return EXIT.done;
    }
    if (!out.json) await show(plan, false);
    await confirm(call, question);
  }
  const report = await work(dryRun);
  await out.result(report, () => show(report, !dryRun));
  return codeFor(nothingLost(report));
}

async function showDatabase({ out }: Call, { kept, lost, setAside }: RepairReport, done: boolean): Promise<void> {
  await out.facts([
    [done ? "kept" : "would keep", showCounted(kept, "entry", "entries")],
    // A dry run does not say which files these would be.
    done ? ["set aside", setAside.length === 0 ? "nothing" : setAside.join(", ")] : undefined,
    [
      "lost",
      lost.length === 0
        ? out.paint("good", "nothing")
        : out.paint("bad", showCounted(lost.length, "range of keys", "ranges of keys")),
    ],
  ]);
  if (lost.length > 0) await out.line("");
  await out.table(
    lost.length === 0
      ? []
      : [{ title: "FROM KEY", narrow: "alone" }, { title: "TO KEY" }, { title: "WHY", narrow: "wrap" }],
    lost.map(({ start, end, detail }) => [
      start === undefined ? "(first)" : showKey(start),
      end === undefined ? "(last)" : showKey(end),
      detail,
    ]),
  );
}

async function showBackups({ out }: Call, report: RepositoryRepairReport, done: boolean): Promise<void> {
  const { repaired, lostBackups, lostPoints, setAside } = report;
  await out.facts([
    [done ? "put right" : "would put right", showCount(repaired.length)],
    done ? ["set aside", showCounted(setAside.length, "object")] : undefined,
    ["lost backups", showCount(lostBackups.length)],
    ["lost points", showCounted(lostPoints.length, "range")],
  ]);
  await out.sentences(repaired.map((what) => `${out.paint("good", "✓")} ${what}`));
  await out.sentences(lostBackups.map(({ id, detail }) => `${out.paint("bad", "✗")} ${id}: ${detail}`));
  if (lostPoints.length > 0) await printRanges(out, lostPoints);
}
