/** What is particular to the S3 kind of store: on Ceph, some of it with accidents on the way there. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import {
  CreateMultipartUploadCommand,
  GetObjectRetentionCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { BackupRepository, DB } from "../../../mod.ts";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import { StorageError } from "../../../lib/base/errors.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { isMine } from "../../crash/random.ts";
import { bytesOf, equal, keysOf, pattern, streamed, text, textOf } from "../helpers.ts";
import { CEPH_CAN, clientOf, newBucket, optionsFor } from "../servers/buckets.ts";
import { errorAnswer, type Fate, type Loopback, type SeenRequest, startLoopback } from "../servers/loopback.ts";
import { sharedServer } from "../servers/shared.ts";
import type { S3Server } from "../servers/s3_server.ts";

const server = await sharedServer("ceph");
const swift = await sharedServer("swift");
const bucket = server === undefined ? "" : await newBucket(server);
const MIB = 2 ** 20;
const ALL = { ifAbsent: true, ifMatch: true, ranges: true, checksums: true };
let places = 0;
const newPlace = (): string => `s3://${bucket}/s${++places}`;

if (server === undefined) it("Ceph is not here", () => {});
else tests(server);
if (swift === undefined) it("Swift is not here", () => {});
else {
  it("S3Store finds out that a service has no conditions, and refuses to be taken for one that has", async () => {
    const own = await newBucket(swift);
    const store = s3(`s3://${own}/a`, optionsFor(swift));
    assert.deepEqual(await store.probe!({ write: true }), {
      ifAbsent: false,
      ifMatch: false,
      ranges: true,
      checksums: true,
    });
    await assert.rejects(store.put("a", text("1"), { ifAbsent: true }), /no conditional writes \(ifAbsent\)/);
    await assert.rejects(store.put("a", text("1"), { ifMatch: "x" }), /no conditional writes \(ifMatch\)/);
    assert.deepEqual(await everything(swift, own), []);
  });
}

/** All that lies in a bucket, also what a store hides, and the uploads that were not completed. */
async function everything(of: S3Server, from: string, prefix = ""): Promise<string[]> {
  const client = clientOf(of);
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: from, Prefix: prefix }));
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: from, Prefix: prefix }));
  client.destroy();
  return [...Contents.map(({ Key }) => Key!), ...Uploads.map(({ Key }) => `upload of ${Key}`)];
}

/** The prefix of a place. */
const prefixOf = (place: string): string => `${place.split("/").slice(3).join("/")}/`;

