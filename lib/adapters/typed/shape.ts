/**
 * What values of a key space are: a schema and a codec, applied in this order when writing and in the other when reading.
 *
 * (1) What is kept is what the schema made of the value, so what is read has the schema's output type.
 * (2) A schema that answers at once is asked at once: calls made one after the other take effect in that order.
 *
 * @module
 */
import type { Key } from "../../db/data/keys.ts";
import type { Storable, Value } from "../../db/data/values.ts";
import { type Codec, isOurs } from "./codec.ts";
import { AsyncSchemaError, atKey, InvalidValueError } from "./errors.ts";
import type { StandardResult, StandardSchema } from "./standard_schema.ts";

/** Values as a program has them and as the database keeps them. */
export class Shape<In, Out> {
  readonly #schema: StandardSchema<In, Out> | undefined;
  readonly #codec: Codec<Out>;
  readonly #validateReads: boolean;

  /** Joins the parts. */
  constructor(schema: StandardSchema<In, Out> | undefined, codec: Codec<Out>, validateReads: boolean) {
    this.#schema = schema;
    this.#codec = codec;
    this.#validateReads = validateReads;
  }

  /** What the schema makes of a value. Throws or rejects with `InvalidValueError`. */
  validate(call: string, key: Key | undefined, value: unknown): Out | Promise<Out> {
    if (this.#schema === undefined) return value as Out;
    const outputOf = (result: StandardResult<Out>): Out => {
      if (result.issues !== undefined) throw new InvalidValueError(call, key, result.issues);
      return result.value;
    };
    const result = this.#schema["~standard"].validate(value);
    return isThenable(result) ? Promise.resolve(result).then(outputOf) : outputOf(result);
  }

  /** What is kept of a value. */
  encode(call: string, key: Key, value: In): Storable | Promise<Storable> {
    const valid = this.validate(call, key, value);
    // Without a schema a promise is a value like another, which the codec refuses.
    const waits = this.#schema !== undefined && isThenable(valid);
    const kept = (output: Out): Storable => this.#named(call, key, () => this.#codec.encode(output));
    return waits ? valid.then(kept) : kept(valid as Out);
  }

  /** The value of what was kept. */
  decode(call: string, key: Key, stored: Value): Out | Promise<Out> {
    const value = this.#named(call, key, () => this.#codec.decode(stored));
    return this.#validateReads ? this.validate(call, key, value) : value;
  }

  /** As `decode`, at once; `AsyncSchemaError` when the schema can't. */
  decodeNow(call: string, key: Key, stored: Value): Out {
    const value = this.decode(call, key, stored);
    if (!this.#validateReads || !isThenable(value)) return value as Out;
    // Nobody will ask what came of it.
    value.then(undefined, () => {});
    throw new AsyncSchemaError(call, key);
  }

  /** Has an error of a codec of ours say what it was about: of many values, or of a list, nobody else could tell. */
  #named<T>(call: string, key: Key, run: () => T): T {
    try {
      return run();
    } catch (error) {
      throw isOurs(this.#codec) ? atKey(call, key, error) : error;
    }
  }
}

/** A key as it is now, for a write that is made later. */
export function ownKey<K extends Key>(key: K): K {
  return key instanceof Uint8Array ? key.slice() as K : key;
}

/** Options or a range as they are now, for a write that is made later. What can't be copied is refused there. */
export function ownCopy<T>(given: T): T {
  try {
    return structuredClone(given);
  } catch {
    return given;
  }
}

/** Whether something has to be waited for, of whatever realm its promise is. */
export function isThenable<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
