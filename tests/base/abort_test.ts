import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { abortable, throwIfAborted, untilAborted, whenAborted } from "../../lib/base/abort.ts";

describe("throwIfAborted", () => {
  it("throws the signal's own reason, whatever it is", () => {
    throwIfAborted(undefined);
    throwIfAborted(new AbortController().signal);
    const reason = { any: "thing" };
    assert.throws(() => throwIfAborted(AbortSignal.abort(reason)), (thrown: unknown) => thrown === reason);
  });
});

describe("abortable", () => {
  it("settles as the promise does", async () => {
    const { signal } = new AbortController();
    assert.equal(await abortable(Promise.resolve(5), undefined), 5);
    assert.equal(await abortable(Promise.resolve(5), signal), 5);
    await assert.rejects(abortable(Promise.reject(new Error("own")), signal), /own/);
  });

  it("rejects with the reason as soon as the signal fires, and lets a later failure pass", async () => {
    const abort = new AbortController();
    let fail = (_: Error): void => {};
    const work = new Promise<never>((_, reject) => fail = reject);
    const waiting = abortable(work, abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    fail(new Error("late"));
    await assert.rejects(abortable(new Promise(() => {}), abort.signal), /enough/);
  });

  it("leaves no listener on a signal that outlives it", async () => {
    let listeners = 0;
    const { signal } = new AbortController();
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = ((...args: Parameters<typeof add>) => (listeners++, add(...args))) as typeof add;
    signal.removeEventListener =
      ((...args: Parameters<typeof remove>) => (listeners--, remove(...args))) as typeof remove;
    for (let i = 0; i < 10; i++) await abortable(Promise.resolve(i), signal);
    await abortable(Promise.reject(new Error("own")), signal).catch(() => {});
    assert.equal(listeners, 0);
  });
});

describe("whenAborted", () => {
  it("has one listener on a signal, however many wait, and none when all have ended", async () => {
    let adds = 0;
    let listeners = 0;
    const abort = new AbortController();
    const { signal } = abort;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = ((...args: Parameters<typeof add>) => (adds++, listeners++, add(...args))) as typeof add;
    signal.removeEventListener =
      ((...args: Parameters<typeof remove>) => (listeners--, remove(...args))) as typeof remove;
    const called: number[] = [];
    const forget = Array.from({ length: 100 }, (_, i) => whenAborted(signal, () => called.push(i)));
    assert.deepEqual([adds, listeners], [1, 1]);
    for (const one of forget) one();
    assert.equal(listeners, 0);
    const again = Array.from({ length: 100 }, (_, i) =>
      whenAborted(signal, () => {
        called.push(i);
        if (i === 2) again[3]!();
      }));
    again[0]!();
    again[0]!();
    assert.deepEqual([adds, listeners], [2, 1]);
    abort.abort(new Error("enough"));
    abort.abort();
    assert.deepEqual(called.slice(0, 3), [1, 2, 4], "each once, in their order, but for those that were forgotten");
    assert.equal(called.length, 98);
    for (const one of again) one();
    await assert.rejects(abortable(new Promise(() => {}), signal), /enough/);
    assert.equal(adds, 2);
  });

  it("calls all that wait though one of them fails, and one that waits twice as often", () => {
    let fire = (): void => {};
    // A real one would tell the process of the error.
    const signal = {
      aborted: false,
      addEventListener: (_type: string, listener: () => void) => void (fire = listener),
      removeEventListener: () => {},
    } as unknown as AbortSignal;
    const called: string[] = [];
    const wait = (name: string): () => void => whenAborted(signal, () => called.push(name));
    whenAborted(signal, () => {
      throw new Error("of a listener");
    });
    wait("behind it");
    const twice = (): void => void called.push("twice");
    whenAborted(signal, twice);
    whenAborted(signal, twice)();
    assert.throws(() => fire(), /of a listener/);
    assert.deepEqual(called, ["behind it", "twice"]);
  });
});

describe("untilAborted", () => {
  it("gives what there is, asynchronous or not, and ends what gives it where the reader does", async () => {
    const ends: string[] = [];
    async function* later(): AsyncGenerator<number> {
      try {
        yield* [1, 2, 3];
      } finally {
        ends.push("later");
      }
    }
    for (const items of [[1, 2, 3], later()]) {
      assert.deepEqual(await Array.fromAsync(untilAborted(items, undefined)), [1, 2, 3]);
    }
    for await (const item of untilAborted(later(), new AbortController().signal)) if (item === 2) break;
    assert.deepEqual(ends, ["later", "later"]);
    const failing = (async function* () {
      yield 1;
      throw new Error("own");
    })();
    await assert.rejects(Array.fromAsync(untilAborted(failing, undefined)), /own/);
  });

  it("ends with the reason while it waits for what does not come, nor ends", async () => {
    for (
      const items of [
        (async function* () {
          yield 1;
          await new Promise(() => {});
        })(),
        {
          [Symbol.asyncIterator]: () => ({
            next: () => new Promise<never>(() => {}),
            return: () => Promise.reject(new Error("own")),
          }),
        },
      ]
    ) {
      const abort = new AbortController();
      const all = Array.fromAsync(untilAborted<number>(items, abort.signal));
      setTimeout(() => abort.abort(new Error("enough")), 0);
      await assert.rejects(all, /enough/);
    }
  });

  it("ends with the reason where that comes between two items, though what gives them does not end", async () => {
    for (const stops of [false, true]) {
      const abort = new AbortController();
      let ended = 0;
      const items: AsyncIterable<number> = {
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.resolve({ done: false, value: 1 }),
          return() {
            ended++;
            return new Promise<never>(() => {});
          },
        }),
      };
      const taken = (async () => {
        for await (const _ of untilAborted(items, abort.signal)) {
          abort.abort(new Error("enough"));
          if (stops) break;
        }
      })();
      if (stops) await taken;
      else await assert.rejects(taken, /enough/);
      assert.equal(ended, 1);
    }
  });
});
