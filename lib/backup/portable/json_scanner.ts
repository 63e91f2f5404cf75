/**
 * Finds the values of a JSON text that arrives in pieces, one value at a time, without ever holding the whole text: where
 * each value ends is found by brackets and quotes alone, then `JSON.parse` judges what lies between.
 *
 * Memory: one value, never more than its caller allows.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { IntegrityError } from "../../base/errors.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Deeper nesting serves nobody and could exhaust the stack of `JSON.parse`. */
const DEPTH_MAX = 256;

/** Walks over a JSON text. */
export class JsonScanner {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #source: string;
  #buffer: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #before = 0;
  #ended = false;
  /** The buffer up to `#end`: what lies behind is memory kept for more, and long to search. */
  #filled: Uint8Array = this.#buffer;
  /** Whether the buffer is ours to write to, or the piece that came last. */
  #owned = false;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  /** Reads `pieces`; `source` names the text in errors. */
  constructor(pieces: AsyncIterable<Uint8Array>, source: string) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#source = source;
  }

  /** Where it stands, in bytes from the start. */
  get offset(): number {
    return this.#before + this.#at;
  }

  /** The next byte that is not white space, left where it is; -1 at the end. */
  async peek(): Promise<number> {
    for (;;) {
      while (this.#at < this.#end) {
        const byte = this.#buffer[this.#at]!;
        if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
        this.#at++;
      }
      if (!await this.#more()) return -1;
    }
  }

  /** Passes over a byte order mark at the very start. */
  async skipMark(): Promise<void> {
    while (this.#end - this.#at < 3 && await this.#more());
    const buffer = this.#buffer;
    if (buffer[this.#at] === 0xef && buffer[this.#at + 1] === 0xbb && buffer[this.#at + 2] === 0xbf) this.#at += 3;
  }

  /** Passes over the given character, or throws. */
  async expect(character: string): Promise<void> {
    const byte = await this.peek();
    if (byte !== character.charCodeAt(0)) {
      const found = byte < 0 ? "the end" : JSON.stringify(String.fromCharCode(byte));
      throw this.refusal(byte < 0 ? "it ends early" : `"${character}" should stand where ${found} does`);
    }
    this.#at++;
  }

  /** Passes over the given character if it comes next. */
  async accept(character: string): Promise<boolean> {
    if (await this.peek() !== character.charCodeAt(0)) return false;
    this.#at++;
    return true;
  }

  /** The next value, parsed; refused when its text is longer than `bytesMax`. */
  async value(bytesMax: number): Promise<unknown> {
    const start = this.offset;
    const text = await this.#scan(bytesMax);
    try {
      return JSON.parse(this.#decode(text));
    } catch (cause) {
      throw this.refusal(`what stands there is not JSON (${(cause as Error).message})`, start, cause);
    }
  }

  /** Passes over the next value, however long. */
  async skip(): Promise<void> {
    if (",:]}".includes(String.fromCharCode(await this.peek()))) throw this.refusal("a value is missing");
    await this.#scan(undefined);
  }

  /** Checks that nothing but white space is left. */
  async finish(): Promise<void> {
    if (await this.peek() !== -1) throw this.refusal("there is more after its end");
  }

  /** Ends the stream it reads. */
  async close(): Promise<void> {
    this.#ended = true;
    await this.#pieces.return?.();
  }

  /** The error for what is wrong here (or at `offset`). */
  refusal(what: string, offset: number = this.offset, cause?: unknown): IntegrityError {
    return new IntegrityError(
      `Cannot read ${this.#source} at byte ${offset}: ${what}; the file is damaged or no backup`,
      { path: this.#source, cause },
    );
  }

  /** Finds the end of the value that begins here and moves behind it; its bytes, unless no limit is given. */
  async #scan(bytesMax: number | undefined): Promise<Uint8Array> {
    const first = await this.peek();
    if (first < 0) throw this.refusal("it ends early");
    let start = this.#at;
    const keep = bytesMax !== undefined;
    let depth = 0;
    let inString = false;
    for (let i = start;;) {
      if (i >= this.#end) {
        const length = i - start;
        if (keep && length > bytesMax) throw this.refusal(`a value longer than ${bytesMax} bytes`);
        // A number or word of the top level is the only value that the end of the text may end.
        // What is not kept is dropped, but for a backslash that escapes what comes next.
        this.#at = keep ? start : i - escapesBefore(this.#buffer, start, i) % 2;
        const kept = i - this.#at;
        if (!await this.#more()) {
          if (depth > 0 || inString) throw this.refusal("it ends early", this.#before + this.#end);
          this.#at = i;
          break;
        }
        start = this.#at;
        i = start + kept;
        continue;
      }
      if (inString) {
        const quote = this.#filled.indexOf(QUOTE, i);
        i = quote < 0 ? this.#end : quote + 1;
        if (quote < 0 || escapesBefore(this.#buffer, start, quote) % 2 === 1) continue;
        inString = false;
        if (depth === 0) {
          this.#at = i;
          break;
        }
        continue;
      }
      const byte = this.#buffer[i]!;
      if (byte === QUOTE) {
        inString = true;
        i++;
      } else if (byte === 0x7b || byte === 0x5b) {
        if (++depth > DEPTH_MAX) throw this.refusal(`values nested deeper than ${DEPTH_MAX}`);
        i++;
      } else if (byte === 0x7d || byte === 0x5d) {
        if (depth === 0) {
          this.#at = i;
          break;
        }
        i++;
        if (--depth === 0) {
          this.#at = i;
          break;
        }
      } else if (depth === 0 && (byte === 0x2c || byte <= 0x20)) {
        this.#at = i;
        break;
      } else {
        i++;
      }
    }
    if (keep && this.#at - start > bytesMax) throw this.refusal(`a value longer than ${bytesMax} bytes`);
    return this.#buffer.subarray(start, this.#at);
  }

  /** Strict UTF-8. The lenient decoder is several times faster for short texts; what it replaced is then looked at closely. */
  #decode(bytes: Uint8Array): string {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
    return text.includes("\ufffd") ? this.#decoder.decode(bytes) : text;
  }

  /** Appends the next piece behind what is unread; false at the end. */
  async #more(): Promise<boolean> {
    if (this.#ended) return false;
    const { done, value } = await this.#pieces.next();
    if (done) {
      this.#ended = true;
      return false;
    }
    const kept = this.#end - this.#at;
    if (kept === 0) {
      this.#before += this.#at;
      this.#buffer = value;
      this.#owned = false;
      this.#at = 0;
      this.#end = value.length;
      this.#filled = value;
      return true;
    }
    if (!this.#owned || this.#end + value.length > this.#buffer.length) {
      // Twice the need: so the copying stays linear when one value spans many pieces.
      const target = new Uint8Array((kept + value.length) * 2);
      target.set(this.#buffer.subarray(this.#at, this.#end));
      this.#before += this.#at;
      this.#buffer = target;
      this.#owned = true;
      this.#at = 0;
      this.#end = kept;
    }
    this.#buffer.set(value, this.#end);
    this.#end += value.length;
    this.#filled = this.#buffer.subarray(0, this.#end);
    return true;
  }
}

/** How many backslashes stand directly before `at`, not looking before `start`. */
function escapesBefore(buffer: Uint8Array, start: number, at: number): number {
  let n = 0;
  while (at - n > start && buffer[at - n - 1] === BACKSLASH) n++;
  return n;
}
