/**
 * What a run says when it fails, and with which code.
 *
 * @module
 */
import { GapError, HoldfastError } from "../../base/errors.ts";
import { type CliIo, Interruption } from "../io.ts";
import type { Given } from "./given.ts";
import { CommandFailure, EXIT, UsageError } from "./exit_code.ts";

/** A failure, told. */
export interface Told {
  /** How the run ends. */
  exitCode: number;
  /** Stable, for programs. */
  code: string;
  /** For people. */
  message: string;
  /** What else a program may want to know. */
  details?: Record<string, unknown>;
}

/** Options that answer an error, by its code. */
const REMEDIES: Readonly<Record<string, readonly [option: string, does: string][]>> = {
  LOCKED: [["beside", "backs up beside the program that has it open"]],
  EXISTS: [["overwrite", "replaces it"]],
  GAP: [["allow-earlier", "takes the newest state before it; holdfast points lists what can be had"]],
  NOT_FOUND: [["create", "makes the database"]],
  DECRYPTION: [["passphrase-file", "names the file that holds the passphrase, HOLDFAST_PASSPHRASE holds it itself"]],
};

/** What went wrong, for the user of the command line. */
export function tell(error: unknown, io: CliIo, given: Given | undefined): Told {
  const reason = io.signal.aborted && error === io.signal.reason ? io.signal.reason : error;
  if (reason instanceof Interruption) {
    return { exitCode: reason.exitCode, code: "INTERRUPTED", message: `${reason.message}; nothing is left half done` };
  }
  const message = messageOf(error);
  if (error instanceof UsageError) return { exitCode: EXIT.usage, code: "USAGE", message };
  if (error instanceof CommandFailure) return { exitCode: EXIT.failure, code: "FAILED", message };
  if (error instanceof HoldfastError) {
    const hints = (REMEDIES[error.code] ?? [])
      .filter(([option]) => given?.has(option) === true)
      .map(([option, does]) => `\n  --${option} ${does}`);
    const told: Told = { exitCode: EXIT.failure, code: error.code, message: message + hints.join("") };
    const details = detailsOf(error);
    return details === undefined ? told : { ...told, details };
  }
  // What the library says of its arguments, which came from the command line.
  if (error instanceof TypeError || error instanceof RangeError) {
    return { exitCode: EXIT.usage, code: "USAGE", message };
  }
  return { exitCode: EXIT.failure, code: "FAILED", message };
}

function detailsOf(error: HoldfastError): Record<string, unknown> | undefined {
  const { partial } = error as { partial?: unknown };
  const details: Record<string, unknown> = {};
  if (error.path !== undefined) details["path"] = error.path;
  if (error instanceof GapError) Object.assign(details, { requested: error.requested, available: error.available });
  if (partial !== undefined) details["partial"] = partial;
  return Object.keys(details).length === 0 ? undefined : details;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
