/**
 * How much memory backup, export and restore take above the idle process, at several sizes of the database.
 *
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { mebibytes, table } from "../report.ts";
import { machine } from "../runtime.ts";
import { ENTRY_BYTES } from "./data.ts";
import { type Common, inTemporary } from "./options.ts";
import { type Line, progress, record, runJob } from "./run_job.ts";

/** Options of this bench. */
export interface MemoryOptions extends Common {
  /** Raw bytes of the databases. */
  sizes: number[];
}

/** The most that may be resident above what was before. */
const ABOVE_MAX = 256 * 2 ** 20;

/** In this order on one database; `source` and `target` are folders. */
const WORKS = [
  { title: "export, copied and verified", job: "exportTo", source: "data", target: "copy", options: { link: "never" } },
  { title: "export to .tar.zst", job: "exportTo", source: "data", target: "copy.tar.zst", options: {} },
  { title: "restore from .tar.zst", job: "restore", source: "copy.tar.zst", target: "unpacked", options: {} },
  { title: "portable backup", job: "backup", source: "data", target: "all.jsonl.zst", options: {} },
  { title: "portable restore", job: "restore", source: "all.jsonl.zst", target: "loaded", options: {} },
  { title: "full backup", job: "backup", source: "data", target: "repository", options: { type: "full" } },
  { title: "incremental", job: "backup", source: "data", target: "repository", options: { type: "incremental" } },
  { title: "snapshot", job: "backup", source: "data", target: "repository", options: { type: "snapshot" } },
  { title: "restore", job: "restore", source: "repository", target: "restored", options: {} },
];

/** Of ten entries one is changed before the incremental. */
const CHANGED_SHARE = 10;

/** Runs it and prints its table; the exit code is 1 when the limit is passed. */
export async function memory(options: MemoryOptions): Promise<void> {
  const { runtime, sizes, out } = options;
  console.log(`${machine()}; ${runtime}; most memory resident above the idle process with the database open`);
  const rows = new Map<string, string[]>(WORKS.map(({ title }) => [title, []]));
  for (const bytes of sizes) {
    const entries = Math.floor(bytes / ENTRY_BYTES);
    await inTemporary(options, async (root) => {
      progress(`loading ${mebibytes(bytes)}`);
      await runJob(runtime, "holdfast.load", { source: join(root, "data"), entries });
      for (const { title, job, ...work } of WORKS) {
        progress(`${mebibytes(bytes)}: ${title}`);
        const [source, target] = [join(root, work.source), join(root, work.target)];
        try {
          if (title === "incremental") {
            const count = Math.floor(entries / CHANGED_SHARE);
            await runJob(runtime, "holdfast.change", { source, entries, count, generation: 1 });
          }
          const outcome = await runJob(runtime, `holdfast.${job}`, { source, target, entries, options: work.options });
          const line: Line = { row: `memory.${job}`, round: 1, ...outcome };
          line.figures = { ...line.figures, size: bytes };
          await record(out, [line]);
          const above = outcome.peakMemory! - outcome.idleMemory!;
          if (above > ABOVE_MAX) process.exitCode = 1;
          rows.get(title)!.push(`${mebibytes(above)}${above > ABOVE_MAX ? " (too much)" : ""}`);
        } catch (error) {
          console.log(`failed: ${title}: ${(error as Error).message}`);
          rows.get(title)!.push("-");
          process.exitCode = 1;
        }
        if (job === "restore" || work.target === "copy") await rm(target, { recursive: true, force: true });
      }
      progress("");
    });
  }
  console.log(`\n${table(["", ...sizes.map(mebibytes)], [...rows].map(([title, cells]) => [title, ...cells]))}\n`);
}
