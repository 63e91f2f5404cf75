/**
 * Setting aside: what is damaged moves below `damaged/`, so that nothing is ever lost by a repair.
 *
 * ```
 * damaged/<time>/<key as it was>
 * ```
 *
 * Copied first, then removed. Cut off in between, both lie there, and the next repair copies it again.
 *
 * @module
 */
import { IntegrityError } from "../../../../base/errors.ts";
import type { RepositoryContext } from "../../core/context.ts";
import { PART } from "../../core/layout.ts";
import { storedPieces } from "../../core/objects.ts";

/** Sets objects aside. In a rehearsal nothing is written. */
export class Aside {
  /** Keys that were set aside, as they were. */
  readonly taken: string[] = [];
  readonly #context: RepositoryContext;
  readonly #prefix: string;
  readonly #copied = new Set<string>();
  readonly #dryRun: boolean;

  /** All of one repair goes below one time. */
  constructor(context: RepositoryContext, dryRun: boolean) {
    this.#context = context;
    this.#dryRun = dryRun;
    const time = new Date(context.clock()).toISOString().replace(/[-:]/g, "").replace(".", "");
    this.#prefix = `${PART.damaged}${time}/`;
  }

  /** Where a copy of a key lies, or would. */
  copyOf(key: string): string {
    return this.#prefix + key;
  }

  /** Makes the copy; what is not there has none. */
  async copy(key: string): Promise<void> {
    const { store, name } = this.#context;
    if (this.#copied.has(key)) return;
    this.#copied.add(key);
    const there = await store.head(key);
    if (there === undefined) return;
    this.taken.push(key);
    if (this.#dryRun) return;
    const copy = this.copyOf(key);
    await store.put(copy, storedPieces(this.#context, key));
    const made = await store.head(copy);
    if (made?.size === there.size) return;
    throw new IntegrityError(`${copy} in ${name} is not the copy that was written; nothing was removed, try again`);
  }

  /** Copies and removes. */
  async take(key: string): Promise<void> {
    await this.copy(key);
    if (!this.#dryRun) await this.#context.store.delete(key);
  }
}
