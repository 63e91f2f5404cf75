/**
 * The import graph of the library, as `deno info --json` reads it, and the rules it has to keep. Reading and judging are
 * apart, so that the judging can be shown graphs that break a rule.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { binary, root } from "../tools/runtimes.ts";

/** The floors from the ground up. An import stays on its floor or goes down. */
const FLOORS: readonly (readonly string[])[] = [
  ["lib/base/"],
  ["lib/files/"],
  ["lib/format/"],
  ["lib/tree/"],
  ["lib/engine/"],
  ["lib/storage/"],
  ["lib/backup/"],
  ["lib/db/"],
  ["mod.ts", "lib/cli/", "lib/adapters/"],
];

/** The files that may import a package, each exactly one. No user of mod.ts may come to load one of them. */
const PACKAGES: Readonly<Record<string, string>> = {
  "lib/adapters/kv/structured.ts": "devalue",
  "lib/adapters/level/abstract_level.ts": "abstract-level",
  "lib/adapters/migrate/level_package.ts": "classic-level",
  "lib/adapters/migrate/lmdb_package.ts": "lmdb",
  "lib/adapters/migrate/redis_package.ts": "redis",
  "lib/adapters/schedule/cron.ts": "croner",
  "lib/cli/core/arguments.ts": "commander",
  "lib/cli/output/progress.ts": "cli-progress",
  "lib/cli/output/table.ts": "cli-table3",
  "lib/cli/output/width.ts": "string-width",
  "lib/storage/s3/client.ts": "@aws-sdk/client-s3",
  "lib/storage/s3/google_auth.ts": "google-auth-library",
  "lib/storage/azure/identity.ts": "@azure/identity",
  "lib/storage/azure/sdk.ts": "@azure/storage-blob",
};

/** Who imports whom: paths from the project's root; what is not a file of the project stands as it was written. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

interface Dependency {
  readonly specifier: string;
  readonly code?: { readonly specifier: string };
  readonly type?: { readonly specifier: string };
}
interface DenoInfo {
  readonly modules: readonly {
    readonly specifier: string;
    readonly error?: string;
    readonly dependencies?: readonly Dependency[];
  }[];
}

/** Reads the graph of these files and of all they import, imports of types included. */
export function readImportGraph(files: readonly string[]): ImportGraph {
  const directory = mkdtempSync(join(tmpdir(), "graph-"));
  try {
    const entry = join(directory, "all.ts");
    writeFileSync(entry, files.map((file) => `import ${JSON.stringify(pathToFileURL(root + file).href)};\n`).join(""));
    const info = JSON.parse(
      execFileSync(binary("deno"), ["info", "--json", `--config=${root}deno.json`, entry], {
        encoding: "utf8",
        maxBuffer: 2 ** 28,
      }),
    ) as DenoInfo;
    const broken = info.modules.filter((module) => module.error !== undefined);
    if (broken.length > 0) throw new Error(broken.map((module) => `${module.specifier}: ${module.error}`).join("\n"));
    return new Map(
      info.modules
        // Deno adds the types of node: built-ins by itself; nobody imports them.
        .filter(({ specifier }) => specifier.startsWith("file:") && !/\/all\.ts$|\/node_modules\//.test(specifier))
        .map((module) => [nameOf(module.specifier), importsOf(module.dependencies ?? [])]),
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Every import that breaks a rule, one sentence each; none when all is well. */
export function importFaults(graph: ImportGraph): string[] {
  const faults: string[] = [];
  for (const [file, imports] of graph) {
    const floor = floorOf(file);
    if (floor === -1) faults.push(`${file} is on no floor`);
    for (const imported of imports) {
      if (imported.startsWith("node:") || isPackage(imported, PACKAGES[file])) continue;
      if (!graph.has(imported)) {
        faults.push(`${file} imports ${imported}; only node: built-ins and own files are allowed`);
      } else if (floorOf(imported) > floor) faults.push(`${file} imports ${imported}, which is on a floor above it`);
    }
  }
  for (const file of reachable(graph, "mod.ts")) {
    if (file in PACKAGES) faults.push(`mod.ts comes to ${file}, which imports a package`);
  }
  return [...faults, ...circles(graph).map((circle) => `a circle: ${circle.join(" -> ")}`)];
}

/** The lines of mod.ts that do anything else than re-export. */
export function otherStatements(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const rest = code.replace(/export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+"\.\/lib\/[^"]+";/g, "");
  return rest.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** How many lines a file of the project has. */
export function lineCount(file: string): number {
  return readFileSync(root + file, "utf8").replace(/\n$/, "").split("\n").length;
}

/** One circle for each place where a walk down the imports comes back to a file it is still in. */
function circles(graph: ImportGraph): string[][] {
  const found: string[][] = [];
  const finished = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const seenAt = way.indexOf(file);
    if (seenAt !== -1) found.push([...way.slice(seenAt), file]);
    if (seenAt !== -1 || finished.has(file)) return;
    for (const imported of graph.get(file) ?? []) visit(imported, [...way, file]);
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

/** Whether an import leads to that package: by its name, or to where it or its types are installed. */
function isPackage(imported: string, name: string | undefined): boolean {
  return name !== undefined &&
    (imported === name || imported.startsWith(`npm:${name}@`) || imported.startsWith(`node_modules/${name}/`) ||
      imported.startsWith(`node_modules/@types/${name}/`));
}

/** A file and all that it comes to by its imports. */
function reachable(graph: ImportGraph, from: string): ReadonlySet<string> {
  const found = new Set([from]);
  for (const file of found) for (const imported of graph.get(file) ?? []) found.add(imported);
  return found;
}

function floorOf(file: string): number {
  return FLOORS.findIndex((floor) =>
    floor.some((place) => place === file || (place.endsWith("/") && file.startsWith(place)))
  );
}

/** What an import leads to: once as code, once as types; where it leads nowhere, as it was written. */
function importsOf(dependencies: readonly Dependency[]): string[] {
  const all = dependencies.flatMap(({ specifier, code, type }) => {
    const found = [code, type].flatMap((each) => each === undefined ? [] : [each.specifier]);
    return found.length > 0 ? found : [specifier];
  });
  return [...new Set(all.map(nameOf))];
}

function nameOf(specifier: string): string {
  if (!specifier.startsWith("file:")) return specifier;
  const path = fileURLToPath(specifier);
  return path.startsWith(root) ? path.slice(root.length) : path;
}
