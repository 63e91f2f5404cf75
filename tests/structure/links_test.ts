/** The links of all pages lead somewhere, to the heading that they name as well, and the site's navigation has every page. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { createMarkdownRenderer, type MarkdownRenderer } from "vitepress";
import { markdown } from "../../docs/.vitepress/config.ts";
import { sidebar } from "../../docs/.vitepress/navigation.ts";
import { addressOf, pages, siteLink, targetOf } from "../../docs/.vitepress/pages.ts";
import { root } from "../tools/runtimes.ts";
import { deadLinks } from "../tools/site_links.ts";
import { filesBelow } from "../tools/sources.ts";

/** What links can lead to, and where they do. */
interface Page {
  /** The ids of its headings. */
  readonly anchors: ReadonlySet<string>;
  readonly links: readonly string[];
}

let renderer: MarkdownRenderer;

/** Reads a page as the site does, but for the links, which are left as they were written. */
function read(text: string): Page {
  const tokens = renderer.parse(text, {});
  const anchors = tokens.flatMap((token) => token.type === "heading_open" ? [String(token.attrGet("id"))] : []);
  const inner = tokens.flatMap(({ children }) => children ?? []);
  const links = inner.flatMap((token) =>
    token.type === "link_open" || token.type === "image"
      ? [String(token.attrGet(token.type === "image" ? "src" : "href"))]
      : []
  );
  return { anchors: new Set(anchors), links: links.filter((link) => !isPermalink(link, anchors)) };
}

/** Each heading has a link to itself. */
function isPermalink(link: string, anchors: readonly string[]): boolean {
  return link.startsWith("#") && anchors.includes(link.slice(1));
}

/** What is wrong with the links of a page. */
function faults(path: string, all: ReadonlyMap<string, Page>, exists: (path: string) => boolean): string[] {
  return all.get(path)!.links.flatMap((link) => {
    const target = targetOf(path, link);
    if (target === undefined) return [];
    if (!exists(target.path)) return [`${path}: ${link} leads to nothing`];
    if (target.anchor === undefined) return [];
    const page = all.get(target.path);
    return page?.anchors.has(target.anchor) ? [] : [`${path}: ${link} names no heading of ${target.path}`];
  });
}

describe("the links of the documentation", () => {
  before(async () => {
    renderer = await createMarkdownRenderer(root, { ...markdown, config: () => {} });
  });

  it("lead to files that exist, and to headings that they have", () => {
    const files = filesBelow("", (path) => path.endsWith(".md") && !path.startsWith("docs/source/"));
    const all = new Map(files.map((file) => [file, read(readFileSync(root + file, "utf8"))]));
    assert.ok([...all.values()].flatMap(({ links }) => links).length > 100);
    assert.deepEqual(files.flatMap((file) => faults(file, all, (path) => existsSync(root + path))), []);
  });

  it("are checked by a check that notices", () => {
    const all = new Map([
      ["docs/a.md", read("# A b's\n\n[1](b.md) [2](b.md#xy) [3](#a-bs) [4](../c.ts) [5](https://example.com)\n")],
      ["docs/b.md", read("## x, y\n\n[1](a.md#a-b) [2](c.md) [3](../docs/a.md#a-bs)\n")],
    ]);
    const exists = (path: string): boolean => all.has(path) || path === "c.ts";
    assert.deepEqual(faults("docs/a.md", all, exists), ["docs/a.md: b.md#xy names no heading of docs/b.md"]);
    assert.deepEqual(faults("docs/b.md", all, exists), [
      "docs/b.md: a.md#a-b names no heading of docs/a.md",
      "docs/b.md: c.md leads to nothing",
    ]);
  });
});

describe("the site", () => {
  const addresses = new Set(pages().map((path) => `/${addressOf(path)}`));
  /** The page that an address of the site shows. */
  const pageOf = (link: string): string => link.replace(/\/$/, "/index.md").replace(/\.html$/, ".md");

  it("has every page in its navigation, once, and nothing else", () => {
    const links = sidebar().flatMap(({ items }) => items.map(({ link }) => link)).filter((link) =>
      !link.startsWith("/reference/")
    );
    assert.deepEqual(links.map(pageOf).sort(), [...addresses].filter((address) => address !== "/index.md").sort());
  });

  it("has a first page whose links lead to pages", () => {
    const links = [...readFileSync(`${root}docs/index.md`, "utf8").matchAll(/^ +link: (.+)$/gm)].map(([, link]) =>
      link!
    );
    assert.ok(links.length > 5);
    assert.deepEqual(links.filter((link) => !addresses.has(pageOf(link))), []);
  });

  it("is searched for dead links once it is made, by a search that notices", () => {
    const directory = mkdtempSync(join(tmpdir(), "site-"));
    try {
      mkdirSync(join(directory, "guide"));
      const other = '<a href="https://example.com/none">';
      writeFileSync(
        join(directory, "index.html"),
        `<h1 id="a">A</h1> <a href="guide/b.html#b"> <a href="#a"> ${other}`,
      );
      writeFileSync(
        join(directory, "guide/b.html"),
        '<h1 id="b"> <a href="/base/"> <a href="../#c"> <img src="no.png">',
      );
      assert.deepEqual(deadLinks(directory, "/base/"), [
        "/guide/b.html links to /index.html#c, which is not there",
        "/guide/b.html links to /guide/no.png, which is not there",
      ]);
      assert.equal(deadLinks(directory, "/").length, 3);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("turns the project's links into its own", () => {
    assert.equal(siteLink("docs/guide/start.md", "../security.md#keys"), "/security.md#keys");
    assert.equal(siteLink("docs/guide/start.md", "../../README.md"), "/readme.md");
    assert.equal(siteLink("README.md", "examples/"), "/examples/index.md");
    assert.equal(siteLink("README.md", "mod.ts"), "/source/mod.ts.html");
    assert.equal(siteLink("README.md", "https://example.com/a.md"), "https://example.com/a.md");
  });
});
