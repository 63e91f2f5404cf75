/**
 * Questions to whoever sits at the terminal: on standard error, so that results can go elsewhere.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { type CliIo, Interruption } from "../io.ts";
import type { Call } from "./command.ts";
import { CommandFailure, UsageError } from "./exit_code.ts";

/** Whether there is someone to ask. */
export function canAsk(io: CliIo): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/** One line of an answer. With `hidden` nothing of it is shown. */
export async function ask(io: CliIo, question: string, options: { hidden: boolean }): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({
    input: io.stdin as unknown as NodeJS.ReadableStream,
    output: options.hidden ? nowhere : io.stderr as unknown as NodeJS.WritableStream,
    terminal: true,
  });
  // Only now is the terminal told not to show what is typed: whoever answers faster than that must not see it either.
  io.stderr.write(question);
  const { signal } = io;
  let onAbort: (() => void) | undefined;
  let answered = false;
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      onAbort = () => reject(signal.reason);
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      lines.once("line", resolve);
      // The terminal is in raw mode meanwhile, in which Ctrl-C is a key like any other.
      lines.once("SIGINT", () => reject(new Interruption("SIGINT")));
      lines.once("close", () => reject(new UsageError("the question was left without an answer; nothing was done")));
    });
    answered = true;
    return answer;
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
    lines.close();
    // What is said next begins a line of its own: an answer that is shown ended the one of the question.
    if (options.hidden || !answered) io.stderr.write("\n");
  }
}

/**
 * Goes on only when that is wanted: `--yes`, or an answer that begins with a y. Where nobody can be asked it is a
 * `UsageError`.
 */
export async function confirm({ io, given, out }: Call, question: string): Promise<void> {
  if (given.flag("yes")) return;
  if (!canAsk(io)) throw new UsageError(`${question} Nobody can be asked here: give --yes; nothing was done`);
  const prompt = `${out.paintNote("warning", question)} [y/N] `;
  if (/^y(?:es)?$/i.test((await ask(io, prompt, { hidden: false })).trim())) return;
  throw new CommandFailure("not confirmed; nothing was done");
}
