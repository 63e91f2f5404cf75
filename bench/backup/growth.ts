/**
 * Cost follows change, not size: snapshots and incrementals after a change of 10 MB, at several sizes of the database.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { mebibytes, median, table } from "../report.ts";
import { machine } from "../runtime.ts";
import { ENTRY_BYTES } from "./data.ts";
import { type Common, inTemporary } from "./options.ts";
import { type Line, progress, record, runJob } from "./run_job.ts";

/** Options of this bench. */
export interface GrowthOptions extends Common {
  /** Raw bytes of the databases. */
  sizes: number[];
  /** How often it is changed and backed up. */
  rounds: number;
}

const CHANGED_BYTES = 10e6;

const KINDS = ["incremental", "snapshot"] as const;

/** Runs it and prints its table. */
export async function growth(options: GrowthOptions): Promise<void> {
  const { runtime, sizes, rounds, out } = options;
  console.log(`${machine()}; ${runtime}; 10 MB changed before each, rounds: ${rounds}`);
  const rows: string[][] = [];
  for (const bytes of sizes) {
    const entries = Math.floor(bytes / ENTRY_BYTES);
    const count = Math.min(entries, Math.floor(CHANGED_BYTES / ENTRY_BYTES));
    const lines: Line[] = [];
    await inTemporary(options, async (root) => {
      const [source, target] = [join(root, "data"), join(root, "repository")];
      let generation = 0;
      const backup = async (type: string, round: number): Promise<void> => {
        progress(`${mebibytes(bytes)}: ${type}, round ${round} of ${rounds}`);
        const task = { source, target, entries, options: { type } };
        const line: Line = { row: `growth.${type}`, round, ...await runJob(runtime, "holdfast.backupCounted", task) };
        line.figures = { ...line.figures, size: bytes };
        lines.push(line);
        await record(out, [line]);
      };
      try {
        progress(`loading ${mebibytes(bytes)}`);
        await runJob(runtime, "holdfast.load", { source, entries });
        await backup("full", 1);
        for (let round = 1; round <= rounds; round++) {
          for (const type of KINDS) {
            await runJob(runtime, "holdfast.change", { source, entries, count, generation: ++generation });
            await backup(type, round);
          }
        }
      } catch (error) {
        console.log(`failed: ${mebibytes(bytes)}: ${(error as Error).message}`);
        process.exitCode = 1;
      }
      progress("");
    });
    for (const type of ["full", ...KINDS]) {
      const of = lines.filter(({ row }) => row === `growth.${type}`);
      if (of.length === 0) continue;
      const figure = (name: string) => median(of.map(({ figures }) => figures![name]!));
      rows.push([
        `${type} of ${mebibytes(bytes)}`,
        `${(median(of.map(({ ms }) => ms)) / 1000).toFixed(3)} s`,
        mebibytes(figure("bytesPut")),
        ...["put", "get", "head", "list", "delete"].map((name) => figure(name).toFixed(0)),
      ]);
    }
  }
  console.log(`\n${table(["", "time", "written", "put", "get", "head", "list", "delete"], rows)}\n`);
}
