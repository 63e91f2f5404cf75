import process from "node:process";
import { styleText } from "node:util";
import type { Outcome } from "./outcome.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

const COLUMN = 7;

/** What a reader of the run sees: one row for each check, one for each test file with a column for each runtime. */
export class Report {
  readonly #nameWidth: number;
  readonly #started = performance.now();
  readonly #running = new Set<string>();
  /** Outcomes of test files of which some runtime has still to finish. */
  readonly #open = new Map<string, Map<Runtime, Outcome>>();
  readonly #failedRows: string[] = [];

  constructor(names: readonly string[]) {
    this.#nameWidth = Math.max(28, ...names.map((name) => name.length));
  }

  checksBegin(count: number): void {
    if (count > 0) this.#line(`\n${this.#row("check", ["", "", "result"], "seconds")}`);
  }

  testsBegin(count: number): void {
    if (count > 0) this.#line(`\n${this.#row("tests passed in", runtimes, "seconds")}`);
  }

  /** Something starts; on a terminal the last line shows what is running. */
  begin(name: string): void {
    this.#running.add(name);
    this.#showRunning();
  }

  checkDone(name: string, outcome: Outcome): void {
    this.#running.delete(name);
    const result = outcome.failed > 0 ? "failed" : outcome.passed > 0 ? String(outcome.passed) : "ok";
    this.#line(this.#row(name, ["", "", result], outcome.seconds.toFixed(1), outcome.failed > 0));
    if (outcome.failed > 0) this.#explain(name, outcome);
    this.#showRunning();
  }

  /** The row of a test file appears when the last of its runtimes has finished; what failed is explained below it. */
  testDone(file: string, runtime: Runtime, all: readonly Runtime[], outcome: Outcome): void {
    this.#running.delete(`${file} (${runtime})`);
    const outcomes = this.#open.get(file) ?? new Map<Runtime, Outcome>();
    this.#open.set(file, outcomes.set(runtime, outcome));
    if (outcomes.size === all.length) {
      this.#open.delete(file);
      const cells = runtimes.map((name) => cellOf(outcomes.get(name)));
      const seconds = [...outcomes.values()].reduce((total, { seconds }) => total + seconds, 0);
      const failed = [...outcomes.values()].some((each) => each.failed > 0);
      this.#line(this.#row(file, cells, seconds.toFixed(1), failed));
      for (const [name, each] of outcomes) if (each.failed > 0) this.#explain(`${file} in ${name}`, each);
    }
    this.#showRunning();
  }

  /** Says again what failed, and ends with the line that counts. */
  end(total: Outcome): void {
    this.#clearRunning();
    const minutes = ((performance.now() - this.#started) / 60_000).toFixed(1);
    if (this.#failedRows.length > 0) this.#line(`\nfailed:\n${this.#failedRows.map((row) => `  ${row}`).join("\n")}`);
    this.#line(`\nall done in ${minutes} minutes`);
    console.log(`tests: ${total.passed} passed, ${total.failed} failed`);
  }

  #explain(name: string, outcome: Outcome): void {
    this.#failedRows.push(name);
    const problems = outcome.problems.map((problem) => `\n${problem}`).join("");
    this.#line(`\n---- ${name}${problems}\n${outcome.output.trimEnd()}\n---- end of ${name}\n`);
  }

  #row(name: string, cells: readonly string[], seconds: string, failed = false): string {
    const text = `  ${name.padEnd(this.#nameWidth)}${cells.map((cell) => cell.padStart(COLUMN)).join("")}${
      seconds.padStart(10)
    }`;
    return failed ? styleText("red", text) : text;
  }

  #line(text: string): void {
    this.#clearRunning();
    console.log(text);
  }

  #showRunning(): void {
    if (!process.stdout.isTTY || this.#running.size === 0) return;
    const text = `  running ${[...this.#running].join(", ")}`;
    process.stdout.write(`\r\x1b[2K${text.slice(0, (process.stdout.columns ?? 80) - 1)}`);
  }

  #clearRunning(): void {
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[2K");
  }
}

/** A failing cell says how many failed and not how many passed, since that is what has to be looked at. */
function cellOf(outcome: Outcome | undefined): string {
  if (outcome === undefined) return "";
  return outcome.failed > 0 ? `${outcome.failed} bad` : String(outcome.passed);
}