function tests(ceph: S3Server): void {
  /** A store behind a loopback server, with accidents. */
  async function behind(
    fate: (request: SeenRequest) => Fate,
    use: (store: ObjectStore, loopback: Loopback, place: string) => Promise<void>,
    options: S3Options = {},
  ): Promise<void> {
    const loopback = await startLoopback({ target: ceph.endpoint, fate });
    try {
      const place = newPlace();
      const store = s3(place, {
        ...optionsFor(ceph),
        ...CEPH_CAN,
        endpoint: loopback.endpoint,
        partBytes: 5 * MIB,
        ...options,
      });
      await use(store, loopback, place);
    } finally {
      await loopback.stop();
    }
  }

  /** Each first request that fits has this fate. */
  function once(fits: (request: SeenRequest) => boolean, fate: Fate): (request: SeenRequest) => Fate {
    let done = false;
    return (request) => {
      if (done || !fits(request)) return "pass";
      done = true;
      return fate;
    };
  }

  describe("S3Store asks the service what it can do", () => {
    it("once, and leaves nothing there", async () => {
      await behind(() => "pass", async (store, loopback, place) => {
        assert.deepEqual(store.capabilities, { ifAbsent: true, ifMatch: true, ranges: true, checksums: false });
        await store.probe!();
        assert.equal(loopback.requests.length, 0);
        assert.deepEqual(await store.probe!({ write: true }), ALL);
        const asked = loopback.requests.length;
        await store.probe!({ write: true });
        assert.equal(loopback.requests.length, asked);
        const put = await store.put("a", text("1"), { ifAbsent: true });
        assert.ok(await store.put("a", text("2"), { ifMatch: put!.etag }));
        assert.deepEqual(await everything(ceph, bucket, prefixOf(place)), [`${prefixOf(place)}a`]);
        console.log(`a probe makes ${asked} requests`);
      }, { capabilities: undefined });
    });

    it("and relies on no checksum where a body that does not match its checksum is taken, or refused for another reason", async () => {
      const isOfObject = ({ method, headers, path }: SeenRequest): boolean =>
        method === "PUT" && !path.includes("partNumber") &&
        headers["if-match"] === undefined && headers["if-none-match"] === undefined;
      const isOfPart = ({ path }: SeenRequest): boolean => path.includes("partNumber");
      const begins = ({ method, path }: SeenRequest): boolean => method === "POST" && path.includes("uploads");
      for (const isIt of [isOfObject, isOfPart, begins]) {
        for (
          const answer of [{ status: 200 }, errorAnswer(400, "InvalidRequest"), errorAnswer(501, "NotImplemented")]
        ) {
          await behind((request) => isIt(request) ? answer : "pass", async (store, _, place) => {
            assert.deepEqual(await store.probe!({ write: true }), { ...ALL, checksums: false });
            assert.deepEqual(await everything(ceph, bucket, prefixOf(place)), []);
          }, { capabilities: undefined });
        }
      }
    });

    it("and has bodies verified by the SHA-256 they are signed with where that is proven, else by their MD5", async () => {
      const isProof = ({ method, headers }: SeenRequest): boolean =>
        method === "PUT" && headers["content-md5"] === undefined;
      const digestsOf = async (fate: Fate, options: S3Options): Promise<unknown[]> => {
        let digests: unknown[] = [];
        await behind((request) => isProof(request) ? fate : "pass", async (store, { requests }) => {
          if (options.capabilities === undefined) assert.deepEqual(await store.probe!({ write: true }), ALL);
          requests.length = 0;
          await store.put("a", text("1"), { ifAbsent: true });
          await store.put("b", streamed(pattern(6 * MIB), MIB));
          const puts = requests.filter(({ method, path }) => method === "PUT" && !path.includes("retention"));
          assert.equal(puts.length, 3);
          digests = [...new Set(puts.map(({ headers }) => headers["content-md5"] === undefined ? "sha256" : "md5"))];
          assert.equal(puts[0]!.headers["x-amz-content-sha256"], createHash("sha256").update("1").digest("hex"));
        }, options);
        return digests;
      };
      const asked = { capabilities: undefined };
      assert.deepEqual(await digestsOf("pass", asked), ["sha256"]);
      for (
        const refusal of [
          { status: 200 },
          errorAnswer(400, "InvalidRequest"),
          errorAnswer(403, "SignatureDoesNotMatch"),
          errorAnswer(501, "NotImplemented"),
        ]
      ) {
        assert.deepEqual(await digestsOf(refusal, asked), ["md5"]);
      }
      assert.deepEqual(await digestsOf("pass", {}), ["md5"]);
    });

    it("and leaves its bodies their MD5 under a lock, which AWS wants", async () => {
      const locked = await newBucket(ceph, { locked: true });
      const loopback = await startLoopback({ target: ceph.endpoint, fate: () => "pass" });
      const objectLock = { mode: "GOVERNANCE", for: "1h" } as const;
      const store = s3(`s3://${locked}/l`, { ...optionsFor(ceph), endpoint: loopback.endpoint, objectLock });
      await store.probe!({ write: true });
      await store.put("a", text("1"));
      const puts = loopback.requests.filter(({ method }) => method === "PUT");
      await loopback.stop();
      assert.ok(puts.length > 3 && puts.every(({ headers }) => headers["content-md5"] !== undefined));
    });

    it("and comes to the same when any one of its requests or answers is lost", async () => {
      let cases = 0;
      for (let at = 0; at < 12; at++) {
        for (const fate of ["cut before", "cut after"] as const) {
          if (!isMine(at)) continue;
          let count = 0;
          await behind(() => count++ === at ? fate : "pass", async (store) => {
            assert.deepEqual(await store.probe!({ write: true }), ALL);
            cases++;
          }, { capabilities: undefined });
        }
      }
      console.log(`probes with an accident: ${cases}`);
    });
  });

  describe("S3Store puts large bodies with a condition", () => {
    // As many parts as are sent at once are held, and one more shows that there are more.
    const cases = [
      { mebibytes: 6, concurrency: 1, isSpooled: true },
      { mebibytes: 6, concurrency: 3, isSpooled: false },
      { mebibytes: 15, concurrency: 3, isSpooled: false },
      { mebibytes: 16, concurrency: 3, isSpooled: true },
    ];
    for (const { mebibytes, concurrency, isSpooled } of cases) {
      it(`whole, of one winner only, and leaves no part (${mebibytes} MiB, ${concurrency} at once)`, async () => {
        await behind(() => "pass", async (store, loopback, place) => {
          const bodies = [1, 2, 3].map((seed) => pattern(mebibytes * MIB, seed));
          const puts = await Promise.all(
            bodies.map((body) => store.put("a", streamed(body, MIB), { ifAbsent: true })),
          );
          const winners = puts.flatMap((put, i) => put === undefined ? [] : [i]);
          assert.equal(winners.length, 1);
          const found = await store.get("a");
          assert.ok(equal(await bytesOf(found), bodies[winners[0]!]!));
          // Each completion is checked by the server: nothing but a PUT may make the object.
          const completed = loopback.requests.filter(({ method, path }) =>
            method === "POST" && /\/a\?uploadId/.test(path)
          );
          assert.deepEqual(completed.map(({ path }) => path), []);
          assert.equal(loopback.requests.some(({ path }) => path.includes("spool")), isSpooled);
          const etag = puts[winners[0]!]!.etag;
          const next = pattern(mebibytes * MIB, 9);
          assert.equal(await store.put("a", streamed(next, MIB), { ifMatch: "0".repeat(32) }), undefined);
          assert.ok(await store.put("a", streamed(next, MIB), { ifMatch: etag }));
          assert.ok(equal(await bytesOf(await store.get("a")), next));
          assert.deepEqual(await everything(ceph, bucket, prefixOf(place)), [`${prefixOf(place)}a`]);
        }, { concurrency });
      });
    }

    it("again when a connection breaks, from what it holds", async () => {
      const isPut = ({ method, path }: SeenRequest): boolean => method === "PUT" && !path.includes("probe");
      const body = pattern(12 * MIB);
      for (const fate of ["cut before", "cut after", { status: 503 }] as const) {
        await behind(once(isPut, fate), async (store) => {
          assert.ok(await store.put("a", streamed(body, MIB), { ifAbsent: true }));
          assert.ok(equal(await bytesOf(await store.get("a")), body));
        });
      }
    });

    it("and sends nothing of them when something is there", async () => {
      await behind(() => "pass", async (store, loopback) => {
        await store.put("a", text("1"));
        loopback.requests.length = 0;
        const body = streamed(pattern(30 * MIB), MIB);
        assert.equal(await store.put("a", body, { ifAbsent: true }), undefined);
        assert.equal(body.closed, true);
        assert.deepEqual(loopback.requests.map(({ method }) => method), ["HEAD"]);
      });
    });
  });

  describe("S3Store knows its own object again when an answer was lost", () => {
    const isPut = ({ method }: SeenRequest): boolean => method === "PUT";
    it("of a put with ifAbsent and with ifMatch", async () => {
      for (const fate of ["cut after", "truncate"] as const) {
        await behind(once(isPut, fate), async (store, loopback) => {
          const first = await store.put("a", text("1"), { ifAbsent: true });
          assert.ok(first !== undefined);
          assert.equal((await store.get("a"))!.etag, first.etag);
          assert.equal(await store.put("a", text("2"), { ifAbsent: true }), undefined);
          loopback.options.fate = once(isPut, fate);
          const second = await store.put("a", text("3"), { ifMatch: first.etag });
          assert.ok(second !== undefined);
          assert.equal(await textOf(store, "a"), "3");
          assert.equal(await store.put("a", text("4"), { ifMatch: first.etag }), undefined);
          assert.equal(await textOf(store, "a"), "3");
        });
      }
    });

    it("and does not take another's for its own", async () => {
      const other = s3(`s3://${bucket}/other`, { ...optionsFor(ceph), ...CEPH_CAN });
      let raced = false;
      const loopback = await startLoopback({
        target: ceph.endpoint,
        fate: async ({ method }) => {
          if (method !== "PUT" || raced) return "pass";
          raced = true;
          // The same bytes, but not the same put.
          await other.put("a", text("1"), { ifAbsent: true });
          return "cut before";
        },
      });
      const store = s3(`s3://${bucket}/other`, { ...optionsFor(ceph), ...CEPH_CAN, endpoint: loopback.endpoint });
      await assert.rejects(
        store.put("a", text("1"), { ifAbsent: true }),
        (error) => error instanceof StorageError && error.retryable && /whether ours was there/.test(error.message),
      );
      assert.equal(await store.put("a", text("1"), { ifAbsent: true }), undefined);
      await loopback.stop();
    });

    it("of an upload in parts, whichever request loses its answer", async () => {
      const body = pattern(11 * MIB);
      let cases = 0;
      for (let at = 0; at < 5; at++) {
        let count = 0;
        await behind(() => count++ === at ? "cut after" : "pass", async (store, _, place) => {
          const put = await store.put("a", streamed(body, MIB));
          const found = await store.get("a");
          assert.equal(found!.etag, put!.etag);
          assert.ok(equal(await bytesOf(found), body));
          // Only an upload whose id was never heard can't be ended.
          const lost = at === 0 ? [`upload of ${prefixOf(place)}a`] : [];
          assert.deepEqual(await everything(ceph, bucket, prefixOf(place)), [`${prefixOf(place)}a`, ...lost]);
          cases++;
        });
      }
      console.log(`uploads with a lost answer: ${cases}`);
    });
  });

  describe("S3Store leaves nothing of an upload", () => {
    it("whose body fails, whose caller gives up, or whose parts are refused", async () => {
      for (const how of ["body", "signal", "refused"] as const) {
        const isPart = ({ path }: SeenRequest): boolean => how === "refused" && /partNumber=2/.test(path);
        await behind((request) => isPart(request) ? { status: 403 } : "pass", async (store, _, place) => {
          const giveUp = new AbortController();
          const body = streamed(pattern(24 * MIB), MIB, (piece) => {
            if (piece === 14 && how === "body") throw new Error("the body broke");
            if (piece === 14 && how === "signal") giveUp.abort(new Error("enough"));
          });
          await assert.rejects(store.put("a", body, { signal: giveUp.signal }));
          assert.equal(body.closed, true);
          assert.deepEqual(await everything(ceph, bucket, prefixOf(place)), [], how);
        });
      }
    });
  });

  describe("S3Store cleans up", () => {
    it("what was begun before a time and never ended, and nothing else", async () => {
      const place = newPlace();
      const prefix = prefixOf(place);
      const store = s3(place, { ...optionsFor(ceph), ...CEPH_CAN });
      const client = clientOf(ceph);
      const spool = `${prefix}~spool-${"0".repeat(32)}`;
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: spool, Body: "left" }));
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}~mine`, Body: "another's" }));
      await store.put("a", text("1"));
      for (const key of ["b", "b", "c/d"]) {
        await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: prefix + key }));
      }
      await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${prefix}another's` }));
      client.destroy();
      assert.deepEqual(await keysOf(store), ["a"]);
      const all = await everything(ceph, bucket, prefix);
      assert.equal(all.length, 7);
      assert.equal(await store.cleanUp!({ before: Date.now() - 60_000 }), 0);
      assert.deepEqual(await everything(ceph, bucket, prefix), all);
      assert.equal(await store.cleanUp!({ before: Date.now() + 60_000 }), 4);
      const left = [`${prefix}a`, `${prefix}~mine`, `upload of ${prefix}another's`];
      assert.deepEqual(await everything(ceph, bucket, prefix), left);
    });

    it("behind a prune of a repository, which does not need the right to", async () => {
      await behind(() => "pass", async (store, loopback) => {
        await using db = await DB.open(":memory:");
        await db.set("a", 1);
        await using repo = await BackupRepository.open(store);
        await repo.backup(db);
        loopback.options.fate = ({ path }) => /[?&]uploads/.test(path) ? { status: 403 } : "pass";
        await repo.prune({ keepLast: 1 });
        assert.equal(
          loopback.requests.filter(({ method, path }) => method === "GET" && /[?&]uploads/.test(path)).length,
          1,
        );
      });
    });
  });

  describe("S3Store reads", () => {
    it("large objects by ranges, several at once, and goes on where a connection broke", async () => {
      const body = pattern(21 * MIB);
      await behind(() => "pass", async (store, loopback) => {
        await store.put("a", body);
        loopback.requests.length = 0;
        let count = 0;
        loopback.options.fate = ({ method }) =>
          method !== "GET" ? "pass" : (["truncate", "pass", "pass", "cut after", "pass"] as const)[count++ % 5]!;
        assert.ok(equal(await bytesOf(await store.get("a")), body));
        assert.ok(
          equal(
            await bytesOf(await store.get("a", { offset: 3 * MIB, length: 9 * MIB })),
            body.subarray(3 * MIB, 12 * MIB),
          ),
        );
        assert.ok(loopback.requests.every(({ headers }) => headers["range"] !== undefined));
      });
    });

    it("no mixture of two objects", async () => {
      await behind(() => "pass", async (store, loopback) => {
        await store.put("a", pattern(20 * MIB, 1));
        const found = await store.get("a");
        await store.put("a", pattern(20 * MIB, 2));
        loopback.requests.length = 0;
        await assert.rejects(
          bytesOf(found),
          (error) => error instanceof StorageError && error.retryable && /replaced or removed/.test(error.message),
        );
      });
    });
  });

  describe("S3Store's bytes are verified by the service", () => {
    it("which refuses a body that was changed on its way", async () => {
      for (const options of [CEPH_CAN, { capabilities: undefined }]) {
        await behind(() => "pass", async (store, loopback) => {
          if (options.capabilities === undefined) await store.probe!({ write: true });
          loopback.options.rewrite = ({ body }) => {
            if (body.length > 0) body[body.length >> 1]! ^= 1;
          };
          await assert.rejects(
            store.put("a", pattern(1000)),
            /SignatureDoesNotMatch|BadDigest|XAmzContentSHA256Mismatch/,
          );
          await assert.rejects(store.put("b", streamed(pattern(6 * MIB), MIB)));
          loopback.options.rewrite = () => {};
          assert.deepEqual(await keysOf(store), []);
        }, options);
      }
    });
  });

  describe("S3Store's object lock", () => {
    it("keeps what was written, whole and in parts", async () => {
      const locked = await newBucket(ceph, { locked: true });
      const store = s3(`s3://${locked}/l`, {
        ...optionsFor(ceph),
        ...CEPH_CAN,
        partBytes: 5 * MIB,
        objectLock: { mode: "GOVERNANCE", for: "1h" },
      });
      await store.put("small", text("1"), { ifAbsent: true });
      await store.put("large", streamed(pattern(6 * MIB), MIB));
      await store.put("safe", streamed(pattern(6 * MIB), MIB), { ifAbsent: true });
      const client = clientOf(ceph);
      for (const key of ["small", "large", "safe"]) {
        const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket: locked, Key: `l/${key}` }));
        assert.equal(Retention?.Mode, "GOVERNANCE");
        const left = Retention.RetainUntilDate!.getTime() - Date.now();
        assert.ok(left > 3_500_000 && left < 3_660_000, `${key} is kept for ${left} ms`);
      }
      await store.delete("small");
      assert.equal(await store.get("small"), undefined);
      const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: locked, Prefix: "l/small" }));
      assert.equal(Versions.length, 1);
      client.destroy();
    });
  });
}
