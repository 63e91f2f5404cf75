/**
 * Puts under conditions, over a store that decides none: this program looks, and puts while nobody else may (`writer_claim.ts`).
 *
 * @module
 */
import { anyOf } from "../../../base/abort.ts";
import { NoSpaceError, PermissionError, StorageError } from "../../../base/errors.ts";
import { ofProcess } from "../../../base/simulation.ts";
import { Turns } from "../../../base/turns.ts";
import { BodyReader } from "../../../storage/body_reader.ts";
import { checkKey } from "../../../storage/object_key.ts";
import type { ObjectBody, ObjectStore, PutOptions } from "../../../storage/object_store.ts";
import { storageError } from "../../../storage/storage_failure.ts";
import { type CheckedPut, checkPut } from "../../../storage/store_options.ts";
import type { RepositoryContext } from "./context.ts";
import { contentTag, firstKey, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import type { WriterClaim } from "./writer_claim.ts";

/** Who looked, and was not to be trusted any more by then, looks again so many times. */
const TRIES = 3;

/** Keys that are being looked at and put to. */
type BusyKeys = Map<string, { turns: Turns; users: number }>;

/** Those of this process, by whichever handle. */
const busyKeys = ofProcess((): BusyKeys => new Map());

/** Whether a store decides conditions by itself. */
export function decidesConditions({ capabilities }: ObjectStore): boolean {
  return capabilities.ifAbsent && capabilities.ifMatch;
}

/** Whether an open repository has the store keep writers apart, be it that it was opened with `readOnly` itself. */
export function storeKeepsApart({ store, letGo }: RepositoryContext): boolean {
  return letGo === undefined && decidesConditions(store);
}

/** Whether a put that failed may still reach the store, and do harm there: what is named by its content is the same whenever it comes. */
function mayArrive(key: string, error: unknown): boolean {
  const isAnswered = error instanceof PermissionError || error instanceof NoSpaceError ||
    (error instanceof StorageError && error.status !== undefined && error.status < 500);
  return !isAnswered && !key.startsWith(PART.objects) && !key.startsWith(PART.log);
}

/** Decides conditions under a claim. */
export class SoleWriter implements Pick<ObjectStore, "put"> {
  readonly #store: ObjectStore;
  readonly #retrying: ObjectStore;
  readonly #claim: WriterClaim;
  readonly #busy: BusyKeys;

  /**
   * Puts to `store`, and looks by way of `retrying`: a put of pieces is not tried again for a look that failed. `busy` are
   * the keys that this process puts to.
   */
  constructor(store: ObjectStore, retrying: ObjectStore, claim: WriterClaim, busy: BusyKeys = busyKeys()) {
    this.#store = store;
    this.#retrying = retrying;
    this.#claim = claim;
    this.#busy = busy;
  }

  /** As `ObjectStore.put`; `OtherWriterError` for a put under a condition while another program writes. */
  async put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    checkKey("put", key);
    const checked = checkPut(options);
    if (!checked.ifAbsent && checked.ifMatch === undefined) return await this.#store.put(key, body, options);
    const state = { isTaken: false };
    try {
      return await this.#inTurn(key, () => this.#putIf(key, body, checked, state));
    } finally {
      // As every store does with a body that it doesn't take.
      if (!state.isTaken) await new BodyReader(body, undefined).close();
    }
  }

  async #putIf(
    key: string,
    body: ObjectBody,
    { ifAbsent: _absent, ifMatch, tag, signal }: CheckedPut,
    state: { isTaken: boolean },
  ): Promise<{ etag: string } | undefined> {
    for (let tries = 1;; tries++) {
      const put = await this.#claim.during(async (trusted, lapse) => {
        if (!await this.#isMet(key, ifMatch, signal)) return { answer: undefined };
        if (!trusted()) return undefined;
        state.isTaken = true;
        try {
          const put = await this.#store.put(key, body, { tag, signal: anyOf(signal, lapse) });
          return { answer: put?.etag === "" && body instanceof Uint8Array ? { etag: contentTag(body) } : put };
        } catch (error) {
          if (mayArrive(key, error)) this.#claim.doubt();
          throw lapse.aborted && !signal?.aborted ? this.#lapsed(key, error) : error;
        }
      }, signal);
      if (put !== undefined) return put.answer;
      if (tries === TRIES) throw this.#lapsed(key, undefined);
    }
  }

  /** Whether what is there has the tag, or there is nothing where none is given. */
  async #isMet(key: string, ifMatch: string | undefined, signal: AbortSignal | undefined): Promise<boolean> {
    if (ifMatch === undefined) return !await this.#isThere(key, signal);
    return (await readBytes(this.#retrying, key, Infinity, signal))?.etag === ifMatch;
  }

  async #isThere(key: string, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return await this.#retrying.head(key, { signal }) !== undefined;
    } catch (error) {
      if (!(error instanceof PermissionError)) throw error;
      // Who may not read what backups consist of may list it: of all keys that begin with it a key is the first.
      return await firstKey(this.#retrying, key) === key;
    }
  }

  #lapsed(key: string, cause: unknown): Error {
    return storageError(
      { store: this.#store.name, operation: "put", key },
      "the store answers too slowly for this program to stay the only one that writes; try again",
      { retryable: true, cause },
    );
  }

  /** Runs `work` when all that came before it for this key has ended. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const busy = this.#busy.get(key) ?? { turns: new Turns(), users: 0 };
    this.#busy.set(key, busy);
    busy.users++;
    try {
      return await busy.turns.take(work);
    } finally {
      if (--busy.users === 0) this.#busy.delete(key);
    }
  }
}
