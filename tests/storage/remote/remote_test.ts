/** What the remote stores share: parts, parallel requests, attempts with deadlines, errors without secrets. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { borrow, giveBack } from "../../../lib/base/buffers.ts";
import { NoSpaceError, PermissionError, StorageError } from "../../../lib/base/errors.ts";
import { systemTimers, type Timers } from "../../../lib/base/timers.ts";
import { restOf } from "../../../lib/storage/azure/ranges.ts";
import { BodyReader } from "../../../lib/storage/body_reader.ts";
import { type AttemptOptions, beforeDeadline, inAttempts } from "../../../lib/storage/remote/attempts.ts";
import { inOrder, sendParts } from "../../../lib/storage/remote/in_parallel.ts";
import { type Part, PartCutter, PartViews } from "../../../lib/storage/remote/part_cutter.ts";
import { isPassing, remoteError, RequestFailure, retryAfter } from "../../../lib/storage/remote/request_failure.ts";
import { Secrets } from "../../../lib/storage/remote/secrets.ts";
import { equal, pattern, streamed } from "../helpers.ts";

/** Timers that fire when told; what is set for less than a deadline fires at once and is noted. */
class Pauses implements Timers {
  readonly pauses: number[] = [];
  readonly deadlines: (() => void)[] = [];
  readonly deadlineMs: number;
  constructor(deadlineMs: number) {
    this.deadlineMs = deadlineMs;
  }
  set(ms: number, run: () => void): () => void {
    if (ms === this.deadlineMs) {
      this.deadlines.push(run);
      return () => this.deadlines.splice(this.deadlines.indexOf(run), 1);
    }
    this.pauses.push(ms);
    let live = true;
    queueMicrotask(() => live && run());
    return () => live = false;
  }
}

const md5Of = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("md5").update(bytes).digest());

async function partsOf(cutter: PartCutter, giveBack: boolean): Promise<Uint8Array[]> {
  const parts: Uint8Array[] = [];
  for (let part = await cutter.next(); part !== undefined; part = await cutter.next()) {
    assert.deepEqual(new Uint8Array(part.digest.value), md5Of(part.bytes));
    parts.push(part.bytes.slice());
    if (giveBack) cutter.giveBack(part);
  }
  return parts;
}

/** Smaller ones are not used again. */
const PART = 64 * 1024;
const MIB = 2 ** 20;

/** What is there when all that could go on has gone on. */
const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

