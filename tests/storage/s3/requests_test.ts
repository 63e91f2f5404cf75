/** The requests that the S3 kind of store makes, and what it makes of answers: a loopback server says them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { s3, type S3Options } from "../../../lib/adapters/s3.ts";
import { HoldfastError, NoSpaceError, PermissionError, StorageError } from "../../../lib/base/errors.ts";
import type { Timers } from "../../../lib/base/timers.ts";
import { awsDialect } from "../../../lib/storage/s3/dialect.ts";
import { checkS3Options } from "../../../lib/storage/s3/options.ts";
import { RANGE_BYTES } from "../../../lib/storage/s3/download.ts";
import { S3Store } from "../../../lib/storage/s3/s3_store.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { root } from "../../tools/runtimes.ts";
import { LONG } from "../../crash/random.ts";
import { bytesOf, pattern, streamed, text } from "../helpers.ts";
import {
  type Answer,
  errorAnswer,
  type Fate,
  type Loopback,
  type SeenRequest,
  startLoopback,
} from "../servers/loopback.ts";

const MIB = 2 ** 20;
const KEYS = { accessKeyId: "AKIDEXAMPLE1234", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };
const TOKEN = "a/session+token=of-many-characters";

/** Answers as a service does that keeps nothing. */
function agree({ method, path }: SeenRequest): Answer {
  if (method === "POST" && path.includes("?uploads")) {
    return { status: 200, body: xml("InitiateMultipartUploadResult", "<UploadId>u1</UploadId>") };
  }
  if (method === "POST") return { status: 200, body: xml("CompleteMultipartUploadResult", '<ETag>"e-2"</ETag>') };
  if (method === "DELETE") return { status: 204 };
  return { status: 200, headers: { etag: '"e1"' } };
}

const xml = (name: string, inside: string): string => `<?xml version="1.0"?><${name}>${inside}</${name}>`;

/** A store whose requests a loopback server answers. */
async function answered(
  fate: (request: SeenRequest) => Fate,
  options: S3Options,
  use: (store: ObjectStore, loopback: Loopback) => Promise<void>,
): Promise<void> {
  const loopback = await startLoopback({ fate });
  try {
    const capabilities = { ifAbsent: true, ifMatch: true };
    const store = s3("s3://bucket/some/prefix", {
      endpoint: loopback.endpoint,
      credentials: KEYS,
      attempts: 1,
      capabilities,
      ...options,
    });
    await use(store, loopback);
  } finally {
    await loopback.stop();
  }
}

