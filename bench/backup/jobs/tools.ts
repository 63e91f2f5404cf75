/**
 * What people back up directories with: `cp -r`, `tar | zstd -1`, borg with lz4, restic. Each as its manual has it, and
 * each result synced, so that none wins by leaving bytes in memory: borg and restic sync their own files, and the others
 * are given `sync` on every file and folder. Their passwords protect nothing here.
 *
 * `source` is the directory that is backed up, or to which it comes back; `target` is the repository or copy.
 *
 * @module
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import process from "node:process";
import { directoryBytes } from "../directory.ts";
import { requirePrograms, shell } from "../shell.ts";
import type { Job, Outcome, Task } from "./job.ts";

const RESTIC = { RESTIC_PASSWORD: "bench", RESTIC_PROGRESS_FPS: "0" };
const BORG = { BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: "yes", BORG_RELOCATED_REPO_ACCESS_IS_OK: "yes" };

/** The paths of a task, for the shell. */
function paths({ source, target }: Task): Record<string, string> {
  return { SOURCE: source, TARGET: target, ARCHIVE: `a${process.pid}` };
}

const SYNC_TARGET = `find "$TARGET" -exec sync {} +`;

async function adding(task: Task, work: () => Promise<Outcome>): Promise<Outcome> {
  const before = await directoryBytes(task.target);
  const outcome = await work();
  return { ...outcome, figures: { added: await directoryBytes(task.target) - before } };
}

/** `cp -r` of the directory. */
export const copy: Job = async (task) => {
  await requirePrograms("cp", "find", "sync");
  return await adding(
    task,
    () => shell(`cp -r "$SOURCE" "$TARGET"; ${SYNC_TARGET}`, dirname(task.source), paths(task)),
  );
};

/** `tar | zstd -1` of the directory into one file. */
export const tar: Job = async (task) => {
  await requirePrograms("tar", "zstd", "sync");
  const line = `tar -cf - -C "$SOURCE" . | zstd -1 -q -f -o "$TARGET"; sync "$TARGET"`;
  return await adding(task, () => shell(line, dirname(task.source), paths(task)));
};

/** The file of `tar` unpacked again. */
export const untar: Job = async (task) => {
  await requirePrograms("tar", "zstd", "sync");
  await mkdir(task.target);
  return await shell(`zstd -dc "$SOURCE" | tar -xf - -C "$TARGET"; ${SYNC_TARGET}`, task.target, paths(task));
};

/** A backup by restic; the first makes the repository, outside of the time. */
export const resticBackup: Job = async (task) => {
  await requirePrograms("restic");
  const environment = { ...RESTIC, ...paths(task) };
  if (await directoryBytes(task.target) === 0) await shell(`restic -q init -r "$TARGET"`, "/", environment);
  return await adding(task, () => shell(`restic -q -r "$TARGET" backup .`, task.source, environment));
};

/** The newest backup of restic, restored; with `options.verify` as it can check itself. */
export const resticRestore: Job = async (task) => {
  await requirePrograms("restic", "find", "sync");
  const verify = task.options["verify"] === true ? "--verify" : "";
  const line = `restic -q -r "$SOURCE" restore latest --target "$TARGET" ${verify}; ${SYNC_TARGET}`;
  return await shell(line, "/", { ...RESTIC, ...paths(task) });
};

/** A backup by borg with lz4; the first makes the repository, outside of the time. */
export const borgBackup: Job = async (task) => {
  await requirePrograms("borg");
  const environment = { ...BORG, ...paths(task) };
  if (await directoryBytes(task.target) === 0) await shell(`borg init -e none "$TARGET"`, "/", environment);
  return await adding(task, () => shell(`borg create -C lz4 "$TARGET::$ARCHIVE" .`, task.source, environment));
};

/** The newest backup of borg, extracted; it checks every chunk as it does. */
export const borgRestore: Job = async (task) => {
  await requirePrograms("borg", "find", "sync");
  await mkdir(task.target);
  const line = `borg extract "$SOURCE::$(borg list --last 1 --short "$SOURCE")"; ${SYNC_TARGET}`;
  return await shell(line, task.target, { ...BORG, ...paths(task) });
};
