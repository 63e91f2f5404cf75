/**
 * Reads portable files: skv's JSON 1.0, the bare array that skv's released code writes, and JSON Lines. Memory: one
 * record, whatever the file's size.
 *
 * A document's fields may come in any order; those not known are passed over. What a file says of itself (how many
 * records, their checksum) is held against what was read, and a file that ends early is an error, never a short success.
 *
 * @module
 */
import { IntegrityError, UnsupportedFormatError } from "../../base/errors.ts";
import { JsonScanner } from "./json_scanner.ts";
import { names, recordFromJson } from "./record_json.ts";
import { emptyMeta, type PortableMeta, type PortableRecord, RecordDigest } from "./record.ts";

/** The format of skv that is read and written. */
export const PORTABLE_VERSION = "1.0";
/** What the first line of a JSON Lines file calls itself. */
export const LINES_FORMAT = "holdfast-jsonl";
/**
 * The text of one record. A value has at most 256 MiB, 342 MiB as base64; the longest string of V8 has 512 MiB, which is
 * as much as `JSON.parse` could be given.
 */
const RECORD_BYTES_MAX = 500 * 2 ** 20;
/** What a file says about itself at once; of its list of namespaces one. */
const META_BYTES_MAX = 16 * 2 ** 20;

/** Reads the records of one portable file, in the order they stand in. */
export class PortableReader {
  /** What the file says beside its records; complete once `records()` has ended. */
  readonly meta: PortableMeta = emptyMeta();
  readonly #scanner: JsonScanner;
  readonly #source: string;
  readonly #digest = new RecordDigest();
  readonly #verify: boolean;
  #version: unknown;
  #list = false;

  /** Reads `pieces` (already unpacked); `source` names the file in errors; `verify` holds its checksum against it. */
  constructor(pieces: AsyncIterable<Uint8Array>, source: string, verify = true) {
    this.#scanner = new JsonScanner(pieces, source);
    this.#source = source;
    this.#verify = verify;
  }

  /** How many records were read so far. */
  get count(): number {
    return this.#digest.count;
  }

  /** Where in the (unpacked) text it stands. */
  get offset(): number {
    return this.#scanner.offset;
  }

  /** The records; ends with an error when anything about the file is wrong. */
  async *records(): AsyncGenerator<PortableRecord> {
    const scanner = this.#scanner;
    try {
      await scanner.skipMark();
      const first = await scanner.peek();
      if (first === 0x5b) {
        this.#list = true;
        yield* this.#array();
      } else if (first === 0x7b) {
        yield* this.#object();
      } else if (first < 0) {
        throw scanner.refusal("it is empty");
      } else {
        throw scanner.refusal("it does not begin as a JSON object or array");
      }
      await scanner.finish();
      this.#check();
    } finally {
      await scanner.close();
    }
  }

