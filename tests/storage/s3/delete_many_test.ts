/** Many objects removed by few requests: what is asked for, what is made of the answers, and how Ceph and Swift take it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { BackupRepository, DB, PermissionError, StorageError } from "../../../mod.ts";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { keysOf, text } from "../helpers.ts";
import { CEPH_CAN, newBucket, optionsFor } from "../servers/buckets.ts";
import {
  type Answer,
  errorAnswer,
  type Fate,
  type Loopback,
  type SeenRequest,
  startLoopback,
} from "../servers/loopback.ts";
import { sharedServer } from "../servers/shared.ts";

const PREFIX = "some/prefix/";

function keysIn({ body }: SeenRequest): string[] {
  return [...body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
}

/** The answer of a service that removes all but these. */
function answer(request: SeenRequest, failed: Record<string, string> = {}, silent: readonly string[] = []): Answer {
  const inside = keysIn(request).filter((key) => !silent.includes(key)).map((key) => {
    const code = failed[key];
    return code === undefined
      ? `<Deleted><Key>${key}</Key></Deleted>`
      : `<Error><Key>${key}</Key><Code>${code}</Code><Message>no</Message></Error>`;
  });
  const body = `<?xml version="1.0" encoding="UTF-8"?><DeleteResult>${inside.join("")}</DeleteResult>`;
  return { status: 200, headers: { "content-type": "application/xml" }, body };
}

