/** What the process of a test under a defect and its parent tell each other. */

/** The environment variable with the path of the patches, as JSON. */
export const PATCHES_VARIABLE = "HOLDFAST_DEFECT_PATCHES";
/** The environment variable with the path that the outcome is written to. */
export const OUTCOME_VARIABLE = "HOLDFAST_DEFECT_OUTCOME";

/** URLs of modules that were changed as they were loaded. */
export const patchedModules: Set<string> = new Set();

/** How a process of tests ended. */
export interface ChildOutcome {
  /** How many modules were changed. */
  readonly patched: number;
  /** Names of the tests that passed, up to the first that failed. */
  readonly passed: readonly string[];
  /** The first test that failed. */
  readonly failed?: Failure;
}

/** A test that failed. */
export interface Failure {
  /** The test's name. */
  readonly test: string;
  /** Why the runner says so: `testCodeFailure` is the only one that a check of the test leads to. */
  readonly type: string;
  /** The errors behind it, the outermost first, each by the names of its classes. */
  readonly errors: readonly { readonly kinds: readonly string[]; readonly message: string }[];
}
