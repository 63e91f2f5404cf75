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
/** As wide as the bar gets: wider it would say no more. */
const BAR_CHARACTERS = 24;
/** A narrower bar says less than the share in figures beside it, and is left out. */
const BAR_CHARACTERS_MIN = 8;

/** A line for work of this name: `"backup"`. */
export function progressLine(
  stream: OutStream,
  paint: Paint,
  work: string,
  showAfterMs: number = SHOW_AFTER_MS,
): ProgressLine {
  const begun = Date.now();
  const showAt = begun + showAfterMs;
  // Work may have to wait before it can report, for another program that writes, say: that is seen too.
  let shown: Shown | undefined = {
    now: { phase: "waiting", doneBytes: 0, doneItems: 0 },
    startedAt: begun,
    startedWith: 0,
  };
  let drawn = false;
  const bar = new progress.SingleBar({
    stream: stream as unknown as NodeJS.WritableStream,
    format: (_, { maxWidth }) => shown === undefined ? "" : lineOf(paint, work, shown, Date.now(), maxWidth),
    clearOnComplete: true,
    hideCursor: true,
    linewrap: false,
    // Its own handling of signals would be one more; a run that is interrupted ends the line like any other.
    gracefulExit: false,
  });
  const draw = (): void => {
    if (shown === undefined) return;
    const { done, total } = measured(shown.now);
    if (drawn) {
      bar.setTotal(total ?? 0);
      bar.update(done);
    } else bar.start(total ?? 0, done);
    drawn = true;
  };
  const stop = (): void => {
    if (drawn) bar.stop();
    drawn = false;
  };
  // What reports nothing for a while is still seen to go on: the line comes when its time has come.
  const coming = setTimeout(draw, showAfterMs);
  return {
    onProgress(now) {
      // Work that was given up may report once more: a line that nobody ends would leave no cursor.
      if (shown === undefined) return;
      const sameWork = shown.now.phase === now.phase && measured(shown.now).unit === measured(now).unit;
      if (!sameWork) stop();
      const [startedAt, startedWith] = sameWork
        ? [shown.startedAt, shown.startedWith]
        : [Date.now(), measured(now).done];
      shown = { now: { ...now }, startedAt, startedWith };
      if (Date.now() >= showAt) draw();
    },
    end() {
      clearTimeout(coming);
      stop();
      shown = undefined;
    },
  };
}

/** What a line is drawn from. */
export interface Shown {
  /** The newest report. */
  readonly now: Progress;
  /** When the phase was first reported, ms. */
  readonly startedAt: number;
  /** How much was done by then: a rate counts from there. */
  readonly startedWith: number;
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

/** One line of at most so many characters: what is done, how far, how fast, how long still. */
export function lineOf(paint: Paint, work: string, shown: Shown, time: number, columns: number): string {
  const { now, startedAt, startedWith } = shown;
  const { done, total, unit } = measured(now);
  const show = unit === "bytes" ? showBytes : showCount;
  const seconds = (time - startedAt) / 1000;
  const label = now.phase === work ? work : `${work}: ${now.phase}`;
  // What matters most comes first; what the line has no room for is left out.
  const parts: string[] = [];
  const share = total === undefined ? undefined : Math.min(1, done / total);
  if (share !== undefined) parts.push(`${String(Math.floor(share * 100)).padStart(3)} %`);
  if (total !== undefined) parts.push(`${show(done)} of ${show(total)}`);
  else if (done > 0) parts.push(show(done));
  // Before that a rate is a guess.
  if (seconds >= 0.5 && done > startedWith) {
    const perSecond = (done - startedWith) / seconds;
    parts.push(`${show(perSecond)}/s`);
    if (total !== undefined && done < total) parts.push(`${timeLeft((total - done) / perSecond)} left`);
  }
  const used = (): number => [label, ...parts].join("  ").length;
  while (parts.length > 0 && used() >= columns) parts.pop();
  const room = Math.min(BAR_CHARACTERS, columns - used() - 3);
  if (share === undefined || room < BAR_CHARACTERS_MIN) return [paint("name", label), ...parts].join("  ");
  const full = Math.round(share * room);
  const bar = paint("good", "█".repeat(full)) + paint("faint", "░".repeat(room - full));
  return [paint("name", label), bar, ...parts].join("  ");
}

function timeLeft(seconds: number): string {
  return seconds < 60 ? `${Math.ceil(seconds)} s` : showDuration(seconds * 1000);
}
