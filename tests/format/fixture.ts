/** What the tests of log, manifest and marker share: seeds, files of records in memory, and ways to read them. */
import process from "node:process";
import { ByteWriter } from "../../lib/base/bytes.ts";
import { writeCommitHead } from "../../lib/format/log/batch.ts";
import { writeFooter, writeRecord } from "../../lib/format/log/frame.ts";
import { checksumSeed, FILE_HEADER_BYTES, type FileKind, writeFileHeader } from "../../lib/format/identity.ts";
import { type FileRecord, type ReadBytes, type ReaderState, RecordReader } from "../../lib/format/log/record_reader.ts";
import { Random } from "../model/random.ts";

export const DATABASE = "000102030405060708090a0b0c0d0e0f";
export const LINEAGE = "101112131415161718191a1b1c1d1e1f";

/** Runs `body` once for each seed. A failure names its seed; `HOLDFAST_SEED=n` runs that one alone. */
export function forSeeds(count: number, body: (random: Random, seed: number) => void): void {
  const given = process.env["HOLDFAST_SEED"];
  const seeds = given === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(given)];
  for (const seed of seeds) {
    try {
      body(new Random(seed), seed);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      throw new Error(`fails with HOLDFAST_SEED=${seed}: ${text}`, { cause: error });
    }
  }
}

/** The record of a commit with these operations. */
export function commitRecord(version: number, timestamp: number, syncedTo: number, ops: Uint8Array): Uint8Array {
  const out = new ByteWriter();
  writeCommitHead(out, version, timestamp, syncedTo);
  out.bytes(ops);
  return out.take();
}

/** A file built record by record, and where each record went. */
export class RecordFile {
  readonly out = new ByteWriter();
  readonly seed: number;
  readonly places: { offset: number; end: number; record: Uint8Array }[] = [];

  constructor(kind: FileKind = "log", number = 12) {
    const identity = { database: DATABASE, lineage: LINEAGE, number };
    this.out.bytes(writeFileHeader(kind, identity));
    this.seed = checksumSeed({ kind, ...identity });
  }

  add(...records: Uint8Array[]): this {
    for (const record of records) {
      const offset = this.out.length;
      writeRecord(this.out, this.seed, offset, record);
      this.places.push({ offset, end: this.out.length, record });
    }
    return this;
  }

  finish(): this {
    writeFooter(this.out, this.seed, this.out.length);
    return this;
  }

  bytes(): Uint8Array {
    return this.out.take();
  }
}

/** Reads out of memory as a file is read. */
export function reading(bytes: Uint8Array): ReadBytes {
  return (into, position) => {
    const part = bytes.subarray(position, position + into.length);
    into.set(part);
    return part.length;
  };
}

/** All records of a file, copied, and how reading ended. */
export function readAll(bytes: Uint8Array, seed: number): { found: FileRecord[]; state: ReaderState } {
  const reader = new RecordReader(reading(bytes), bytes.length, seed, FILE_HEADER_BYTES);
  const found: FileRecord[] = [];
  for (let one = reader.next(); one !== undefined; one = reader.next()) {
    found.push({ ...one, record: one.record.slice() });
  }
  return { found, state: reader.state };
}

/** Bytes that differ from place to place, fast to make. */
export function patterned(length: number, salt = 1): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = Math.imul(i + salt, 0x9e3779b1) >>> 24;
  return out;
}
