/**
 * How a run ends.
 *
 * | code | meaning |
 * |---|---|
 * | 0 | done |
 * | 1 | it failed |
 * | 2 | it was asked wrongly: nothing was done |
 * | 3 | it was done, and something was found (`verify`, `health`, `drill`, `repair`, `import`) |
 * | 130, 143 | it was ended by SIGINT, SIGTERM |
 *
 * @module
 */

/** The codes, by name; those of signals are in `Interruption`. */
export const EXIT = { done: 0, failure: 1, usage: 2, finding: 3 } as const;

/** The command line makes no sense; the message says what, and the run ends with code 2. */
export class UsageError extends Error {
  /** What is wrong, in one sentence. */
  constructor(message: string) {
    super(message);
    this.name = "UsageError";
  }
}

/** Something was asked for that is not there; the run ends with code 1 and this message. */
export class CommandFailure extends Error {
  /** What failed, in one sentence. */
  constructor(message: string) {
    super(message);
    this.name = "CommandFailure";
  }
}

/** Whoever read the output has gone, as `head` does: the run ends without a word. */
export class OutputClosed extends Error {
  /** Of standard output. */
  constructor() {
    super("standard output was closed");
    this.name = "OutputClosed";
  }
}
