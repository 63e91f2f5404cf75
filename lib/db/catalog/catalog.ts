/**
 * Which namespaces there are: the catalog's rows (see `format/catalog.ts`) as the running database knows them.
 *
 * (1) A namespace's row is in the same commit as the first write to it, so neither is ever there without the other.
 * (2) A key space is given out once, also when the handle it was given to never writes.
 * (3) A restore may replace the catalog; handles then find their namespaces again by name, and what was queued for the
 *     key spaces of before is rewritten (see `writes.ts`).
 * (4) A row leaves only with a restore, and a restore begins a new line of history. So a key space was never anybody else's
 *     unless such a line began before its row came; then, up to there, nobody knows whose it was.
 *
 * @module
 */
import { compareBytes, encodeText, prefixEnd } from "../../base/bytes.ts";
import { describeValue } from "../../base/options.ts";
import { Slicer } from "../../base/yield.ts";
import type { Engine, KeyEncoding, ReadView } from "../../engine/types.ts";
import type { Batch } from "../../format/log/batch.ts";
import {
  CATALOG_PREFIX,
  catalogKey,
  type CatalogRow,
  NAMESPACE_DEPTH_MAX,
  NAMESPACE_NAME_BYTES_MAX,
  readCatalogCell,
  readCatalogRow,
  writeCatalogCell,
} from "../../format/catalog.ts";
import { CATALOG_SPACE, FIRST_NAMESPACE_SPACE, ROOT_SPACE, spacePrefix } from "../../format/space.ts";
import { Definition, NO_SPACE } from "./definition.ts";
import { hasLoneSurrogate } from "../data/keys.ts";

/** A restore that merges gives out key spaces above those it sees; what is asked for meanwhile stays out of its way. */
const RESTORE_GAP = 2 ** 20;

/**
 * For so many restores it is known whose key spaces were whose before. Each takes a copy of the catalog, and whoever reads
 * changes from before more of them is told to begin anew by the first of these restores.
 */
const OLDER_MAX = 4;

/** Of so many rows the clock is asked once. */
const ROWS_AT_ONCE = 64;

/** A row of the catalog and the version that wrote it. */
type StoredRow = CatalogRow & { version: number };

/** The root and all namespaces. */
export class Catalog {
  /** The root. */
  readonly root: Definition;
  readonly #readOnly: boolean;
  /** What may have entries. */
  #bySpace: Map<number, Definition> = new Map();
  #next = FIRST_NAMESPACE_SPACE;
  /** Key spaces for the namespaces that a merging restore brings, by path; see `reserve`. */
  readonly #reserved: Map<string, number> = new Map();
  /** The key spaces that held before a restore, newest first. */
  #older: { until: number; bySpace: Map<number, Definition> }[] = [];
  /** The version that was loaded. */
  #loaded = 0;

  /** Knows the root only; see `load`. */
  constructor(encoding: KeyEncoding, readOnly: boolean) {
    this.root = new Definition(encoding);
    this.#readOnly = readOnly;
    this.#bySpace.set(this.root.space, this.root);
  }

