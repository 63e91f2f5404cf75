/**
 * One value with its version, at the least cost: what `getEntry` gives, without the entry around it.
 *
 * @module
 */
import { internalKey } from "../../format/space.ts";
import { isBlob, rowValue, rowValueAsync } from "../data/entries.ts";
import type { Value } from "../data/values.ts";
import { accessOf, type Reader } from "./reader.ts";

/** A value and its version. @internal */
export interface Versioned {
  /** The version of the commit that wrote it. */
  readonly version: number;
  /** The value; a promise of one that is read off the main thread. */
  readonly value: Value | Promise<Value>;
}

/** The value at a key, looked up at once; undefined when there is none. @internal */
export function readVersioned(call: string, space: Reader<Uint8Array>, key: Uint8Array): Versioned | undefined {
  const source = accessOf(call, space).open(call);
  const row = source.row(internalKey(source.prefix, key));
  if (row === undefined) return undefined;
  const { engine } = source.context;
  return { version: row.version, value: isBlob(row) ? rowValueAsync(engine, row) : rowValue(engine, row) };
}
