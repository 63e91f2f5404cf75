import { fileURLToPath } from "node:url";

/** Where the project lies, with a slash at the end. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** The runtimes every test must pass in, in the order of the report's columns. */
export const runtimes = ["deno", "bun", "node"] as const;
export type Runtime = (typeof runtimes)[number];

export function isRuntime(name: string): name is Runtime {
  return (runtimes as readonly string[]).includes(name);
}

/** The pinned binary of a runtime, or of another tool that `npm ci` installs. */
export function binary(name: string): string {
  return `${root}node_modules/.bin/${name}`;
}

/**
 * Tests of the sources themselves, and those that change them as Node loads them, say the same everywhere: they run once. So
 * does the command line on a bucket, of which each half is tried in every runtime.
 */
const ONCE = /^tests\/(?:structure|defects)\/|^tests\/storage\/s3\/command_line_test\.ts$/;

/** Where a test file runs. */
export function runtimesOf(file: string): readonly Runtime[] {
  return ONCE.test(file) ? ["node"] : runtimes;
}

/** The command that runs one test file and writes a JUnit report. */
export function testCommand(runtime: Runtime, file: string, junit: string): string[] {
  switch (runtime) {
    case "deno":
      return [binary("deno"), "test", "-A", "--no-check", `--junit-path=${junit}`, file];
    case "bun":
      // Bun ends a test after 5 seconds unless told otherwise; here only the whole file has a limit.
      return [
        binary("bun"),
        "test",
        "--timeout=3600000",
        "--reporter=junit",
        `--reporter-outfile=${junit}`,
        `./${file}`,
      ];
    case "node":
      return [
        binary("node"),
        "--test-reporter=junit",
        `--test-reporter-destination=${junit}`,
        "--test-reporter=spec",
        "--test-reporter-destination=stdout",
        file,
      ];
  }
}