  /** Takes over what the rows say. `replacedAt`: the version at which a restore replaced what was there. */
  load(engine: Pick<Engine, "read" | "meta">, replacedAt?: number): void {
    for (const _ of this.#load(engine, replacedAt)) { /* in one turn: what it says must not be asked in between */ }
  }

  /** As `load`, when a database is opened: nobody can ask yet, so the event loop goes round meanwhile. */
  async loadFirst(engine: Pick<Engine, "read" | "meta" | "settings">): Promise<void> {
    const slicer = new Slicer(engine.settings.monotonic);
    for (const _ of this.#load(engine)) await slicer.tick();
  }

  /** Stops now and then. */
  *#load(engine: Pick<Engine, "read" | "meta">, replacedAt?: number): Generator<void, void> {
    const view = engine.read();
    const { parents: forks } = engine.meta;
    // First of all: when they can't be read, nothing has changed.
    const byParent = new Map<number, StoredRow[]>();
    let done = 0;
    for (const row of catalogRows(view)) {
      const there = byParent.get(row.parent);
      if (there === undefined) byParent.set(row.parent, [row]);
      else there.push(row);
      if (++done % ROWS_AT_ONCE === 0) yield;
    }
    if (replacedAt !== undefined) {
      this.#older = [{ until: replacedAt, bySpace: this.#asItIs() }, ...this.#older].slice(0, OLDER_MAX);
    }
    this.#bySpace = new Map([[this.root.space, this.root]]);
    this.#loaded = view.version;
    for (const rows of byParent.values()) for (const { space } of rows) this.#next = Math.max(this.#next, space + 2);
    const parents = [this.root];
    for (const parent of parents) {
      for (const child of parent.children()) child.persisted = false;
      const own = byParent.get(parent.space) ?? [];
      // Once: rows that put a namespace inside itself lead no further.
      byParent.delete(parent.space);
      for (const row of own) {
        const child = parent.child(row.name) ?? new Definition(row.keyEncoding, parent, row.name);
        parent.keep(child);
        child.encoding = row.keyEncoding;
        child.persisted = true;
        child.place(row.space);
        child.since = forks.findLast((fork) => fork.version < row.version)?.version ?? 0;
        this.#bySpace.set(row.space, child);
        if (++done % ROWS_AT_ONCE === 0) yield;
      }
      for (const child of parent.children()) {
        if (!child.persisted) this.#assign(child);
        parents.push(child);
      }
    }
  }

  /** The namespace `name` inside `parent`, known or new. */
  define(call: string, parent: Definition, name: unknown, encoding: KeyEncoding | undefined): Definition {
    checkName(call, name);
    let found = parent.child(name);
    if (found === undefined) {
      if (parent.path.length === NAMESPACE_DEPTH_MAX) {
        throw new RangeError(`${call}: the namespace lies in ${NAMESPACE_DEPTH_MAX} others, and no more are allowed`);
      }
      found = new Definition(encoding ?? parent.encoding, parent, name);
      this.#assign(found);
      parent.ask(found);
    }
    if (encoding !== undefined && encoding !== found.encoding) {
      throw new TypeError(
        `${call}: the namespace "${name}" has keyEncoding "${found.encoding}", not "${encoding}"; leave the option out`,
      );
    }
    return found;
  }

  /** The names of the namespaces inside `parent` that were written to, in the order of their UTF-8 bytes. */
  names(parent: Definition): string[] {
    const named = [...parent.children()].filter((child) => child.persisted)
      .map(({ name }) => ({ name, bytes: encodeText(name) }));
    return named.sort((a, b) => compareBytes(a.bytes, b.bytes)).map(({ name }) => name);
  }

  /** Whose entries lie in a key space, at a version; undefined: nobody's. */
  at(space: number, version: number): Definition | undefined {
    return this.spacesAt(version).get(space);
  }

  /** All key spaces with entries, at a version. */
  spacesAt(version: number): ReadonlyMap<number, Definition> {
    let found = this.#bySpace;
    for (const { until, bySpace } of this.#older) {
      if (version >= until) break;
      found = bySpace;
    }
    return found;
  }

  /** Whether a restore came after `version`, so that key spaces may have been others then. */
  replacedSince(version: number): boolean {
    return this.#older.length > 0 && version < this.#older[0]!.until;
  }

  /** Puts the catalog rows that a first write to `definition` needs into its batch. */
  writeRows(batch: Batch, definition: Definition): void {
    if (definition.persisted || definition.parent === undefined) return;
    this.writeRows(batch, definition.parent);
    const cell = writeCatalogCell({ space: definition.space, keyEncoding: definition.encoding });
    batch.put(catalogKey(definition.parent.space, definition.name), cell);
  }

  /** A commit is on its way that brings the rows of a namespace and of all around it. */
  arrive(definition: Definition): void {
    for (let at: Definition | undefined = definition; at !== undefined; at = at.parent) {
      at.arriving++;
      if (at.persisted) continue;
      at.parent?.keep(at);
      this.#bySpace.set(at.space, at);
    }
  }

  /** It has ended; whether the rows are in the database. */
  arrived(definition: Definition, areIn: boolean): void {
    for (let at: Definition | undefined = definition; at !== undefined; at = at.parent) {
      at.arriving--;
      if (areIn) at.persisted = true;
      if (at.persisted || at.arriving > 0) continue;
      at.parent?.letGo(at);
      this.#bySpace.delete(at.space);
    }
  }

  /**
   * Before a restore: keeps what is not in the database yet apart from the key spaces that it is about to give out. Returns
   * the first of these.
   */
  leaveGap(): number {
    const first = this.#next;
    this.#next += RESTORE_GAP;
    this.#reserved.clear();
    for (const definition of this.root.subtree()) {
      if (definition.persisted) continue;
      this.#bySpace.delete(definition.space);
      this.#assign(definition);
    }
    return first;
  }

  /**
   * For a restore that merges: the key space that a namespace has or will get, whoever is the first to write to it, and its
   * encoding once that is settled.
   */
  reserve(path: readonly string[]): { space: number; keyEncoding: KeyEncoding | undefined } {
    let found: Definition | undefined = this.root;
    for (const name of path) found = found?.child(name);
    const space = found?.space ?? this.#reserved.get(JSON.stringify(path)) ?? this.#take();
    // Also where it is known: it may be let go of, and asked for again.
    this.#reserved.set(JSON.stringify(path), space);
    const isSettled = found !== undefined && (found.persisted || found.arriving > 0);
    return { space, keyEncoding: isSettled ? found?.encoding : undefined };
  }

  /** Whether the rows of a state still say what is assumed here of these namespaces. */
  agrees(view: ReadView, definitions: Iterable<Definition>): boolean {
    let taken: Set<number> | undefined;
    for (const definition of definitions) {
      for (let at = definition; at.parent !== undefined; at = at.parent) {
        const row = view.get(catalogKey(at.parent.space, at.name));
        if (row === undefined ? at.persisted : readCatalogCell(row.cell).space !== at.space) return false;
        if (row !== undefined) continue;
        // Whether its key space is still nobody's takes a look at all of them.
        taken ??= new Set(Array.from(catalogRows(view), ({ space }) => space));
        if (taken.has(at.space)) return false;
      }
    }
    return true;
  }

  /** The key spaces as they are, in copies that no longer move. */
  #asItIs(): Map<number, Definition> {
    const copies = new Map([[this.root.space, this.root]]);
    for (const [space, { encoding, parent, name, since }] of this.#bySpace) {
      if (parent === undefined) continue;
      const copy = new Definition(encoding, parent, name);
      copy.place(space);
      copy.since = since;
      copies.set(space, copy);
    }
    return copies;
  }

