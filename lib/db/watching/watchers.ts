/**
 * Who watches what: a commit is gone through once, however many watch, and of each change only those are told who want it.
 *
 * Watches of certain keys are found by the key. Those of a prefix are found by what the key begins with, once for each length
 * that any of these prefixes has.
 *
 * @module
 */
import type { CommitEvent } from "../../engine/types.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Context } from "../context.ts";
import { visitChanges } from "./change.ts";
import { nameOf, type PendingChanges } from "./pending.ts";

const known = new WeakMap<Context, Watchers>();

/** Tells a watch of a database's changes from now on; the function given back ends that. */
export function watchFor(context: Context, pending: PendingChanges): () => void {
  const watchers = known.get(context) ?? new Watchers(context);
  known.set(context, watchers);
  return watchers.add(pending);
}

/** The watches of one database. */
class Watchers {
  readonly #context: Context;
  readonly #spaces = new Map<Definition, SpaceWatchers>();
  #stopListening: (() => void) | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  add(pending: PendingChanges): () => void {
    const { definition } = pending.wanted;
    const space = this.#spaces.get(definition) ?? new SpaceWatchers();
    this.#spaces.set(definition, space);
    space.add(pending);
    this.#stopListening ??= this.#context.engine.onCommit((event) => this.#tell(event));
    return () => {
      // Ended twice, it would take the place of one that has begun meanwhile.
      if (!space.remove(pending)) return;
      if (space.all.size === 0) this.#spaces.delete(definition);
      if (this.#spaces.size > 0) return;
      this.#stopListening?.();
      this.#stopListening = undefined;
    };
  }

  #tell(event: CommitEvent | { reset: true; version: number }): void {
    const { version } = event;
    const reset = (): void => {
      for (const { all } of this.#spaces.values()) for (const pending of all) pending.resetAt(version);
    };
    if ("reset" in event) return reset();
    visitChanges(this.#context, version, event.ops, {
      set: (whose, key) => this.#spaces.get(whose)?.note("set", whose, key, version),
      delete: (whose, key) => this.#spaces.get(whose)?.note("delete", whose, key, version),
      deleteRange: (whose, start, end) => {
        for (const pending of this.#spaces.get(whose)?.all ?? []) pending.noteRange(start, end, version);
      },
      reset,
    });
  }
}

/** The watches of one key space. */
class SpaceWatchers {
  readonly all = new Set<PendingChanges>();
  /** By the names of certain keys. */
  readonly #keys = new Map<string, Set<PendingChanges>>();
  /** By the names of prefixes, which are by their lengths. */
  readonly #prefixes = new Map<number, Map<string, Set<PendingChanges>>>();

  add(pending: PendingChanges): void {
    this.all.add(pending);
    for (const [names, name] of this.#places(pending)) {
      const there = names.get(name) ?? new Set();
      names.set(name, there.add(pending));
    }
  }

  /** Whether it was there. */
  remove(pending: PendingChanges): boolean {
    if (!this.all.delete(pending)) return false;
    for (const [names, name] of this.#places(pending)) {
      const there = names.get(name);
      there?.delete(pending);
      if (there?.size === 0) names.delete(name);
    }
    for (const [length, names] of this.#prefixes) if (names.size === 0) this.#prefixes.delete(length);
    return true;
  }

  note(type: "set" | "delete", { prefix }: Definition, key: Uint8Array, version: number): void {
    const name = nameOf(key.subarray(prefix.length));
    for (const pending of this.#keys.get(name) ?? []) pending.note(type, name, key, version);
    for (const [length, names] of this.#prefixes) {
      if (length > name.length) continue;
      for (const pending of names.get(name.slice(0, length)) ?? []) pending.note(type, name, key, version);
    }
  }

  /** Where the name of each thing that is wanted belongs. */
  #places({ wanted: { keys, prefix } }: PendingChanges): [Map<string, Set<PendingChanges>>, string][] {
    if (keys !== undefined) return keys.map((key) => [this.#keys, nameOf(key)]);
    const name = nameOf(prefix);
    const names = this.#prefixes.get(name.length) ?? new Map();
    this.#prefixes.set(name.length, names);
    return [[names, name]];
  }
}
