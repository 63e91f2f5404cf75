/** The requests that the Azure store makes, seen between it and Azurite: how bodies travel, what is tried again, and when not. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import type { StorageError } from "../../../lib/base/errors.ts";
import { systemTimers } from "../../../lib/base/timers.ts";
import { bytesOf, equal, isStorageError, keysOf, pattern, streamed, text, textOf } from "../helpers.ts";
import type { Fault, PassedRequest } from "../servers/faulty_proxy.ts";
import { AzureStore } from "../../../lib/storage/azure/azure_store.ts";
import { azureSettings } from "../../../lib/storage/azure/settings.ts";
import { ACCOUNT, KEY } from "../servers/azurite.ts";
import { azureFixture } from "./fixture.ts";

const azure = await azureFixture();
const KiB = 1024;
const BLOCK = 64 * KiB;
const RANGE = 256 * KiB;

const md5 = (bytes: Uint8Array): string => createHash("md5").update(bytes).digest("base64");
const comp = ({ url }: PassedRequest): string => new URL(url, "http://x").searchParams.get("comp") ?? "blob";
const once = (fault: Fault, when: (request: PassedRequest) => boolean = () => true) => {
  let done = false;
  azure.proxy.faultOf = (request) => done || !when(request) ? undefined : (done = true, fault);
};

describe("AzureStore put()", () => {
  it("sends a short body as one blob with its MD5, whatever form it has", async () => {
    const store = await azure.open();
    const bytes = pattern(BLOCK);
    for (const body of [bytes, streamed(bytes, 1000)]) {
      const requests = await azure.sent(() => store.put("a", body));
      assert.deepEqual(requests.map(({ method, bodyBytes }) => [method, bodyBytes]), [["PUT", BLOCK]]);
      assert.equal(requests[0]!.headers["content-md5"], md5(bytes));
    }
  });

  it("sends a long body in blocks with their MD5, some at once, and conditions with the list that makes the blob", async () => {
    const store = await azure.open({ blockBytes: BLOCK, concurrency: 3 });
    const bytes = pattern(10 * BLOCK + 1);
    for (const body of [bytes, streamed(bytes, 10_000)]) {
      let [running, most] = [0, 0];
      azure.proxy.faultOf = (request) => {
        if (comp(request) !== "block") return undefined;
        most = Math.max(most, ++running);
        setTimeout(() => running--, 5);
        return { do: "delay", ms: 5 };
      };
      const requests = await azure.sent(() =>
        store.put(`b/${most}/${body.constructor.name}`, body, { ifAbsent: true })
      );
      assert.deepEqual(requests.map(comp), [...Array.from({ length: 11 }, () => "block"), "blocklist"]);
      assert.ok(most >= 2 && most <= 3, `${most} at once`);
      const sums = Array.from({ length: 11 }, (_, i) => md5(bytes.subarray(i * BLOCK, (i + 1) * BLOCK)));
      assert.deepEqual(requests.slice(0, 11).map(({ headers }) => headers["content-md5"]).sort(), sums.sort());
      assert.deepEqual(requests.map(({ headers }) => headers["if-none-match"]), [...Array(11), "*"]);
      const ids = requests.slice(0, 11).map(({ url }) => new URL(url, "http://x").searchParams.get("blockid"));
      assert.equal(new Set(ids).size, 11);
      assert.equal(new Set(ids.map((id) => id?.length)).size, 1);
    }
  });

  it("is refused by the service when bytes are damaged on their way, and sends them again", async () => {
    const store = await azure.open({ blockBytes: BLOCK });
    for (const length of [1000, 5 * BLOCK]) {
      const bytes = pattern(length);
      once({ do: "damageRequest" }, ({ headers }) => headers["content-md5"] !== undefined);
      const requests = await azure.sent(() => store.put(`damaged/${length}`, bytes));
      assert.deepEqual(requests.filter(({ status }) => status === 400).length, 1);
      assert.ok(equal(await bytesOf(await store.get(`damaged/${length}`)), bytes));
    }
  });

  it("passes tier, encryption scope and immutability on with each request that makes a blob", async () => {
    const now = Date.UTC(2026, 10, 26, 12, 0, 0, 1);
    const store = await azure.open({
      blockBytes: BLOCK,
      accessTier: "Cool",
      encryptionScope: "scope-1",
      immutability: { mode: "Locked", for: "30d" },
      attempts: 1,
    }, { clock: () => now });
    for (const length of [10, 3 * BLOCK]) {
      // The emulator knows none of the last two; what it answers is not the point.
      azure.proxy.faultOf = (request) => comp(request) === "block" ? undefined : { do: "status", status: 418 };
      const requests = await azure.sent(() => store.put("a", pattern(length)).catch(() => {}));
      const { headers } = requests.at(-1)!;
      assert.equal(headers["x-ms-access-tier"], "Cool");
      assert.equal(headers["x-ms-encryption-scope"], "scope-1");
      assert.equal(headers["x-ms-immutability-policy-mode"], "Locked");
      assert.equal(headers["x-ms-immutability-policy-until-date"], "Sat, 26 Dec 2026 12:00:01 GMT");
      for (const request of requests.slice(0, -1)) assert.equal(request.headers["x-ms-encryption-scope"], "scope-1");
    }
    const fixed = await azure.open({ immutability: { mode: "Unlocked", retainUntil: new Date(now) }, attempts: 1 });
    azure.proxy.faultOf = () => ({ do: "status", status: 418 });
    const [request] = await azure.sent(() => fixed.put("a", text("1")).catch(() => {}));
    assert.equal(request!.headers["x-ms-immutability-policy-mode"], "Unlocked");
    assert.equal(request!.headers["x-ms-immutability-policy-until-date"], "Thu, 26 Nov 2026 12:00:01 GMT");
  });

  it("puts objects where option accessTier says", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({ accessTier: "Cool", blockBytes: BLOCK }, { container });
    await store.put("one", text("1"));
    await store.put("many", pattern(2 * BLOCK));
    for (const key of ["one", "many"]) {
      const blob = azure.server.service.getContainerClient(container).getBlobClient(`p/${key}`);
      assert.equal((await blob.getProperties()).accessTier, "Cool");
    }
  });

  it("that failed leaves blocks that no call shows, and that go with the next blob of the key", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({ blockBytes: BLOCK }, { container });
    const blob = azure.server.service.getContainerClient(container).getBlockBlobClient("p/a");
    const blocks = async (): Promise<number> => (await blob.getBlockList("uncommitted")).uncommittedBlocks?.length ?? 0;
    const broken = streamed(pattern(10 * BLOCK), BLOCK, (piece) => piece === 7 && Promise.reject(new Error("broken")));
    await assert.rejects(store.put("a", broken), /broken/);
    assert.ok(await blocks() > 0);
    assert.deepEqual([await store.get("a"), await store.head("a"), await keysOf(store)], [undefined, undefined, []]);
    // Of several blocks: the emulator, and not the service, takes blocks for a blob when a Put Blob must not meet one.
    assert.ok(await store.put("a", pattern(2 * BLOCK), { ifAbsent: true }));
    assert.equal(await blocks(), 0);
    assert.ok(equal(await bytesOf(await store.get("a")), pattern(2 * BLOCK)));
  });
});

describe("AzureStore put() whose answer is lost", () => {
  const lost: Fault[] = [{ do: "lose" }, { do: "answer", status: 500 }, { do: "answer", status: 503 }];
  const makes = (request: PassedRequest): boolean => request.method === "PUT" && comp(request) !== "block";

  for (const length of [100, 3 * BLOCK]) {
    it(`knows itself again, ${length} bytes`, async () => {
      const store = await azure.open({ blockBytes: BLOCK });
      for (const [index, fault] of lost.entries()) {
        const key = `${index}`;
        once(fault, makes);
        const made = await store.put(key, pattern(length), { ifAbsent: true });
        assert.ok(made !== undefined, "it is the one that is there");
        assert.equal((await store.get(key))?.etag, made.etag);
        once(fault, makes);
        const replaced = await store.put(key, pattern(length, 2), { ifMatch: made.etag });
        assert.ok(replaced !== undefined && replaced.etag !== made.etag);
        assert.equal((await store.get(key))?.etag, replaced.etag);
        once(fault, makes);
        const last = await store.put(key, pattern(length, 3));
        assert.equal((await store.get(key))?.etag, last?.etag);
        assert.ok(equal(await bytesOf(await store.get(key)), pattern(length, 3)));
      }
    });

    it(`does not take another's object for its own, nor its own refusal for a success, ${length} bytes`, async () => {
      const store = await azure.open({ blockBytes: BLOCK });
      const there = await store.put("a", pattern(length));
      // The first attempt is answered, so nothing is open.
      once({ do: "status", status: 429 }, makes);
      assert.equal(await store.put("a", pattern(length), { ifAbsent: true }), undefined);
      assert.equal(await store.put("a", pattern(length), { ifMatch: '"0x1"' }), undefined);
      // It is not: whether the object was ours in between can't be known, even if the bytes are the same.
      for (const condition of [{ ifAbsent: true }, { ifMatch: '"0x1"' }]) {
        once({ do: "answer", status: 500 }, makes);
        await assert.rejects(
          store.put("a", pattern(length), condition),
          isStorageError("put", "a", /was not answered.*nobody knows/),
        );
      }
      assert.equal((await store.get("a"))?.etag, there?.etag);
    });
  }

  it("of a delete is fine", async () => {
    const store = await azure.open();
    await store.put("a", text("1"));
    once({ do: "lose" });
    await store.delete("a");
    assert.equal(await store.head("a"), undefined);
  });
});

describe("AzureStore put() whose blocks another's blob has dropped", () => {
  // As the service answers; the emulator keeps such blocks.
  const dropped: Fault = { do: "status", status: 400, headers: { "x-ms-error-code": "InvalidBlockList" } };

  it("says that its condition did not hold", async () => {
    const store = await azure.open({ blockBytes: BLOCK });
    const late = (): AsyncIterable<Uint8Array> =>
      streamed(pattern(4 * BLOCK), BLOCK, async (piece) => {
        if (piece !== 3) return;
        await store.put("a", text("the other"));
        once(dropped, (request) => comp(request) === "blocklist");
      });
    assert.equal(await store.put("a", late(), { ifAbsent: true }), undefined);
    const tag = (await store.put("a", text("1")))!.etag;
    assert.equal(await store.put("a", late(), { ifMatch: tag }), undefined);
    assert.equal(await textOf(store, "a"), "the other");
  });

  it("rejects where there is no other, and without a condition", async () => {
    const store = await azure.open({ blockBytes: BLOCK });
    const tag = (await store.put("b", text("1")))!.etag;
    const puts = [["a", { ifAbsent: true }], ["b", { ifMatch: tag }], ["b", {}]] as const;
    for (const [key, condition] of puts) {
      once(dropped, (request) => comp(request) === "blocklist");
      const refused = isStorageError("put", key, /another writer wrote this key.*put it again/);
      await assert.rejects(store.put(key, pattern(4 * BLOCK), condition), refused);
    }
  });
});

describe("AzureStore get()", () => {
  it("fetches a long object in ranges with their MD5, at most as many at once as told, and in order", async () => {
    const store = await azure.open({ concurrency: 2 }, { rangeBytes: RANGE });
    const bytes = pattern(17 * RANGE / 4 + 5);
    await store.put("a", bytes);
    let [running, most] = [0, 0];
    azure.proxy.faultOf = () => {
      most = Math.max(most, ++running);
      setTimeout(() => running--, 10);
      return { do: "delay", ms: 10 };
    };
    const requests = await azure.sent(async () => {
      assert.ok(
        equal(await bytesOf(await store.get("a", { offset: 3, length: 4 * RANGE })), bytes.subarray(3, 3 + 4 * RANGE)),
      );
    });
    assert.equal(requests.length, 4);
    assert.equal(most, 2);
    for (const { headers } of requests) assert.equal(headers["x-ms-range-get-content-md5"], "true");
    assert.equal(new Set(requests.slice(1).map(({ headers }) => headers["if-match"])).size, 1);
  });

  it("fetches again what came broken or damaged", async () => {
    const store = await azure.open({}, { rangeBytes: RANGE });
    const bytes = pattern(2 * RANGE + 1000);
    await store.put("a", bytes);
    for (const fault of ["truncate", "damage", "lose"] as const) {
      for (const at of [0, 1, 2]) {
        let seen = 0;
        azure.proxy.faultOf = () => seen++ === at ? { do: fault } : undefined;
        const requests = await azure.sent(async () => {
          assert.ok(equal(await bytesOf(await store.get("a")), bytes), `${fault} at ${at}`);
        });
        assert.equal(requests.length, 4, `${fault} at ${at}`);
      }
    }
  });

  it("leaves checksums to a caller that has a digest of its own, and still gives whole ranges of one object", async () => {
    const store = await azure.open({}, { rangeBytes: RANGE });
    const bytes = pattern(4 * RANGE + 1000);
    await store.put("a", bytes);
    for (const fault of [undefined, "truncate", "lose"] as const) {
      let seen = 0;
      azure.proxy.faultOf = () => seen++ === 1 && fault !== undefined ? { do: fault } : undefined;
      const requests = await azure.sent(async () => {
        assert.ok(equal(await bytesOf(await store.get("a", { unchecked: true })), bytes), `with ${fault}`);
      });
      // Twice as long as those with a checksum, which may have 4 MiB at most.
      assert.equal(requests.length, fault === undefined ? 3 : 4);
      for (const { headers } of requests) assert.equal(headers["x-ms-range-get-content-md5"], undefined);
    }
  });

  it("never mixes two objects: what is replaced while it is read fails", async () => {
    const store = await azure.open({ concurrency: 1 }, { rangeBytes: RANGE });
    for (const how of ["replaced", "removed"]) {
      await store.put("a", pattern(2 * RANGE + 1000));
      const read = async (): Promise<void> => {
        for await (const piece of (await store.get("a"))!.body) {
          assert.ok(piece.length > 0);
          await (how === "removed" ? store.delete("a") : store.put("a", pattern(2 * RANGE + 1000, 2)));
        }
      };
      const told = isStorageError(
        "get",
        "a",
        /replaced or removed while it was read \(4.*\); read it again \(STORAGE\)$/,
      );
      await assert.rejects(read, (error) => told(error) && (error as StorageError).retryable);
    }
  });

  it("looks again where what came meanwhile holds the range that was beyond the end", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({}, { container });
    await store.put("a", pattern(10));
    const bytes = pattern(1000);
    azure.proxy.faultOf = async ({ method }) => {
      const blob = azure.server.service.getContainerClient(container).getBlockBlobClient("p/a");
      if (method === "HEAD") await blob.upload(bytes, bytes.length);
      return undefined;
    };
    const requests = await azure.sent(async () => {
      assert.ok(equal(await bytesOf(await store.get("a", { offset: 100 })), bytes.subarray(100)));
    });
    assert.deepEqual(requests.map(({ method }) => method), ["GET", "HEAD", "GET"]);
  });

  it("stops fetching when the reader leaves", async () => {
    const store = await azure.open({ concurrency: 2 }, { rangeBytes: RANGE });
    await store.put("a", pattern(10 * RANGE));
    const requests = await azure.sent(async () => {
      for await (const piece of (await store.get("a"))!.body) if (piece.length > 0) break;
    });
    assert.equal(requests.length, 1);
  });
});

describe("AzureStore requests", () => {
  it("are made once a client could be made, though it could not before", async () => {
    const { server, proxy } = azure;
    const path = `azure://${ACCOUNT}/${await server.newContainer()}`;
    const settings = azureSettings(path, { endpoint: `${proxy.url}/${ACCOUNT}`, accountKey: KEY });
    let tries = 0;
    const store = new AzureStore({
      ...settings,
      get endpoint(): string {
        if (tries++ === 0) throw new Error("no client");
        return settings.endpoint;
      },
    });
    await assert.rejects(store.head("a"), /no client/);
    assert.equal(await store.head("a"), undefined);
    assert.equal(await store.head("a"), undefined);
    assert.equal(tries, 2, "it is kept");
  });

  it("are made again on 408, 429, 5xx and broken connections, with growing pauses", async () => {
    const store = await azure.open();
    await store.put("a", text("1"));
    const faults: Fault[] = [408, 429, 500, 502, 503, 504].map((status) => ({ do: "status", status }));
    faults.push({ do: "refuse" }, { do: "lose" });
    for (const fault of faults) {
      azure.pauses.length = 0;
      let failures = 0;
      azure.proxy.faultOf = () => failures++ < 3 ? fault : undefined;
      const requests = await azure.sent(async () => assert.equal((await store.head("a"))?.size, 1));
      assert.equal(requests.length, 4, JSON.stringify(fault));
      assert.deepEqual(azure.pauses, [100, 300, 900]);
    }
  });

  it("are given up after so many attempts as told", async () => {
    for (const attempts of [1, 2, 5]) {
      const store = await azure.open({ attempts });
      azure.proxy.faultOf = () => ({ do: "status", status: 503 });
      const requests = await azure.sent(() =>
        assert.rejects(store.list(), (error: { status?: number; retryable?: boolean }) => {
          assert.deepEqual([error.status, error.retryable], [503, true]);
          return isStorageError("list", "", /busy or failing/)(error);
        })
      );
      assert.equal(requests.length, attempts);
    }
  });

  it("are made once on other answers", async () => {
    const store = await azure.open();
    for (const status of [400, 401, 403, 404, 405, 409, 410, 411, 413, 418, 501, 505, 507]) {
      azure.proxy.faultOf = () => ({ do: "status", status });
      const requests = await azure.sent(() => assert.rejects(store.put("a", text("1"))));
      assert.equal(requests.length, 1, String(status));
    }
  });

  it("wait as long as Retry-After asks", async () => {
    const store = await azure.open();
    azure.pauses.length = 0;
    let failures = 0;
    azure.proxy.faultOf = () =>
      failures++ < 2 ? { do: "status", status: 503, headers: { "retry-after": String(failures * 5) } } : undefined;
    await azure.sent(() => store.put("a", text("1")));
    assert.deepEqual(azure.pauses, [5100, 10_300]);
  });

  it("have a deadline each, their bodies included", async () => {
    const store = await azure.open({ deadline: 250 }, { timers: systemTimers });
    const bytes = pattern(100);
    await store.put("a", bytes);
    for (const fault of [{ do: "hang" }, { do: "delay", ms: 5000 }] as const) {
      once(fault);
      assert.ok(equal(await bytesOf(await store.get("a")), bytes));
    }
    const hasty = await azure.open({ deadline: 100, attempts: 1 }, { timers: systemTimers });
    azure.proxy.faultOf = () => ({ do: "hang" });
    await azure.sent(() =>
      assert.rejects(hasty.head("a"), isStorageError("head", "a", /no answer within 0.1 s.*raise option "deadline"/))
    );
  });

  it("end at once with the signal's reason, in the middle of a request and of a pause", async () => {
    const store = await azure.open({}, { timers: systemTimers });
    await store.put("a", text("1"));
    const reason = new Error("enough");
    for (const fault of [{ do: "hang" }, { do: "status", status: 503, headers: { "retry-after": "50" } }] as const) {
      for (
        const call of [
          (signal: AbortSignal) => store.head("a", { signal }),
          (signal: AbortSignal) => store.get("a", { signal }),
          (signal: AbortSignal) => store.list({ signal }),
          (signal: AbortSignal) => store.delete("a", { signal }),
          (signal: AbortSignal) => store.put("a", text("2"), { signal }),
        ]
      ) {
        const giveUp = new AbortController();
        azure.proxy.faultOf = () => {
          setTimeout(() => giveUp.abort(reason), 10);
          return fault;
        };
        await azure.sent(() => assert.rejects(call(giveUp.signal), (error) => error === reason));
      }
    }
  });

  it("leave alone what is not an object of ours, and see whether the container can be used", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({}, { container });
    const blobs = azure.server.service.getContainerClient(container);
    for (const name of ["outside", "p", "p/by hand", "p/a//b", "p/ä", "q/x"]) {
      await blobs.getBlockBlobClient(name).upload("1", 1);
    }
    await store.put("own", text("1"));
    assert.deepEqual(await keysOf(store), ["own"]);
    assert.deepEqual(await store.probe(), { ifAbsent: true, ifMatch: true, ranges: true, checksums: true });
    const elsewhere = await azure.open({}, { container: "not-there" });
    await assert.rejects(
      elsewhere.probe(),
      isStorageError("probe", "", /the container does not exist.*az storage container create/),
    );
  });
});
