import type { Finished } from "./execute.ts";
import type { Counts } from "./junit.ts";

/** What came of one test file under one runtime, or of one check. */
export interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  /** What went wrong beyond the tests that say so themselves, one sentence each. */
  readonly problems: readonly string[];
  /** All that the process printed. */
  readonly output: string;
}

/** Judges a run that has to contain tests. Without a report, without a test, with a skipped one: failed, whatever the exit code. */
export function judgeTests(run: Finished, counts: Counts | undefined): Outcome {
  const problems = endingOf(run, counts !== undefined && counts.failed > 0);
  if (counts === undefined) problems.push("it left no report of its tests");
  else if (counts.passed + counts.failed === 0) problems.push("no tests ran");
  if (counts !== undefined && counts.skipped > 0) problems.push(`tests skipped: ${counts.skipped}; none may be`);
  const failed = counts?.failed ?? 0;
  return {
    passed: counts?.passed ?? 0,
    failed: failed === 0 && problems.length > 0 ? 1 : failed,
    seconds: run.seconds,
    problems,
    output: run.output,
  };
}

/** Judges a command that only has to end well. */
export function judgeCommand(run: Finished): Outcome {
  const problems = endingOf(run, false);
  return { passed: 0, failed: problems.length > 0 ? 1 : 0, seconds: run.seconds, problems, output: run.output };
}

/** Several outcomes as one. */
export function addOutcomes(outcomes: readonly Outcome[]): Outcome {
  return {
    passed: sum(outcomes, (outcome) => outcome.passed),
    failed: sum(outcomes, (outcome) => outcome.failed),
    seconds: sum(outcomes, (outcome) => outcome.seconds),
    problems: outcomes.flatMap((outcome) => outcome.problems),
    output: outcomes.map((outcome) => outcome.output).join(""),
  };
}

function endingOf(run: Finished, explained: boolean): string[] {
  if (run.timedOut) return [`it was ended after ${Math.round(run.seconds)} seconds`];
  if (run.signal !== null) return [`it was ended by ${run.signal}`];
  if (run.code !== 0 && !explained) return [`it ended with code ${run.code}`];
  return [];
}

function sum(outcomes: readonly Outcome[], of: (outcome: Outcome) => number): number {
  return outcomes.reduce((total, outcome) => total + of(outcome), 0);
}
