/**
 * A bucket with versioning as it was at a moment, to be read only: the way back when somebody has overwritten or deleted what
 * lies there now.
 *
 * ```
 * versions of a key, the newest first     seen at the moment m
 *   garbage            11:20
 *   delete marker      11:19
 *   ──────────────────────── m = 11:00
 *   the object         09:30              this one
 *   an older one       08:00
 * ```
 *
 * Times are the service's own. A key whose newest version up to the moment is a delete marker was not there.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { isKey } from "../object_key.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectInfo,
  ObjectStore,
  StoreCapabilities,
  StoredObject,
} from "../object_store.ts";
import { checkKey } from "../object_key.ts";
import { RequestFailure } from "../remote/request_failure.ts";
import { storageError } from "../storage_failure.ts";
import { checkGet, checkList, checkSignal } from "../store_options.ts";
import type { Sdk } from "./client.ts";
import type { S3Dialect } from "./dialect.ts";
import { readObject } from "./download.ts";
import type { S3Settings } from "./options.ts";
import { S3Requests, type S3Surroundings } from "./requests.ts";

/** A version of an object; `version` undefined: a delete marker. */
interface Found {
  at: number;
  version: string | undefined;
  size: number;
}

/** The newest version of each key up to the moment. */
type Newest = Map<string, Found>;

/** The versions of a bucket. Made by `s3` with option `asOf`. */
export class S3VersionsStore implements ObjectStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities = { ifAbsent: false, ifMatch: false, ranges: true };
  readonly #requests: S3Requests;
  readonly #settings: S3Settings;
  readonly #asOf: number;

  /** Makes no request. */
  constructor(settings: S3Settings, asOf: number, dialect: S3Dialect, surroundings: S3Surroundings) {
    this.#settings = settings;
    this.#asOf = asOf;
    this.#requests = new S3Requests(settings, dialect, surroundings);
    this.name = `${this.#requests.name} as of ${new Date(asOf).toISOString()}`;
  }

  put(key: string): Promise<never> {
    return this.#refuse("put", key);
  }

  delete(key: string): Promise<never> {
    return this.#refuse("delete", key);
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    checkKey("get", key);
    const wanted = checkGet(options);
    throwIfAborted(wanted.signal);
    const found = await this.#find(key, "get", wanted.signal);
    if (found?.version === undefined) return undefined;
    return await readObject(this.#requests, key, wanted, found.version);
  }

  async head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    checkKey("head", key);
    const signal = checkSignal("head", options);
    throwIfAborted(signal);
    const found = await this.#find(key, "head", signal);
    return found?.version === undefined ? undefined : { key, size: found.size };
  }

  async list(options?: ListOptions): Promise<ListPage> {
    const { prefix, after, limit, signal } = checkList(options);
    throwIfAborted(signal);
    const newest: Newest = new Map();
    // Of the key at which a page ends there may be more on the next; the keys before it are complete.
    for await (const end of this.#pages("list", prefix, after, newest, signal)) {
      const complete = [...newest.keys()].filter((key) => end === undefined || key < end).sort(byBytes);
      const objects = complete.flatMap((key) => {
        const { version, size } = newest.get(key)!;
        return version === undefined || !isKey(key) ? [] : [{ key, size }];
      });
      if (objects.length > limit) return { objects: objects.slice(0, limit), next: objects[limit - 1]!.key };
      if (end === undefined) return { objects, next: undefined };
      if (objects.length > 0) return { objects, next: complete.at(-1) };
    }
    return { objects: [], next: undefined };
  }

  async #find(key: string, operation: string, signal: AbortSignal | undefined): Promise<Found | undefined> {
    const newest: Newest = new Map();
    for await (const end of this.#pages(operation, key, undefined, newest, signal, key)) {
      // The newest come first.
      if (newest.has(key) || (end !== undefined && end > key)) break;
    }
    return newest.get(key);
  }

  /** Takes in page after page; gives the key at which each ends, undefined behind the last one. */
  async *#pages(
    operation: string,
    prefix: string,
    after: string | undefined,
    newest: Newest,
    signal: AbortSignal | undefined,
    key = "",
  ): AsyncGenerator<string | undefined> {
    const own = this.#settings.prefix;
    let KeyMarker = after === undefined || after === "" ? undefined : own + after;
    let VersionIdMarker: string | undefined;
    for (;;) {
      const { output } = await this.#requests.request<Sdk.ListObjectVersionsCommandOutput>(
        { operation, key, signal },
        (sdk) =>
          new sdk.ListObjectVersionsCommand({
            Bucket: this.#settings.bucket,
            ...(own + prefix === "" ? {} : { Prefix: own + prefix }),
            ...(KeyMarker === undefined ? {} : { KeyMarker }),
            ...(VersionIdMarker === undefined ? {} : { VersionIdMarker }),
          }),
        async ({ Name, IsTruncated, NextKeyMarker }) => {
          if (Name !== undefined && (IsTruncated === false || (IsTruncated && NextKeyMarker !== undefined))) return;
          throw new RequestFailure("the answer is no whole page of a listing", { retryable: true });
        },
      );
      for (const { Key, LastModified, VersionId, Size } of output.Versions ?? []) {
        this.#take(newest, after, Key, LastModified, VersionId ?? "null", Size ?? 0);
      }
      for (const { Key, LastModified } of output.DeleteMarkers ?? []) {
        this.#take(newest, after, Key, LastModified, undefined, 0);
      }
      if (!output.IsTruncated) return yield undefined;
      const next = output.NextKeyMarker!;
      if (KeyMarker !== undefined && next === KeyMarker && output.NextVersionIdMarker === VersionIdMarker) {
        throw storageError({ store: this.name, operation, key }, "the service's listing of versions does not move on");
      }
      [KeyMarker, VersionIdMarker] = [next, output.NextVersionIdMarker];
      yield next.slice(own.length);
    }
  }

  #take(
    newest: Newest,
    after: string | undefined,
    full: string | undefined,
    modified: Date | undefined,
    version: string | undefined,
    size: number,
  ): void {
    const own = this.#settings.prefix;
    if (full === undefined || modified === undefined || !full.startsWith(own)) return;
    const key = full.slice(own.length);
    const at = modified.getTime();
    if (at > this.#asOf || (after !== undefined && key <= after)) return;
    const known = newest.get(key);
    // Of one time there may be two; the first that is listed is the newer, and an object is rather there than not.
    if (known !== undefined && (known.at > at || (known.at === at && known.version !== undefined))) return;
    newest.set(key, { at, version, size });
  }

  #refuse(operation: string, key: string): Promise<never> {
    const reason = 'what was can be read and not changed; leave option "asOf" out, or open with readOnly';
    return Promise.reject(storageError({ store: this.name, operation, key }, reason));
  }
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
