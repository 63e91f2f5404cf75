/**
 * The writes of one commit while they are put together, from values to operations on internal keys.
 *
 * (1) Everything is checked and copied at the call; nothing of the caller's memory is kept.
 * (2) With an entry go its tag rows, at the same version; nothing is read, and what they replace becomes stale by itself.
 * (3) With the first write to a namespace goes its catalog row.
 *
 * @module
 */
import { ByteWriter, EMPTY_BYTES, prefixEnd } from "../../base/bytes.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { Batch } from "../../format/log/batch.ts";
import { KIND_BYTES, writeCell } from "../../format/cell.ts";
import { internalKey, tagPrefix } from "../../format/space.ts";
import type { Overlay } from "../../tree/overlay.ts";
import type { Context } from "../context.ts";
import type { Definition } from "../catalog/definition.ts";
import { lookupKey } from "../data/keys.ts";
import { deleteBounds, isEmptyRange } from "../data/ranges.ts";
import { encodeValue } from "../data/values.ts";
import type { CheckedEntryOptions } from "./write_options.ts";

/**
 * A commit must fit one log record, which recovery reads as a whole (512 MiB): twice the largest value, less what the
 * record's own framing takes.
 */
export const COMMIT_BYTES_MAX: number = 511 * 2 ** 20;

/** Whose a key space was when it was written to. */
export interface Used {
  /** The namespace. */
  readonly definition: Definition;
  /** How its keys looked. */
  readonly encoding: KeyEncoding;
}

/** Operations in the order of the calls. */
export class Writes {
  /** The operations. */
  readonly batch: Batch;
  readonly #context: Context;
  // Made at the first need: most commits write to no namespace.
  #used: Map<number, Used> | undefined;
  #defined: Set<Definition> | undefined;
  #overlay: Overlay | undefined;
  #last: Uint8Array | undefined;

  /**
   * With `overlay`, each operation is applied there too, so that it can be read before it is committed. `capacity`: room for
   * so many bytes from the start.
   */
  constructor(context: Context, overlay?: Overlay, capacity?: number) {
    this.batch = new Batch(capacity);
    this.#context = context;
    this.#overlay = overlay;
  }

  /** Whether any namespace was written to. */
  get usesNamespaces(): boolean {
    return this.#used !== undefined;
  }

  /** The key spaces of namespaces written to, and whose each was then: restores may have given one several in turn. */
  get used(): Map<number, Used> {
    return this.#used ??= new Map();
  }

  /** Those of them whose catalog rows are among the operations, or known to be in the database. */
  get defined(): Set<Definition> {
    return this.#defined ??= new Set();
  }

  /** Where each operation is applied too. */
  get overlay(): Overlay | undefined {
    return this.#overlay;
  }

  /** As `overlay`, to be written to: a list under way goes on over what there was when it began. */
  #own(): Overlay | undefined {
    if (this.#overlay !== undefined && this.#overlay.readers > 0) this.#overlay = this.#overlay.copy();
    return this.#overlay;
  }

  /** Sets a key. */
  set(call: string, definition: Definition, key: unknown, value: unknown, options: CheckedEntryOptions): void {
    // First, for it may call a program's own `toJSON`, and that the database, which looks keys up in the same memory.
    const { kind, payload } = encodeValue(call, value);
    const internal = lookupKey(call, definition.encoding, definition.prefix, key);
    this.#define(definition);
    this.#put(internal, kind, payload, options.tags, options.expiresAt);
    for (const tag of options.tags) {
      const prefix = tagPrefix(definition.tagsPrefix, tag);
      const row = internalKey(prefix, internal.subarray(definition.prefix.length));
      this.#put(row, KIND_BYTES, EMPTY_BYTES, [], options.expiresAt);
    }
    this.#checkSize(call);
  }

  /** Deletes a key, there or not. */
  delete(call: string, definition: Definition, key: unknown): void {
    const internal = lookupKey(call, definition.encoding, definition.prefix, key);
    this.#use(definition);
    this.batch.delete(internal);
    this.#own()?.delete(internal);
    this.#checkSize(call);
  }

  /** Deletes a range of keys. */
  deleteRange(call: string, definition: Definition, range: unknown): void {
    const bounds = deleteBounds(call, definition.encoding, definition.prefix, range);
    if (isEmptyRange(bounds)) return;
    this.#use(definition);
    this.#deleteRange(bounds.start, bounds.end);
    this.#checkSize(call);
  }

  /** Deletes all entries of a key space and of the namespaces in it, with their tag rows. */
  clear(definition: Definition): void {
    for (const one of definition.subtree()) {
      // Of those that aren't there the log must not speak; see `commit.ts`.
      if (!one.persisted && one.arriving === 0) continue;
      this.#use(one);
      this.#deleteRange(one.prefix, prefixEnd(one.prefix)!);
      this.#deleteRange(one.tagsPrefix, prefixEnd(one.tagsPrefix)!);
    }
  }

  /** Before a namespace is written to; only a set makes it exist. */
  #define(definition: Definition): void {
    // By its prefix: with another key space a namespace gets another one.
    if (definition.prefix === this.#last) return;
    this.#last = definition.prefix;
    this.#use(definition);
    if (definition.parent === undefined || this.defined.has(definition)) return;
    this.#context.catalog.writeRows(this.batch, definition);
    this.defined.add(definition);
  }

  #use(definition: Definition): void {
    if (definition.parent === undefined || this.used.has(definition.space)) return;
    this.used.set(definition.space, { definition, encoding: definition.encoding });
  }

  #put(
    key: Uint8Array,
    kind: number,
    payload: Uint8Array,
    tags: readonly Uint8Array[],
    expiresAt: number | undefined,
  ): void {
    this.batch.putCell(EMPTY_BYTES, key, kind, payload, tags, expiresAt);
    const own = this.#own();
    if (own === undefined) return;
    const cell = new ByteWriter(payload.length + 64);
    writeCell(cell, kind, payload, tags, expiresAt);
    own.put(key, this.#context.engine.now(), cell.view());
  }

  #deleteRange(start: Uint8Array, end: Uint8Array): void {
    this.batch.deleteRange(start, end);
    this.#own()?.deleteRange(start, end);
  }

  #checkSize(call: string): void {
    if (this.batch.bytes > COMMIT_BYTES_MAX) {
      throw new RangeError(`${call}: one commit has more than 511 MiB; split it (setMany does)`);
    }
  }
}