describe("S3Store passes on", () => {
  const one = async (options: S3Options): Promise<SeenRequest> => {
    let seen: SeenRequest | undefined;
    await answered(agree, options, async (store, { requests }) => {
      await store.put("a", text("1"));
      seen = requests[0];
      // What is put in parts has the same options.
      await store.put("b", streamed(pattern(9 * MIB), MIB));
      const create = requests.find(({ path }) => path.includes("?uploads"))!;
      for (
        const name of Object.keys(seen!.headers).filter((name) => /^x-amz-(server|storage|object-lock)/.test(name))
      ) {
        assert.equal(create.headers[name], seen!.headers[name], name);
      }
    });
    return seen!;
  };

  it("the region, the bucket in the path, and a checksum of the body", async () => {
    const { path, headers } = await one({ region: "eu-central-1" });
    assert.match(path, /^\/bucket\/some\/prefix\/a(\?|$)/);
    assert.match(headers["authorization"]!, /Credential=AKIDEXAMPLE1234\/\d{8}\/eu-central-1\/s3\/aws4_request/);
    assert.equal(headers["content-md5"], "xMpCOKC5I4INzFCab3WEmw==");
    assert.match(headers["x-amz-content-sha256"]!, /^[0-9a-f]{64}$/);
  });

  it("the bucket in the host's name, where the path is not to have it", async () => {
    // localhost with a name before it is this machine, where the system says so; else the name is what the failure tells.
    const store = s3("s3://bucket/a", {
      endpoint: "http://nowhere.invalid",
      credentials: KEYS,
      attempts: 1,
      pathStyle: false,
    });
    await assert.rejects(store.get("a"), (error) => error instanceof StorageError && error.retryable);
    const settings = checkS3Options("s3", "s3", "s3://bucket/a", {
      endpoint: "http://nowhere.invalid",
      pathStyle: false,
    });
    assert.equal(settings.pathStyle, false);
    assert.equal(checkS3Options("s3", "s3", "s3://bucket/a", {}).pathStyle, false);
    assert.equal(checkS3Options("s3", "s3", "s3://bucket/a", { endpoint: "http://nowhere.invalid" }).pathStyle, true);
  });

  it("a session's token, from keys and from a provider, which is asked again when they end", async () => {
    const { headers } = await one({ credentials: { ...KEYS, sessionToken: TOKEN } });
    assert.equal(headers["x-amz-security-token"], TOKEN);
    let asked = 0;
    const credentials = async (): Promise<typeof KEYS & { expiration: Date }> => {
      asked++;
      return { ...KEYS, accessKeyId: `AKIDROTATED${asked}`, expiration: new Date(Date.now() + 1000) };
    };
    await answered(agree, { credentials }, async (store, { requests }) => {
      await store.put("a", text("1"));
      await store.put("a", text("1"));
      assert.notEqual(
        /Credential=\w+/.exec(requests[0]!.headers["authorization"]!)![0],
        /Credential=\w+/.exec(requests.at(-1)!.headers["authorization"]!)![0],
      );
    });
  });

  it("keys of the environment, where none are given", async () => {
    const before = { ...process.env };
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: "AKIDENVIRONMENT",
      AWS_SECRET_ACCESS_KEY: "secret-env",
      AWS_REGION: "eu-west-3",
    });
    try {
      const loopback = await startLoopback({ fate: agree });
      const store = s3("s3://bucket", { endpoint: loopback.endpoint, region: "eu-west-3" });
      await store.put("a", text("1"));
      assert.match(loopback.requests[0]!.headers["authorization"]!, /Credential=AKIDENVIRONMENT\/\d{8}\/eu-west-3/);
      await loopback.stop();
    } finally {
      for (const name of ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });

  it("encryption, storage class and lock", async () => {
    const { headers } = await one({
      serverSideEncryption: "aws:kms",
      kmsKeyId: "key-1",
      storageClass: "STANDARD_IA",
      objectLock: { mode: "COMPLIANCE", retainUntil: Date.UTC(2030, 0, 1) },
    });
    assert.equal(headers["x-amz-server-side-encryption"], "aws:kms");
    assert.equal(headers["x-amz-server-side-encryption-aws-kms-key-id"], "key-1");
    assert.equal(headers["x-amz-storage-class"], "STANDARD_IA");
    assert.equal(headers["x-amz-object-lock-mode"], "COMPLIANCE");
    assert.match(headers["x-amz-object-lock-retain-until-date"]!, /^2030-01-01T00:00:00/);
  });

  it("conditions", async () => {
    await answered(agree, {}, async (store, { requests }) => {
      await store.put("a", text("1"), { ifAbsent: true });
      await store.put("a", text("1"), { ifMatch: "tag" });
      assert.equal(requests[0]!.headers["if-none-match"], "*");
      assert.equal(requests[1]!.headers["if-match"], '"tag"');
      for (const { headers } of requests) {
        const signed = /SignedHeaders=([^,]+)/.exec(headers["authorization"]!)![1]!.split(";");
        assert.ok(signed.includes("if-match") || signed.includes("if-none-match"), "the condition is signed");
      }
    });
  });
});

