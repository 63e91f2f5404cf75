/** The site's navigation, made from the pages that exist: one that is not named here is listed at the end of its folder's group. */
import { readFileSync } from "node:fs";
import { addressOf, pages, root } from "./pages.ts";

/** A heading of the sidebar with its pages, as the default theme of VitePress takes it. */
export interface Group {
  text: string;
  collapsed?: boolean;
  items: { text: string; link: string; target?: string }[];
}

/** A group: pages by their path below docs/, in the order of reading. Those that do not exist are left out. */
interface Planned {
  readonly text: string;
  readonly collapsed?: boolean;
  readonly pages: readonly (readonly [path: string, text: string])[];
}

const PLAN: readonly Planned[] = [
  {
    text: "Guide",
    pages: [
      ["guide/start.md", "Start"],
      ["guide/durability.md", "Durability"],
      ["guide/backup-strategy.md", "A backup strategy"],
      ["guide/point-in-time.md", "Points in time"],
      ["guide/disaster-drill.md", "A disaster drill"],
      ["guide/operating.md", "Operating"],
      ["guide/testing.md", "Testing with faults"],
      ["guide/limits.md", "Limits"],
      ["guide/faq.md", "Questions and answers"],
      ["examples/README.md", "Examples"],
    ],
  },
  {
    text: "Stores and adapters",
    pages: [
      ["object-storage.md", "S3 and Google Cloud Storage"],
      ["azure.md", "Azure Blob Storage"],
      ["cli.md", "The command line"],
      ["migrating.md", "Moving here"],
      ["typed.md", "Typed values"],
      ["level.md", "Level"],
      ["deno-kv.md", "Deno KV"],
      ["keyv-and-unstorage.md", "Keyv and unstorage"],
    ],
  },
  {
    text: "Beneath",
    pages: [
      ["reliability.md", "Reliability"],
      ["performance.md", "Performance"],
      ["bench/README.md", "Benchmarks"],
      ["security.md", "Security"],
      ["format.md", "Formats"],
      ["architecture.md", "Architecture"],
      ["seeds.md", "Features of others"],
    ],
  },
  {
    text: "The project",
    pages: [
      ["README.md", "All on one page"],
      ["CHANGELOG.md", "Changelog"],
      ["releasing.md", "Releasing"],
      ["decisions/README.md", "Decisions"],
    ],
  },
];

/** Where the reference lies, which `deno doc` makes beside the site. Not a page of VitePress: the browser has to load it anew. */
export const REFERENCE = { link: "/reference/index.html", target: "_self" } as const;

/** The sidebar. */
export function sidebar(): Group[] {
  const exist = pages().filter((path) => path !== "docs/index.md");
  const path = (planned: string): string => exist.includes(`docs/${planned}`) ? `docs/${planned}` : planned;
  const isDecision = (page: string): boolean => /^docs\/decisions\/\d/.test(page);
  const groups = PLAN.map(({ text, pages }): Group => ({
    text,
    items: pages.filter(([page]) => exist.includes(path(page))).map(([page, name]) => item(path(page), name)),
  }));
  const named = new Set(PLAN.flatMap(({ pages }) => pages.map(([page]) => path(page))));
  for (const page of exist.filter((each) => !named.has(each) && !isDecision(each))) {
    groups[page.startsWith("docs/guide/") ? 0 : 1]!.items.push(item(page, titleOf(page)));
  }
  groups.push({
    text: "Decisions",
    collapsed: true,
    items: exist.filter(isDecision).map((page) => item(page, titleOf(page))),
  });
  groups.splice(2, 0, { text: "Reference", items: references() });
  return groups;
}

/** The reference of each sub-path. */
function references(): Group["items"] {
  const { exports } = JSON.parse(readFileSync(`${root}deno.json`, "utf8")) as { exports: Record<string, string> };
  return Object.keys(exports).map((name) => {
    const sub = name.replace(/^\.\/?/, "");
    return {
      ...REFERENCE,
      text: `@holdfast/db${sub && `/${sub}`}`,
      link: sub ? `/reference/${sub}/index.html` : REFERENCE.link,
    };
  });
}

function item(page: string, text: string): Group["items"][number] {
  return {
    text,
    link: `/${addressOf(page).replace(/(?:index)?\.md$/, (end) => end.startsWith("index") ? "" : ".html")}`,
  };
}

/** The first heading of a page. */
function titleOf(page: string): string {
  return /^# (.+)$/m.exec(readFileSync(root + page, "utf8"))?.[1]?.replaceAll("`", "") ?? page;
}
