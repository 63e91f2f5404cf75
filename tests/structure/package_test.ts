import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { entryPoints } from "../tools/checks.ts";
import { packFolders, packPackage } from "../tools/pack.ts";
import { binary, root } from "../tools/runtimes.ts";

/** What a new user writes first. It is checked by tsc against the packed declarations, and run by Node and Bun. */
const FIRST_PROGRAM = `import { DB } from "@holdfast/db";
import { run } from "@holdfast/db/cli";
import { azure } from "@holdfast/db/azure";
import { gcs } from "@holdfast/db/gcs";
import { fromLevel, migrate } from "@holdfast/db/migrate";
import { s3 } from "@holdfast/db/s3";
import { typed } from "@holdfast/db/typed";
import { type Schedule, schedule } from "@holdfast/db/schedule";

const start: (...args: Parameters<typeof schedule>) => Schedule = schedule;
if (typeof start !== "function") throw new Error("no schedule");
if (s3("s3://bucket/backups").name !== "s3 bucket/backups") throw new Error("no s3");
if (gcs("gs://bucket/backups").name !== "gcs bucket/backups") throw new Error("no gcs");
if (azure("azure://account/backups").name !== "azure account/backups") throw new Error("no azure");
for (const store of [s3("s3://bucket/backups"), azure("azure://account/backups")]) {
  const missing = await store.head("a").then(() => "there", (error: Error) => error.message);
  if (!/install @a(?:ws-sdk\\/client-s3|zure\\/storage-blob)/.test(missing)) throw new Error(missing);
}
const level = await fromLevel(".").open().then(() => "there", (error: Error) => error.message);
if (!/package "classic-level" .* install it/.test(level) || typeof migrate !== "function") throw new Error(level);
if (await run(["--version"]) !== 0) throw new Error("no command line");
const db = await DB.open("./data");
const { version }: { version: number } = await db.set("greeting", "hello");
const value: string | undefined = await typed<string>(db).get("greeting");
await db.close();
console.log(JSON.stringify({ value, version }));
`;

/** What each sub-path needs to be imported, besides the package itself. What only a request needs is said when it is made. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  ".": [],
  "./azure": [],
  "./cli": ["cli-progress", "cli-table3", "commander", "string-width"],
  "./gcs": [],
  "./keyv": [],
  "./kv": [],
  "./level": ["abstract-level"],
  "./migrate": [],
  "./s3": [],
  "./schedule": ["croner"],
  "./testing": [],
  "./typed": [],
  "./unstorage": [],
};

/** A program of one file, with data and backups of its own. */
const COMPILED_PROGRAM = `import { BackupRepository, DB } from "@holdfast/db";
await using db = await DB.open("./data");
await db.set("greeting", "hello");
await using repo = await BackupRepository.open("./backups");
await repo.backup(db);
console.log(await db.get("greeting"), (await repo.drill()).ok);
`;

/** Has a command line of its own, and runs one of ours. */
const CALLING_PROGRAM = `import { run } from "@holdfast/db/cli";
console.log(await run(["set", "./data", "greeting", "hello", "--create", "--quiet"]), process.argv.slice(2).join(" "));
`;

/** Compares the names of all errors that it is given with those under which it is. */
const NAMING_PROGRAM = `import * as holdfast from "@holdfast/db";
import * as migrating from "@holdfast/db/migrate";
import * as testing from "@holdfast/db/testing";
import * as typing from "@holdfast/db/typed";
const refused = await holdfast.DB.open("./nothing", { createIfMissing: false }).catch((error: Error) => error.name);
const all = Object.entries({ ...holdfast, ...migrating, ...testing, ...typing })
  .filter((each): each is [string, typeof Error] => (each[1] as { prototype?: unknown }).prototype instanceof Error);
const others = all.filter(([name, kind]) => kind.name !== name).map(([name, kind]) => name + " is " + kind.name);
console.log(refused + ";", others.length === 0 ? "all of " + all.length + " have their names" : others.join(", "));
`;

