/**
 * A KV as an array of entries that is kept in order by comparing parts, not bytes; what it does is read off Deno KV, not off
 * ours. Its cursors are its own.
 */
import { KvU64 } from "../../lib/adapters/kv.ts";
import { compareKeys, compareParts, rank } from "./key_order.ts";
import type { Key } from "./operations.ts";

interface Entry {
  key: Key;
  value: unknown;
  versionstamp: string;
}

/** Whether `key` goes on behind `prefix`. Deno looks at bytes, to which "a\0b" goes on behind "a". */
function goesOn(key: Key, prefix: Key): boolean {
  if (key.length < prefix.length) return false;
  const last = prefix.length - 1;
  if (prefix.slice(0, last).some((part, i) => compareParts(part, key[i]!) !== 0)) return false;
  const [a, b] = [prefix[last], key[last]];
  if (a === undefined || compareParts(a, b!) === 0) return key.length > prefix.length;
  if (typeof a === "string" && typeof b === "string") return b.startsWith(`${a}\0`);
  if (!(a instanceof Uint8Array && b instanceof Uint8Array)) return false;
  return b[a.length] === 0 && a.every((byte, i) => byte === b[i]);
}

function copied(key: Key): Key {
  return key.map((part) => {
    rank(part);
    return typeof part === "string" ? part.toWellFormed() : part instanceof Uint8Array ? part.slice() : part;
  });
}

function named(key: Key): Key {
  if (key.length === 0) throw new TypeError("empty key");
  return copied(key);
}

interface Change {
  key: Key;
  apply: (current: Entry | undefined) => { value: unknown } | undefined;
}

/** The model. */
export class ModelKv {
  #entries: Entry[] = [];
  #version = 0;
  readonly #cursors: Key[] = [];

  async get(key: Key) {
    return this.#find(copied(key)) ?? { key, value: null, versionstamp: null };
  }

  async getMany(keys: Key[]) {
    return await Promise.all(keys.map((key) => this.get(key)));
  }

  async set(key: Key, value: unknown, options?: { expireIn: number | undefined }) {
    const expireIn = options?.expireIn;
    if (expireIn !== undefined && !(Number.isInteger(expireIn) && expireIn >= 0)) throw new TypeError("expireIn");
    return this.#commit([{ key: named(key), apply: () => ({ value }) }]);
  }

  async delete(key: Key) {
    this.#commit([{ key: named(key), apply: () => undefined }]);
  }

  list(
    { prefix, start, end }: { prefix?: Key; start?: Key; end?: Key },
    { limit = Infinity, reverse = false, cursor = "" }: { limit?: number; reverse?: boolean; cursor?: string } = {},
  ) {
    const all = (): Entry[] => this.#entries;
    const cursors = this.#cursors;
    let at = cursor;
    async function* entries() {
      if (prefix !== undefined) {
        if (start !== undefined && !goesOn(start, prefix)) throw new TypeError("start");
        if (end !== undefined && !goesOn(end, prefix)) throw new TypeError("end");
      } else if (compareKeys(start!, end!) > 0) throw new TypeError("start > end");
      const from = cursor === "" ? undefined : cursors[Number(cursor)]!;
      const found = all().filter(({ key }) =>
        (prefix === undefined ||
          key.length > prefix.length && compareKeys(key.slice(0, prefix.length), prefix) === 0) &&
        (start === undefined || compareKeys(key, start) >= 0) && (end === undefined || compareKeys(key, end) < 0) &&
        (from === undefined || (reverse ? compareKeys(key, from) < 0 : compareKeys(key, from) > 0))
      );
      if (reverse) found.reverse();
      let count = 0;
      for (const entry of found) {
        if (count++ === limit) return;
        at = String(cursors.push(entry.key) - 1);
        yield entry;
      }
      if (count < limit) at = "";
    }
    return Object.defineProperty(entries(), "cursor", { get: () => at });
  }

  atomic() {
    return new ModelAtomic((checks, changes) => {
      const holds = checks.every(({ key, versionstamp }) => (this.#find(key)?.versionstamp ?? null) === versionstamp);
      return holds ? this.#commit(changes) : { ok: false };
    });
  }

  #find(key: Key): Entry | undefined {
    return this.#entries.find((entry) => compareKeys(entry.key, key) === 0);
  }

  #commit(changes: Change[]) {
    const versionstamp = (this.#version + 1).toString(16).padStart(20, "0");
    const before = this.#entries;
    try {
      for (const { key, apply } of changes) {
        const now = apply(this.#find(key));
        this.#entries = this.#entries.filter((entry) => compareKeys(entry.key, key) !== 0);
        if (now !== undefined) this.#entries.push({ key, value: now.value, versionstamp });
        this.#entries.sort((a, b) => compareKeys(a.key, b.key));
      }
    } catch (error) {
      this.#entries = before;
      throw error;
    }
    this.#version++;
    return { ok: true, versionstamp };
  }
}

type Checks = { key: Key; versionstamp: string | null }[];

class ModelAtomic {
  readonly #checks: Checks = [];
  readonly #changes: Change[] = [];
  readonly #run: (checks: Checks, changes: Change[]) => unknown;
  #mistake: unknown;

  constructor(run: (checks: Checks, changes: Change[]) => unknown) {
    this.#run = run;
  }

  check({ key, versionstamp }: Checks[number]) {
    this.#named(key, (key) => this.#checks.push({ key, versionstamp }));
  }

  set(key: Key, value: unknown) {
    this.#named(key, (key) => this.#changes.push({ key, apply: () => ({ value }) }));
  }

  delete(key: Key) {
    this.#named(key, (key) => this.#changes.push({ key, apply: () => undefined }));
  }

  mutate({ key, type, value }: { key: Key; type: string; value: unknown }) {
    const apply = (current: Entry | undefined) => ({ value: arithmetic(type, current?.value, value) });
    this.#named(key, (key) => this.#changes.push({ key, apply }));
  }

  async commit() {
    if (this.#mistake !== undefined) throw this.#mistake;
    return this.#run(this.#checks, this.#changes);
  }

  #named(key: Key, run: (key: Key) => void) {
    try {
      run(named(key));
    } catch (error) {
      this.#mistake ??= error;
    }
  }
}

function arithmetic(type: string, current: unknown, operand: unknown): unknown {
  if (operand instanceof KvU64) {
    if (current === undefined) return operand;
    if (!(current instanceof KvU64)) throw new TypeError("not 64 bits");
    const [a, b] = [current.value, operand.value];
    if (type === "sum") return new KvU64(BigInt.asUintN(64, a + b));
    return new KvU64(type === "min" ? (a < b ? a : b) : a > b ? a : b);
  }
  if (type !== "sum" || (typeof operand !== "number" && typeof operand !== "bigint")) throw new TypeError("operand");
  if (current === undefined) return operand;
  if (current instanceof KvU64 && typeof operand === "bigint" && operand >= 0n) {
    return new KvU64(BigInt.asUintN(64, current.value + operand));
  }
  if (typeof current !== typeof operand) throw new TypeError("two kinds");
  return (current as number) + (operand as number);
}
