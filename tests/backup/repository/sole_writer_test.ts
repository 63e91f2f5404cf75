/** Stores that decide no conditions: one program writes at a time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PermissionError, RepositoryLockedError, StorageError } from "../../../lib/base/errors.ts";
import { delayWith, type Timers } from "../../../lib/base/timers.ts";
import { readBytes } from "../../../lib/backup/repository/core/documents.ts";
import type { ListOptions, ObjectBody, ObjectStore } from "../../../lib/storage/object_store.ts";
import { LONG, mine, pick, randomFrom, SEED } from "../../crash/random.ts";
import { keysOf, streamed, text, textOf } from "../../storage/helpers.ts";
import { storeSuite } from "../../storage/store_suite.ts";
import { backupTo } from "../../../lib/backup/backup_to.ts";
import { restoreInto } from "../../../lib/backup/restore.ts";
import { restoreTo } from "../../../lib/backup/restore_to.ts";
import { verifyRepository } from "../../../lib/backup/repository/care/verify.ts";
import { listBackups } from "../../../lib/backup/repository/core/list_backups.ts";
import { settingsOf } from "../fixture.ts";
import { FakeTime, turns } from "./fake_timers.ts";
import { House, MIDNIGHT } from "./house.ts";
import { meanwhile, MINUTE, over, Program, SECOND, writeUntil } from "./programs.ts";
import { prune } from "./prune_fixture.ts";
import { NO_WAIT, sweep } from "./sweep.ts";
import { scenarios } from "./sweep_scenarios.ts";
import { UnconditionalStore } from "./unconditional_store.ts";

// Whose claims are kept elsewhere, so that listings give what the suite has put.
storeSuite(
  "a store without conditions that one program writes to",
  () => new Program(new UnconditionalStore(), new FakeTime(MIDNIGHT), {}, new UnconditionalStore()).store,
);

describe("a store without conditions", () => {
  it("is written to by one program at a time: another is refused within half a minute, and told by whom", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    const [first, second] = [new Program(store, time), new Program(store, time)];
    await first.store.put("a", text("1"), { ifAbsent: true });
    // Writing goes on.
    const writing = { over: false };
    const writes = writeUntil(first, time, writing);
    const { error, took } = await meanwhile(time, second.store.put("a", text("2"), { ifAbsent: true }));
    assert.ok(error instanceof RepositoryLockedError, String(error));
    assert.match(
      error.message,
      /^Cannot write to memory: another program does \(process \d+, since 2026-11-21T00:00:00\.000Z\), and one at a time may, for the store has no conditional writes; wait for it, or open it with readOnly \(REPOSITORY_LOCKED\)$/,
    );
    assert.ok(took <= 30 * SECOND, `${took} ms`);
    assert.equal(await textOf(second.store, "a"), "1", "reading needs no claim");
    await second.store.put("c", text("3"));
    writing.over = true;
    await meanwhile(time, writes);
  });

  it("is free again five seconds after the last write, or at once when it is let go", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    const [first, second] = [new Program(store, time), new Program(store, time)];
    await first.store.put("a", text("1"), { ifAbsent: true });
    assert.equal((await keysOf(store, { prefix: "writers/" })).length, 1);
    const waited = await meanwhile(time, second.store.put("b", text("1"), { ifAbsent: true }));
    assert.equal(waited.error, undefined);
    assert.ok(waited.took >= 5 * SECOND && waited.took <= 10 * SECOND, `${waited.took} ms`);
    await second.claim.letGo();
    assert.deepEqual(await keysOf(store), ["a", "b"]);
    assert.equal((await meanwhile(time, first.store.put("c", text("1"), { ifAbsent: true }))).took, 0);
    await first.claim.letGo();
  });

  it("is taken over from a program that died, two minutes after another began to look, be it the next day", async () => {
    for (const later of [0, 1000 * MINUTE]) {
      const time = new FakeTime(MIDNIGHT);
      const store = new UnconditionalStore();
      await new Program(store, time, { timers: { set: () => () => {} } }).store.put("a", text("1"), { ifAbsent: true });
      time.now += later;
      const { took, error } = await meanwhile(
        time,
        new Program(store, time).store.put("b", text("1"), { ifAbsent: true }),
      );
      assert.equal(error, undefined);
      assert.ok(took >= 2 * MINUTE && took < 2 * MINUTE + 10 * SECOND, `${took} ms`);
      assert.equal((await keysOf(store, { prefix: "writers/" })).length, 1, "that of the dead one was removed");
    }
  });

  it("is not taken over by a program whose clock is wrong, nor from one whose clock stands", async () => {
    for (const wrong of [-5000 * MINUTE, 5000 * MINUTE, 0]) {
      const time = new FakeTime(MIDNIGHT);
      const store = new UnconditionalStore();
      const first = new Program(store, time, wrong === 0 ? { clock: () => MIDNIGHT } : {});
      await first.store.put("b", text("1"), { ifAbsent: true });
      const writing = { over: false };
      const writes = writeUntil(first, time, writing);
      const second = new Program(store, time, { clock: () => time.now + wrong });
      const { error } = await meanwhile(time, second.store.put("a", text("1"), { ifAbsent: true }));
      assert.ok(error instanceof RepositoryLockedError, `${wrong}`);
      writing.over = true;
      await meanwhile(time, writes);
    }
  });

  it("is claimed anew by a program that slept, whose write begins again, or is refused where another has it by now", async () => {
    for (const [taken, setBack] of [[false, 0], [true, 0], [true, 2 * 60 * MINUTE]] as const) {
      const time = new FakeTime(MIDNIGHT);
      const store = new UnconditionalStore();
      const second = new Program(store, time);
      let asleep = true;
      // It sleeps where it has looked and not put yet.
      const sleepy = over(store, {
        async head(key) {
          const found = await store.head(key);
          if (key !== "a" || !asleep) return found;
          asleep = false;
          time.now += 3 * MINUTE;
          if (taken) {
            const call = second.store.put("a", text("second"), { ifAbsent: true });
            assert.equal((await meanwhile(time, call)).error, undefined);
          }
          return found;
        },
      });
      // Its timers sleep too, and of its two clocks the one that only goes forward; the other may be set back meanwhile.
      const first = new Program(sleepy, time, {
        clock: () => time.now - (asleep ? 0 : setBack),
        monotonic: () => 0,
        timers: { set: () => () => {} },
        delay: (ms) => delayWith(time, ms),
      });
      const { value, error } = await meanwhile(time, first.store.put("a", text("first"), { ifAbsent: true }));
      assert.equal(error, undefined);
      assert.equal(await textOf(store, "a"), taken ? "second" : "first");
      assert.equal(value === undefined, taken);
      assert.equal(
        (await keysOf(store, { prefix: "writers/" })).length,
        1,
        "the one before was given back, or removed",
      );
    }
  });

  it("gives up what is on its way when its claim can't be put anew for a minute", async () => {
    const time = new FakeTime(MIDNIGHT);
    const state = { away: false, abortedAt: 0, renewals: 0 };
    const inner = new UnconditionalStore();
    const store = over(inner, {
      async put(key, body, options) {
        if (key === "a" && state.abortedAt === 0) {
          state.away = true;
          await new Promise((_, reject) => {
            options!.signal!.addEventListener("abort", () => {
              state.away = false;
              state.abortedAt = time.now;
              reject(options!.signal!.reason);
            });
          });
        }
        if (state.away && ++state.renewals === 1) throw new PermissionError("away");
        // The second time no answer comes.
        if (state.away) {
          await new Promise<void>((resolve) => options!.signal!.addEventListener("abort", () => resolve()));
          throw options!.signal!.reason;
        }
        return await inner.put(key, body, options);
      },
    });
    const { store: writer } = new Program(store, time);
    const { error } = await meanwhile(time, writer.put("a", text("1"), { ifAbsent: true }));
    assert.equal(error, undefined, "it is put again, under a new claim");
    assert.equal(state.abortedAt - MIDNIGHT, MINUTE);
    assert.equal(await textOf(store, "a"), "1");
  });

  it("is claimed anew by a program that slept in the middle of a put, however late its timers are", async () => {
    const time = new FakeTime(MIDNIGHT);
    const fate = new Fate(time, () => 0);
    const shared = new UnconditionalStore();
    let arrives = (): void => {};
    const store = over(shared, {
      async put(key, body, options) {
        if (key === "a" && fate.stopped === 0) await new Promise<void>((resolve) => arrives = resolve);
        options?.signal?.throwIfAborted();
        return await shared.put(key, body);
      },
    });
    const first = new Program(store, time, { timers: fate.timers });
    const put = first.store.put("a", text("first"), { ifAbsent: true });
    await turns(5);
    fate.stopped = time.now + 5 * MINUTE;
    const second = new Program(shared, time);
    const writing = { over: false };
    assert.equal((await meanwhile(time, second.store.put("a", text("second"), { ifAbsent: true }))).error, undefined);
    const writes = writeUntil(second, time, writing);
    await meanwhile(time, delayWith(time, fate.stopped - time.now + 3 * SECOND));
    arrives();
    const { error } = await meanwhile(time, put);
    assert.ok(error instanceof RepositoryLockedError, String(error));
    assert.equal(await textOf(shared, "a"), "second");
    writing.over = true;
    await meanwhile(time, writes);
  });

  it("is left without a claim by a program that ends while it puts it anew", async () => {
    const time = new FakeTime(MIDNIGHT);
    const shared = new UnconditionalStore();
    let arrives: (() => void) | undefined;
    let renewals = 0;
    const store = over(shared, {
      async put(key, body) {
        if (key.startsWith("writers/") && ++renewals === 2) await new Promise<void>((resolve) => arrives = resolve);
        return await shared.put(key, body);
      },
    });
    const { claim } = new Program(store, time);
    await meanwhile(time, claim.during(() => delayWith(time, 21 * SECOND)));
    assert.ok(arrives !== undefined);
    const end = claim.letGo();
    await turns(5);
    arrives();
    await end;
    await turns(5);
    assert.deepEqual(await keysOf(shared), []);
  });

  it("is let go at once, though the store gives no answer when the claim is put anew", async () => {
    const time = new FakeTime(MIDNIGHT);
    const shared = new UnconditionalStore();
    let puts = 0;
    const store = over(shared, {
      async put(key, body, options) {
        if (++puts === 2) await new Promise((_, reject) => options!.signal!.addEventListener("abort", reject));
        return await shared.put(key, body, options);
      },
    });
    const { claim } = new Program(store, time);
    await meanwhile(time, claim.during(() => delayWith(time, 21 * SECOND)));
    assert.equal(puts, 2);
    const { error, took } = await meanwhile(time, claim.letGo());
    assert.deepEqual([error, took], [undefined, 0]);
    assert.deepEqual(await keysOf(shared), []);
  });

  it("is not let go while it is written to", async () => {
    const store = new UnconditionalStore();
    const { claim } = new Program(store, new FakeTime(MIDNIGHT));
    await claim.during(async () => {
      await claim.letGo();
      assert.equal((await keysOf(store)).length, 1);
    });
    await claim.letGo();
    assert.deepEqual(await keysOf(store), []);
  });

  it("is told that a claim is over by a program that may write and not delete", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let mayDelete = false;
    const store = over(inner, {
      async delete(key) {
        if (!mayDelete) throw new PermissionError(`no right to delete ${key}`);
        await inner.delete(key);
      },
    });
    const [first, second] = [new Program(store, time), new Program(store, time)];
    for (const [index, program] of [first, second, first].entries()) {
      const { took, error } = await meanwhile(time, program.store.put(`a/${index}`, text("1"), { ifAbsent: true }));
      assert.equal(error, undefined);
      assert.equal(took, 0);
      await program.claim.letGo();
    }
    mayDelete = true;
    const third = new Program(store, time);
    await third.store.put("b", text("1"), { ifAbsent: true });
    assert.equal((await keysOf(store, { prefix: "writers/" })).length, 1, "who may delete removes them");
  });

  it("waits for a claim that can't be read, as for a dead one's", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    await store.put("writers/odd.json", text("{}"));
    const { took, error } = await meanwhile(
      time,
      new Program(store, time).store.put("a", text("1"), { ifAbsent: true }),
    );
    assert.equal(error, undefined);
    assert.ok(took >= 2 * MINUTE);
  });

  it("makes good a look that fails once, also for a body in pieces, which can't be sent again", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let looks = 0;
    const fails = { operation: "head", key: "a", status: 503, retryable: true };
    const store = over(inner, {
      head: (key) => ++looks === 1 ? Promise.reject(new StorageError("busy", fails)) : inner.head(key),
    });
    const put = new Program(store, time).store.put("a", streamed(text("hello"), 2), { ifAbsent: true });
    const { error } = await meanwhile(time, put);
    assert.equal(error, undefined);
    assert.equal(await textOf(inner, "a"), "hello");
  });

  it("ends a body that it does not take", async () => {
    const { store } = new Program(new UnconditionalStore(), new FakeTime(MIDNIGHT));
    await store.put("a", text("1"), { ifAbsent: true });
    const body = streamed(text("hello"), 2);
    assert.equal(await store.put("a", body, { ifAbsent: true }), undefined);
    const taken = streamed(text("hello"), 2);
    assert.ok(await store.put("b", taken, { ifAbsent: true }) !== undefined);
    assert.ok(taken.closed);
    let ends = 0;
    const unread = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.reject(new Error("nobody asks for it")),
        return: () => Promise.resolve({ done: true as const, value: ++ends }),
      }),
    };
    assert.equal(await store.put("a", unread as AsyncIterable<never>, { ifAbsent: true }), undefined);
    assert.equal(ends, 1);
  });

  it("is claimed by two at once, of which one writes soon, and the other has its turn or is refused", async () => {
    const time = new FakeTime(MIDNIGHT);
    const store = new UnconditionalStore();
    const programs = [new Program(store, time), new Program(store, time)];
    const puts = programs.map(({ store }, i) => store.put(`a/${i}`, text("1"), { ifAbsent: true }));
    const { took, value } = await meanwhile(time, Promise.allSettled(puts));
    assert.ok(took <= 40 * SECOND, `${took} ms`);
    assert.ok(value!.some(({ status }) => status === "fulfilled"));
    await meanwhile(time, Promise.all(programs.map(({ claim }) => claim.letGo())));
    for (const { kept } of programs) {
      assert.deepEqual([kept.claims.size, kept.keys.size], [0, 0], "nothing is kept for ever");
    }
  });

  it("is asked for no longer by a program that waits for nothing any more", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    await inner.put("writers/odd.json", text("{}"));
    let lists = 0;
    const store = over(inner, { list: (options) => (lists++, inner.list(options)) });
    const giveUp = new AbortController();
    const put = new Program(store, time).store.put("a", text("1"), { ifAbsent: true, signal: giveUp.signal });
    await turns(5);
    giveUp.abort(new Error("given up"));
    assert.match(String((await meanwhile(time, put)).error), /given up/);
    await meanwhile(time, delayWith(time, MINUTE));
    assert.ok(lists <= 2, `${lists} lists`);
  });

  it("is not written to where it takes a minute and more to look", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    const store = over(inner, {
      async head(key) {
        time.now += 61 * SECOND;
        return await inner.head(key);
      },
    });
    const { error } = await meanwhile(time, new Program(store, time).store.put("a", text("1"), { ifAbsent: true }));
    assert.ok(error instanceof StorageError, String(error));
    assert.match(error.message, /answers too slowly for this program to stay the only one that writes/);
  });

  it("is given back at once behind a put that was refused, for that arrives no more", async () => {
    for (const [status, left] of [[400, 0], [500, 1]] as const) {
      const time = new FakeTime(MIDNIGHT);
      const inner = new UnconditionalStore();
      const refuse = (): Promise<never> =>
        Promise.reject(new StorageError("no", { operation: "put", key: "a", status, retryable: false }));
      const store = over(inner, { put: (key, ...rest) => key === "a" ? refuse() : inner.put(key, ...rest) });
      const { store: writer, claim } = new Program(store, time);
      await assert.rejects(writer.put("a", text("1"), { ifAbsent: true }), StorageError);
      await claim.letGo();
      assert.equal((await keysOf(inner)).length, left, `${status}`);
    }
  });

  it("is refused to a program that finds another each time that it has put its claim", async () => {
    const time = new FakeTime(MIDNIGHT);
    const inner = new UnconditionalStore();
    let lists = 0;
    const store = over(inner, {
      async list(options) {
        const page = await inner.list(options);
        return ++lists % 2 === 0
          ? { ...page, objects: [...page.objects, { key: `writers/z${lists}.json`, size: 1 }] }
          : page;
      },
    });
    const { error } = await meanwhile(time, new Program(store, time).store.put("a", text("1"), { ifAbsent: true }));
    assert.ok(error instanceof RepositoryLockedError, String(error));
    assert.equal(error.name, "RepositoryLockedError");
    assert.deepEqual(await keysOf(inner), []);
  });

  it("is written to by who may list what backups consist of, and not read it", async () => {
    const inner = new UnconditionalStore();
    const store = over(inner, { head: (key) => Promise.reject(new PermissionError(`no right to read ${key}`)) });
    const { store: narrow } = new Program(store, new FakeTime(MIDNIGHT));
    await inner.put("ab", text("1"));
    assert.ok(await narrow.put("a", text("1"), { ifAbsent: true }) !== undefined);
    assert.equal(await narrow.put("a", text("2"), { ifAbsent: true }), undefined);
    assert.equal(await textOf(inner, "a"), "1");
  });
});

/** How a program fares that others are to know nothing of. */
class Fate {
  /** Until when it stands still; `Infinity` for good. */
  stopped = 0;
  readonly #time: FakeTime;
  readonly #random: () => number;

