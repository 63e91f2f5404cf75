/** What the errors of the Azure store say to do, against Azurite and for what only the service answers; and that none holds a secret. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { azure as azureStore } from "../../../lib/adapters/azure.ts";
import { HoldfastError, PermissionError, StorageError } from "../../../lib/base/errors.ts";
import { adviceFor } from "../../../lib/storage/azure/advice.ts";
import { AzureFailure, failureOf } from "../../../lib/storage/azure/failure.ts";
import { listPage, type Segment } from "../../../lib/storage/azure/listing.ts";
import type { AzureTransport } from "../../../lib/storage/azure/sdk.ts";
import { type AzureOptions, azureSettings } from "../../../lib/storage/azure/settings.ts";
import type { ObjectStore } from "../../../lib/storage/object_store.ts";
import { bytesOf, isStorageError, text } from "../helpers.ts";
import { root } from "../../tools/runtimes.ts";
import { ACCOUNT, KEY } from "../servers/azurite.ts";
import { azureFixture } from "./fixture.ts";

const azure = await azureFixture();
const shared = new StorageSharedKeyCredential(ACCOUNT, KEY);

/** All that a program might print of an error. */
const printed = (error: unknown): string =>
  [String(error), inspect(error, { depth: 12, showHidden: true }), JSON.stringify(error), (error as Error).stack]
    .join();

/** A signature for a container, for an hour from `start`. */
function sas(container: string, permissions: string, start = Date.now() - 60_000): string {
  return generateBlobSASQueryParameters({
    containerName: container,
    permissions: ContainerSASPermissions.parse(permissions),
    startsOn: new Date(start),
    expiresOn: new Date(start + 3600_000),
  }, shared).toString();
}

/** The calls of a store. */
const calls: Record<string, (store: ObjectStore) => Promise<unknown>> = {
  put: (store) => store.put("heads/a", text("1")),
  get: (store) => store.get("heads/a"),
  head: (store) => store.head("heads/a"),
  list: (store) => store.list(),
  delete: (store) => store.delete("heads/a"),
  probe: async (store) => await store.probe?.(),
};

/** That each of these calls fails so: with class, words, operation, key and store's name, and without secrets. */
async function fails(
  store: ObjectStore,
  kind: typeof PermissionError | typeof StorageError,
  words: RegExp,
  { among = Object.keys(calls), secrets = [] as string[] } = {},
): Promise<void> {
  for (const name of among) {
    await assert.rejects(calls[name]!(store), (error: HoldfastError) => {
      assert.ok(error instanceof kind, `${name}: ${error}`);
      assert.match(error.message, words, name);
      const key = name === "list" || name === "probe" ? "" : "heads/a in ";
      assert.ok(error.message.startsWith(`Cannot ${name} ${key}${store.name}: `), error.message);
      for (const secret of [KEY, ...secrets]) assert.ok(!printed(error).includes(secret), printed(error));
      return true;
    });
  }
}

