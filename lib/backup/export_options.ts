/**
 * The options of an export, and their checks.
 *
 * @module
 */
import { booleanOption, checkOptions, choiceOption } from "../base/options.ts";
import { LONG_OPTIONS, longOptions, type LongWorkOptions } from "./long_work.ts";

/** Options of `export`. */
export interface ExportOptions extends LongWorkOptions {
  /** Replaces a database or file that is there; false unless given. Other files are never removed. */
  overwrite?: boolean | undefined;
  /**
   * Opens the copy before it is published and holds each file that was copied against the digest that the database knows of
   * it; true unless given. Linked files are the database's own bytes: `verify` of the database checks those.
   */
  verify?: boolean | undefined;
  /** `"auto"`: hard link, else clone, else copy; `"never"`: bytes of its own. For directories. */
  link?: "auto" | "never" | undefined;
}

/** Export options, checked, with their defaults. */
export interface CheckedExportOptions extends LongWorkOptions {
  /** See `ExportOptions`. */
  overwrite: boolean;
  /** See `ExportOptions`. */
  verify: boolean;
  /** See `ExportOptions`. */
  link: "auto" | "never";
}

/** Checks the options of an export. */
export function checkExportOptions(call: string, options: ExportOptions | undefined): CheckedExportOptions {
  const checked = checkOptions(call, options, ["overwrite", "verify", "link", ...LONG_OPTIONS]);
  return {
    overwrite: booleanOption(call, checked, "overwrite", false),
    verify: booleanOption(call, checked, "verify", true),
    link: choiceOption(call, checked, "link", "auto", ["auto", "never"]),
    ...longOptions(call, checked),
  };
}
