import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { root } from "../tools/runtimes.ts";
import { filesBelow } from "../tools/sources.ts";
import { entryPoints } from "../tools/checks.ts";
import { importFaults, type ImportGraph, lineCount, otherStatements, readImportGraph } from "./import_graph.ts";

const LINES_MAX = 400;
const library = filesBelow("lib", (path) => path.endsWith(".ts"));

describe("the house", () => {
  it("has imports that go down, no circle, and nothing in it but its own files and node: built-ins", () => {
    const graph = readImportGraph([...entryPoints(), ...library]);
    assert.deepEqual([...graph.keys()].filter((file) => file.startsWith("lib/")).sort(), library);
    assert.deepEqual(importFaults(graph), []);
  });

  it("has a mod.ts that only re-exports", () => {
    assert.deepEqual(otherStatements(readFileSync(`${root}mod.ts`, "utf8")), []);
  });

  it(`has no file in lib with more than ${LINES_MAX} lines`, () => {
    const long = library.map((file) => ({ file, lines: lineCount(file) })).filter(({ lines }) => lines > LINES_MAX);
    assert.deepEqual(long, []);
  });
});

describe("importFaults()", () => {
  it("accepts imports on the same floor and below", () => {
    assert.deepEqual(importFaults(graphOf({ "lib/tree/a.ts": ["lib/tree/b.ts", "lib/base/c.ts", "node:fs"] })), []);
  });

  it("names an import that goes up", () => {
    assert.deepEqual(importFaults(graphOf({ "lib/base/a.ts": ["lib/files/b.ts"] })), [
      "lib/base/a.ts imports lib/files/b.ts, which is on a floor above it",
    ]);
  });

  it("names a circle, however long", () => {
    const graph = graphOf({
      "lib/tree/a.ts": ["lib/tree/b.ts"],
      "lib/tree/b.ts": ["lib/tree/c.ts"],
      "lib/tree/c.ts": ["lib/tree/a.ts"],
    });
    assert.deepEqual(importFaults(graph), [
      "a circle: lib/tree/a.ts -> lib/tree/b.ts -> lib/tree/c.ts -> lib/tree/a.ts",
    ]);
  });

  it("names a package, a remote module and a file on no floor", () => {
    const faults = importFaults(graphOf({ "lib/db/a.ts": ["npm:lmdb"], "lib/other/b.ts": ["jsr:@std/path"] }));
    assert.equal(faults.length, 3);
    assert.match(faults[0] ?? "", /npm:lmdb; only node: built-ins/);
    assert.match(faults[1] ?? "", /lib\/other\/b\.ts is on no floor/);
    assert.match(faults[2] ?? "", /jsr:@std\/path; only node: built-ins/);
  });
});

describe("importFaults() of packages", () => {
  const cron = "lib/adapters/schedule/cron.ts";

  it("accepts the one that a file is known to need, wherever it lies", () => {
    for (const croner of ["croner", "npm:croner@11.0.1", "node_modules/croner/dist/croner.js"]) {
      assert.deepEqual(importFaults(graphOf({ [cron]: [croner] })), []);
    }
  });

  it("names another one, and one of a similar name", () => {
    for (const other of ["lodash", "croner-more", "node_modules/croner-more/x.js", "npm:croner2@1.0.0"]) {
      assert.equal(importFaults(graphOf({ [cron]: [other] })).length, 1, other);
    }
    assert.equal(importFaults(graphOf({ "lib/adapters/schedule.ts": ["croner"] })).length, 1);
  });

  it("names the way on which mod.ts would load one", () => {
    const graph = graphOf({
      "mod.ts": ["lib/adapters/schedule.ts"],
      "lib/adapters/schedule.ts": [cron],
      [cron]: ["croner"],
    });
    assert.deepEqual(importFaults(graph), [`mod.ts comes to ${cron}, which imports a package`]);
  });
});

describe("otherStatements()", () => {
  it("lets comments and re-exports pass", () => {
    const source = '/** const no = 1; */\nexport { DB, type Entry } from "./lib/db/db.ts";\n// so it is\n' +
      'export type {\n  Value,\n} from "./lib/db/value.ts";\nexport * from "./lib/base/errors.ts";\n';
    assert.deepEqual(otherStatements(source), []);
  });

  it("names anything else", () => {
    assert.deepEqual(otherStatements('import { DB } from "./lib/db/db.ts";\nexport const x = 1;\n'), [
      'import { DB } from "./lib/db/db.ts";',
      "export const x = 1;",
    ]);
  });
});

/** A graph in which every file that is imported exists. */
function graphOf(imports: Record<string, readonly string[]>): ImportGraph {
  const graph = new Map(Object.entries(imports));
  for (const file of Object.values(imports).flat()) {
    if (file.startsWith("lib/") && !graph.has(file)) graph.set(file, []);
  }
  return graph;
}
