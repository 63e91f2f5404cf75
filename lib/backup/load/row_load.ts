/**
 * Entries on their way into a database: gathered from a source in any order, mapped to the key spaces they will have there,
 * sorted, and written as one run of tables with all that belongs to them.
 *
 * ```
 * source ─► entries, their tag rows, catalog rows ─► RowSorter (of equal keys the last) ─► run of tables ─► engine.ingest
 * ```
 *
 * Where a source has a key twice, tag rows of the first stay behind: a reader holds each tag row against the tags of the
 * entry it points to, so they show nothing.
 *
 * @module
 */
import { ByteWriter, EMPTY_BYTES, encodeText, isText } from "../../base/bytes.ts";
import { throwIfAborted } from "../../base/abort.ts";
import type { ProgressReporter } from "../../base/progress.ts";
import { Slicer } from "../../base/yield.ts";
import type { Engine, KeyEncoding } from "../../engine/types.ts";
import type { FileSystem } from "../../files/file_system.ts";
import { catalogKey, writeCatalogCell } from "../../format/catalog.ts";
import { KIND_BYTES, writeCell } from "../../format/cell.ts";
import { CATALOG_SPACE, internalKey, ROOT_SPACE, spacePrefix, tagPrefix } from "../../format/space.ts";
import type { BlobMeta, TableMeta } from "../../format/table/table_meta.ts";
import type { SpaceInfo } from "../namespaces.ts";
import { RowSorter } from "./row_sorter.ts";

/** Written rows are handed to the disk whenever this much has gathered. */
const DRAIN_BYTES = 2 ** 20;

/** A key space as it will be. */
interface LoadSpace {
  path: readonly string[];
  parent: number;
  space: number;
  prefix: Uint8Array;
  /** undefined: not yet known. */
  keyEncoding: KeyEncoding | undefined;
  /** Whether its catalog row is to be written. */
  isNew: boolean;
  /** A key that is not UTF-8, for the message, should the encoding turn out to be text. */
  bytesKey: boolean;
}

/** The key space of a namespace that is not there yet but may come meanwhile, and its encoding once that is settled. */
export type ReserveSpace = (path: readonly string[]) => { space: number; keyEncoding: KeyEncoding | undefined };

/** How a load works. */
export interface RowLoadOptions {
  /** Where scratch files go. */
  fs: FileSystem;
  /** An existing directory for them. */
  directory: string;
  /** How much may gather in memory. */
  memoryBytes: number;
  /** The spaces there are already and will stay; none for a new database. */
  spaces: readonly SpaceInfo[];
  /** New namespaces get spaces from this one on. */
  firstSpace: number;
  /** Or from here. */
  reserve?: ReserveSpace | undefined;
  /** Only counts what is added. */
  countOnly: boolean;
  /** What has expired by then is left out; undefined: nothing is, and entries lose their expiry. */
  moment: number | undefined;
  /** Names the call in errors. */
  call: string;
}

/** What `write` made. */
export interface WrittenRows {
  /** The files, for `Engine.ingest`. */
  files: { tables: TableMeta[]; blobs: BlobMeta[] };
  /** How many entries. */
  entries: number;
  /** How many rows, tag rows, catalog rows and deletes included. */
  rows: number;
}

/** Gathers entries, then writes them. */
export class RowLoad {
  /** Entries left out because they have expired. */
  expired = 0;
  /** Entries added, those of equal keys included. */
  added = 0;
  readonly #options: RowLoadOptions;
  readonly #rows: RowSorter;
  readonly #spaces = new Map<string, LoadSpace>();
  readonly #out = new ByteWriter(4096);
  #next: number;
  #lastPath: readonly string[] | undefined;
  #lastSpace: LoadSpace | undefined;

  /** Gathers into scratch files when memory is full. */
  constructor(options: RowLoadOptions) {
    this.#options = options;
    const { fs, directory, memoryBytes } = options;
    this.#rows = new RowSorter(fs, directory, "rows", memoryBytes);
    this.#next = options.firstSpace;
    for (const space of options.spaces) this.#put({ ...space, isNew: false });
    if (options.spaces.length === 0) {
      this.#put({ path: [], space: ROOT_SPACE, parent: ROOT_SPACE, keyEncoding: undefined, isNew: false });
    }
  }

