/**
 * Where an adapter's entries lie: in a directory, which is opened when it is first needed, or in a database that is open
 * already.
 *
 * @module
 */
import { ClosedError } from "../../base/errors.ts";
import { tell } from "../../base/listeners.ts";
import { describeValue, pathOf } from "../../base/options.ts";
import { yieldToLoop } from "../../base/yield.ts";
import { DB } from "../../db/db.ts";
import type { Key } from "../../db/data/keys.ts";
import { Namespace } from "../../db/namespace.ts";
import { fileSystemOf, OPEN_NAMES, type OpenOptions, openOptions } from "../../db/options.ts";
import type { Durability, EngineEvent } from "../../engine/types.ts";
import { fixedPath } from "../../files/paths.ts";

/** A directory, `":memory:"`, or what is open already: a database, or a namespace of one. */
export type StoreLocation =
  | string
  | URL
  | (DB<string> | DB<Uint8Array> | DB<Key>)
  | (Namespace<string> | Namespace<Uint8Array> | Namespace<Key>);

/** Options of `DB.open` as adapters take them: keys are text for all of them. */
export interface StoreOpenOptions extends Omit<OpenOptions, "keyEncoding"> {}

/** A database or a namespace. */
export type Space = DB<Key> | Namespace<Key>;

/** Every option that `DB.open` is given. */
export const STORE_OPEN_NAMES: readonly (keyof StoreOpenOptions)[] = OPEN_NAMES.filter((name) =>
  name !== "keyEncoding"
);

/** Where an adapter's entries lie. */
export class StorePlace {
  /** For error messages and for those who ask: the path as it was given, or that of the database. */
  readonly name: string;
  /** How durable each write is to be, where that is not the database's own choice. */
  readonly durability: Durability | undefined;
  readonly #call: string;
  readonly #given: Space | undefined;
  readonly #open: () => Promise<DB<Key>>;
  #opening: Promise<DB<Key>> | undefined;
  #closed = false;

  /** Checks place and options of `call`; `onFailure` hears what no call can tell of. Nothing is opened yet. */
  constructor(
    call: string,
    location: StoreLocation,
    options: StoreOpenOptions,
    onFailure: (error: unknown) => void = () => {},
  ) {
    this.#call = call;
    if (location instanceof DB || location instanceof Namespace) {
      const { durability, ...others } = options;
      openOptions(call, { durability });
      const [name] = Object.keys(others);
      if (name !== undefined) throw new TypeError(`${call}: the database is open already; give "${name}" to DB.open`);
      this.#given = location as Space;
      this.durability = durability;
      this.name = location instanceof DB ? location.path : location.path.join("/");
      this.#open = () => Promise.reject(new TypeError(`${call}: it was given a namespace; ask whoever opened it`));
      return;
    }
    if (typeof location !== "string" && !(location instanceof URL)) {
      throw new TypeError(
        `${call}: expected a path, a file: URL, a database or a namespace, not ${describeValue(location)}`,
      );
    }
    pathOf(call, location);
    openOptions(call, options);
    this.durability = undefined;
    this.name = String(location);
    const place = fixedPath(fileSystemOf(call, options), location);
    const { onEvent } = options;
    const settings: OpenOptions = {
      ...options,
      onEvent(event: EngineEvent) {
        if (event.type === "failure") tell(onFailure, event.error);
        return onEvent?.(event);
      },
    };
    this.#open = () =>
      DB.open<Key>(place, settings).catch((error) => {
        // The next call tries again: whoever has the lock may have gone by then.
        this.#opening = undefined;
        tell(onFailure, error);
        throw error;
      });
  }

  /** Whether it is ours to open and close. */
  get isOwn(): boolean {
    return this.#given === undefined;
  }

  /** The key space, opened by now. */
  async space(): Promise<Space> {
    return this.#given ?? await this.database();
  }

  /** The database, opened by now; `TypeError` when all that was given is a namespace. */
  async database(): Promise<DB<Key>> {
    if (this.#given instanceof DB) return this.#given;
    if (this.#closed) throw new ClosedError(`Cannot use ${this.name}: ${this.#call} was closed (CLOSED)`);
    return await (this.isOwn ? this.#opening ??= this.#open() : this.#open());
  }

  /**
   * Closes what was opened here, behind the calls that were made before; what was given is left to whoever opened it. It may
   * be called twice.
   */
  async close(): Promise<void> {
    // The library above has steps of its own between its calls and ours.
    await yieldToLoop();
    if (!this.isOwn) return;
    this.#closed = true;
    const db = await this.#opening?.catch(() => undefined);
    // Those that waited for the opening begin now; what has begun is the database's to finish.
    await yieldToLoop();
    await db?.close();
  }
}
