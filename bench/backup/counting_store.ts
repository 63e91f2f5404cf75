/** @module */
import type {
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
} from "../../lib/storage/object_store.ts";

/** Passes everything on and counts: what a bucket would be paid for. */
export class CountingStore implements ObjectStore {
  /** Calls by name, and `bytesPut` and `bytesGot`. */
  readonly counts: Record<string, number> = { put: 0, get: 0, head: 0, list: 0, delete: 0, bytesPut: 0, bytesGot: 0 };
  readonly name: string;
  readonly #store: ObjectStore;

  /** Counts the calls to `store`. */
  constructor(store: ObjectStore) {
    this.#store = store;
    this.name = store.name;
  }

  /** See `ObjectStore`. */
  get capabilities(): StoreCapabilities {
    return this.#store.capabilities;
  }

  /** See `ObjectStore`. */
  async probe(options?: ProbeOptions): Promise<StoreCapabilities> {
    return await this.#store.probe?.(options) ?? this.capabilities;
  }

  /** See `ObjectStore`. */
  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    this.#add("put", 1);
    if (body instanceof Uint8Array) {
      this.#add("bytesPut", body.length);
      return this.#store.put(key, body, options);
    }
    return this.#store.put(key, this.#counted(body, "bytesPut"), options);
  }

  /** See `ObjectStore`. */
  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    this.#add("get", 1);
    const object = await this.#store.get(key, options);
    return object === undefined ? undefined : { ...object, body: this.#counted(object.body, "bytesGot") };
  }

  /** See `ObjectStore`. */
  head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    this.#add("head", 1);
    return this.#store.head(key, options);
  }

  /** See `ObjectStore`. */
  list(options?: ListOptions): Promise<ListPage> {
    this.#add("list", 1);
    return this.#store.list(options);
  }

  /** See `ObjectStore`. */
  delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    this.#add("delete", 1);
    return this.#store.delete(key, options);
  }

  async *#counted(pieces: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      this.#add(name, piece.length);
      yield piece;
    }
  }

  #add(name: string, count: number): void {
    this.counts[name] = this.counts[name]! + count;
  }
}
