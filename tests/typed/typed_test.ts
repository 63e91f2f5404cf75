import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import * as z from "zod";
import { DB, HoldfastError } from "../../mod.ts";
import {
  AsyncSchemaError,
  type Codec,
  InvalidValueError,
  json,
  type StandardSchema,
  structured,
  tuple,
  typed,
} from "../../lib/adapters/typed.ts";
import { openKv } from "../../lib/adapters/kv.ts";
import { turns } from "../backup/repository/fake_timers.ts";
import { unhandledDuring } from "../db/helpers.ts";

/** The same shape in three libraries. */
const libraries: [name: string, schema: StandardSchema<{ name: string; lines: string[] }>][] = [
  ["zod", z.object({ name: z.string(), lines: z.array(z.string()) })],
  ["valibot", v.object({ name: v.string(), lines: v.array(v.string()) })],
  ["arktype", type({ name: "string", lines: "string[]" })],
];

const user = z.object({ name: z.string(), age: z.number().int(), role: z.enum(["admin", "guest"]).default("guest") });
type User = z.output<typeof user>;

/** Answers later, as one that asks a service. */
const later = z.object({ name: z.string() }).refine(async ({ name }) => {
  await Promise.resolve();
  return name !== "taken";
}, "is taken");

const wrong = (value: unknown): never => value as never;

