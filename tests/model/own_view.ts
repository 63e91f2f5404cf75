/** What a transaction sees in the model: a point in time, its own writes on top, and what it read so far. */
import type { ReadNotes } from "./compare.ts";
import {
  type Model,
  type ModelEntry,
  type ModelOperation,
  type ModelPoint,
  type ModelRange,
  type ModelView,
} from "./model.ts";
import type { Found } from "./versioned.ts";

/** The model's side of a transaction. */
export class OwnView implements ModelView, ReadNotes {
  readonly operations: ModelOperation[] = [];
  readonly #model: Model;
  readonly #point: ModelPoint;
  readonly #base: ModelView;
  readonly #own = new Map<string, Map<string, ModelEntry | undefined>>();
  readonly #reads: { space: string; range: ModelRange; exact: boolean }[] = [];

  constructor(model: Model, point: ModelPoint) {
    this.#model = model;
    this.#point = point;
    this.#base = model.at(point);
  }

  get(space: string, key: string): ModelEntry | undefined {
    const own = this.#own.get(space);
    return own?.has(key) ? this.#seen(own.get(key)) : this.#base.get(space, key);
  }

  list(space: string, range: ModelRange, tags: readonly string[]): Found<ModelEntry>[] {
    const found = new Map(this.#base.list(space, range, []).map(({ key, item }) => [key, item]));
    for (const [key, entry] of this.#own.get(space) ?? []) {
      if (key < range.start || (range.end !== undefined && key >= range.end)) continue;
      const item = this.#seen(entry);
      if (item === undefined) found.delete(key);
      else found.set(key, item);
    }
    return [...found].map(([key, item]) => ({ key, item }))
      .filter(({ item }) => tags.every((tag) => item.tags.includes(tag)))
      .sort((a, b) => a.key < b.key ? -1 : 1);
  }

  #seen(entry: ModelEntry | undefined): ModelEntry | undefined {
    return entry?.expiresAt !== undefined && entry.expiresAt <= this.#point.moment ? undefined : entry;
  }

  /** Writes. */
  write(operation: ModelOperation): void {
    this.operations.push(operation);
    if (operation.type === "clear") return;
    let own = this.#own.get(operation.space);
    if (own === undefined) this.#own.set(operation.space, own = new Map());
    if (operation.type === "deleteRange") {
      for (const { key } of this.list(operation.space, operation, [])) own.set(key, undefined);
    } else if (operation.type === "delete") own.set(operation.key, undefined);
    else {
      const { value, tags, expiresAt } = operation;
      own.set(operation.key, { value, tags, expiresAt, version: 0, timestamp: 0 });
    }
  }

  key(space: string, key: string): void {
    this.#reads.push({ space, range: { start: key, end: `${key}\0` }, exact: true });
  }

  /** `exact`: what was looked at is this range and nothing else; of a list by tag that can't be said. */
  range(space: string, range: ModelRange, exact: boolean): void {
    this.#reads.push({ space, range, exact });
  }

  /** Whether a commit now conflicts with one made since: it must, it must not, or that can't be said. */
  get conflict(): boolean | undefined {
    const later = this.#model.since(this.#point.version);
    const touched = this.#reads.some(({ space, range, exact }) =>
      exact && later.some((commit) => this.#model.touches(commit, space, range))
    );
    if (touched) return true;
    // By tag, rows of the index that no longer count are looked at too; which those are the model doesn't know.
    return later.length > 0 && this.#reads.some(({ exact }) => !exact) ? undefined : false;
  }

  /** Whether nothing was written, so that nothing can conflict. */
  get wroteNothing(): boolean {
    return this.operations.length === 0;
  }
}
