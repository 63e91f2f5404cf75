/** The dialect of Google Cloud Storage: the suite over Ceph behind a face of Google's, and the requests that are made. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, it } from "node:test";
import { inspect } from "node:util";
import { BackupRepository, DB } from "../../../mod.ts";
import { gcs, type GcsOptions } from "../../../lib/adapters/gcs.ts";
import { bytesOf, equal, pattern, streamed, text } from "../helpers.ts";
import { isMyDay } from "../../crash/random.ts";
import { newBucket } from "../servers/buckets.ts";
import { startGcsFace } from "../servers/gcs_face.ts";
import { type Loopback, startLoopback } from "../servers/loopback.ts";
import type { S3Server } from "../servers/s3_server.ts";
import { sharedServer } from "../servers/shared.ts";
import { storeSuite } from "../store_suite.ts";

const KEYS = { accessId: "GOOGEXAMPLE1234567890", secret: "a-secret-of-hmac-keys" };
const TOKEN = "ya29.a-token-of-some-length-0123456789";
const MIB = 2 ** 20;

const server = await sharedServer("ceph");
if (server === undefined) it("Ceph is not here", () => {});
else {
  const face = await startGcsFace(server, { keys: KEYS, token: TOKEN });
  after(() => face.stop());
  tests(server, face, await newBucket(server));
}

function tests(ceph: S3Server, face: Loopback, bucket: string): void {
  let places = 0;
  const options: GcsOptions = { endpoint: face.endpoint, partBytes: 5 * MIB, credentials: KEYS };
  // What differs from S3 is below, and tried everywhere.
  if (isMyDay(1)) {
    storeSuite(`GCS's dialect before ${ceph.version}`, () => gcs(`gs://${bucket}/g${++places}`, options), {
      slow: true,
    });
  }

  describe("gcs()", () => {
    it("puts large bodies with a condition by one request of their own", async () => {
      const store = gcs(`gs://${bucket}/large`, { ...options, credentials: async () => TOKEN });
      // Of what is held in memory, and of what is not.
      for (const [key, mebibytes] of [["a", 6], ["b", 21]] as const) {
        const body = pattern(mebibytes * MIB);
        const puts = await Promise.all([1, 2].map(() => store.put(key, streamed(body, MIB), { ifAbsent: true })));
        assert.equal(puts.filter((put) => put !== undefined).length, 1);
        const found = await store.get(key);
        assert.match(found!.etag ?? "", /^\d+$/);
        assert.ok(equal(await bytesOf(found), body));
      }
    });

    it("holds a repository", async () => {
      await using db = await DB.open(":memory:");
      await db.set("a", 1);
      await using repo = await BackupRepository.open(gcs(`gs://${bucket}/repo`, options));
      await repo.backup(db);
      await using back = await DB.open(":memory:");
      await repo.restore(back);
      assert.equal(await back.get("a"), 1);
    });

    it("is refused with a wrong secret and a wrong token, and shows neither", async () => {
      for (
        const credentials of [{ ...KEYS, secret: "not-the-secret-of-it" }, async () => "ya29.another-token-0123456789"]
      ) {
        const store = gcs(`gs://${bucket}/x`, { ...options, credentials });
        await assert.rejects(store.get("a"), (error) => {
          assert.match(String(error), /^PermissionError: Cannot get a in gcs .*SignatureDoesNotMatch/);
          assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /not-the-secret|another-token/);
          return true;
        });
      }
    });
  });
}

describe("gcs() makes requests", () => {
  it("with create-only and compare-and-swap as generations, its own headers, and none of AWS", async () => {
    const loopback = await startLoopback({
      fate: () => ({ status: 200, headers: { etag: '"e"', "x-goog-generation": "17" } }),
    });
    try {
      const store = gcs("gs://bucket/a", {
        endpoint: loopback.endpoint,
        credentials: KEYS,
        kmsKeyName: "projects/p/locations/l/keyRings/r/cryptoKeys/k",
        storageClass: "NEARLINE",
        objectLock: { mode: "GOVERNANCE", retainUntil: Date.UTC(2030, 0, 1) },
      });
      assert.deepEqual(await store.put("k", text("1"), { ifAbsent: true }), { etag: "17" });
      await store.put("k", text("1"), { ifMatch: "17" });
      const [first, second] = loopback.requests.map(({ headers }) => headers);
      assert.equal(first!["x-goog-if-generation-match"], "0");
      assert.equal(second!["x-goog-if-generation-match"], "17");
      assert.equal(first!["x-goog-storage-class"], "NEARLINE");
      assert.equal(first!["x-goog-encryption-kms-key-name"], "projects/p/locations/l/keyRings/r/cryptoKeys/k");
      assert.equal(first!["x-goog-object-lock-mode"], "GOVERNANCE");
      assert.match(first!["x-goog-object-lock-retain-until-date"]!, /^2030-01-01/);
      assert.equal(first!["content-md5"], "xMpCOKC5I4INzFCab3WEmw==");
      for (const headers of [first!, second!]) {
        assert.deepEqual(Object.keys(headers).filter((name) => /^(x-amz|amz)-/.test(name)), []);
        assert.match(headers["authorization"]!, /SignedHeaders=[^,]*x-goog-if-generation-match/);
        assert.doesNotMatch(headers["authorization"]!, /accept-encoding/);
      }
      for (const tag of ["0", "00", "e", "-1", "1 "]) {
        await assert.rejects(store.put("k", text("1"), { ifMatch: tag }), TypeError);
      }
    } finally {
      await loopback.stop();
    }
  });

  it("with a token of the application default credentials", async () => {
    const home = mkdtempSync(join(tmpdir(), "hf-adc-"));
    const loopback = await startLoopback({
      fate: ({ path }) =>
        path.startsWith("/token")
          ? {
            status: 200,
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              access_token: TOKEN,
              expires_in: 3600,
              token_type: "Bearer",
              issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
            }),
          }
          : { status: 200, headers: { etag: '"e"', "x-goog-generation": "1" } },
    });
    const before = process.env["GOOGLE_APPLICATION_CREDENTIALS"];
    try {
      // The federation of identities: the form of these credentials that names its own server.
      writeFileSync(join(home, "subject"), "a-token-of-another-issuer");
      const file = join(home, "adc.json");
      writeFileSync(
        file,
        JSON.stringify({
          type: "external_account",
          audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
          subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
          token_url: `${loopback.endpoint}/token`,
          credential_source: { file: join(home, "subject") },
        }),
      );
      process.env["GOOGLE_APPLICATION_CREDENTIALS"] = file;
      const store = gcs("gs://bucket/a", { endpoint: loopback.endpoint });
      await store.put("k", text("1"));
      await store.put("k", text("1"));
      const asked = loopback.requests.filter(({ path }) => path.startsWith("/token"));
      assert.equal(asked.length, 1);
      assert.equal(loopback.requests.at(-1)!.headers["authorization"], `Bearer ${TOKEN}`);
    } finally {
      if (before === undefined) delete process.env["GOOGLE_APPLICATION_CREDENTIALS"];
      else process.env["GOOGLE_APPLICATION_CREDENTIALS"] = before;
      await loopback.stop();
      rmSync(home, { recursive: true });
    }
  });

  it("not at all with options it can't use", () => {
    for (
      const wrong of [{ credentials: { accessId: "a" } }, { region: "x" }, { credentials: "text" }, {
        endpoint: "gs://x",
      }]
    ) {
      assert.throws(() => gcs("gs://bucket", wrong as never), TypeError);
    }
    assert.throws(() => gcs("s3://bucket"), TypeError);
    assert.equal(gcs("gs://bucket/a").name, "gcs bucket/a");
  });
});
