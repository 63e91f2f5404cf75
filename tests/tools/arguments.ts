import process from "node:process";
import { parseArgs } from "node:util";
import { isRuntime, type Runtime, runtimes } from "./runtimes.ts";

/** What the command line asks for. */
export interface Wanted {
  readonly checks: boolean;
  readonly tests: boolean;
  /** Whether each test tries all it can. */
  readonly long: boolean;
  readonly runtimes: readonly Runtime[];
  /** Whether a test file or a check is among what was asked for. */
  matches(name: string): boolean;
}

/** Reads the arguments described in tests/run.ts; what it does not understand ends the run, so that nothing is left out by a typing error. */
export function readArguments(args: readonly string[]): Wanted {
  const { values, positionals } = parse(args);
  const only = values.only;
  if (only !== undefined && only !== "tests" && only !== "checks") refuse(`--only takes tests or checks, not ${only}`);
  const named = (values.runtime ?? []).map((name) =>
    isRuntime(name) ? name : refuse(`--runtime takes ${runtimes.join(", ")}, not ${name}`)
  );
  return {
    checks: only !== "tests" && named.length === 0,
    tests: only !== "checks",
    long: values.long ?? false,
    runtimes: named.length === 0 ? runtimes : named,
    matches: (name) => positionals.length === 0 || positionals.some((word) => name.includes(word.replace(/^\.\//, ""))),
  };
}

function parse(
  args: readonly string[],
): { values: { only?: string; runtime?: string[]; long?: boolean }; positionals: string[] } {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { only: { type: "string" }, runtime: { type: "string", multiple: true }, long: { type: "boolean" } },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function refuse(message: string): never {
  console.error(message);
  process.exit(1);
}
