/** A cursor of the database and the plain list it must agree with, walked side by side. */
import assert from "node:assert/strict";
import type { ViewCursor } from "../../lib/engine/types.ts";
import type { Row } from "../../lib/tree/cursor.ts";
import type { Random } from "./random.ts";
import { bytesOf, type Found, nameOf } from "./versioned.ts";

/** Moves both in the same way and compares where they stand. */
export class CursorPair<T> {
  readonly cursor: ViewCursor;
  readonly #list: readonly Found<T>[];
  readonly #keys: readonly string[];
  readonly #compare: (key: string, row: Row, item: T) => void;
  /** On this item of the list, or undefined: before the one at #gap. */
  #on: number | undefined;
  #gap = 0;

  constructor(
    cursor: ViewCursor,
    list: readonly Found<T>[],
    keys: readonly string[],
    compare: (key: string, row: Row, item: T) => void,
  ) {
    this.cursor = cursor;
    this.#list = list;
    this.#keys = keys;
    this.#compare = compare;
  }

  /** Walks so many random moves. */
  walk(random: Random, moves: number): void {
    const forward = random.chance(0.5);
    for (; moves > 0; moves--) {
      const turn = random.weighted<() => void>([
        [forward ? 70 : 15, () => this.#next()],
        [forward ? 15 : 70, () => this.#previous()],
        [10, () => this.#seek(random.pick(this.#keys))],
        [2, () => this.#seekStart()],
        [2, () => this.#seekEnd()],
      ]);
      turn();
      this.check();
    }
  }

  /** Compares where they stand. */
  check(): void {
    const { cursor } = this;
    assert.equal(cursor.valid, this.#on !== undefined, "valid");
    if (this.#on === undefined) return;
    const { key, item } = this.#list[this.#on]!;
    assert.equal(nameOf(cursor.key), key, "the cursor's key");
    this.#compare(key, cursor, item);
  }

  #stand(at: number, moved: boolean): void {
    const inside = at >= 0 && at < this.#list.length;
    assert.equal(moved, inside, `a move to ${at} of ${this.#list.length}`);
    this.#on = inside ? at : undefined;
    this.#gap = at < 0 ? 0 : this.#list.length;
  }

  #next(): void {
    this.#stand(this.#on === undefined ? this.#gap : this.#on + 1, this.cursor.next());
  }

  #previous(): void {
    this.#stand((this.#on ?? this.#gap) - 1, this.cursor.previous());
  }

  #seek(key: string): void {
    this.cursor.seek(bytesOf(key));
    this.#on = undefined;
    const at = this.#list.findIndex((found) => found.key >= key);
    this.#gap = at === -1 ? this.#list.length : at;
  }

  #seekStart(): void {
    this.cursor.seekStart();
    this.#on = undefined;
    this.#gap = 0;
  }

  #seekEnd(): void {
    this.cursor.seekEnd();
    this.#on = undefined;
    this.#gap = this.#list.length;
  }
}
