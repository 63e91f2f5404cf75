import { readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./runtimes.ts";

/** The floors of the library from the top down: the long tests are up there, and started first they end the run sooner. */
const topDown = ["db", "backup", "storage", "engine", "tree", "format", "files", "base"];

/** All files below a folder of the project that a test accepts, as sorted paths from the project's root. */
export function filesBelow(folder: string, accept: (path: string) => boolean): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const below = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== "node_modules" && !entry.name.startsWith(".")) visit(below);
      } else if (accept(below)) found.push(below);
    }
  };
  visit(folder);
  return found.sort();
}

/** Every test file, in the order in which they are started. */
export function testFiles(): string[] {
  const rank = (file: string): number => topDown.indexOf(file.split("/")[1] ?? "");
  return filesBelow("tests", (path) => path.endsWith("_test.ts")).sort((a, b) => rank(a) - rank(b));
}
