/** The page that says where the features of other projects are names files and tests that exist. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { root } from "../tools/runtimes.ts";

/** A file, with the names of its tests that follow it. */
const REFERENCE = /`((?:tests|examples|bench|docs|lib)\/[\w/.-]+\.\w+|README\.md|LICENSE)`((?:,? "(?:[^"\\]|\\.)*")*)/g;

/** What the check finds wrong with a row; undefined when nothing is. */
function problemOf(row: string, read: (path: string) => string | undefined): string | undefined {
  const shownBy = row.split(/(?<!\\)\|/).at(-2)?.trim() ?? "";
  const references = [...shownBy.matchAll(REFERENCE)];
  if (references.length === 0) return shownBy.startsWith("not yet") ? undefined : "rests on nothing";
  for (const [, path, quoted] of references) {
    const text = read(path!);
    if (text === undefined) return `${path} does not exist`;
    const names = [...quoted!.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, name]) => name!);
    if (names.length === 0 && /^tests\/.*_(?:test|suite)\.ts$/.test(path!)) return `${path} is named without a test`;
    for (const name of names) if (!hasTest(text, name)) return `${path} has no test "${name}"`;
  }
  return undefined;
}

/** Whether a source has a test or group in whose name these words are. */
function hasTest(text: string, words: string): boolean {
  const titles = text.matchAll(/\b(?:it|test|describe|suite)\(\s*(["`])((?:\\.|(?!\1).)*)\1/g);
  return [...titles].some(([, , title]) => title!.replaceAll("\\`", "`").includes(words));
}

function fromDisk(path: string): string | undefined {
  const file = `${root}${path}`;
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

describe("docs/seeds.md", () => {
  const page = readFileSync(`${root}docs/seeds.md`, "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| ") && !/^\| (?:there |-)/.test(line));

  it("has rows of every project", () => {
    const projects = [...page.matchAll(/^## (\w+):/gm)].map(([, name]) => name);
    assert.deepEqual(projects, ["nnut", "skv", "Wombat", "KotobaDB", "NADB"]);
    assert.ok(rows.length > 250, `only ${rows.length} rows`);
  });

  it("names only files and tests that exist, in every row", () => {
    const problems = rows.flatMap((row) => {
      const problem = problemOf(row, fromDisk);
      return problem === undefined ? [] : [`${row.split("|")[1]!.trim()}: ${problem}`];
    });
    assert.deepEqual(problems, []);
  });

  it("names examples that are run", () => {
    const run = fromDisk("tests/examples/examples_test.ts")!;
    for (const [, name = ""] of page.matchAll(/`examples\/([\w-]+\.ts)`/g)) {
      assert.ok(run.includes(`"${name}": [`), name);
    }
  });

  it("is checked by a check that notices", () => {
    const read = (path: string): string | undefined =>
      path === "tests/a_test.ts" ? 'it("does it", () => {});\nit(`does ${it}`, () => {});' : undefined;
    const found = (shownBy: string): string | undefined => problemOf(`| a \\| b | c | ${shownBy} |`, read);
    assert.equal(found('`tests/a_test.ts` "does it", "does "'), undefined);
    assert.equal(found("not yet"), undefined);
    assert.equal(found("by faith"), "rests on nothing");
    assert.equal(found('`tests/b_test.ts` "does it"'), "tests/b_test.ts does not exist");
    assert.equal(found('`tests/a_test.ts` "does not"'), 'tests/a_test.ts has no test "does not"');
    assert.equal(found("`tests/a_test.ts`"), "tests/a_test.ts is named without a test");
  });
});
