import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { root } from "../tools/runtimes.ts";
import { filesBelow } from "../tools/sources.ts";

interface Configuration {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Record<string, string>;
  readonly imports: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly peerDependenciesMeta: Record<string, { optional: boolean }>;
  readonly devDependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
  readonly allowScripts: Record<string, boolean>;
}

const hidden = [".ci/run", ".github/workflows/publish.yml", "docs/.vitepress/config.ts"];
const files = [...filesBelow("", (path) => !path.endsWith(".tgz")), ...hidden];
const read = (file: string): string => readFileSync(root + file, "latin1");
const configuration = (file: string): Configuration => JSON.parse(read(file)) as Configuration;

/** The lines of these files that a pattern finds, as "file:line: text". */
function linesWith(pattern: RegExp, among: readonly string[]): string[] {
  return among.flatMap((file) =>
    read(file).split("\n").flatMap((text, index) => pattern.test(text) ? [`${file}:${index + 1}: ${text.trim()}`] : [])
  );
}

describe("the project's files", () => {
  it("name no registry's host", () => {
    // In pieces, so that this file does not hold what it looks for.
    const hosts = ["npm" + "js\\.", "jsr" + "\\.io", "registry" + "\\.\\w+\\.", "deb" + "\\.debian"];
    assert.deepEqual(linesWith(new RegExp(hosts.join("|")), files), []);
  });

  it("name no absolute path of a machine", () => {
    assert.deepEqual(linesWith(/(?:^|[\s"'`(=:])\/(?:work|root|home|Users)\/\w/, files), []);
  });

  it("hold nothing of a merge that was not ended", () => {
    // Also where a formatter took such a line for the row of a table.
    assert.deepEqual(linesWith(/^(?:\| )?(?:<{7}|>{7}) |^(?:\| )?={7}(?: |$)/, files), []);
  });

  it("stand in the root only where they are meant to", () => {
    const meant = [
      ...["CHANGELOG.md", "LICENSE", "README.md", "deno.json", "mod.ts", "tsconfig.json"],
      ...["package-lock.json", "package.json", ".gitattributes", ".gitignore", ".npmrc"],
    ];
    // What is ignored may lie there, too.
    const found = files.filter((file) => !file.includes("/") && file !== "deno.lock");
    assert.deepEqual(found.filter((file) => !meant.includes(file)), []);
  });

  it("import from JSR in examples/deno_std.ts only", () => {
    const sources = files.filter((file) => /\.(ts|mjs|json)$/.test(file) && file !== "examples/deno_std.ts");
    assert.deepEqual(linesWith(/(?:from|import|import\()\s*"jsr:|:\s*"jsr:/, sources), []);
  });

  it("hold no test that is left out, singled out or announced", () => {
    const tests = files.filter((file) => file.endsWith("_test.ts") && !file.startsWith("tests/structure/"));
    assert.deepEqual(
      linesWith(/\b(?:it|test|describe|suite)\.(?:only|skip|todo)\b|[{,]\s*(?:skip|only|todo):/, tests),
      [],
    );
  });

  it("hold no library code that ends the process", () => {
    // That file is the program itself: `run`, which others call, does not come to it.
    const library = files.filter((file) => file.startsWith("lib/") && file !== "lib/cli/main.ts");
    assert.deepEqual(linesWith(/^(?!\s*(?:\*|\/\/)).*\b(?:process|Deno)\.exit\b/, library), []);
  });
});

describe("package.json and deno.json", () => {
  const npm = configuration("package.json");
  const deno = configuration("deno.json");

  it("describe the same package", () => {
    for (const field of ["name", "version", "license", "exports"] as const) assert.deepEqual(npm[field], deno[field]);
  });

  it("depend on the same packages", () => {
    // Clients of clouds are for those who use them to install: here they are for the tests.
    const needed = { ...npm.dependencies };
    const versions = Object.entries(npm.devDependencies);
    for (const [name, range] of Object.entries(npm.peerDependencies)) {
      needed[name] = npm.devDependencies[name]!;
      // An older major is here under another name.
      const older = versions.flatMap(([, version]) =>
        version.startsWith(`npm:${name}@`) ? [version.split("@").pop()] : []
      );
      assert.equal(range, [...older, needed[name]].map((version) => `^${version}`).join(" || "));
      assert.deepEqual(npm.peerDependenciesMeta[name], { optional: true });
    }
    const imports = Object.entries(needed).map(([name, version]) => [name, `npm:${name}@${version}`]);
    assert.deepEqual(deno.imports, Object.fromEntries(imports));
  });

  it("pin every package to one version", () => {
    const all = { ...npm.dependencies, ...npm.devDependencies, ...npm.optionalDependencies };
    const loose = Object.entries(all).filter(([, version]) =>
      !/^(?:npm:[a-z0-9]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version)
    );
    assert.deepEqual(loose, []);
  });

  it("come with a lock file that holds versions and hashes but no download addresses", () => {
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Record<string, unknown>> };
    for (const [path, entry] of Object.entries(packages)) {
      assert.equal(entry["resolved"], undefined, path);
      const optional = path === "" || entry["optional"] === true;
      if (!optional) assert.equal(typeof entry["integrity"], "string", path);
    }
  });

  it("say of every package with an install script whether it may run", () => {
    const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Record<string, unknown>> };
    const scripted = Object.entries(packages).filter(([, entry]) => entry["hasInstallScript"] === true);
    const names = scripted.map(([path]) => path.replace(/^.*node_modules\//, ""));
    assert.deepEqual(names.filter((name) => !(name in npm.allowScripts)), []);
  });
});