  #put(space: Omit<LoadSpace, "prefix" | "bytesKey">): LoadSpace {
    const made = { ...space, prefix: spacePrefix(space.space), bytesKey: false };
    this.#spaces.set(JSON.stringify(space.path), made);
    return made;
  }

  /** Makes sure a namespace exists. Its encoding, where it has none yet, becomes `keyEncoding`. */
  declare(path: readonly string[], keyEncoding?: KeyEncoding): void {
    const space = this.#space(path);
    if (keyEncoding !== undefined) space.keyEncoding ??= keyEncoding;
  }

  #space(path: readonly string[]): LoadSpace {
    if (path === this.#lastPath) return this.#lastSpace!;
    let space = this.#spaces.get(JSON.stringify(path));
    if (space === undefined) {
      const parent = this.#space(path.slice(0, -1)).space;
      const given = this.#options.reserve?.(path);
      space = this.#put({ path: [...path], parent, space: this.#next, keyEncoding: undefined, ...given, isNew: true });
      if (given === undefined) this.#next += 2;
    }
    this.#lastPath = path;
    this.#lastSpace = space;
    return space;
  }

  /** Adds an entry. To be awaited when it answers with a promise. */
  add(
    path: readonly string[],
    key: Uint8Array,
    kind: number,
    value: Uint8Array,
    tags: readonly string[],
    expiresAt: number | undefined,
  ): Promise<void> | undefined {
    const space = this.#space(path);
    const { moment, countOnly } = this.#options;
    this.added++;
    if (!space.bytesKey && !isText(key)) space.bytesKey = true;
    if (moment !== undefined && expiresAt !== undefined && expiresAt <= moment) {
      // An expired entry also hides one of the same key that came before it in the source.
      this.expired++;
      if (countOnly) return undefined;
      return this.#rows.add(internalKey(space.prefix, key), EXPIRED_CELL);
    }
    if (countOnly) return undefined;
    const expiry = moment === undefined ? undefined : expiresAt;
    const encoded = tags.map(encodeText);
    const cell = this.#cell(kind, value, encoded, expiry);
    const full = this.#rows.add(internalKey(space.prefix, key), cell);
    if (encoded.length === 0) return full;
    return this.#addTags(full, space, key, encoded, expiry);
  }

  async #addTags(
    before: Promise<void> | undefined,
    space: LoadSpace,
    key: Uint8Array,
    tags: readonly Uint8Array[],
    expiresAt: number | undefined,
  ): Promise<void> {
    const own = key.slice();
    await before;
    const prefix = spacePrefix(space.space + 1);
    const cell = this.#cell(KIND_BYTES, EMPTY_BYTES, [], expiresAt).slice();
    for (const tag of tags) await this.#rows.add(internalKey(tagPrefix(prefix, tag), own), cell);
  }

  /** A view that the next call overwrites. */
  #cell(kind: number, value: Uint8Array, tags: readonly Uint8Array[], expiresAt: number | undefined): Uint8Array {
    this.#out.reset();
    writeCell(this.#out, kind, value, tags, expiresAt);
    return this.#out.view();
  }

  /**
   * The encoding of the root, once all is added: `wanted`, else text where all keys are. Throws `TypeError` when keys
   * don't fit the encoding of their space.
   */
  settle(wanted: KeyEncoding | undefined): KeyEncoding {
    const root = this.#spaces.get("[]")!;
    root.keyEncoding ??= wanted ?? (root.bytesKey ? "bytes" : "utf8");
    const byPath = [...this.#spaces.values()].sort((a, b) => a.path.length - b.path.length);
    for (const space of byPath) {
      if (space.isNew) space.keyEncoding = this.#options.reserve?.(space.path).keyEncoding ?? space.keyEncoding;
      const parent = this.#spaces.get(JSON.stringify(space.path.slice(0, -1)))!;
      space.keyEncoding ??= space.bytesKey ? "bytes" : parent.keyEncoding!;
      if (!space.bytesKey || space.keyEncoding === "bytes") continue;
      const where = space.path.length === 0 ? "the database" : `the namespace ${space.path.join("/")}`;
      throw new TypeError(
        `${this.#options.call}: the source has keys that are not UTF-8, and ${where} has keyEncoding "utf8"; ` +
          'restore into one with keyEncoding "bytes"',
      );
    }
    return root.keyEncoding;
  }

  /** Writes all as one run of tables. On failure none of them is left. */
  async write(engine: Engine, reporter: ProgressReporter, signal?: AbortSignal): Promise<WrittenRows> {
    const slicer = new Slicer(engine.settings.monotonic);
    await this.#addCatalog(slicer);
    const writer = engine.ingestWriter();
    const rows = this.#rows.rows();
    let entries = 0;
    let count = 0;
    try {
      let drained = 0;
      for (; rows.valid; rows.next()) {
        const { key, cell } = rows;
        if (cell[0] === EXPIRED_CELL[0]) {
          reporter.add(0, 1);
          continue; // An expired entry is no entry.
        }
        writer.add(key, cell);
        const isEntry = isEntryKey(key);
        if (isEntry) entries++;
        count++;
        reporter.add(key.length + cell.length, isEntry ? 1 : 0);
        if (writer.bytes - drained >= DRAIN_BYTES) {
          drained = writer.bytes;
          await writer.drain();
        }
        if (slicer.due()) {
          throwIfAborted(signal);
          await slicer.tick();
        }
      }
      throwIfAborted(signal);
      return { files: await writer.finish(), entries, rows: count };
    } catch (error) {
      await writer.abort();
      throw error;
    } finally {
      rows.close();
    }
  }

  async #addCatalog(slicer: Slicer): Promise<void> {
    for (const { isNew, parent, path, space, keyEncoding } of this.#spaces.values()) {
      if (!isNew) continue;
      const cell = writeCatalogCell({ space, keyEncoding: keyEncoding ?? "utf8" });
      await this.#rows.add(catalogKey(parent, path.at(-1)!), cell);
      if (slicer.due()) await slicer.tick();
    }
  }

  /** Removes the scratch files. */
  async close(): Promise<void> {
    await this.#rows.close();
  }
}

/** Stands for an entry that has expired: kind 15 is never written otherwise. */
const EXPIRED_CELL: Uint8Array = new Uint8Array([1 | (15 << 2)]);

/** Whether a key is that of an entry: even spaces hold entries, but for the catalog's. */
function isEntryKey(key: Uint8Array): boolean {
  return (key[0]! & 1) === 0 && key[0] !== CATALOG_SPACE;
}
