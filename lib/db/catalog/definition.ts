/**
 * A key space as the running database knows it: the root, or one namespace.
 *
 * @module
 */
import type { KeyEncoding } from "../../engine/types.ts";
import { ROOT_SPACE, spacePrefix } from "../../format/space.ts";

/** The key space that holds nothing, ever: where a namespace points that is not in the catalog. */
export const NO_SPACE = 3;

/** The root or a namespace; handles share it, so that all of them follow when a restore gives it another space. */
export class Definition {
  /** The key space around it; undefined for the root. */
  readonly parent: Definition | undefined;
  /** Its name within the parent; "" for the root. */
  readonly name: string;
  /** Its names from the outermost to its own; [] for the root. */
  readonly path: readonly string[];
  /** The namespaces inside, known or asked for. */
  readonly children: Map<string, Definition> = new Map();
  /** How its keys look. */
  encoding: KeyEncoding;
  /** Whether its catalog row is known to be in the database. */
  persisted = false;
  /** How many commits are on their way that bring its catalog row. */
  arriving = 0;
  /** Up to this version its key space may have been another namespace's. */
  since = 0;
  #space = NO_SPACE;
  #prefix: Uint8Array = spacePrefix(NO_SPACE);
  #tagsPrefix: Uint8Array = spacePrefix(NO_SPACE);

  /** A namespace of `parent`, in no key space yet; without `parent` the root. */
  constructor(encoding: KeyEncoding, parent?: Definition, name = "") {
    this.encoding = encoding;
    this.parent = parent;
    this.name = name;
    this.path = parent === undefined ? [] : [...parent.path, name];
    if (parent === undefined) {
      this.place(ROOT_SPACE);
      this.persisted = true;
    }
  }

  /** The key space of its entries. */
  get space(): number {
    return this.#space;
  }

  /** What the internal keys of its entries begin with. */
  get prefix(): Uint8Array {
    return this.#prefix;
  }

  /** What the internal keys of its tag rows begin with. */
  get tagsPrefix(): Uint8Array {
    return this.#tagsPrefix;
  }

  /** Puts it into a key space; undefined: into none. */
  place(space: number | undefined): void {
    this.#space = space ?? NO_SPACE;
    this.#prefix = spacePrefix(this.#space);
    this.#tagsPrefix = space === undefined ? this.#prefix : spacePrefix(space + 1);
  }

  /** It and all inside it. */
  *subtree(): IterableIterator<Definition> {
    yield this;
    for (const child of this.children.values()) yield* child.subtree();
  }
}
