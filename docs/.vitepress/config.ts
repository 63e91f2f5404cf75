/**
 * How `npm run docs` makes the site: VitePress over the Markdown of the project as it is, with search that needs no server.
 *
 * @module
 */
import { slug } from "github-slugger";
import { defineConfig, type MarkdownOptions } from "vitepress";
import { REFERENCE, sidebar } from "./navigation.ts";
import { addressOf, root, siteLink } from "./pages.ts";

/** Shared with the check of links (tests/structure/links_test.ts), so that it sees the anchors that the site has. */
export const markdown: MarkdownOptions = {
  // Pages are plain Markdown, as every viewer shows it: no HTML, no attributes in braces, no addresses made of words.
  html: false,
  linkify: false,
  attrs: false,
  emoji: false,
  // Headings have the anchors that hosts of code give them.
  anchor: { slugify: slug },
  theme: { light: "github-light", dark: "github-dark" },
  languageAlias: { hex: "text" },
  config(md) {
    md.core.ruler.push("links-of-the-project", ({ tokens, env }) => {
      const page = (env as { realPath?: string; path: string }).realPath ?? env.path;
      for (const token of tokens.flatMap(({ children }) => children ?? [])) {
        const href = token.attrGet("href");
        if (token.type !== "link_open" || href === null || href.startsWith("#")) continue;
        token.attrSet("href", siteLink(page.slice(root.length), href));
      }
    });
  },
};

export default defineConfig({
  title: "Holdfast",
  description: "An embedded database in pure TypeScript for Deno, Bun and Node, built around its backups",
  lang: "en-GB",
  srcDir: "..",
  srcExclude: ["tests/**"],
  outDir: "../.docs",
  cacheDir: "../node_modules/.vitepress",
  rewrites: addressOf,
  markdown,
  transformPageData(page) {
    if (page.params?.["file"] !== undefined) page.title = page.params["file"];
  },
  // The search's index, and pages that are long.
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  // The reference is made after the site.
  ignoreDeadLinks: [/^\/reference\//],
  head: [["link", { rel: "icon", href: "data:," }]],
  themeConfig: {
    search: { provider: "local" },
    nav: [
      { text: "Guide", link: "/guide/start.html", activeMatch: "^/guide/" },
      { text: "Examples", link: "/examples/", activeMatch: "^/(examples|source)/" },
      { text: "Command line", link: "/cli.html" },
      { text: "Reference", ...REFERENCE },
    ],
    sidebar: sidebar(),
    outline: { level: [2, 3] },
    docFooter: { prev: "Before", next: "Next" },
  },
});
