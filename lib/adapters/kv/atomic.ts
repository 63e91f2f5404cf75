/**
 * Atomic operations: checks, mutations and messages in one commit, or none of it.
 *
 * @module
 */
import { copyBytes } from "../../base/bytes.ts";
import { KIND_BYTES } from "../../format/cell.ts";
import { type EncodedValue, encodeValue } from "../../db/data/values.ts";
import { commitAtTurn, type RowWriter, type Turn } from "../../db/writing/at_turn.ts";
import { COMMIT_VERSIONSTAMP, expireInOf, type KvCore } from "./core.ts";
import { encodeEntryKey, encodeKey } from "./keys.ts";
import { type Arithmetic, combine, type Operand, operandOf } from "./mutations.ts";
import type { MessageQueue, Outgoing } from "./queue.ts";
import type {
  AtomicCheck,
  KvCommitError,
  KvCommitResult,
  KvEnqueueOptions,
  KvKey,
  KvMutation,
  KvSetOptions,
} from "./types.ts";
import { KvU64 } from "./u64.ts";
import { fromStored, toStored } from "./values.ts";
import { versionOf, versionstampOf } from "./versionstamps.ts";

/** A mutation, ready to be made. */
type Step =
  | { type: "set"; key: Uint8Array; stamped: boolean; value: EncodedValue; expireIn: number | undefined; seen: Operand }
  | { type: "delete"; key: Uint8Array }
  | { type: Arithmetic; key: Uint8Array; operand: Operand };

interface Check {
  key: Uint8Array;
  version: number | null;
}

/**
 * Checks and writes that are made in one commit or not at all. A mistake in a value or an option throws at once, one in a
 * key when it is committed. It may be committed several times, and does the same each time.
 *
 * @example
 * ```ts
 * import { openKv } from "@holdfast/db/kv";
 *
 * using kv = await openKv(":memory:");
 * const ada = await kv.get(["users", "ada"]);
 * const result = await kv.atomic()
 *   .check(ada) // nobody has made it meanwhile
 *   .set(["users", "ada"], { joined: new Date() })
 *   .sum(["users"], 1n)
 *   .commit();
 * console.log(result.ok); // true
 * ```
 */
export class AtomicOperation {
  readonly #core: KvCore;
  readonly #queue: MessageQueue;
  readonly #checks: Check[] = [];
  readonly #steps: Step[] = [];
  readonly #messages: Outgoing[] = [];
  #mistake: { error: unknown } | undefined;

  /** Made by `kv.atomic()`. @internal */
  constructor(core: KvCore, queue: MessageQueue) {
    this.#core = core;
    this.#queue = queue;
  }

