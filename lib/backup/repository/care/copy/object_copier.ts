/**
 * Objects on their way from one repository into another: unpacked, checked, sealed anew under their name there.
 *
 * The name of an object in an encrypted repository tells nothing about its content to others, so its content is read once for
 * its digest and, when it is too large to be held, once more to be sent. Contents that were copied before are known by the
 * backups that both repositories have, and are not read at all.
 *
 * @module
 */
import type { BackupBase } from "../../../../format/repository/backup_document.ts";
import type { ArchivedIngest } from "../../../../format/repository/head_document.ts";
import { createHash } from "node:crypto";
import { IntegrityError } from "../../../../base/errors.ts";
import type { ObjectCompression, ObjectTotals } from "../../../../format/repository/object.ts";
import { contentName, parseObjectPath } from "../../../../format/repository/object_name.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { objectKey } from "../../core/layout.ts";
import { objectPieces } from "../../core/objects.ts";
import { type KnownObjects, place, type Placed, type PlacedSource } from "../../making/place.ts";
import { runPool } from "../../core/pool.ts";
import { again } from "../../core/again.ts";

/** Contents up to this size are held between their digest and their sending: one for each transfer under way. */
const HELD_BYTES_MAX = 8 * 2 ** 20;

/** An object as a document names it. */
export interface NamedObject {
  /** Its path below `objects/`. */
  object: string;
  /** Its content's length. */
  size: number;
}

/** How objects are copied. */
export interface ObjectCopyOptions {
  /** Hears of content bytes done. */
  onBytes: (count: number) => void;
  /** Gives up. */
  signal: AbortSignal | undefined;
}

/** Copies objects, each content once unless it must have an object of its own. */
export class ObjectCopier {
  readonly #from: RepositoryContext;
  readonly #to: RepositoryContext;
  readonly #options: ObjectCopyOptions;
  readonly #shareable: Map<string, Placed>;
  readonly #referenced: Set<string>;
  readonly #marked: ReadonlySet<string>;
  /** Where objects of the source are in the target. */
  readonly #equal = new Map<string, Placed>();
  /** What is under way, by content. */
  readonly #underWay = new Map<string, Promise<Placed>>();
  /** Objects put. */
  made = 0;
  /** Objects that were there. */
  reused = 0;
  /** Bytes put. */
  storedBytes = 0;

  /** `known`: the objects that the target has; of these `shareable` those that are no full backup's. */
  constructor(from: RepositoryContext, to: RepositoryContext, known: KnownObjects, options: ObjectCopyOptions) {
    this.#from = from;
    this.#to = to;
    this.#options = options;
    this.#shareable = new Map(known.shareable);
    this.#referenced = new Set(known.referenced);
    this.#marked = known.marked;
  }

  /** Notes that an object of the source is this one in the target: what shares it there shares it here. */
  same(source: string, object: string, stored: number): void {
    if (!this.#marked.has(objectKey(object))) this.#equal.set(source, { object, stored, reused: true });
  }

  /** Copies what joined a history without its log; gives it with the target's objects. `done` is called behind each file. */
  async copyIngests(all: readonly ArchivedIngest[], done: () => Promise<void>): Promise<ArchivedIngest[]> {
    const ingests: ArchivedIngest[] = [];
    for (const ingest of all) {
      const files = [...ingest.files];
      await runPool(ingest.files.keys(), this.#to.concurrency, async (i) => {
        const file = ingest.files[i]!;
        const { object, stored } = await this.copy(file, false, this.#to.compression ?? "none");
        files[i] = { ...file, object, stored };
        await done();
      });
      ingests.push({ ...ingest, files });
    }
    return ingests;
  }

  /**
   * Copies one. `own`: into an object that no other backup refers to. Of one content one at a time, in the order of calls: the
   * next takes the same object, or must not.
   */
  copy(named: NamedObject, own: boolean, compression: ObjectCompression): Promise<Placed> {
    const { name } = parseObjectPath(named.object)!;
    const before = this.#underWay.get(name);
    const copy = (): Promise<Placed> => this.#copy(named, name, own, compression);
    const copied = (before === undefined ? copy() : before.then(copy)).finally(() => {
      if (this.#underWay.get(name) === copied) this.#underWay.delete(name);
    });
    this.#underWay.set(name, copied);
    return copied;
  }

  async #copy(named: NamedObject, name: string, own: boolean, compression: ObjectCompression): Promise<Placed> {
    const { onBytes, signal } = this.#options;
    const equal = own ? undefined : this.#equal.get(named.object);
    if (equal !== undefined) {
      onBytes(named.size);
      this.reused++;
      return equal;
    }
    const known = {
      shareable: own ? new Map<string, Placed>() : this.#shareable,
      referenced: this.#referenced,
      marked: this.#marked,
    };
    const placed = await again(this.#to, signal, async () => {
      const source = await this.#source(named, name);
      return await place(this.#to, source, known, { compression, verify: true, signal });
    });
    onBytes(named.size);
    this.same(named.object, placed.object, placed.stored);
    this.#referenced.add(placed.object);
    if (placed.reused) this.reused++;
    else {
      this.made++;
      this.storedBytes += placed.stored;
    }
    return placed;
  }

  async #source(named: NamedObject, name: string): Promise<PlacedSource> {
    const about = { size: named.size, name: `${objectKey(named.object)} in ${this.#from.name}` };
    if (this.#from.ring === undefined) {
      return { ...about, sha256: name, pieces: () => this.#pieces(named, name) };
    }
    const hash = createHash("sha256");
    const held: Uint8Array[] = [];
    for await (const piece of this.#pieces(named, name)) {
      hash.update(piece);
      if (named.size <= HELD_BYTES_MAX) held.push(piece.slice());
    }
    async function* fromMemory(): AsyncGenerator<Uint8Array> {
      yield* held;
    }
    const pieces = named.size <= HELD_BYTES_MAX ? fromMemory : () => this.#pieces(named, name);
    return { ...about, sha256: hash.digest("hex"), pieces };
  }

  /** The content of an object of the source; that it is the one meant is known at its end, and said by throwing. */
  async *#pieces(named: NamedObject, name: string): AsyncGenerator<Uint8Array> {
    const key = objectKey(named.object);
    let totals: ObjectTotals | undefined;
    let left = named.size;
    for await (
      const piece of objectPieces(this.#from, key, {
        signal: this.#options.signal,
        done: (all) => totals = all,
      })
    ) {
      left -= piece.length;
      if (left < 0) break;
      yield piece;
    }
    if (totals !== undefined && contentName(totals.sha256, this.#from.ring) === name && left === 0) return;
    throw new IntegrityError(
      `${key} in ${this.#from.name} does not hold what its name says; run verify, then repair there, and copy again`,
      { path: key },
    );
  }
}

/** Tells the copier which objects of two manifests of one backup are equal. */
export function pairFiles(copier: ObjectCopier, source: BackupBase | null, target: BackupBase | null): void {
  const theirs = new Map(target?.files.map((file) => [`${file.kind} ${file.name}`, file]));
  for (const { kind, name, object } of source?.files ?? []) {
    const same = theirs.get(`${kind} ${name}`);
    if (same !== undefined) copier.same(object, same.object, same.stored);
  }
}