describe("PartCutter", () => {
  it("cuts a stream into parts of one size, whatever its pieces, and lets them be used again", async () => {
    let cases = 0;
    for (const length of [0, 1, 99, 100, 101, 200, 1000, 70_000, 200_001]) {
      for (const pieceBytes of [1, 7, 100, 64_000, 300_000]) {
        for (const partBytes of [100, 65_536, 100_000]) {
          if (length / Math.min(pieceBytes, partBytes) > 3000) continue;
          for (const giveBack of [false, true]) {
            const bytes = pattern(length);
            const body = streamed(bytes, pieceBytes);
            const parts = await partsOf(new PartCutter(new BodyReader(body, undefined), partBytes, "md5"), giveBack);
            assert.deepEqual(parts.slice(0, -1).filter((part) => part.length !== partBytes), []);
            assert.equal(parts.length, Math.ceil(length / partBytes));
            assert.ok(equal(new Uint8Array(Buffer.concat(parts)), bytes), `${length} ${pieceBytes} ${partBytes}`);
            cases++;
          }
        }
      }
    }
    console.log(`parts: ${cases} ways of cutting`);
  });

  it("keeps parts that were not given back apart from those that follow", async () => {
    const bytes = pattern(1000);
    const cutter = new PartCutter(new BodyReader(streamed(bytes, 30), undefined), 100, "md5");
    const parts: Uint8Array[] = [];
    for (let part = await cutter.next(); part !== undefined; part = await cutter.next()) parts.push(part.bytes);
    assert.ok(equal(new Uint8Array(Buffer.concat(parts)), bytes));
    assert.equal(new Set(parts.map((part) => part.buffer)).size, 10);
  });

  it("needs no more memory than what is held", async () => {
    const cutter = new PartCutter(new BodyReader(streamed(pattern(30 * PART), 30_000), undefined), PART, "md5");
    const buffers = new Set<unknown>();
    const held: Part[] = [];
    for (let part = await cutter.next(); part !== undefined; part = await cutter.next()) {
      buffers.add(part.bytes.buffer);
      held.push(part);
      if (held.length === 3) cutter.giveBack(held.shift()!);
    }
    assert.equal(buffers.size, 3);
  });

  it("gives back the memory that a part has grown out of", async () => {
    const first = borrow(MIB);
    giveBack(first);
    const bytes = pattern(3 * MIB);
    const cutter = new PartCutter(new BodyReader(streamed(bytes, 300_000), undefined), 2 * MIB, "md5");
    const part = await cutter.next();
    assert.ok(equal(part!.bytes, bytes.subarray(0, 2 * MIB)));
    assert.equal(borrow(MIB).buffer, first.buffer, "the part began in it");
  });

  it("makes checksums of what the producer gave, whatever becomes of the memory of a part", async () => {
    const bytes = pattern(3 * PART);
    const cutter = new PartCutter(new BodyReader(streamed(bytes, 1000), undefined), PART, "md5");
    const sums: Uint8Array[] = [];
    for (let part = await cutter.next(); part !== undefined; part = await cutter.next()) {
      part.bytes[7]! ^= 1;
      sums.push(new Uint8Array(part.digest.value));
    }
    assert.deepEqual(sums, [0, 1, 2].map((i) => md5Of(bytes.subarray(i * PART, (i + 1) * PART))));
  });

  it("does not copy bytes that are in memory already", async () => {
    const bytes = pattern(250);
    const views = new PartViews(bytes, 100, "md5");
    const lengths: number[] = [];
    for (let part = await views.next(); part !== undefined; part = await views.next()) {
      assert.equal(part.bytes.buffer, bytes.buffer);
      assert.deepEqual(new Uint8Array(part.digest.value), md5Of(part.bytes));
      lengths.push(part.bytes.length);
    }
    assert.deepEqual(lengths, [100, 100, 50]);
  });
});

describe("sendParts()", () => {
  it("sends at most as many at once as told, in bounded memory, and gives the results in order", async () => {
    const cutter = new PartCutter(new BodyReader(streamed(pattern(20 * PART), 30_000), undefined), PART, "md5");
    const first = [(await cutter.next())!];
    let [running, most] = [0, 0];
    const buffers = new Set<unknown>();
    const results = await sendParts(cutter, first, 3, undefined, async (part, index) => {
      buffers.add(part.bytes.buffer);
      most = Math.max(most, ++running);
      // The later ones are done first.
      for (let i = 0; i < 40 - index; i++) await Promise.resolve();
      running--;
      return index;
    });
    assert.deepEqual(results, Array.from({ length: 20 }, (_, i) => i));
    assert.equal(most, 3);
    assert.equal(buffers.size, 3);
  });

  it("ends with the first failure: reads no further, aborts what is under way, waits for it", async () => {
    const broken = new Error("broken");
    let [aborted, pieces] = [0, 0];
    const body = streamed(pattern(10_000), 100, () => pieces++);
    const cutter = new PartCutter(new BodyReader(body, undefined), 100, "md5");
    const sent = sendParts(cutter, [], 4, undefined, (_, index, signal) => {
      if (index === 5) return Promise.reject(broken);
      if (index < 2) return Promise.resolve();
      return new Promise((_, reject) =>
        signal.addEventListener("abort", async () => {
          await settle();
          aborted++;
          reject(signal.reason);
        })
      );
    });
    await assert.rejects(sent, (error) => error === broken);
    assert.equal(aborted, 3);
    assert.ok(pieces <= 7, `${pieces} pieces were read`);
  });

  it("aborts what is under way where the body fails", async () => {
    const broken = new Error("broken");
    let aborted = 0;
    const body = streamed(pattern(300), 100, (piece) => piece < 2 ? undefined : Promise.reject(broken));
    const cutter = new PartCutter(new BodyReader(body, undefined), 100, "md5");
    const sent = sendParts(
      cutter,
      [],
      4,
      undefined,
      (_, _index, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => {
            aborted++;
            reject(signal.reason);
          })
        ),
    );
    await assert.rejects(sent, (error) => error === broken);
    assert.equal(aborted, 2);
  });

  it("does not wait for a body that hangs when a request failed, nor when told to give up", async () => {
    for (const how of ["failed", "told"]) {
      const reason = new Error("enough");
      const giveUp = new AbortController();
      const body = streamed(pattern(300), 100, (piece) => piece < 2 ? undefined : new Promise(() => {}));
      const cutter = new PartCutter(new BodyReader(body, giveUp.signal), 100, "md5");
      const sent = sendParts(cutter, [], 4, giveUp.signal, async (_, index) => {
        await settle();
        if (index === 1) {
          if (how === "told") giveUp.abort(reason);
          else throw reason;
        }
      });
      await assert.rejects(sent, (error) => error === reason);
    }
  });
});

