/**
 * One run of the command line.
 *
 * @module
 */
import { COMMANDS } from "./commands/mod.ts";
import { type HelpStyle, type ProgramInfo, readArguments, type Wish } from "./core/arguments.ts";
import { EXIT, OutputClosed, UsageError } from "./core/exit_code.ts";
import { endedBy, tell } from "./core/failure.ts";
import type { CliIo } from "./io.ts";
import { helpColumns, Output } from "./output/output.ts";
import { painter, wantsColor } from "./output/style.ts";
import { PROGRAM_NAME, VERSION } from "./version.ts";

/** What the program says of itself. */
export const PROGRAM: ProgramInfo = {
  name: PROGRAM_NAME,
  summary: "Entries, backups and care of Holdfast databases.",
  version: VERSION,
  epilogue: [
    "holdfast help COMMAND explains a command and shows examples.",
    "A place for backups is a directory or an address: s3://BUCKET/PREFIX,",
    "gs://BUCKET/PREFIX, azure://ACCOUNT/CONTAINER/PREFIX.",
    "",
    "Exit codes: 0 done, 1 failed, 2 asked wrongly (nothing was done), 3 something",
    "was found (verify, health, drill, repair), 130 and 143 ended by a signal.",
  ].join("\n"),
};

/** Runs `argv` (without runtime and script) in these surroundings; resolves to the exit code, and never rejects. */
export async function runIn(argv: readonly string[], io: CliIo): Promise<number> {
  const before = earlySettings(isWords(argv) ? argv : []);
  let out = new Output(io, before);
  let wish: Wish | undefined;
  try {
    if (!isWords(argv)) {
      throw new UsageError('the words of a command line are an array of texts, as in ["list", "./data"]');
    }
    assertText(argv);
    const color = wantsColor(io, io.stdout, before.noColor);
    const style: HelpStyle = { columns: helpColumns(io.stdout), paint: painter(color) };
    wish = await readArguments(PROGRAM, COMMANDS, argv, style, io.now());
    if (wish.kind === "print") {
      await out.write(wish.text);
      return EXIT.done;
    }
    const { spec, name, words, given } = wish;
    out = new Output(io, { json: given.flag("json"), quiet: given.flag("quiet"), noColor: given.flag("no-color") });
    return await spec.run!({ words, given, io, out, name, spec }) ?? EXIT.done;
  } catch (thrown) {
    const error = endedBy(thrown, io);
    if (error instanceof OutputClosed) return EXIT.done;
    const told = tell(error, io, wish?.kind === "run" ? wish : undefined);
    out.error(told);
    return told.exitCode;
  } finally {
    out.endProgress();
  }
}

/** Whether it is what a shell gives; a program may give something else. */
function isWords(argv: unknown): argv is readonly string[] {
  return Array.isArray(argv) && argv.every((word) => typeof word === "string");
}

/** What is not UTF-8 has become this character by now, and two different keys the same one. */
function assertText(argv: readonly string[]): void {
  const bad = argv.find((word) => word.includes("\ufffd"));
  if (bad === undefined) return;
  throw new UsageError(
    `${JSON.stringify(bad)} is not UTF-8, or has the character U+FFFD; give such a key as --key-as hex or base64, ` +
      "a value as --as hex or base64, or either as @FILE",
  );
}

/** How mistakes are printed that are found before all options are known. */
function earlySettings(argv: readonly string[]): { json: boolean; quiet: boolean; noColor: boolean } {
  const end = argv.indexOf("--");
  const options = end < 0 ? argv : argv.slice(0, end);
  return { json: options.includes("--json"), quiet: false, noColor: options.includes("--no-color") };
}
