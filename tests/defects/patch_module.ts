/**
 * Loaded into a test's process before all else (`--import`): changes the text of modules as they are loaded, so that the
 * process runs a product with a defect. Files stay as they are.
 */
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { countOf, type Patch } from "./defect.ts";
import { patchedModules, PATCHES_VARIABLE } from "./child.ts";

const root = pathToFileURL(`${process.cwd()}/`);
const byUrl = new Map<string, Patch[]>();
for (const patch of JSON.parse(readFileSync(process.env[PATCHES_VARIABLE]!, "utf8")) as Patch[]) {
  const url = new URL(patch.file, root).href;
  byUrl.set(url, [...byUrl.get(url) ?? [], patch]);
}

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    const patches = byUrl.get(url);
    if (patches === undefined) return loaded;
    let source = String(loaded.source);
    for (const { file, find, replace } of patches) {
      if (countOf(source, find) !== 1) throw new Error(`${file} does not hold the text to be changed exactly once`);
      source = source.replace(find, () => replace);
    }
    patchedModules.add(url);
    return { ...loaded, source };
  },
});
