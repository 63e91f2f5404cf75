/**
 * `completions`.
 *
 * @module
 */
import type { CommandSpec } from "../core/command.ts";
import { completionScript, type Shell, SHELLS } from "../core/completions.ts";
import { UsageError } from "../core/exit_code.ts";
import { PROGRAM_NAME } from "../version.ts";

/** `completions`, for this table of commands and itself. */
export function completions(others: readonly CommandSpec[]): CommandSpec {
  const spec: CommandSpec = {
    name: "completions",
    summary: "Print the script by which a shell completes commands and options",
    group: "Help",
    args: [{ name: "SHELL", help: SHELLS.join(", "), kind: "choice", choices: SHELLS }],
    options: [],
    examples: [
      { line: "completions bash > ~/.local/share/bash-completion/completions/holdfast", does: "for bash" },
      { line: "completions zsh > ~/.zfunc/_holdfast", does: "for zsh, with ~/.zfunc in $fpath" },
      { line: "completions fish > ~/.config/fish/completions/holdfast.fish", does: "for fish" },
    ],
    async run({ words, out }) {
      const [shell = ""] = words;
      if (!(SHELLS as readonly string[]).includes(shell)) {
        throw new UsageError(`SHELL is one of ${SHELLS.join(", ")}, not ${JSON.stringify(shell)}`);
      }
      const script = completionScript(shell as Shell, PROGRAM_NAME, [...others, spec]);
      await out.result({ shell, script }, () => out.write(script));
    },
  };
  return spec;
}
