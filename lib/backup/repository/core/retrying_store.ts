/**
 * A store whose passing failures are tried again, with growing, jittered pauses: 4 tries, about 0.1, 0.4 and 1.6 s apart. Not
 * more, for whoever waits should hear of it; a replication goes on trying by itself.
 *
 * A put of pieces can't be sent twice and is not tried again; callers make the pieces anew.
 *
 * @module
 */
import { StorageError } from "../../../base/errors.ts";
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

const TRIES = 4;
const FIRST_PAUSE_MS = 100;
const GROWTH = 4;

/** How pauses are made. */
export interface RetryOptions {
  /** Waits. */
  delay: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** 0 to 1. */
  random: () => number;
}

/** Wraps a store. */
export class RetryingStore implements ObjectStore {
  readonly #inner: ObjectStore;
  readonly #options: RetryOptions;

  /** Tries again what `inner` calls retryable. */
  constructor(inner: ObjectStore, options: RetryOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get name(): string {
    return this.#inner.name;
  }

  get capabilities(): StoreCapabilities {
    return this.#inner.capabilities;
  }

  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    if (!(body instanceof Uint8Array)) return this.#inner.put(key, body, options);
    return this.#again(() => this.#inner.put(key, body, options), options?.signal);
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

  async freeSpace(): Promise<number | undefined> {
    return await this.#inner.freeSpace?.();
  }

  probe(options?: ProbeOptions): Promise<StoreCapabilities> {
    return this.#again(async () => await this.#inner.probe?.(options) ?? this.capabilities, options?.signal);
  }

  async cleanUp(options: CleanUpOptions): Promise<number> {
    return await this.#inner.cleanUp?.(options) ?? 0;
  }

  async #again<T>(call: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let tries = 1;; tries++) {
      try {
        return await call();
      } catch (error) {
        if (tries === TRIES || !(error instanceof StorageError) || !error.retryable || signal?.aborted) throw error;
      }
      const pause = FIRST_PAUSE_MS * GROWTH ** (tries - 1);
      await this.#options.delay(pause * (0.5 + this.#options.random()), signal);
    }
  }
}
