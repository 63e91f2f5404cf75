import { readFileSync } from "node:fs";
import { binary, root } from "./runtimes.ts";
import { filesBelow } from "./sources.ts";

/** One thing that must hold besides the tests: commands that all have to end with code 0. */
export interface Check {
  readonly name: string;
  readonly commands: readonly (readonly string[])[];
  /** Set where the command runs tests, whose report is then counted; the path of the report is put in place of `{junit}`. */
  readonly countsTests?: boolean;
}

/** All checks, the slow ones first. */
export function allChecks(): Check[] {
  const deno = binary("deno");
  return [
    {
      name: "types",
      commands: [
        [deno, "check", ...typedFiles()],
        [deno, "check", "--doc-only", ...guide()],
        [binary("tsc"), "-p", `${root}tsconfig.json`],
        // As a program checks it that imports a checkout, with the options that most have.
        [
          binary("tsc"),
          "-p",
          `${root}tsconfig.json`,
          ...["exactOptionalPropertyTypes", "noUncheckedIndexedAccess"].flatMap(
            (option) => [`--${option}`, "false"],
          ),
        ],
      ],
    },
    {
      name: "examples in the documentation",
      countsTests: true,
      commands: [[
        deno,
        "test",
        "-A",
        "--doc",
        `--config=${root}deno.json`,
        `--preload=${root}tests/tools/doc_directory.ts`,
        "--junit-path={junit}",
        ...documents(),
      ]],
    },
    { name: "publication", commands: [[deno, "publish", "--dry-run", "--allow-dirty"]] },
    {
      name: "documented exports",
      commands: [[binary("node"), `${root}tests/tools/doc_lint.ts`, ...entryPoints()]],
    },
    {
      name: "lint",
      commands: [[deno, "lint"], [deno, "lint", "--rules-tags=", "--rules-include=no-console", "mod.ts", "lib"]],
    },
    { name: "format", commands: [[deno, "fmt", "--check"]] },
  ];
}

/** The public modules that deno.json exports. */
export function entryPoints(): string[] {
  const config = JSON.parse(readFileSync(`${root}deno.json`, "utf8")) as { exports: Record<string, string> };
  return Object.values(config.exports).map((path) => path.replace(/^\.\//, ""));
}

/** Every TypeScript file but the one that imports from JSR, which cannot be resolved where JSR does not answer. */
function typedFiles(): string[] {
  return filesBelow("", (path) => path.endsWith(".ts") && path !== "examples/deno_std.ts");
}

/** Pages whose examples tests/structure/snippets_test.ts runs, to compare what they print with what they say. */
export function guide(): string[] {
  return filesBelow("docs/guide", (path) => path.endsWith(".md"));
}

/** What else holds examples: the sources and the pages. */
function documents(): string[] {
  const pages = filesBelow("docs", (path) => path.endsWith(".md") && !path.startsWith("docs/guide/"));
  return ["README.md", ...pages, ...entryPoints(), "lib"];
}