describe("restOf()", () => {
  it("gives the memory of a range back when the next is asked for, and no sooner", async () => {
    const used = new Set<unknown>();
    const readAll = async (mark: number): Promise<void> => {
      const fetch = async (offset: number, length: number): Promise<Uint8Array> => {
        const bytes = borrow(length).fill(mark + offset / MIB);
        used.add(bytes.buffer);
        return bytes;
      };
      let count = 0;
      for await (const bytes of restOf({ at: 0, end: 8 * MIB, rangeBytes: MIB, reuse: true }, 2, undefined, fetch)) {
        await settle();
        assert.ok(bytes.every((byte) => byte === mark + count), `range ${count} of reader ${mark}`);
        count++;
      }
      assert.equal(count, 8);
    };
    await Promise.all([readAll(1), readAll(101)]);
    assert.ok(used.size <= 8, `${used.size} pieces of memory for 16 ranges`);
  });
});

describe("inOrder()", () => {
  it("gives in order what comes in any, with no more ahead than told", async () => {
    let [begun, read] = [0, 0];
    const fetch = async (index: number): Promise<number> => {
      begun++;
      assert.ok(begun - read <= 4, "no more than 4 under way or waiting");
      for (let i = 0; i < (index % 3) * 20; i++) await Promise.resolve();
      return index;
    };
    const got: number[] = [];
    for await (const result of inOrder(25, 4, undefined, fetch)) {
      got.push(result);
      await settle();
      read++;
    }
    assert.deepEqual(got, Array.from({ length: 25 }, (_, i) => i));
  });

  it("ends what is under way when the reader leaves, when one fails and when told to give up", async () => {
    for (const how of ["leaves", "fails", "told"]) {
      const reason = new Error("enough");
      const giveUp = new AbortController();
      let ended = 0;
      const fetch = (index: number, signal: AbortSignal): Promise<number> => {
        if (index === 0) return Promise.resolve(0);
        if (index === 1 && how === "fails") return Promise.reject(reason);
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(ended++), { once: true }));
      };
      const read = async (): Promise<void> => {
        for await (const result of inOrder(9, 3, giveUp.signal, fetch)) {
          assert.equal(result, 0);
          if (how === "leaves") break;
          if (how === "told") giveUp.abort(reason);
        }
      };
      if (how === "leaves") await read();
      else await assert.rejects(read, (error) => error === reason);
      await settle();
      assert.equal(ended, 2, how);
    }
  });
});

