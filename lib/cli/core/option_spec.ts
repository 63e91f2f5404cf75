/**
 * What the words and options of a command are.
 *
 * @module
 */

/** What follows an option. `"flag"`: nothing. */
export type ValueKind = "flag" | "text" | "path" | "count" | "share" | "bytes" | "duration" | "time" | "choice";

/** An option. */
export interface OptionSpec {
  /** Without the dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What follows it. */
  readonly kind: ValueKind;
  /** What stands for the value in the help; made from the kind unless given. */
  readonly value?: string;
  /** Of a `"choice"`: what may be given. */
  readonly choices?: readonly string[];
  /** May be given several times. */
  readonly many?: boolean;
  /** The heading under which the help has it; those of the command itself have none. */
  readonly heading?: string;
  /** In one line, without a full stop. */
  readonly help: string;
}

/** A word of the command line that is not an option. */
export interface ArgumentSpec {
  /** As in the help: `"DB"`. */
  readonly name: string;
  /** In one line. */
  readonly help: string;
  /** May be left out; only behind all others. */
  readonly optional?: boolean;
  /** May be given several times; only as the last. */
  readonly many?: boolean;
  /** What completes it: files, nothing, its choices, or the names of the commands. */
  readonly kind: "path" | "text" | "choice" | "command";
  /** Of a `"choice"`: what may be given. */
  readonly choices?: readonly string[];
  /** Of a `"path"`: what has to lie there, if only one thing will do. */
  readonly takes?: "a database" | "a repository";
}

/** The heading of what every command takes. */
export const COMMON_HEADING = "Common options";

/** What every command takes. */
export const COMMON_OPTIONS: readonly OptionSpec[] = under(COMMON_HEADING, [
  { name: "json", kind: "flag", help: "print one JSON document, or one for each line of a list" },
  { name: "quiet", short: "q", kind: "flag", help: "no progress and no notes, only results and errors" },
  { name: "no-color", kind: "flag", help: "no colours, as with NO_COLOR in the environment" },
]);

/** The same options under a heading of the help. */
export function under(heading: string, options: readonly OptionSpec[]): OptionSpec[] {
  return options.map((option) => ({ ...option, heading }));
}
