/**
 * A typed space as others see it, and its inside for those that work on several of them.
 *
 * @module
 */
import { describeValue } from "../../base/options.ts";
import type { Key } from "../../db/data/keys.ts";
import type { KeySpace } from "../../db/key_space.ts";
import type { Shape } from "./shape.ts";

/** A typed space, as `in` of an atomic operation or a transaction takes it: a `TypedSpace`. */
export interface TypedView<K extends Key, In, Out> {
  /** The database or namespace beneath. */
  readonly space: KeySpace<K>;
  /** What the schema makes of a value. */
  parse(value: In): Promise<Out>;
}

/** What a typed space is made of. @internal */
export interface Inside<K extends Key, In, Out> {
  /** The database or namespace. */
  readonly beneath: KeySpace<K>;
  /** What its values are. */
  readonly shape: Shape<In, Out>;
}

const insides = new WeakMap<object, unknown>();

/** Notes what a typed space is made of. @internal */
export function keepInside<K extends Key, In, Out>(view: TypedView<K, In, Out>, inside: Inside<K, In, Out>): void {
  insides.set(view, inside);
}

/** What a typed space is made of; `TypeError` when it is none. @internal */
export function insideOf<K extends Key, In, Out>(call: string, view: TypedView<K, In, Out>): Inside<K, In, Out> {
  const inside = typeof view === "object" && view !== null ? insides.get(view) : undefined;
  if (inside === undefined) {
    throw new TypeError(`${call}: expected what typed() returns, not ${describeValue(view)}`);
  }
  return inside as Inside<K, In, Out>;
}
