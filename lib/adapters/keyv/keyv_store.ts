/**
 * What the storage adapters for the majors of Keyv have in common.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import { checkOptions, describeValue } from "../../base/options.ts";
import type { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import { STORE_OPEN_NAMES, type StoreLocation, type StoreOpenOptions, StorePlace } from "../stores/store_place.ts";
import { ownValue, TextStore } from "../stores/text_store.ts";

/** Options of the constructor: those of `DB.open`, where a path is given, and the namespace. */
export interface KeyvHoldfastOptions extends StoreOpenOptions {
  /** The namespace to begin with; Keyv sets its own when it has one. Default: none. */
  namespace?: string | undefined;
}

/**
 * A Keyv store in Holdfast: what `KeyvHoldfast` and `Keyv5Holdfast` have in common. Methods reject with Holdfast's errors,
 * which Keyv turns into its `error` event; the store's own `error` event is for what no call can tell of: a database that
 * could not be opened, and work in the background that failed.
 */
export abstract class KeyvStore extends EventEmitter implements AsyncDisposable {
  readonly #call: string;
  readonly #place: StorePlace;
  #namespace: string | undefined;
  #store: { namespace: string | undefined; store: TextStore } | undefined;

  /** See the constructors of the two. @internal */
  protected constructor(call: string, location: StoreLocation, options: KeyvHoldfastOptions | undefined) {
    super();
    const { namespace, ...settings } = checkOptions(call, options, ["namespace", ...STORE_OPEN_NAMES]);
    this.#call = call;
    // An emitter throws an `error` that nobody listens to; the place takes no notice, as of any listener.
    this.#place = new StorePlace(call, location, settings, (error) => this.emit("error", error));
    this.namespace = namespace as string | undefined;
  }

  /** The path as it was given, or that of what was. */
  get location(): string {
    return this.#place.name;
  }

  /** The namespace that calls are about; undefined: the entries outside of all namespaces. Keyv sets it. */
  get namespace(): string | undefined {
    return this.#namespace;
  }

  /** Calls from now on are about another namespace. */
  set namespace(namespace: string | undefined) {
    if (namespace !== undefined && typeof namespace !== "string") {
      throw new TypeError(`${this.#call}: namespace must be a string, not ${describeValue(namespace)}`);
    }
    this.#namespace = namespace === "" ? undefined : namespace;
  }

  /**
   * The database beneath, opened by now, for all that Keyv has no call for: `backup`, `export`, `verify`, `stats` and so
   * on. `TypeError` where the store was given a namespace.
   *
   * @example
   * ```ts
   * import { KeyvHoldfast } from "@holdfast/db/keyv";
   *
   * await using store = new KeyvHoldfast(":memory:");
   * await store.set("a", "1");
   * await (await store.database()).backup("./keyv-backups/");
   * ```
   */
  async database(): Promise<DB<Key>> {
    return await this.#place.database();
  }

  /** The value at a key; undefined when there is none. */
  async get<Value = unknown>(key: string): Promise<Value | undefined> {
    return await (await this.#entries()).get(key) as Value | undefined;
  }

  /** The values at several keys, in their order, all of one version. */
  async getMany<Value = unknown>(keys: string[]): Promise<(Value | undefined)[]> {
    const asked = [...keys];
    return await (await this.#entries()).getMany(asked, (value) => value) as (Value | undefined)[];
  }

  /** Whether there is an entry at a key. */
  async has(key: string): Promise<boolean> {
    return (await (await this.#entries()).hasMany([key]))[0]!;
  }

  /** Whether there are entries at keys, in their order. */
  async hasMany(keys: string[]): Promise<boolean[]> {
    const asked = [...keys];
    return await (await this.#entries()).hasMany(asked);
  }

  /** Deletes a key; resolves to whether it was there. */
  async delete(key: string): Promise<boolean> {
    return (await this.deleteKeys([key]))[0]!;
  }

  /** Deletes the entries of the namespace, in one commit whatever their number; other namespaces stay. */
  async clear(): Promise<void> {
    await (await this.#entries()).clear("");
  }

  /** The entries of the namespace in the order of their keys, as they are at the first step. */
  iterator<Value = unknown>(): AsyncGenerator<[key: string, value: Value], void> {
    return this.#walk(this.#namespace) as AsyncGenerator<[string, Value], void>;
  }

  /** Writes what is pending and closes a database that was opened here. It may be called twice. */
  async disconnect(): Promise<void> {
    await this.#place.close();
  }

  /** As `disconnect`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  /** Sets keys, all in one commit; `call` names what was called in errors. @internal */
  protected async setItems(
    call: string,
    items: { key: string; value: unknown; expireIn?: number | undefined; expiresAt?: Date | number | undefined }[],
  ): Promise<void> {
    const own = items.map((item) => ({ ...item, value: ownValue(call, item.value) }));
    await (await this.#entries()).set(call, own);
  }

  /** Deletes keys, all in one commit; says of each whether it was there. @internal */
  protected async deleteKeys(keys: string[]): Promise<boolean[]> {
    const asked = [...keys];
    return await (await this.#entries()).delete(asked);
  }

  async *#walk(namespace: string | undefined): AsyncGenerator<[string, unknown], void> {
    yield* (await this.#entriesOf(namespace)).entries();
  }

  /** The entries of the namespace that is set at the call. */
  #entries(): Promise<TextStore> {
    return this.#entriesOf(this.#namespace);
  }

  async #entriesOf(namespace: string | undefined): Promise<TextStore> {
    const space = await this.#place.space();
    if (this.#store === undefined || this.#store.namespace !== namespace) {
      const at = namespace === undefined ? space : space.namespace<Key>(namespace);
      this.#store = { namespace, store: new TextStore(this.#call, at, this.#place.durability) };
    }
    return this.#store.store;
  }
}
