/**
 * `prune`, `copy`.
 *
 * @module
 */
import type { PruneReport } from "../../backup/repository/mod.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { UsageError } from "../core/exit_code.ts";
import { RETENTION_OPTIONS, retentionOf } from "../core/policy.ts";
import { inShellWords } from "../core/wording.ts";
import { confirm } from "../core/prompt.ts";
import {
  ENCRYPT,
  openRepository,
  READ_ONLY,
  REPOSITORY,
  REPOSITORY_OPTIONS,
  TIME_ZONE,
  TRANSFER_OPTIONS,
} from "../core/repository.ts";
import { secretOptions } from "../core/secrets.ts";
import { showBytes, showCounted, showDuration } from "../output/figures.ts";
import { printRanges } from "../output/reports.ts";
import { YES } from "./entries.ts";

/** `prune` */
export const prune: CommandSpec = {
  name: "prune",
  summary: "Remove the backups that a policy does not keep, or one backup",
  details:
    "The rules form a union; a backup stays when any of them wants it, and what it needs stays with it. Pinned backups, the " +
    "newest that restores and the newest proven one stay in any case. It shows what goes and asks first. Objects that " +
    "others may still use are marked, and go with a later pruning.",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [
    ...RETENTION_OPTIONS,
    { name: "backup", short: "b", kind: "text", value: "ID", help: "remove this one; refused while another needs it" },
    { name: "dry-run", kind: "flag", help: "say what would go and why the rest stays, change nothing" },
    YES,
    TIME_ZONE,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [
    { line: "prune ./backups --keep-daily 7 --keep-weekly 4 --dry-run", does: "say what these rules would remove" },
    { line: "prune ./backups --policy standard --yes", does: "a week of days, four weeks, a year of months" },
    { line: "prune ./backups --backup 2026-11-26", does: "remove one backup" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [place = ""] = call.words;
    const policy = retentionOf(call);
    const id = given.text("backup");
    const dryRun = given.flag("dry-run");
    if ((policy === undefined) === (id === undefined)) {
      throw new UsageError(
        "give rules of what to keep (--keep-daily 7, --policy standard, ...), or --backup ID to remove one",
      );
    }
    if (id !== undefined && dryRun) {
      throw new UsageError("--dry-run goes with rules; of one backup there is nothing to weigh");
    }
    await using repo = await openRepository(call, place, { write: !dryRun });
    if (id !== undefined) {
      await confirm(call, `Remove backup ${id} from ${place}?`);
      const report = await repo.delete(id, { signal: io.signal, onProgress: out.progress("prune") });
      out.endProgress();
      return await out.result(report, () => done(call, report));
    }
    const signal = io.signal;
    const plan = await repo.prune(policy!, { dryRun: true, signal });
    const going = plan.backups.filter(({ keep }) => !keep);
    if (dryRun) return await out.result(plan, () => show(call, plan));
    if (going.length > 0 && !given.flag("yes")) {
      if (!out.json) await show(call, plan);
      await confirm(call, `Remove ${showCounted(going.length, "backup")} of ${plan.backups.length} from ${place}?`);
    }
    const report = await repo.prune(policy!, { signal, onProgress: out.progress("prune") });
    out.endProgress();
    await out.result(report, () => done(call, report));
  },
};

async function show(call: Call, report: PruneReport): Promise<void> {
  const { out } = call;
  await out.table(
    [{ title: "ID" }, { title: "" }, { title: "WHY", narrow: "wrap" }],
    report.backups.map(({ id, keep, reasons }) => [
      out.paint("name", id),
      keep ? out.paint("good", "stays") : out.paint("bad", "goes"),
      inShellWords(reasons.join(", "), call),
    ]),
  );
  const { log, points } = report;
  const gone = log.filter(({ keep }) => !keep).length;
  await out.sentences([`\nOf ${showCounted(log.length, "log object")} ${gone} would go. What can be restored then:\n`]);
  await printRanges(out, points.after);
}

async function done({ out }: Call, report: PruneReport): Promise<void> {
  const gone = report.backups.filter(({ keep }) => !keep);
  const pending = report.pendingBytes === 0 ? "" : `; ${showBytes(report.pendingBytes)} go with a later pruning`;
  await out.sentences([
    `removed ${showCounted(gone.length, "backup")}, ${showCounted(report.objects, "object")} and ` +
    `${showCounted(report.logObjects, "log object")}: ${showBytes(report.freedBytes)} are free${pending}`,
  ]);
}

/** `copy` */
export const copy: CommandSpec = {
  name: "copy",
  summary: "Copy backups and log into another repository",
  details:
    "What is there already is not sent again. The other repository is made where there is none; it may be encrypted " +
    "when this one is not, with a key of its own.",
  group: "Care of backups",
  args: [
    { ...REPOSITORY, name: "FROM", help: "the repository to copy: a directory or an address" },
    { ...REPOSITORY, name: "TO", help: "the other one" },
  ],
  options: [
    { name: "backup", short: "b", kind: "text", value: "ID", many: true, help: "only this backup, with what it needs" },
    { ...ENCRYPT, help: "encrypt the other repository when it is made" },
    READ_ONLY,
    ...REPOSITORY_OPTIONS,
    ...secretOptions("to-"),
    {
      name: "to-store",
      kind: "text",
      value: "NAME=VALUE",
      many: true,
      help: "an option of the other one's object store",
    },
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    { line: "copy ./backups s3://my-backups/shop", does: "all of it into a bucket" },
    { line: "copy ./backups /media/disk/backups --backup 2026-11-26", does: "one backup to another disk" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [from = "", to = ""] = call.words;
    const backups = given.list("backup");
    await using repo = await openRepository(call, from, { write: !given.flag("read-only") });
    await using other = await openRepository(call, to, { write: true, create: true, whose: "to-" });
    const report = await repo.copyTo(other, {
      ...(backups.length === 0 ? {} : { backups }),
      signal: io.signal,
      onProgress: out.progress("copy"),
    });
    out.endProgress();
    await out.result(report, () =>
      out.sentences([
        `copied ${showCounted(report.backups.length, "backup")}, ${showCounted(report.objects, "object")} and ` +
        `${showCounted(report.logObjects, "log object")}: ${showBytes(report.storedBytes)} in ` +
        `${showDuration(report.durationMs)}; ${showCounted(report.reused, "object")} were there already`,
      ]));
  },
};