describe("typed()", () => {
  for (const [name, schema] of libraries) {
    it(`refuses what a schema of ${name} refuses, with the path, and writes nothing`, async () => {
      await using db = await DB.open(":memory:");
      const people = typed(db.namespace("people"), { schema });
      await people.set("ada", { name: "Ada", lines: ["St James's Square"] });
      assert.deepEqual(await people.get("ada"), { name: "Ada", lines: ["St James's Square"] });
      const { version } = db;
      const refused = people.set("grace", wrong({ name: "Grace", lines: ["a", 2] }));
      const error: unknown = await refused.then(() => undefined, (reason) => reason);
      assert.ok(error instanceof InvalidValueError && error instanceof HoldfastError);
      assert.equal(error.code, "INVALID_VALUE");
      assert.equal(error.key, "grace");
      assert.deepEqual(error.issues.map(({ path }) => path), [["lines", 1]]);
      assert.notEqual(error.issues[0]!.message, "");
      assert.ok(error.message.startsWith('Cannot set "grace": value.lines[1]: '), error.message);
      assert.ok(error.message.endsWith("(INVALID_VALUE)"), error.message);
      assert.equal(db.version, version);
      assert.equal(await people.has("grace"), false);
    });
  }

  it("keeps what the schema made of a value, and gives it with that type", async () => {
    await using db = await DB.open(":memory:");
    const users = typed(db, { schema: user });
    await users.set("ada", { name: "Ada", age: 36 });
    const ada: User | undefined = await users.get("ada");
    assert.deepEqual(ada, { name: "Ada", age: 36, role: "guest" });
    assert.deepEqual(await db.get("ada"), ada);
    assert.deepEqual(await users.parse({ name: "Grace", age: 85 }), { name: "Grace", age: 85, role: "guest" });
    await assert.rejects(users.parse(wrong({})), /Cannot parse: value\.name: .* \(and 1 more\) \(INVALID_VALUE\)/);
    // @ts-expect-error: the schema says that an age is a number
    await assert.rejects(users.set("grace", { name: "Grace", age: "85" }), InvalidValueError);
  });

  it("reads in every way that the space beneath has", async () => {
    await using db = await DB.open(":memory:");
    const numbers = typed(db.namespace("n"), { schema: z.number(), codec: doubled });
    await numbers.set("a", 1, { tags: ["odd"] });
    await numbers.setMany([["b", 2], { key: "c", value: 3, tags: ["odd"] }]);
    assert.equal(await numbers.space.get("c"), 6);
    const value: number | undefined = numbers.getSync("a");
    assert.equal(value, 1);
    assert.equal(numbers.getSync("x"), undefined);
    assert.equal(await numbers.get("x"), undefined);
    assert.deepEqual(await numbers.getMany(["c", "x", "a"]), [3, undefined, 1]);
    assert.deepEqual(await numbers.getMany(new Set(["c"])), [3]);
    assert.deepEqual(numbers.getManySync(["c", "x", "a"]), [3, undefined, 1]);
    assert.deepEqual([await numbers.has("a"), numbers.hasSync("a"), numbers.hasSync("x")], [true, true, false]);
    const entry = await numbers.getEntry("c");
    assert.deepEqual([entry?.key, entry?.value, entry?.tags], ["c", 3, ["odd"]]);
    assert.deepEqual(numbers.getEntrySync("c"), entry);
    assert.equal(await numbers.getEntry("x"), undefined);
    assert.equal(numbers.getEntrySync("x"), undefined);
    const listed = await Array.fromAsync(numbers.list({ tag: "odd" }, { reverse: true }));
    assert.deepEqual(listed.map(({ key, value }) => [key, value]), [["c", 3], ["a", 1]]);
    assert.deepEqual([...numbers.listSync({ start: "b" })].map(({ value }) => value), [2, 3]);
    assert.deepEqual(await Array.fromAsync(numbers.keys()), ["a", "b", "c"]);
    assert.deepEqual([...numbers.keysSync({ end: "c" })], ["a", "b"]);
    assert.equal(await numbers.count({ tag: "odd" }), 2);
    await numbers.delete("a");
    await numbers.deleteRange({ start: "c" });
    assert.deepEqual(await Array.fromAsync(numbers.keys()), ["b"]);
    await numbers.clear();
    assert.equal(await numbers.count(), 0);
    assert.throws(() => numbers.getManySync(wrong("a")), TypeError);
    await assert.rejects(numbers.getMany(wrong(7)), TypeError);
  });

  it("watches and holds snapshots", async () => {
    await using db = await DB.open(":memory:");
    const numbers = typed(db.namespace("n"), { schema: z.number(), codec: doubled });
    const changes = numbers.watch();
    await numbers.set("a", 1);
    using before = numbers.snapshot();
    await numbers.set("a", 2);
    await numbers.delete("b");
    assert.deepEqual([before.getSync("a"), numbers.getSync("a")], [1, 2]);
    assert.equal(await numbers.get("a", { snapshot: before.snapshot }), 1);
    const { value } = await changes.next();
    assert.deepEqual(value?.map(({ type, key, entry }) => [type, key, entry?.value]), [["set", "a", 2], [
      "delete",
      "b",
      undefined,
    ]]);
    await changes.return?.();
    const unread = numbers.watch();
    await unread.return?.();
    assert.equal((await unread.next()).done, true);
    before.release();
    assert.throws(() => before.getSync("a"), { code: "CLOSED" });
  });

  it("makes several writes in one commit, over several spaces", async () => {
    await using db = await DB.open(":memory:");
    const users = typed(db.namespace("users"), { schema: user });
    const total = typed<number>(db, { codec: doubled });
    const both = users.atomic().check({ key: "ada", version: null }).set("ada", { name: "Ada", age: 36 }).delete("x");
    both.in(total).set("total", 1).deleteRange({ prefix: "old/" });
    const result = await both.commit();
    assert.ok(result.ok);
    assert.equal((await users.getEntry("ada"))?.version, (await total.getEntry("total"))?.version);
    assert.equal(await db.get("total"), 2);
    assert.throws(() => both.set("ada", { name: "Ada", age: 36 }), /committed already/);
    assert.deepEqual(await users.atomic().check({ key: "ada", version: null }).delete("ada").commit(), { ok: false });
    assert.throws(() => users.atomic().set("grace", wrong({})), InvalidValueError);
    assert.throws(() => users.atomic().in(wrong(db)), /expected what typed\(\) returns, not a DB/);
  });

  it("runs transactions, which an invalid value ends", async () => {
    await using db = await DB.open(":memory:");
    const users = typed(db.namespace("users"), { schema: user });
    const count = typed<number>(db);
    await users.transaction(async (tx) => {
      tx.set("ada", { name: "Ada", age: 36 });
      assert.equal((await tx.get("ada"))?.role, "guest");
      tx.in(count).set("users", 1);
      tx.delete("grace");
      tx.deleteRange({ prefix: "old/" });
    });
    const { version } = db;
    assert.equal(count.getSync("users"), 1);
    await assert.rejects(
      users.transaction((tx) => {
        tx.delete("ada");
        tx.set("grace", wrong({ name: "Grace", age: 0.5 }));
      }),
      InvalidValueError,
    );
    assert.equal(db.version, version);
    assert.ok(await users.has("ada"));
  });

  it("ends setMany at the first value that is refused, and says how many are in", async () => {
    await using db = await DB.open(":memory:");
    const users = typed(db, { schema: user });
    function* items(): Generator<[string, { name: string; age: number }]> {
      yield ["ada", { name: "Ada", age: 36 }];
      yield ["grace", { name: "Grace", age: wrong("85") }];
    }
    const error: unknown = await users.setMany(items()).catch((reason) => reason);
    assert.ok(error instanceof InvalidValueError);
    assert.equal(error.key, "grace");
    assert.equal((error as { committed?: number }).committed, await users.count());
    assert.equal(await users.has("grace"), false);
    await assert.rejects(users.setMany(wrong(7)), /setMany: items must be an iterable/);
    // A default must not become the value of an item that has none.
    const given = typed(db, { schema: z.string().default("none") });
    await assert.rejects(given.setMany(wrong([["alone"]])), TypeError);
    assert.equal(await given.has("alone"), false);
  });

  it("has setMany keep to the order of the calls, and its items be what they are at the call", async () => {
    await using db = await DB.open(":memory:");
    const users = typed(db, { schema: user });
    const [ada, grace] = [{ name: "Ada", age: 36 }, { name: "Grace", age: 85 }];
    const items: [string, User | typeof ada][] = [["ada", ada], ["grace", grace]];
    const totals: unknown[] = [];
    const writing = users.setMany(items, { onProgress: ({ totalItems }) => totals.push(totalItems) });
    items[1]![0] = "gone";
    grace.age = 0;
    await Promise.all([writing, users.set("ada", { name: "Ada", age: 37 })]);
    assert.deepEqual((await users.getMany(["ada", "grace", "gone"])).map((one) => one?.age), [37, 85, undefined]);
    assert.equal(totals[0], 2);
  });
});

