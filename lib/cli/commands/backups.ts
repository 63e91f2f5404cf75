/**
 * Looking at what a repository has: `backups`, `points`, `estimate`, `history`; and `pin`, `unpin`.
 *
 * @module
 */
import type { BackupFilter } from "../../backup/repository/mod.ts";
import type { BackupType } from "../../backup/info.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { CommandFailure, UsageError } from "../core/exit_code.ts";
import type { ArgumentSpec, OptionSpec } from "../core/option_spec.ts";
import { HISTORY_OPTIONS, historyOf, POINT_OPTIONS, pointOf, wholeIds } from "../core/point.ts";
import { KEYLESS, openRepository, REPOSITORY, REPOSITORY_OPTIONS } from "../core/repository.ts";
import { shellWord } from "../core/places.ts";
import { PROGRAM_NAME } from "../version.ts";
import { showKey } from "../output/entries.ts";
import { showBytes, showCount, showCounted, showDuration, showTime } from "../output/figures.ts";
import { jsonLine } from "../output/json.ts";
import { printBackup, printBackups, printRanges } from "../output/reports.ts";
import { LABEL, labelsOf } from "./backup.ts";

const SPAN: readonly OptionSpec[] = [
  { name: "from", kind: "time", help: "only states of this time or later" },
  { name: "to", kind: "time", help: "only states of this time or earlier" },
];

