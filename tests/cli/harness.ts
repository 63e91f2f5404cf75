/** Runs of the command line inside the test's own process, with streams, environment and clock of the test's own. */
import { Buffer } from "node:buffer";
import { PassThrough, Readable } from "node:stream";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { DB, type OpenOptions } from "../../mod.ts";
import { run } from "../../lib/cli/cli.ts";
import type { CliIo, FileSystem, OutStream } from "../../lib/cli/cli.ts";

/** What came of a run. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it was written. */
  readonly bytes: Uint8Array;
}

export interface RunSettings {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly now?: () => number;
  readonly fileSystem?: FileSystem;
  /** Someone sits there, who answers these questions: the first whose pattern fits what is asked. */
  readonly answers?: readonly (readonly [question: RegExp, answer: string])[];
  /** Standard output is a terminal as well. */
  readonly terminal?: boolean;
  readonly columns?: number;
  /** Called with all of standard output so far, whenever there is more. */
  readonly onOutput?: (text: string) => void;
  /** The same of standard error. */
  readonly onError?: (text: string) => void;
}

/** Runs one command line. */
export async function cli(argv: readonly string[], settings: RunSettings = {}): Promise<Ran> {
  return await withStreams(settings, (io) => run(argv, io));
}

/** Calls with the surroundings that the settings describe, and gathers what is written. */
export async function withStreams(settings: RunSettings, work: (io: CliIo) => Promise<number>): Promise<Ran> {
  const { answers, terminal = false } = settings;
  const person = answers !== undefined;
  const stdin = person ? new PassThrough() : Readable.from(settings.stdin === undefined ? [] : [settings.stdin]);
  const out = collector(settings.onOutput);
  let asked = 0;
  const err = collector((text) => {
    settings.onError?.(text);
    const rest = text.slice(asked);
    const found = answers?.find(([question]) => question.test(rest));
    if (found === undefined) return;
    asked = text.length;
    // After the question is written the line editor begins to read.
    setTimeout(() => (stdin as PassThrough).write(`${found[1]}\n`), 0);
  });
  const as = <T extends object>(stream: T, isTTY: boolean): T & { isTTY: boolean; columns: number } =>
    Object.assign(stream, { isTTY, columns: settings.columns ?? 100 });
  const code = await work({
    stdin: as(stdin, person),
    stdout: as(out.stream, terminal) as OutStream,
    stderr: as(err.stream, person || terminal) as OutStream,
    env: (name) => settings.env?.[name],
    signal: settings.signal ?? new AbortController().signal,
    now: settings.now ?? Date.now,
    fileSystem: settings.fileSystem ?? disk,
  });
  return { code, stdout: out.text(), stderr: err.text(), bytes: out.bytes() };
}

/** As `cli`; a run that does not end with 0 fails the test with what it said. */
export async function ok(argv: readonly string[], settings: RunSettings = {}): Promise<Ran> {
  const ran = await cli(argv, settings);
  if (ran.code !== 0) throw new Error(`holdfast ${argv.join(" ")} ended with ${ran.code}:\n${ran.stderr}${ran.stdout}`);
  return ran;
}

/** The JSON document that a run prints. */
export async function json<T = Record<string, unknown>>(
  argv: readonly string[],
  settings: RunSettings = {},
): Promise<T> {
  return JSON.parse((await ok([...argv, "--json"], settings)).stdout) as T;
}

/** The JSON lines that a run prints. */
export async function jsonLines<T = Record<string, unknown>>(
  argv: readonly string[],
  settings: RunSettings = {},
): Promise<T[]> {
  return linesOf((await ok([...argv, "--json"], settings)).stdout).map((line) => JSON.parse(line) as T);
}

/** The lines of a text, without the end of the last. */
export function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** The disk of the test that runs now: simulated, so that a hundred runs take no time. */
let disk: MemoryFileSystem = memoryFileSystem();

/** A fresh disk for each test. */
export function freshDisk(): void {
  disk = memoryFileSystem();
}

/** The disk as another process has it. */
export function otherProcess(): { fileSystem: MemoryFileSystem } {
  return { fileSystem: disk.otherProcess() };
}

/** Makes a directory on the disk, with all above it. */
export async function makeDirectory(path: string): Promise<void> {
  await disk.makeDirectory(path, { parents: true });
}

/** Puts a file on the disk. */
export async function putFile(path: string, content: string | Uint8Array): Promise<void> {
  const handle = await disk.open(path, "create");
  await handle.append(typeof content === "string" ? new TextEncoder().encode(content) : content);
  await handle.close();
}

/** Removes a file from the disk. */
export async function removeFile(path: string): Promise<void> {
  await disk.remove(path);
}

/** What a file on the disk holds. */
export async function fileBytes(path: string): Promise<Uint8Array> {
  const handle = await disk.open(path, "read");
  const bytes = new Uint8Array(handle.sizeSync());
  await handle.readAt(bytes, 0);
  await handle.close();
  return bytes;
}

/** Changes one byte of a file. */
export async function damage(path: string, at: number): Promise<void> {
  const bytes = await fileBytes(path);
  bytes[at]! ^= 0xff;
  await disk.remove(path);
  await putFile(path, bytes);
}

/** The paths of all files below a directory. */
export async function filesBelow(path: string): Promise<string[]> {
  const names = await disk.list(path);
  const found = await Promise.all(names.map(async (name) => {
    const below = `${path}/${name}`;
    return (await disk.stat(below))?.kind === "directory" ? await filesBelow(below) : [below];
  }));
  return found.flat();
}

/** Opens a database on the disk for a test of its own. */
export async function open(path: string, options: OpenOptions = {}): Promise<DB> {
  return await DB.open(path, { fileSystem: disk, ...options });
}

function collector(onText?: (text: string) => void): {
  stream: PassThrough;
  text: () => string;
  bytes: () => Uint8Array;
} {
  const pieces: Uint8Array[] = [];
  const stream = new PassThrough();
  const bytes = (): Uint8Array => Buffer.concat(pieces);
  const text = (): string => new TextDecoder().decode(bytes());
  stream.on("data", (piece: Uint8Array) => {
    pieces.push(piece);
    onText?.(text());
  });
  return { stream, text, bytes };
}
