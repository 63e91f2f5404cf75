/**
 * Whether all that the modules named as arguments export is documented: `deno doc --lint`, which ends with code 1 when not.
 *
 * It takes every type that no entry point exports for a private one, those of packages too. What extends a class of a package
 * can't do without naming it, so these are let through.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { binary, root } from "./runtimes.ts";

/** What `abstract-level` exports, as `@holdfast/db/level` shows it to its users. */
const foreign = new Set(readFileSync(`${root}node_modules/abstract-level/index.d.ts`, "utf8").match(/Abstract\w+/g));

const { status, stdout, stderr } = spawnSync(binary("deno"), ["doc", "--lint", ...process.argv.slice(2)], {
  cwd: root,
  encoding: "utf8",
});
const output = stripVTControlCharacters(stdout + stderr);
const findings = output.split(/\n(?=error\[)/).filter((part) => part.startsWith("error["));
const own = findings.filter((finding) => {
  const name = /^error\[private-type-ref\].* references private type '(\w+)'/.exec(finding)?.[1];
  return name === undefined || !foreign.has(name);
});
for (const finding of own) console.log(finding);
// An end with an error that is none of its findings: it could not do its work.
if (status !== 0 && findings.length === 0) console.log(output);
process.exitCode = own.length > 0 || (status !== 0 && findings.length === 0) ? 1 : 0;