  #assign(definition: Definition): void {
    if (this.#readOnly) return definition.place(undefined);
    definition.place(this.#reserved.get(JSON.stringify(definition.path)) ?? this.#take());
    definition.since = this.#loaded;
    if (definition.parent?.keeps(definition)) this.#bySpace.set(definition.space, definition);
  }

  #take(): number {
    const space = this.#next;
    this.#next += 2;
    return space;
  }
}

/** How keys of a namespace look, as the catalog of an older state has it. */
export interface KeysThen {
  /** What internal keys of entries begin with. */
  prefix: Uint8Array;
  /** What internal keys of tag rows begin with. */
  tags: Uint8Array;
  /** What comes behind that. */
  encoding: KeyEncoding;
}

/** A namespace in an older state; where it wasn't there, the prefixes are those of no key at all. */
export function keysIn(view: ReadView, definition: Definition): KeysThen {
  let { encoding } = definition;
  let space = ROOT_SPACE;
  for (const name of definition.path) {
    const row = view.get(catalogKey(space, name));
    if (row === undefined) return { prefix: spacePrefix(NO_SPACE), tags: spacePrefix(NO_SPACE), encoding };
    ({ space, keyEncoding: encoding } = readCatalogCell(row.cell));
  }
  return { prefix: spacePrefix(space), tags: spacePrefix(space + 1), encoding };
}

function* catalogRows(view: ReadView): Generator<StoredRow, void> {
  const cursor = view.cursor(CATALOG_PREFIX, prefixEnd(spacePrefix(CATALOG_SPACE)));
  try {
    while (cursor.next()) yield { ...readCatalogRow(cursor.key, cursor.cell), version: cursor.version };
  } finally {
    cursor.close();
  }
}

function checkName(call: string, name: unknown): asserts name is string {
  if (typeof name !== "string") {
    throw new TypeError(`${call}: a namespace's name must be a string, not ${describeValue(name)}`);
  }
  if (hasLoneSurrogate(name)) throw new TypeError(`${call}: the name has a lone surrogate, which is not text`);
  const bytes = encodeText(name).length;
  if (bytes < 1 || bytes > NAMESPACE_NAME_BYTES_MAX) {
    throw new RangeError(`${call}: a namespace's name has 1 to ${NAMESPACE_NAME_BYTES_MAX} bytes, not ${bytes}`);
  }
}
