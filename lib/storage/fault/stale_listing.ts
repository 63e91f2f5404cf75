/**
 * A listing as it was some time ago, as eventually consistent stores used to give it.
 *
 * @module
 */
import type { ListOptions, ListPage, ObjectInfo, ObjectStore } from "../object_store.ts";
import { checkList } from "../store_options.ts";

/** Lists a store as it was when this was made, for changes that `remember` is told of. */
export class StaleListing {
  readonly #store: ObjectStore;
  /** How the keys were that have changed since; undefined: not there. */
  readonly #before = new Map<string, ObjectInfo | undefined>();

  /** As of now. */
  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** To be called before a key changes. */
  async remember(key: string): Promise<void> {
    if (this.#before.has(key)) return;
    const info = await this.#store.head(key);
    if (!this.#before.has(key)) this.#before.set(key, info);
  }

  /** A page of the old listing. All of the new one is read for it. */
  async list(options: ListOptions): Promise<ListPage> {
    const { prefix, after = "", limit, signal } = checkList(options);
    const found: ObjectInfo[] = [];
    for (let next: string | undefined = after; next !== undefined;) {
      const page: ListPage = await this.#store.list({ prefix, after: next, signal });
      found.push(...page.objects.filter(({ key }) => !this.#before.has(key)));
      next = page.next;
    }
    for (const [key, info] of this.#before) {
      if (info !== undefined && key.startsWith(prefix) && key > after) found.push(info);
    }
    found.sort((a, b) => a.key < b.key ? -1 : 1);
    const objects = found.slice(0, limit);
    return { objects, next: found.length > limit ? objects.at(-1)?.key : undefined };
  }
}
