import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Kv, type KvOptions, KvU64, openKv } from "../../lib/adapters/kv.ts";
import { openKvWith } from "../../lib/adapters/kv/kv.ts";
import { ClosedError } from "../../lib/base/errors.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { simulate } from "../../lib/adapters/testing.ts";
import { SimulatedTime } from "../../lib/adapters/testing/simulated_time.ts";
import { turns, until } from "../backup/repository/fake_timers.ts";
import { LONG, TURN } from "../crash/random.ts";
import { onOneDisk, unhandledDuring } from "../db/helpers.ts";

const BEGIN = 10_000_000;

/** A KV whose time a test decides. */
async function withKv(
  run: (kv: Kv, time: SimulatedTime, errors: unknown[]) => Promise<void>,
  options: KvOptions = {},
): Promise<void> {
  const time = new SimulatedTime(BEGIN);
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  await using kv = await openKvWith(time, ":memory:", { clock: time.clock, onError, ...options });
  await run(kv, time, errors);
}

/** What the queue still holds. */
async function waiting(kv: Kv): Promise<number> {
  return await kv.database.count({ prefix: Uint8Array.of(0xf0) });
}

describe("a queue", () => {
  it("delivers what was sent, in the order in which it was, and then forgets it", async () => {
    await withKv(async (kv) => {
      const seen: unknown[] = [];
      const messages = ["a", { at: new Date(5) }, new Uint8Array([1]), undefined, 7n, null];
      for (const message of messages) await kv.enqueue(message);
      const listening = kv.listenQueue((message) => void seen.push(message));
      assert.deepEqual(seen, [], "none is begun with within the call");
      await kv.atomic().enqueue(new KvU64(1n)).enqueue("last").set(["sent"], true).commit();
      await until(() => seen.length === 8);
      assert.deepEqual(seen, [...messages, { value: 1n }, "last"]);
      while (await waiting(kv) > 0) await turns();
      assert.deepEqual(await Array.fromAsync(kv.list({ prefix: [] }), ({ key }) => key), [["sent"]]);
      await kv.close();
      await listening;
    });
  });

  it("delivers when it is time", async () => {
    await withKv(async (kv, time) => {
      const seen: [string, number][] = [];
      void kv.listenQueue((message: string) => void seen.push([message, time.now - BEGIN]));
      await kv.enqueue("later", { delay: 5000 });
      await kv.enqueue("first", { delay: 1000 });
      await kv.enqueue("in a month", { delay: 30 * 86_400_000 });
      await time.advance(999);
      assert.deepEqual(seen, []);
      await time.advance(30 * 86_400_000);
      assert.deepEqual(seen, [["first", 1000], ["later", 5000], ["in a month", 30 * 86_400_000]]);
    });
  });

  it("delivers when it is time by a clock that was set forward, or went on while the machine slept", async () => {
    let set = 0;
    const time = new SimulatedTime(BEGIN);
    await using kv = await openKvWith(time, ":memory:", { clock: () => time.now + set });
    const seen: unknown[] = [];
    void kv.listenQueue((message) => void seen.push(message));
    await kv.enqueue("in a day", { delay: 86_400_000 });
    await time.advance(1000);
    set = 86_400_000;
    await time.advance(59_000);
    assert.deepEqual(seen, ["in a day"]);
  });

  it("tries again as the schedule says, then gives the message to its keys", async () => {
    await withKv(async (kv, time, errors) => {
      const tries: number[] = [];
      void kv.listenQueue((message) => {
        tries.push(time.now - BEGIN);
        if (tries.length % 2 === 0) throw new Error(`no ${message.n}`);
        return Promise.reject(new Error(`no ${message.n}`));
      });
      const keysIfUndelivered = [["failed", 1], ["failed", 2]];
      await kv.enqueue({ n: 1n }, { backoffSchedule: [100, 3000], keysIfUndelivered });
      await until(() => tries.length === 1);
      await turns();
      assert.equal((await kv.get(["failed", 1])).value, null);
      await time.advance(10_000, () => turns(10));
      assert.deepEqual(tries, [0, 100, 3100]);
      assert.deepEqual(errors.map(String), Array(3).fill("Error: no 1"));
      const failed = await Array.fromAsync(kv.list({ prefix: ["failed"] }));
      assert.deepEqual(failed.map(({ key, value }) => [key, value]), keysIfUndelivered.map((key) => [key, { n: 1n }]));
      assert.equal(failed[0]!.versionstamp, failed[1]!.versionstamp);
      assert.equal(await waiting(kv), 0);
    });
  });

  it("tries again in the very ms in which a message was due, whatever is sent meanwhile", async () => {
    // The other one is committed before, with or behind what the first one's failure makes of it.
    for (let later = 0; later < 20; later++) {
      await withKv(async (kv, time) => {
        const seen: string[] = [];
        const sendLater = async (): Promise<void> => {
          for (let i = 0; i < later; i++) await undefined;
          await kv.enqueue("other");
        };
        let sent: Promise<void> | undefined;
        void kv.listenQueue((message: string) => {
          seen.push(message);
          if (sent !== undefined) return;
          sent = sendLater();
          throw new Error("no");
        });
        await kv.enqueue("first", { backoffSchedule: [0] });
        await until(() => sent !== undefined);
        await sent;
        await turns();
        await time.advance(10, () => turns(10));
        assert.deepEqual(seen.sort(), ["first", "first", "other"], `after ${later} turns`);
      });
    }
  });

  it("waits from when the handler failed, also behind a clock that was set back and beside what is sent in that ms", async () => {
    for (const [lasts, wait, then] of [[10_000, 100, 10_100], [5, 0, 5], [-3_600_000, 100, -3_599_900]] as const) {
      await withKv(async (kv, time, errors) => {
        const seen: [string, number][] = [];
        let fail: ((error: Error) => void) | undefined;
        void kv.listenQueue(async (message: string) => {
          seen.push([message, time.now - BEGIN]);
          if (seen.length === 1) await new Promise<void>((_, reject) => fail = reject);
        });
        await kv.enqueue("first", { backoffSchedule: [wait] });
        await until(() => fail !== undefined);
        if (lasts < 0) time.now += lasts;
        else await time.advance(lasts);
        await kv.enqueue("other", { delay: 0.5 });
        await until(() => seen.length === 2);
        fail!(new Error("no"));
        await until(() => errors.length === 1);
        await turns(10);
        await time.advance(wait, () => turns(10));
        await until(() => seen.length === 3);
        assert.deepEqual(seen, [["first", 0], ["other", lasts], ["first", then]]);
      });
    }
  });

  it("has a schedule of its own, and may have none", async () => {
    await withKv(async (kv, time) => {
      const tries: Record<string, number[]> = { own: [], none: [], most: [] };
      void kv.listenQueue((name: string) => {
        tries[name]!.push(time.now - BEGIN);
        throw new Error("no");
      });
      await kv.enqueue("own", { backoffSchedule: null as never });
      await kv.enqueue("none", { backoffSchedule: [] });
      await kv.enqueue("most", { backoffSchedule: [50.9, 3_600_000, 5, 5, 5] });
      await until(() => tries["most"]!.length === 1);
      await turns();
      await time.advance(4_000_000, () => turns(10));
      assert.deepEqual(tries, {
        own: [0, 100, 1100, 6100, 36_100, 96_100],
        none: [0],
        most: [0, 50, 3_600_050, 3_600_055, 3_600_060, 3_600_065],
      });
      assert.equal(await waiting(kv), 0);
    });
  });

  it("has at most a hundred handlers at work, and keeps what is behind them", async () => {
    await withKv(async (kv) => {
      const release: (() => void)[] = [];
      let most = 0;
      let working = 0;
      void kv.listenQueue(async () => {
        most = Math.max(most, ++working);
        await new Promise<void>((resolve) => release.push(resolve));
        working--;
      });
      const operation = kv.atomic();
      for (let i = 0; i < 250; i++) operation.enqueue(i);
      await operation.commit();
      for (let done = 0; done < 250; done++) {
        await until(() => release.length > 0);
        release.shift()!();
      }
      while (await waiting(kv) > 0) await turns();
      assert.equal(most, 100);
    });
  });

  it("begins with nothing more once it is closed, from above or beneath", async () => {
    for (const close of [(kv: Kv) => kv.close(), (kv: Kv) => kv.database.close()]) {
      await withKv(async (kv, time, errors) => {
        const release: (() => void)[] = [];
        const listening = kv.listenQueue(() => new Promise<void>((resolve) => release.push(resolve)));
        const operation = kv.atomic();
        for (let i = 0; i < 101; i++) operation.enqueue(i);
        await operation.commit();
        await until(() => release.length === 100);
        const closing = close(kv);
        for (const resolve of release) resolve();
        await Promise.all([closing, listening]);
        assert.deepEqual([release.length, time.keeping, errors], [100, 0, []]);
      });
    }
  });

  it("has several listeners take turns", async () => {
    await withKv(async (kv) => {
      const seen = [0, 0];
      const watch = kv.database.watch.bind(kv.database);
      let watches = 0;
      kv.database.watch = (...given) => (watches++, watch(...given));
      for (const i of [0, 1]) void kv.listenQueue(() => void seen[i]!++);
      for (let i = 0; i < 10; i++) await kv.enqueue(i);
      await until(() => seen[0]! + seen[1]! === 10);
      assert.deepEqual([seen, watches], [[5, 5], 1]);
    });
  });

  it("sends nothing when a check doesn't hold", async () => {
    await withKv(async (kv) => {
      await kv.set(["a"], 1);
      const { ok } = await kv.atomic().check({ key: ["a"], versionstamp: null }).enqueue("no").commit();
      assert.equal(ok, false);
      assert.equal(await waiting(kv), 0);
    });
  });

  it("keeps the program alive while somebody listens, and no longer", async () => {
    await withKv(async (kv, time) => {
      await kv.enqueue("x", { delay: 1000 });
      assert.equal(time.keeping, 0);
      const listening = kv.listenQueue(() => {});
      assert.equal(time.keeping, 1);
      await time.advance(5000);
      assert.equal(time.keeping, 1);
      await kv.close();
      await listening;
      assert.equal(time.keeping, 0);
    });
  });

  it("delivers again, and gives up, what was sent and not what a handler has made of it", async () => {
    await withKv(async (kv, time, errors) => {
      const seen: unknown[] = [];
      void kv.listenQueue((message: { steps: unknown[] }) => {
        seen.push([...message.steps]);
        message.steps.push("begun", () => {});
        throw new Error("no");
      });
      await kv.enqueue({ steps: ["sent"] }, { backoffSchedule: [100], keysIfUndelivered: [["failed"]] });
      await until(() => seen.length === 1);
      await time.advance(100, () => turns(10));
      await until(() => seen.length === 2);
      while (await waiting(kv) > 0) await turns();
      assert.deepEqual([...seen, (await kv.get(["failed"])).value], [["sent"], ["sent"], { steps: ["sent"] }]);
      assert.deepEqual(errors.map(String), ["Error: no", "Error: no"]);
    });
  });

  it("takes no listener that could handle nothing", async () => {
    await withKv(async (kv) => {
      await kv.enqueue("a", { backoffSchedule: [] });
      await assert.rejects(kv.listenQueue(undefined as never), {
        name: "TypeError",
        message: "listenQueue: the handler must be a function, not undefined",
      });
      assert.equal(await waiting(kv), 1);
      const closing = kv.close();
      await assert.rejects(kv.listenQueue(() => {}), { code: "CLOSED", message: "Queue already closed" });
      await closing;
    });
    await withKv(async (kv) => {
      await kv.database.close();
      await assert.rejects(kv.listenQueue(() => {}), { code: "CLOSED", message: "Queue already closed" });
    });
    const disk = memoryFileSystem();
    await using writer = await openKv("/kv", { fileSystem: disk });
    await writer.enqueue("a");
    await using reader = await openKv("/kv", { fileSystem: disk.otherProcess(), readOnly: true });
    await assert.rejects(reader.listenQueue(() => assert.fail("it could not be removed")), { code: "READ_ONLY" });
  });

  it("delivers what a restore has brought back", async () => {
    await withKv(async (kv) => {
      const seen: unknown[] = [];
      await kv.enqueue("a");
      const dump = await new Response(kv.database.exportStream({ format: "jsonl" })).bytes();
      void kv.listenQueue((message) => void seen.push(message));
      await kv.enqueue("b");
      while (await waiting(kv) > 0) await turns();
      await kv.database.restore(new Response(dump).body!);
      await until(() => seen.length === 3);
      assert.deepEqual(seen, ["a", "b", "a"]);
    });
  });

  it("ends when the database beneath is closed", async () => {
    await withKv(async (kv, time, errors) => {
      const listening = kv.listenQueue(() => {});
      await kv.database.close();
      await listening;
      assert.deepEqual([time.keeping, errors], [0, []]);
      await assert.rejects(kv.listenQueue(() => {}), { code: "CLOSED" });
    });
  });

  it("is not held up by a message that can't be read", async () => {
    const disk = memoryFileSystem();
    const options = { fileSystem: disk, compression: "none", tuning: { reserve: false } } as const;
    const kv = await openKv("/kv", options);
    for (const message of ["a".repeat(20_000), "b"]) await kv.enqueue(message);
    await kv.database.compact();
    await kv.close();
    const blob = (await disk.list("/kv")).find((name) => name.endsWith(".blob"));
    disk.damage(`/kv/${blob}`, (bytes) => bytes.map((byte, i) => i > 1000 && i < 1100 ? byte ^ 0xff : byte));
    const errors: unknown[] = [];
    await using damaged = await openKv("/kv", { ...options, onError: (error) => void errors.push(error) });
    const seen: unknown[] = [];
    void damaged.listenQueue((message) => void seen.push(message));
    await until(() => seen.length > 0);
    while (await waiting(damaged) > 1) await turns();
    assert.deepEqual([seen, errors.map((error) => (error as { code: string }).code)], [["b"], ["CORRUPTION"]]);
  });

  it("looks again after a minute where its rows could not be read", async () => {
    await withKv(async (kv, time, errors) => {
      const seen: unknown[] = [];
      void kv.listenQueue((message) => void seen.push(message));
      const { database } = kv;
      let reads = 0;
      database.keysSync = () => {
        reads++;
        throw new Error("a bad block");
      };
      await kv.enqueue("a");
      Reflect.deleteProperty(database, "keysSync");
      assert.deepEqual([seen, reads, errors.map(String)], [[], 1, ["Error: a bad block"]]);
      await time.advance(59_999);
      assert.deepEqual(seen, []);
      await time.advance(1);
      await until(() => seen.length === 1);
      assert.deepEqual([seen, errors.length], [["a"], 1]);
    });
  });

  it("goes on whatever comes of telling onError, which may be asynchronous", async () => {
    for (const fail of [() => Promise.reject(new Error("listener")), () => assert.fail("listener")]) {
      const told: string[] = [];
      const onError = (error: unknown): unknown => {
        told.push(String(error));
        return fail();
      };
      const unhandled = await unhandledDuring(() =>
        withKv(async (kv, time) => {
          const seen: unknown[] = [];
          void kv.listenQueue((message) => {
            seen.push(message);
            if (seen.length === 1) throw new Error("not yet");
          });
          await kv.enqueue("a", { backoffSchedule: [100] });
          await until(() => told.length === 1);
          while (!(await kv.database.count({ prefix: Uint8Array.of(0xf0) }))) await turns();
          await time.advance(100);
          await until(() => seen.length === 2);
          while (await waiting(kv) > 0) await turns();
          assert.deepEqual([seen, told], [["a", "a"], ["Error: not yet"]]);
        }, { onError })
      );
      assert.deepEqual(unhandled, []);
    }
  });

  it("delivers again what a program was at when it ended", async () => {
    const time = new SimulatedTime(BEGIN);
    const options = { ...onOneDisk(), clock: time.clock };
    const first = await openKvWith(time, "/kv", options);
    const seen: string[] = [];
    void first.listenQueue(async (message: string) => {
      seen.push(`first ${message}`);
      if (message === "b") await new Promise(() => {});
    });
    for (const message of ["a", "b"]) await first.enqueue(message, { backoffSchedule: [] });
    await first.enqueue("c", { delay: 60_000 });
    while (await waiting(first) > 2) await turns();
    await first.close();
    const second = await openKvWith(time, "/kv", options);
    void second.listenQueue((message: string) => void seen.push(`second ${message}`));
    await until(() => seen.length === 3);
    await time.advance(60_000);
    await until(() => seen.length === 4);
    assert.deepEqual(seen, ["first a", "first b", "second b", "second c"]);
    while (await waiting(second) > 0) await turns();
    await second.close();
  });

  it("keeps the order of those due at the same time over openings", async () => {
    const time = new SimulatedTime(BEGIN);
    const options = { ...onOneDisk(), clock: time.clock };
    const first = await openKvWith(time, "/kv", options);
    await first.atomic().enqueue(1, { delay: 1000 }).enqueue(2, { delay: 1000 }).enqueue(3, { delay: 1000 }).commit();
    await first.close();
    await time.advance(500);
    await using second = await openKvWith(time, "/kv", options);
    for (const message of [4, 5]) await second.enqueue(message, { delay: 500 });
    const seen: unknown[] = [];
    void second.listenQueue((message) => void seen.push(message));
    await time.advance(500);
    await until(() => seen.length === 5);
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  });

  it("keeps each message of its own where openings follow each other within a ms", async () => {
    const time = new SimulatedTime(BEGIN);
    const options = { ...onOneDisk(), clock: time.clock };
    for (let opening = 1; opening <= 2; opening++) {
      await using kv = await openKvWith(time, "/kv", options);
      await kv.enqueue(opening);
      assert.equal(await waiting(kv), opening);
    }
  });

  it("keeps each message of its own where the clock is ahead by centuries, or has fractions of a ms", async () => {
    for (const now of [Date.UTC(9999), BEGIN + 0.5]) {
      await withKv(async (kv) => {
        for (let i = 0; i < 5; i++) await kv.enqueue(i);
        assert.equal(await waiting(kv), 5);
      }, { clock: () => now });
    }
  });

  it("leaves be what was removed by other means while a handler failed over it", async () => {
    await withKv(async (kv, time, errors) => {
      let tries = 0;
      void kv.listenQueue(async () => {
        tries++;
        await kv.database.clear();
        throw new Error("no");
      });
      await kv.enqueue("a", { backoffSchedule: [0], keysIfUndelivered: [["failed"]] });
      await until(() => errors.length > 0);
      await time.advance(1000, () => turns(10));
      assert.deepEqual([tries, errors.map(String), await kv.database.count()], [1, ["Error: no"], 0]);
    });
  });

  it("ends listening once what handlers have finished is removed or can't be any more, of which nothing is told", async () => {
    await withKv(async (kv, _time, errors) => {
      const { database } = kv;
      let refuse: (() => void) | undefined;
      database.delete = () => new Promise((_, reject) => refuse = () => reject(new ClosedError("closed")));
      const listening = kv.listenQueue(() => {});
      await kv.enqueue("a");
      await until(() => refuse !== undefined);
      let ended = false;
      const heard = listening.then(() => ended = true);
      const closing = kv.close();
      await turns();
      assert.equal(ended, false);
      refuse!();
      await Promise.all([heard, closing]);
      assert.deepEqual(errors, []);
    });
  });

  it("loses no message to kills, power cuts and failing disks, and keeps none", async () => {
    let again = 0;
    const { endings } = await simulate(async (machine) => {
      const time = new SimulatedTime(BEGIN);
      const open = (): Promise<Kv> => openKvWith(time, "/kv", { ...machine.openOptions, clock: time.clock });
      const sent = new Set<number>();
      const handled = new Map<number, number>();
      let next = 0;
      const handler = async (id: number): Promise<void> => {
        if (id % 7 === 3 && !handled.has(-id)) {
          handled.set(-id, 1);
          throw new Error("the first time it fails");
        }
        await undefined;
        handled.set(id, (handled.get(id) ?? 0) + 1);
      };
      for (let life = 0; life < 4; life++) {
        await machine.run(async () => {
          await using kv = await open();
          void kv.listenQueue(handler);
          for (let i = 0; i < 15; i++) {
            const id = next++;
            await kv.atomic().set(["sent", id], true).enqueue(id, { delay: 100 * (id % 3) }).commit();
            sent.add(id);
            await time.advance(70);
          }
        });
      }
      await using kv = await open();
      for await (const { key } of kv.list({ prefix: ["sent"] })) sent.add(key[1] as number);
      void kv.listenQueue(handler);
      for (let i = 0; i < 200 && await waiting(kv) > 0; i++) await time.advance(100);
      assert.equal(await waiting(kv), 0);
      assert.deepEqual([...sent].filter((id) => !handled.has(id)), []);
      for (const [id, times] of handled) if (id >= 0 && times > 1) again++;
    }, { seeds: LONG ? 300 : 12, from: 100 * (TURN % 1000), accidents: ["kill", "power", "disk", "full"] });
    assert.ok(endings["kill"]! + endings["power"]! > 3, JSON.stringify(endings));
    assert.ok(!LONG || again > 0, "some were delivered twice");
  });
});
