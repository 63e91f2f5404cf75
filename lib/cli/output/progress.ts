/**
 * How far long work has come, with its rate and the time left: one line of a terminal, drawn by cli-progress. Anything
 * else than a terminal sees nothing of it.
 *
 * @module
 */
import progress from "cli-progress";
import type { OnProgress, Progress } from "../../base/progress.ts";
import type { OutStream } from "../io.ts";
import { showBytes, showCount, showDuration } from "./figures.ts";
import type { Paint } from "./style.ts";

/** A bar in the making. */
export interface ProgressLine {
  /** For the option `onProgress` of long work. */
  readonly onProgress: OnProgress;
  /** Wipes the line. */
  end(): void;
}

/** Where nobody watches. */
export const NO_PROGRESS: ProgressLine = { onProgress: () => {}, end: () => {} };

/** Work that is done sooner shows nothing: a line that comes and goes at once tells nobody anything. */
const SHOW_AFTER_MS = 250;
/** Not narrower: what stands behind the bar has to fit too. */
const BAR_CHARACTERS = 24;

/** A line for work of this name: `"backup"`. */
export function progressLine(
  stream: OutStream,
  paint: Paint,
  work: string,
  showAfterMs: number = SHOW_AFTER_MS,
): ProgressLine {
  const showAt = Date.now() + showAfterMs;
  const bar = new progress.SingleBar({
    stream: stream as unknown as NodeJS.WritableStream,
    format: (_, params, payload) => lineOf(paint, work, payload["progress"] as Progress, params),
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
    etaBuffer: 20,
    // Its own handling of signals would be one more; a run that is interrupted ends the line like any other.
    gracefulExit: false,
  });
  let phase: string | undefined;
  return {
    onProgress(now) {
      if (Date.now() < showAt) return;
      const { done, total } = measured(now);
      if (phase !== now.phase) {
        if (phase !== undefined) bar.stop();
        phase = now.phase;
        bar.start(total ?? 0, done, { progress: { ...now } });
      } else {
        bar.setTotal(total ?? 0);
        bar.update(done, { progress: { ...now } });
      }
    },
    end() {
      if (phase !== undefined) bar.stop();
      phase = undefined;
    },
  };
}

/** What tells more of the work: bytes where there are any, else items. */
function measured({ doneBytes, totalBytes, doneItems, totalItems }: Progress): {
  done: number;
  total: number | undefined;
  unit: "bytes" | "items";
} {
  if (totalBytes !== undefined && totalBytes > 0) return { done: doneBytes, total: totalBytes, unit: "bytes" };
  if (totalItems !== undefined && totalItems > 0) return { done: doneItems, total: totalItems, unit: "items" };
  return doneBytes > 0
    ? { done: doneBytes, total: undefined, unit: "bytes" }
    : { done: doneItems, total: undefined, unit: "items" };
}

/** What cli-progress knows of a bar. */
interface BarState {
  readonly startTime: number;
  readonly stopTime?: number | null;
  readonly eta: number | string;
  readonly maxWidth: number;
}

/** One line: what is done, how far, how fast, how long still. */
export function lineOf(paint: Paint, work: string, now: Progress, state: BarState): string {
  const { done, total, unit } = measured(now);
  const show = unit === "bytes" ? showBytes : showCount;
  const seconds = Math.max(0, (state.stopTime ?? Date.now()) - state.startTime) / 1000;
  const parts: string[] = [];
  const label = now.phase === work ? work : `${work}: ${now.phase}`;
  if (total === undefined) {
    if (done > 0) parts.push(show(done));
  } else {
    const share = Math.min(1, done / total);
    const full = Math.round(share * BAR_CHARACTERS);
    parts.push(paint("good", "█".repeat(full)) + paint("faint", "░".repeat(BAR_CHARACTERS - full)));
    parts.push(`${String(Math.floor(share * 100)).padStart(3)} %`, `${show(done)} of ${show(total)}`);
  }
  // Before that a rate is a guess.
  if (seconds >= 0.5 && done > 0) {
    parts.push(`${show(done / seconds)}/s`);
    const left = Number(state.eta);
    if (total !== undefined && done < total && Number.isFinite(left)) {
      parts.push(`${left < 60 ? `${Math.ceil(left)} s` : showDuration(left * 1000)} left`);
    }
  }
  return [paint("name", label), ...parts].join("  ");
}
