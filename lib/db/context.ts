/**
 * What all handles of one open database share.
 *
 * @module
 */
import { ClosedError } from "../base/errors.ts";
import type { Engine } from "../engine/types.ts";
import type { Catalog } from "./catalog/catalog.ts";

/** The inside of an open database. */
export class Context {
  /** The engine. */
  readonly engine: Engine;
  /** The namespaces. */
  readonly catalog: Catalog;
  /** The path as the user gave it, for messages. */
  readonly path: string;
  /** A number from 0 to below 1. */
  readonly random: () => number;
  /** Resolves after so many ms. */
  readonly delay: (ms: number) => Promise<void>;
  /** Called when the database closes, before the engine does. */
  readonly closing: Set<() => void> = new Set();
  /** Settles when the restore that is under way has ended; undefined: none is. */
  restoring: Promise<void> | undefined;

  /** Joins the parts. */
  constructor(
    parts: Pick<Context, "engine" | "catalog" | "path" | "random" | "delay">,
  ) {
    this.engine = parts.engine;
    this.catalog = parts.catalog;
    this.path = parts.path;
    this.random = parts.random;
    this.delay = parts.delay;
  }

  /** Throws `ClosedError` once the database is closed. */
  assertOpen(call: string): void {
    if (this.engine.closed) {
      throw new ClosedError(`Cannot ${call}: the database ${this.path} is closed; open it again (CLOSED)`);
    }
  }
}