  /** Demands that entries have these versionstamps, or with null that they don't exist. */
  check(...checks: AtomicCheck[]): this {
    for (const check of checks) {
      assertThere("check", check);
      const { key, versionstamp } = check;
      this.#later(() => {
        const version = versionstamp === null || versionstamp === undefined ? null : versionOf(versionstamp);
        this.#checks.push({ key: encodeEntryKey(key), version });
      });
    }
    return this;
  }

  /** Adds mutations, each for one key; they are made in their order. */
  mutate(...mutations: KvMutation[]): this {
    for (const mutation of mutations) {
      assertThere("mutation", mutation);
      const { key, type } = mutation;
      const { value } = mutation as { value?: unknown };
      if (type === "delete") {
        if (value) throw new TypeError("Invalid mutation 'delete' with value");
        this.delete(key);
        continue;
      }
      if (type !== "set" && type !== "sum" && type !== "min" && type !== "max") {
        throw new TypeError("Invalid mutation type");
      }
      if (!Object.hasOwn(mutation, "value")) throw new TypeError(`Invalid mutation '${type}' without value`);
      if (type !== "set") this.#arithmetic(type, key, operandOf(value));
      // As Deno has it, an option that is no number counts for nothing here.
      else this.set(key, value, typeof mutation.expireIn === "number" ? { expireIn: mutation.expireIn } : undefined);
    }
    return this;
  }

  /** Adds `n` to the `KvU64` at a key, past 2^64 - 1 from 0 on; sets it to `n` when there is none. */
  sum(key: KvKey, n: bigint): this {
    return this.#arithmetic("sum", key, new KvU64(n));
  }

  /** Sets a key to the smaller of its `KvU64` and `n`; to `n` when there is none. */
  min(key: KvKey, n: bigint): this {
    return this.#arithmetic("min", key, new KvU64(n));
  }

  /** Sets a key to the larger of its `KvU64` and `n`; to `n` when there is none. */
  max(key: KvKey, n: bigint): this {
    return this.#arithmetic("max", key, new KvU64(n));
  }

  /** Sets a key to a value; see `set` of the KV. */
  set(key: KvKey, value: unknown, options?: KvSetOptions): this {
    const expireIn = expireInOf(options);
    const encoded = encodeValue("set", toStored(this.#core.codec, value));
    // The caller's own array may change before the commit.
    if (encoded.kind === KIND_BYTES) encoded.payload = copyBytes(encoded.payload);
    const stamped = Array.isArray(key) && key.at(-1) === COMMIT_VERSIONSTAMP;
    const seen = operandOf(value);
    this.#later(() => {
      const bytes = stamped ? encodeKey(key.slice(0, -1)) : encodeEntryKey(key);
      this.#steps.push({ type: "set", key: bytes, stamped, value: encoded, expireIn, seen });
    });
    return this;
  }

  /** Deletes a key; a missing one is fine. */
  delete(key: KvKey): this {
    this.#later(() => this.#steps.push({ type: "delete", key: encodeEntryKey(key) }));
    return this;
  }

  /** Adds a message to the queue; see `enqueue` of the KV. */
  enqueue(value: unknown, options?: KvEnqueueOptions): this {
    const message = this.#queue.message(value, options);
    this.#mistake ??= message.mistake;
    this.#messages.push(message);
    return this;
  }

  /** Makes the commit if every check holds at its turn. */
  async commit(): Promise<KvCommitResult | KvCommitError> {
    if (this.#mistake !== undefined) throw this.#mistake.error;
    // What is added from here on is for another commit.
    const checks = [...this.#checks];
    const steps = [...this.#steps];
    const late = steps.some((step) => step.type !== "delete" && (step.type !== "set" || step.stamped));
    const rows = this.#queue.rowsOf(this.#messages);
    const commit = await commitAtTurn("commit", this.#core.db, {
      late,
      holds: checks.length === 0
        ? undefined
        : (turn) => checks.every(({ key, version }) => turn.versionAt(key) === version),
      write: (writer, turn) => {
        this.#write(steps, writer, turn, late);
        for (const { key, value } of rows) writer.set(key, value, undefined);
      },
    });
    if (commit === undefined) return { ok: false };
    if (rows.length > 0) this.#queue.added(rows.map(({ key }) => key));
    return { ok: true, versionstamp: versionstampOf(commit.version) };
  }

  /** An operation is no promise; awaiting it is a mistake, and says so. @internal */
  then(): never {
    throw new TypeError("'AtomicOperation' is not a promise: did you forget to call 'commit()'");
  }

  #arithmetic(type: Arithmetic, key: KvKey, operand: Operand): this {
    this.#later(() => this.#steps.push({ type, key: encodeEntryKey(key), operand }));
    return this;
  }

  /** Keeps the first mistake in a key for the commit. */
  #later(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#mistake ??= { error };
    }
  }

  /** Makes the writes; without a turn, those of the same number and about the same size. */
  #write(steps: readonly Step[], writer: RowWriter, turn: Turn | undefined, late: boolean): void {
    // What this very commit has set so far, for the arithmetic behind it.
    const own = late ? new Map<string, Operand | undefined>() : undefined;
    for (const step of steps) {
      if (step.type === "delete") {
        writer.delete(step.key);
        own?.set(latin1(step.key), undefined);
      } else if (step.type === "set") {
        const { value, expireIn, seen } = step;
        const key = step.stamped ? this.#stampedKey(step.key, turn) : step.key;
        writer.set(key, value, expireIn === undefined ? undefined : writer.now() + expireIn);
        own?.set(latin1(key), seen);
      } else {
        const result = this.#result(step, turn, own);
        own?.set(latin1(step.key), result);
        writer.set(step.key, encodeValue("commit", toStored(this.#core.codec, result)), undefined);
      }
    }
  }

  #stampedKey(prefix: Uint8Array, turn: Turn | undefined): Uint8Array {
    const suffix = encodeKey([versionstampOf(turn?.version ?? 0)]);
    const key = new Uint8Array(prefix.length + suffix.length);
    key.set(prefix);
    key.set(suffix, prefix.length);
    return key;
  }

  #result(
    step: { type: Arithmetic; key: Uint8Array; operand: Operand },
    turn: Turn | undefined,
    own: Map<string, Operand | undefined> | undefined,
  ): KvU64 | number | bigint {
    if (turn === undefined) return new KvU64(0n);
    const name = latin1(step.key);
    if (own!.has(name)) return combine(step.type, own!.get(name), step.operand);
    const stored = turn.valueAt(step.key);
    const current = stored === undefined ? undefined : operandOf(fromStored(this.#core.codec, stored));
    return combine(step.type, current, step.operand);
  }
}

/** Refuses what has no properties to look at. */
function assertThere(what: string, given: unknown): void {
  if (given === null || given === undefined) {
    throw new TypeError(`Invalid ${what}, an object is expected, not ${given}`);
  }
}

function latin1(bytes: Uint8Array): string {
  let out = "";
  for (const byte of bytes) out += String.fromCharCode(byte);
  return out;
}
