/**
 * The examples of the documentation. The check "examples in the documentation" runs those of all pages but the guide's, which
 * run here: they print what their comments say, and their command lines work. Those that are not run have a reason.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { formatWithOptions } from "node:util";
import { run } from "../../lib/cli/cli.ts";
import { guide } from "../tools/checks.ts";
import { root } from "../tools/runtimes.ts";
import { filesBelow } from "../tools/sources.ts";

/** A block of code in a page. */
interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

/** Pages with examples that are not run: how many, and why. */
const NOT_RUN: Readonly<Record<string, { count: number; why: string }>> = {
  "README.md": { count: 1, why: "serves forever, with Bun's own server" },
  "docs/object-storage.md": { count: 2, why: "asks a bucket; tests/storage/s3 does the same on a gateway of its own" },
  "docs/azure.md": { count: 1, why: "asks an account; tests/storage/azure does the same on an emulator" },
  "docs/deno-kv.md": { count: 1, why: "reads a file of Deno KV, which needs a flag of Deno" },
  "docs/guide/operating.md": { count: 1, why: "is for a second process; tests/db/lifetime_test.ts has one" },
  "docs/migrating.md": {
    count: 2,
    why: "reads what a user has to bring; tests/migrate has it written by its own library",
  },
  "docs/level.md": { count: 1, why: "reads a database of classic-level, which a user has to bring" },
};

/** Not run, and not worth a row: how to install this package, and to run a file with it. */
const INSTALLATION = /^(?:npm install|npm run|npm test|npx @holdfast|deno run --allow)/;

const pages = ["README.md", ...filesBelow("docs", (path) => path.endsWith(".md"))];

function snippetsOf(page: string): Snippet[] {
  const text = readFileSync(root + page, "utf8");
  return [...text.matchAll(/^( *)(```+)(.*)\n([^]*?)^\1\2$/gm)].map(({ index, 3: language, 4: code }) => ({
    page,
    line: text.slice(0, index).split("\n").length,
    language: language!.trim(),
    code: code!,
  }));
}

/** What the comments behind calls of `console.log` say that these print, in the order of the lines. */
function announced(code: string): string[] {
  return [...code.matchAll(/console\.log\(.*\)\)?;? \/\/ (.+)$/gm)].map(([, comment]) => comment!);
}

/** What a program prints, a line for each call, as the comments write it: in one line, with double quotes. */
async function printed(work: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (...values: unknown[]): void => {
    lines.push(formatWithOptions({ breakLength: Infinity, compact: 9 }, ...values as [unknown]).replaceAll("'", '"'));
  };
  try {
    await work();
  } finally {
    console.log = log;
  }
  return lines;
}

/** The first of `expected` that does not come, in this order, in `lines`. */
function missing(expected: readonly string[], lines: readonly string[]): string | undefined {
  let at = 0;
  for (const line of expected) {
    const found = lines.indexOf(line, at);
    if (found < 0) return line;
    at = found + 1;
  }
  return undefined;
}

describe("the examples of the documentation", () => {
  const all = pages.flatMap(snippetsOf);

  it("are run, but for a few that have a reason", () => {
    const found: Record<string, number> = {};
    for (const { page, language } of all) if (language === "ts ignore") found[page] = (found[page] ?? 0) + 1;
    const meant = Object.entries(NOT_RUN).map(([page, { count }]) => [page, count]);
    assert.deepEqual(found, Object.fromEntries(meant));
  });

  it("say what they are, so that the checks see them", () => {
    const languages = ["ts", "ts ignore", "sh", "json", "jsonl", "text", "hex", ""];
    const strange = all.filter(({ language }) => !languages.includes(language));
    assert.deepEqual(strange.map(({ page, line, language }) => `${page}:${line}: ${language}`), []);
  });
});

describe("the guide", () => {
  const directory = mkdtempSync(join(tmpdir(), "snippets-"));
  const project = process.cwd();
  before(() => {
    mkdirSync(join(directory, "node_modules/@holdfast"), { recursive: true });
    symlinkSync(root, join(directory, "node_modules/@holdfast/db"));
  });
  after(() => {
    process.chdir(project);
    rmSync(directory, { recursive: true, force: true });
  });

  for (const page of guide()) {
    const snippets = snippetsOf(page);

    it(`${page} has examples that print what they say`, async () => {
      for (const { line, code } of snippets.filter(({ language }) => language === "ts")) {
        const place = mkdtempSync(join(directory, "run-"));
        writeFileSync(join(place, "example.ts"), code);
        process.chdir(place);
        const lines = await printed(() => import(pathToFileURL(join(place, "example.ts")).href));
        assert.equal(missing(announced(code), lines), undefined, `${page}:${line} prints\n${lines.join("\n")}`);
      }
    });

    it(`${page} has command lines that work`, async () => {
      process.chdir(mkdtempSync(join(directory, "run-")));
      const commands = snippets.filter(({ language }) => language === "sh").flatMap(({ code }) =>
        code.trim().split("\n")
      );
      for (const command of commands.filter((each) => !INSTALLATION.test(each))) {
        const words = [...command.replace(/ # .*$/, "").matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) =>
          quoted ?? word!
        );
        assert.equal(words.shift(), "holdfast", command);
        const [stdout, stderr] = [new PassThrough(), new PassThrough({ encoding: "utf8" })];
        stdout.resume();
        assert.equal(await run(words, { stdout, stderr }), 0, `${page}: ${command}\n${stderr.read() ?? ""}`);
      }
    });
  }

  it("is checked by a check that notices", async () => {
    const code = 'console.log("a", [1]); // a [ 1 ]\nconsole.log("b"); // b\n';
    assert.deepEqual(announced(code), ["a [ 1 ]", "b"]);
    const lines = await printed(async () => {
      console.log("a", ["x"], { y: 1 });
      console.log("c");
    });
    assert.deepEqual(lines, ['a [ "x" ] { y: 1 }', "c"]);
    assert.equal(missing(["c"], lines), undefined);
    assert.equal(missing(["c", 'a [ "x" ] { y: 1 }'], lines), 'a [ "x" ] { y: 1 }');
  });
});