describe("s3()", () => {
  it("refuses what it can't use, and shows no secret while it does", () => {
    const wrong: [unknown, unknown, RegExp][] = [
      ["bucket/prefix", {}, /place must look like/],
      ["https://user:hunter22@host/", {}, /place must look like/],
      ["s3://b", {}, /place must look like/],
      ["s3://bucket//a", {}, /prefix/],
      ["s3://bucket/../a", {}, /prefix/],
      ["s3://bucket", { endpoint: "http://user:hunter22@host/" }, /"endpoint" must be/],
      ["s3://bucket", { endpoint: "host:9000" }, /"endpoint" must be/],
      ["s3://bucket", { endpont: "x" }, /did you mean "endpoint"/],
      ["s3://bucket", { credentials: { secretAccessKey: "hunter22" } }, /"credentials" must be/],
      ["s3://bucket", { partBytes: 1 }, /"partBytes"/],
      ["s3://bucket", { kmsKeyId: "k" }, /"serverSideEncryption"/],
      ["s3://bucket", { objectLock: { mode: "GOVERNANCE" } }, /either retainUntil or for/],
      ["s3://bucket", { objectLock: { mode: "GOVERNANCE", for: "1d", retainUntil: 7 } }, /either retainUntil or for/],
    ];
    for (const [place, options, words] of wrong) {
      assert.throws(() => s3(place as string, options as S3Options), (error) => {
        assert.ok(error instanceof TypeError || error instanceof RangeError);
        assert.match(error.message, words);
        assert.doesNotMatch(error.message, /hunter22/);
        return true;
      });
    }
    assert.equal(s3("s3://bucket/a/b/").name, "s3 bucket/a/b");
    assert.equal(s3(new URL("s3://bucket")).name, "s3 bucket");
  });
});

