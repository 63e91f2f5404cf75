/**
 * A reporter of `node:test` that writes down the first test that fails, with the errors behind it, and ends the process
 * there: what else fails says nothing more.
 */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { type ChildOutcome, type Failure, OUTCOME_VARIABLE, patchedModules } from "./child.ts";

interface Event {
  type: string;
  data: { name: string; details?: { type?: string; error?: Error & { failureType?: string } } };
}

/** Reads the events of the runner. */
export default async function* firstFailure(events: AsyncIterable<Event>): AsyncGenerator<string> {
  const passed: string[] = [];
  for await (const { type, data } of events) {
    if (type === "test:pass" && data.details?.type !== "suite") passed.push(data.name);
    if (type !== "test:fail") continue;
    const error = data.details!.error!;
    // What holds a test that failed fails behind it, and a hook's failure before.
    if (error.failureType === "subtestsFailed") continue;
    write({ passed, failed: { test: data.name, type: error.failureType ?? "", errors: chainOf(error.cause) } });
    process.exit(1);
  }
  write({ passed });
  yield ""; // Nothing is printed.
}

function write(outcome: Omit<ChildOutcome, "patched">): void {
  writeFileSync(process.env[OUTCOME_VARIABLE]!, JSON.stringify({ patched: patchedModules.size, ...outcome }));
}

/** An error and those that it names as its causes. */
function chainOf(error: unknown): Failure["errors"] {
  const errors: { kinds: string[]; message: string }[] = [];
  for (let at = error; at instanceof Error && errors.length < 10; at = at.cause) {
    const kinds: string[] = [];
    for (let kind = Object.getPrototypeOf(at); kind !== null; kind = Object.getPrototypeOf(kind)) {
      kinds.push(kind.constructor.name);
    }
    errors.push({ kinds, message: at.message.split("\n")[0]!.slice(0, 300) });
  }
  return errors;
}
