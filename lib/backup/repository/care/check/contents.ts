/**
 * Reading objects of a repository whole, and what is found in them.
 *
 * With the key all is checked: that chunks unpack, that the content is that of the name, that archived commits decode, that
 * the chain of a log is that of its name. Without, the plain checksum of each object, which finds accidents only.
 *
 * @module
 */
import { DecodeError } from "../../../../base/bytes.ts";
import { IntegrityError, NotFoundError } from "../../../../base/errors.ts";
import { Slicer } from "../../../../base/yield.ts";
import { forEachOperation, type IngestInfo } from "../../../../format/log/batch.ts";
import { logName, readArchivedLog, recordsOf } from "../../../../format/repository/archived_log.ts";
import { checkObject } from "../../../../format/repository/object.ts";
import { contentName, objectPath, parseObjectPath } from "../../../../format/repository/object_name.ts";
import type { ObjectTotals } from "../../../../format/repository/object.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { isDamage } from "../../core/documents.ts";
import { logPrefix, objectKey, PART } from "../../core/layout.ts";
import type { LogObject } from "../../log/log_chain.ts";
import { objectPieces, storedPieces } from "../../core/objects.ts";
import type { Findings } from "./findings.ts";

/** What was read of a log object. */
export interface ReadLogObject {
  /** The chain before its first version. */
  previous: string;
  /** The time of its first commit, ms. */
  minTimestamp: number;
  /** The time of its last commit, ms. */
  maxTimestamp: number;
  /** The chain at versions that were asked for. */
  chainAt: Map<number, string>;
}

/** A commit that took files in. */
export interface FoundIngest extends IngestInfo {
  /** The database. */
  database: string;
  /** Its lineage. */
  lineage: string;
  /** The commit. */
  version: number;
  /** Its time, ms. */
  timestamp: number;
  /** The time of the commit before, ms; undefined: the object begins with this one. */
  timeBefore: number | undefined;
}

/** How objects are read. */
export interface ContentsOptions {
  /** Versions whose chain is wanted. */
  versions: ReadonlySet<number>;
  /** Hears of stored bytes read. */
  onBytes: (count: number) => void;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** What is damaged at each of so many reads is: one may have been spoiled on its way here. */
const READS = 2;

/** Reads objects, at any number of places at once. */
export class Contents {
  /** By key. */
  readonly log: Map<string, ReadLogObject> = new Map();
  /** By history and version. */
  readonly ingests: Map<string, FoundIngest> = new Map();
  /** Objects that went between being listed and being read. */
  readonly vanished: Set<string> = new Set();
  /** Keys of all objects that were read to their end, damaged or not. */
  readonly read: Set<string> = new Set();
  /** Stored bytes read. */
  bytes = 0;
  readonly #context: RepositoryContext;
  readonly #findings: Findings;
  readonly #options: ContentsOptions;

  /** Findings go into `findings`. */
  constructor(context: RepositoryContext, findings: Findings, options: ContentsOptions) {
    this.#context = context;
    this.#findings = findings;
    this.#options = options;
  }

  /** Reads an object below `objects/`. */
  async object(key: string): Promise<void> {
    const { signal } = this.#options;
    await this.#reading(key, async () => {
      const name = parseObjectPath(key.slice(PART.objects.length))!.name;
      if (this.#context.keyless) return await this.#seal(key);
      let totals: ObjectTotals | undefined;
      for await (const _ of objectPieces(this.#context, key, { signal, done: (found) => totals = found }));
      this.#count(totals!.storedBytes);
      const found = contentName(totals!.sha256, this.#context.ring);
      if (found === name) return;
      const detail = `it holds another content than its name says, that of ${found}`;
      this.#findings.add({ key, kind: "damaged", detail, holds: objectKey(objectPath(found)) });
    });
  }

  /** Reads an object of archived log. */
  async logObject(object: LogObject): Promise<void> {
    await this.#reading(object.key, async () => {
      if (this.#context.keyless) await this.#seal(object.key);
      else await this.#logObject(object);
    });
  }

  async #logObject({ key, first, last, chain }: LogObject): Promise<void> {
    const context = this.#context;
    const { signal, versions } = this.#options;
    const name = `${key} in ${context.name}`;
    const slicer = new Slicer(context.monotonic);
    let stored = 0;
    const source = objectPieces(context, key, { signal, done: (totals) => stored = totals.storedBytes });
    const { head, pieces } = await readArchivedLog(source, name);
    const { database, lineage, previous, minTimestamp, maxTimestamp } = head;
    const read: ReadLogObject = { previous, minTimestamp, maxTimestamp, chainAt: new Map() };
    const ingests: FoundIngest[] = [];
    let at = previous;
    let timeBefore: number | undefined;
    for await (const piece of pieces) {
      at = piece.chain;
      if (versions.has(piece.last)) read.chainAt.set(piece.last, at);
      for (const { version, timestamp, ops } of recordsOf(piece, name)) {
        const ingest = (info: IngestInfo): void =>
          void ingests.push({ ...info, database, lineage, version, timestamp, timeBefore });
        forEachOperation(ops, { put() {}, delete() {}, deleteRange() {}, ingest });
        timeBefore = timestamp;
        if (slicer.due()) await slicer.tick();
      }
    }
    this.#count(stored);
    // Also when it is in another's place: a repair may put it where it belongs.
    const own = logPrefix(database, lineage) + logName(head.first, head.last, at);
    this.log.set(own, read);
    for (const ingest of ingests) {
      const id = `${database}/${lineage}/${ingest.version}`;
      // Merged log may hold it too, with what comes before.
      this.ingests.set(id, { ...ingest, timeBefore: ingest.timeBefore ?? this.ingests.get(id)?.timeBefore });
    }
    if (own !== key) {
      const what = head.first === first && head.last === last && at !== chain ? "another history" : "other versions";
      this.#findings.add({
        key,
        kind: "damaged",
        detail: `it holds ${what} than its name says: it is ${own}`,
        holds: own,
      });
    }
  }

  /** All that can be known without the key. */
  async #seal(key: string): Promise<void> {
    const { signal } = this.#options;
    const found = await checkObject(
      storedPieces(this.#context, key, { signal, unchecked: true }),
      `${key} in ${this.#context.name}`,
    );
    this.#count(found.storedBytes);
    if (found.encrypted) return;
    throw new IntegrityError(`${key} in ${this.#context.name} is not encrypted, as all in this repository is`, {
      path: key,
    });
  }

  #count(bytes: number): void {
    this.bytes += bytes;
    this.#options.onBytes(bytes);
  }

  async #reading(key: string, work: () => Promise<void>): Promise<void> {
    for (let reads = 1;; reads++) {
      try {
        await work();
        this.read.add(key);
        return;
      } catch (error) {
        if (error instanceof NotFoundError) return void this.vanished.add(key);
        if (!isDamage(error) && !(error instanceof DecodeError)) throw error;
        if (reads < READS) continue;
        this.read.add(key);
        this.#findings.addError(key, error);
        return;
      }
    }
  }
}