describe("S3Store's errors", () => {
  /** What a call fails with when the service answers so. */
  async function failure(
    answer: Fate,
    call: (store: ObjectStore) => Promise<unknown>,
    options: S3Options = {},
  ): Promise<HoldfastError> {
    let found: unknown;
    await answered(() => answer, options, async (store) => {
      found = await call(store).then(() => undefined, (error) => error);
    });
    assert.ok(found instanceof HoldfastError, `expected an error of the library, got ${inspect(found)}`);
    return found;
  }
  const get = (store: ObjectStore): Promise<unknown> => store.get("a/b");

  it("name the operation, the key, the store and the status, and say what to do", async () => {
    const cases: [Fate, (store: ObjectStore) => Promise<unknown>, new (...args: never[]) => unknown, RegExp][] = [
      [
        errorAnswer(404, "NoSuchBucket"),
        get,
        StorageError,
        /^Cannot get a\/b in s3 bucket\/some\/prefix: there is no bucket bucket \(404 NoSuchBucket\); make it/,
      ],
      [errorAnswer(301, "PermanentRedirect"), get, StorageError, /not in the region us-east-1 .*option "region"/],
      [
        errorAnswer(400, "AuthorizationHeaderMalformed", "the region 'a' is wrong"),
        get,
        StorageError,
        /option "region"/,
      ],
      [
        errorAnswer(403, "AccessDenied"),
        get,
        PermissionError,
        /allow s3:GetObject on arn:aws:s3:::bucket\/some\/prefix\/\*, and s3:ListBucket/,
      ],
      [
        errorAnswer(403, "AccessDenied"),
        (store) => store.put("a", text("1")),
        PermissionError,
        /^Cannot put a in .*allow s3:PutObject on/,
      ],
      [
        errorAnswer(403, "AccessDenied"),
        (store) => store.put("a", streamed(pattern(9 * MIB), MIB)),
        PermissionError,
        /s3:PutObject on/,
      ],
      [
        errorAnswer(403, "AccessDenied"),
        (store) => store.list(),
        PermissionError,
        /^Cannot list s3 bucket.*allow s3:ListBucket on arn:aws:s3:::bucket /,
      ],
      [errorAnswer(403, "AccessDenied"), (store) => store.delete("a"), PermissionError, /s3:DeleteObject on/],
      [{ status: 403 }, (store) => store.head("a"), PermissionError, /\(403\); allow s3:GetObject/],
      [errorAnswer(403, "InvalidAccessKeyId"), get, PermissionError, /does not know these keys/],
      [errorAnswer(403, "SignatureDoesNotMatch"), get, PermissionError, /check the secret key/],
      [errorAnswer(400, "ExpiredToken"), get, PermissionError, /session's keys have ended/],
      [errorAnswer(403, "RequestTimeTooSkewed"), get, StorageError, /set the clock/],
      [errorAnswer(403, "QuotaExceeded"), (store) => store.put("a", text("1")), NoSpaceError, /raise the quota/],
      [{ status: 507 }, (store) => store.put("a", text("1")), NoSpaceError, /raise the quota/],
      [
        errorAnswer(501, "NotImplemented", "A header you provided implies functionality that is not implemented."),
        get,
        StorageError,
        /lacks what an option/,
      ],
      [errorAnswer(500, "InternalError", "We failed."), get, StorageError, /We failed \(500 InternalError\)/],
      ["cut before", get, StorageError, /check the network and the endpoint/],
    ];
    for (const [answer, call, kind, words] of cases) {
      const error = await failure(answer, call);
      assert.ok(error instanceof kind, `${error.message} is a ${kind.name}`);
      assert.match(error.message, words);
    }
    console.log(`answers that were told: ${cases.length}`);
  });

  it("name what was asked of a bucket that may not give it, where the service says nothing of that", async () => {
    const answer = { status: 400, body: xml("Error", "<Code>InvalidRequest</Code>") };
    const put = (store: ObjectStore): Promise<unknown> => store.put("a", text("1"));
    const cases: [S3Options, RegExp][] = [
      [{}, /: the request was refused \(400 InvalidRequest\) \(STORAGE\)$/],
      [{ objectLock: { mode: "GOVERNANCE", for: "1h" } }, /check option "objectLock" \(the bucket must have been made/],
      [
        { storageClass: "COLD", serverSideEncryption: "AES256" },
        /"serverSideEncryption" \(AES256\), option "storageClass" \(COLD\)/,
      ],
    ];
    for (const [options, words] of cases) {
      assert.match((await failure(answer, put, options)).message, words);
      assert.match((await failure(answer, get, options)).message, cases[0]![1]);
    }
  });

  it("say that there are no keys, and no region", async () => {
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error("Could not load credentials from any providers"), {
        name: "CredentialsProviderError",
      });
    };
    const error = await failure({ status: 200 }, get, { credentials: failing });
    assert.match(error.message, /no credentials were found .*; pass option "credentials"/);
  });

  it("say which may pass", async () => {
    const cases: [Fate, boolean][] = [
      ...[408, 429, 500, 502, 503, 504].map((status): [Fate, boolean] => [{ status }, true]),
      ...[400, 405, 409, 410, 501].map((status): [Fate, boolean] => [{ status }, false]),
      [errorAnswer(409, "ConditionalRequestConflict"), true],
      [errorAnswer(400, "RequestTimeout"), true],
      [errorAnswer(503, "SlowDown"), true],
      ["cut before", true],
    ];
    for (const [answer, retryable] of cases) {
      const error = await failure(answer, get);
      assert.equal((error as StorageError).retryable, retryable, error.message);
    }
  });

  it("and names show no key, secret or token, whatever the service says", async () => {
    const secrets = [KEYS.accessKeyId, KEYS.secretAccessKey, TOKEN, encodeURIComponent(KEYS.secretAccessKey)];
    const gossip = `AWSAccessKeyId=${KEYS.accessKeyId} secret ${KEYS.secretAccessKey} token ${TOKEN} ` +
      `https://host/x?X-Amz-Signature=0123456789abcdef authorization: AWS4-HMAC-SHA256 Credential=${KEYS.accessKeyId}/x`;
    const extra = `<AWSAccessKeyId>${KEYS.accessKeyId}</AWSAccessKeyId><StringToSign>${TOKEN}</StringToSign>`;
    const bodies: Fate[] = [];
    for (
      const code of ["SignatureDoesNotMatch", "AccessDenied", "InvalidAccessKeyId", "SomethingNew", "NoSuchBucket"]
    ) {
      for (const status of LONG ? [400, 403, 404, 500] : [403, 500]) {
        const answer = errorAnswer(status, code, gossip) as Answer;
        bodies.push({ ...answer, body: String(answer.body).replace("</Error>", `${extra}</Error>`) });
      }
    }
    bodies.push("cut before", { status: 200, body: gossip });
    const provided = async (): Promise<typeof KEYS & { sessionToken: string }> => ({ ...KEYS, sessionToken: TOKEN });
    const calls: ((store: ObjectStore) => Promise<unknown>)[] = [
      get,
      (store) => store.put("a", text("1")),
      (store) => store.put("a", text("1"), { ifAbsent: true }),
      (store) => store.put("a", streamed(parts, MIB)),
      (store) => store.list(),
      (store) => store.head("a"),
      (store) => store.delete("a"),
      (store) => store.probe!({ write: true }),
    ];
    const parts = pattern(9 * MIB);
    let searched = 0;
    for (const credentials of [{ ...KEYS, sessionToken: TOKEN }, provided]) {
      for (const fate of bodies) {
        await answered(() => fate, { credentials }, async (store) => {
          for (const call of calls) {
            const thrown: unknown = await call(store).then(() => undefined, (error) => error);
            if (thrown !== undefined) assert.ok(thrown instanceof HoldfastError, inspect(thrown));
            const shown = [
              ...[store.name, JSON.stringify(store), inspect(thrown, { depth: 10, showHidden: true })],
              ...[String(thrown), JSON.stringify(thrown), (thrown as Error | undefined)?.stack ?? ""],
            ].join("\n");
            for (const secret of secrets) assert.ok(!shown.includes(secret), `${secret} stands in ${shown}`);
            assert.ok(!shown.includes("0123456789abcdef"), "a signature is shown");
            searched++;
          }
        });
      }
    }
    console.log(`outputs searched for secrets: ${searched}`);
  });
});

