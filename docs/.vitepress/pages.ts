/**
 * Which Markdown of the project is a page of the site, and under which address: what `docs/` holds, and the READMEs and the
 * changelog from outside of it. Links in pages stay what they are in the project, so that they work there as well; here is
 * said where they lead on the site.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the project lies, with a slash at the end. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** Pages that lie outside of docs/, or have another name on the site than there. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "README.md": "readme.md",
  "CHANGELOG.md": "changelog.md",
  "bench/README.md": "benchmarks.md",
  "examples/README.md": "examples/index.md",
  "docs/decisions/README.md": "decisions/index.md",
};

/** The folder of the site that shows source files. */
const SOURCE = "docs/source/[file].md";

/** All pages, as paths from the project's root. */
export function pages(): string[] {
  const found = Object.keys(ELSEWHERE).filter((path) => !path.startsWith("docs/"));
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && !entry.name.startsWith(".")) visit(path);
      else if (entry.name.endsWith(".md") && path !== SOURCE) found.push(path);
    }
  };
  visit("docs");
  return found.sort();
}

/** The address of a page on the site, from its path in the project. */
export function addressOf(path: string): string {
  return ELSEWHERE[path] ?? path.replace(/^docs\//, "");
}

/** A relative link of a page: the file or folder that it names, from the project's root, and what stands behind `#`. */
export function targetOf(page: string, link: string): { path: string; anchor: string | undefined } | undefined {
  if (/^[a-z]+:|^\/\//i.test(link)) return undefined;
  const [before = "", anchor] = link.split("#");
  const path = before === "" ? page : posix.join(posix.dirname(page), decodeURIComponent(before));
  return { path: path.replace(/\/$/, ""), anchor };
}

/** Where a relative link of a page leads on the site; links to elsewhere, and those that lead nowhere, are left alone. */
export function siteLink(page: string, link: string): string {
  const target = targetOf(page, link);
  if (target === undefined || !existsSync(join(root, target.path))) return link;
  const hash = target.anchor === undefined ? "" : `#${target.anchor}`;
  const isFolder = statSync(join(root, target.path)).isDirectory();
  const path = isFolder ? `${target.path}/README.md` : target.path;
  return path.endsWith(".md") ? `/${addressOf(path)}${hash}` : `/source/${path}.html${hash}`;
}

/** The source files that the site shows: all examples, and what a page links to. */
export function sourceFiles(): string[] {
  const files = new Set(
    readdirSync(`${root}examples`).filter((name) => name.endsWith(".ts")).map((name) => `examples/${name}`),
  );
  for (const page of pages()) {
    for (const [, link] of readFileSync(root + page, "utf8").matchAll(/\]\(([^)\s]+)\)/g)) {
      const path = targetOf(page, link!)?.path;
      if (path === undefined || path.endsWith(".md") || !existsSync(root + path)) continue;
      if (statSync(root + path).isFile()) files.add(path);
    }
  }
  return [...files].sort();
}
