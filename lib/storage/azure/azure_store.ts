/**
 * Objects as block blobs of a container of Azure Blob Storage.
 *
 * - Put: a body of one block is one Put Blob, a longer one is staged block by block and becomes the blob with its list of
 *   blocks. The service checks the MD5 of each; conditions are decided with the request that makes the blob.
 * - An answer that was lost: a put with a condition bears a mark of its own. When its condition fails, the blob that is there
 *   tells by its mark whether it is this put's: then it succeeded. If not, the condition did not hold; or, when an attempt
 *   went unanswered, nobody knows whether this put's blob was there in between, and it rejects (rule 4).
 * - Get: ranges of 4 MiB with their MD5, of the bytes that the first one's tag names.
 * - Blocks of a put that failed are shown by no call. The next put of the key drops them, else the service after a week.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { giveBack } from "../../base/buffers.ts";
import { toHex } from "../../base/bytes.ts";
import { randomBytes, randomNumber } from "../../base/simulation.ts";
import { systemTimers, type Timers } from "../../base/timers.ts";
import { BodyReader } from "../body_reader.ts";
import { checkKey } from "../object_key.ts";
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
} from "../object_store.ts";
import { inAttempts } from "../remote/attempts.ts";
import { sendParts } from "../remote/in_parallel.ts";
import { type Part, PartCutter, PartViews, wholePart } from "../remote/part_cutter.ts";
import { remoteError, RequestFailure } from "../remote/request_failure.ts";
import { Secrets } from "../remote/secrets.ts";
import { checkGet, checkList, checkProbe, checkPut, checkSignal } from "../store_options.ts";
import { adviceFor } from "./advice.ts";
import { failureOf } from "./failure.ts";
import { listPage } from "./listing.ts";
import { fetchRange, RANGE_BYTES, restOf, whileReading } from "./ranges.ts";
import { type AzureTransport, type BlockBlobClient, type ContainerClient, containerClient } from "./sdk.ts";
import type { AzureSettings } from "./settings.ts";
import { blockId, bufferOf, type Conditions, isConflict, writeOptions } from "./writing.ts";

/** What tests pass in. */
export interface AzureSurroundings {
  /** ms since the Unix epoch. */
  clock: () => number;
  /** Those that wait. */
  timers: Timers;
  /** 0 to 1. */
  random: () => number;
  /** In the place of the network. */
  transport: AzureTransport | undefined;
  /** How much is fetched with one request that asks for a checksum. */
  rangeBytes: number;
}

/** The service takes no more blocks in a blob. */
const BLOCKS_MAX = 50_000;

