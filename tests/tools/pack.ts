import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { binary, root } from "./runtimes.ts";

/**
 * Makes the npm package in `directory`, and returns the tarball's path.
 *
 *     node tests/tools/pack.ts .
 *
 * `deno pack` does the work. Where the dependencies lie in node_modules, as here, it writes none of them into the package's
 * own package.json (seen with 2.9.6), and of commands it knows nothing, so both are added; npm then packs what `deno pack`
 * made, file by file.
 */
export function packPackage(directory: string): string {
  const scratch = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const made = join(scratch, "made.tgz");
    // Without source maps: those would carry the paths of this machine.
    run(binary("deno"), ["pack", "--allow-dirty", "--no-source-maps", `--output=${made}`], root);
    mkdirSync(directory, { recursive: true });
    run("tar", ["-xzf", "made.tgz"], scratch);
    const description = join(scratch, "package/package.json");
    const { bin, dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
      readFileSync(`${root}package.json`, "utf8"),
    ) as Record<string, unknown> & { bin: Record<string, string> };
    // Node takes no TypeScript from node_modules; `deno pack` has made JavaScript of it.
    const commands = Object.fromEntries(
      Object.entries(bin).map(([name, file]) => [name, file.replace(/\.ts$/, ".js")]),
    );
    const packed = JSON.parse(readFileSync(description, "utf8")) as Record<string, unknown>;
    writeFileSync(
      description,
      `${
        JSON.stringify({ ...packed, bin: commands, dependencies, peerDependencies, peerDependenciesMeta }, undefined, 2)
      }\n`,
    );
    return packFolder(join(scratch, "package"), directory);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Packs a folder that has a package.json as it is, into `directory`; returns the tarball's path. */
export function packFolder(folder: string, directory: string): string {
  const output = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", directory, folder], root);
  const [packed] = Object.values(JSON.parse(output) as Record<string, { filename: string }>);
  return join(directory, packed!.filename.replace("@", "").replace("/", "-"));
}

function run(file: string, args: string[], cwd: string): string {
  const shell = process.platform === "win32" && file === "npm";
  try {
    return execFileSync(file, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], shell });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[file, ...args].join(" ")} failed:\n${stdout ?? ""}${stderr ?? String(error)}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) console.log(packPackage(process.argv[2] ?? "."));
