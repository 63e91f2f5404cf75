/**
 * The code that a program's beginning does not wait for: export, backup and restore are half of it. It is loaded with the
 * first call that needs it, and a second after a database was opened: a program that stays must not depend on files that may
 * be gone, or be those of another release, by the time that its backup is due.
 *
 * @module
 */
import { systemTimers } from "../base/timers.ts";

/** ms after which a program is taken for one that stays. */
const STAYS_MS = 1000;

/** Loads once; by itself a runtime looks for the file each time. A failure is not kept. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () =>
    loaded ??= load().catch((error) => {
      loaded = undefined;
      throw error;
    });
}

/** Export, backup and restore. */
export const backupFloor: () => Promise<typeof import("../backup/mod.ts")> = once(() => import("../backup/mod.ts"));

/** What a `BackupRepository` works with. */
export const repositoryWork: () => Promise<typeof import("./repository/work.ts")> = once(() =>
  import("./repository/work.ts")
);

/** Loads all of it a second from now, which keeps no process alive; the function given back calls that off. */
export function loadRest(): () => void {
  return systemTimers.set(STAYS_MS, () => {
    // Where that fails, so does the call that needs it, and says why.
    for (const load of [backupFloor, repositoryWork]) load().catch(() => {});
  }, false);
}
