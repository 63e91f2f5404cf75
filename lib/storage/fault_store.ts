/**
 * A store that fails as it is told: for tests of what relies on stores.
 *
 * Faults are scripted (the n-th call, or calls that a predicate names) or drawn from a seeded generator. With the count of
 * calls of a good run, a test can let each one fail in turn:
 *
 * ```ts
 * import { FaultStore } from "./fault_store.ts";
 * import { MemoryStore } from "./memory_store.ts";
 * const store = new FaultStore(new MemoryStore(), { faults: [{ at: 2, do: "lose" }] });
 * await store.put("a", new Uint8Array(1));
 * await store.put("b", new Uint8Array(1)).catch(() => "no answer");
 * (await store.head("b"))?.size; // 1: it had taken effect
 * store.calls.length; // 3
 * ```
 *
 * @module
 */
import { checkFault } from "../base/faults.ts";
import { checkOptions, describeValue, functionOption } from "../base/options.ts";
import { StaleListing } from "./fault/stale_listing.ts";
import { tornBody, watchedBody } from "./fault/faulty_body.ts";
import type {
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  StoredObject,
} from "./object_store.ts";
import { storageError } from "./storage_failure.ts";

/** One call on a `FaultStore`. */
export interface StoreCall {
  /** The first is 1. */
  index: number;
  /** What was called. */
  operation: "put" | "get" | "head" | "list" | "delete";
  /** The key; of a list its prefix. */
  key: string;
  /** Of a put with a condition, which; of a list beyond the first page `"after"`. */
  option: "ifAbsent" | "ifMatch" | "after" | undefined;
}

/**
 * How a call fails:
 *
 * | kind | of a put | of a get | of a list | of others |
 * |---|---|---|---|---|
 * | `"refuse"` | rejects, nothing happened | the same | the same | the same |
 * | `"lose"` | takes effect, then rejects: the answer is lost | rejects | rejects | takes effect, then rejects |
 * | `"tear"` | the body breaks off half-way; rejects, nothing is to be seen | the body breaks off half-way and throws | as refuse | as refuse |
 * | `"die"` | as refuse, and so does every later call: the process is dead | the same | the same | the same |
 * | `"dieAfter"` | as lose, and every later call is refused | the same | the same | the same |
 * | `"stale"` | - | - | as it was when this fault was injected, as a store would that breaks rule 3 | - |
 * | `"hide"` | - | - | lacks keys, as a store would that breaks rule 3 | - |
 */
export type StoreFaultKind = "refuse" | "lose" | "tear" | "die" | "dieAfter" | "stale" | "hide";

const KINDS: readonly StoreFaultKind[] = ["refuse", "lose", "tear", "die", "dieAfter", "stale", "hide"];

/** A fault and when it strikes. */
export interface StoreFault {
  /** The call with this index, or each call for which this is true. */
  at: number | ((call: StoreCall) => boolean);
  /** What happens; a function draws anew for each call. */
  do: StoreFaultKind | (() => StoreFaultKind);
  /** How often it strikes; once unless given, `Infinity` is for good. */
  times?: number | undefined;
  /** What the call throws; a `StorageError` that may be tried again unless given. */
  error?: ((call: StoreCall) => unknown) | undefined;
  /** With `"hide"`: which keys are missing; every second of a page unless given. */
  hidden?: ((key: string) => boolean) | undefined;
}

/** Options of a `FaultStore`. */
export interface FaultStoreOptions {
  /** What goes wrong; more can be injected later. The first that fits a call strikes. */
  faults?: readonly StoreFault[] | undefined;
  /** Called before each call, which goes on when the answer has settled: a slow store. */
  delay?: ((call: StoreCall) => Promise<void> | undefined) | undefined;
}

/** A fault that strikes at random: at each call with this probability, in one of these ways. */
export function randomFault(
  random: () => number,
  probability: number,
  kinds: readonly StoreFaultKind[] = ["refuse", "lose", "tear"],
): StoreFault {
  return {
    at: () => random() < probability,
    do: () => kinds[Math.floor(random() * kinds.length)] ?? "refuse",
    times: Infinity,
  };
}

function checkedOptions(options: FaultStoreOptions | undefined): FaultStoreOptions {
  const checked = checkOptions("FaultStore", options, ["faults", "delay"]);
  const { faults } = checked;
  if (faults !== undefined && !Array.isArray(faults)) {
    throw new TypeError(`FaultStore: option "faults" must be an array of faults, not ${describeValue(faults)}`);
  }
  functionOption("FaultStore", checked, "delay");
  return checked;
}

interface ActiveFault {
  readonly fault: StoreFault;
  left: number;
  readonly stale: StaleListing | undefined;
}

interface Strike {
  readonly kind: StoreFaultKind;
  readonly active: ActiveFault;
}

/** An object store over another one, with faults. */
export class FaultStore implements ObjectStore {
  readonly name: string;
  readonly capabilities: StoreCapabilities;
  /** All calls so far. */
  readonly calls: StoreCall[] = [];
  readonly #store: ObjectStore;
  readonly #delay: FaultStoreOptions["delay"];
  readonly #faults: ActiveFault[] = [];
  #dead = false;

  /** Over `store`, which stays usable by itself. */
  constructor(store: ObjectStore, options?: FaultStoreOptions) {
    const { faults = [], delay } = checkedOptions(options);
    this.#store = store;
    this.name = `faulty ${store.name}`;
    // What is spoiled here, the store finds nothing wrong with.
    this.capabilities = { ...store.capabilities, checksums: false };
    this.#delay = delay;
    for (const fault of faults) this.inject(fault);
  }

