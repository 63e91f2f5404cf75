/**
 * A key space as the running database knows it: the root, or one namespace.
 *
 * @module
 */
import { weakly } from "../../base/simulation.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { ROOT_SPACE, spacePrefix } from "../../format/space.ts";

/** The key space that holds nothing, ever: where a namespace points that is not in the catalog. */
export const NO_SPACE = 3;

/** A namespace as long as somebody holds it. */
type Asked = ReturnType<typeof weakly<Definition>>;

const forgetting = new FinalizationRegistry<{ from: Map<string, Asked>; name: string; asked: Asked }>(
  ({ from, name, asked }) => from.get(name) === asked && from.delete(name),
);

/**
 * The root or a namespace; handles share it, so that all of them follow when a restore gives it another space. There may be
 * hundreds of thousands, few of which are ever asked for: what most don't need is made when it is.
 */
export class Definition {
  /** The key space around it; undefined for the root. */
  readonly parent: Definition | undefined;
  /** Its name within the parent; "" for the root. */
  readonly name: string;
  #path: readonly string[] | undefined;
  /** The namespaces inside that are in the database, or about to be. */
  #kept: Map<string, Definition> | undefined;
  /** Those that were only asked for: a program may ask for any number of names. */
  #asked: Map<string, Asked> | undefined;
  /** How its keys look. */
  encoding: KeyEncoding;
  /** Whether its catalog row is known to be in the database. */
  persisted = false;
  /** How many commits are on their way that bring its catalog row. */
  arriving = 0;
  /** Up to this version its key space may have been another namespace's. */
  since = 0;
  #space = NO_SPACE;
  #prefix: Uint8Array | undefined;
  #tagsPrefix: Uint8Array | undefined;

  /** A namespace of `parent`, in no key space yet; without `parent` the root. */
  constructor(encoding: KeyEncoding, parent?: Definition, name = "") {
    this.encoding = encoding;
    this.parent = parent;
    this.name = name;
    if (parent === undefined) {
      this.place(ROOT_SPACE);
      this.persisted = true;
    }
  }

  /** Its names from the outermost to its own; [] for the root. */
  get path(): readonly string[] {
    return this.#path ??= this.parent === undefined ? [] : [...this.parent.path, this.name];
  }

  /** The key space of its entries. */
  get space(): number {
    return this.#space;
  }

  /** What the internal keys of its entries begin with. */
  get prefix(): Uint8Array {
    return this.#prefix ??= spacePrefix(this.#space);
  }

  /** What the internal keys of its tag rows begin with. */
  get tagsPrefix(): Uint8Array {
    return this.#tagsPrefix ??= this.#space === NO_SPACE ? this.prefix : spacePrefix(this.#space + 1);
  }

  /** The namespace of a name inside, known or asked for. */
  child(name: string): Definition | undefined {
    return this.#kept?.get(name) ?? this.#asked?.get(name)?.deref();
  }

  /** All namespaces inside, known or asked for. */
  *children(): IterableIterator<Definition> {
    yield* this.#kept?.values() ?? [];
    for (const asked of this.#asked?.values() ?? []) {
      const child = asked.deref();
      if (child !== undefined) yield child;
    }
  }

  /** Knows a namespace inside as long as somebody holds it. */
  ask(child: Definition): void {
    const asked = weakly(child);
    const from = this.#asked ??= new Map();
    from.set(child.name, asked);
    forgetting.register(child, { from, name: child.name, asked });
  }

  /** Whether it knows a namespace inside for good. */
  keeps(child: Definition): boolean {
    return this.#kept?.get(child.name) === child;
  }

  /** Knows a namespace inside for good. */
  keep(child: Definition): void {
    this.#asked?.delete(child.name);
    (this.#kept ??= new Map()).set(child.name, child);
  }

  /** Knows it no longer than somebody holds it. */
  letGo(child: Definition): void {
    this.#kept?.delete(child.name);
    this.ask(child);
  }

  /** Puts it into a key space; undefined: into none. */
  place(space: number | undefined): void {
    this.#space = space ?? NO_SPACE;
    this.#prefix = this.#tagsPrefix = undefined;
  }

  /** It and all inside it. */
  *subtree(): IterableIterator<Definition> {
    yield this;
    for (const child of this.children()) yield* child.subtree();
  }
}
