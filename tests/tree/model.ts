/**
 * What the tests of this folder share: random operations that can be repeated, and rows in a plain sorted array, the
 * model that everything else is compared with.
 *
 * @module
 */
import process from "node:process";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { KIND_TEXT, OP_DELETE, writeCell } from "../../lib/format/cell.ts";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { type Cursor, FoundRow, type Row } from "../../lib/tree/cursor.ts";

/** A row of the model. */
export interface ModelRow {
  key: Uint8Array;
  version: number;
  timestamp: number;
  cell: Uint8Array;
}

/** The order of rows: by key, then from new to old. */
export function compareRows(a: { key: Uint8Array; version: number }, b: { key: Uint8Array; version: number }): number {
  return compareBytes(a.key, b.key) || b.version - a.version;
}

/** A random generator that repeats itself for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number in `[0, below)`. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A short key of bytes that are easy to get wrong, so that prefixes, equal keys and zeros at the end abound. */
  key(): Uint8Array {
    const heads = ["", "", "shared-by-many-", "shared-by-many-\0\0"];
    const head = new TextEncoder().encode(this.pick(heads));
    const tail = Array.from({ length: this.below(5) }, () => this.pick([0x00, 0x00, 0x01, 0x61, 0x7f, 0x80, 0xff]));
    return Uint8Array.from([...head, ...tail]);
  }

  /** The cell of a text, sometimes with an expiry, sometimes of a delete. */
  cell(): Uint8Array {
    if (this.chance(5)) return Uint8Array.of(OP_DELETE);
    const out = new ByteWriter();
    const text = new TextEncoder().encode(`value ${this.below(1e6)}`);
    writeCell(out, KIND_TEXT, text, [], this.chance(4) ? this.below(100) : undefined);
    return out.take();
  }
}

function givenSeed(): number | undefined {
  try {
    const text = process.env["HOLDFAST_SEED"];
    return text === undefined || text === "" ? undefined : Number(text);
  } catch {
    return undefined;
  }
}

/** Runs `body` with several random generators; a failure names the seed, and `HOLDFAST_SEED` runs that one alone. */
export function withSeeds(rounds: number, body: (random: Random) => void): void {
  const given = givenSeed();
  const first = given ?? Date.now() % 1e9;
  for (let seed = first; seed < first + (given === undefined ? rounds : 1); seed++) {
    try {
      body(new Random(seed));
    } catch (error) {
      throw new Error(`Fails with HOLDFAST_SEED=${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** A row in words, for messages. */
export function show(row: { key: Uint8Array; version: number; timestamp: number; cell: Uint8Array }): string {
  return `${toHex(row.key)}@${row.version} at ${row.timestamp}: ${toHex(row.cell)}`;
}

/** What a cursor stands on, in words. */
export function showAt(cursor: Cursor): string {
  return cursor.valid ? show(cursor) : "nothing";
}

/** The model of a cursor: an index into a sorted array. Every move spoils the views given out before. */
export class ArrayCursor implements Cursor {
  readonly rows: ModelRow[];
  #index = -1;
  #key = new Uint8Array(0);
  #cell = new Uint8Array(0);

  constructor(rows: ModelRow[]) {
    this.rows = rows.slice().sort(compareRows);
  }

  get valid(): boolean {
    return this.#index >= 0 && this.#index < this.rows.length;
  }

  get key(): Uint8Array {
    return this.#key;
  }

  get version(): number {
    return this.rows[this.#index]!.version;
  }

  get timestamp(): number {
    return this.rows[this.#index]!.timestamp;
  }

  get cell(): Uint8Array {
    return this.#cell;
  }

  row(): FoundRow {
    return new FoundRow(this.version, this.timestamp, this.#cell, 0, this.#cell.length);
  }

  seek(key: Uint8Array, version: number): void {
    this.#stand(this.#count((row) => compareRows(row, { key, version }) < 0));
  }

  seekBefore(key: Uint8Array): void {
    this.#stand(this.#count((row) => compareBytes(row.key, key) < 0) - 1);
  }

  seekFirst(): void {
    this.#stand(0);
  }

  seekLast(): void {
    this.#stand(this.rows.length - 1);
  }

  next(): void {
    this.#stand(this.#index + 1);
  }

  previous(): void {
    this.#stand(this.#index - 1);
  }

  #count(isBefore: (row: ModelRow) => boolean): number {
    const index = this.rows.findIndex((row) => !isBefore(row));
    return index < 0 ? this.rows.length : index;
  }

  #stand(index: number): void {
    this.#key.fill(0xee);
    this.#cell.fill(0xee);
    this.#index = index;
    if (!this.valid) return;
    this.#key = this.rows[index]!.key.slice();
    this.#cell = this.rows[index]!.cell.slice();
  }
}

/** What a point lookup found, to compare with. */
export function plain(found: Row | undefined): Row | undefined {
  return found && { version: found.version, timestamp: found.timestamp, cell: found.cell };
}
