/** That what is loaded later comes in small steps: each is a time in which the event loop stands still. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { root } from "../tools/runtimes.ts";

/** Source of a step, comments included. A runtime that takes types out as it loads is slowest: some 5 MB a second. */
const STEP_BYTES_MAX = 80_000;

const sources = new Map<string, string>();

function sourceOf(file: string): string {
  let source = sources.get(file);
  if (source === undefined) sources.set(file, source = readFileSync(root + file, "utf8"));
  return source;
}

/** The files that one imports or exports from, but for types. */
function importsOf(file: string): string[] {
  const statements = sourceOf(file).matchAll(/^(?:import|export) (?!type )([^;"]*?)from "(\.[^"]+)";/gm);
  return [...statements].filter(([, names]) => {
    const listed = /^\{(.*)\}\s*$/s.exec(names!)?.[1];
    return listed === undefined || listed.split(",").some((name) => !/^\s*(?:type .*)?$/s.test(name));
  }).map(([, , from]) => join(dirname(file), from!));
}

/** Adds what a file needs to `loaded`; gives the bytes that are new. */
function load(file: string, loaded: Set<string>): number {
  if (loaded.has(file)) return 0;
  loaded.add(file);
  return importsOf(file).reduce((sum, each) => sum + load(each, loaded), sourceOf(file).length);
}

describe("what is loaded later", () => {
  it("comes in steps of few modules", (t) => {
    const loaded = new Set<string>();
    load("mod.ts", loaded);
    const first = loaded.size;
    const steps = [...sourceOf("lib/db/rest.ts").matchAll(/^ {2}\(\) => import\("(.+)"\),$/gm)].map(([, from]) =>
      join("lib/db", from!)
    );
    const sizes = steps.map((step) => [step, load(step, loaded)] as const);
    t.diagnostic(
      `${first} files first, ${loaded.size - first} in ${steps.length} steps of up to ${
        Math.max(...sizes.map(([, size]) => size))
      } bytes`,
    );
    assert.ok(steps.length > 1 && loaded.size > first + 100);
    assert.deepEqual(sizes.filter(([, size]) => size > STEP_BYTES_MAX || size === 0), []);
    // The calls themselves find all of it there.
    for (const entry of ["lib/backup/mod.ts", "lib/db/repository/work.ts"]) assert.equal(load(entry, loaded), 0);
  });
});