describe("inAttempts()", () => {
  const options = (timers: Timers, attempts = 4): AttemptOptions => ({
    attempts,
    deadlineMs: 30_000,
    timers,
    random: () => 0.5,
  });

  it("tries again what may pass, with growing pauses, and tells the last failure", async () => {
    const timers = new Pauses(30_000);
    let calls = 0;
    const failing = inAttempts(
      (_, attempt) => Promise.reject(new RequestFailure(`attempt ${attempt} of ${++calls}`, { status: 503 })),
      undefined,
      options(timers),
    );
    await assert.rejects(failing, /attempt 4 of 4/);
    assert.deepEqual(timers.pauses, [100, 300, 900]);
    assert.deepEqual(timers.deadlines, []);
  });

  it("spreads its pauses", async () => {
    const seen = new Set<number>();
    for (const random of [0, 0.25, 0.999]) {
      const timers = new Pauses(30_000);
      let calls = 0;
      const run = async (): Promise<void> => {
        if (++calls === 1) throw new RequestFailure("", {});
      };
      await inAttempts(run, undefined, { ...options(timers), random: () => random });
      seen.add(timers.pauses[0]!);
    }
    assert.deepEqual([...seen], [50, 75, 149.9]);
  });

  it("waits as long as the service asks, but not for ever", async () => {
    const timers = new Pauses(30_000);
    let calls = 0;
    const run = async (): Promise<string> => {
      if (++calls < 3) throw new RequestFailure("", { status: 429, retryAfterMs: calls * 7000 });
      return "done";
    };
    assert.equal(await inAttempts(run, undefined, options(timers)), "done");
    assert.deepEqual(timers.pauses, [7100, 14_300]);
    const forever = (): Promise<never> =>
      Promise.reject(new RequestFailure("later", { status: 503, retryAfterMs: 61_000 }));
    await assert.rejects(inAttempts(forever, undefined, options(timers)), /later/);
    assert.equal(timers.pauses.length, 2);
  });

  it("tries once what another attempt would not change", async () => {
    const failures = [400, 401, 403, 404, 405, 409, 411, 412, 416, 501, 505, 507].map((status) =>
      new RequestFailure("", { status })
    );
    for (const failure of [...failures, new TypeError("a bug")]) {
      let calls = 0;
      const timers = new Pauses(30_000);
      const run = (): Promise<never> => {
        calls++;
        return Promise.reject(failure);
      };
      await assert.rejects(inAttempts(run, undefined, options(timers)), (error) => error === failure);
      assert.equal(calls, 1);
    }
    for (const status of [undefined, 408, 429, 500, 502, 503, 504, 599]) assert.ok(isPassing(status), String(status));
  });

  it("gives each attempt its deadline, and aborts what is late", async () => {
    const timers = new Pauses(30_000);
    const reasons: unknown[] = [];
    const run = (signal: AbortSignal, attempt: number): Promise<string> => {
      if (attempt === 3) return Promise.resolve("in time");
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      queueMicrotask(() => timers.deadlines[0]!());
      return new Promise(() => {});
    };
    assert.equal(await inAttempts(run, undefined, options(timers)), "in time");
    assert.equal(reasons.length, 2);
    for (const reason of reasons) assert.match(String(reason), /no answer within 30 s/);
  });

  it("ends at once with the caller's reason: before, during an attempt, and in a pause", async () => {
    const reason = new Error("enough");
    const isReason = (error: unknown): boolean => error === reason;
    let calls = 0;
    const count = async (): Promise<number> => ++calls;
    await assert.rejects(inAttempts(count, AbortSignal.abort(reason), options(systemTimers)), isReason);
    assert.equal(calls, 0);
    const during = new AbortController();
    const hanging = inAttempts(() => new Promise(() => {}), during.signal, options(systemTimers));
    during.abort(reason);
    await assert.rejects(hanging, isReason);
    const paused = new AbortController();
    const failing = (): Promise<never> => {
      setTimeout(() => paused.abort(reason), 1);
      return Promise.reject(new RequestFailure("", { status: 503, retryAfterMs: 50_000 }));
    };
    await assert.rejects(inAttempts(failing, paused.signal, options(systemTimers)), isReason);
  });

  it("leaves no listener on the caller's signal", async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const watched = {
      get aborted() {
        return signal.aborted;
      },
      addEventListener: () => listeners++,
      removeEventListener: () => listeners--,
    } as unknown as AbortSignal;
    await beforeDeadline(() => Promise.resolve(1), watched, options(systemTimers));
    await beforeDeadline(() => Promise.reject(new Error("x")), watched, options(systemTimers)).catch(() => {});
    assert.equal(listeners, 0);
  });
});

