/**
 * What a run prints: results on standard output, as JSON or for people; notes, questions and progress on standard error.
 *
 * @module
 */
import { nodeError } from "../../files/node_errors.ts";
import type { CliIo, OutStream } from "../io.ts";
import { EXIT, OutputClosed } from "../core/exit_code.ts";
import { jsonLine } from "./json.ts";
import { NO_PROGRESS, type ProgressLine, progressLine } from "./progress.ts";
import { canDraw, type Paint, painter, wantsColor } from "./style.ts";
import { type Column, factLines, tableLines } from "./table.ts";
import { flowText } from "./width.ts";

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
  /** The columns that a line of standard output has; `Infinity` where it is no terminal. */
  readonly width: number;
  readonly #io: CliIo;
  readonly #quiet: boolean;
  #failed: Error | undefined;
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
    this.width = this.isTerminal ? io.stdout.columns || COLUMNS_UNKNOWN : Infinity;
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

  /** Sentences for people, each from a line of its own; a terminal has them in lines that end with a word. */
  async sentences(texts: readonly string[]): Promise<void> {
    await this.lines(texts.flatMap((text) => sentenceLines(text, this.width)));
  }

  /** A table for people; one that goes on from another has no headings. */
  async table(
    columns: readonly Column[],
    rows: readonly (readonly string[])[],
    { headed = true }: { headed?: boolean } = {},
  ): Promise<void> {
    const label = (text: string): string => this.paint("faint", text);
    const look = { width: this.width, label };
    const heading = (text: string): string => this.paint("title", text);
    await this.lines(tableLines(columns, rows, headed ? { ...look, heading } : look));
  }

  /** Names and what they are, one a line. */
  async facts(facts: readonly (readonly [name: string, value: string] | undefined)[]): Promise<void> {
    const there = facts.filter((each) => each !== undefined);
    await this.lines(factLines(there.map(([name, value]) => [this.paint("faint", name), value]), this.width));
  }

  /** Bytes or text as they are. Rejects with `OutputClosed` once nobody reads any more, and always once it failed. */
  async write(chunk: string | Uint8Array): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    if (chunk.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#io.stdout.write(chunk, (error) => error ? reject(error) : resolve());
    }).catch((error: NodeJS.ErrnoException) => {
      const isClosed = CLOSED.has(error.code ?? "");
      this.#failed = isClosed ? new OutputClosed() : nodeError("write to", "standard output", error);
      throw this.#failed;
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

  /** Draws progress for work, on a terminal that can, until `endProgress`. */
  progress(work: string): ProgressLine["onProgress"] {
    this.endProgress();
    if (this.#quiet || this.json || !canDraw(this.#io, this.#io.stderr)) return NO_PROGRESS.onProgress;
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
    const { stderr } = this.#io;
    const width = stderr.isTTY === true ? stderr.columns || COLUMNS_UNKNOWN : Infinity;
    stderr.write(`${sentenceLines(text, width).join("\n")}\n`);
  }
}

/** What terminals have that don't say how many. */
const COLUMNS_UNKNOWN = 80;

/** Enough that writing costs little beside reading, and little enough to hold. */
const GATHERED_MAX = 2 ** 16;

/** What a stream says when its reader has gone. */
const CLOSED = new Set(["EPIPE", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END", "ECONNRESET", "EOF"]);

/** For a run that ends well or with findings. */
export function codeFor(ok: boolean): number {
  return ok ? EXIT.done : EXIT.finding;
}

/** Lines that end with a word. What is indented is there to be copied, and stays as it is. */
function sentenceLines(text: string, width: number): string[] {
  return text.split("\n").flatMap((line) => line.startsWith(" ") ? [line] : flowText(line, width));
}

/** How wide help may be on this stream. */
export function helpColumns(stream: OutStream): number {
  return Math.min(stream.columns || 100, 110);
}