async function answered(
  fate: (request: SeenRequest, loopback: Loopback) => Fate,
  use: (store: ObjectStore, loopback: Loopback) => Promise<void>,
  options: S3Options = {},
): Promise<void> {
  const loopback: Loopback = await startLoopback({ fate: (request) => fate(request, loopback) });
  try {
    await use(
      s3(`s3://bucket/${PREFIX}`, {
        endpoint: loopback.endpoint,
        credentials: { accessKeyId: "AKIDEXAMPLE1234", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" },
        attempts: 1,
        capabilities: { ifAbsent: true, ifMatch: true },
        ...options,
      }),
      loopback,
    );
  } finally {
    await loopback.stop();
  }
}

describe("S3Store.deleteMany()", () => {
  it("names a thousand keys in a request, with the checksum that every service takes", () =>
    answered((request) => answer(request), async (store, { requests }) => {
      const keys = Array.from({ length: 2500 }, (_, i) => `k/${i}`);
      assert.deepEqual(await store.deleteMany!(keys), []);
      assert.deepEqual(requests.map((request) => keysIn(request).length), [1000, 1000, 500]);
      assert.deepEqual(requests.flatMap(keysIn), keys.map((key) => PREFIX + key));
      for (const { method, path, headers, body } of requests) {
        assert.deepEqual([method, path], ["POST", "/bucket/?delete="]);
        assert.equal(headers["content-md5"], createHash("md5").update(body).digest("base64"));
        assert.deepEqual(Object.keys(headers).filter((name) => /checksum/.test(name)), []);
      }
      assert.deepEqual(await store.deleteMany!([]), []);
      assert.equal(requests.length, 3);
    }));

  it("leaves what was refused, or is not spoken of", () =>
    answered(
      (request) => answer(request, { [`${PREFIX}b`]: "AccessDenied", [`${PREFIX}c`]: "NoSuchKey" }, [`${PREFIX}d`]),
      async (store) => assert.deepEqual(await store.deleteMany!([..."abcde"]), ["b", "d"]),
    ));

  for (const [status, code] of [[501, "NotImplemented"], [405, "MethodNotAllowed"], [400, "InvalidRequest"]] as const) {
    it(`leaves all where the service has nothing like it, and does not ask again: ${code}`, () =>
      answered(() => errorAnswer(status, code), async (store, { requests }) => {
        assert.deepEqual(await store.deleteMany!(["a", "b"]), ["a", "b"]);
        assert.deepEqual(await store.deleteMany!(["c"]), ["c"]);
        assert.equal(requests.length, 1);
      }));
  }

  it("leaves all where it is denied as a whole, and what comes behind a refusal", () =>
    answered(
      (request, { requests }) => requests.length === 2 ? errorAnswer(403, "AccessDenied") : answer(request),
      async (store, { requests }) => {
        const keys = Array.from({ length: 2500 }, (_, i) => `k/${i}`);
        assert.deepEqual(await store.deleteMany!(keys), keys.slice(1000));
        assert.deepEqual(await store.deleteMany!(["a"]), []);
        assert.equal(requests.length, 3);
      },
    ));

  it("is tried again where that may help, and fails as other calls do", () =>
    answered(
      (request, { requests }) => requests.length === 1 ? answer(request) : errorAnswer(503, "SlowDown"),
      async (store, { requests }) => {
        assert.deepEqual(await store.deleteMany!(["a"]), []);
        await assert.rejects(store.deleteMany!(["b", "c"]), (error) => {
          assert.ok(error instanceof StorageError && error.retryable && error.status === 503, String(error));
          return true;
        });
        assert.equal(requests.length, 3);
      },
      { attempts: 2 },
    ));

  it("refuses what is no key before anything is asked", () =>
    answered((request) => answer(request), async (store, { requests }) => {
      await assert.rejects(store.deleteMany!(["a", "../b"]), TypeError);
      assert.equal(requests.length, 0);
    }));
});

for (const name of ["ceph", "swift"] as const) {
  const server = await sharedServer(name);
  if (server === undefined) it(`${name} is not here`, () => {});
  else {
    it(`S3Store.deleteMany() removes what is there, and is fine with what is not, on ${server.version}`, async () => {
      const store = s3(`s3://${await newBucket(server)}/${PREFIX}`, optionsFor(server));
      const keys = Array.from({ length: 40 }, (_, i) => `k/${i}`);
      await Promise.all(keys.map((key) => store.put(key, text(key))));
      assert.deepEqual(await store.deleteMany!([...keys.slice(1), "nothing", "k"]), []);
      assert.deepEqual(await keysOf(store), ["k/0"]);
    });
  }
}

const ceph = await sharedServer("ceph");
if (ceph !== undefined) {
  describe("a pruning in a bucket", () => {
    const COUNT = 30;

    /** Requests that delete by a pruning of so many backups. */
    async function pruning(fate: (request: SeenRequest) => Fate): Promise<SeenRequest[]> {
      const loopback = await startLoopback({ target: ceph!.endpoint, fate });
      try {
        const options = { ...optionsFor(ceph!), ...CEPH_CAN, endpoint: loopback.endpoint, attempts: 1 };
        await using repo = await BackupRepository.open(s3(`s3://${await newBucket(ceph!)}/repo`, options));
        await using db = await DB.open(":memory:");
        for (let i = 0; i < COUNT; i++) {
          await db.set("key", i);
          await repo.backup(db, { type: "snapshot" });
        }
        loopback.requests.length = 0;
        await repo.prune({ keepLast: 1 });
        const seen = [...loopback.requests];
        assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
        assert.equal((await repo.list()).length, 1);
        await using back = await DB.open(":memory:");
        await repo.restore(back);
        assert.equal(await back.get("key"), COUNT - 1);
        return seen;
      } finally {
        await loopback.stop();
      }
    }

    it("deletes by few requests", async () => {
      const seen = await pruning(() => "pass");
      const together = seen.filter(({ method, path }) => method === "POST" && path.includes("?delete"));
      // Manifests, then objects; marks, leases and what a merge leaves go one by one.
      assert.ok(together.flatMap(keysIn).length >= 2 * (COUNT - 1), `${together.flatMap(keysIn).length} keys`);
      const single = seen.filter(({ method }) => method === "DELETE").map(({ path }) => path);
      assert.deepEqual(single.filter((path) => /\/(backups|objects|log)\//.test(path)), []);
      assert.ok(together.length + single.length < 10, `${together.length} and ${single.length} requests`);
    });

    it("deletes one by one where the service has nothing else", async () => {
      const isTogether = ({ method, path }: SeenRequest): boolean => method === "POST" && path.includes("?delete");
      const seen = await pruning((request) => isTogether(request) ? errorAnswer(501, "NotImplemented") : "pass");
      assert.equal(seen.filter(isTogether).length, 1);
      assert.ok(seen.filter(({ method }) => method === "DELETE").length >= 2 * (COUNT - 1));
    });

    it("says which key is refused, and why", async () => {
      const loopback = await startLoopback({ target: ceph.endpoint });
      try {
        const options = { ...optionsFor(ceph), ...CEPH_CAN, endpoint: loopback.endpoint, attempts: 1 };
        await using repo = await BackupRepository.open(s3(`s3://${await newBucket(ceph)}/repo`, options));
        await using db = await DB.open(":memory:");
        const ids: string[] = [];
        for (let i = 0; i < 4; i++) {
          await db.set("key", i);
          ids.push((await repo.backup(db, { type: "full" })).id);
        }
        const isLocked = (path: string): boolean => path.includes(`/backups/${ids[1]}.json`);
        loopback.options.fate = (request) => {
          if (request.method === "DELETE" && isLocked(request.path)) return errorAnswer(403, "AccessDenied", "locked");
          if (request.method !== "POST" || !request.path.includes("?delete")) return "pass";
          return answer(request, Object.fromEntries(keysIn(request).map((key) => [key, "AccessDenied"])));
        };
        await assert.rejects(repo.prune({ keepLast: 1 }), (error) => {
          assert.ok(error instanceof PermissionError, String(error));
          assert.match(error.message, new RegExp(`delete .*backups/${ids[1]}\\.json.*allow s3:DeleteObject`));
          return true;
        });
        loopback.options.fate = () => "pass";
        await repo.prune({ keepLast: 1 });
        assert.deepEqual((await repo.list()).map(({ id }) => id), ids.slice(3));
        assert.deepEqual((await repo.verify(undefined, { read: "all" })).problems, []);
      } finally {
        await loopback.stop();
      }
    });
  });
}
