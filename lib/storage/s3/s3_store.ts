/**
 * Objects in a bucket of a service that speaks S3.
 *
 * @module
 */
import { abortable, throwIfAborted } from "../../base/abort.ts";
import { BodyReader } from "../body_reader.ts";
import { checkKey, isKey } from "../object_key.ts";
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
} from "../object_store.ts";
import { PartCutter, type Parts, PartViews, wholePart } from "../remote/part_cutter.ts";
import { RequestFailure } from "../remote/request_failure.ts";
import type { Sdk } from "./client.ts";
import type { Abilities, Condition, S3Dialect } from "./dialect.ts";
import { cleanUp } from "./clean_up.ts";
import { deleteMany } from "./delete_many.ts";
import { headObject, readObject } from "./download.ts";
import { PARTS_MAX, type S3Settings } from "./options.ts";
import { probe, probeCompletion } from "./probe.ts";
import { S3Requests, type S3Surroundings } from "./requests.ts";
import { goesWhole, putLarge, putWhole, type UploadOptions } from "./upload.ts";
import { checkCleanUp, checkGet, checkList, checkProbe, checkPut, checkSignal } from "../store_options.ts";
import { storageError } from "../storage_failure.ts";

/** A bucket, or the part of it under a prefix. Made by `s3` and `gcs`. */
export class S3Store implements ObjectStore {
  readonly name: string;
  readonly #requests: S3Requests;
  readonly #settings: S3Settings;
  #abilities: Abilities | undefined;
  #probing: Promise<Abilities> | undefined;
  #conditionalCompletion: Promise<boolean> | undefined;
  /** Whether the service may have a request that removes many objects. */
  #deletesMany = true;

  /** Makes no request. */
  constructor(settings: S3Settings, dialect: S3Dialect, surroundings: S3Surroundings) {
    this.#settings = settings;
    this.#requests = new S3Requests(settings, dialect, surroundings);
    this.name = this.#requests.name;
    this.#abilities = dialect.known(settings);
  }

  /** What the service can do; of one that was not asked yet the best is assumed (`probe` asks). */
  get capabilities(): StoreCapabilities {
    const { ifAbsent = true, ifMatch = true, checksums = false } = this.#abilities ?? {};
    return { ifAbsent, ifMatch, ranges: true, checksums };
  }

  /** Asks the service what it can do, once, unless that is known; it needs the right to write. */
  async probe(options?: ProbeOptions): Promise<StoreCapabilities> {
    const { write, signal } = checkProbe(options);
    throwIfAborted(signal);
    if (write) await this.#probed(signal);
    return this.capabilities;
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    checkKey("put", key);
    const { ifAbsent, ifMatch, signal } = checkPut(options);
    const reader = new BodyReader(body, signal);
    try {
      throwIfAborted(signal);
      const condition: Condition | undefined = ifAbsent
        ? { ifAbsent }
        : ifMatch === undefined
        ? undefined
        : { ifMatch };
      return await this.#put(key, body, reader, condition, signal);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      await reader.close();
    }
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    checkKey("get", key);
    const wanted = checkGet(options);
    throwIfAborted(wanted.signal);
    return await readObject(this.#requests, key, wanted);
  }

  async head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    checkKey("head", key);
    const signal = checkSignal("head", options);
    throwIfAborted(signal);
    const found = await headObject(this.#requests, key, "head", signal);
    return found === undefined ? undefined : { key, size: found.size };
  }

  async list(options?: ListOptions): Promise<ListPage> {
    const { prefix, after, limit, signal } = checkList(options);
    throwIfAborted(signal);
    const own = this.#settings.prefix;
    const { output } = await this.#requests.request<Sdk.ListObjectsV2CommandOutput>(
      { operation: "list", key: "", signal },
      (sdk) =>
        new sdk.ListObjectsV2Command({
          Bucket: this.#settings.bucket,
          ...(own + prefix === "" ? {} : { Prefix: own + prefix }),
          ...(after === undefined || own + after === "" ? {} : { StartAfter: own + after }),
          MaxKeys: limit,
        }),
      async ({ IsTruncated, Contents, Name }) => {
        // An answer that was cut off must not pass for the end of the listing.
        if (Name !== undefined && (IsTruncated === false || (IsTruncated && Contents?.length))) return;
        throw new RequestFailure("the answer is no whole page of a listing", { retryable: true });
      },
    );
    const objects: ObjectInfo[] = [];
    let last = after;
    for (const { Key, Size } of output.Contents ?? []) {
      const key = Key?.startsWith(own) ? Key.slice(own.length) : undefined;
      // Names of others that are no keys may sort in another order as bytes than as strings; a key does not.
      const isOwn = key !== undefined && isKey(key);
      const isBehind = isOwn && last !== undefined && key <= last;
      if (key === undefined || Size === undefined || !key.startsWith(prefix) || isBehind) {
        // What lies after a key is asked for by its order, so nothing can be concluded from a listing without it.
        if (key !== undefined && key === last && key === after) continue;
        throw storageError(
          { store: this.name, operation: "list", key: "" },
          "the service lists keys out of the order of their bytes, or others than were asked for; it can't be used",
        );
      }
      last = key;
      // Others may put what they like there; probes and spooled objects are no objects either.
      if (isOwn) objects.push({ key, size: Size });
    }
    return { objects, next: output.IsTruncated ? last : undefined };
  }

