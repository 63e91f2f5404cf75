/**
 * Makes what `deno doc --html` has written a part of the site: names as users import them, a way back to the guide, one choice
 * of light or dark for both, and room on a phone. Each page is text in which a few places are changed; one that is not found
 * any more, because another Deno writes it otherwise, is an error.
 */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entryPoints } from "./checks.ts";
import { root } from "./runtimes.ts";

/** What `deno doc` is told to call the whole. */
export const REFERENCE_NAME = "Reference";

/** Where a page's own styles end. */
const HEAD_END = "</head>";

/** What stands at the beginning of each page, before the way to it. */
const BREADCRUMBS = '<div class="flex items-center"><ul class="breadcrumbs">';

/** `deno doc` makes its own choice after this one; what VitePress keeps is the choice for all. */
const HEAD = `<script>
  const appearance = localStorage.getItem("vitepress-theme-appearance");
  if (appearance === "dark" || appearance === "light") localStorage.setItem("theme", appearance);
  else localStorage.removeItem("theme");
</script>
<style>
  #theme-toggle { display: none !important; }
  .ddoc > div:not(#categoryPanel) { min-width: 0; }
  .dark { color-scheme: dark; }
  .breadcrumbs { flex-wrap: wrap; }
  @media (max-width: 640px) {
    #topnav { height: auto !important; position: static !important; }
    #topnav > div { flex-wrap: wrap; gap: 0.5rem !important; }
    #searchbar { min-width: 0 !important; }
    main, .markdown { overflow-wrap: anywhere; }
  }
</style>
`;

/** Changes all pages below `directory`; the site is meant to stand at `base`. */
export function adaptReference(directory: string, base: string): void {
  const { exports } = JSON.parse(readFileSync(`${root}deno.json`, "utf8")) as { exports: Record<string, string> };
  const names = Object.keys(exports).map((name) => name.replace(/^\.\/?/, ""));
  if (names.length !== entryPoints().length) throw new Error("an export is not part of the reference");
  // What there is, with a line on each: a better first page than the module's comment alone.
  copyFileSync(join(directory, "all_symbols.html"), join(directory, "index.html"));
  let adapted = 0;
  for (const name of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".html")) continue;
    const text = readFileSync(join(directory, name), "utf8");
    // Some pages only lead on to where their symbol stands now.
    if (!text.includes(BREADCRUMBS)) continue;
    writeFileSync(join(directory, name), adapt(text, names, base));
    adapted++;
  }
  if (adapted < 100) throw new Error("deno doc writes other pages than it did; see tests/tools/reference.ts");
}

/** A page of the reference as a page of the site. */
export function adapt(html: string, names: readonly string[], base: string): string {
  const guide = `<a href="${base}guide/start.html" class="contextLink" style="margin-right: 1em">Guide</a>`;
  let text = html.replace("<script", `${HEAD}<script`)
    .replace(BREADCRUMBS, BREADCRUMBS.replace("<ul", `${guide}<ul`))
    .replaceAll(">default</a>", ">@holdfast/db</a>")
    .replace(" - default - ", " - @holdfast/db - ")
    .replaceAll("from &quot;.&quot;", "from &quot;@holdfast/db&quot;");
  for (const name of names.filter((each) => each !== "")) {
    text = text.replaceAll(`from &quot;${name}&quot;`, `from &quot;@holdfast/db/${name}&quot;`);
  }
  if (!text.includes(HEAD_END) || !text.includes(guide)) {
    throw new Error("a page of the reference has no place for a link");
  }
  return text;
}
