/**
 * Times of cron expressions: the one file that imports croner, and all that is used of it. Its timers are not: a schedule
 * counts on a clock that tests can set.
 *
 * When clocks go forward, a job of a skipped hour runs right after it; when they go back, a job of a fixed time runs once.
 *
 * @module
 */
import { Cron } from "croner";

/** The times of one expression. */
export interface CronTimes {
  /** As it was written. */
  readonly pattern: string;
  /** The first time after `time`, both in ms; `Infinity` when there is none. */
  after(time: number): number;
}

/** Reads an expression of five fields, or six with seconds first; `TypeError` for what is none or never comes. */
export function cronTimes(call: string, name: string, pattern: string, timeZone: string, now: number): CronTimes {
  const wrong = (why: string): TypeError =>
    new TypeError(`${call}: option "${name}" ${JSON.stringify(pattern)} ${why}; "0 2 * * 1-6" is 2:00 but on Sundays`);
  // croner reads dates, names and years too; what only one library reads is no contract.
  const fields = pattern.trim().split(/\s+/).length;
  if (fields < 5 || fields > 6 || pattern.includes("?")) throw wrong("is no cron expression of five or six fields");
  let cron: Cron;
  try {
    cron = new Cron(pattern, { timezone: timeZone, mode: "5-or-6-parts", paused: true });
  } catch (error) {
    throw wrong(`is no cron expression (${error instanceof Error ? error.message : error})`);
  }
  const after = (time: number): number => cron.nextRun(new Date(time))?.getTime() ?? Infinity;
  if (after(now) === Infinity) throw wrong("never comes");
  return { pattern, after };
}
