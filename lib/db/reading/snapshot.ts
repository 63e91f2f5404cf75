/**
 * Snapshots: the database as it was at one version, for as long as it is needed.
 *
 * @module
 */
import { ClosedError } from "../../base/errors.ts";
import type { EngineSnapshot } from "../../engine/types.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Key } from "../data/keys.ts";
import { accessOf, type ReadAccess, Reader } from "./reader.ts";
import type { PointInTime } from "./read_options.ts";
import { type ReadPoint, ReadSource } from "./read_source.ts";

/** A snapshot's hold on the engine, shared by all key spaces it is seen from. */
interface Held {
  readonly context: Context;
  readonly engine: EngineSnapshot;
  released: boolean;
}

const heldBy = new WeakMap<object, Held>();

/** What a read at a snapshot sees; throws when it belongs to another database or was released. @internal */
export function pointOf(call: string, context: Context, at: PointInTime): ReadPoint {
  const held = heldBy.get(at);
  if (held === undefined) throw new TypeError(`${call}: option "snapshot" must be what snapshot() returned`);
  if (held.context !== context) throw new TypeError(`${call}: the snapshot belongs to another database`);
  if (held.released) throw new ClosedError(`Cannot ${call}: the snapshot was released; take a new one (CLOSED)`);
  return held.engine;
}

/**
 * One version of the database that stays readable whatever is written, until it is released. While it is held, old
 * versions of what is overwritten keep their space on disk.
 *
 * @example
 * ```ts
 * import { DB } from "@holdfast/db";
 *
 * await using db = await DB.open(":memory:");
 * await db.set("a", 1);
 * {
 *   using before = db.snapshot();
 *   await db.set("a", 2);
 *   console.log(await before.get("a"), await db.get("a")); // 1 2
 * }
 * ```
 */
export class Snapshot<K extends Key = string> extends Reader<K> implements PointInTime, Disposable {
  readonly #held: Held;

  /** Made by `snapshot()`. @internal */
  constructor(held: Held, definition: Definition) {
    const access: ReadAccess = {
      context: held.context,
      definition,
      open(call, at) {
        held.context.assertOpen(call);
        if (at !== undefined && heldBy.get(at) !== held) {
          throw new TypeError(`${call}: a snapshot reads itself; leave the option "snapshot" out`);
        }
        if (held.released) throw new ClosedError(`Cannot ${call}: the snapshot was released; take a new one (CLOSED)`);
        return new ReadSource(held.context, definition, held.engine);
      },
    };
    super(access);
    this.#held = held;
    heldBy.set(this, held);
  }

  /** The version it shows. */
  get version(): number {
    return this.#held.engine.version;
  }

  /** The time of that commit, ms since the Unix epoch. */
  get timestamp(): number {
    return this.#held.engine.timestamp;
  }

  /** The same snapshot seen from another namespace (or the database). Releasing either releases both. */
  in<L extends Key>(space: Reader<L>): Snapshot<L> {
    const { context, definition } = accessOf("snapshot.in", space);
    if (context !== this.#held.context) throw new TypeError("snapshot.in: the namespace belongs to another database");
    return new Snapshot<L>(this.#held, definition);
  }

  /** Lets go; reading from it is then a `ClosedError`. Safe to call twice. */
  release(): void {
    this.#held.released = true;
    this.#held.engine.release();
  }

  /** As `release`. */
  [Symbol.dispose](): void {
    this.release();
  }
}

/** Takes a snapshot. @internal */
export function takeSnapshot<K extends Key>(context: Context, definition: Definition): Snapshot<K> {
  context.assertOpen("snapshot");
  return new Snapshot<K>({ context, engine: context.engine.snapshot(), released: false }, definition);
}
