/**
 * What all handles of one open database share.
 *
 * @module
 */
import { ClosedError } from "../base/errors.ts";
import type { Engine } from "../engine/types.ts";
import type { Catalog } from "./catalog/catalog.ts";
import { Turns } from "./writing/turns.ts";

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
  readonly delay: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Transactions that are run again. */
  readonly retries: Turns = new Turns();
  /** Called when the database closes, before the engine does. */
  readonly closing: Set<() => void> = new Set();
  /** Settles when the restore that is under way writes here no more; undefined: none does. */
  restoring: Promise<void> | undefined;
  /** Readings of the catalog that failed, or are under way. */
  readonly #loads: (() => void)[] = [];

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

  /**
   * Reads the catalog anew by `load`, a restore having replaced it. When it can't be read now, that is tried again before
   * every call, which fails with the reason: in the wrong key space it would find nothing.
   */
  reloadCatalog(load: () => void): void {
    this.#loads.push(load);
    try {
      this.assertCatalog();
    } catch {
      // The next call tells. The restore has taken effect, whatever its listeners think of it.
    }
  }

  /** Throws when the catalog that counts could not be read. */
  assertCatalog(): void {
    for (let load = this.#loads[0]; load !== undefined; load = this.#loads[0]) {
      load();
      this.#loads.shift();
    }
  }

  /** Long work, given up by the signal that it gets when the database is closed meanwhile. */
  async whileOpen<T>(call: string, work: (closing: AbortSignal) => Promise<T>): Promise<T> {
    const { closing, forget } = this.untilClosed(call);
    try {
      return await work(closing);
    } catch (error) {
      // Whatever it met: the next one to open the database may have removed a file.
      throw closing.aborted ? closing.reason : error;
    } finally {
      forget();
    }
  }

  /** A signal that fires when the database is closed, with what `call` fails with then; to be forgotten when that has ended. */
  untilClosed(call: string): { closing: AbortSignal; forget: () => void } {
    const controller = new AbortController();
    const close = (): void => {
      controller.abort(
        new ClosedError(`Cannot ${call}: the database ${this.path} was closed meanwhile; open it again (CLOSED)`),
      );
    };
    this.closing.add(close);
    return { closing: controller.signal, forget: () => void this.closing.delete(close) };
  }

  /** Throws `ClosedError` once the database is closed. */
  assertOpen(call: string): void {
    if (this.engine.closed) {
      throw new ClosedError(`Cannot ${call}: the database ${this.path} is closed; open it again (CLOSED)`);
    }
    this.assertCatalog();
  }
}
