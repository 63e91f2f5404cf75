/**
 * Level's entries in a key space of Holdfast.
 *
 * (1) A key of Level is the same key in Holdfast, so that either reads what the other wrote.
 * (2) Except the empty key, which Holdfast does not have: its value is the one entry of a namespace beside the others. It
 *     sorts before all other keys, and is written in the same commits and read at the same versions as they.
 *
 * @module
 */
import { isText } from "../../base/bytes.ts";
import { type Key, KEY_BYTES_MAX } from "../../db/data/keys.ts";
import type { Value } from "../../db/data/values.ts";
import type { KeySpace } from "../../db/key_space.ts";
import type { Namespace } from "../../db/namespace.ts";
import { isThereItem, lookupMany, ofValues, type RowItem } from "../../db/reading/many.ts";
import { accessOf } from "../../db/reading/reader.ts";
import type { Snapshot } from "../../db/reading/snapshot.ts";
import type { AtomicOperation } from "../../db/writing/atomic.ts";
import type { Durability } from "../../engine/types.ts";
import { type Data, type Format, keyBytes, storable, storableKey, wanted } from "./data.ts";
import { LevelError, levelError, rethrow } from "./errors.ts";
import { type Bounds, isWithin, storableBounds } from "./range.ts";

/** A database or a namespace. */
export type Space = KeySpace<Key> & Pick<Namespace<Key>, "namespace" | "keyEncoding">;

/** Where the value of the empty key lies. */
const EMPTY_KEY_NAMESPACE = "level:empty-key";
/** Its key there. */
const EMPTY_KEY = "value";
/** The empty key, as bytes. */
const NO_BYTES = new Uint8Array(0);
/** The first key that is not empty. */
const FIRST_KEY = new Uint8Array(1);

/** Reading and writing Level's entries. Asynchronous reads see the version of the call. */
export class LevelEntries {
  /** Where they lie. */
  readonly space: Space;
  readonly #empty: Space;
  readonly #underWay = new Set<Promise<unknown>>();

  /** The entries of a key space. */
  constructor(space: Space) {
    this.space = space;
    this.#empty = space.namespace(EMPTY_KEY_NAMESPACE, { keyEncoding: "utf8" });
  }

  /** The value at a key; undefined when there is none. */
  async get(key: Data, format: Format, snapshot: Snapshot<Key> | undefined): Promise<Data | undefined> {
    const place = this.#placeOf(key);
    const value = await place.space.get(place.key, snapshot && { snapshot }).catch((error) =>
      refuse(error, place.space, key)
    );
    return value === undefined ? undefined : wanted(value, format);
  }

  /** As `get`, at once. */
  getSync(key: Data, format: Format, snapshot: Snapshot<Key> | undefined): Data | undefined {
    const place = this.#placeOf(key);
    try {
      const value = place.space.getSync(place.key, snapshot && { snapshot });
      return value === undefined ? undefined : wanted(value, format);
    } catch (error) {
      return refuse(error, place.space, key);
    }
  }

  /** The values at several keys, all of one version. */
  async getMany(keys: Data[], format: Format, snapshot: Snapshot<Key> | undefined): Promise<(Data | undefined)[]> {
    const item = ofValues((value) => value === undefined ? undefined : wanted(value, format));
    return await this.#lookupMany("getMany", keys, snapshot, item);
  }

  /** Whether there is an entry at a key. */
  hasSync(key: Data, snapshot: Snapshot<Key> | undefined): boolean {
    const place = this.#placeOf(key);
    try {
      return place.space.hasSync(place.key, snapshot && { snapshot });
    } catch (error) {
      return refuse(error, place.space, key);
    }
  }

  /** Whether there are entries at several keys, all of one version. */
  async hasMany(keys: Data[], snapshot: Snapshot<Key> | undefined): Promise<boolean[]> {
    return await this.#lookupMany("hasMany", keys, snapshot, isThereItem);
  }

  /** Whether there is an entry at the empty key, and the range has that key in it. */
  hasEmptyWithin(bounds: Bounds, snapshot: Snapshot<Key>): boolean {
    return isWithin(bounds, NO_BYTES) && this.#empty.hasSync(EMPTY_KEY, { snapshot });
  }

