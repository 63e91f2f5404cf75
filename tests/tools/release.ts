/**
 * Whether a tag may be published: it names the version that the files have, and the changelog tells of it.
 *
 *     node tests/tools/release.ts v0.1.0
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { root } from "./runtimes.ts";

/** What the files say of the version. */
export interface Stated {
  /** By file. */
  readonly versions: Readonly<Record<string, string>>;
  readonly changelog: string;
}

/** Reads what the files of the project say. */
export function stated(): Stated {
  const read = (file: string): string => readFileSync(root + file, "utf8");
  const version = (file: string): string => (JSON.parse(read(file)) as { version: string }).version;
  return {
    versions: {
      "deno.json": version("deno.json"),
      "package.json": version("package.json"),
      "package-lock.json": version("package-lock.json"),
      "lib/cli/version.ts": /VERSION\b[^"]*"([^"]+)"/.exec(read("lib/cli/version.ts"))?.[1] ?? "none",
    },
    changelog: read("CHANGELOG.md"),
  };
}

/** Why a tag must not be published; nothing where it may. */
export function releaseProblems(tag: string, { versions, changelog }: Stated): string[] {
  const wanted = /^v(\d+\.\d+\.\d+(?:-[\w.]+)?)$/.exec(tag)?.[1];
  if (wanted === undefined) return [`${tag} is no tag of a version, such as v1.2.3`];
  const problems = Object.entries(versions)
    .filter(([, version]) => version !== wanted)
    .map(([file, version]) => `${file} says ${version}, the tag ${wanted}`);
  if (!changelog.split("\n").includes(`## ${wanted}`)) problems.push(`CHANGELOG.md has no heading "## ${wanted}"`);
  return problems;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const problems = releaseProblems(process.argv[2] ?? "", stated());
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
