/**
 * What the program is called, and which release it is.
 *
 * @module
 */

/** As it is typed. */
export const PROGRAM_NAME = "holdfast";

/** The version of this release; a test holds it against `deno.json`. */
export const VERSION = "0.1.0";
