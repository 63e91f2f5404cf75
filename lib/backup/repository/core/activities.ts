/**
 * What is going on in a repository now, for `status()`.
 *
 * @module
 */
import type { Progress } from "../../../base/progress.ts";

/** One call under way. */
export interface Activity {
  /** What it does. */
  kind: "backup" | "restore" | "verify" | "drill" | "prune" | "copy" | "repair";
  /** The backup or database concerned. */
  subject: string;
  /** When it began, ms. */
  startedAt: number;
  /** How far it has come. */
  progress: Progress | undefined;
}

/** The calls under way. */
export class Activities {
  readonly #running = new Set<Activity>();

  /** All of them, the oldest first; copies. */
  list(): Activity[] {
    return [...this.#running].map((activity) => ({ ...activity }));
  }

  /** Runs `work` as an activity; what it reports as progress is kept, and passed on to `onProgress`. */
  async run<T>(
    activity: Omit<Activity, "progress">,
    onProgress: ((progress: Progress) => void) | undefined,
    work: (onProgress: (progress: Progress) => void) => Promise<T>,
  ): Promise<T> {
    const entry: Activity = { ...activity, progress: undefined };
    this.#running.add(entry);
    try {
      return await work((progress) => {
        entry.progress = progress;
        return onProgress?.(progress); // an asynchronous one's promise
      });
    } finally {
      this.#running.delete(entry);
    }
  }
}
