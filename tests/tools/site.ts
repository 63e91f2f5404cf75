/**
 * Makes the documentation as a site, in `.docs`: the pages by VitePress, the reference by `deno doc`. Then every link of it is
 * followed, and only a site without dead ones is put there.
 *
 *     npm run docs
 *     npm run docs -- /holdfast/     for a place below a host's root
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { entryPoints } from "./checks.ts";
import { adaptReference, REFERENCE_NAME } from "./reference.ts";
import { binary, root } from "./runtimes.ts";
import { deadLinks } from "./site_links.ts";

const [base = "/"] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "site-"));
try {
  console.log("docs: the pages (VitePress)");
  run("vitepress", ["build", "docs", `--base=${base}`, `--outDir=${directory}`, "--logLevel=warn"]);

  console.log("docs: the reference (deno doc)");
  const reference = join(directory, "reference");
  run("deno", ["doc", "--quiet", "--html", `--name=${REFERENCE_NAME}`, `--output=${reference}`, ...entryPoints()]);
  adaptReference(reference, base);

  console.log("docs: every link");
  const dead = deadLinks(directory, base);
  for (const link of dead) console.error(link);
  if (dead.length > 0) throw new Error(`${dead.length} dead links; .docs is left as it was`);

  rmSync(`${root}.docs`, { recursive: true, force: true });
  cpSync(directory, `${root}.docs`, { recursive: true });
  console.log("docs: done, see .docs; its pages want a server, such as: npx vitepress preview docs");
} catch (error) {
  console.error(`docs: ${(error as Error).message}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** What a tool says is worth reading when it fails. */
function run(name: string, args: readonly string[]): void {
  try {
    execFileSync(binary(name), args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${name} failed:\n${stdout}${stderr}`);
  }
}