describe("typed() with an asynchronous schema", () => {
  it("waits in set, setMany, atomic and transactions", async () => {
    await using db = await DB.open(":memory:");
    const names = typed(db.namespace("names"), { schema: later });
    await names.set("a", { name: "Ada" });
    await names.setMany([["b", { name: "Bo" }]]);
    await names.atomic().delete("a").set("c", { name: "Cy" }).delete("b").set("b", { name: "Bea" }).commit();
    await names.transaction(async (tx) => {
      await tx.set("d", { name: "Di" });
      assert.equal((await tx.get("d"))?.name, "Di");
      tx.set("e", { name: "Ed" });
    });
    const listed = await Array.fromAsync(names.list(), ({ value }) => value.name);
    assert.deepEqual(listed, ["Bea", "Cy", "Di", "Ed"]);
  });

  it("is waited for in setMany until that is given up, be it by a signal or with the database", async () => {
    const never = z.object({ name: z.string() }).refine(({ name }) => {
      return name === "Ada" || new Promise<boolean>(() => {});
    });
    type Items = [string, { name: string }][];
    const stream = async function* (items: Items): AsyncGenerator<Items[number]> {
      yield* items;
    };
    for (const given of [(items: Items) => items, stream]) {
      const db = await DB.open(":memory:");
      const names = typed(db, { schema: never });
      const end = new AbortController();
      const items = given([["a", { name: "Ada" }], ["b", { name: "Bo" }]]);
      const waiting = names.setMany(items, { signal: end.signal });
      await turns();
      end.abort(new Error("enough"));
      await assert.rejects(waiting, { message: "enough", committed: 0 });
      const closed = assert.rejects(names.setMany(given([["b", { name: "Bo" }]])), { code: "CLOSED" });
      await turns();
      await db.close();
      await closed;
    }
  });

  it("writes keys, and values that were judged already, as they were at the call", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    const names = typed(db, { schema: later });
    const space = db.namespace<string>("marks", { keyEncoding: "utf8" });
    const marks = typed(space, { schema: z.custom<Uint8Array>((value) => value instanceof Uint8Array) });
    const key = new Uint8Array([1]);
    const mark = new Uint8Array([7, 7]);
    const both = names.atomic().set(key, { name: "Ada" });
    const gone = new Uint8Array([3]);
    await db.set(gone, { name: "Di" });
    both.in(marks).set("m", mark);
    both.delete(gone);
    const alone = names.set(key, { name: "Bo" });
    const within = names.transaction((tx) => {
      const own = new Uint8Array([2]);
      tx.set(own, { name: "Cy" });
      own[0] = 9;
    });
    key[0] = 9;
    mark[0] = 9;
    gone[0] = 9;
    await Promise.all([both.commit(), alone, within]);
    assert.deepEqual(await Array.fromAsync(db.keys()), [new Uint8Array([1]), new Uint8Array([2])]);
    assert.deepEqual(await marks.get("m"), new Uint8Array([7, 7]));
  });

  it("writes tags, times and ranges as they were at the call", async () => {
    await using db = await DB.open(":memory:");
    const names = typed(db, { schema: later });
    await db.set("x/old", { name: "Di" });
    const options = { tags: ["first"], expiresAt: 4e12 };
    const range = { prefix: "x/" };
    const alone = names.set("a", { name: "Ada" }, options);
    const both = names.atomic().set("b", { name: "Bo" }, options).deleteRange(range);
    const within = names.transaction((tx) => void tx.set("c", { name: "Cy" }, options));
    options.tags[0] = "second";
    options.expiresAt = 5e12;
    range.prefix = "";
    await Promise.all([alone, both.commit(), within]);
    const listed = await Array.fromAsync(db.list(), ({ key, tags, expiresAt }) => [key, ...tags, expiresAt]);
    assert.deepEqual(listed, ["a", "b", "c"].map((key) => [key, "first", 4e12]));
  });

  it("keeps the order of the calls, from whatever space they are made, and waits in each of them", async () => {
    await using db = await DB.open(":memory:", { keyEncoding: "bytes" });
    const space = db.namespace<string>("names", { keyEncoding: "utf8" });
    const [names, plain, keys] = [typed(space, { schema: later }), typed(space), typed(db)];
    const operation = plain.atomic();
    const waiting = operation.in(names).set("a", { name: "1" }).set("b", { name: "1" }).set("c", { name: "1" });
    waiting.in(plain).set("a", { name: "2" }).delete("b").deleteRange({ prefix: "c" });
    const key = new Uint8Array([1]);
    operation.in(keys).set(key, "at the call");
    key[0] = 9;
    const committing = operation.commit();
    for (const late of [() => waiting.set("d", { name: "1" }), () => operation.in(plain)]) {
      assert.throws(late, /the operation was committed already/);
    }
    assert.deepEqual([(await committing).ok, await Array.fromAsync(keys.keys())], [true, [new Uint8Array([1])]]);
    await plain.transaction((tx) => void tx.in(names).set("e", { name: "1" }));
    assert.deepEqual(await Array.fromAsync(plain.list(), ({ key, value }) => [key, value]), [
      ["a", { name: "2" }],
      ["e", { name: "1" }],
    ]);
  });

  it("leaves nothing unheard of what it refuses before somebody asks", async () => {
    await using db = await DB.open(":memory:");
    const names = typed(db.namespace("names"), { schema: later });
    const unhandled = await unhandledDuring(async () => {
      const operation = names.atomic().set("a", { name: "taken" });
      await turns();
      await assert.rejects(operation.commit(), InvalidValueError);
      const refused = names.transaction(async (tx) => {
        tx.set("a", { name: "taken" });
        await turns();
      });
      await assert.rejects(refused, InvalidValueError);
    });
    assert.deepEqual(unhandled, []);
  });

  it("writes nothing of what it refuses", async () => {
    await using db = await DB.open(":memory:");
    const names = typed(db.namespace("names"), { schema: later });
    const { version } = db;
    const taken = { name: "taken" };
    await assert.rejects(names.set("a", taken), /Cannot set "a": value: is taken \(INVALID_VALUE\)/);
    await assert.rejects(names.setMany([["a", taken]]), InvalidValueError);
    const two = names.atomic().set("a", taken).set("b", { name: "Bo" }).delete("c").set("d", taken);
    await assert.rejects(two.commit(), InvalidValueError);
    await assert.rejects(
      names.transaction((tx) => {
        tx.set("a", taken);
        tx.delete("b");
      }),
      InvalidValueError,
    );
    assert.equal(db.version, version);
  });

  it("is a named error where nobody can wait", async () => {
    await using db = await DB.open(":memory:");
    const names = typed(db, { schema: later, validateReads: true });
    await db.set("a", { name: "taken" });
    for (const read of [() => names.getSync("a"), () => [...names.listSync()], () => names.getManySync(["a"])]) {
      assert.throws(read, (error) => error instanceof AsyncSchemaError && error.code === "ASYNC_SCHEMA");
    }
    await assert.rejects(names.get("a"), InvalidValueError);
    assert.equal(typed(db, { schema: later }).getSync("a")?.name, "taken");
  });
});

