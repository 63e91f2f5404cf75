/**
 * The entries of one moment, space by space in key order: what portable backups and row-wise restores read.
 *
 * @module
 */
import { copyBytes, decodeText, isText } from "../base/bytes.ts";
import { ClosedError } from "../base/errors.ts";
import { throwIfAborted } from "../base/abort.ts";
import { describeValue } from "../base/options.ts";
import type { Slicer } from "../base/yield.ts";
import type { Engine, ReadView } from "../engine/types.ts";
import { type Cell, KIND_JSON, KIND_TEXT, OP_BLOB, readCell } from "../format/cell.ts";
import { spacePrefix } from "../format/space.ts";
import type { FilterEntry } from "./backup_options.ts";
import { isNamespaceSelected, type Selection } from "./selection.ts";
import { type SpaceInfo, spaceRange } from "./namespaces.ts";
import type { PortableRecord } from "./portable/record.ts";

/** What to read, and how. */
export interface ReadEntries {
  /** Where from. */
  engine: Engine;
  /** As of when. */
  view: ReadView;
  /** The spaces there are then. */
  spaces: readonly SpaceInfo[];
  /** Which of the entries. */
  selection: Selection;
  /** Which of these. */
  filter?: ((entry: FilterEntry) => boolean) | undefined;
  /** Lets the event loop live. */
  slicer: Slicer;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}

/** Each entry as a record. */
export async function* readRecords(source: ReadEntries): AsyncGenerator<PortableRecord> {
  for await (const { space, key, cell, version, timestamp } of readCells(source)) {
    let { payload } = cell;
    if (cell.op === OP_BLOB) payload = await source.engine.valueAsync({ version, timestamp, cell: cell.raw });
    const record = {
      namespace: space.path,
      key,
      kind: cell.kind,
      value: payload,
      tags: cell.tags,
      expiresAt: cell.expiresAt,
    };
    if (source.filter === undefined || answerOf(source.filter, filterEntry(record, space, version, timestamp))) {
      yield record;
    }
  }
}

/** What a filter says. A promise, or nothing at all, would leave out every entry without a word. */
function answerOf(filter: (entry: FilterEntry) => boolean, entry: FilterEntry): boolean {
  const answer: unknown = filter(entry);
  if (typeof answer === "boolean") return answer;
  throw new TypeError(`Cannot back up: the filter must answer true or false, not ${describeValue(answer)}`);
}

/** How many entries there are. Values are read only when there is a filter. */
export async function countRecords(source: ReadEntries): Promise<number> {
  let count = 0;
  if (source.filter !== undefined) {
    for await (const _ of readRecords(source)) count++;
    return count;
  }
  for await (const _ of walk(source)) count++;
  return count;
}

/** An entry as it is stored; `key` and the cell are copies. */
export interface StoredEntry {
  /** The space it lies in. */
  space: SpaceInfo;
  /** The user key. */
  key: Uint8Array;
  /** The cell, whole and taken apart. */
  cell: Cell & { raw: Uint8Array };
  /** Of the commit that wrote it. */
  version: number;
  /** Of that commit, ms. */
  timestamp: number;
}

/** Each entry as it is stored. */
export async function* readCells(source: ReadEntries): AsyncGenerator<StoredEntry> {
  for await (const { space, key, cell, version, timestamp } of walk(source)) {
    const raw = copyBytes(cell);
    yield { space, key: copyBytes(key), cell: { ...readCell(raw), raw }, version, timestamp };
  }
}

interface Walked {
  space: SpaceInfo;
  key: Uint8Array;
  cell: Uint8Array;
  version: number;
  timestamp: number;
}

async function* walk(source: ReadEntries): AsyncGenerator<Walked> {
  const { engine, view, selection, slicer, signal } = source;
  for (const space of source.spaces) {
    if (!isNamespaceSelected(selection, space.path)) continue;
    const skip = spacePrefix(space.space).length;
    const { start, end } = spaceRange(space.space, selection.prefix);
    const cursor = view.cursor(start, end);
    try {
      for (;;) {
        if (engine.closed) {
          throw new ClosedError(`Cannot read on in ${engine.path}: it was closed meanwhile; open it again (CLOSED)`);
        }
        const found = cursor.nextSome();
        if (found === false) break;
        if (found === true) {
          yield {
            space,
            key: cursor.key.subarray(skip),
            cell: cursor.cell,
            version: cursor.version,
            timestamp: cursor.timestamp,
          };
        }
        if (slicer.due()) {
          throwIfAborted(signal);
          await slicer.tick();
        }
      }
    } finally {
      cursor.close();
    }
    throwIfAborted(signal);
  }
}

function filterEntry(record: PortableRecord, space: SpaceInfo, version: number, timestamp: number): FilterEntry {
  const { kind, value } = record;
  const entry: FilterEntry = {
    key: space.keyEncoding === "utf8" && isText(record.key) ? decodeText(record.key) : record.key,
    value: kind === KIND_TEXT
      ? decodeText(value)
      : kind === KIND_JSON
      ? JSON.parse(decodeText(value))
      : copyBytes(value),
    namespace: record.namespace,
    version,
    timestamp,
    tags: record.tags,
  };
  if (record.expiresAt !== undefined) entry.expiresAt = record.expiresAt;
  return entry;
}
