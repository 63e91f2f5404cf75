/** What a deliberate defect is: which text of the product it changes, and which existing test must notice. */

/** One change of one source file, made in memory as the file is loaded. */
export interface Patch {
  /** The file, from the project's root. */
  readonly file: string;
  /** Text that stands in the file exactly once. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
}

/** Tests of one file. */
export interface Tests {
  /** The file, from the project's root. */
  readonly file: string;
  /** Those whose name contains this. */
  readonly only: string;
}

/** A defect that the product must not have. */
export interface Defect {
  /** Its name, unique. */
  readonly name: string;
  /** What a user would lose by it. */
  readonly breaks: string;
  /** How it is made. */
  readonly patches: readonly Patch[];
  /** The tests that notice. */
  readonly caughtBy: Tests;
}

/** How often `text` stands in `source`; more than once counts where they overlap, too. */
export function countOf(source: string, text: string): number {
  let count = 0;
  for (let at = source.indexOf(text); at >= 0; at = source.indexOf(text, at + 1)) count++;
  return count;
}
