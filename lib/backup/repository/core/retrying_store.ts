/**
 * A store whose passing failures are tried again (`again.ts`).
 *
 * A put of pieces can't be sent twice and is not tried again; callers make the pieces anew.
 *
 * Where the store decides no conditions, puts may go by way of what does (`sole_writer.ts`).
 *
 * @module
 */
import type {
  CleanUpOptions,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  ProbeOptions,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "../../../storage/object_store.ts";
import { again, type Waits } from "./again.ts";

/** Wraps a store. */
export class RetryingStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #waits: Waits;
  readonly #writer: Pick<ObjectStore, "put"> | undefined;

  /** Tries again what `inner` calls retryable; `waits` makes the pauses. A `writer` decides conditions in its place. */
  constructor(inner: ObjectStore, waits: Waits, writer?: Pick<ObjectStore, "put">) {
    this.#inner = inner;
    this.#waits = waits;
    this.#writer = writer;
  }

  get name(): string {
    return this.#inner.name;
  }

  get capabilities(): StoreCapabilities {
    const { capabilities } = this.#inner;
    return this.#writer === undefined ? capabilities : { ...capabilities, ifAbsent: true, ifMatch: true };
  }

  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    const store = this.#writer ?? this.#inner;
    if (!(body instanceof Uint8Array)) return store.put(key, body, options);
    return this.#again(() => store.put(key, body, options), options?.signal);
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#again(() => this.#inner.get(key, options), options?.signal);
  }

  head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    return this.#again(() => this.#inner.head(key, options), options?.signal);
  }

  list(options?: ListOptions): Promise<ListPage> {
    return this.#again(() => this.#inner.list(options), options?.signal);
  }

  delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#again(() => this.#inner.delete(key, options), options?.signal);
  }

  async deleteMany(keys: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<string[]> {
    return await this.#again(async () => await this.#inner.deleteMany?.(keys, options) ?? [...keys], options?.signal);
  }

  async freeSpace(): Promise<number | undefined> {
    return await this.#inner.freeSpace?.();
  }

  probe(options?: ProbeOptions): Promise<StoreCapabilities> {
    return this.#again(async () => await this.#inner.probe?.(options) ?? this.capabilities, options?.signal);
  }

  async cleanUp(options: CleanUpOptions): Promise<number> {
    return await this.#inner.cleanUp?.(options) ?? 0;
  }

  #again<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return again(this.#waits, signal, call);
  }
}