/** Stays until no more of its files have come for a while, removes them, and does all that needs them. */
const LASTING_PROGRAM = `import { BackupRepository, DB } from "@holdfast/db";
import { readdirSync, rmSync } from "node:fs";
import { registerHooks } from "node:module";
let later = 0;
registerHooks({ load: (url, context, next) => (later += url.startsWith("file:") ? 1 : 0, next(url, context)) });
await using db = await DB.open("./lasting");
await db.set("greeting", "hello");
for (let before = -1, tries = 0; (later === 0 || later > before) && tries < 100; tries++) {
  before = later;
  await new Promise((resolve) => setTimeout(resolve, 600));
}
for (const name of readdirSync(import.meta.dirname)) rmSync(import.meta.dirname + "/" + name);
const { version } = await db.backup("./backups/");
await using repo = await BackupRepository.open("./backups");
await repo.drill();
await db.export("./exported");
await new Response(db.exportStream()).bytes();
await db.restore(repo);
console.log("backed up version", version + ";", later, "files were loaded later");
`;

describe("the npm package", () => {
  const directory = mkdtempSync(join(tmpdir(), "package-"));
  /** The package, then those it depends on: installed together, so that no registry is asked. */
  let tarballs: string[];
  let contents: Map<string, string>;

  before(async () => {
    tarballs = [await packPackage(directory), ...packFolders([...installedPackages()], directory)];
    contents = readTar(gunzipSync(readFileSync(tarballs[0]!)));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  it("holds the library, its declarations and its papers, and nothing else", () => {
    const names = [...contents.keys()];
    const strange = names.filter((name) => !/^package\/(lib\/.+|mod)\.(js|js\.map|d\.ts)$/.test(name)).sort();
    const papers = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"].map((name) => `package/${name}`);
    assert.deepEqual(strange, papers);
    for (const entry of entryPoints()) {
      assert.ok(contents.has(`package/${entry.replace(/\.ts$/, ".js")}`), `${entry} is missing`);
      assert.ok(contents.has(`package/${entry.replace(/\.ts$/, ".d.ts")}`), `${entry} has no declarations`);
    }
  });

  it("needs the packages of package.json in just these versions, and names no path of this machine", () => {
    const description = JSON.parse(contents.get("package/package.json") ?? "{}") as Record<string, unknown>;
    assert.equal(description["name"], "@holdfast/db");
    assert.deepEqual(description["dependencies"], dependencies());
    for (const version of Object.values(dependencies())) assert.match(version, /^\d+\.\d+\.\d+$/);
    for (const [name, text] of contents) assert.ok(!text.includes(root), `${name} names ${root}`);
  });

  it("says what it is, and which runtimes it wants", () => {
    const { description, engines, license, keywords } = JSON.parse(contents.get("package/package.json")!) as {
      description: string;
      engines: Record<string, string>;
      license: string;
      keywords: string[];
    };
    assert.match(description, /embedded database/);
    assert.deepEqual(Object.keys(engines), ["node", "bun", "deno"]);
    assert.equal(license, "MIT");
    assert.ok(keywords.includes("backup"));
  });

  it("has a source map beside each file that holds code, with the sources and no place outside", () => {
    const mapped = new Set<string>();
    for (const [name, text] of contents) {
      if (!name.endsWith(".js")) continue;
      const base = posix.basename(name);
      if (!contents.has(`${name}.map`)) {
        assert.match(text, /^(?:(?:import|export) [^;]*;\s*)+$/, name);
        continue;
      }
      assert.ok(text.trimEnd().endsWith(`\n//# sourceMappingURL=${base}.map`), name);
      const map = JSON.parse(contents.get(`${name}.map`)!) as {
        file: string;
        sources: string[];
        sourcesContent: string[];
      };
      assert.equal(map.file, base);
      for (const [index, source] of map.sources.entries()) {
        const path = posix.join(posix.dirname(name), source).replace(/^package\//, "");
        assert.equal(map.sourcesContent[index], readFileSync(root + path, "utf8"), path);
        mapped.add(path);
      }
    }
    for (const path of ["lib/db/db.ts", "lib/cli/cli.ts", "lib/adapters/s3.ts"]) assert.ok(mapped.has(path), path);
  });

  it("is of few files, which take a program the longer to begin the more they are", (t) => {
    const installed = join(unpackedProject(directory, "counted-project", tarballs[0]!), "node_modules/@holdfast/db");
    for (const [entry, most] of [["mod.js", 4], ["lib/adapters/kv.js", 8], ["lib/cli/cli.js", 80]] as const) {
      const { length } = firstChunks(installed, entry);
      t.diagnostic(`${entry}: ${length} files`);
      assert.ok(length <= most, `${entry}: ${length}`);
    }
  });

  it("installs into an empty Node project, type-checks there and runs", () => {
    const project = emptyProject(directory, "node-project");
    run(["npm", "install", "--offline", "--no-audit", "--no-fund", ...tarballs], project);
    run([binary("tsc"), "--noEmit", "--strict", "--module", "nodenext", "--lib", "esnext,dom", "first.ts"], project);
    assertFirstProgram(run([binary("node"), "first.ts"], project));
    assert.equal(run([join(project, "node_modules/.bin/holdfast"), "get", "./data", "greeting"], project), "hello\n");
    assert.equal(run(["npx", "--offline", "holdfast", "count", "./data"], project), "1\n");
    // Traces of errors name the lines of the sources.
    const failing = 'import { DB } from "@holdfast/db"; await DB.open(7).catch(({ stack }) => console.log(stack));';
    const trace = run([binary("node"), "--enable-source-maps", "--input-type=module", "-e", failing], project);
    assert.match(trace, /lib\/db\/\S+\.ts:\d+/);
  });

  it("installs into an empty Bun project and runs", () => {
    const project = emptyProject(directory, "bun-project");
    run([binary("bun"), "add", ...tarballs], project);
    assertFirstProgram(run([binary("bun"), "first.ts"], project));
    assert.equal(run([binary("bun"), "x", "--bun", "@holdfast/db", "get", "./data", "greeting"], project), "hello\n");
  });

  it("becomes one executable with the program that uses it, by Bun", () => {
    const project = unpackedProject(directory, "compiled-project", tarballs[0]!);
    writeFileSync(join(project, "main.ts"), COMPILED_PROGRAM);
    run([binary("bun"), "build", "--compile", "main.ts", "--outfile", "shop"], project);
    const elsewhere = mkdtempSync(join(directory, "elsewhere-"));
    assert.equal(run([join(project, "shop")], elsewhere), "hello true\n");
  });

  it("runs no command in a bundle but those that the program asks for", () => {
    const project = emptyProject(directory, "calling-project");
    run([binary("bun"), "add", ...tarballs], project);
    writeFileSync(join(project, "main.ts"), CALLING_PROGRAM);
    // Packages that are for some to install are none that a bundler asks for.
    run([binary("bun"), "build", "main.ts", "--target=node", "--outfile", "out/main.js"], project);
    run([binary("bun"), "build", "--compile", "main.ts", "--outfile", "calling"], project);
    for (const program of [[binary("node"), "out/main.js"], [binary("bun"), "out/main.js"], ["./calling"]]) {
      assert.equal(run([...program, "delete", "./data", "--all", "--yes"], project), "0 delete ./data --all --yes\n");
      assert.equal(run([...program, "get", "./data", "greeting"], project), "0 get ./data greeting\n");
    }
  });

  it("is as large in a bundle as docs/guide/limits.md says", (t) => {
    const project = unpackedProject(directory, "bundled-project", tarballs[0]!);
    writeFileSync(join(project, "main.ts"), 'export * from "@holdfast/db";\n');
    run([binary("bun"), "build", "main.ts", "--minify", "--target=node", "--outfile", "all.js"], project);
    const kilobytes = gzipSync(readFileSync(join(project, "all.js")), { level: 9 }).length / 1000;
    t.diagnostic(`${kilobytes.toFixed(0)} kB`);
    const stated = Number(
      /minified and gzipped (\d+) kB/.exec(readFileSync(`${root}docs/guide/limits.md`, "utf8"))?.[1],
    );
    assert.ok(Math.abs(kilobytes - stated) < 8, `${kilobytes} kB, and ${stated} are stated`);
  });

  it("tells each error by its name in a minified bundle", () => {
    const project = unpackedProject(directory, "minified-project", tarballs[0]!);
    writeFileSync(join(project, "main.ts"), NAMING_PROGRAM);
    run([binary("bun"), "build", "main.ts", "--minify", "--target=node", "--outfile", "out.js"], project);
    assert.match(run([binary("node"), "out.js"], project), /^NotFoundError; all of \d\d have their names\n$/);
  });

  it("loads half of it later, where a bundler splits it: in time for a backup when its files are gone by then", (t) => {
    const project = unpackedProject(directory, "split-project", tarballs[0]!);
    writeFileSync(join(project, "main.ts"), `export * from "@holdfast/db";\n${LASTING_PROGRAM}`);
    run([binary("bun"), "build", "main.ts", "--minify", "--splitting", "--target=node", "--outdir", "out"], project);
    const kilobytes = firstChunks(join(project, "out"), "main.js").reduce(
      (sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length,
      0,
    ) / 1000;
    t.diagnostic(`${kilobytes.toFixed(0)} kB`);
    const stated = Number(/splits, (\d+) kB/.exec(readFileSync(`${root}docs/guide/limits.md`, "utf8"))?.[1]);
    assert.ok(Math.abs(kilobytes - stated) < 8, `${kilobytes} kB, and ${stated} are stated`);
    assert.match(
      run([binary("node"), "out/main.js"], project),
      /^backed up version 1; [1-9]\d* files were loaded later\n$/,
    );
  });

  it("is taken by programs of CommonJS too, each sub-path and its package.json", () => {
    const project = unpackedProject(directory, "required-project", tarballs[0]!);
    for (const name of new Set(Object.values(NEEDS).flat())) {
      symlinkSync(`${root}node_modules/${name}`, join(project, "node_modules", name));
    }
    const names = [...Object.keys(NEEDS), "./package.json"];
    const program = `for (const name of ${JSON.stringify(names)}) {
      if (Object.keys(require("@holdfast/db" + name.slice(1))).length === 0) throw new Error(name);
    }
    const { DB } = require("@holdfast/db");
    DB.open(":memory:").then(async (db) => {
      await db.set("greeting", "hello");
      console.log(db.getSync("greeting"));
      await db.close();
    });`;
    writeFileSync(join(project, "main.cjs"), program);
    for (const runtime of ["node", "bun"]) {
      assert.equal(run([binary(runtime), "main.cjs"], project), "hello\n", runtime);
    }
  });

  it("has sub-paths that need nothing but what they are said to need", () => {
    const project = unpackedProject(directory, "lean-project", tarballs[0]!);
    assert.deepEqual(Object.keys(NEEDS), Object.keys(exported()));
    const link = (name: string): void =>
      symlinkSync(`${root}node_modules/${name}`, join(project, "node_modules", name));
    /** What comes of importing these sub-paths in one process: "true", or the error's message. */
    const imported = (runtime: string, names: readonly string[]): string[] => {
      const program = `for (const name of ${JSON.stringify(names)}) {
        const problem = await import("@holdfast/db" + name.slice(1)).then((all) => Object.keys(all).length > 0, String);
        console.log(String(problem).split("\\n")[0]);
      }`;
      writeFileSync(join(project, "import.mjs"), program);
      return run([binary(runtime), "import.mjs"], project).trim().split("\n");
    };
    const [alone, needy] = [Object.keys(NEEDS), Object.keys(NEEDS)].map((names, index) =>
      names.filter((name) => (NEEDS[name]!.length > 0) === (index === 1))
    ) as [string[], string[]];
    for (const runtime of ["node", "bun"]) assert.deepEqual(imported(runtime, alone), alone.map(() => "true"));
    for (const [index, message] of imported("node", needy).entries()) {
      const needed = NEEDS[needy[index]!]!;
      assert.match(message, new RegExp(`'(?:${needed.join("|")})'`));
      for (const name of needed) link(name);
      for (const runtime of ["node", "bun"]) assert.deepEqual(imported(runtime, [needy[index]!]), ["true"], runtime);
      for (const name of needed) rmSync(join(project, "node_modules", name));
    }
  });
});

/** A file, and those that are loaded with it. */
function firstChunks(directory: string, name: string, found: string[] = []): string[] {
  const file = join(directory, name);
  if (found.includes(file)) return found;
  found.push(file);
  for (const [, other] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*"(\.\.?\/[^"]+\.js)"/g)) {
    firstChunks(dirname(file), other!, found);
  }
  return found;
}

/** The folders of all packages that the package needs, those that its dependencies need included. */
function installedPackages(): Set<string> {
  const found = new Set<string>();
  const visit = (from: string, names: Iterable<string>): void => {
    for (const name of names) {
      const own = `${from}node_modules/${name}`;
      const folder = existsSync(own) ? own : `${root}node_modules/${name}`;
      if (found.has(folder)) continue;
      found.add(folder);
      const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
        readFileSync(`${folder}/package.json`, "utf8"),
      ) as { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> };
      visit(`${folder}/`, [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]);
    }
  };
  visit(root, Object.keys(dependencies()));
  return found;
}

/** A project with the package in it, and none of those that it depends on. */
function unpackedProject(directory: string, name: string, tarball: string): string {
  const project = emptyProject(directory, name);
  const modules = join(project, "node_modules/@holdfast");
  mkdirSync(modules, { recursive: true });
  run(["tar", "-xzf", tarball, "-C", modules], project);
  renameSync(join(modules, "package"), join(modules, "db"));
  return project;
}

function exported(): Record<string, string> {
  return (JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { exports: Record<string, string> }).exports;
}

function dependencies(): Record<string, string> {
  return (JSON.parse(readFileSync(`${root}package.json`, "utf8")) as { dependencies: Record<string, string> })
    .dependencies;
}

function assertFirstProgram(output: string): void {
  const lines = output.trim().split("\n");
  assert.deepEqual(JSON.parse(lines[lines.length - 1] ?? ""), { value: "hello", version: 1 });
}

function emptyProject(directory: string, name: string): string {
  const project = join(directory, name);
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  writeFileSync(join(project, "first.ts"), FIRST_PROGRAM);
  return project;
}

/** Runs a command and gives what it printed; when it fails, the error shows all it printed. */
function run([file = "", ...args]: readonly string[], cwd: string): string {
  try {
    const shell = process.platform === "win32" && file === "npm";
    return execFileSync(file, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], shell });
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string };
    throw new Error(`${[file, ...args].join(" ")} failed:\n${stdout ?? ""}${stderr ?? String(error)}`);
  }
}

/** The files of a tar archive and their text; enough of the format for what deno pack writes. */
function readTar(tar: Uint8Array): Map<string, string> {
  const decoder = new TextDecoder();
  const field = (offset: number, length: number): string =>
    decoder.decode(tar.subarray(offset, offset + length)).replace(/\0.*$/s, "");
  const files = new Map<string, string>();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const size = parseInt(field(at + 124, 12), 8);
    const prefix = field(at + 345, 155);
    files.set((prefix === "" ? "" : `${prefix}/`) + field(at, 100), field(at + 512, size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