it("S3Store needs of Deno what is documented, and says so where it is missing", async () => {
  if (!("Deno" in globalThis)) return; // Deno's own.
  const loopback = await startLoopback({ fate: agree });
  const module = new URL("../../../lib/adapters/s3.ts", import.meta.url).href;
  const program = `import { s3 } from ${JSON.stringify(module)};
    const options = ${JSON.stringify({ endpoint: loopback.endpoint, credentials: KEYS, attempts: 1 })};
    console.log(await s3("s3://bucket", options).head("a").then(() => "answered", ({ message }) => message));`;
  const run = (permissions: string[]): Promise<string> =>
    new Promise((resolve) => {
      const code = `data:application/typescript;base64,${btoa(program)}`;
      const child = spawn(
        process.execPath,
        ["run", "--no-prompt", "--no-check", `--config=${root}deno.json`, ...permissions, code],
        { stdio: ["ignore", "pipe", "inherit"] },
      );
      let said = "";
      child.stdout.on("data", (data) => said += data);
      child.once("close", () => resolve(said.trim()));
    });
  const all = [`--allow-net=${new URL(loopback.endpoint).host}`, "--allow-env", "--allow-sys=osRelease"];
  assert.equal(await run(all), "answered");
  for (const missing of all) {
    const said = await run(all.filter((each) => each !== missing));
    assert.match(said, /Deno needs --allow-net, --allow-env and --allow-sys=osRelease.*\(PERMISSION\)$/, missing);
  }
  await loopback.stop();
});

