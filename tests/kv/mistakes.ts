/**
 * Calls that make no sense, and how they fail: at once or later, with which class, in which words. Where Deno's KV uses
 * other words, or accepts the call, that is said too.
 */
import { kindOf } from "./player.ts";

// deno-lint-ignore no-explicit-any -- mistakes are what types would catch
type Any = any;

/** A call, what ours says, and what Deno's says when that is something else. */
export interface Mistake {
  name: string;
  run: (kv: Any, u64: new (value: Any) => unknown) => unknown;
  ours: string;
  denos?: string;
}

/** `at once` or `later`, the class, the words; or that it succeeds. */
export async function outcomeOf(run: () => unknown): Promise<string> {
  let when = "at once";
  try {
    const running = run();
    when = "later";
    await running;
    return "succeeds";
  } catch (error) {
    return `${when} ${kindOf(error)}: ${(error as Error).message}`;
  }
}

async function drained(list: AsyncIterable<unknown>): Promise<void> {
  for await (const _entry of list);
}

const PART = "expected string, number, bigint, ArrayBufferView, boolean";
const never = "f".repeat(20);

/** All of them. */
export const MISTAKES: Mistake[] = [
  { name: "an empty key is set", run: (kv) => kv.set([], 1), ours: "later TypeError: key cannot be empty" },
  { name: "an empty key is deleted", run: (kv) => kv.delete([]), ours: "later TypeError: key cannot be empty" },
  { name: "an empty key is read", run: (kv) => kv.get([]), ours: "succeeds" },
  ...[null, undefined, {}, [], ["a"], new Date(), Object("a"), new ArrayBuffer(1), () => 1].map((part) => ({
    name: `a part is ${typeof part} ${Object.prototype.toString.call(part)}`,
    run: (kv: Any) => kv.get([part]),
    ours: `later TypeError: ${PART}`,
  })),
  { name: "a part is a symbol", run: (kv) => kv.set([Symbol("a")], 1), ours: `later TypeError: ${PART}` },
  { name: "a part is a Uint16Array", run: (kv) => kv.get([new Uint16Array(2)]), ours: "succeeds" },
  {
    name: "a key is no array",
    run: (kv) => kv.get("a"),
    ours: "later TypeError: A key must be an array, not string",
    denos: "later TypeError: serde_v8 error: invalid type; expected: array, got: string",
  },
  {
    name: "a key is missing",
    run: (kv) => kv.get(),
    ours: "later TypeError: A key must be an array, not undefined",
    denos: "later TypeError: Invalid range",
  },
  {
    name: "a bigint has more than 255 bytes",
    run: (kv) => kv.get([1n << 2040n]),
    ours: "succeeds",
    denos: "later TypeError: BigUint requires more than 255 bytes to be represented",
  },
  {
    name: "a key has 3,000 bytes",
    run: (kv) => kv.set(["a".repeat(3000)], 1),
    ours: "succeeds",
    denos: "later TypeError: Key too large for write (max 2048 bytes)",
  },
  {
    name: "a key has 70,000 bytes",
    run: (kv) => kv.set(["a".repeat(70_000)], 1),
    ours: "later TypeError: Key too large (max 65535 bytes)",
    denos: "later TypeError: Key too large for write (max 2048 bytes)",
  },
  {
    name: "a value has 100,000 bytes",
    run: (kv) => kv.set(["large"], new Uint8Array(100_000)),
    ours: "succeeds",
    denos: "later TypeError: Value too large (max 65536 bytes)",
  },
  {
    name: "a value is a function",
    run: (kv) => kv.set(["a"], () => 1),
    ours: "later TypeError: a function could not be cloned.",
    denos: "later TypeError: ()=>1 could not be cloned.",
  },
  {
    name: "a value of an atomic operation is a WeakMap",
    run: (kv) => kv.atomic().set(["a"], new WeakMap()),
    ours: "at once TypeError: a WeakMap could not be cloned.",
    denos: "at once TypeError: #<WeakMap> could not be cloned.",
  },
  {
    name: "a value is shared memory",
    run: (kv) => kv.set(["a"], new SharedArrayBuffer(1)),
    ours: "later TypeError: a SharedArrayBuffer could not be cloned.",
    denos: "later Error: #<SharedArrayBuffer> could not be cloned.",
  },
  {
    name: "a value is a URL",
    run: (kv) => kv.set(["a"], new URL("file:///")),
    ours: "later TypeError: a URL could not be cloned.",
    denos: "succeeds", // and keeps {}
  },
  ...[-1, NaN, 1.5, "a", null].map((expireIn) => ({
    name: `expireIn is ${expireIn}`,
    run: (kv: Any) => kv.set(["a"], 1, { expireIn }),
    ours: `later TypeError: expireIn must be a non-negative integer: received ${expireIn}`,
  })),
  { name: "expireIn is 0", run: (kv) => kv.set(["gone"], 1, { expireIn: 0 }), ours: "succeeds" },
  { name: "expireIn is very large", run: (kv) => kv.set(["a"], 1, { expireIn: 1e15 }), ours: "succeeds" },
  {
    name: "expireIn of an atomic operation is -1",
    run: (kv) => kv.atomic().set(["a"], 1, { expireIn: -1 }),
    ours: "at once TypeError: expireIn must be a non-negative integer: received -1",
  },
  {
    name: "a selector has nothing",
    run: (kv) => kv.list({}),
    ours: "at once TypeError: Selector must specify either 'prefix' or both 'start' and 'end' key",
  },
  {
    name: "a selector inherits what it has",
    run: (kv) => kv.list(Object.create({ prefix: ["a"] })),
    ours: "at once TypeError: Selector must specify either 'prefix' or both 'start' and 'end' key",
  },
  {
    name: "a selector has no end",
    run: (kv) => kv.list({ start: ["a"] }),
    ours: "at once TypeError: Selector must specify either 'prefix' or both 'start' and 'end' key",
  },
  {
    name: "a selector has all three",
    run: (kv) => kv.list({ prefix: ["a"], start: ["a", 1], end: ["a", 2] }),
    ours: "at once TypeError: Selector can not specify both 'start' and 'end' key when specifying 'prefix'",
  },
  {
    name: "a selector starts elsewhere",
    run: (kv) => drained(kv.list({ prefix: ["a"], start: ["b"] })),
    ours: "later TypeError: Start key is not in the keyspace defined by prefix",
  },
  {
    name: "a selector ends elsewhere",
    run: (kv) => drained(kv.list({ prefix: ["a"], end: ["a"] })),
    ours: "later TypeError: End key is not in the keyspace defined by prefix",
  },
  {
    name: "a selector is the wrong way round",
    run: (kv) => drained(kv.list({ start: ["b"], end: ["a"] })),
    ours: "later TypeError: Start key is greater than end key",
  },
  ...[0, -1, 1.5, NaN].map((limit) => ({
    name: `limit is ${limit}`,
    run: (kv: Any) => kv.list({ prefix: [] }, { limit }),
    ours: `at once Error: Limit must be a positive integer: received ${limit}`,
  })),
  {
    name: "batchSize is 0",
    run: (kv) => kv.list({ prefix: [] }, { batchSize: 0 }),
    ours: "at once Error: batchSize must be a positive integer: received 0",
  },
  ...["batchSize", "consistency", "reverse", "cursor"].map((option) => ({
    name: `${option} is null`,
    run: (kv: Any) => drained(kv.list({ prefix: [] }, { [option]: null })),
    ours: "succeeds",
  })),
  {
    name: "limit is null",
    run: (kv) => kv.list({ prefix: [] }, { limit: null }),
    ours: "at once Error: Limit must be a positive integer: received null",
  },
  {
    name: "reverse is not true",
    run: async (kv) => {
      await kv.atomic().set(["r", 1], 1).set(["r", 2], 2).commit();
      for await (const { key } of kv.list({ prefix: ["r"] }, { reverse: 1 })) throw new Error(`${key[1]} is the first`);
    },
    ours: "later Error: 1 is the first",
  },
  {
    name: "batchSize is 2,000",
    run: (kv) => drained(kv.list({ prefix: [] }, { batchSize: 2000 })),
    ours: "succeeds",
    denos: "later TypeError: Too many entries (max 1000)",
  },
  {
    name: "a cursor is none",
    run: (kv) => drained(kv.list({ prefix: [] }, { cursor: "!!" })),
    ours: "later TypeError: invalid cursor",
  },
  {
    name: "a cursor is written otherwise",
    run: (kv) => drained(kv.list({ prefix: [] }, { cursor: "AQ" })),
    ours: "later TypeError: invalid cursor",
  },
  {
    name: "a cursor lies before the start",
    run: (kv) => drained(kv.list({ prefix: ["l"], start: ["l", 3] }, { cursor: "AQ==" })),
    ours: "later TypeError: cursor out of bounds",
  },
  {
    name: "a cursor is asked for too early",
    run: (kv) => kv.list({ prefix: [] }).cursor,
    ours: "at once Error: Cannot get cursor before first iteration",
  },
  {
    name: "consistency is unknown",
    run: (kv) => kv.get(["a"], { consistency: "x" }),
    ours: "later TypeError: unknown variant `x`, expected `strong` or `eventual`",
  },
  {
    name: "getMany has 11 keys",
    run: (kv) => kv.getMany(Array.from({ length: 11 }, (_, i) => [i])),
    ours: "succeeds",
    denos: "later TypeError: Too many ranges (max 10)",
  },
  {
    name: "a versionstamp is none",
    run: (kv) => kv.atomic().check({ key: ["a"], versionstamp: "z".repeat(20) }).commit(),
    ours: "later TypeError: Invalid check",
  },
  {
    name: "a versionstamp is short",
    run: (kv) => kv.atomic().check({ key: ["a"], versionstamp: "12" }).commit(),
    ours: "later TypeError: Invalid check",
  },
  {
    name: "a versionstamp is missing",
    run: (kv) => kv.atomic().check({ key: ["nothing"] }).commit(),
    ours: "succeeds",
  },
  {
    name: "an empty key is checked",
    run: (kv) => kv.atomic().check({ key: [], versionstamp: null }).commit(),
    ours: "later TypeError: key cannot be empty",
  },
  {
    name: "there are 101 checks",
    run: (kv) => kv.atomic().check(...Array(101).fill({ key: ["a"], versionstamp: never })).commit(),
    ours: "succeeds",
    denos: "later TypeError: Too many checks (max 100)",
  },
  {
    name: "a check is null",
    run: (kv) => kv.atomic().check(null),
    ours: "at once TypeError: Invalid check, an object is expected, not null",
    denos: "at once TypeError: Cannot read properties of null (reading 'key')",
  },
  {
    name: "a mutation is null",
    run: (kv) => kv.atomic().mutate(null),
    ours: "at once TypeError: Invalid mutation, an object is expected, not null",
    denos: "at once TypeError: Cannot read properties of null (reading 'key')",
  },
  {
    name: "a mutation is of no type",
    run: (kv) => kv.atomic().mutate({ type: "x", key: ["a"] }),
    ours: "at once TypeError: Invalid mutation type",
  },
  {
    name: "a delete has a value",
    run: (kv) => kv.atomic().mutate({ type: "delete", key: ["a"], value: 1 }),
    ours: "at once TypeError: Invalid mutation 'delete' with value",
  },
  {
    name: "a sum has no value",
    run: (kv) => kv.atomic().mutate({ type: "sum", key: ["a"] }),
    ours: "at once TypeError: Invalid mutation 'sum' without value",
  },
  {
    name: "a sum is of a text",
    run: (kv) => kv.atomic().sum(["text"], 1n).commit(),
    ours: "later TypeError: Failed to perform 'sum' mutation on a non-U64 value in the database",
  },
  {
    name: "a text is added",
    run: (kv) => kv.atomic().mutate({ type: "sum", key: ["text"], value: "x" }).commit(),
    ours: "later TypeError: Failed to perform 'sum' mutation with what is no number",
    denos: "later TypeError: Some of the parameters are not valid V8 values",
  },
  {
    name: "a number is added to a text",
    run: (kv) => kv.atomic().mutate({ type: "sum", key: ["text"], value: 1 }).commit(),
    ours: "later TypeError: unsupported value type",
  },
  {
    name: "a bigint is added to a number",
    run: (kv) => kv.atomic().mutate({ type: "sum", key: ["number"], value: 1n }).commit(),
    ours: "later TypeError: Cannot sum Number with BigInt",
  },
  ...[-1n, 1n << 64n].map((value) => ({
    name: `${value} is added to a KvU64`,
    run: (kv: Any) => kv.atomic().mutate({ type: "sum", key: ["u64"], value }).commit(),
    ours: "later TypeError: Cannot sum KvU64 with BigInt",
  })),
  {
    name: "the smaller of a number is asked for",
    run: (kv) => kv.atomic().mutate({ type: "min", key: ["number"], value: 1 }).commit(),
    ours: "later TypeError: Failed to perform 'min' mutation on a non-U64 operand",
  },
  {
    name: "a sum is negative",
    run: (kv) => kv.atomic().sum(["a"], -1n),
    ours: "at once RangeError: Value must be a positive bigint: received -1",
  },
  {
    name: "a sum is a number",
    run: (kv) => kv.atomic().sum(["a"], 1),
    ours: "at once TypeError: Value must be a bigint: received number",
  },
  {
    name: "64 bits are not enough",
    run: (_kv, U64) => new U64(1n << 64n),
    ours: "at once RangeError: Value must fit in a 64-bit unsigned integer",
  },
  { name: "an atomic operation is empty", run: (kv) => kv.atomic().commit(), ours: "succeeds" },
  {
    name: "an atomic operation is awaited",
    run: async (kv) => await kv.atomic(),
    ours: "later TypeError: 'AtomicOperation' is not a promise: did you forget to call 'commit()'",
    denos: "later TypeError: 'Deno.AtomicOperation' is not a promise: did you forget to call 'commit()'",
  },
  {
    name: "a message is due before it is sent",
    run: (kv) => kv.enqueue(1, { delay: -1 }),
    ours: "later TypeError: Delay must be >= 0: received -1",
  },
  { name: "a delay is NaN", run: (kv) => kv.enqueue(1, { delay: NaN }), ours: "later TypeError: Delay cannot be NaN" },
  {
    name: "a delay is 31 days",
    run: (kv) => kv.atomic().enqueue(1, { delay: 31 * 86_400_000 }),
    ours: "at once TypeError: Delay cannot be greater than 30 days: received 2678400000",
  },
  {
    name: "a schedule has six times",
    run: (kv) => kv.enqueue(1, { backoffSchedule: [1, 1, 1, 1, 1, 1] }),
    ours: "later TypeError: Invalid backoffSchedule, max 5 intervals allowed",
  },
  {
    name: "a schedule goes back",
    run: (kv) => kv.enqueue(1, { backoffSchedule: [1, -1] }),
    ours: "later TypeError: Invalid backoffSchedule, interval at index 1 is invalid",
  },
  {
    name: "an undelivered message has no key",
    run: (kv) => kv.enqueue(1, { keysIfUndelivered: [[{}]] }),
    ours: `later TypeError: ${PART}`,
  },
  {
    name: "an undelivered message has an empty key",
    run: (kv) => kv.enqueue(1, { keysIfUndelivered: [[]] }),
    ours: "later TypeError: key cannot be empty",
    denos: "succeeds",
  },
  { name: "a watched key is none", run: (kv) => kv.watch([[{}]]), ours: `at once TypeError: ${PART}` },
  {
    name: "11 keys are watched",
    run: (kv) => kv.watch(Array.from({ length: 11 }, (_, i) => [i])).cancel(),
    ours: "succeeds",
    denos: "at once TypeError: Too many keys (max 10)",
  },
];

/** Makes all of them, after the entries that they need: what came of each. */
export async function makeMistakes(kv: Any, u64: new (value: Any) => unknown): Promise<string[]> {
  await kv.set(["text"], "x");
  await kv.set(["number"], 5);
  await kv.set(["u64"], new u64(5n));
  const outcomes = [];
  for (const { run } of MISTAKES) outcomes.push(await outcomeOf(() => run(kv, u64)));
  return outcomes;
}
