/**
 * The surroundings of a run that is a process of its own.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { fstatSync, writeSync } from "node:fs";
import process from "node:process";
import { isGranted } from "../base/deno_permissions.ts";
import { nodeFileSystem } from "../files/node_file_system.ts";
import { type CliIo, Interruption, type OutStream } from "./io.ts";

/** A process's surroundings, and what takes its handlers away again. */
export interface ProcessIo {
  /** The surroundings. */
  io: CliIo;
  /** Takes back all handlers. */
  release: () => void;
}

/** A process's streams, environment and signals, as far as `given` has none of its own. */
export function processIo(given: Partial<CliIo> = {}): ProcessIo {
  const { stdout = wholeOutput(), stderr = process.stderr } = given;
  const streams = [process.stdout, process.stderr].filter((own) => own === stdout || own === stderr);
  const { signal, releaseSignals } = given.signal === undefined
    ? signals()
    : { signal: given.signal, releaseSignals() {} };
  // A closed pipe is told by each write; unhandled, it would end the process with a stack trace.
  const ignore = (): void => {};
  for (const stream of streams) stream.on("error", ignore);
  const release = (): void => {
    releaseSignals();
    // What went wrong with the last write may be told a little later.
    setImmediate(() => streams.forEach((stream) => stream.off("error", ignore)));
  };
  const io: CliIo = {
    stdin: process.stdin,
    env: variable,
    now: Date.now,
    fileSystem: nodeFileSystem(),
    ...given,
    stdout,
    stderr,
    signal,
  };
  return { io, release };
}

/** The descriptor of standard output. */
const STDOUT = 1;

/**
 * Standard output. Of what goes to a file Node writes as much as the disk takes at once, and calls that all of it: what is
 * cut short there would look whole.
 */
function wholeOutput(): OutStream {
  return isFile() ? { write: writeWhole } : process.stdout;
}

function isFile(): boolean {
  try {
    return fstatSync(STDOUT).isFile();
  } catch {
    return false;
  }
}

function writeWhole(chunk: string | Uint8Array, done?: (error?: Error | null) => void): void {
  const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(STDOUT, bytes, at);
  } catch (error) {
    return done?.(error as Error);
  }
  done?.();
}

function signals(): { signal: AbortSignal; releaseSignals: () => void } {
  const controller = new AbortController();
  const releaseSignals = onSignals((signal) => {
    if (!controller.signal.aborted) return controller.abort(new Interruption(signal));
    // Whoever asks twice doesn't want to wait for a clean end: the signal does then what it does without a handler.
    releaseSignals();
    try {
      process.kill(process.pid, signal);
    } catch {
      // Under Deno's permissions a process may not even signal itself; the next signal ends it.
    }
  });
  return { signal: controller.signal, releaseSignals };
}

function onSignals(receive: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  const handlers = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const handler = (): void => receive(signal);
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => handlers.forEach((remove) => remove());
}

/** A variable of the environment. Under Deno one that may not be read is as good as absent, and nobody is asked for it. */
function variable(name: string): string | undefined {
  if (!isGranted({ name: "env", variable: name })) return undefined;
  return process.env[name];
}