describe("retryAfter()", () => {
  it("reads seconds and dates, and nothing else", () => {
    const now = Date.parse("2026-11-26T12:00:00Z");
    assert.equal(retryAfter("7", now), 7000);
    assert.equal(retryAfter(" 0 ", now), 0);
    assert.equal(retryAfter("Thu, 26 Nov 2026 12:00:09 GMT", now), 9000);
    assert.equal(retryAfter("Thu, 26 Nov 2026 11:00:00 GMT", now), 0);
    for (const wrong of [null, undefined, "", "soon", "-1", "7s", "1e3"]) {
      assert.equal(retryAfter(wrong, now), undefined, String(wrong));
    }
  });
});

describe("remoteError()", () => {
  const request = { store: "azure acct/backups", operation: "put", key: "heads/a" };

  it("names operation, key, store, status, code and request, and says what to do", () => {
    const failure = new RequestFailure("The specified container does not exist.\nRequestId:1", {
      status: 404,
      code: "ContainerNotFound",
      requestId: "r-1",
    });
    const error = remoteError(request, failure, { kind: "storage", remedy: "make it" }, new Secrets()) as StorageError;
    assert.equal(
      error.message,
      "Cannot put heads/a in azure acct/backups: The specified container does not exist (404 ContainerNotFound, " +
        "request r-1); make it (STORAGE)",
    );
    assert.ok(error instanceof StorageError);
    assert.deepEqual([error.operation, error.key, error.status, error.retryable], ["put", "heads/a", 404, false]);
    assert.equal(error.cause, undefined);
  });

  it("tells how long the service asks to be left alone", () => {
    const failure = new RequestFailure("Slow down", { status: 503, retryAfterMs: 119_500 });
    const error = remoteError(request, failure, { kind: "storage", remedy: "wait" }, new Secrets()) as StorageError;
    assert.match(error.message, /Slow down \(503\); wait; it asks to be left alone for 120 s \(STORAGE\)$/);
    assert.deepEqual([error.retryable, error.retryAfterMs], [true, 119_500]);
  });

  it("has the class that fits, and marks what may pass", () => {
    const failure = new RequestFailure("no", { status: 403 });
    const permission = remoteError(request, failure, { kind: "permission" }, new Secrets());
    assert.ok(permission instanceof PermissionError);
    assert.match(permission.message, /^Cannot put heads\/a in azure acct\/backups: no \(403\) \(PERMISSION\)$/);
    assert.ok(remoteError(request, failure, { kind: "space" }, new Secrets()) instanceof NoSpaceError);
    const broken = remoteError(request, new RequestFailure("cut", {}), { kind: "storage" }, new Secrets());
    assert.ok(broken instanceof StorageError && broken.retryable && broken.status === undefined);
  });

  it("holds no secret that it was told of, and none that looks like one", () => {
    const key = "c2VjcmV0IGtleSB0aGF0IG5vYm9keSBtYXkgc2Vl+/==";
    const secrets = new Secrets(key, "tok", undefined);
    const told = [
      `wrong key ${key}`,
      `wrong key ${encodeURIComponent(key)}`,
      "at https://acct.blob.core.windows.net/c/k?sv=2026&sig=SECRET%3D&se=2027",
      "AccountName=a;AccountKey=SECRET;EndpointSuffix=x",
      "Authorization: SharedKey acct:SECRET",
      'headers {"authorization":"Bearer SECRETSECRETSECRETSECRET.x"}',
      "sent SharedKey acct:SECRET=",
      "sent AWS4-HMAC-SHA256 Credential=SECRET/x, Signature=SECRET",
      "https://user:SECRET@host/x",
      "X-Amz-Signature=SECRET X-Amz-Credential=SECRET",
      'not JSON: {"SecretAccessKey": "SECRET+/", "SessionToken":"SECRET=="}',
      "aws_secret_access_key = SECRET aws_session_token=SECRET token=SECRET",
    ];
    for (const words of told) {
      const { message } = remoteError(request, new RequestFailure(words, {}), { kind: "storage" }, secrets);
      assert.doesNotMatch(message, /SECRET|c2VjcmV0/, words);
    }
    const plain = "Bearer token authentication is not permitted for URLs without TLS";
    assert.equal(secrets.hide(plain), plain);
  });
});
