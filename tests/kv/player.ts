/** Makes calls on a KV and says what came of them, in terms that two KVs have in common. */
import { inspect } from "node:util";
import type { AtomicCheck, KvKey } from "../../lib/adapters/kv.ts";
import type { Call, Operand } from "./operations.ts";

/** What a KV must have to be compared: ours, Deno's and the model have it. */
export interface Comparable {
  // deno-lint-ignore no-explicit-any -- the classes of three implementations
  kv: any;
  /** Its class of 64 bits. */
  u64: new (value: bigint) => { value: bigint };
  /** Whether its cursors are bytes as Deno's are, so that they can be compared. */
  cursors: boolean;
}

/** What came of a call: two are equal when the KVs agree. Versionstamps are the number of their commit. */
export type Outcome = { result: unknown } | { error: string };

/** Classes of errors that programs tell apart. */
export function kindOf(error: unknown): string {
  if (error instanceof RangeError) return "RangeError";
  if (error instanceof TypeError) return "TypeError";
  return error instanceof Error ? "Error" : String(error);
}

/** A value in words: where two differ, so do their words. (Bun's comparison takes equal sets of sets for different.) */
function shown(value: unknown): string {
  return inspect(value, { depth: Infinity, maxArrayLength: null, maxStringLength: null });
}

/** One KV under comparison. */
export class Player {
  readonly #kv: Comparable["kv"];
  readonly #u64: Comparable["u64"];
  readonly #cursors: boolean;
  /** The versionstamps of all commits so far. */
  readonly #stamps: string[] = [];

  /** With `cursors`, they are told of; without, only what they do. */
  constructor({ kv, u64 }: Comparable, cursors: boolean) {
    this.#cursors = cursors;
    this.#kv = kv;
    this.#u64 = u64;
  }

  /** Makes a call. */
  async play(call: Call): Promise<Outcome> {
    try {
      return { result: await this.#play(call) };
    } catch (error) {
      return { error: kindOf(error) };
    }
  }

  /** All that is there. */
  async everything(): Promise<unknown> {
    const entries = [];
    for await (const entry of this.#kv.list({ prefix: [] })) entries.push(this.#entry(entry));
    return entries;
  }

  async #play(call: Call): Promise<unknown> {
    const kv = this.#kv;
    switch (call.call) {
      case "get":
        return this.#entry(await kv.get(call.key));
      case "getMany":
        return (await kv.getMany(call.keys)).map((entry: unknown) => this.#entry(entry));
      case "set":
        return this.#committed(await kv.set(call.key, call.value, { expireIn: call.expireIn }));
      case "setU64":
        return this.#committed(await kv.set(call.key, new this.#u64(call.value)));
      case "delete":
        return await kv.delete(call.key);
      case "list":
        return await this.#list(call);
      case "atomic":
        return await this.#atomic(call);
    }
  }

  async #list({ selector, options, resumeAfter }: Call & { call: "list" }): Promise<unknown> {
    const seen: unknown[] = [];
    if (!this.#cursors) options = { ...options, cursor: "" };
    const told = (list: { cursor: string }): string => this.#cursors ? list.cursor : "";
    const list = this.#kv.list(selector, options);
    let cursor: string | undefined;
    for await (const entry of list) {
      seen.push(this.#entry(entry), told(list));
      if (seen.length === 2 * resumeAfter) cursor = list.cursor;
    }
    seen.push(told(list), await list.next());
    // The cursor of the first key of a range may be empty, and then says what none says.
    if (cursor !== undefined && (this.#cursors || selector.prefix !== undefined)) {
      const rest = this.#kv.list(selector, { ...options, cursor });
      for await (const entry of rest) seen.push(this.#entry(entry));
      seen.push(told(rest));
    }
    return seen;
  }

  async #atomic({ checks, mutations }: Call & { call: "atomic" }): Promise<unknown> {
    const operation = this.#kv.atomic();
    for (const { key, demand } of checks) operation.check({ key, versionstamp: await this.#demanded(key, demand) });
    for (const mutation of mutations) {
      if (mutation.type === "set") operation.set(mutation.key, mutation.value);
      else if (mutation.type === "delete") operation.delete(mutation.key);
      else operation.mutate({ type: mutation.type, key: mutation.key, value: this.#operand(mutation.operand) });
    }
    return this.#committed(await operation.commit());
  }

  async #demanded(
    key: KvKey,
    demand: (Call & { call: "atomic" })["checks"][number]["demand"],
  ): Promise<AtomicCheck["versionstamp"]> {
    switch (demand.kind) {
      case "current":
        return (await this.#kv.get(key)).versionstamp;
      case "none":
        return null;
      case "commit":
        return this.#stamps.at(-1 - demand.back) ?? null;
      case "never":
        return "ffffffffffffffffffff";
    }
  }

  #operand(operand: Operand): unknown {
    return "u64" in operand ? new this.#u64(operand.u64) : operand.other;
  }

  /** A commit's result, its versionstamp checked. */
  #committed(result: { ok: boolean; versionstamp?: string }): unknown {
    if (!result.ok) return result;
    const { versionstamp, ...rest } = result;
    if (!/^[0-9a-f]{20}$/.test(versionstamp!)) throw new Error(`no versionstamp: ${versionstamp}`);
    const last = this.#stamps.at(-1);
    if (last !== undefined && !(versionstamp! > last)) throw new Error(`${versionstamp} is not above ${last}`);
    this.#stamps.push(versionstamp!);
    return { ...rest, versionstamp: this.#stamps.length };
  }

  #entry(entry: unknown): unknown {
    const { key, value, versionstamp } = entry as { key: KvKey; value: unknown; versionstamp: string | null };
    const number = versionstamp === null ? null : this.#stamps.indexOf(versionstamp) + 1;
    return { key, value: value instanceof this.#u64 ? `64 bits: ${value.value}` : shown(value), versionstamp: number };
  }
}
