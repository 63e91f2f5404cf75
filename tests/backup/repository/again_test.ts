import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, StorageError } from "../../../lib/base/errors.ts";
import { again } from "../../../lib/backup/repository/core/again.ts";

describe("again()", () => {
  /** Runs work that fails with these, one after the other; gives back the pauses, ms, and what came of it. */
  async function run(failures: Error[], signal?: AbortSignal): Promise<{ pauses: number[]; end: unknown }> {
    const pauses: number[] = [];
    const delay = (ms: number): Promise<void> => Promise.resolve(void pauses.push(ms));
    const left = [...failures];
    const end = await again({ delay }, signal, async () => {
      const failure = left.shift();
      if (failure !== undefined) throw failure;
      return "done";
    }).catch((error) => error);
    return { pauses, end };
  }

  const failure = (retryable = true, retryAfterMs?: number): StorageError =>
    new StorageError("Cannot get a", { operation: "get", key: "a", retryable, retryAfterMs });

  it("tries four times, with pauses that grow and are spread", async () => {
    const { pauses, end } = await run([failure(), failure(), failure()]);
    assert.equal(end, "done");
    [100, 400, 1600].forEach((ms, i) => assert.ok(pauses[i]! >= ms / 2 && pauses[i]! <= ms * 1.5, `${pauses[i]}`));
    const last = failure();
    assert.equal((await run([failure(), failure(), failure(), last])).end, last);
    const others = await Promise.all(Array.from({ length: 20 }, () => run([failure()])));
    assert.ok(new Set(others.map(({ pauses: [pause] }) => pause)).size > 10, "jitter");
  });

  it("does not try again what will not pass, or what nobody waits for any more", async () => {
    for (const error of [failure(false), new IOError("Cannot read x"), new Error("a mistake")]) {
      assert.deepEqual(await run([error]), { pauses: [], end: error });
    }
    const error = failure();
    assert.deepEqual(await run([error], AbortSignal.abort()), { pauses: [], end: error });
  });

  it("leaves a store alone for as long as it asked, and gives up where that is more than a minute", async () => {
    const { pauses: [first, second], end } = await run([failure(true, 5000), failure(true, 60_000)]);
    assert.equal(end, "done");
    assert.ok(first! >= 5050 && first! <= 5150 && second! >= 60_200 && second! <= 60_600, `${first}, ${second}`);
    const long = failure(true, 60_001);
    assert.deepEqual(await run([long]), { pauses: [], end: long });
  });
});
