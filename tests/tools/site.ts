/**
 * Makes the documentation as a site, in `.docs`: the pages by VitePress, the reference by `deno doc`. Then every link of it is
 * followed, and only a site without dead ones is put there.
 *
 *     npm run docs
 *     npm run docs -- /holdfast/     for a place below a host's root
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { entryPoints } from "./checks.ts";
import { binary, root } from "./runtimes.ts";

/** What stands at the beginning of each page of the reference, before the way to it. */
const BREADCRUMBS = '<div class="flex items-center"><ul class="breadcrumbs">';

/**
 * Anchors within the reference that lead nowhere, by `deno doc` itself (2.9.6): parameters of mapped types, and members of one
 * of two types with the same name (`ListOptions`, of entries and of stores).
 */
const DENO_DOC = "^(type_param|property)_";

const [base = "/"] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "site-"));
try {
  console.log("docs: the pages (VitePress)");
  run("vitepress", ["build", "docs", `--base=${base}`, `--outDir=${directory}`, "--logLevel=warn"]);

  console.log("docs: the reference (deno doc)");
  const reference = join(directory, "reference");
  run("deno", ["doc", "--quiet", "--html", "--name=Reference", `--output=${reference}`, ...entryPoints()]);
  linkBack(reference);

  console.log("docs: every link");
  const skipped = ["--skip", "^https://", "--skip-fragment", DENO_DOC];
  if (base === "/") {
    run("linkinator", [".", "--recurse", "--check-fragments", ...skipped, "--verbosity=error"], directory);
  } else console.log("docs: links are followed at the root only, so not here");

  rmSync(`${root}.docs`, { recursive: true, force: true });
  cpSync(directory, `${root}.docs`, { recursive: true });
  console.log("docs: done, see .docs; its pages want a server, such as: npx vitepress preview docs");
} catch (error) {
  if ((error as { status?: number }).status === undefined) throw error;
  process.exitCode = 1; // the command has said why
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function run(name: string, args: readonly string[], cwd = root): void {
  execFileSync(binary(name), args, { cwd, stdio: ["ignore", "inherit", "inherit"] });
}

/** Gives each page of the reference a link to the guide. */
function linkBack(reference: string): void {
  for (const name of readdirSync(reference, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".html")) continue;
    const text = readFileSync(join(reference, name), "utf8");
    // Some pages only lead on to where their symbol stands now.
    if (!text.includes(BREADCRUMBS)) continue;
    const home = `${base}guide/start.html`;
    const link = `<a href="${home}" class="contextLink" style="margin-right: 1em">Guide</a>`;
    writeFileSync(join(reference, name), text.replace(BREADCRUMBS, BREADCRUMBS.replace("<ul", `${link}<ul`)));
  }
}
