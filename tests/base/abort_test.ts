import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { abortable, throwIfAborted } from "../../lib/base/abort.ts";

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