  async delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkKey("delete", key);
    const signal = checkSignal("delete", options);
    throwIfAborted(signal);
    const { bucket } = this.#settings;
    try {
      await this.#requests.request(
        { operation: "delete", key, signal },
        (sdk) => new sdk.DeleteObjectCommand({ Bucket: bucket, Key: this.#requests.full(key) }),
      );
    } catch (error) {
      // Some services say so, and that is fine.
      const { status, message } = error as { status?: number; message?: string };
      if (status === 404 && !/NoSuchBucket/.test(message ?? "")) return;
      throw error;
    }
  }

  async deleteMany(keys: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<string[]> {
    for (const key of keys) checkKey("deleteMany", key);
    const signal = checkSignal("deleteMany", options);
    throwIfAborted(signal);
    if (!this.#deletesMany) return [...keys];
    const { left, able } = await deleteMany(this.#requests, keys, signal);
    this.#deletesMany = able;
    return left;
  }

  async cleanUp(options: CleanUpOptions): Promise<number> {
    const { before, signal } = checkCleanUp(options);
    throwIfAborted(signal);
    return await cleanUp(this.#requests, before, signal);
  }

  async #put(
    key: string,
    body: ObjectBody,
    reader: BodyReader,
    condition: Condition | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string } | undefined> {
    const { partBytes } = this.#settings;
    // What is put before the service was asked has the digest that all of them know.
    const { digest } = this.#abilities ?? NO_CONDITIONS;
    const options = async (): Promise<UploadOptions> => ({
      condition,
      abilities: condition === undefined ? NO_CONDITIONS : await this.#able(key, condition, signal),
      signal,
    });
    if (body instanceof Uint8Array && goesWhole(body.length, partBytes, condition)) {
      return await putWhole(this.#requests, key, wholePart(body, digest), await options());
    }
    const parts: Parts = body instanceof Uint8Array
      ? new PartViews(body, Math.max(partBytes, Math.ceil(body.length / PARTS_MAX)), digest)
      : new PartCutter(reader, partBytes, digest);
    const first = await parts.next() ?? wholePart(new Uint8Array(0), digest);
    const second = first.bytes.length < partBytes ? undefined : await parts.next();
    if (second === undefined) {
      const put = await putWhole(this.#requests, key, first, await options());
      parts.giveBack(first);
      return put;
    }
    // The bytes are many: what is there already is not sent.
    if (condition !== undefined && "ifAbsent" in condition) {
      if (await headObject(this.#requests, key, "put", signal) !== undefined) return undefined;
    }
    const conditional = (): Promise<boolean> => this.#completes(signal);
    return await putLarge(this.#requests, key, parts, [first, second], conditional, await options());
  }

  /** What the service can do, which is as much as the condition needs. */
  async #able(key: string, condition: Condition, signal: AbortSignal | undefined): Promise<Abilities> {
    const abilities = await this.#probed(signal);
    const name = "ifAbsent" in condition ? "ifAbsent" : "ifMatch";
    if (abilities[name]) return abilities;
    throw storageError(
      { store: this.name, operation: "put", key },
      `the service has no conditional writes (${name}), by which two writers are kept apart; use one that has them`,
    );
  }

  async #probed(signal: AbortSignal | undefined): Promise<Abilities> {
    if (this.#abilities !== undefined) return this.#abilities;
    // Shared, so it does not end with one caller's signal.
    this.#probing ??= probe(this.#requests, undefined).then((abilities) => this.#abilities = abilities)
      .finally(() => this.#probing = undefined);
    return await abortable(this.#probing, signal);
  }

  async #completes(signal: AbortSignal | undefined): Promise<boolean> {
    const known = this.#requests.dialect.conditionalCompletion(this.#settings);
    if (known !== undefined) return known;
    this.#conditionalCompletion ??= probeCompletion(this.#requests, undefined).catch((error) => {
      this.#conditionalCompletion = undefined;
      throw error;
    });
    return await abortable(this.#conditionalCompletion, signal);
  }
}

const NO_CONDITIONS: Abilities = {
  ifAbsent: false,
  ifMatch: false,
  matchForm: "quoted",
  checksums: false,
  digest: "md5",
};
