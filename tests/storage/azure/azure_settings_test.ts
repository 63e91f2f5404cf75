/** The address and the options of `azure`, and that no message about them shows a secret. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { azure } from "../../../lib/adapters/azure.ts";
import { type AzureOptions, azureSettings } from "../../../lib/storage/azure/settings.ts";

const KEY = btoa("a secret key");
const PLACE = "azure://account/backups/a/b";

describe("azure()", () => {
  it("reads an address of the scheme and one of the service", () => {
    const expected = { account: "account", container: "backups", prefix: "a/b/" };
    for (
      const address of [
        PLACE,
        `${PLACE}/`,
        "https://account.blob.core.windows.net/backups/a/b",
        new URL("https://account.blob.core.windows.net/backups/a/b"),
        "https://account.z12.blob.storage.azure.net/backups/a/b",
        "https://account.blob.core.chinacloudapi.cn/backups/a/b",
      ]
    ) {
      const { account, container, prefix } = azureSettings(address, undefined);
      assert.deepEqual({ account, container, prefix }, expected, String(address));
    }
    assert.equal(azureSettings(PLACE, undefined).endpoint, "https://account.blob.core.windows.net");
    assert.equal(
      azureSettings("https://account.blob.core.chinacloudapi.cn/backups", undefined).endpoint,
      "https://account.blob.core.chinacloudapi.cn",
    );
    const root = azureSettings("azure://account/$root", undefined);
    assert.deepEqual([root.container, root.prefix], ["$root", ""]);
  });

  it("has a name for messages, and is made without a request", () => {
    assert.equal(azure(PLACE, { accountKey: KEY }).name, "azure account/backups/a/b");
    assert.equal(azure("azure://account/backups?".slice(0, -1)).name, "azure account/backups");
  });

  it("refuses what is no address, saying what is one", () => {
    const wrong: unknown[] = [
      "",
      "backups",
      "./backups",
      "s3://bucket/prefix",
      "azure:account/backups",
      "azure://account",
      "azure://account/",
      "azure://Account/backups",
      "azure://ac/backups",
      "azure://account/Backups",
      "azure://account/ab",
      "azure://account/a--b",
      "azure://account/-abc",
      `azure://account/${"a".repeat(64)}`,
      "azure://account/backups//a",
      "azure://account/backups/../a",
      "azure://account/backups/a b",
      `azure://account/backups/${"a".repeat(501)}`,
      "https://example.org/backups",
      "https://account.file.core.windows.net/backups",
      "http://account.blob.core.windows.net/backups",
      "azure://account/backups?sig=SECRET",
      "azure://user:SECRET@account/backups",
      7,
      undefined,
    ];
    for (const address of wrong) {
      assert.throws(() => azure(address as string), (error: Error) => {
        assert.ok(error instanceof TypeError, String(address));
        assert.match(error.message, /^azure: address .*azure:\/\/account\/container\/prefix"/);
        assert.doesNotMatch(error.message, /SECRET/);
        return true;
      }, String(address));
    }
  });

  it("takes one thing that authorizes, wherever it is given", () => {
    const auth = (options: AzureOptions, address = PLACE): unknown => azureSettings(address, options).auth;
    assert.deepEqual(auth({}), { kind: "default" });
    assert.deepEqual(auth({ accountKey: KEY }), { kind: "key", accountKey: KEY });
    assert.deepEqual(auth({ sasToken: "?sv=1&sig=abc%3D" }), { kind: "sas", token: "sv=1&sig=abc%3D" });
    assert.deepEqual(auth({}, "https://account.blob.core.windows.net/backups?sv=1&sig=x"), {
      kind: "sas",
      token: "sv=1&sig=x",
    });
    const credential = { getToken: () => Promise.resolve(null) };
    assert.deepEqual(auth({ credential }), { kind: "credential", credential });
    const connectionString =
      `DefaultEndpointsProtocol=https;AccountName=account;AccountKey=${KEY};EndpointSuffix=core.x`;
    const connected = azureSettings(PLACE, { connectionString });
    assert.deepEqual(connected.auth, { kind: "key", accountKey: KEY });
    assert.equal(connected.endpoint, "https://account.blob.core.x");
    const signed = azureSettings(PLACE, {
      connectionString: "BlobEndpoint=https://account.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x",
    });
    assert.deepEqual(signed.auth, { kind: "sas", token: "sv=1&sig=x" });
    assert.equal(signed.endpoint, "https://account.blob.core.windows.net");
    const own = azureSettings(PLACE, { accountKey: KEY, endpoint: new URL("http://127.0.0.1:10000/account/") });
    assert.equal(own.endpoint, "http://127.0.0.1:10000/account");
  });

  it("refuses wrong options by name, and shows no secret", () => {
    const secret = "SECRET+not/base64!";
    const wrong: [unknown, RegExp][] = [
      [{ accountkey: KEY }, /unknown option "accountkey"; did you mean "accountKey"\?/],
      [{ accountKey: secret }, /option "accountKey" must hold an account key in base64/],
      [{ accountKey: "" }, /option "accountKey" must be a string that is not empty/],
      [{ sasToken: "sv=1&SECRET" }, /must have a parameter "sig"/],
      [{ accountKey: KEY, sasToken: "sig=SECRET" }, /give one of options/],
      [{ connectionString: `AccountName=other;AccountKey=${KEY}` }, /another account/],
      [{ connectionString: "SECRET" }, /holds no AccountKey/],
      [{ connectionString: "AccountName=account;AccountKey=SECRET!" }, /"connectionString" must hold an account key/],
      [{ credential: {} }, /getToken/],
      [{ endpoint: "127.0.0.1 SECRET" }, /"endpoint" must be a URL/],
      [{ endpoint: "https://x/?sig=SECRET" }, /without a "\?"/],
      [{ endpoint: "https://u:SECRET@x/" }, /without a user/],
      [{ endpoint: "ftp://x/" }, /http: or https:/],
      [{ accessTier: "Archive" }, /one of "Hot", "Cool", "Cold"/],
      [{ immutability: { mode: "Locked", for: "1d", retainUntil: 7 } }, /give one of options "retainUntil" and "for"/],
      [{ immutability: { mode: "Locked" } }, /give one of options "retainUntil" and "for"/],
      [{ immutability: { for: "1d" } }, /"mode" must be "Unlocked" or "Locked"/],
      [{ immutability: { mode: "locked", for: "1d" } }, /one of "Unlocked", "Locked"/],
      [{ immutability: { mode: "Locked", for: "1 day" } }, /"for" must be milliseconds or a duration/],
      [{ immutability: { mode: "Locked", retainUntil: "tomorrow" } }, /"retainUntil" must be a Date/],
      [{ immutability: { mode: "Locked", until: 1 } }, /unknown option "until"/],
      [{ deadline: "soon" }, /"deadline" must be milliseconds or a duration/],
    ];
    for (const [options, words] of wrong) {
      assert.throws(() => azure(PLACE, options as AzureOptions), (error: Error) => {
        assert.ok(error instanceof TypeError, String(error));
        assert.match(error.message, words);
        assert.doesNotMatch(error.message, /SECRET/);
        assert.ok(!error.message.includes(KEY));
        return true;
      });
    }
    for (
      const options of [
        { attempts: 0 },
        { attempts: 21 },
        { blockBytes: 1 },
        { blockBytes: 2 ** 29 },
        {
          concurrency: 0,
        },
        { deadline: 0 },
        { immutability: { mode: "Locked" as const, for: 1 } },
      ]
    ) assert.throws(() => azure(PLACE, options), RangeError, JSON.stringify(options));
  });
});