  /** Adds a fault; the function given back removes it. */
  inject(fault: StoreFault): () => void {
    checkFault(fault, KINDS, ["error", "hidden"]);
    // What a function will draw nobody knows.
    const mayBeStale = fault.do === "stale" || typeof fault.do === "function";
    const stale = mayBeStale ? new StaleListing(this.#store) : undefined;
    const active: ActiveFault = { fault, left: fault.times ?? 1, stale };
    this.#faults.push(active);
    return () => {
      active.left = 0;
    };
  }

  /** Whether every call is refused: after a fault `"die"` or `"dieAfter"`, or `kill`. */
  get dead(): boolean {
    return this.#dead;
  }

  /** Ends the process that uses this store: every call is refused, those under way get no answer, bodies break off. */
  kill(): void {
    this.#dead = true;
  }

  put(key: string, body: ObjectBody, options?: PutOptions): Promise<{ etag: string } | undefined> {
    const option = options?.ifAbsent ? "ifAbsent" : options?.ifMatch === undefined ? undefined : "ifMatch";
    return this.#call("put", key, option, async (strike, call) => {
      await this.#remember(key);
      const failing = (): unknown => this.#dead ? this.#death(call) : undefined;
      if (strike?.kind !== "tear") return await this.#store.put(key, watchedBody(body, failing), options);
      const error = this.#error(strike, call);
      await this.#store.put(key, tornBody(body, () => error), options).catch(() => {});
      throw error;
    });
  }

  get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
    return this.#call("get", key, undefined, async (strike, call) => {
      const found = await this.#store.get(key, options);
      if (found === undefined) return undefined;
      if (this.#dead || strike?.kind === "lose" || strike?.kind === "dieAfter") {
        // Nobody will hear of it, and it may hold a file or a connection.
        await found.body[Symbol.asyncIterator]().return?.();
        return undefined;
      }
      const failing = (): unknown => this.#dead ? this.#death(call) : undefined;
      const body = strike?.kind === "tear"
        ? tornBody(found.body, () => this.#error(strike, call))
        : watchedBody(found.body, failing) as AsyncIterable<Uint8Array>;
      return { size: found.size, etag: found.etag, body };
    });
  }

  head(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectInfo | undefined> {
    return this.#call("head", key, undefined, () => this.#store.head(key, options));
  }

  list(options: ListOptions = {}): Promise<ListPage> {
    const option = options.after === undefined ? undefined : "after";
    return this.#call("list", options.prefix ?? "", option, async (strike) => {
      if (strike?.kind === "stale") return await strike.active.stale!.list(options);
      const page = await this.#store.list(options);
      if (strike?.kind !== "hide") return page;
      let index = 0;
      const hidden = strike.active.fault.hidden ?? (() => index++ % 2 === 1);
      return { objects: page.objects.filter(({ key }) => !hidden(key)), next: page.next };
    });
  }

  delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void> {
    return this.#call("delete", key, undefined, async () => {
      await this.#remember(key);
      await this.#store.delete(key, options);
    });
  }

  /** As the store below says; never faulty, not counted. */
  async freeSpace(): Promise<number | undefined> {
    return await this.#store.freeSpace?.();
  }

  async #call<T>(
    operation: StoreCall["operation"],
    key: string,
    option: StoreCall["option"],
    work: (strike: Strike | undefined, call: StoreCall) => Promise<T>,
  ): Promise<T> {
    const call: StoreCall = { index: this.calls.length + 1, operation, key, option };
    this.calls.push(call);
    const strike = this.#dead ? undefined : this.#strike(call);
    await this.#delay?.(call);
    if (this.#dead) throw this.#death(call);
    const kind = strike?.kind;
    if (kind === "die") this.#dead = true;
    const torn = operation === "put" || operation === "get";
    if (kind === "die" || kind === "refuse" || (kind === "tear" && !torn)) throw this.#error(strike!, call);
    const result = await work(strike, call);
    if (kind === "dieAfter") this.#dead = true;
    if (kind === "dieAfter" || kind === "lose") throw this.#error(strike!, call);
    if (this.#dead) throw this.#death(call);
    return result;
  }

  #strike(call: StoreCall): Strike | undefined {
    for (const active of this.#faults) {
      const { at } = active.fault;
      if (active.left <= 0 || !(typeof at === "number" ? at === call.index : at(call))) continue;
      const kind = typeof active.fault.do === "function" ? active.fault.do() : active.fault.do;
      if ((kind === "stale" || kind === "hide") && call.operation !== "list") continue;
      active.left--;
      return { kind, active };
    }
    return undefined;
  }

  /** Before a key changes: stale listings will want to know how it was. */
  async #remember(key: string): Promise<void> {
    for (const { stale, left } of this.#faults) if (left > 0) await stale?.remember(key);
  }

  #error({ kind, active }: Strike, call: StoreCall): unknown {
    if (active.fault.error !== undefined) return active.fault.error(call);
    if (kind === "die" || kind === "dieAfter") return this.#death(call);
    const reason = `fault "${kind}" was injected at call ${call.index}`;
    return storageError({ store: this.name, ...call }, reason, { retryable: true, status: 503 });
  }

  #death(call: StoreCall): unknown {
    return storageError({ store: this.name, ...call }, "this process counts as dead");
  }
}
