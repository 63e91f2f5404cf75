/**
 * The short form: a look at every row in the three runtimes, and at the event loop. A few minutes; no figures to quote.
 *
 *     deno task bench
 *
 * With the name of a bench, that one with its options: `deno task bench backup --rounds 1`, `deno task bench compare`.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { command, type Runtime, RUNTIMES } from "./runtime.ts";

async function run(runtime: Runtime, script: string, args: readonly string[]): Promise<void> {
  const [program, all] = command(runtime, script, args);
  const [code] = await once(spawn(program, all, { stdio: "inherit" }), "close") as [number | null];
  if (code !== 0) process.exitCode = 1;
}

/** The benches by name. */
const BENCHES = ["backup", "compare", "guard", "scaling", "size", "stall"];

const [name = "", ...rest] = process.argv.slice(2);
if (BENCHES.includes(name)) {
  await run("node", `${name}.ts`, rest);
} else {
  await run("node", "compare.ts", ["--short", "--runtime", "all", ...process.argv.slice(2)]);
  for (const runtime of RUNTIMES) await run(runtime, "stall.ts", ["--seconds", "5"]);
}
