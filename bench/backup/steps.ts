/**
 * The steps of one round of the comparison, in the order in which they run.
 *
 * ```
 * loaded databases -> full backups, exports -> 104 MB changed in both -> incrementals -> restores
 *                  -> twice more: 104 MB changed, incrementals -> logs replayed
 * ```
 *
 * Every round starts new repositories over the databases as they were loaded. One change is not enough to compare
 * incrementals: what LevelDB has moved by merging its tables, which tools for files store again, comes with the later ones.
 * What a step writes goes into a folder named after it, and away after the last step that needs it.
 *
 * @module
 */
import type { Task } from "./jobs/job.ts";

/** One step of a round. */
export interface Step {
  /** Name in options, results and of the folder: what is done, and with what. */
  id: string;
  /** Title in the table; a step without one prepares others and is not measured. */
  title?: string;
  /** The job, as `module.name`. */
  job: string;
  /** The step or loaded database whose folder it reads. */
  source: string;
  /** The step whose folder it writes to, when that is not its own. */
  into?: string;
  /** Steps that must have run. */
  needs?: readonly string[];
  /** Which change, for those that make one. */
  generation?: number;
  /** Options of the call. */
  options?: Task["options"];
  /** Entries or records, when not those changed. */
  count?: number;
}

/** How many commits the log has that is replayed. */
export const LOG_RECORDS = 50_000;

const LINKED = { link: "auto", verify: false };
const COPIED = { link: "never", verify: false };

/** What the names of a round's incrementals end with: each backs up another 104 MB. */
export const CHANGES = ["", "-2", "-3"] as const;

const ORDINALS = ["first", "second", "third"];

/** The `n`th change of both databases, and the incrementals behind it, each after the one before. */
function changeAndBackUp(n: number): Step[] {
  const name = (what: string): string => what + CHANGES[n - 1];
  const title = (tool: string): string => `${ORDINALS[n - 1]} incremental: ${tool}`;
  const change = (what: string): Step => ({
    id: name(`change.${what}`),
    job: `${what}.change`,
    source: what,
    generation: n,
  });
  return [
    change("holdfast"),
    change("level"),
    {
      id: name("incremental.holdfast"),
      title: title("holdfast"),
      job: "holdfast.backup",
      source: "holdfast",
      into: "full.holdfast",
      needs: [name("change.holdfast")],
      options: { type: "incremental" },
    },
    {
      id: name("incremental.borg"),
      title: title("borg lz4"),
      job: "tools.borgBackup",
      source: "level",
      into: "full.borg",
      needs: [name("change.level")],
    },
    {
      id: name("incremental.restic"),
      title: title("restic"),
      job: "tools.resticBackup",
      source: "level",
      into: "full.restic",
      needs: [name("change.level")],
    },
  ];
}