describe("validateReads", () => {
  it("finds what does not match, and fills in what older entries lack", async () => {
    await using db = await DB.open(":memory:");
    await db.setMany([["ada", { name: "Ada", age: 36 }], ["bad", { name: "Bo" }]]);
    const users = typed(db, { schema: user, validateReads: true });
    assert.equal((await users.get("ada"))?.role, "guest");
    assert.equal(users.getSync("ada")?.role, "guest");
    await assert.rejects(users.get("bad"), /Cannot get "bad": value\.age: /);
    assert.throws(() => users.getEntrySync("bad"), InvalidValueError);
    await assert.rejects(Array.fromAsync(users.list()), { code: "INVALID_VALUE", key: "bad" });
    assert.throws(() => [...users.listSync()], InvalidValueError);
    assert.equal((await typed(db, { schema: user }).get("bad"))?.name, "Bo");
  });

  it("lets go of a list in which something does not match, and of one that is left", async () => {
    await using db = await DB.open(":memory:");
    for (const key of ["a", "b"]) await db.set(key, { name: 5 });
    let left = 0;
    const counted = <T extends { return?: unknown }>(list: T): T => {
      const leave = list.return as () => unknown;
      return Object.assign(list, { return: () => (left++, leave.call(list)) });
    };
    const [list, listSync] = [db.list.bind(db), db.listSync.bind(db)];
    db.list = (...given) => counted(list(...given)) as never;
    db.listSync = (...given) => counted(listSync(...given)) as never;
    const strict = typed(db, { schema: user, validateReads: true });
    await assert.rejects(strict.list().next(), InvalidValueError);
    assert.throws(() => strict.listSync().next(), InvalidValueError);
    assert.equal(left, 2);
    const loose = typed<unknown>(db);
    for await (const _ of loose.list()) break;
    for (const _ of loose.listSync()) break;
    assert.equal(left, 4);
  });
});

