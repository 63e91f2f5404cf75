/** @module */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "../runtime.ts";

/** What all backup benches take. */
export interface Common {
  /** What runs the databases. */
  runtime: Runtime;
  /** Where the temporary folder is made. */
  directory: string;
  /** Where the JSON lines are appended. */
  out: string;
}

/** Works in a folder that is gone afterwards, also when it failed. */
export async function inTemporary(options: Common, work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(options.directory, "holdfast-backup-bench-"));
  try {
    await work(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
