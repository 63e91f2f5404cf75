/**
 * The code that a program's beginning does not wait for: export, backup and restore are half of it. It is loaded with the
 * first call that needs it, and from a second after a database was opened: a program that stays must not depend on files that
 * may be gone, or be those of another release, by the time that its backup is due.
 *
 * Loading it all at once would hold up the event loop for a tenth of a second and more. So it comes in steps, each of which
 * has few modules that no step before it had; `tests/structure/rest_test.ts` holds them to that.
 *
 * @module
 */
import { systemTimers } from "../base/timers.ts";
import { yieldToLoop } from "../base/yield.ts";

/** ms after which a program is taken for one that stays. */
const STAYS_MS = 1000;

/** ms between steps that nobody waits for. */
const PAUSE_MS = 20;

const IN_ORDER: readonly (() => Promise<unknown>)[] = [
  () => import("../backup/repository/pruning/gc.ts"),
  () => import("../backup/portable_pieces.ts"),
  () => import("../backup/repository/core/open.ts"),
  () => import("../backup/load/source.ts"),
  () => import("../backup/export.ts"),
  () => import("../format/repository/object.ts"),
  () => import("../backup/repository/log/fork_ends.ts"),
  () => import("../backup/repository/pruning/spared_log.ts"),
  () => import("../backup/repository/care/copy/head_relation.ts"),
  () => import("../backup/repository/care/copy/copy_run.ts"),
  () => import("../backup/repository/care/repairing/heal.ts"),
  () => import("../backup/repository/care/copy_to.ts"),
  () => import("../backup/repository/care/repair.ts"),
  () => import("../backup/restore.ts"),
  () => import("../backup/repository/pruning/pruning.ts"),
  () => import("../backup/repository/log/shipper.ts"),
  () => import("../backup/repository/replicating/replication.ts"),
  () => import("../backup/mod.ts"),
  () => import("../backup/repository/care/repository_stats.ts"),
  () => import("../backup/repository/care/drill.ts"),
  () => import("./repository/work.ts"),
];

const STEPS = IN_ORDER.map((load) => once(load));

/** Loads once; by itself a runtime looks for the file each time. A failure is not kept. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () =>
    loaded ??= load().catch((error) => {
      loaded = undefined;
      throw error;
    });
}

/** Loads what is left, then this. */
function last<T>(load: () => Promise<T>): () => Promise<T> {
  return once(async () => {
    for (const step of STEPS) {
      await step();
      await yieldToLoop();
    }
    return await load();
  });
}

/** Export, backup and restore. */
export const backupFloor: () => Promise<typeof import("../backup/mod.ts")> = last(() => import("../backup/mod.ts"));

/** What a `BackupRepository` works with. */
export const repositoryWork: () => Promise<typeof import("./repository/work.ts")> = last(() =>
  import("./repository/work.ts")
);

/** Repair of databases, which nobody needs who does not call it. */
export const repairWork: () => Promise<typeof import("../engine/recovery/repair.ts")> = once(() =>
  import("../engine/recovery/repair.ts")
);

/** Loads all of it: for what must go alike whether or not something was called in this process before. */
export async function loadAll(): Promise<void> {
  for (const load of [backupFloor, repositoryWork, repairWork]) await load();
}

/** Loads all of it from a second from now on, which keeps no process alive; the function given back calls that off. */
export function loadRest(): () => void {
  const wait = (ms: number, at: number): () => void =>
    systemTimers.set(ms, () => {
      const step = STEPS[at];
      // Where that fails, so does the call that needs it, and says why.
      step?.().then(() => cancel = wait(PAUSE_MS, at + 1), () => {});
    }, false);
  let cancel = wait(STAYS_MS, 0);
  return () => cancel();
}
