/** Sequences of calls on a KV, for whatever KVs are to be compared: few keys, so that calls meet, and all kinds of parts. */
import fc from "fast-check";
import type { KvKeyPart, KvListOptions } from "../../lib/adapters/kv.ts";

export type Part = KvKeyPart;
export type Key = Part[];

/** Which versionstamp a check demands: of the entry as it is, none, of an earlier commit, or one that nothing has. */
export type Demand = { kind: "current" } | { kind: "none" } | { kind: "commit"; back: number } | { kind: "never" };

export type Mutation =
  | { type: "set"; key: Key; value: unknown }
  | { type: "delete"; key: Key }
  | { type: "sum" | "min" | "max"; key: Key; operand: Operand };

/** What arithmetic is done with. Each KV has its own class for 64 bits. */
export type Operand = { u64: bigint } | { other: unknown };

export type Call =
  | { call: "get"; key: Key }
  | { call: "getMany"; keys: Key[] }
  | { call: "set"; key: Key; value: unknown; expireIn: number | undefined }
  | { call: "setU64"; key: Key; value: bigint }
  | { call: "delete"; key: Key }
  | { call: "list"; selector: { prefix?: Key; start?: Key; end?: Key }; options: KvListOptions; resumeAfter: number }
  | { call: "atomic"; checks: { key: Key; demand: Demand }[]; mutations: Mutation[] };

const STRINGS = ["", "a", "b", "a\0", "a\0b", "\u{ff}", "é", "\ud800", "😀", "\uffff"];
const NUMBERS = [0, -0, 1, -1, 1.5, NaN, Infinity, -Infinity, 1e300, -1e-300, 2 ** 53];
const BIGINTS = [
  0n,
  1n,
  -1n,
  255n,
  256n,
  -256n,
  -255n,
  2n ** 64n - 1n,
  2n ** 64n,
  -(2n ** 64n),
  2n ** 100n,
  -(2n ** 2000n),
];
const BYTES = [[], [0], [0, 255], [1], [255], [0, 0]].map((bytes) => Uint8Array.from(bytes));

const part = fc.oneof(
  { arbitrary: fc.constantFrom<Part>("a", "b", 1, 2), weight: 4 },
  fc.constantFrom<Part>(...STRINGS),
  fc.constantFrom<Part>(...NUMBERS),
  fc.constantFrom<Part>(...BIGINTS),
  fc.constantFrom<Part>(...BYTES),
  fc.constantFrom<Part>(true, false),
  fc.oneof(fc.string({ unit: "binary", maxLength: 4 }), fc.double(), fc.bigInt(), fc.uint8Array({ maxLength: 4 })),
);
const key: fc.Arbitrary<Key> = fc.oneof(
  { arbitrary: fc.array(fc.constantFrom<Part>("a", 1, 2n), { minLength: 1, maxLength: 2 }), weight: 25 },
  { arbitrary: fc.array(part, { minLength: 1, maxLength: 3 }), weight: 20 },
  { arbitrary: fc.constant<Key>([]), weight: 1 },
);

