/**
 * Iterations with another item for each.
 *
 * @module
 */

/** An asynchronous iteration; leaving it leaves the one beneath, begun or not. */
export class Mapped<A, B> implements AsyncIterableIterator<B, undefined> {
  readonly #source: AsyncIterator<A, undefined>;
  readonly #each: (item: A) => B | Promise<B>;

  /** Maps the items of `source`. */
  constructor(source: AsyncIterator<A, undefined>, each: (item: A) => B | Promise<B>) {
    this.#source = source;
    this.#each = each;
  }

  async next(): Promise<IteratorResult<B, undefined>> {
    const step = await this.#source.next();
    if (step.done) return step;
    try {
      return { done: false, value: await this.#each(step.value) };
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  async return(): Promise<IteratorResult<B, undefined>> {
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** As `Mapped`, each step at once. */
export class MappedNow<A, B> implements IterableIterator<B, undefined> {
  readonly #source: Iterator<A, undefined>;
  readonly #each: (item: A) => B;

  /** Maps the items of `source`. */
  constructor(source: Iterator<A, undefined>, each: (item: A) => B) {
    this.#source = source;
    this.#each = each;
  }

  next(): IteratorResult<B, undefined> {
    const step = this.#source.next();
    if (step.done) return step;
    try {
      return { done: false, value: this.#each(step.value) };
    } catch (error) {
      this.return();
      throw error;
    }
  }

  return(): IteratorResult<B, undefined> {
    this.#source.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }
}
