/**
 * The npm package of this state, for those benches that measure what people install. Node strips the types of sources as it
 * loads them, with memory that no program has which uses the package.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { packPackage } from "../tests/tools/pack.ts";

/** Packs it and unpacks it in a new directory `name` of `directory`; gives where its entry lies. */
export async function unpackedPackage(directory: string, name: string): Promise<string> {
  return unpacked(await packPackage(directory), join(directory, name));
}

/** Unpacks the tarball of a package in a new directory; gives where the package's entry lies. */
export function unpacked(tarball: string, directory: string): string {
  mkdirSync(directory);
  execFileSync("tar", ["-xzf", tarball], { cwd: directory });
  return join(directory, "package", "mod.js");
}