describe("an error of the Azure store says what to do", () => {
  it("when there is no such container", async () => {
    const store = await azure.open({}, { container: "not-there" });
    const words =
      /the container does not exist \(404 ContainerNotFound, request [\w-]+\); make it \(az storage container/;
    await fails(store, StorageError, words);
  });

  it("when the key is wrong, or of another account", async () => {
    const key = btoa("another key that is as secret as the first");
    const store = await azure.open({ accountKey: key });
    const words = /\(403 AuthorizationFailure, request .*the key is one of account "holdfasttests"/;
    await fails(store, PermissionError, words, { secrets: [key] });
    const settings = { accountKey: KEY, endpoint: `${azure.proxy.url}/otheraccount`, attempts: 1 };
    const other = azureStore("azure://otheraccount/backups", settings);
    // The service has no host of that name; a gateway or the emulator answers so.
    await fails(other, StorageError, /check the account's name "otheraccount" and the endpoint/);
  });

  it("when nobody has such a host, or listens there", async () => {
    const lost = azureStore("azure://holdfastnosuch/backups", {
      accountKey: KEY,
      endpoint: "https://holdfastnosuch.blob.invalid",
      attempts: 1,
    });
    await fails(lost, StorageError, /holdfastnosuch\.blob\.invalid can't be found.*check the account's name/);
    const closed = azureStore("azure://holdfasttests/backups", {
      accountKey: KEY,
      endpoint: "http://127.0.0.1:9/holdfasttests",
      attempts: 1,
    });
    await fails(closed, StorageError, /nothing listens at 127\.0\.0\.1:9|connection failed/);
  });

  it("when a signature lacks a permission, is of another time, or for another container", async () => {
    const container = await azure.server.newContainer();
    const lacks: Record<string, [string, RegExp]> = {
      put: ["rld", /create \("c"\) and write \("w"\)/],
      get: ["cwld", /read \("r"\)/],
      head: ["cwld", /read \("r"\)/],
      list: ["rcwd", /list \("l"\)/],
      delete: ["rcwl", /delete \("d"\)/],
    };
    for (const [call, [permissions, words]] of Object.entries(lacks)) {
      const sasToken = sas(container, permissions);
      const secrets = [new URLSearchParams(sasToken).get("sig")!, sasToken];
      const store = await azure.open({ sasToken }, { container });
      await fails(store, PermissionError, words, {
        among: [call],
        secrets: [...secrets, encodeURIComponent(secrets[0]!)],
      });
      const reads = ["get", "head"];
      const others = Object.keys(lacks).filter((name) =>
        name !== call && !(reads.includes(call) && reads.includes(name))
      );
      for (const other of others) await calls[other]!(store);
    }
    const old = await azure.open({ sasToken: sas(container, "rcwdl", Date.now() - 7200_000) }, { container });
    await fails(old, PermissionError, /the signature is wrong, not yet valid or no longer; make a new one/);
  });

  it("when this machine's clock is wrong", async () => {
    const store = await azure.open({ accountKey: btoa("wrong") }, { clock: () => Date.now() + 20 * 60_000 });
    await fails(store, PermissionError, /this machine's clock is 20 minutes ahead of the service's; set it/);
    const slow = await azure.open({ accountKey: btoa("wrong") }, { clock: () => Date.now() - 30 * 60_000 });
    await fails(slow, PermissionError, /this machine's clock is 30 minutes behind the service's; set it/);
  });

  it("when another program holds a lease, which is no condition that failed", async () => {
    const container = await azure.server.newContainer();
    const store = await azure.open({}, { container });
    const put = await store.put("heads/a", text("1"));
    const blob = azure.server.service.getContainerClient(container).getBlobClient("p/heads/a");
    await blob.getBlobLeaseClient().acquireLease(-1);
    const words = /another program holds a lease on it.*az storage blob lease break/;
    await fails(store, StorageError, words, { among: ["put", "delete"] });
    await assert.rejects(
      store.put("heads/a", text("2"), { ifMatch: put!.etag }),
      isStorageError("put", "heads/a", words),
    );
  });

  it("for what only the service answers", () => {
    const auths: Record<string, AzureOptions> = {
      key: { accountKey: KEY },
      sas: { sasToken: "sig=x" },
      identity: {},
    };
    const cases: [number, string, string, string, RegExp][] = [
      [403, "AuthorizationPermissionMismatch", "identity", "put", /containers\/blobs\/write on container "backups"/],
      [403, "AuthorizationPermissionMismatch", "identity", "list", /containers\/blobs\/read on container/],
      [403, "AuthorizationPermissionMismatch", "identity", "delete", /containers\/blobs\/delete on container/],
      [403, "AuthorizationFailure", "identity", "get", /network rules/],
      [403, "AuthenticationFailed", "key", "get", /the key is one of account "account"/],
      [403, "KeyBasedAuthenticationNotPermitted", "key", "get", /leave option "accountKey" out/],
      [403, "AuthorizationResourceTypeMismatch", "sas", "list", /resource types "c" and "o"/],
      [403, "AccountIsDisabled", "key", "get", /disabled/],
      [403, "SomethingNew", "identity", "put", /blobs\/write/],
      [401, "InvalidAuthenticationInfo", "identity", "get", /tenant and subscription/],
      [409, "BlobImmutableDueToPolicy", "key", "delete", /wait until its time is over/],
      [409, "SnapshotsPresent", "key", "delete", /snapshots/],
      [409, "ContainerBeingDeleted", "key", "put", /being deleted/],
      [409, "BlobArchived", "key", "get", /rehydrate/],
      [409, "InvalidBlobType", "key", "put", /append or page blob/],
      [404, "ResourceNotFound", "key", "get", /check the account's name/],
      [400, "InvalidHeaderValue", "key", "put", /version of its protocol/],
      [503, "ServerBusy", "key", "put", /busy or failing/],
    ];
    for (const [status, code, auth, operation, words] of cases) {
      const settings = azureSettings("azure://account/backups", auths[auth]);
      const failure = failureOf(
        { name: "RestError", statusCode: status, details: { errorCode: code }, message: "x" },
        0,
      );
      const { kind, remedy } = adviceFor(operation, failure, settings);
      assert.match(remedy ?? "", words, code);
      assert.equal(kind, status === 401 || status === 403 ? "permission" : "storage", code);
    }
    const tier = azureSettings("azure://account/backups", { accessTier: "Cold", encryptionScope: "s" });
    const refused = failureOf({ name: "RestError", statusCode: 400, message: "x" }, 0);
    assert.match(adviceFor("put", refused, tier).remedy!, /options "accessTier", "encryptionScope"/);
  });

  it("when the client is not installed, which no other attempt changes", () => {
    const settings = azureSettings("azure://account/backups", { accountKey: KEY });
    for (
      const error of [
        Object.assign(new Error("Cannot find package '@azure/storage-blob'"), { code: "ERR_MODULE_NOT_FOUND" }),
        new TypeError('Relative import path "@azure/storage-blob" not prefixed with / or ./ or ../'),
      ]
    ) {
      const failure = failureOf(error, 0);
      assert.equal(failure.retryable, false);
      assert.match(adviceFor("get", failure, settings).remedy!, /install @azure\/storage-blob/);
    }
  });

  it("when the runtime forbids the connection, and when a certificate is not trusted", () => {
    const settings = azureSettings("azure://account/backups", { accountKey: KEY });
    const denied = [
      Object.assign(new Error('Requires net access to "x:443", run again with the --allow-net flag'), {
        name: "NotCapable",
      }),
      Object.assign(new Error("Access to this API has been restricted"), { code: "ERR_ACCESS_DENIED" }),
    ];
    for (const error of denied) {
      const failure = failureOf(error, 0);
      assert.deepEqual([failure.retryable, failure.harmless], [false, true]);
      const { kind, remedy } = adviceFor("get", failure, settings);
      assert.equal(kind, "permission");
      assert.match(remedy!, /--allow-net=account\.blob\.core\.windows\.net/);
    }
    for (const code of ["CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT", "ERR_TLS_CERT_ALTNAME_INVALID"]) {
      assert.equal(failureOf({ name: "RestError", code, message: "x" }, 0).retryable, false);
    }
    assert.ok(failureOf({ name: "RestError", code: "ECONNRESET", message: "x" }, 0).retryable);
  });
});

describe("AzureStore under narrow permissions", () => {
  it("needs of Deno what is documented, and ends no program where that is missing", async () => {
    if (!("Deno" in globalThis)) return; // Deno's own.
    const { host } = new URL(azure.server.endpoint);
    const module = new URL("../../../lib/adapters/azure.ts", import.meta.url).href;
    const options = { accountKey: KEY, endpoint: azure.server.endpoint, attempts: 1 };
    const address = `azure://${ACCOUNT}/${await azure.server.newContainer()}`;
    const program = `import { azure } from ${JSON.stringify(module)};
      const store = azure(${JSON.stringify(address)}, ${JSON.stringify(options)});
      console.log(await store.list().then(({ objects }) => objects.length, ({ message }) => message));`;
    const run = (permissions: string[]): string => {
      const code = `data:application/typescript;base64,${btoa(program)}`;
      const args = ["run", "--no-prompt", "--no-check", `--config=${root}deno.json`, ...permissions, code];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
      assert.equal(status, 0, stderr);
      return stdout.trim();
    };
    const all = [`--allow-net=${host}`, "--allow-env", "--allow-sys=osRelease"];
    assert.equal(run(all), "0");
    for (const missing of all) {
      const said = run(all.filter((each) => each !== missing));
      assert.match(said, /Deno needs --allow-net=[\d.:]+ --allow-env --allow-sys=osRelease.*\(PERMISSION\)$/, missing);
    }
  });
});

describe("AzureStore with tokens", () => {
  interface Sent {
    url: string;
    authorization: string | undefined;
  }
  /** The network's place is taken, for the emulator takes tokens over TLS only. */
  function recorder(sent: Sent[]): AzureTransport {
    return {
      sendRequest: (request: { url: string; headers: { get(name: string): string | undefined } }) => {
        sent.push({ url: request.url, authorization: request.headers.get("authorization") });
        const error = Object.assign(new Error("cut"), { name: "RestError", code: "ECONNRESET" });
        return Promise.reject(error);
      },
    } as unknown as AzureTransport;
  }

  it("asks the credential for a token of the storage service and sends it", async () => {
    const sent: Sent[] = [];
    const scopes: unknown[] = [];
    const token = "eyJhbGciOiJub25lIn0.a-token-that-is-a-secret.x";
    const credential = {
      getToken: (scope: string | string[]) => {
        scopes.push(scope);
        return Promise.resolve({ token, expiresOnTimestamp: Date.now() + 3600_000 });
      },
    };
    const store = await azure.open({ credential, endpoint: "https://account.blob.core.windows.net", attempts: 2 }, {
      container: "backups",
      transport: recorder(sent),
    });
    await fails(store, StorageError, /the connection failed/, { among: ["get"], secrets: [token] });
    assert.deepEqual(sent.map(({ authorization }) => authorization), [`Bearer ${token}`, `Bearer ${token}`]);
    assert.deepEqual(scopes.flat(), ["https://storage.azure.com/.default"]);
  });

  it("sends no token without TLS", async () => {
    const credential = {
      getToken: () => Promise.resolve({ token: "secret-token", expiresOnTimestamp: Date.now() + 9e6 }),
    };
    const store = await azure.open({ credential });
    const requests = await azure.sent(() => fails(store, StorageError, /TLS|https/, { secrets: ["secret-token"] }));
    assert.deepEqual(requests, []);
  });

  it("says which ways to an identity there are when none gave a token", async () => {
    const broken = (): Promise<never> => {
      const error = new Error("no token: client_secret=SECRET1 and Bearer SECRET2SECRET2SECRET2SECRET2");
      error.name = "AuthenticationError";
      return Promise.reject(error);
    };
    const options = { endpoint: "https://account.blob.core.windows.net" };
    const words = /no credential gave a token: set AZURE_TENANT_ID.*managed identity.*az login/;
    const given = await azure.open({ ...options, credential: { getToken: broken } }, { container: "backups" });
    await fails(given, PermissionError, words, { secrets: ["SECRET"] });
    // The default of @azure/identity, told to look at the environment only: else it asks the machine's network, too.
    const before = process.env["AZURE_TOKEN_CREDENTIALS"];
    process.env["AZURE_TOKEN_CREDENTIALS"] = "EnvironmentCredential";
    try {
      await fails(azureStore("azure://account/backups"), PermissionError, words, { among: ["get"] });
    } finally {
      if (before === undefined) delete process.env["AZURE_TOKEN_CREDENTIALS"];
      else process.env["AZURE_TOKEN_CREDENTIALS"] = before;
    }
  });
});

describe("secrets of the Azure store", () => {
  it("are in no name, no property and no error of any failure", async () => {
    const container = await azure.server.newContainer();
    const sasToken = sas(container, "rcwdl");
    const sig = new URLSearchParams(sasToken).get("sig")!;
    const address = `https://${ACCOUNT}.blob.core.windows.net/${container}/p?${sasToken}`;
    const stores = [
      await azure.open({ attempts: 1 }, { container }),
      await azure.open({ attempts: 1, sasToken }, { container }),
      await azure.open({ attempts: 1, connectionString: `AccountName=${ACCOUNT};AccountKey=${KEY}` }, { container }),
      azureStore(address, { attempts: 1, endpoint: `${azure.proxy.url}/${ACCOUNT}` }),
    ];
    const outputs: string[] = [];
    for (const store of stores) {
      outputs.push(store.name, inspect(store, { depth: 12, showHidden: true }), JSON.stringify(store));
      await store.put("heads/a", text("1"));
      for (const call of Object.values(calls)) {
        for (const fault of ["refuse", "lose", "truncate", 400, 401, 403, 404, 409, 412, 416, 429, 500, 503] as const) {
          azure.proxy.faultOf = () => typeof fault === "number" ? { do: "status", status: fault } : { do: fault };
          await call(store).then((object) => (object as { body?: unknown } | undefined)?.body, (error) => {
            outputs.push(printed(error));
          });
          azure.proxy.faultOf = () => undefined;
        }
      }
      const object = await store.get("heads/a");
      if (object !== undefined) {
        outputs.push(inspect(object, { depth: 12, showHidden: true }), await bytesOf(object).then(String));
      }
    }
    assert.ok(outputs.length > 200, `${outputs.length} outputs`);
    const secrets = [KEY, sig, encodeURIComponent(sig), sasToken, "SharedKey ", "sig="];
    for (const output of outputs) {
      for (const secret of secrets) assert.ok(!output.includes(secret), `${secret} in ${output}`);
    }
    console.log(`secrets: ${outputs.length} outputs searched for ${secrets.length} secrets`);
  });
});

describe("listPage()", () => {
  const segment = (names: string[], continuationToken = ""): Segment => ({
    continuationToken,
    segment: { blobItems: names.map((name) => ({ name, properties: { contentLength: 1 } })) },
  });
  const keys = (
    { objects, next }: Awaited<ReturnType<typeof listPage>>,
  ): unknown => [objects.map(({ key }) => key), next];

  it("rejects a listing in another order than that of keys", async () => {
    const ask = (): Promise<Segment> => Promise.resolve(segment(["p/a/b", "p/a-b"]));
    await assert.rejects(listPage({ prefix: "", after: undefined, limit: 9 }, "p/", ask), /hierarchical namespace/);
  });

  it("leaves out what can be no key, also for its length, whatever its order", async () => {
    const long = [`p/b/${"c".repeat(511)}`, `p/d/${"e".repeat(510)}`];
    const names = ["p/", "p/a", ...long, "p/e\uff08", "p/e\u{1f600}"];
    const ask = (): Promise<Segment> => Promise.resolve(segment(names));
    const found = [["a", `d/${"e".repeat(510)}`], undefined];
    assert.deepEqual(keys(await listPage({ prefix: "", after: undefined, limit: 9 }, "p/", ask)), found);
  });

  it("goes on behind short and empty pages, and does not rely on where it was told to begin", async () => {
    const pages = [
      segment([], "1"),
      segment(["p/a", "p/b"], "2"),
      segment([], "3"),
      segment(["p/c", "p/d"], "4"),
      segment([]),
    ];
    const ask = (wanted: string[]) => {
      let at = 0;
      return ({ continuationToken, startFrom }: { continuationToken?: string; startFrom?: string }) => {
        assert.equal(continuationToken, at === 0 ? undefined : String(at));
        wanted.push(startFrom ?? "");
        return Promise.resolve(pages[at++]!);
      };
    };
    const asked: string[] = [];
    assert.deepEqual(keys(await listPage({ prefix: "", after: "a", limit: 9 }, "p/", ask(asked))), [
      ["b", "c", "d"],
      undefined,
    ]);
    assert.deepEqual(asked, ["p/a", "p/a", "p/a", "p/a", "p/a"]);
    assert.deepEqual(keys(await listPage({ prefix: "", after: undefined, limit: 2 }, "p/", ask([]))), [
      ["a", "b"],
      "b",
    ]);
    assert.deepEqual(keys(await listPage({ prefix: "", after: "a", limit: 2 }, "p/", ask([]))), [["b", "c"], "c"]);
  });
});

it("an answer of the service that is none is a failure that may pass", () => {
  const cut = failureOf({ name: "RestError", code: "PARSE_ERROR", statusCode: 200, message: "Unclosed root tag" }, 0);
  assert.ok(cut instanceof AzureFailure && cut.retryable && !cut.harmless);
});
