import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type ChunkingContext, rolldown } from "rolldown";
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
 * `deno pack` makes the declarations and a package.json. Where the dependencies lie in node_modules, as here, it writes none of
 * them into that (seen with 2.9.6), and of commands it knows nothing, so both are added. Of JavaScript it makes a file for each
 * module, and several hundred files take a program longer to begin than what is in them: these are put together. npm then packs
 * what that made, file by file.
 */
export async function packPackage(directory: string, repository?: string): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "pack-"));
  try {
    const made = join(scratch, "made.tgz");
    run(binary("deno"), ["pack", "--allow-dirty", `--output=${made}`], root);
    mkdirSync(directory, { recursive: true });
    run("tar", ["-xzf", "made.tgz"], scratch);
    describe(join(scratch, "package/package.json"), repository);
    await bundle(join(scratch, "package"));
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
  const made = JSON.parse(readFileSync(file, "utf8")) as { exports: Record<string, unknown> };
  const packed = {
    ...made,
    // Tools ask a package for what it says of itself.
    exports: { ...made.exports, "./package.json": "./package.json" },
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

/**
 * Puts JavaScript in the place of that which `deno pack` made: a file for each entry point, one for all that `mod.ts` needs at
 * once, and others for what else several of them share. A map beside each names the sources by where they lie in the project,
 * and holds their text.
 */
async function bundle(directory: string): Promise<void> {
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (name.endsWith(".js")) rmSync(join(directory, name));
  }
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { exports: Record<string, string> };
  const build = await rolldown({
    cwd: root,
    input: Object.fromEntries(Object.values(exports).map((path) => [path.replace(/^\.\/|\.ts$/g, ""), path])),
    platform: "node",
    // Packages and what the runtimes bring are imported as before.
    external: /^[^./]/,
    tsconfig: false,
    // What is loaded later stays in files of its own: what others import of one that was merged takes a runtime beside them.
    experimental: { chunkOptimization: false },
    onLog: (_level, { message }) => {
      throw new Error(message);
    },
  });
  const needed = new Set<string>();
  /** What `mod.ts` imports, and what that imports, but for what is loaded later. */
  const core = (context: ChunkingContext, id = resolve(root, "mod.ts")): Set<string> => {
    if (needed.has(id)) return needed;
    needed.add(id);
    for (const imported of context.getModuleInfo(id)?.importedIds ?? []) core(context, imported);
    return needed;
  };
  await build.write({
    dir: directory,
    entryFileNames: "[name].js",
    chunkFileNames: "lib/shared/[name]-[hash].js",
    codeSplitting: {
      groups: [{ debugName: "core", name: (id, context) => core(context).has(id) ? "core" : null }],
    },
    sourcemap: true,
    sourcemapPathTransform: (path, map) => {
      const inProject = relative(root, resolve(dirname(map), path));
      return relative(dirname(map), join(directory, inProject)).replaceAll("\\", "/");
    },
  });
  await build.close();
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
  console.log(await packPackage(directory, repository));
}
