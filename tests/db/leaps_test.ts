/** Lists by tags and in transactions, which leap over what does not count: they find what one that looks at all would. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, type Snapshot, type Transaction } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Random } from "../tree/model.ts";

const KEYS = 240;
const TAGS = ["a", "b", "c"];
const LONG = { timeout: 120_000 };

const keyOf = (n: number): string => `k${String(n).padStart(3, "0")}`;

interface Item {
  tags: string[];
  expiresAt: number;
}

type State = ReadonlyMap<string, Item>;

/** What is read from: the database, a snapshot or a transaction. */
type Readable = Pick<DB, "list"> | Snapshot | Transaction;

/** Which entries are asked for. */
interface Question {
  tag?: string[];
  start?: string;
  end?: string;
  reverse: boolean;
  limit: number;
}

class World {
  readonly #random: Random;
  readonly #fs = memoryFileSystem();
  #db!: DB;
  #now = 1_000_000;
  #state: State = new Map();
  #snapshots: { snapshot: Snapshot; state: State; moment: number }[] = [];
  /** Lists under way, and what they are still to give. */
  #lists: { list: AsyncIterator<{ key: string; value: unknown }>; left: string[] }[] = [];

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  async run(steps: number): Promise<void> {
    const tuning = { delay: () => Promise.resolve(), random: () => 0.5 };
    this.#db = await DB.open("/db", {
      fileSystem: this.#fs,
      clock: () => this.#now,
      memtableBytes: 64 * 1024,
      tuning,
    });
    for (let n = 0; n < steps; n++) {
      await this.#step();
      await this.#ask(this.#db, this.#state, this.#now);
      for (const { snapshot, state, moment } of this.#snapshots) await this.#ask(snapshot, state, moment);
      await this.#goOn();
    }
    for (const { list } of this.#lists) await list.return?.();
    for (const { snapshot } of this.#snapshots) snapshot.release();
    await this.#db.close();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 20) await this.#write();
    else if (dice < 45) await this.#work();
    else if (dice < 70) await this.#transaction();
    else if (dice < 78) this.#now += random.below(40);
    else if (dice < 83) {
      this.#snapshots.push({ snapshot: this.#db.snapshot(), state: this.#state, moment: this.#now });
      if (this.#snapshots.length > 2) this.#snapshots.shift()!.snapshot.release();
    } else if (dice < 93) await this.#begin();
    else if (dice < 96) await this.#db.flush();
    else await this.#db.compact();
  }

  /** Some writes at once. */
  async #write(): Promise<void> {
    const atomic = this.#db.atomic();
    this.#state = this.#change(this.#state, atomic);
    await atomic.commit();
  }

  /** Sets and deletes, in what is written and in the model. */
  #change(
    state: State,
    to: {
      set(key: string, value: number, options: { tags: string[]; expiresAt?: number }): unknown;
      delete(key: string): unknown;
      deleteRange(range: { start: string; end: string }): unknown;
    },
  ): State {
    const random = this.#random;
    const out = new Map(state);
    const first = random.below(KEYS);
    const many = random.chance(5) ? 60 : 1 + random.below(4);
    if (random.chance(6)) {
      const [start, end] = [keyOf(first), keyOf(first + many)];
      to.deleteRange({ start, end });
      for (const key of state.keys()) if (key >= start && key < end) out.delete(key);
      return out;
    }
    const gone = random.chance(4);
    for (let n = first; n < first + many; n++) {
      const key = keyOf(n % KEYS);
      if (gone) {
        to.delete(key);
        out.delete(key);
        continue;
      }
      const tags = TAGS.filter(() => random.chance(2));
      const expiresAt = random.chance(5) ? this.#now + 1 + random.below(100) : Infinity;
      to.set(key, n, { tags, ...expiresAt === Infinity ? {} : { expiresAt } });
      out.set(key, { tags, expiresAt });
    }
    return out;
  }

  /** As a worker that takes entries with a tag from one end, and gives them another or deletes them. */
  async #work(): Promise<void> {
    const random = this.#random;
    const [tag, next] = [random.pick(TAGS), random.pick(["", ...TAGS])];
    const question = { tag: [tag], reverse: random.chance(2), limit: 1 };
    for (let n = random.below(40); n > 0; n--) {
      const [key] = keysFor(this.#state, question, this.#now);
      if (key === undefined) return;
      assert.deepEqual(await keysOf(this.#db, question), [key]);
      const out = new Map(this.#state);
      if (next === "" || next === tag) {
        await this.#db.delete(key);
        out.delete(key);
      } else {
        await this.#db.set(key, n, { tags: [next] });
        out.set(key, { tags: [next], expiresAt: Infinity });
      }
      this.#state = out;
    }
  }

  /** Writes, reads what it wrote, and now and then leaves no trace. */
  async #transaction(): Promise<void> {
    const random = this.#random;
    const failing = random.chance(2) ? new Error("no") : undefined;
    let state = this.#state;
    try {
      await this.#db.transaction(async (tx) => {
        state = this.#state;
        for (let n = 1 + random.below(12); n > 0; n--) {
          if (random.chance(2)) state = this.#change(state, tx);
          else {
            const question = { ...this.#question(), limit: 1 };
            const [key] = keysFor(state, question, this.#now);
            assert.deepEqual(await keysOf(tx, question), key === undefined ? [] : [key]);
            if (key !== undefined) {
              tx.delete(key);
              const out = new Map(state);
              out.delete(key);
              state = out;
            }
          }
          await this.#ask(tx, state, this.#now);
        }
        if (failing !== undefined) throw failing;
      });
    } catch (error) {
      if (error !== failing) throw error;
      return;
    }
    this.#state = state;
  }

  #question(): Question {
    const random = this.#random;
    const tag = TAGS.filter(() => random.chance(2));
    const start = random.chance(3) ? keyOf(random.below(KEYS)) : undefined;
    const end = random.chance(3) ? keyOf(random.below(KEYS)) : undefined;
    return {
      ...tag.length > 0 ? { tag: random.chance(2) ? tag : tag.toReversed() } : {},
      ...start === undefined ? {} : { start },
      ...end === undefined ? {} : { end },
      reverse: random.chance(2),
      limit: random.chance(2) ? 1000 : 1 + random.below(10),
    };
  }

  async #ask(from: Readable, state: State, moment: number): Promise<void> {
    for (let n = 0; n < 2; n++) {
      const question = this.#question();
      assert.deepEqual(await keysOf(from, question), keysFor(state, question, moment), JSON.stringify(question));
    }
  }

  async #begin(): Promise<void> {
    const question = { ...this.#question(), limit: 1000 };
    const { reverse, limit, ...range } = question;
    const list = this.#db.list(range, { reverse, limit });
    const left = keysFor(this.#state, question, this.#now);
    const { value, done } = await list.next();
    assert.equal(done ? undefined : value.key, left.shift());
    if (!done) this.#lists.push({ list, left });
  }

  /** Lists under way show what there was when they began. */
  async #goOn(): Promise<void> {
    for (const each of [...this.#lists]) {
      if (this.#random.chance(2)) continue;
      for (let n = this.#random.below(60); n > 0; n--) {
        const { value, done } = await each.list.next();
        assert.equal(done ? undefined : value.key, each.left.shift());
        if (!done) continue;
        this.#lists.splice(this.#lists.indexOf(each), 1);
        break;
      }
    }
  }
}

function keysFor(state: State, { tag = [], start = "", end, reverse, limit }: Question, moment: number): string[] {
  const keys = [...state].filter(([key, { tags, expiresAt }]) =>
    key >= start && (end === undefined || key < end) && expiresAt > moment && tag.every((one) => tags.includes(one))
  ).map(([key]) => key).sort();
  return (reverse ? keys.reverse() : keys).slice(0, limit);
}

async function keysOf(from: Readable, { reverse, limit, ...range }: Question): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of from.list(range, { reverse, limit })) keys.push(key);
  return keys;
}