/** All steps. */
export const STEPS: readonly Step[] = [
  {
    id: "export.link",
    title: "export, linked, not verified",
    job: "holdfast.exportTo",
    source: "holdfast",
    options: LINKED,
  },
  {
    id: "export.link-verified",
    title: "export, linked (defaults)",
    job: "holdfast.exportTo",
    source: "holdfast",
  },
  { id: "export.cp", title: "cp -r of the files exported", job: "tools.copy", source: "export.link" },
  {
    id: "export.copy",
    title: "export, copied, not verified",
    job: "holdfast.exportTo",
    source: "holdfast",
    options: COPIED,
  },
  {
    id: "export.copy-verified",
    title: "export, copied, verified",
    job: "holdfast.exportTo",
    source: "holdfast",
    options: { link: "never" },
  },
  { id: "export.cp-level", title: "cp -r of LevelDB", job: "tools.copy", source: "level" },
  { id: "export.sqlite", title: "node:sqlite backup()", job: "sqlite.backup", source: "sqlite" },
  { id: "export.lmdb", title: "lmdb backup()", job: "lmdb.backup", source: "lmdb" },

  { id: "full.tar", title: "full: tar, zstd -1 of LevelDB", job: "tools.tar", source: "level" },
  {
    id: "full.holdfast",
    title: "full: holdfast (defaults: tables as they are, of zstd blocks)",
    job: "holdfast.backup",
    source: "holdfast",
    options: { id: "full", type: "full" },
  },
  { id: "full.borg", title: "full: borg lz4 of LevelDB", job: "tools.borgBackup", source: "level" },
  { id: "full.restic", title: "full: restic of LevelDB", job: "tools.resticBackup", source: "level" },

  ...changeAndBackUp(1),

  {
    id: "restore.restic",
    title: "restore: restic",
    job: "tools.resticRestore",
    source: "full.restic",
    needs: ["incremental.restic"],
  },
  {
    id: "restore.holdfast",
    title: "restore: holdfast, verified (defaults)",
    job: "holdfast.restore",
    source: "full.holdfast",
    needs: ["incremental.holdfast"],
  },
  {
    id: "restore.holdfast-full",
    title: "restore: holdfast, verified, the full backup alone",
    job: "holdfast.restore",
    source: "full.holdfast",
    options: { backupId: "full" },
  },
  {
    id: "restore.borg",
    title: "restore: borg",
    job: "tools.borgRestore",
    source: "full.borg",
    needs: ["incremental.borg"],
  },
  { id: "restore.cp", title: "restore: cp -r of LevelDB", job: "tools.copy", source: "export.cp-level" },
  { id: "restore.tar", title: "restore: zstd, tar", job: "tools.untar", source: "full.tar" },
  {
    id: "restore.restic-verified",
    title: "restore: restic --verify",
    job: "tools.resticRestore",
    source: "full.restic",
    needs: ["incremental.restic"],
    options: { verify: true },
  },
  { id: "code.holdfast", title: "loading the code of backups: holdfast", job: "holdfast.loadCode", source: "" },
  { id: "restore.checked", job: "holdfast.check", source: "restore.holdfast", count: 0 },

  {
    id: "snapshot.holdfast",
    title: "snapshot: holdfast",
    job: "holdfast.backup",
    source: "holdfast",
    into: "full.holdfast",
    needs: ["change.holdfast"],
    options: { type: "snapshot" },
  },
  {
    id: "snapshot.restore",
    title: "restore: holdfast, verified, the snapshot",
    job: "holdfast.restore",
    source: "full.holdfast",
    needs: ["snapshot.holdfast"],
  },

  ...changeAndBackUp(2),
  ...changeAndBackUp(3),

  { id: "log.level", job: "level.fillLogAndDie", source: "", count: LOG_RECORDS },
  { id: "log.holdfast", job: "holdfast.fillLogAndDie", source: "", count: LOG_RECORDS },
  { id: "log.first", job: "holdfast.commits", source: "", count: 1 },
  { id: "log.full", job: "holdfast.backup", source: "log.first", options: { type: "full" } },
  { id: "log.more", job: "holdfast.commits", source: "log.first", needs: ["log.full"], count: LOG_RECORDS },
  {
    id: "log.incremental",
    job: "holdfast.backup",
    source: "log.first",
    into: "log.full",
    needs: ["log.more"],
    options: { type: "incremental" },
  },
  {
    id: "replay.level",
    title: "50,000 records: LevelDB reopens after a kill",
    job: "level.reopen",
    source: "log.level",
    count: LOG_RECORDS,
  },
  {
    id: "replay.holdfast",
    title: "50,000 records: holdfast reopens after a kill",
    job: "holdfast.reopen",
    source: "log.holdfast",
    count: LOG_RECORDS,
  },
  {
    id: "replay.restore",
    title: "50,000 records: holdfast restores them",
    job: "holdfast.restore",
    source: "log.full",
    needs: ["log.incremental"],
  },
];

/** The steps that `words` ask for, with those that they need, in order. A word is an id or a part of one at a dot. */
export function chosenSteps(words: readonly string[] | undefined): Step[] {
  const chosen = new Set<string>();
  const choose = (step: Step): void => {
    if (chosen.has(step.id)) return;
    chosen.add(step.id);
    for (const id of [step.source, step.into, ...step.needs ?? []]) {
      const needed = STEPS.find((other) => other.id === id);
      if (needed !== undefined) choose(needed);
    }
  };
  for (const word of words ?? STEPS.map(({ id }) => id)) {
    const steps = STEPS.filter(({ id }) => id === word || id.split(".").includes(word));
    if (steps.length === 0) throw new TypeError(`Nothing is called "${word}"; there are: ${known().join(" ")}`);
    for (const step of steps) choose(step);
  }
  return STEPS.filter(({ id }) => chosen.has(id));
}

/** The names that `--only` takes. */
export function known(): string[] {
  return [...new Set(STEPS.filter(({ title }) => title !== undefined).flatMap(({ id }) => [id.split(".")[0]!, id]))];
}
