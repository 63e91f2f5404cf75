/**
 * What a run prints: results on standard output, as JSON or for people; notes, questions and progress on standard error.
 *
 * @module
 */
import type { CliIo, OutStream } from "../io.ts";
import { EXIT, OutputClosed } from "../core/exit_code.ts";
import { jsonLine } from "./json.ts";
import { NO_PROGRESS, type ProgressLine, progressLine } from "./progress.ts";
import { type Paint, painter, wantsColor } from "./style.ts";
import { type Column, tableLines } from "./table.ts";

/** How a run prints. */
export interface OutputSettings {
  /** JSON instead of text for people. */
  readonly json: boolean;
  /** Neither progress nor notes. */
  readonly quiet: boolean;
  /** No colours, whatever the terminal can do. */
  readonly noColor: boolean;
}

/** Prints for one run. */
export class Output {
  /** JSON is wanted. */
  readonly json: boolean;
  /** Paints what goes to standard output. */
  readonly paint: Paint;
  /** Paints what goes to standard error. */
  readonly paintNote: Paint;
  /** Whether a person reads along. */
  readonly isTerminal: boolean;
  readonly #io: CliIo;
  readonly #quiet: boolean;
  #closed = false;
  #gathered = "";
  #progress: ProgressLine = NO_PROGRESS;

  /** Prints to the streams of `io`. */
  constructor(io: CliIo, { json, quiet, noColor }: OutputSettings) {
    this.#io = io;
    this.json = json;
    this.#quiet = quiet;
    this.paint = painter(!json && wantsColor(io, io.stdout, noColor));
    this.paintNote = painter(wantsColor(io, io.stderr, noColor));
    this.isTerminal = io.stdout.isTTY === true;
  }

  /** One result: a JSON document, or what `show` prints for people. */
  async result(value: unknown, show: () => Promise<void> | void): Promise<void> {
    if (this.json) await this.write(jsonLine(value));
    else await show();
  }

  /** Lines for people. */
  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** One line for people. */
  async line(text: string): Promise<void> {
    await this.lines([text]);
  }

  /** A table for people. */
  async table(columns: readonly Column[], rows: readonly (readonly string[])[]): Promise<void> {
    await this.lines(tableLines(columns, rows, (text) => this.paint("title", text)));
  }

  /** Names and what they are, one a line. */
  async facts(facts: readonly (readonly [name: string, value: string] | undefined)[]): Promise<void> {
    const rows = facts.filter((each) => each !== undefined).map(([name, value]) => [this.paint("faint", name), value]);
    await this.table([{ title: "" }, { title: "" }], rows);
  }

  /** Bytes or text as they are. Rejects with `OutputClosed` once nobody reads any more. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#closed) throw new OutputClosed();
    if (chunk.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#io.stdout.write(chunk, (error) => error ? reject(error) : resolve());
    }).catch((error: NodeJS.ErrnoException) => {
      if (!CLOSED.has(error.code ?? "")) throw error;
      this.#closed = true;
      throw new OutputClosed();
    });
  }

  /** As `write`, gathered: for many small pieces that nobody waits for. `flush` writes the rest. */
  async gather(text: string): Promise<void> {
    this.#gathered += text;
    if (this.#gathered.length >= GATHERED_MAX) await this.flush();
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    const text = this.#gathered;
    this.#gathered = "";
    await this.write(text);
  }

  /** What a person may want to know beside the result. */
  note(text: string): void {
    if (!this.#quiet) this.#aside(text);
  }

  /** What is told even with `--quiet`. */
  warn(text: string): void {
    this.#aside(`${this.paintNote("warning", "warning:")} ${text}`);
  }

  /** Says why the run fails. */
  error(error: { code: string; message: string; details?: Record<string, unknown> }): void {
    const { code, message, details } = error;
    if (this.json) this.#io.stderr.write(jsonLine({ error: { code, message, ...details } }));
    else this.#aside(`${this.paintNote("bad", "error:")} ${message}`);
  }

  /** Draws progress for work, on a terminal, until `endProgress`. */
  progress(work: string): ProgressLine["onProgress"] {
    this.endProgress();
    if (this.#quiet || this.json || this.#io.stderr.isTTY !== true) return NO_PROGRESS.onProgress;
    this.#progress = progressLine(this.#io.stderr, this.paintNote, work);
    return this.#progress.onProgress;
  }

  /** Wipes the progress line, if there is one. */
  endProgress(): void {
    this.#progress.end();
    this.#progress = NO_PROGRESS;
  }

  #aside(text: string): void {
    this.endProgress();
    this.#io.stderr.write(`${text}\n`);
  }
}

/** Enough that writing costs little beside reading, and little enough to hold. */
const GATHERED_MAX = 2 ** 16;

/** What a stream says when its reader has gone. */
const CLOSED = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END", "ECONNRESET", "EOF"]);

/** For a run that ends well or with findings. */
export function codeFor(ok: boolean): number {
  return ok ? EXIT.done : EXIT.finding;
}

/** How wide help may be on this stream. */
export function helpColumns(stream: OutStream): number {
  return Math.min(stream.columns || 100, 110);
}
