/** The completion scripts in the shells that they are for, by a real Tab where the shell takes one. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it, type TestContext } from "node:test";
import { COMMANDS } from "../../lib/cli/commands/mod.ts";
import { completionScript, type Shell, SHELLS } from "../../lib/cli/core/completions.ts";
import { LONG } from "../crash/random.ts";
import { findProgram, missingPrograms } from "../storage/servers/own_process.ts";

const directory = mkdtempSync(join(tmpdir(), "completion-"));
after(() => rmSync(directory, { recursive: true, force: true }));
writeFileSync(join(directory, "entries.jsonl"), "");
writeFileSync(join(directory, "two words.jsonl"), "");
for (const shell of SHELLS) {
  writeFileSync(join(directory, `script.${shell}`), completionScript(shell, "holdfast", COMMANDS));
}

/** What is typed, and what the shell makes of its last word. */
const CASES: readonly (readonly [typed: string, completed: string])[] = [
  ["holdfast sched", "schedule"],
  ["holdfast backup --compr", "--compression"],
  ["holdfast backup --compression zs", "zstd"],
  ["holdfast backup ./data ./entr", "./entries.jsonl"],
  ["holdfast verify ./data --key-file ./entr", "./entries.jsonl"],
  ["holdfast backup ./data ./two", "./two words.jsonl"],
  ["holdfast verify ./data --key-file ./two", "./two words.jsonl"],
  ["holdfast keys rot", "rotate"],
  ["holdfast keys add --new-k", "--new-key-file"],
  ["holdfast completions fi", "fish"],
  ["holdfast help sched", "schedule"],
  ["holdfast help keys rot", "rotate"],
];

/** Says why a shell is not tried. They are installed by the long form only: fish alone brings man and groff with it. */
function isMissing(t: TestContext, shell: Shell): boolean {
  const needed = [shell, "script"];
  const reason = LONG
    ? missingPrograms(needed, [shell, "bsdutils"])
    : needed.filter((name) => findProgram(name) === undefined).map((name) => `${name} not installed`).join(", ");
  if (reason) {
    t.diagnostic(`not tried: ${reason}`);
    console.log(`completion in ${shell} not tried: ${reason}`);
  }
  return Boolean(reason);
}

/** A shell on a terminal of its own: it is typed to, and waited for. */
function interactive(words: readonly string[]) {
  const env = { ...process.env, TERM: "xterm", PS1: "", HISTFILE: "", INPUTRC: "/dev/null" };
  const child = spawn("script", ["-qec", `stty cols 200; exec ${words.join(" ")}`, "/dev/null"], {
    cwd: directory,
    env,
  });
  let screen = "";
  let look: () => void = () => {};
  child.stdout.on("data", (piece) => {
    screen += String(piece);
    look();
  });
  return {
    async type(text: string, wanted: RegExp): Promise<void> {
      const from = screen.length;
      child.stdin.write(text);
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${text}: ${JSON.stringify(screen.slice(from))}`)), 20_000);
        look = () => {
          if (!wanted.test(screen.slice(from))) return;
          clearTimeout(timer);
          resolve();
        };
        look();
      });
    },
    end: () => child.kill("SIGKILL"),
  };
}

/** Types each case, a Tab, and a letter that shows where the word ends by then. */
async function tabs(words: readonly string[], ready: string): Promise<void> {
  const shell = interactive(words);
  try {
    await shell.type(`${ready}; echo REA''DY\n`, /READY/);
    for (const [typed, completed] of CASES) {
      // As a shell writes it, for a pattern.
      const rest = completed.slice(typed.split(" ").at(-1)!.length).replace(" ", "\\\\ ").replace(".", "\\.");
      await shell.type(`${typed}\t`, new RegExp(`${rest} ?`));
      // Ctrl-U takes the line back.
      await shell.type("\u0015echo DO''NE\n", /DONE/);
    }
  } finally {
    shell.end();
  }
}

describe("a completion script", () => {
  it("works in bash", async (t) => {
    if (isMissing(t, "bash")) return;
    await tabs(["bash", "--norc", "--noprofile", "-i"], "source ./script.bash");
  });

  it("works in zsh", async (t) => {
    if (isMissing(t, "zsh")) return;
    await tabs(["zsh", "-f", "-i"], "autoload -U compinit && compinit -u -D && source ./script.zsh");
  });

  it("works in fish", (t) => {
    if (isMissing(t, "fish")) return;
    const asks = CASES.map(([typed]) => `echo "? ${typed}"; complete -C "${typed}"`).join("; ");
    const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", `source ./script.fish; ${asks}`], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOME: directory },
    });
    assert.equal(stderr, "");
    const answers = stdout.split(/^\? .*\n/m).slice(1).map((lines) => lines.split("\n")[0]!.split("\t")[0]);
    assert.deepEqual(answers, CASES.map(([, completed]) => completed));
  });
});