describe("codecs", () => {
  it("of json() refuse what JSON would give back as something else", () => {
    class Point {
      x = 1;
    }
    const refused: [value: unknown, path: RegExp][] = [
      [new Date(0), /^value is a Date, which JSON gives back/],
      [{ a: [{ "b c": new Point() }] }, /^value\.a\[0\]\["b c"\] is a Point/],
      [[1, undefined], /^value\[1\] is undefined/],
      [{ toJSON: () => 1 }, /^value is an object with toJSON/],
      [{ a: new Map() }, /^value\.a is a Map.*; use the codec of structured\(\)$/],
      [{ a: Promise.resolve(1) }, /^value\.a is a Promise.*; await it$/],
    ];
    for (const [value, message] of refused) {
      assert.throws(() => json().encode(value), { name: "TypeError", message });
    }
    const shared = { x: 1 };
    for (const value of ["a", new Uint8Array(2), 1, null, { a: undefined, b: [shared, shared] }, Object.create(null)]) {
      assert.equal(json().encode(value), value);
    }
  });

  it("of json() refuse arrays and objects of which JSON would lose something", () => {
    class Stack extends Array<number> {}
    for (
      const [value, message] of [
        [Stack.from([1]), /^value is an array of the class Stack/],
        [{ list: Object.assign([1, 2], { total: 3 }) }, /^value\.list is an array with the property "total"/],
        [{ list: "ab".match(/b/) }, /^value\.list is an array with the property "[a-z]+"/],
        [{ deep: [{ a: 1, [Symbol("hidden")]: 2 }] }, /^value\.deep\[0\] is an object with a symbol/],
      ] as const
    ) assert.throws(() => json().encode(value), { name: "TypeError", message });
    for (const fine of [[], [1, [2]], { a: [] }]) assert.equal(json().encode(fine), fine);
  });

  it("leave it to the database to refuse what lies too deep", async () => {
    await using db = await DB.open(":memory:");
    // Without an end, and in each step twice.
    const circle: Record<string, unknown> = {};
    circle["left"] = circle["right"] = circle;
    await assert.rejects(typed<unknown>(db).set("a", circle), TypeError);
    // No schema has to be waited for, so nothing is.
    await assert.rejects(typed<unknown>(db).set("a", Promise.resolve(1)), /value is a Promise, .*; await it/);
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    const refused = { name: "RangeError", message: /^set: the value has more than 1,000 arrays/ };
    await assert.rejects(typed<unknown>(db).set("deep", deep), refused);
  });

  it("of ours say which call and which key they refuse, writing and reading", async () => {
    await using db = await DB.open(":memory:");
    const plain = typed<unknown>(db);
    const cloned = typed<unknown>(db, { codec: await structured() });
    const [date, call] = [{ at: new Date(0) }, { run: () => {} }];
    const set = /^Cannot set "k": value\.at is a Date, /;
    await assert.rejects(plain.set("k", date), { name: "TypeError", message: set });
    assert.throws(() => plain.atomic().set("k", date), { name: "TypeError", message: set });
    await assert.rejects(plain.transaction((tx) => tx.set("k", date)), { name: "TypeError", message: set });
    const items: [string, unknown][] = [["a", 1], ["b", date]];
    const setMany = { name: "TypeError", message: /^Cannot setMany "b": value\.at is a Date, /, committed: 0 };
    await assert.rejects(plain.setMany(items), setMany);
    await assert.rejects(cloned.set("k", call), { message: 'Cannot set "k": a function could not be cloned.' });
    let deep: unknown = new Date(0);
    for (let i = 0; i < 2_000; i++) deep = [deep];
    await assert.rejects(cloned.set("k", deep), { name: "RangeError", message: /^Cannot set "k": the value has more/ });

    await db.setMany([["a", 1], ["b", { $kv: "nothing of ours" }]]);
    const unreadable = (call: string) => ({
      code: "CORRUPTION",
      message: new RegExp(`^Cannot ${call} "b": it is not what Holdfast writes, `),
    });
    await assert.rejects(cloned.get("b"), unreadable("get"));
    assert.throws(() => cloned.getSync("b"), unreadable("getSync"));
    await assert.rejects(cloned.getMany(["a", "b"]), unreadable("getMany"));
    await assert.rejects(Array.fromAsync(cloned.list()), unreadable("list"));
  });

  it("of a program's own have their errors told as they are", async () => {
    await using db = await DB.open(":memory:");
    const mine = new TypeError("mine");
    const refuse = (): never => {
      throw mine;
    };
    const refusing = typed<unknown>(db, { codec: { encode: refuse, decode: refuse } });
    await db.set("a", 1);
    await assert.rejects(refusing.set("a", 1), (error) => error === mine);
    await assert.rejects(refusing.get("a"), (error) => error === mine);
  });

  it("of structured() keep what can be cloned, in the form of a KV", async () => {
    await using kv = await openKv(":memory:");
    const codec = await structured<{ born: Date; likes: Set<string>; big?: bigint }>();
    const people = typed(kv.database, { codec });
    const ada = { born: new Date("1815-12-10"), likes: new Set(["looms"]), big: 2n ** 70n };
    await kv.set(["ada"], ada);
    const [key] = await Array.fromAsync(people.keys());
    assert.deepEqual(await people.get(key!), ada);
    await people.set(key!, { ...ada, big: 1n });
    assert.deepEqual((await kv.get(["ada"])).value, { ...ada, big: 1n });
    await assert.rejects(people.set(key!, wrong(() => {})), TypeError);
  });

  it("keep what a schema makes, be it more than JSON", async () => {
    await using db = await DB.open(":memory:");
    const schema = z.object({ at: z.string().transform((text) => new Date(text)) });
    const events = typed(db, { schema, codec: await structured<{ at: Date }>() });
    await events.set("a", { at: "2026-01-02T00:00:00Z" });
    assert.equal((await events.get("a"))?.at.getUTCDate(), 2);
    await assert.rejects(
      typed(db, { schema }).set("a", { at: "2026-01-02" }),
      /^TypeError: Cannot set "a": value\.at is a Date/,
    );
  });
});