/** A store in a container. */
export class AzureStore implements ObjectStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities = { ifAbsent: true, ifMatch: true, ranges: true, checksums: true };
  readonly #settings: AzureSettings;
  readonly #around: AzureSurroundings;
  readonly #secrets: Secrets;
  #container: Promise<ContainerClient> | undefined;

  /** Makes no request yet. */
  constructor(settings: AzureSettings, around: Partial<AzureSurroundings> = {}) {
    const { account, container, prefix, auth } = settings;
    this.name = `azure ${account}/${container}${prefix === "" ? "" : `/${prefix.slice(0, -1)}`}`;
    this.#settings = settings;
    this.#around = {
      clock: Date.now,
      timers: systemTimers,
      random: randomNumber,
      transport: undefined,
      rangeBytes: RANGE_BYTES,
      ...around,
    };
    this.#secrets = new Secrets(auth.kind === "key" ? auth.accountKey : auth.kind === "sas" ? auth.token : undefined);
    if (auth.kind === "sas") this.#secrets.add(new URLSearchParams(auth.token).get("sig") ?? undefined);
  }

  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    checkKey("put", key);
    const { ifAbsent, ifMatch, signal } = checkPut(options);
    throwIfAborted(signal);
    const { blockBytes, concurrency } = this.#settings;
    const reader = body instanceof Uint8Array ? undefined : new BodyReader(body, signal);
    const parts = reader === undefined
      ? new PartViews(body as Uint8Array, blockBytes, "md5")
      : new PartCutter(reader, blockBytes, "md5");
    const condition: Conditions = ifAbsent ? { ifNoneMatch: "*" } : ifMatch !== undefined ? { ifMatch } : {};
    try {
      return await this.#told("put", key, async () => {
        const first = await parts.next();
        const second = first?.bytes.length === blockBytes ? await parts.next() : undefined;
        if (second === undefined) {
          const put = await this.#putWhole(key, first ?? wholePart(new Uint8Array(0), "md5"), condition, signal);
          if (first !== undefined) parts.giveBack(first);
          return put;
        }
        const prefix = randomBytes(15);
        const blocks = await sendParts(parts, [first!, second], concurrency, signal, async (part, index, own) => {
          if (index === BLOCKS_MAX) {
            throw new RequestFailure(`more than ${BLOCKS_MAX} blocks`, {
              code: "BlockCountExceedsLimit",
              retryable: false,
            });
          }
          const id = blockId(prefix, index);
          await this.#stage(key, id, part, own);
          return id;
        });
        return await this.#write(
          key,
          condition,
          signal,
          (blob, own, mark) =>
            blob.commitBlockList(blocks, writeOptions(this.#settings, condition, mark, own, this.#around.clock())),
        );
      });
    } finally {
      await reader?.close();
    }
  }

  async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    checkKey("get", key);
    const { offset, length, signal, ...how } = checkGet(options);
    throwIfAborted(signal);
    return await this.#told("get", key, async () => {
      for (let tries = 0; tries < 3; tries++) {
        if (length > 0) {
          const wanted = Math.min(length, this.#rangeBytes(how.unchecked));
          const first = await this.#absentOr(() =>
            this.#attempt(
              key,
              signal,
              (blob, own) => fetchRange(blob, { offset, length: wanted, ...how }, own, this.#around.clock),
            )
          );
          if (first === undefined) return undefined;
          if (first !== "beyond") {
            const { bytes, size, etag } = first;
            const end = Math.min(size, offset + length);
            const whole = offset === 0 && end === size;
            const body = this.#body(key, bytes, { at: offset + bytes.length, end, ...how }, etag, signal);
            return { size, etag: whole ? etag : undefined, body };
          }
        }
        // Nothing lies in that range, or nothing was asked for: how large it is, another request tells.
        const info = await this.#properties(key, signal);
        if (info === undefined) return undefined;
        if (length > 0 && offset < info.size) continue;
        return { size: info.size, etag: info.size === 0 ? info.etag : undefined, body: none() };
      }
      throw new RequestFailure("it changed each time that it was looked at", { retryable: true });
    });
  }

  async head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    checkKey("head", key);
    const signal = checkSignal("head", options);
    throwIfAborted(signal);
    const info = await this.#told("head", key, () => this.#properties(key, signal));
    return info === undefined ? undefined : { key, size: info.size };
  }

  async list(options?: ListOptions): Promise<ListPage> {
    const { signal, ...wanted } = checkList(options);
    throwIfAborted(signal);
    return await this.#told(
      "list",
      wanted.prefix,
      () =>
        listPage(wanted, this.#settings.prefix, (page) =>
          this.#request(signal, async (container, own) => {
            const { maxPageSize, continuationToken, ...listed } = page;
            const pages = container.listBlobsFlat({ ...listed, abortSignal: own }).byPage({
              maxPageSize,
              ...(continuationToken === undefined ? {} : { continuationToken }),
            });
            return (await pages.next()).value;
          })),
    );
  }

  async delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    checkKey("delete", key);
    const signal = checkSignal("delete", options);
    throwIfAborted(signal);
    await this.#told(
      "delete",
      key,
      () => this.#absentOr(() => this.#attempt(key, signal, (blob, own) => blob.delete({ abortSignal: own }))),
    );
  }

  /**
   * Whether the container is there and may be listed. What the service can do is part of its protocol and not tried out; an
   * account with a hierarchical namespace is refused, for it lists in another order.
   */
  async probe(options?: ProbeOptions): Promise<StoreCapabilities> {
    const { signal } = checkProbe(options);
    throwIfAborted(signal);
    await this.#told("probe", "", () =>
      this.#request(signal, async (container, own) => {
        await container.listBlobsFlat({ prefix: this.#settings.prefix, abortSignal: own }).byPage({ maxPageSize: 1 })
          .next();
        // Who may only see the container may not ask this; then a listing will tell.
        const about = await container.getAccountInfo({ abortSignal: own }).catch(() => undefined);
        if (about?.isHierarchicalNamespaceEnabled) {
          throw new RequestFailure(
            "the account has a hierarchical namespace, which lists blobs in another order than " +
              "that of their names; use an account without",
            { code: "HierarchicalNamespace", retryable: false },
          );
        }
      }));
    return this.capabilities;
  }

  /** One Put Blob. */
  async #putWhole(
    key: string,
    { bytes, digest }: Part,
    condition: Conditions,
    signal: AbortSignal | undefined,
  ): Promise<{ etag: string } | undefined> {
    return await this.#write(key, condition, signal, (blob, own, mark) =>
      blob.upload(bufferOf(bytes), bytes.length, {
        ...writeOptions(this.#settings, condition, mark, own, this.#around.clock()),
        transactionalContentMD5: digest.value,
      }));
  }

  async #stage(key: string, id: string, { bytes, digest }: Part, signal: AbortSignal): Promise<void> {
    const { encryptionScope } = this.#settings;
    await this.#attempt(key, signal, (blob, own) =>
      blob.stageBlock(id, bufferOf(bytes), bytes.length, {
        abortSignal: own,
        transactionalContentMD5: digest.value,
        ...(encryptionScope === undefined ? {} : { encryptionScope }),
      }));
  }

  /** Makes the request that makes the blob, and finds out what became of it. */
  async #write(
    key: string,
    condition: Conditions,
    signal: AbortSignal | undefined,
    send: (blob: BlockBlobClient, signal: AbortSignal, mark: string | undefined) => Promise<{ etag?: string }>,
  ): Promise<{ etag: string } | undefined> {
    const conditional = condition.ifNoneMatch !== undefined || condition.ifMatch !== undefined;
    const mark = conditional ? toHex(randomBytes(16)) : undefined;
    /** Whether an attempt went unanswered, so that it may have had its effect; and so before the last one. */
    let [open, openBefore] = [false, false];
    try {
      return await this.#attempt(key, signal, async (blob, own) => {
        [openBefore, open] = [open, true];
        const before = openBefore;
        try {
          return { etag: (await send(blob, own, mark)).etag ?? "" };
        } catch (error) {
          const failure = failureOf(error, this.#around.clock());
          if (failure.harmless) open = before;
          throw failure;
        }
      });
    } catch (error) {
      if (!(error instanceof RequestFailure) || !conditional) throw error;
      const lostBlocks = error.code === "InvalidBlockList";
      if (!lostBlocks && !isConflict(error, condition)) throw error;
      // Looked at in any case: a runtime, or what lies between, may send a request again by itself.
      const there = await this.#properties(key, signal);
      if (there !== undefined && there.mark === mark) return { etag: there.etag };
      // Whoever dropped our blocks wrote the blob: the condition does not hold any more.
      const holds = condition.ifNoneMatch !== undefined ? there === undefined : there?.etag === condition.ifMatch;
      if (!openBefore && !(lostBlocks && holds)) return undefined;
      const { status, code, requestId } = error;
      const reason = openBefore
        ? "an attempt was not answered, and something else is there now; whether this was there in between, nobody knows"
        : error.message;
      throw new RequestFailure(reason, { status, code: openBefore ? "Unanswered" : code, requestId, retryable: true });
    }
  }

  async #properties(
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<{ size: number; etag: string; mark: string | undefined } | undefined> {
    const found = await this.#absentOr(() =>
      this.#attempt(key, signal, (blob, own) => blob.getProperties({ abortSignal: own }))
    );
    if (found === undefined || found === "beyond") return undefined;
    return { size: found.contentLength ?? 0, etag: found.etag ?? "", mark: found.metadata?.["holdfastput"] };
  }

  /** The bytes of a get: the first range, which is here, and what follows. */
  async *#body(
    key: string,
    bytes: Uint8Array,
    rest: { at: number; end: number; reuse: boolean; unchecked: boolean },
    etag: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array> {
    const { reuse, unchecked } = rest;
    if (bytes.length > 0) yield bytes;
    throwIfAborted(signal);
    if (reuse) giveBack(bytes);
    const fetch = async (offset: number, length: number, own: AbortSignal): Promise<Uint8Array> => {
      const range = { offset, length, reuse, unchecked, etag };
      try {
        return (await this.#attempt(key, own, (blob, each) => fetchRange(blob, range, each, this.#around.clock))).bytes;
      } catch (error) {
        throw whileReading(error);
      }
    };
    try {
      yield* restOf({ ...rest, rangeBytes: this.#rangeBytes(unchecked) }, this.#settings.concurrency, signal, fetch);
    } catch (error) {
      throw this.#errorOf("get", key, error);
    }
  }

  /** Nothing but the checksum bounds a range: without it a table of the usual size comes with one request. */
  #rangeBytes(unchecked: boolean): number {
    return unchecked ? 2 * this.#around.rangeBytes : this.#around.rangeBytes;
  }

  /** Undefined where there is no such blob, `"beyond"` where it has no such bytes. */
  async #absentOr<T>(run: () => Promise<T>): Promise<T | undefined | "beyond"> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof RequestFailure && error.code === "BlobNotFound") return undefined;
      if (error instanceof RequestFailure && error.status === 416) return "beyond";
      throw error;
    }
  }

  #attempt<T>(
    key: string,
    signal: AbortSignal | undefined,
    run: (blob: BlockBlobClient, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const name = this.#settings.prefix + key;
    return this.#request(signal, (container, own) => run(container.getBlockBlobClient(name), own));
  }

  /** A request with its attempts; rejects with a `RequestFailure`, or the signal's reason. */
  #request<T>(
    signal: AbortSignal | undefined,
    run: (container: ContainerClient, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { attempts, deadlineMs } = this.#settings;
    const { timers, random, clock, transport } = this.#around;
    return inAttempts(
      async (own) => {
        try {
          // One that could not be made is tried again with the next request.
          this.#container ??= containerClient(this.#settings, transport).catch((error) => {
            this.#container = undefined;
            throw error;
          });
          return await run(await this.#container, own);
        } catch (error) {
          throw failureOf(error, clock());
        }
      },
      signal,
      { attempts, deadlineMs, timers, random },
    );
  }

  /** Runs a call; its `RequestFailure` becomes the error that callers get. */
  async #told<T>(operation: string, key: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw this.#errorOf(operation, key, error);
    }
  }

  #errorOf(operation: string, key: string, error: unknown): unknown {
    if (!(error instanceof RequestFailure)) return error;
    const advice = adviceFor(operation, error, this.#settings);
    return remoteError({ store: this.name, operation, key }, error, advice, this.#secrets);
  }
}

async function* none(): AsyncGenerator<Uint8Array> {}
