/** The commands of docs/cli.md, run one after the other as someone would who follows the page. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { describe, it } from "node:test";
import { Interruption } from "../../lib/cli/cli.ts";
import { COMMANDS } from "../../lib/cli/commands/mod.ts";
import { runnable } from "../../lib/cli/core/command.ts";
import { root } from "../tools/runtimes.ts";
import { cli, freshDisk, makeDirectory, putFile } from "./harness.ts";

const page = readFileSync(`${root}docs/cli.md`, "utf8");
const lines = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].flatMap(([, block]) => block!.trimEnd().split("\n"));

describe("docs/cli.md", () => {
  it("shows every command", () => {
    const shown = (name: string): boolean => lines.some((line) => line.startsWith(`holdfast ${name} `));
    assert.deepEqual(runnable(COMMANDS).map(({ name }) => name).filter((name) => !shown(name)), []);
  });

  it("has commands that do what they say", async () => {
    freshDisk();
    await makeDirectory(tmpdir());
    await putFile("./passphrase", "one\n");
    await putFile("./key", new Uint8Array(32).fill(9));
    await putFile("./new-key", new Uint8Array(32).fill(10));
    for (const line of lines) {
      const { argv, into, fails } = parse(line);
      // What goes on until it is ended is ended.
      const goesOn = ["watch", "replicate", "schedule"].includes(argv[0]!) && !argv.includes("--once") &&
        !argv.includes("--no-follow");
      const controller = new AbortController();
      if (goesOn) setTimeout(() => controller.abort(new Interruption("SIGINT")), 100);
      const { code, stderr, bytes } = await cli(argv, goesOn ? { signal: controller.signal } : {});
      assert.equal(code, goesOn ? 130 : fails ? 1 : 0, `${line}\n${stderr}`);
      if (into !== undefined) await putFile(into, bytes);
    }
  });
});

/** A line of a shell as far as the page needs one: quotes, a redirection, a comment. */
function parse(line: string): { argv: string[]; into: string | undefined; fails: boolean } {
  const [, command = "", comment = ""] = /^(.*?)(?: # (.*))?$/.exec(line)!;
  const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
  assert.equal(words.shift(), "holdfast", line);
  const at = words.indexOf(">");
  const into = at < 0 ? undefined : words[at + 1];
  return { argv: at < 0 ? words : words.slice(0, at), into, fails: comment.startsWith("fails") };
}