function spanOf({ given }: Call): { from?: number; to?: number } {
  const [from, to] = [given.number("from"), given.number("to")];
  return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** `backups` */
export const backups: CommandSpec = {
  name: "backups",
  summary: "List the backups of a repository, or show one",
  details:
    "The oldest comes first, by version. ADDED is what a backup added to the repository; SIZE counts what it shares too.",
  group: "Backups",
  args: [REPOSITORY, { name: "ID", help: "show all of this one", kind: "text", optional: true }],
  options: [
    { name: "type", kind: "choice", choices: ["full", "incremental", "snapshot"], help: "only of this type" },
    ...SPAN,
    ...HISTORY_OPTIONS,
    { ...LABEL, help: "only with this label" },
    { name: "latest", kind: "flag", help: "only the newest of them" },
    KEYLESS,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [
    { line: "backups ./backups", does: "list them" },
    { line: "backups ./backups 20261126T020000Z-5d3a1f00", does: "show all of one" },
    { line: "backups ./backups --latest --json | jq -r .id", does: "name the newest" },
  ],
  async run(call) {
    const { given, out } = call;
    const [place = "", id] = call.words;
    const type = given.choice<BackupType>("type");
    const labels = labelsOf(call);
    const filter: BackupFilter = {
      ...spanOf(call),
      ...historyOf(given),
      ...(type === undefined ? {} : { type }),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    };
    const latest = given.flag("latest");
    if (id !== undefined && (latest || Object.keys(filter).length > 0)) {
      throw new UsageError("give an id or a filter, not both");
    }
    await using repo = await openRepository(call, place, { write: false });
    if (id !== undefined) {
      const backup = await repo.get(id);
      if (backup === undefined) {
        throw new CommandFailure(
          `there is no backup ${showKey(id)} in ${place}\n  ${PROGRAM_NAME} backups ${shellWord(place)} lists them`,
        );
      }
      return await out.result(backup, () => printBackup(out, backup));
    }
    const all = await repo.list(await wholeIds(repo, filter));
    const found = latest ? all.slice(-1) : all;
    if (out.json) return await out.write(found.map(jsonLine).join(""));
    if (found.length === 0) out.note("no backups");
    else await printBackups(out, found);
  },
};

/** `points` */
export const points: CommandSpec = {
  name: "points",
  summary: "List the points in time that can be restored",
  details: "Each line is a range: every version inside restores exactly, and every time up to COVERED UNTIL.",
  group: "Backups",
  args: [REPOSITORY],
  options: [...SPAN, ...HISTORY_OPTIONS, KEYLESS, ...REPOSITORY_OPTIONS],
  examples: [{ line: "points ./backups", does: "list all ranges" }],
  async run(call) {
    const { given, out } = call;
    await using repo = await openRepository(call, call.words[0] ?? "", { write: false });
    const ranges = await repo.recoveryPoints({ ...spanOf(call), ...await wholeIds(repo, historyOf(given)) });
    if (out.json) return await out.write(ranges.map(jsonLine).join(""));
    if (ranges.length === 0) out.note("nothing can be restored");
    else await printRanges(out, ranges);
  },
};

/** `estimate` */
export const estimate: CommandSpec = {
  name: "estimate",
  summary: "Say what a restore would take, before it is needed",
  group: "Backups",
  args: [REPOSITORY],
  options: [...POINT_OPTIONS, ...REPOSITORY_OPTIONS],
  examples: [
    { line: "estimate ./backups", does: "for the newest state" },
    { line: "estimate ./backups --at '1d ago'", does: "for that of yesterday" },
  ],
  async run(call) {
    const { out, io } = call;
    await using repo = await openRepository(call, call.words[0] ?? "", { write: false });
    const found = await repo.estimate({ ...await wholeIds(repo, pointOf(call)), signal: io.signal });
    const { restores } = found.model;
    await out.result(found, () =>
      out.facts([
        ["state", `version ${found.version} of ${showTime(found.timestamp)}`],
        ["begins with", out.paint("name", found.backupId)],
        ["takes about", showDuration(found.durationMs)],
        ["fetches", `${showBytes(found.baseBytes)} of tables, ${showBytes(found.logBytes)} of log`],
        ["replays", showCounted(found.records, "commit")],
        ["requests", showCount(found.requests)],
        ["needs on disk", showBytes(found.requiredBytes)],
        [
          "rests on",
          restores === 0
            ? "assumed rates: nothing was restored yet"
            : showCounted(restores, "restore or drill", "restores and drills"),
        ],
      ]));
  },
};

/** `history` */
export const history: CommandSpec = {
  name: "history",
  summary: "Show what was done with a repository: its audit log",
  group: "Care of backups",
  args: [REPOSITORY],
  options: [
    { name: "last", short: "l", kind: "count", help: "only the newest so many" },
    KEYLESS,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [{ line: "history ./backups --last 20", does: "the last twenty things that were done" }],
  async run(call) {
    const { out, given } = call;
    await using repo = await openRepository(call, call.words[0] ?? "", { write: false });
    const last = given.number("last") ?? Infinity;
    const entries = last === 0 ? [] : (await repo.history()).slice(-last);
    if (out.json) return await out.write(entries.map(jsonLine).join(""));
    await out.table(
      [
        { title: "NO", align: "right" },
        { title: "WHEN" },
        { title: "WHAT" },
        { title: "RESULT" },
        { title: "DETAILS", narrow: "wrap" },
      ],
      entries.map(({ seq, at, action, result, detail }) => [
        String(seq),
        showTime(at),
        action,
        out.paint(result === "ok" ? "good" : "bad", result),
        Object.entries(detail).map(([name, value]) => showKey(`${name}=${value}`)).join(" "),
      ]),
    );
  },
};

const IDS: ArgumentSpec = { name: "ID", help: "the backups", kind: "text", many: true };

/** `pin` */
export const pin: CommandSpec = {
  name: "pin",
  summary: "Keep backups from being pruned",
  group: "Backups",
  args: [REPOSITORY, IDS],
  options: [...REPOSITORY_OPTIONS],
  examples: [{ line: "pin ./backups before-migration", does: "keep this backup whatever the policy says" }],
  run: (call) => setPins(call, true),
};

/** `unpin` */
export const unpin: CommandSpec = {
  name: "unpin",
  summary: "Let pinned backups be pruned again",
  group: "Backups",
  args: [REPOSITORY, IDS],
  options: [...REPOSITORY_OPTIONS],
  examples: [{ line: "unpin ./backups before-migration", does: "let the policy decide again" }],
  run: (call) => setPins(call, false),
};

async function setPins(call: Call, pinned: boolean): Promise<void> {
  const [place = "", ...ids] = call.words;
  const did = pinned ? "pinned" : "unpinned";
  await using repo = await openRepository(call, place, { write: true });
  const set = (id: string): Promise<void> => pinned ? repo.pin(id) : repo.unpin(id);
  // All are looked for before the first is touched: a slip in one id, which is told, leaves nothing half done. One that can't
  // be read is there all the same.
  const isMissing = (id: string): Promise<boolean> => repo.get(id).then((backup) => backup === undefined, () => false);
  for (const id of ids) if (await isMissing(id!)) await set(id!);
  const done: string[] = [];
  try {
    for (const id of ids) {
      await set(id!);
      done.push(id!);
    }
  } catch (error) {
    if (done.length > 0 && !call.out.json) call.out.note(`${did} ${done.join(", ")} before that`);
    throw error;
  }
  await call.out.result({ ids, pinned }, () => call.out.note(`${did} ${ids.join(", ")}`));
}
