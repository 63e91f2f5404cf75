/**
 * Tests written for `tape`, run one by one: each in a harness of its own, so that another runner can have each as a test of
 * its own, with all its assertions.
 */
import { createRequire } from "node:module";

/** What of `tape` is used. */
interface Tape {
  createHarness(): Harness;
}
interface Harness {
  (...test: unknown[]): void;
  createStream(options: { objectMode: true }): {
    on(event: "data", listener: (row: Row) => void): void;
    on(event: "end", listener: () => void): void;
  };
}

/** What a harness reports; of assertions `type` is "assert". */
type Row = { type: "test" | "end" | "assert" } & Partial<Omit<TapeAssertion, "message">> & {
  name?: string;
  error?: unknown;
  skip?: unknown;
  todo?: unknown;
};

/** One assertion of a test. */
export interface TapeAssertion {
  /** What it says. */
  message: string;
  /** Whether it holds. */
  ok: boolean;
  /** What should be, where it is told. */
  expected?: unknown;
  /** What is. */
  actual?: unknown;
}

/** A test that was written for `tape`, not run yet. */
export interface TapeTest {
  /** Its name. */
  name: string;
  /** What was given to `test()`. */
  given: unknown[];
}

const { createHarness } = createRequire(import.meta.url)("tape") as Tape;

/** The tests that `register` would run. */
export function collectTests(register: (test: (name: string, ...rest: unknown[]) => void) => void): TapeTest[] {
  const tests: TapeTest[] = [];
  register((name, ...rest) => tests.push({ name, given: [name, ...rest] }));
  return tests;
}

/**
 * Runs a test to its end and returns its assertions. Rejects when one does not hold, is skipped or is missing (tape adds one
 * that fails for each that was planned and not made), and when there is no end within `limitMs`.
 */
export async function runTest(test: TapeTest, limitMs: number): Promise<TapeAssertion[]> {
  const harness = createHarness();
  const stream = harness.createStream({ objectMode: true });
  const rows: Row[] = [];
  stream.on("data", (row) => rows.push(row));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ended = new Promise<void>((resolve, reject) => {
    stream.on("end", resolve);
    timer = setTimeout(() => reject(new Error(`${test.name}: no end within ${limitMs} ms`)), limitMs);
  });
  harness(...test.given);
  await ended.finally(() => clearTimeout(timer));
  const tests = rows.filter(({ type }) => type === "test").length;
  if (tests === 0 || tests !== rows.filter(({ type }) => type === "end").length) {
    throw new Error(`${test.name}: it did not run from its beginning to its end`);
  }
  for (const { type, ok, name, skip, todo, expected, actual, error } of rows) {
    if (skip || todo) throw new Error(`${test.name}: skipped: ${name}`);
    if (type !== "assert" || ok === true) continue;
    const values = JSON.stringify({ expected, actual }, (_, value) => value instanceof Error ? String(value) : value);
    throw new Error(`${test.name}: ${name}: ${values}`, { cause: error ?? actual });
  }
  return rows.filter(({ type }) => type === "assert").map(({ name, ok }) => ({ message: name ?? "", ok: ok === true }));
}