describe("tuple", () => {
  it("is what a database lists by", async () => {
    await using db = await DB.open(":memory:");
    for (const parts of [["a", 7], ["a", 7, 10], ["a", 7, 9n], ["a", 7, "ä"], ["a", 70, 1], ["a\0", 7, 1]]) {
      await db.set(tuple.encode(parts), 1);
    }
    const found = await Array.fromAsync(db.keys(tuple.range(["a", 7])), (key) => tuple.decode(key));
    assert.deepEqual(found, [["a", 7, "ä"], ["a", 7, 9n], ["a", 7, 10]]);
    assert.equal(await db.count(tuple.range([])), 6);
  });
});

describe("the options of typed()", () => {
  it("are checked", async () => {
    await using db = await DB.open(":memory:");
    const refused: [options: unknown, message: RegExp][] = [
      [{ schema: {} }, /option "schema" must be a Standard Schema, .*, not an object/],
      [{ schema: () => true }, /not a function without it/],
      [{ schema: { "~standard": { version: 2, validate: () => ({}) } } }, /is of version 2/],
      [{ codec: structured() }, /structured\(\) has to be awaited/],
      [{ codec: { encode: () => 1 } }, /must be an object with encode and decode/],
      [{ validateReads: true }, /needs a schema/],
      [{ schema: user, validateReads: 1 }, /must be true or false/],
      [{ shema: user }, /unknown option "shema"; did you mean "schema"/],
    ];
    for (const [options, message] of refused) {
      assert.throws(() => typed(db, options as never), { name: "TypeError", message });
    }
    assert.throws(() => typed(wrong({})), /expected a database or a namespace, not an object/);
  });
});

/** Numbers are kept doubled, so that one can see whether a codec was asked. */
const doubled: Codec<number> = { encode: (value) => value * 2, decode: (stored) => stored as number / 2 };