  constructor(time: FakeTime, random: () => number) {
    this.#time = time;
    this.#random = random;
  }

  /** Requests that take a while there and back; the program hears of what comes while it stands still when it goes on. */
  line(store: ObjectStore): ObjectStore {
    const slowly = <A extends unknown[], T>(call: (...args: A) => Promise<T>) => async (...args: A): Promise<T> => {
      await this.#delay();
      const result = await call(...args);
      await this.#delay();
      await this.goesOn();
      return result;
    };
    return over(store, {
      // What is on its way arrives, whatever became of who sent it.
      put: slowly((key: string, body: ObjectBody) => store.put(key, body)),
      get: slowly((key: string) => store.get(key)),
      head: slowly((key: string) => store.head(key)),
      list: slowly((options?: ListOptions) => store.list(options)),
      delete: slowly((key: string) => store.delete(key)),
    });
  }

  /** Its timers, which are late where it stands still. */
  readonly timers: Timers = {
    set: (ms, run, keepAlive) => {
      let isOver = false;
      this.#time.set(ms, () => void this.goesOn().then(() => isOver || run()), keepAlive);
      return () => void (isOver = true);
    },
  };

  async goesOn(): Promise<void> {
    if (this.stopped === Infinity) await new Promise(() => {});
    while (this.#time.now < this.stopped) await delayWith(this.#time, this.stopped - this.#time.now);
  }

  async #delay(): Promise<void> {
    await delayWith(this.#time, this.#random() * (this.#random() < 0.1 ? 25 : 1) * SECOND);
  }
}

/** Programs that each add one to a number, again and again; gives what the additions that succeeded made of it. */
async function additions(seed: number): Promise<number[]> {
  const random = randomFrom(seed);
  const time = new FakeTime(MIDNIGHT);
  const shared = new UnconditionalStore();
  await shared.put("number", text("0"));
  const made: number[] = [];
  let running = 0;
  const run = async (): Promise<void> => {
    const fate = new Fate(time, random);
    const wrong = (pick(random, 3) - 1) * 20 * MINUTE;
    const program = new Program(fate.line(shared), time, { clock: () => time.now + wrong, timers: fate.timers });
    for (let tries = 0; tries < 12; tries++) {
      try {
        const found = (await readBytes(program.store, "number", 100))!;
        const number = Number(new TextDecoder().decode(found.bytes)) + 1;
        const chance = random();
        if (chance < 0.3) fate.stopped = time.now + random() * (chance < 0.15 ? 10 * SECOND : 5 * MINUTE);
        const put = await program.store.put("number", text(`${number}`), { ifMatch: found.etag });
        if (put !== undefined) made.push(number);
      } catch (error) {
        if (!(error instanceof RepositoryLockedError)) throw error;
      }
      if (random() < 0.05) {
        fate.stopped = Infinity;
        return;
      }
      if (random() < 0.3) await program.claim.letGo();
      await delayWith(time, random() * 20 * SECOND);
    }
  };
  let failure: unknown;
  for (let i = 0; i < 3; i++) {
    running++;
    run().catch((error) => failure ??= error).finally(() => running--);
  }
  for (let i = 0; running > 0; i++) {
    assert.ok(i < 100_000, "it ends");
    await time.advance(SECOND, () => turns(1));
    await turns(1);
  }
  if (failure !== undefined) throw failure;
  return made;
}

describe("programs that write to a store without conditions, slow, asleep, killed, with clocks that are wrong", () => {
  it("undo nothing of what another wrote", async () => {
    let all = 0;
    for (const seed of mine(Array.from({ length: LONG ? 1000 : 60 }, (_, i) => i))) {
      const made = await additions(SEED + seed);
      assert.deepEqual(made, made.map((_, i) => i + 1), `seed ${SEED + seed}`);
      all += made.length;
    }
    assert.ok(all > 100, `${all}`);
  });
});

/** Pauses between tries take no time, and what is due in five seconds or more never is. */
const SHORT_WAITS: Timers = {
  set: (ms, run, keepAlive) => ms < 5 * SECOND ? NO_WAIT.set(ms, run, keepAlive) : () => {},
};

/** Makes three commits, and keeps them by backups and a replication between. */
async function backedUp(house: House): Promise<void> {
  await house.set("a", "1");
  await house.backup();
  const replication = await house.replicate({ interval: SECOND });
  await house.set("b", "2");
  await replication.flush();
  await replication.stop();
  await house.set("c", "3");
  await house.backup({ type: "incremental" });
}

describe("a repository in a store without conditions", () => {
  it("does all that others do, and leaves no claim behind", async () => {
    const store = new UnconditionalStore();
    const house = await House.make({ store, repository: { encryption: { passphrase: "a b c" } } });
    const claims = (): Promise<string[]> => keysOf(store, { prefix: "writers/" });
    await backedUp(house);
    assert.equal((await claims()).length, 1);
    for (let version = 1; version <= 3; version++) {
      assert.deepEqual((await house.restore({ at: { version } })).contents, house.states.get(version));
    }
    assert.deepEqual((await verifyRepository(house.context, undefined, { read: "all" })).problems, []);
    await prune(house, { keepLast: 1 });
    await house.context.letGo!();
    assert.deepEqual(await claims(), []);
    // By a path or a store it is opened for the time of the call.
    const encryption = { passphrase: "a b c" };
    await backupTo(house.engine, store, { encryption });
    assert.deepEqual(await claims(), []);
    await restoreTo(house.fs, settingsOf({ clock: house.time.clock }), store, "/elsewhere", { encryption });
    assert.deepEqual(await claims(), []);
    await restoreInto(house.engine, store, { encryption });
    assert.deepEqual(await claims(), []);
  });

  it("may have no tags for what it holds", async () => {
    const inner = new UnconditionalStore();
    const store = over(inner, {
      async put(key, body, options) {
        await inner.put(key, body, options);
        return { etag: "" };
      },
      async get(key, options) {
        const found = await inner.get(key, options);
        return found && { ...found, etag: undefined };
      },
    });
    const house = await House.make({ store });
    await backedUp(house);
    assert.deepEqual((await house.restore()).contents, house.states.get(3));
    await prune(house, { keepLast: 1 });
    const first = await house.context.store.put("x", text("1"), { ifAbsent: true });
    const second = await house.context.store.put("x", text("2"), { ifMatch: first!.etag });
    assert.equal(await house.context.store.put("x", text("3"), { ifMatch: first!.etag }), undefined);
    assert.equal((await readBytes(house.context.store, "x", 100))!.etag, second!.etag);
    await house.context.letGo!();
  });

  it("can be read, and restored from, while another program writes to it; what would write is refused", async () => {
    const store = new UnconditionalStore();
    const house = await House.make({ store });
    await house.set("a", "1");
    await house.backup();
    await house.context.letGo!();
    const writing = { over: false };
    const other = new Program(store, house.time);
    await other.store.put("b", text("1"), { ifAbsent: true });
    const writes = writeUntil(other, house.time, writing);
    const { error } = await meanwhile(house.time, house.backup());
    assert.ok(error instanceof RepositoryLockedError, String(error));
    const restored = await meanwhile(house.time, house.restore());
    assert.deepEqual(restored.value?.contents, house.states.get(1), String(restored.error));
    const report = await meanwhile(house.time, verifyRepository(house.context, undefined, { read: "all" }));
    assert.deepEqual(report.value?.problems, []);
    assert.equal((await listBackups(house.context)).length, 1);
    writing.over = true;
    await meanwhile(house.time, writes);
    await other.claim.letGo();
    assert.equal((await meanwhile(house.time, house.backup())).error, undefined);
  });

  it("is left without a claim where it can't be made", async () => {
    const inner = new UnconditionalStore();
    const store = over(inner, {
      put: (key, ...rest) =>
        key === "repository.json" ? Promise.reject(new PermissionError(`no right to ${key}`)) : inner.put(key, ...rest),
    });
    await assert.rejects(House.make({ store, repository: { encryption: { passphrase: "a b c" } } }), PermissionError);
    assert.deepEqual(await keysOf(inner, { prefix: "writers/" }), []);
  });

  it("is begun anew where a program ended that had only claimed it", async () => {
    const inner = new UnconditionalStore();
    const store = over(inner, { delete: () => Promise.reject(new PermissionError("no right to delete")) });
    const dead = new Program(store, new FakeTime(MIDNIGHT));
    await dead.claim.during(() => Promise.resolve());
    await dead.claim.letGo();
    assert.equal((await keysOf(inner)).length, 1);
    const house = await House.make({ store: inner });
    await house.set("a", "1");
    await house.backup();
    assert.deepEqual((await house.restore()).contents, house.states.get(1));
  });

  it("survives that each of its calls fails in turn", async (t) => {
    let cases = 0;
    for (const [index, scenario] of scenarios.entries()) {
      const settings = { ...scenario.settings, timers: SHORT_WAITS };
      const every = LONG ? 1 : 40;
      cases += await sweep({ ...scenario, settings }, (SEED + index) % every, every, () => new UnconditionalStore());
    }
    t.diagnostic(`${cases} cases`);
    assert.ok(cases > 30, `${cases}`);
  });
});