describe("S3Store tries again", () => {
  /** Timers that fire at once, deadlines excepted, and the pauses that were asked for. */
  function patient(
    fate: (request: SeenRequest) => Fate,
    use: (store: ObjectStore, pauses: number[], loopback: Loopback) => Promise<void>,
  ): Promise<void> {
    const pauses: number[] = [];
    const timers: Timers = {
      set(ms, run) {
        if (ms === 60_000) return () => {};
        pauses.push(ms);
        queueMicrotask(run);
        return () => {};
      },
    };
    return startLoopback({ fate }).then(async (loopback) => {
      try {
        const settings = checkS3Options("s3", "s3", "s3://bucket", {
          endpoint: loopback.endpoint,
          credentials: KEYS,
          attempts: 4,
          capabilities: { ifAbsent: true, ifMatch: true },
        });
        const surroundings = {
          timers,
          now: Date.now,
          random: () => 0.5,
          randomBytes: (count: number) => new Uint8Array(count),
        };
        await use(new S3Store(settings, awsDialect, surroundings), pauses, loopback);
      } finally {
        await loopback.stop();
      }
    });
  }

  it("what may pass, with growing pauses, and nothing else", async () => {
    for (
      const fate of [
        { status: 408 },
        { status: 429 },
        { status: 500 },
        { status: 503 },
        "cut before",
        "cut after",
      ] as const
    ) {
      let count = 0;
      await patient(
        () => count++ < 3 ? (fate === "cut after" ? "cut before" : fate) : { status: 200, headers: { etag: '"e"' } },
        async (store, pauses, { requests }) => {
          assert.deepEqual(await store.put("a", text("1")), { etag: "e" });
          assert.equal(requests.length, 4);
          assert.deepEqual(pauses, [100, 300, 900]);
        },
      );
    }
    for (const status of [400, 403, 405, 501]) {
      await patient(() => ({ status }), async (store, pauses, { requests }) => {
        await assert.rejects(store.put("a", text("1")));
        assert.equal(requests.length, 1);
        assert.deepEqual(pauses, []);
      });
    }
    await patient(() => ({ status: 500 }), async (store, _, { requests }) => {
      await assert.rejects(store.put("a", text("1")), StorageError);
      assert.equal(requests.length, 4);
    });
  });

  it("when the service says, and not sooner", async () => {
    let count = 0;
    const busy = errorAnswer(503, "SlowDown", "", { "retry-after": "7" });
    await patient(() => count++ === 0 ? busy : { status: 200, headers: { etag: '"e"' } }, async (store, pauses) => {
      await store.put("a", text("1"));
      assert.deepEqual(pauses, [7100]);
    });
  });

  it("behind a deadline, at which a request that hangs is given up", async () => {
    let count = 0;
    await answered(
      (request) => count++ === 0 ? "hang" : agree(request),
      { deadline: 150, attempts: 2 },
      async (store, { requests }) => {
        assert.ok(await store.put("a", text("1")));
        assert.equal(requests.length, 2);
      },
    );
    await answered(() => "hang", { deadline: 100, attempts: 1 }, async (store) => {
      await assert.rejects(store.get("a"), /no answer within 0\.1 s/);
      const giveUp = new AbortController();
      const reason = new Error("enough");
      setTimeout(() => giveUp.abort(reason), 10);
      await assert.rejects(store.get("a", { signal: giveUp.signal }), (error) => error === reason);
    });
  });

  it("leaves no upload by which it found out that completions have conditions", async () => {
    const fate = (request: SeenRequest): Answer => {
      if (request.method === "HEAD") return { status: 404 };
      const isCompletion = request.method === "POST" && request.headers["if-none-match"] === "*";
      return isCompletion ? { status: 412, body: xml("Error", "<Code>PreconditionFailed</Code>") } : agree(request);
    };
    await answered(fate, {}, async (store, { requests }) => {
      await store.put("b", streamed(pattern(9 * MIB), MIB), { ifAbsent: true });
      const of = requests.filter(({ path }) => path.includes("~probe-"));
      assert.ok(of.some(({ method, path }) => method === "POST" && path.includes("uploadId=u1")));
      assert.deepEqual(
        of.filter(({ method }) => method === "DELETE").map(({ path }) => path.includes("uploadId=u1")),
        [true, false],
        "the upload, and the object",
      );
    });
  });

  it("never takes a part of an object for all of it", async () => {
    for (const bytes of [9, 11]) {
      const headers = { etag: '"e1"', "content-range": "bytes 0-9/10" };
      await answered(() => ({ status: 206, headers, body: pattern(bytes) }), {}, async (store) => {
        const what = bytes === 9 ? /broke off after 9 of 10 bytes/ : /too long/;
        await assert.rejects(store.get("a"), (error) => error instanceof StorageError && what.test(error.message));
      });
    }
  });

  it("sees an object rather than its deletion in the same moment, be they in two pages of its history", async () => {
    const about = "<Key>some/prefix/a</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified>";
    const page = (inside: string): Answer => ({
      status: 200,
      body: xml("ListVersionsResult", `<Name>bucket</Name>${inside}`),
    });
    const fate = ({ path }: SeenRequest): Answer =>
      path.includes("key-marker")
        ? page(`<IsTruncated>false</IsTruncated><Version>${about}<VersionId>v1</VersionId><Size>1</Size></Version>`)
        : page(
          "<IsTruncated>true</IsTruncated><NextKeyMarker>some/prefix/a</NextKeyMarker>" +
            `<NextVersionIdMarker>v2</NextVersionIdMarker><DeleteMarker>${about}<VersionId>v2</VersionId></DeleteMarker>`,
        );
    await answered(fate, { asOf: Date.UTC(2026, 10, 2), capabilities: undefined }, async (store) => {
      assert.deepEqual((await store.list()).objects, [{ key: "a", size: 1 }]);
    });
  });

  it("never takes a part of a listing for all of it", async () => {
    for (
      const body of [
        "",
        xml("ListBucketResult", ""),
        xml("ListBucketResult", "<Name>bucket</Name><IsTruncated>true</IsTruncated>"),
        "<ListBucketResult><Name>buc",
      ]
    ) {
      await answered(
        () => ({ status: 200, headers: { "content-type": "application/xml" }, body }),
        {},
        async (store) => {
          await assert.rejects(store.list(), (error) => error instanceof StorageError && error.retryable, body);
        },
      );
    }
    const entry = (key: string): string => `<Contents><Key>some/prefix/${key}</Key><Size>1</Size></Contents>`;
    const body = xml(
      "ListBucketResult",
      `<Name>bucket</Name>${entry("b")}${entry("a")}<IsTruncated>false</IsTruncated>`,
    );
    await answered(() => ({ status: 200, body }), {}, async (store) => {
      await assert.rejects(store.list(), /out of the order/);
    });
    // By their bytes, and not by their strings, the first of these sorts before the second.
    const others = `<Name>bucket</Name>${entry("a")}${entry("\uff08")}${
      entry("\u{1f600}")
    }<IsTruncated>false</IsTruncated>`;
    await answered(() => ({ status: 200, body: xml("ListBucketResult", others) }), {}, async (store) => {
      assert.deepEqual(await store.list(), { objects: [{ key: "a", size: 1 }], next: undefined });
    });
  });
});

