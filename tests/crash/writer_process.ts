/** A writer as a process of its own, what it says, and whether what it leaves is what it promised. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DB } from "../../mod.ts";
import { entryKey, isKept, OPTIONS, tagOf, valueKey, valueOf } from "./kill_plan.ts";

const writer = fileURLToPath(new URL("kill_writer.ts", import.meta.url));
const bin = process.env["HOLDFAST_RUNTIMES"] ?? fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));

const LINE_END = 10;

/** Deno gets the least that users give it: the directory, nothing else. */
const argumentsOf: Record<string, (directory: string) => string[]> = {
  deno: (directory) => [
    "run",
    "--no-prompt",
    "--no-check",
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
  ],
  bun: () => ["run"],
  node: () => [],
};

/** The runtime that runs this file. */
export const ownRuntime: string = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

/** The binary of a runtime. */
export function binaryOf(runtime: string): string {
  return runtime === ownRuntime ? process.execPath : join(bin, runtime);
}

/** All runtimes that are installed. */
export function installedRuntimes(): string[] {
  return Object.keys(argumentsOf).filter((name) => existsSync(join(bin, name)));
}

/** How a writer is started. */
export interface WriterOptions {
  /** The runtime. */
  runtime: string;
  /** The database. */
  directory: string;
  /** The first number that it writes. */
  first: number;
  /** How many write at the same time; 8 unless given. Where there are many, groups of commits overlap. */
  writers?: number;
  /** A program, with arguments, that starts it. */
  through?: readonly string[];
}

/** What a writer said until it ended. */
export interface Said {
  /** The numbers that were acknowledged. */
  acknowledged: number[];
  /** Everything else, line by line. */
  other: string[];
  /** The signal that ended it. */
  signal: NodeJS.Signals | null;
  /** What it printed as errors. */
  complaints: string;
}

/** A writer that runs. */
export interface RunningWriter {
  /** Resolves with its first line. */
  alive: Promise<void>;
  /** Resolves once it has said so many lines, or has ended. */
  heard(lines: number): Promise<void>;
  /** Resolves once it has ended. */
  ended: Promise<Said>;
  /** The numbers that it said were acknowledged, so far. */
  acknowledged(): number[];
  /** Everything else that it said so far, line by line. */
  other(): string[];
  /** Kills it and whatever started it. */
  kill(): void;
  /** Lets it, and whatever started it, stand still; then go on. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** Starts a writer. */
export function startWriter({ runtime, directory, first, writers = 8, through = [] }: WriterOptions): RunningWriter {
  const [program, ...args] = [
    ...through,
    binaryOf(runtime),
    ...argumentsOf[runtime]!(dirname(directory)),
    writer,
    directory,
    String(first),
    String(writers),
  ];
  // A group of its own: who traces a process dies with it.
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let said = "";
  let complaints = "";
  let count = 0;
  const listeners = new Set<() => void>();
  const heard = (wanted: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (count < wanted) return void listeners.add(look);
        listeners.delete(look);
        resolve();
      };
      look();
    });
  child.stdout.on("data", (data: Uint8Array) => {
    said += data;
    count += data.filter((byte) => byte === LINE_END).length;
    for (const look of listeners) look();
  });
  child.once("close", () => {
    count = Infinity;
    for (const look of listeners) look();
  });
  child.stderr.on("data", (data: Uint8Array) => complaints += data);
  // A last line without its end may be cut off in the middle of the number.
  const lines = (): string[] => said.split("\n").slice(0, -1);
  const isNumber = (line: string): boolean => /^\d+$/.test(line);
  const acknowledged = (): number[] => lines().filter(isNumber).map(Number);
  const other = (): string[] => lines().filter((line) => !isNumber(line));
  const ended = new Promise<Said>((resolve) => {
    child.once("close", (_code, signal) => {
      resolve({ acknowledged: acknowledged(), other: other(), signal, complaints });
    });
  });
  const signal = (name: NodeJS.Signals): void => {
    try {
      process.kill(-child.pid!, name);
    } catch {
      // It has ended.
    }
  };
  return { alive: heard(1), heard, ended, acknowledged, other, kill: () => signal("SIGKILL"), signal };
}

/** What is known before a database is looked at. */
export interface Expected {
  /** The newest number found there before the writer began; -1 for none. */
  before: number;
  /** What the writer said was acknowledged. */
  acknowledged: readonly number[];
  /** For messages: what was done to it. */
  context: string;
  /** Looks at everything, not only at what is new. */
  whole: boolean;
}

/** Opens the database and looks for everything; gives the newest number that is there. */
export async function judge(
  directory: string,
  { before, acknowledged, context, whole }: Expected,
): Promise<number> {
  const db = await DB.open(directory, OPTIONS);
  try {
    const last = await db.get<number>("newest") ?? -1;
    const promised = acknowledged.reduce((most, n) => Math.max(most, n), before);
    assert.ok(last >= promised, `${context}: write ${promised} was acknowledged, the newest found is ${last}`);
    assert.equal(await db.count({ prefix: "entry/" }), last + 1, `${context}: entries without gaps`);
    // What was there before the writer began has been looked at before.
    for (let n = whole ? 0 : Math.max(0, before - 100); n <= last; n++) {
      assert.deepEqual(await db.getEntry(entryKey(n)).then((entry) => entry && [entry.value, entry.tags]), [
        { n },
        [tagOf(n)],
      ], `${context}: entry ${n}`);
      const expected = isKept(n, last) ? valueOf(n) : undefined;
      assert.equal(await db.get(valueKey(n)), expected, `${context}: value ${n}`);
    }
    assert.equal(await db.get(entryKey(last + 1)), undefined);
    assert.equal(await db.get(valueKey(last + 1)), undefined);
    let tagged = 0;
    for await (const { key } of db.list({ tag: tagOf(last) })) {
      if (key.startsWith("entry/")) tagged++;
    }
    assert.equal(tagged, Math.floor(Math.max(0, last) / 5) + (last < 0 ? 0 : 1), `${context}: entries of one tag`);
    const report = await db.verify();
    assert.deepEqual(report.problems, [], context);
    return last;
  } finally {
    await db.close();
  }
}
