/**
 * Namespaces: key spaces of their own within one database.
 *
 * @module
 */
import { checkOptions, choiceOption } from "../base/options.ts";
import type { KeyEncoding } from "../engine/types.ts";
import type { Context } from "./context.ts";
import type { Definition } from "./catalog/definition.ts";
import { KeySpace } from "./key_space.ts";
import type { Key } from "./data/keys.ts";

/** Options of `namespace`. */
export interface NamespaceOptions {
  /** How its keys are given: the same for all handles, and for good from the first write on. Default: the stored one, else the parent's. */
  keyEncoding?: KeyEncoding | undefined;
}

/**
 * A key space of its own: its keys never clash with others, its commits share the database's versions. It comes into
 * being with the first write. Any number of handles of one name are the same namespace; one that was never written to is
 * remembered, with its encoding, as long as somebody holds a handle.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * const users = db.namespace("users");
 * await users.set("ada", { name: "Ada" });
 * const drafts = users.namespace("drafts");
 * await drafts.set("ada", "not yet finished");
 * console.log(await db.count(), await users.count(), db.namespaces()); // 0 1 [ "users" ]
 * ```
 */
export class Namespace<K extends Key = string> extends KeySpace<K> {
  readonly #context: Context;
  readonly #definition: Definition;

  /** Made by `namespace()`. @internal */
  constructor(context: Context, definition: Definition) {
    super(context, definition);
    this.#context = context;
    this.#definition = definition;
  }

  /** Its name. */
  get name(): string {
    return this.#definition.name;
  }

  /** Its names from the outermost to its own. */
  get path(): string[] {
    return [...this.#definition.path];
  }

  /** How its keys are given. */
  get keyEncoding(): KeyEncoding {
    return this.#definition.encoding;
  }

  /** A namespace inside this one; see `DB.namespace`. */
  namespace(name: string, options: NamespaceOptions & { keyEncoding: "bytes" }): Namespace<Uint8Array>;
  /** A namespace inside this one; see `DB.namespace`. */
  namespace(name: string, options: NamespaceOptions & { keyEncoding: "utf8" }): Namespace<string>;
  /** A namespace inside this one; see `DB.namespace`. */
  namespace(name: string, options?: NamespaceOptions): Namespace<K>;
  /** A namespace inside this one; see `DB.namespace`. */
  namespace<L extends Key = K>(name: string, options?: NamespaceOptions): Namespace<L>;
  namespace(name: string, options?: NamespaceOptions): Namespace<Key> {
    return openNamespace(this.#context, this.#definition, name, options);
  }

  /** The names of the namespaces inside this one that were ever written to, in the order of their bytes. */
  namespaces(): string[] {
    this.#context.assertOpen("namespaces");
    return this.#context.catalog.names(this.#definition);
  }
}

/** The handle of a namespace. @internal */
export function openNamespace<K extends Key>(
  context: Context,
  parent: Definition,
  name: unknown,
  options: NamespaceOptions | undefined,
): Namespace<K> {
  context.assertOpen("namespace");
  const checked = checkOptions("namespace", options, ["keyEncoding"]);
  const encoding = choiceOption("namespace", checked, "keyEncoding", undefined, ["utf8", "bytes"] as const);
  return new Namespace<K>(context, context.catalog.define("namespace", parent, name, encoding));
}