describe("S3Store's memory", () => {
  it("is bounded, whatever goes up and comes down", async () => {
    const size = (LONG ? 200 : 60) * MIB;
    const options = { partBytes: 5 * MIB, concurrency: 3, attempts: 1 };
    let arrived = 0;
    let produced = 0;
    let most = 0;
    const piece = new Uint8Array(MIB);
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (; produced < size; produced += MIB) {
        most = Math.max(most, produced - arrived);
        yield piece;
      }
    };
    await answered(
      (request) => {
        if (request.path.includes("partNumber")) arrived += request.body.length;
        request.body = request.body.subarray(0, 0);
        return agree(request);
      },
      options,
      async (store) => {
        await store.put("a", body());
      },
    );
    assert.equal(arrived, size);
    assert.ok(most <= 5 * options.partBytes, `${most / MIB} MiB were under way`);
    let served = 0;
    let read = 0;
    let ahead = 0;
    await answered(
      ({ headers }) => {
        const [, from = 0, to = 0] = /bytes=(\d+)-(\d+)/.exec(headers["range"] ?? "")?.map(Number) ?? [];
        served += to + 1 - from;
        ahead = Math.max(ahead, served - read);
        return {
          status: 206,
          headers: { etag: '"e"', "content-range": `bytes ${from}-${to}/${size}` },
          body: new Uint8Array(to + 1 - from),
        };
      },
      options,
      async (store) => {
        for await (const bytes of (await store.get("a"))!.body) read += bytes.length;
      },
    );
    assert.equal(read, size);
    assert.ok(ahead <= 5 * RANGE_BYTES, `${ahead / MIB} MiB were read ahead`);
    console.log(`${size / MIB} MiB: at most ${most / MIB} MiB on their way up, ${ahead / MIB} MiB on their way down`);
  });

  it("lets a body have as many parts as a service takes, and no more", async () => {
    await answered(agree, { partBytes: 5 * MIB }, async (store, { requests }) => {
      const large = new Uint8Array(6 * MIB);
      await store.put("a", large);
      assert.deepEqual(requests.map(({ method }) => method), ["POST", "PUT", "PUT", "POST"]);
    });
  });
});

it("S3Store takes no failure of a put without a condition for a condition that does not hold", async () => {
  for (const status of [404, 412]) {
    const refuse = (request: SeenRequest): Fate =>
      request.method === "POST" && !request.path.includes("?uploads") ? { status } : agree(request);
    await answered(refuse, {}, async (store) => {
      const put = store.put("a", streamed(pattern(9 * MIB), MIB));
      await assert.rejects(put, (error) => error instanceof StorageError && error.status === status);
    });
  }
});