/** Values of all kinds; with `refused` such that can't be kept, or not as they are. */
const valueWith = (refused: boolean): fc.Arbitrary<unknown> =>
  fc.letrec<{ any: unknown; leaf: unknown }>((tie) => ({
    leaf: fc.oneof(
      fc.string({ unit: "binary", maxLength: 6 }),
      fc.constantFrom("\ud800", "$kv", 0, -0, NaN, Infinity, 1e21, true, false, null, undefined),
      fc.double(),
      fc.bigInt(),
      fc.date({ noInvalidDate: false }),
      fc.constantFrom(/a/g, /[\/"]\n/iu, new RegExp("")),
      fc.uint8Array({ maxLength: 4 }),
      fc.float64Array({ maxLength: 3 }),
      fc.bigInt64Array({ maxLength: 3 }),
      fc.uint8ClampedArray({ maxLength: 3 }).map((array) => array.buffer),
      fc.constantFrom(Object(1), Object("text"), Object(false), Object(5n)),
      fc.constantFrom(new RangeError("out", { cause: { of: "range" } }), new Error()),
    ),
    any: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { arbitrary: tie("leaf"), weight: 5 },
      fc.array(tie("any"), { maxLength: 3 }),
      fc.array(fc.option(tie("leaf"), { freq: 2 }), { maxLength: 3 }).map((items) => {
        const sparse: unknown[] = [];
        sparse.length = items.length;
        items.forEach((item, i) => item !== null && (sparse[i] = item));
        return sparse;
      }),
      fc.dictionary(
        fc.oneof(fc.constantFrom("a", "$kv", "$u64", "\ud800", "length"), fc.string({ maxLength: 3 })),
        tie("any"),
        {
          maxKeys: 3,
          noNullPrototype: !refused,
        },
      ).filter((object) => !Object.hasOwn(object, "__proto__")),
      fc.array(fc.tuple(tie("any"), tie("any")), { maxLength: 3 }).map((entries) => new Map(entries)),
      fc.array(tie("any"), { maxLength: 3 }).map((items) => new Set(items)),
      tie("any").map((item) => {
        const around: Record<string, unknown> = { item, again: item };
        around["around"] = around;
        return around;
      }),
      refused ? fc.constantFrom<unknown>(...REFUSED) : tie("leaf"),
    ),
  })).any;

const REFUSED = [
  ...[() => 1, Symbol("s"), { method() {} }, new WeakSet(), Promise.resolve(1)],
  new (class Own extends TypeError {})("x"),
  new (class Point {
    x = 1;
  })(),
];
const plainValue = fc.oneof(fc.nat(9), fc.constantFrom("x", { n: 1 }));
const operand: fc.Arbitrary<Operand> = fc.oneof(
  { arbitrary: fc.constantFrom(0n, 1n, 7n, 2n ** 64n - 1n).map((u64) => ({ u64 })), weight: 5 },
  fc.constantFrom<unknown>(1, 1.5, 3n, -3n, "x", undefined).map((other) => ({ other })),
);
const counter: fc.Arbitrary<Key> = fc.constantFrom<Key>(["n"], ["n", 1]);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ type: fc.constant("set" as const), key, value: plainValue }),
  fc.record({ type: fc.constant("delete" as const), key: fc.oneof(key, counter) }),
  {
    arbitrary: fc.record({
      type: fc.constantFrom("sum" as const, "min" as const, "max" as const),
      key: counter,
      operand,
    }),
    weight: 2,
  },
);
const demand: fc.Arbitrary<Demand> = fc.oneof(
  { arbitrary: fc.constant<Demand>({ kind: "current" }), weight: 4 },
  fc.constant<Demand>({ kind: "none" }),
  fc.nat(3).map((back): Demand => ({ kind: "commit", back })),
  fc.constant<Demand>({ kind: "never" }),
);
const selector = fc.oneof(
  { arbitrary: fc.record({ prefix: fc.oneof(fc.constant<Key>([]), key) }), weight: 3 },
  fc.record({ prefix: key, more: fc.array(part, { maxLength: 1 }) }).map(({ prefix, more }) => {
    return { prefix, start: [...prefix, ...more] };
  }),
  fc.record({ prefix: fc.oneof(fc.constant<Key>([]), key), more: fc.array(part, { maxLength: 1 }) })
    .map(({ prefix, more }) => ({ prefix, end: [...prefix, ...more] })),
  fc.record({ start: key, end: key }),
  fc.record({ start: key, end: fc.constant<Key>([true, true]) }),
  fc.record({ prefix: key, start: key }),
);
const listOptions: fc.Arbitrary<KvListOptions> = fc.record({
  limit: fc.integer({ min: 1, max: 5 }),
  batchSize: fc.integer({ min: 1, max: 4 }),
  reverse: fc.boolean(),
  consistency: fc.constantFrom("strong" as const, "eventual" as const),
  cursor: fc.constantFrom("", "AAAA", "AmEA", "!", "Ib_wAAAAAAAA"),
}, { requiredKeys: [] }).map(({ cursor, ...rest }) => {
  // Most lists begin at the beginning.
  return cursor === undefined || rest.limit === 3 ? rest : { ...rest, cursor };
});

/** One call. */
const callWith = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Call> =>
  fc.oneof(
    fc.record({ call: fc.constant("get" as const), key: fc.oneof(key, counter) }),
    fc.record({ call: fc.constant("getMany" as const), keys: fc.array(key, { maxLength: 4 }) }),
    {
      arbitrary: fc.record({
        call: fc.constant("set" as const),
        key,
        value: fc.oneof(value, plainValue),
        expireIn: fc.constantFrom(undefined, undefined, undefined, 3_600_000, -1, 0.5),
      }),
      weight: 4,
    },
    fc.record({ call: fc.constant("setU64" as const), key: counter, value: fc.constantFrom(0n, 5n, 2n ** 64n - 1n) }),
    fc.record({ call: fc.constant("delete" as const), key }),
    {
      arbitrary: fc.record({
        call: fc.constant("list" as const),
        selector,
        options: listOptions,
        resumeAfter: fc.nat(4),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({
        call: fc.constant("atomic" as const),
        checks: fc.array(fc.record({ key: fc.oneof(key, counter), demand }), { maxLength: 2 }),
        mutations: fc.array(mutation, { maxLength: 4 }),
      }),
      weight: 3,
    },
  );

/** Calls one after the other; with values that can't be kept among them or not. */
export const callsWith = (refused: boolean): fc.Arbitrary<Call[]> =>
  fc.array(callWith(valueWith(refused)), { minLength: 1, maxLength: 100, size: "max" });