  /** The value at the empty key, which is there. */
  async emptyValue(snapshot: Snapshot<Key>): Promise<Value> {
    return (await this.#empty.get(EMPTY_KEY, { snapshot }))!;
  }

  /** Begins a commit. */
  write(): LevelWrite {
    const operation = this.#atomic();
    return new LevelWrite(operation, (key) => {
      const place = this.#placeOf(key);
      return { ...place, operation: place.space === this.space ? operation : operation.in(place.space) };
    });
  }

  /** Keeps what is there now readable. */
  snapshot(): Snapshot<Key> {
    try {
      return this.space.snapshot();
    } catch (error) {
      throw levelError(error);
    }
  }

  /** Whether a range can be deleted in one commit: where keys are text, its bounds have to be. */
  canClear(bounds: Bounds): boolean {
    if (this.space.keyEncoding === "bytes") return true;
    const { start, end } = storableBounds(bounds);
    return [start, end].every((bound) => bound === undefined || isText(bound));
  }

  /** Deletes a range, in one commit. */
  async clear(bounds: Bounds, durability: Durability | undefined): Promise<void> {
    const { start, end } = storableBounds(bounds);
    const operation = this.#atomic().deleteRange({
      start: start === undefined || start.length === 0 ? FIRST_KEY : start,
      end,
    });
    if (isWithin(bounds, NO_BYTES)) operation.in(this.#empty).delete(EMPTY_KEY);
    await operation.commit({ durability }).catch(rethrow);
  }

  /** Has who closes the database wait for work that takes several turns, as Level has it. */
  async finishing<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  /** Resolves when the work under way has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  async #lookupMany<T>(
    call: string,
    keys: readonly Data[],
    snapshot: Snapshot<Key> | undefined,
    item: RowItem<T>,
  ): Promise<T[]> {
    const lookup = async (space: Space, keys: Key[]): Promise<T[]> =>
      await lookupMany(call, accessOf(call, space).open(call, snapshot), keys, item);
    const stored = keys.map(storableKey);
    const asked = stored.filter(({ length }) => length > 0);
    const hasEmpty = asked.length < stored.length;
    const lookups = Promise.all([lookup(this.space, asked), hasEmpty ? lookup(this.#empty, [EMPTY_KEY]) : []]);
    try {
      const [found, [empty]] = await this.finishing(lookups);
      let next = 0;
      return hasEmpty ? stored.map(({ length }) => length === 0 ? empty! : found[next++]!) : found;
    } catch (error) {
      return refuse(error, this.space, keys.find((key) => !canBeKey(this.space, key)) ?? NO_BYTES);
    }
  }

  #atomic(): AtomicOperation<Key> {
    try {
      return this.space.atomic();
    } catch (error) {
      throw levelError(error);
    }
  }

  #placeOf(key: Data): Place {
    const stored = storableKey(key);
    return stored.length === 0 ? { space: this.#empty, key: EMPTY_KEY } : { space: this.space, key: stored };
  }
}

/** Writes of one commit; each is checked and copied at the call, and one that is refused leaves nothing in it. */
export class LevelWrite {
  readonly #operation: AtomicOperation<Key>;
  readonly #placeOf: (key: Data) => Place & { operation: AtomicOperation<Key> };

  /** Made by `LevelEntries`; `placeOf` says where a key is written. */
  constructor(
    operation: AtomicOperation<Key>,
    placeOf: (key: Data) => Place & { operation: AtomicOperation<Key> },
  ) {
    this.#operation = operation;
    this.#placeOf = placeOf;
  }

  /** Sets a key. */
  put(key: Data, value: Data): this {
    const place = this.#placeOf(key);
    try {
      place.operation.set(place.key, storable(value));
    } catch (error) {
      refuse(error, place.space, key, "LEVEL_INVALID_VALUE");
    }
    return this;
  }

  /** Deletes a key, there or not. */
  del(key: Data): this {
    const place = this.#placeOf(key);
    try {
      place.operation.delete(place.key);
    } catch (error) {
      refuse(error, place.space, key);
    }
    return this;
  }

  /** Makes the commit. */
  async commit(durability: Durability | undefined): Promise<void> {
    await this.#operation.commit({ durability }).catch(rethrow);
  }
}

/** Where the entry of a key lies. */
interface Place {
  space: Space;
  key: Key;
}

/** Throws what a call with this key met: by Level's name, when the key can be none or (`orElse`) something else can't. */
function refuse(error: unknown, space: Space, key: Data, orElse?: string): never {
  if (!(error instanceof RangeError || error instanceof TypeError)) throw levelError(error);
  const code = canBeKey(space, key) ? orElse : "LEVEL_INVALID_KEY";
  throw code === undefined ? error : new LevelError(code, error.message, error);
}

function canBeKey(space: Space, key: Data): boolean {
  const bytes = keyBytes(key);
  return bytes.length <= KEY_BYTES_MAX && (space.keyEncoding === "bytes" || isText(bytes));
}
