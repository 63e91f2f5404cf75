import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { DB, type Transaction } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Turns } from "../../lib/db/writing/turns.ts";
import { all, TestClock, withDb } from "./helpers.ts";

const patient = { tuning: { delay: () => Promise.resolve(), random: () => 0.5 } };

describe("transaction", () => {
  it("commits what it wrote at once and gives its function's result", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      const result = await db.transaction(async (tx) => {
        const a = await tx.get<number>("a");
        tx.set("a", a! + 1);
        tx.set("b", "new", { tags: ["t"] });
        tx.delete("c");
        return "done";
      });
      assert.equal(result, "done");
      assert.equal(db.version, 2);
      assert.deepEqual((await all(db.list())).map(({ key, version }) => [key, version]), [["a", 2], ["b", 2]]);
    }));

  it("reads its own writes, in every way of reading", () =>
    withDb(async (db) => {
      await db.setMany([["a", 1], ["b", 2], { key: "c", value: 3, tags: ["t"] }, { key: "d", value: 4, tags: ["t"] }]);
      await db.transaction(async (tx) => {
        tx.set("a", 10);
        tx.delete("b");
        tx.set("e", 5, { tags: ["t", "u"] });
        tx.set("c", 30);
        assert.equal(await tx.get("a"), 10);
        assert.equal(tx.getSync("b"), undefined);
        assert.equal(await tx.has("b"), false);
        assert.deepEqual(await tx.getMany(["a", "b", "e"]), [10, undefined, 5]);
        assert.deepEqual(await all(tx.keys()), [..."acde"]);
        assert.deepEqual(await all(tx.keys({}, { reverse: true })), [..."edca"]);
        assert.deepEqual(await all(tx.keys({ tag: "t" })), ["d", "e"]);
        assert.deepEqual(await all(tx.keys({ tag: ["u", "t"] })), ["e"]);
        assert.equal(await tx.count(), 4);
        const entry = await tx.getEntry("e");
        assert.deepEqual([entry?.version, entry?.tags], [0, ["t", "u"]]);
        tx.deleteRange({ start: "a", end: "d" });
        assert.deepEqual([...tx.listSync()].map(({ key, value, version }) => [key, value, version]), [["d", 4, 1], [
          "e",
          5,
          0,
        ]]);
        assert.equal(await tx.get("a"), undefined);
        tx.set("b", 20);
        assert.deepEqual(await all(tx.keys()), [..."bde"]);
      });
      assert.deepEqual((await all(db.list())).map(({ key, value }) => [key, value]), [["b", 20], ["d", 4], ["e", 5]]);
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["d", "e"]);
    }));

  it("reads one version, whatever others commit", () =>
    withDb(async (db) => {
      await db.setMany([["a", 1], ["b", 1]]);
      await db.transaction(async (tx) => {
        assert.equal(await tx.get("a"), 1);
        await db.setMany([["a", 2], ["b", 2], ["c", 2]]);
        assert.equal(await tx.get("b"), 1);
        assert.equal(await tx.count(), 2);
      });
    }));

  it("is run again when a key it read was changed, also one that was not there", () =>
    withDb(async (db) => {
      for (const meddle of [() => db.set("k", 1), () => db.delete("k"), () => db.deleteRange({ prefix: "k" })]) {
        let runs = 0;
        await db.transaction(async (tx) => {
          await tx.get("k");
          if (runs++ === 0) await meddle();
          tx.set("out", runs);
        });
        assert.equal(runs, 2);
      }
    }, patient));

  it("is run again when a range it read was changed, as far as it read", () =>
    withDb(async (db) => {
      await db.setMany([..."bdfh"].map((key) => [key, 0] as const));
      const run = async (
        read: (tx: Transaction) => Promise<unknown>,
        meddle: () => Promise<unknown>,
      ): Promise<number> => {
        let runs = 0;
        await db.transaction(async (tx) => {
          await read(tx);
          if (runs++ === 0) await meddle();
          tx.set("zz", 1);
        });
        return runs;
      };
      const whole = (tx: Transaction) => all(tx.list({ start: "b", end: "h" }));
      assert.equal(await run(whole, () => db.set("c", 1)), 2, "a new key inside");
      assert.equal(await run(whole, () => db.delete("c")), 2, "a deleted key inside");
      assert.equal(await run(whole, () => db.deleteRange({ prefix: "g" })), 2, "a deleted range inside");
      assert.equal(await run(whole, () => db.set("h", 1)), 1, "a key at the end");
      assert.equal(await run(whole, () => db.set("a", 1)), 1, "a key before");
      await db.delete("a");
      const first = (tx: Transaction) => all(tx.list({}, { limit: 1 }));
      assert.equal(await run(first, () => db.set("f", 1)), 1, "behind what was read");
      assert.equal(await run(first, () => db.set("a", 1)), 2, "before what was read");
      const last = (tx: Transaction) => all(tx.list({ end: "m" }, { limit: 1, reverse: true }));
      assert.equal(await run(last, () => db.set("c", 1)), 1);
      assert.equal(await run(last, () => db.set("i", 1)), 2);
      assert.equal(await run((tx) => tx.count({ prefix: "x" }), () => db.set("x1", 1)), 2, "an empty range");
      assert.equal(await run((tx) => all(tx.list({ tag: "t" })), () => db.set("q", 1, { tags: ["t"] })), 2, "a tag");
      assert.equal(await run((tx) => all(tx.list({ tag: "t" })), () => db.set("q", 1)), 2, "a tag taken away");
      assert.equal(await run((tx) => all(tx.list({ tag: "t" })), () => db.set("r", 1)), 1, "no tag");
    }, patient));

  it("validates expired entries too", async () => {
    const clock = new TestClock();
    await withDb(async (db) => {
      await db.set("k", 1, { expireIn: 1 });
      clock.ms++;
      let runs = 0;
      await db.transaction(async (tx) => {
        assert.equal(await tx.get("k"), runs === 0 ? undefined : 2);
        if (runs++ === 0) await db.set("k", 2);
        tx.set("x", 1);
      });
      assert.equal(runs, 2);
    }, { clock: clock.now, ...patient });
  });

  it("does not conflict with what it did not read", () =>
    withDb(async (db) => {
      let runs = 0;
      await db.transaction(async (tx) => {
        runs++;
        await tx.get("mine");
        await db.set("other", 1);
        tx.set("mine", 1);
        tx.set("other", 2);
      });
      assert.equal(runs, 1);
      assert.equal(await db.get("other"), 2);
    }));

  it("remembers each key that it looked at, not only the last", () =>
    withDb(async (db) => {
      await db.set("a1", 1);
      let runs = 0;
      await db.transaction(async (tx) => {
        runs++;
        for (const key of ["a1", "a2", "a3"]) {
          await tx.get(key);
          tx.hasSync(key);
        }
        if (runs === 1) await db.set("a1", 2);
        tx.set("b", 1);
      });
      assert.equal(runs, 2);
    }, patient));

  it("gives up with ConflictError after its retries, having waited with jitter", async () => {
    const waits: number[] = [];
    const delay = (ms: number) => {
      waits.push(ms);
      return Promise.resolve();
    };
    await withDb(async (db) => {
      let runs = 0;
      const meddled = db.transaction(async (tx) => {
        await tx.get("k");
        await db.set("k", runs++);
        tx.set("k", "never");
      }, { retries: 3 });
      await assert.rejects(meddled, { name: "ConflictError", code: "CONFLICT", message: /4 times in a row/ });
      assert.equal(runs, 4);
      assert.deepEqual(waits, [0.5, 1, 2]);
      assert.equal(await db.get("k"), 3);
      runs = 0;
      await assert.rejects(
        db.transaction(async (tx) => {
          await tx.get("k");
          await db.set("k", runs++);
          tx.set("k", "never");
        }),
        { name: "ConflictError" },
      );
      assert.equal(runs, 11, "the default is 10 retries");
    }, { tuning: { delay, random: () => 0.5 } });
  });

  it("loses no increment among many at once", () =>
    withDb(async (db) => {
      const add = () =>
        db.transaction(async (tx) => {
          tx.set("n", (await tx.get<number>("n") ?? 0) + 1);
        }, { retries: 1000 });
      await Promise.all(Array.from({ length: 40 }, add));
      assert.equal(await db.get("n"), 40);
    }));

  for (const reverse of [false, true]) {
    it(`conflicts with what comes before the last entry that it listed by tag${reverse ? ", reversed" : ""}`, () =>
      withDb(async (db) => {
        await db.setMany(["b", "c", "d", "e"].map((key) => ({ key, value: 1, tags: ["t"] })));
        const runs = async (key: string): Promise<number> => {
          let runs = 0;
          await db.transaction(async (tx) => {
            const list = tx.listSync({ tag: "t" }, { reverse });
            list.next();
            list.next();
            list.return?.();
            if (runs++ === 0) await db.set(key, 2, { tags: ["t"] });
            tx.set("x", runs);
          });
          return runs;
        };
        assert.equal(await runs(reverse ? "dd" : "bb"), 2);
        assert.equal(await runs(reverse ? "a" : "f"), 1);
      }, patient));
  }

  describe("where many contend for one key", () => {
    const COUNT = 12;

    /** Runs `COUNT` increments that all read before any of them commits; `behind` is called in each later run. */
    async function contend(
      db: DB,
      behind: (run: number) => Promise<void> = () => Promise.resolve(),
    ): Promise<{ runs: () => number; all: Promise<PromiseSettledResult<void>[]> }> {
      let runs = 0;
      const met = Promise.withResolvers<void>();
      const one = (): Promise<void> => {
        let again = false;
        return db.transaction(async (tx) => {
          const n = await tx.get<number>("n") ?? 0;
          if (++runs === COUNT) met.resolve();
          await (again ? behind(runs) : met.promise);
          again = true;
          tx.set("n", n + 1);
        });
      };
      const all = Promise.allSettled(Array.from({ length: COUNT }, one));
      await met.promise;
      return { runs: () => runs, all };
    }

    it("they are run again one at a time, so that each needs one retry", async () => {
      const signals: (AbortSignal | undefined)[] = [];
      const delay = (ms: number, signal?: AbortSignal): Promise<void> => {
        if (ms === 0) return Promise.resolve();
        assert.equal(ms, 1000);
        signals.push(signal);
        return new Promise(() => {});
      };
      await withDb(async (db) => {
        const { runs, all } = await contend(db);
        assert.deepEqual((await all).filter(({ status }) => status === "rejected"), []);
        assert.equal(runs(), COUNT + COUNT - 1);
        assert.equal(await db.get("n"), COUNT);
        assert.deepEqual(signals.map((signal) => signal?.aborted), Array(COUNT - 2).fill(true), "no timer is left");
      }, { tuning: { delay, random: () => 0 } });
    });

    it("they wait on as long as the line moves, however many there are", async () => {
      const patience: (() => void)[] = [];
      const delay = (ms: number): Promise<void> =>
        ms === 0 ? Promise.resolve() : new Promise((resolve) => patience.push(resolve));
      const endPatience = (): Promise<void> => {
        patience.splice(0).forEach((end) => end());
        return new Promise((resolve) => setTimeout(resolve, 0));
      };
      await withDb(async (db) => {
        // Each that was run again has kept the others waiting for what they have of patience.
        const { runs, all } = await contend(db, (run) => run < COUNT + 2 ? Promise.resolve() : endPatience());
        assert.deepEqual((await all).filter(({ status }) => status === "rejected"), []);
        assert.equal(runs(), COUNT + COUNT - 1);
      }, { tuning: { delay, random: () => 0 } });
    });

    it("one that others waited for in vain is not waited for again", async () => {
      const held = Promise.withResolvers<void>();
      let waits = 0;
      const delay = (ms: number): Promise<void> => {
        if (ms === 1000) waits++;
        return Promise.resolve();
      };
      await withDb(async (db) => {
        const meetsOne = (key: string, then?: Promise<void>): Promise<void> => {
          let runs = 0;
          return db.transaction(async (tx) => {
            await tx.get(key);
            if (runs++ === 0) await db.set(key, 1);
            else await then;
            tx.set(key, 2);
          });
        };
        const long = meetsOne("long", held.promise);
        while (await db.get("long") === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
        for (let n = 0; n < 10; n++) await meetsOne("short");
        assert.equal(waits, 1);
        held.resolve();
        await long;
      }, { tuning: { delay, random: () => 0 } });
    });

    it("one whose function throws lets the next one go", () =>
      withDb(async (db) => {
        const { all } = await contend(db, () => Promise.reject(new Error("no")));
        assert.equal((await all).filter(({ status }) => status === "rejected").length, COUNT - 1);
        assert.equal(await db.get("n"), 1);
      }, { tuning: { delay: (ms: number) => ms === 0 ? Promise.resolve() : new Promise(() => {}), random: () => 0 } }));

    it("those that wait are told at once when the database is closed", async () => {
      const held = Promise.withResolvers<void>();
      let waiting = 0;
      const delay = (ms: number): Promise<void> => {
        if (ms === 0) return Promise.resolve();
        waiting++;
        return new Promise(() => {});
      };
      const db = await DB.open(":memory:", { tuning: { delay, random: () => 0 } });
      const meetsOne = (then: () => Promise<void>): Promise<void> => {
        let runs = 0;
        return db.transaction(async (tx) => {
          const n = await tx.get<number>("n") ?? 0;
          if (runs++ === 0) await db.set("n", n + 1);
          else await then();
          tx.set("n", n + 1);
        });
      };
      const isHeld = Promise.withResolvers<void>();
      const first = meetsOne(() => {
        isHeld.resolve();
        return held.promise;
      });
      await isHeld.promise;
      const waits = Array.from({ length: COUNT }, () => meetsOne(() => Promise.resolve()));
      while (waiting < COUNT) await new Promise((resolve) => setTimeout(resolve, 1));
      const told = Promise.allSettled([...waits, meetsOne(() => Promise.resolve())]);
      await db.close();
      for (const one of await told) assert.equal(one.status === "rejected" && one.reason.code, "CLOSED");
      held.resolve();
      await assert.rejects(first, { code: "CLOSED" });
      const turns = new Turns();
      turns.wait(turns.place(), () => Promise.resolve());
      turns.end();
      assert.equal(turns.wait(turns.place(), () => Promise.resolve()), undefined, "whoever comes behind that");
    });

    it("nobody waits longer than a second for one that waits for something else", async () => {
      const held = Promise.withResolvers<void>();
      await withDb(async (db) => {
        const { all } = await contend(db, (run) => run === COUNT + 1 ? held.promise : Promise.resolve());
        while ((await db.get("n")) !== COUNT - 1) await new Promise((resolve) => setTimeout(resolve, 1));
        held.resolve();
        assert.deepEqual((await all).filter(({ status }) => status === "rejected"), []);
        assert.equal(await db.get("n"), COUNT);
      }, { tuning: { delay: () => Promise.resolve() } });
    });
  });

  describe("beside others that are faster than it", () => {
    const turns = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n++) await new Promise<void>((resolve) => setImmediate(resolve));
    };

    /** On a disk whose syncs take five turns of the event loop: for as long others do not see what was written. */
    async function withSlowDisk(run: (db: DB) => Promise<void>, delay: (ms: number) => Promise<void>): Promise<void> {
      const fileSystem = memoryFileSystem({ delay: (name) => name === "sync" ? turns(5) : undefined });
      await using db = await DB.open("/db", { fileSystem, tuning: { delay, random: () => 0.5 } });
      await run(db);
    }

    /** Until it is run again, which is when others are being synced; nobody waits for it in vain. */
    const never = (ms: number): Promise<void> => ms === 64 ? new Promise(() => {}) : turns(3);

    /** Runs a slow transaction while others, one after the other, change what it reads; answers how often it ran. */
    async function beside(db: DB, slow: (tx: Transaction, runs: number) => Promise<void>): Promise<number> {
      let runs = 0;
      let isDone = false;
      const slowOne = db.transaction(async (tx) => {
        runs++;
        await tx.get("n");
        await slow(tx, runs);
        tx.set("n", "slow");
      }).finally(() => isDone = true);
      const fastOnes = (async () => {
        while (!isDone) await db.transaction(async (tx) => tx.set("n", `${await tx.get("n")}`));
      })();
      await Promise.all([slowOne, fastOnes]).catch((error) => {
        isDone = true;
        throw error;
      });
      return runs;
    }

    it("goes first after its second conflict", () =>
      withSlowDisk(async (db) => assert.equal(await beside(db, () => turns(20)), 3), never));

    it("lets them go on when its function throws", () =>
      withSlowDisk(async (db) => {
        const slow = async (_: Transaction, runs: number): Promise<void> => {
          await turns(20);
          if (runs === 3) throw new Error("no");
        };
        await assert.rejects(beside(db, slow), /no/);
        await db.transaction(async (tx) => tx.set("n", await tx.get<string>("n") ?? ""));
      }, never));

    it("is one of several that go first, in turn", () => {
      const turns = new Turns();
      const forever = (): Promise<void> => new Promise(() => {});
      const [first, second] = [turns.prefer(turns.place()), turns.prefer(turns.place())];
      first();
      assert.notEqual(turns.giveWay(forever), undefined);
      second();
      assert.equal(turns.giveWay(forever), undefined);
    });

    it("loses its precedence when others have given way in vain", async () => {
      const turns = new Turns();
      const end = turns.prefer(turns.place());
      await turns.giveWay(() => Promise.resolve());
      assert.equal(turns.giveWay(() => new Promise(() => {})), undefined);
      end();
    });

    it("does not keep waiting what is begun in its function, be that run again or not", () =>
      withDb(async (db) => {
        const meetsOne = (key: string, inside?: () => Promise<void>): Promise<void> => {
          let runs = 0;
          return db.transaction(async (tx) => {
            const n = await tx.get<number>(key) ?? 0;
            await inside?.();
            if (++runs === 1) await db.set(key, n);
            tx.set(key, n + 1);
          });
        };
        let runs = 0;
        await db.transaction(async (tx) => {
          await tx.get("n");
          await meetsOne("m", () => meetsOne("l"));
          if (++runs <= 2) await db.set("n", runs);
          tx.set("n", "done");
        });
        assert.equal(runs, 3);
        assert.deepEqual(await db.getMany(["n", "m", "l"]), ["done", 3, 6]);
        // Jitter, and nothing longer.
      }, {
        tuning: { delay: (ms: number) => ms < 64 ? Promise.resolve() : new Promise(() => {}), random: () => 0.5 },
      }));

    it("does not keep waiting for longer than it may one that it waits for otherwise", () =>
      withDb(async (db) => {
        let runs = 0;
        const asked = Promise.withResolvers<void>();
        const other = asked.promise.then(() =>
          db.transaction(async (tx) => tx.set("m", await tx.get<number>("m") ?? 1))
        );
        await db.transaction(async (tx) => {
          await tx.get("n");
          if (++runs <= 2) await db.set("n", runs);
          else {
            asked.resolve();
            await other;
          }
          tx.set("n", "done");
        });
        assert.equal(runs, 3);
        assert.deepEqual(await db.getMany(["n", "m"]), ["done", 1]);
      }, { tuning: { delay: () => Promise.resolve(), random: () => 0.5 } }));
  });

  it("forbids write skew", () =>
    withDb(async (db) => {
      await db.setMany([["ada on call", true], ["bob on call", true]]);
      const leave = (name: string) =>
        db.transaction(async (tx) => {
          const [ada, bob] = await tx.getMany(["ada on call", "bob on call"]);
          if (ada && bob) tx.set(`${name} on call`, false);
        });
      await Promise.all([leave("ada"), leave("bob")]);
      const onCall = await db.getMany(["ada on call", "bob on call"]);
      assert.equal(onCall.filter((yes) => yes).length, 1);
    }));

  it("leaves no trace when its function throws, and passes the error on", () =>
    withDb(async (db) => {
      const error = new Error("no");
      await assert.rejects(
        db.transaction((tx) => {
          tx.set("a", 1);
          throw error;
        }),
        (thrown) => thrown === error,
      );
      assert.equal(db.version, 0);
      assert.equal(db.stats().pins, 0);
    }));

  it("commits nothing when it wrote nothing", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      assert.equal(await db.transaction((tx) => tx.get("a")), 1);
      assert.equal(db.version, 1);
    }));

  it("is over when its function has returned", () =>
    withDb(async (db) => {
      await db.set("a", 1);
      let kept!: Transaction;
      let list!: AsyncIterableIterator<unknown>;
      await db.transaction(async (tx) => {
        kept = tx;
        list = tx.list();
      });
      const over = { name: "TypeError", message: /the transaction has ended; use tx only inside its function/ };
      assert.throws(() => kept.set("a", 2), over);
      assert.throws(() => kept.delete("a"), over);
      assert.throws(() => kept.deleteRange({ prefix: "a" }), over);
      assert.throws(() => kept.in(db), over);
      await assert.rejects(kept.get("a"), over);
      assert.throws(() => kept.getSync("a"), over);
      assert.throws(() => kept.list(), over);
      await assert.rejects(list.next(), over);
      assert.equal(await db.get("a"), 1);
    }));

  it("is over for lists that were begun in it too", () =>
    withDb(async (db) => {
      await db.setMany(["a", "b", "c"].map((key) => ({ key, value: 1, tags: ["t"] })));
      const over = { name: "TypeError", message: /^tx\.(list|keys)\w*: the transaction has ended/ };
      for (const range of [{}, { tag: "t" }]) {
        const [list, now] = await db.transaction(async (tx) => {
          const begun = [tx.list(range), tx.keysSync(range)] as const;
          assert.equal((await begun[0].next()).value?.key, "a");
          assert.equal(begun[1].next().value, "a");
          return begun;
        });
        await assert.rejects(list.next(), over);
        assert.throws(() => now.next(), over);
      }
      assert.equal(db.stats().pins, 0);
    }));

  it("does not see in a list what is written in its loop", () =>
    withDb(async (db) => {
      await db.setMany([["m", 0], ["p", 0]]);
      await db.transaction(async (tx) => {
        for (const key of ["a", "o", "z"]) tx.set(key, 0, { tags: ["t"] });
        const seen: string[] = [];
        for await (const { key } of tx.list()) {
          seen.push(key);
          assert.ok(seen.length < 10, "it goes on over what its loop writes");
          tx.set(`${key}x`, 0, { tags: ["t"] });
          tx.deleteRange({ start: "n", end: "q" });
        }
        assert.deepEqual(seen, ["a", "m", "o", "p", "z"]);
        assert.deepEqual(await all(tx.keys()), ["a", "ax", "m", "mx", "z", "zx"]);
        const tagged: string[] = [];
        for (const { key } of tx.listSync({ tag: "t" }, { reverse: true })) {
          tagged.push(key);
          tx.delete("ax");
          tx.set("b", 0, { tags: ["t"] });
        }
        assert.deepEqual(tagged, ["zx", "z", "mx", "ax", "a"]);
      });
      assert.deepEqual(await all(db.keys({ tag: "t" })), ["a", "b", "mx", "z", "zx"]);
    }));

  it("spans namespaces, also ones that come into being meanwhile", () =>
    withDb(async (db) => {
      const users = db.namespace("users");
      const seen: unknown[] = [];
      await db.transaction(async (tx) => {
        seen.push(await tx.in(users).get("ada"));
        if (seen.length === 1) await users.set("ada", 1);
        tx.in(users).set("ada", 2);
        tx.set("ada", "root");
        assert.equal(await tx.get("ada"), "root");
        assert.deepEqual(await all(tx.in(users).keys()), ["ada"]);
      });
      assert.deepEqual(seen, [undefined, 1]);
      assert.equal(await users.get("ada"), 2);
      assert.equal((await users.getEntry("ada"))?.version, (await db.getEntry("ada"))?.version);
    }, patient));

  it("refuses what makes no sense", () =>
    withDb(async (db) => {
      await assert.rejects(db.transaction(5 as never), { name: "TypeError", message: /must be a function/ });
      await assert.rejects(db.transaction(() => 1, { retries: -1 }), RangeError);
      await assert.rejects(db.transaction(() => 1, { retrys: 1 } as never), {
        name: "TypeError",
        message: /did you mean "retries"/,
      });
      await assert.rejects(db.transaction((tx) => tx.set("", 1)), {
        name: "RangeError",
        message: /tx.set: the key is empty/,
      });
      using snapshot = db.snapshot();
      await assert.rejects(db.transaction((tx) => tx.get("a", { snapshot })), {
        name: "TypeError",
        message: /its own snapshot/,
      });
      await using other = await DB.open(":memory:");
      await assert.rejects(db.transaction((tx) => tx.in(other).get("a")), {
        name: "TypeError",
        message: /another database/,
      });
    }));
});
