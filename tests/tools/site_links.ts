/** Dead links of a site that lies in a directory. Nothing is asked for over a network: links to other places are let through. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Parser } from "htmlparser2";

interface Page {
  readonly ids: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
}

/** Where the site would be, so that what leads elsewhere is told from what does not. */
const HOST = "http://site.invalid";

/**
 * Anchors within the reference that lead nowhere, by `deno doc` itself (2.9.6): parameters of mapped types, and members of one
 * of two types with the same name (`ListOptions`, of entries and of stores).
 */
const DENO_DOC = /^\/reference\/.*#(?:type_param|property)_/;

/** The dead links of the site that is meant to stand at `base`, such as `/` or `/holdfast/`, each with a page that has it. */
export function deadLinks(directory: string, base: string): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" });
  const files = new Set(names.map((name) => `/${name}`));
  const pages = new Map<string, Page>();
  for (const name of names) {
    if (name.endsWith(".html")) pages.set(`/${name}`, readPage(readFileSync(join(directory, name), "utf8")));
  }
  const dead = new Map<string, string>();
  for (const [page, { links }] of pages) {
    for (const link of links) {
      const { origin, pathname, hash } = new URL(link, `${HOST}${base}${page.slice(1)}`);
      if (origin !== HOST) continue;
      const path = decodeURIComponent(pathname).replace(/\/$/, "/index.html");
      const file = path.startsWith(base) ? `/${path.slice(base.length)}` : undefined;
      const target = `${file ?? path}${decodeURIComponent(hash)}`;
      if (DENO_DOC.test(target)) continue;
      const isThere = file !== undefined && files.has(file) &&
        (hash === "" || pages.get(file)?.ids.has(decodeURIComponent(hash.slice(1))) === true);
      if (!isThere && !dead.has(target)) dead.set(target, page);
    }
  }
  return [...dead].map(([target, page]) => `${page} links to ${target}, which is not there`);
}

function readPage(html: string): Page {
  const ids = new Set<string>();
  const links = new Set<string>();
  const parser = new Parser({
    onopentag(_name, { id, href, src }) {
      if (id !== undefined) ids.add(id);
      for (const link of [href, src]) if (link !== undefined) links.add(link);
    },
  });
  parser.end(html);
  return { ids, links };
}
