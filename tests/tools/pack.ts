import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Buffer } from "node:buffer";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { binary, root } from "./runtimes.ts";

/** What the package's package.json says besides what `deno pack` makes of deno.json. */
interface Description {
  readonly description: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, unknown>>;
}

/**
 * The runtimes on which the package may be tried; README.md says on which it is tested. Node 24 is the first that knows
 * `await using`, which the command line is written with.
 */
const ENGINES = { node: ">=24", bun: ">=1.4", deno: ">=2.9" };

const KEYWORDS = ["database", "embedded", "key-value", "lsm", "backup", "point-in-time", "deno", "bun", "node"];

/**
 * Makes the npm package in `directory`, and returns the tarball's path.
 *
 *     node tests/tools/pack.ts .
 *     node tests/tools/pack.ts . ADDRESS    also says at which address the repository lies
 *
 * `deno pack` does the work. Where the dependencies lie in node_modules, as here, it writes none of them into the package's
 * own package.json (seen with 2.9.6), and of commands it knows nothing, so both are added; its source maps are put beside the
 * files and name no path of this machine. npm then packs what that made, file by file.
 */
export function packPackage(directory: string, repository?: string): string {
  const scratch = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const made = join(scratch, "made.tgz");
    run(binary("deno"), ["pack", "--allow-dirty", `--output=${made}`], root);
    mkdirSync(directory, { recursive: true });
    run("tar", ["-xzf", "made.tgz"], scratch);
    describe(join(scratch, "package/package.json"), repository);
    for (const name of readdirSync(join(scratch, "package"), { recursive: true, encoding: "utf8" })) {
      if (name.endsWith(".js")) moveSourceMap(join(scratch, "package", name));
    }
    return packFolders([join(scratch, "package")], directory)[0]!;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Completes the package.json that `deno pack` has made. */
function describe(file: string, repository: string | undefined): void {
  const { description, bin, dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
    readFileSync(`${root}package.json`, "utf8"),
  ) as Description;
  // Node takes no TypeScript from node_modules; `deno pack` has made JavaScript of it.
  const commands = Object.fromEntries(Object.entries(bin).map(([name, path]) => [name, path.replace(/\.ts$/, ".js")]));
  const packed = {
    ...JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>,
    description,
    keywords: KEYWORDS,
    ...(repository !== undefined && { repository: { type: "git", url: `git+${repository}.git` } }),
    engines: ENGINES,
    bin: commands,
    dependencies,
    peerDependencies,
    peerDependenciesMeta,
  };
  writeFileSync(file, `${JSON.stringify(packed, undefined, 2)}\n`);
}

/** Moves the source map that stands at the end of a file, and holds an absolute path, to a file beside it, which holds none. */
function moveSourceMap(file: string): void {
  const text = readFileSync(file, "utf8");
  const [comment, encoded] = /^\/\/# sourceMappingURL=data:[^,]*;base64,(.*)\s*$/m.exec(text) ?? [];
  if (comment === undefined) throw new Error(`${file} has no source map`);
  const map = JSON.parse(Buffer.from(encoded!, "base64").toString("utf8")) as Record<string, unknown>;
  const name = basename(file);
  const moved = { ...map, file: name, sources: [name.replace(/\.js$/, ".ts")] };
  writeFileSync(`${file}.map`, JSON.stringify(moved));
  writeFileSync(file, text.replace(comment, `//# sourceMappingURL=${name}.map\n`));
}

/** Packs folders that have a package.json as they are, into `directory`; returns the tarballs' paths. */
export function packFolders(folders: readonly string[], directory: string): string[] {
  const output = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", directory, ...folders], root);
  const packed = Object.values(JSON.parse(output) as Record<string, { filename: string }>);
  return packed.map(({ filename }) => join(directory, filename.replace("@", "").replace("/", "-")));
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

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [directory = ".", repository] = process.argv.slice(2);
  console.log(packPackage(directory, repository));
}
