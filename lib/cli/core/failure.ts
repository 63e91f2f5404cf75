/**
 * What a run says when it fails, and with which code.
 *
 * @module
 */
import { GapError, HoldfastError } from "../../base/errors.ts";
import { type CliIo, Interruption } from "../io.ts";
import { visible } from "../output/entries.ts";
import { CommandFailure, EXIT, OutputClosed, UsageError } from "./exit_code.ts";
import { type Context, inShellWords } from "./wording.ts";

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

/** What goes on where a passphrase or key is missing, besides what the message says. */
function secretHint(message: string, { spec, words }: Context): string {
  if (!message.includes("give its passphrase or key")) return "";
  // Of two repositories it may be the other one.
  const [from = "", to = ""] = words;
  const isOther = spec.options.some(({ name }) => name === "to-passphrase-file") && message.includes(to) &&
    !message.includes(from);
  const [option, variable] = isOther ? ["--to-", "HOLDFAST_TO_"] : ["--", "HOLDFAST_"];
  return `\n  ${option}passphrase-file names the file that holds the passphrase, ${variable}PASSPHRASE holds it itself`;
}

/**
 * The error that ended a run. Where closing failed behind it, the language makes one of both that says of neither what it is:
 * the first is why, unless it is no failure but the end that was wished for.
 */
export function endedBy(error: unknown, io: CliIo): unknown {
  if ((error as Error | null)?.name !== "SuppressedError") return error;
  const { error: closing, suppressed } = error as { error: unknown; suppressed: unknown };
  const first = endedBy(suppressed, io);
  const isWish = first instanceof OutputClosed || (io.signal.aborted && first === io.signal.reason);
  return isWish ? closing : first;
}

/** What went wrong, for the user of the command line; `context` is that of the command, where it is known. */
export function tell(error: unknown, io: CliIo, context: Context | undefined): Told {
  const told = toldOf(error, io, context);
  // Of what was written in several commits: how many entries are in.
  const { committed } = Object(error) as { committed?: number };
  return committed === undefined ? told : { ...told, details: { ...told.details, committed } };
}

function toldOf(error: unknown, io: CliIo, context: Context | undefined): Told {
  const reason = io.signal.aborted && error === io.signal.reason ? io.signal.reason : error;
  if (reason instanceof Interruption) {
    // What was written in several commits says how many entries it came to.
    const { committed = 0 } = reason as { committed?: number };
    const left = committed > 0 ? "what came before is in; run it again for the rest" : "nothing is left half done";
    return { exitCode: reason.exitCode, code: "INTERRUPTED", message: `${reason.message}; ${left}` };
  }
  const message = messageOf(error, context);
  if (error instanceof UsageError) return { exitCode: EXIT.usage, code: "USAGE", message };
  if (error instanceof CommandFailure) return { exitCode: EXIT.failure, code: "FAILED", message };
  if (error instanceof HoldfastError) {
    const hint = context === undefined ? "" : secretHint(message, context);
    const told: Told = { exitCode: EXIT.failure, code: error.code, message: message + hint };
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

/** What an error says, in the words of the shell. What it quotes of files and entries reaches no terminal as it is. */
export function messageOf(error: unknown, context: Context | undefined): string {
  if (!(error instanceof Error)) return String(error);
  // The words of the command line itself, and help, which may be coloured.
  if (error instanceof UsageError) return error.message;
  const message = (error.message || error.name).split("\n").map(visible).join("\n");
  return error instanceof CommandFailure || context === undefined ? message : inShellWords(message, context);
}