it("S3Store gives a body that goes by one request as long as its parts would have", async () => {
  const loopback = await startLoopback({ fate: agree });
  try {
    const deadlines: number[] = [];
    const settings = checkS3Options("s3", "s3", "s3://bucket", {
      endpoint: loopback.endpoint,
      credentials: KEYS,
      partBytes: 5 * MIB,
      deadline: 7000,
      capabilities: { ifAbsent: true, ifMatch: true },
    });
    const timers: Timers = {
      set(ms) {
        deadlines.push(ms);
        return () => {};
      },
    };
    const randomBytes = (count: number): Uint8Array => new Uint8Array(count);
    const store = new S3Store(settings, awsDialect, { timers, now: Date.now, random: () => 0.5, randomBytes });
    await store.put("a", new Uint8Array(0), { ifAbsent: true });
    await store.put("a", new Uint8Array(5 * MIB), { ifAbsent: true });
    await store.put("a", new Uint8Array(11 * MIB), { ifAbsent: true });
    assert.deepEqual(deadlines, [7000, 7000, 21_000]);
  } finally {
    await loopback.stop();
  }
});

it("S3Store lists on behind the mark of its own folder, which the consoles of buckets make", async () => {
  const names = ["some/prefix/", "some/prefix/a"];
  const list = ({ path }: SeenRequest): Answer => {
    const after = new URL(path, "http://x").searchParams.get("start-after") ?? "";
    const [name, ...more] = names.filter((each) => each > after);
    const found = name === undefined ? "" : `<Contents><Key>${name}</Key><Size>0</Size></Contents>`;
    const page = `<Name>bucket</Name>${found}<IsTruncated>${more.length > 0}</IsTruncated>`;
    return { status: 200, body: xml("ListBucketResult", page) };
  };
  await answered(list, {}, async (store) => {
    const { objects, next } = await store.list({ limit: 1 });
    assert.deepEqual(objects, []);
    assert.deepEqual(await store.list({ limit: 1, after: next }), {
      objects: [{ key: "a", size: 0 }],
      next: undefined,
    });
  });
});

it("S3Store says of what is replaced while it is read that it may be read again", async () => {
  let count = 0;
  const replaced = ({ headers }: SeenRequest): Answer => {
    const [, from = 0, to = 0] = /bytes=(\d+)-(\d+)/.exec(headers["range"] ?? "")?.map(Number) ?? [];
    const range = { etag: `"${count++}"`, "content-range": `bytes ${from}-${to}/${RANGE_BYTES + 1}` };
    return { status: 206, headers: range, body: new Uint8Array(to + 1 - from) };
  };
  await answered(replaced, {}, async (store) => {
    await assert.rejects(
      bytesOf(await store.get("a")),
      (error) => error instanceof StorageError && error.retryable && /read it again \(STORAGE\)$/.test(error.message),
    );
  });
});

it("an object without bytes is read as such from a service that has no ranges", async () => {
  await answered(() => ({ status: 200, headers: { etag: '"e"' } }), {}, async (store) => {
    assert.deepEqual(await bytesOf(await store.get("a")), new Uint8Array(0));
  });
});

it("S3Store.delete() is fine with what is not there, but for the bucket", async () => {
  let code = "NoSuchKey";
  await answered(() => errorAnswer(404, code), {}, async (store) => {
    await store.delete("a");
    code = "NoSuchBucket";
    await assert.rejects(
      store.delete("a"),
      (error) => error instanceof StorageError && /there is no bucket bucket/.test(error.message),
    );
  });
});

it("S3Store asks again what a service can do where it could not be asked, before a probe and a put of many parts", async () => {
  let isAway = true;
  const fate = (request: SeenRequest): Fate => {
    if (isAway && request.path.includes("~probe")) return errorAnswer(503, "ServiceUnavailable");
    return request.method === "HEAD" ? { status: 404 } : agree(request);
  };
  await answered(fate, { capabilities: undefined }, async (store) => {
    await assert.rejects(store.probe!({ write: true }), StorageError);
    isAway = false;
    await store.probe!({ write: true });
  });
  isAway = true;
  await answered(fate, {}, async (store) => {
    const put = () => store.put("large", streamed(pattern(11 * MIB), MIB), { ifAbsent: true });
    await assert.rejects(put(), StorageError);
    isAway = false;
    assert.deepEqual(await put(), { etag: "e1" });
  });
});