  async *#array(): AsyncGenerator<PortableRecord> {
    const scanner = this.#scanner;
    await scanner.expect("[");
    if (await scanner.accept("]")) return;
    do yield this.#take(await scanner.value(RECORD_BYTES_MAX)); while (await scanner.accept(","));
    await scanner.expect("]");
  }

  #take(value: unknown): PortableRecord {
    const record = recordFromJson(value, `record ${this.count + 1} of ${this.#source}`);
    if (this.#verify) this.#digest.add(record);
    else this.#digest.count++;
    return record;
  }

  async *#object(): AsyncGenerator<PortableRecord> {
    const scanner = this.#scanner;
    let first = true;
    let hasRecords = false;
    await scanner.expect("{");
    if (!await scanner.accept("}")) {
      do {
        const name = await scanner.value(META_BYTES_MAX);
        if (typeof name !== "string") throw scanner.refusal("a field without a name");
        await scanner.expect(":");
        if (name === "records") {
          if (hasRecords) throw scanner.refusal('it has two fields "records"');
          hasRecords = true;
          // Judged before records where it can be: a newer format may mean other things by them.
          if (this.#version !== undefined) this.#checkVersion();
          yield* this.#array();
        } else if (META_FIELDS.has(name)) {
          const value = await this.#noted(name);
          if (first && name === "format" && value === LINES_FORMAT) {
            yield* this.#lines();
            return;
          }
        } else {
          await scanner.skip();
        }
        first = false;
      } while (await scanner.accept(","));
      await scanner.expect("}");
    }
    if (!hasRecords) throw scanner.refusal('it has no field "records"');
    this.#checkVersion();
  }

  /** JSON Lines, from behind the first field of its first line on. */
  async *#lines(): AsyncGenerator<PortableRecord> {
    const scanner = this.#scanner;
    while (await scanner.accept(",")) {
      const name = await scanner.value(META_BYTES_MAX);
      await scanner.expect(":");
      if (typeof name === "string" && META_FIELDS.has(name)) await this.#noted(name);
      else await scanner.skip();
    }
    await scanner.expect("}");
    this.#checkVersion();
    while (await scanner.peek() !== -1) {
      const value = await scanner.value(RECORD_BYTES_MAX);
      const footer = value as { total_records?: unknown; checksum?: unknown; key?: unknown } | null;
      if (typeof footer === "object" && footer !== null && !("key" in footer) && "total_records" in footer) {
        this.#note("total_records", footer.total_records);
        this.#note("checksum", footer.checksum);
        return;
      }
      yield this.#take(value);
    }
    throw scanner.refusal("it ends early, before its last line, which says how many records there are");
  }

  /** Reads what the file says of itself under that name, and notes it. */
  async #noted(name: string): Promise<unknown> {
    const scanner = this.#scanner;
    if (name === "namespaces" && await scanner.accept("[")) {
      if (await scanner.accept("]")) return undefined;
      // One by one: there may be any number of them.
      do this.#noteNamespace(await scanner.value(META_BYTES_MAX)); while (await scanner.accept(","));
      await scanner.expect("]");
      return undefined;
    }
    const value = await scanner.value(META_BYTES_MAX);
    this.#note(name, value);
    return value;
  }

  #noteNamespace(item: unknown): void {
    const { path, key_encoding: keyEncoding } = (item ?? {}) as Record<string, unknown>;
    const isEncoding = keyEncoding === "utf8" || keyEncoding === "bytes";
    const checked = isEncoding ? names(path, `the list of namespaces of ${this.#source}`) : [];
    if (!isEncoding || checked.length === 0) throw this.#wrong("namespaces", NAMESPACES, item);
    this.meta.namespaces.push({ path: checked, keyEncoding });
  }

  #wrong(name: string, expected: string, value: unknown): IntegrityError {
    return this.#scanner.refusal(`its "${name}" should be ${expected}, not ${JSON.stringify(value)?.slice(0, 80)}`);
  }

  #note(name: string, value: unknown): void {
    const meta = this.meta;
    const wrong = (expected: string): IntegrityError => this.#wrong(name, expected, value);
    if (value === null || value === undefined) return;
    switch (name) {
      case "version":
        this.#version = value;
        break;
      case "created_at":
        if (typeof value === "string") meta.createdAt = value;
        break;
      case "total_records":
        if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw wrong("a count");
        meta.totalRecords = value;
        break;
      case "key_encoding":
        if (value !== "utf8" && value !== "bytes") throw wrong('"utf8" or "bytes"');
        meta.keyEncoding = value;
        break;
      case "database":
        if (typeof value === "string") meta.database = value;
        break;
      case "last_version":
        if (typeof value === "number") meta.lastVersion = value;
        break;
      case "checksum":
        if (typeof value !== "string" || !/^sha256:[0-9a-f]{64}$/.test(value)) throw wrong("sha256: and 64 hex digits");
        meta.checksum = value.slice(7);
        break;
      case "namespaces":
        throw wrong(NAMESPACES);
    }
  }

  #checkVersion(): void {
    if (this.#version === PORTABLE_VERSION) return;
    const version = this.#version;
    // Not `String`, which asks an object itself what it is called.
    const text = typeof version === "string" ? version : version === undefined ? "none" : JSON.stringify(version);
    const found = text.slice(0, 80);
    throw new UnsupportedFormatError(
      `Cannot read ${this.#source}: it is of format version ${found}, and this release reads ${PORTABLE_VERSION}; ` +
        (this.#version === undefined ? "check that it is a backup" : "use a newer release"),
      found,
      PORTABLE_VERSION,
      { path: this.#source },
    );
  }

  #check(): void {
    const { totalRecords, checksum } = this.meta;
    if (!this.#list && totalRecords !== undefined && totalRecords !== this.count) {
      throw new IntegrityError(
        `Cannot read ${this.#source}: it says total_records ${totalRecords} but holds ${this.count} records; ` +
          "take another copy of it",
        { path: this.#source },
      );
    }
    if (!this.#verify || checksum === undefined) return;
    const actual = this.#digest.finish();
    if (actual === checksum) return;
    throw new IntegrityError(
      `Cannot read ${this.#source}: its records have the checksum ${actual.slice(0, 16)}... where it says ` +
        `${checksum.slice(0, 16)}...; take another copy, or, if it was edited on purpose, remove its "checksum"`,
      { path: this.#source },
    );
  }
}

/** What its "namespaces" are. */
const NAMESPACES = "a list of paths with their key_encoding";

const META_FIELDS: ReadonlySet<string> = new Set([
  "format",
  "version",
  "created_at",
  "total_records",
  "key_encoding",
  "database",
  "last_version",
  "checksum",
  "namespaces",
]);