describe("lists that leap", () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`find what there is (seed ${seed})`, LONG, () => new World(seed).run(250));
  }

  /** Of jobs that a worker goes through: how it takes the next one, and gives it another tag. */
  const WORKERS: Record<string, (db: DB, reverse: boolean) => Promise<string | undefined>> = {
    "by tag": (db, reverse) => take(db, db, { tag: "pending" }, reverse),
    "by two tags": (db, reverse) => take(db, db, { tag: ["job", "pending"] }, reverse),
    "in a transaction that has written": (db, reverse) =>
      db.transaction((tx) => {
        tx.set("worker", 1);
        return take(tx, tx, { tag: "pending" }, reverse);
      }),
    "in a transaction, by key": (db, reverse) =>
      db.transaction(async (tx) => {
        tx.set("worker", 1);
        for await (const { key } of tx.list({ prefix: "k" }, { reverse, limit: 1 })) {
          tx.delete(key);
          return key;
        }
        return undefined;
      }),
  };

  async function take(
    from: Readable,
    to: Pick<DB, "set"> | Pick<Transaction, "set">,
    range: { tag: string | string[] },
    reverse: boolean,
  ): Promise<string | undefined> {
    for await (const { key } of from.list(range, { reverse, limit: 1 })) {
      await to.set(key, 1, { tags: ["job", "done"] });
      return key;
    }
    return undefined;
  }

  /** A database of jobs, and how often it looks at the time: who lists does so once in a thousand rows. */
  async function withJobs(
    reverse: boolean,
    run: (db: DB, expected: readonly string[], looks: () => number) => Promise<void>,
  ): Promise<void> {
    const count = 6000;
    const keys = Array.from({ length: count }, (_, n) => `k${String(reverse ? count - 1 - n : n).padStart(5, "0")}`);
    let looks = 0;
    const db = await DB.open(":memory:", {
      durability: "buffered",
      memtableBytes: 64 * 2 ** 20,
      tuning: { monotonic: () => ++looks },
    });
    await db.setMany(keys.map((key) => ({ key, value: 1, tags: ["job", "pending"] })));
    await run(db, keys.slice(0, -10), () => looks);
    await db.close();
  }

  /** Takes all jobs: none takes longer than the first, but for what is always done now and then. */
  async function takeAll(
    expected: readonly string[],
    looks: () => number,
    worker: () => Promise<string | undefined>,
  ): Promise<void> {
    let first: number | undefined;
    for (const [n, key] of expected.entries()) {
      const before = looks();
      assert.equal(await worker(), key);
      first ??= looks() - before;
      assert.ok(looks() - before < first + 8, `${looks() - before} looks for ${n}, ${first} for the first`);
    }
  }

  for (const reverse of [false, true]) {
    const end = reverse ? ", from the end" : "";
    for (const [how, worker] of Object.entries(WORKERS)) {
      it(
        `do not look again at what was taken ${how}${end}`,
        LONG,
        () => withJobs(reverse, (db, expected, looks) => takeAll(expected, looks, () => worker(db, reverse))),
      );
    }

    it(
      `do not look again at what the same transaction has taken${end}`,
      LONG,
      () =>
        withJobs(
          reverse,
          (db, expected, looks) =>
            db.transaction((tx) => takeAll(expected, looks, () => take(tx, tx, { tag: "pending" }, reverse))),
        ),
    );
  }
});
