/**
 * Credentials are nowhere that people look: a repository's whole work on real servers, and its failures, with keys, tokens,
 * signatures and passphrases that are then searched for in all that came out. What is searched: errors with their causes,
 * stacks and properties, events, every report, Prometheus' text, handles, and every object of the store, audit lines and
 * manifests among them, as it lies there.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { after, it } from "node:test";
import { inspect } from "node:util";
import { BackupRepository, DB, type ObjectStore, type RepositoryOptions } from "../../mod.ts";
import { azure, type AzureOptions } from "../../lib/adapters/azure.ts";
import { s3, type S3Options } from "../../lib/adapters/s3.ts";
import { systemTimers } from "../../lib/base/timers.ts";
import {
  ContainerSASPermissions,
  generateBlobSASQueryParameters,
  StorageSharedKeyCredential,
} from "@azure/storage-blob";
import { isMyDay, LONG, TURN } from "../crash/random.ts";
import { bytesOf, keysOf } from "./helpers.ts";
import { ACCOUNT, accountAt, KEY } from "./servers/azurite.ts";
import { CEPH_CAN, newBucket } from "./servers/buckets.ts";
import { OTHER_USER } from "./servers/ceph.ts";
import { type Fault, type FaultyProxy, startFaultyProxy } from "./servers/faulty_proxy.ts";
import { sharedServer } from "./servers/shared.ts";

/** It is a thousand requests: of the two services one a day is asked, in one of the runtimes. */
const isTime = (index: number): boolean => LONG || (isMyDay(index) && Math.floor(TURN / 3) % 2 === index);

/** A secret with a mark, in the alphabet of keys: `+` and `/` look different in addresses. */
const marked = (mark: string): string => `${mark}+/${randomBytes(12).toString("hex")}==`;

/** The repository's own secrets. */
const PASSPHRASE = marked("passphrase");
const WRONG_PASSPHRASE = marked("wrongphrase");

/** A service, and the ways to be refused by it. */
interface Service {
  /** The store that works, behind the proxy. */
  store: ObjectStore;
  /** Another place there, for copies. */
  other: ObjectStore;
  proxy: FaultyProxy;
  /** Stores that fail: with a wrong key, without a bucket or a right, at a wrong address. */
  failing: Record<string, ObjectStore>;
  /** What must not be seen. */
  secrets: string[];
}

/** What was seen, and what of it must not have been. */
class Outputs {
  readonly texts: string[] = [];

  /** Takes down all that a program might print of something. */
  take(value: unknown): void {
    this.texts.push(
      String(value),
      inspect(value, { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null }),
      // A report may have figures that JSON lacks.
      JSON.stringify(value, (_, each) => typeof each === "bigint" ? `${each}` : each) ?? "",
    );
    for (let error = value; error instanceof Error; error = error.cause) this.texts.push(error.stack ?? "");
  }

  /** Takes down how a call ended; whether it failed. */
  async end(work: () => unknown): Promise<boolean> {
    try {
      this.take(await work());
      return false;
    } catch (error) {
      this.take(error);
      return true;
    }
  }

  /** Takes down every object, as it lies there. */
  async objects(store: ObjectStore): Promise<string[]> {
    const keys = await keysOf(store);
    for (const key of keys) {
      const bytes = Buffer.from(await bytesOf(await store.get(key)));
      this.texts.push(key, bytes.toString("latin1"), bytes.toString("utf8"));
    }
    return keys;
  }

  /** The secrets that were seen, in each form in which they travel. */
  found(secrets: readonly string[]): string[] {
    const forms = secrets.flatMap((secret) => [
      ...[secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)],
      ...[Buffer.from(secret).toString("base64"), Buffer.from(secret).toString("hex")],
    ]);
    return this.texts.flatMap((text) => forms.filter((form) => text.includes(form)).map((form) => `${form} in ${text}`))
      .slice(0, 3);
  }
}

/** Pauses between attempts are over at once; nothing else in here waits for less than a minute. */
const options: RepositoryOptions = {
  timers: { set: (ms, run, keepAlive) => systemTimers.set(ms < 30_000 ? 0 : ms, run, keepAlive) },
};

/** What breaks a line. */
const BROKEN: Fault[] = [
  { do: "refuse" },
  { do: "truncate" },
  { do: "status", status: 403 },
  { do: "status", status: 404 },
  { do: "status", status: 500 },
];

/** All calls of a repository and of a database with one. */
async function work(out: Outputs, repo: BackupRepository, db: DB, other: BackupRepository): Promise<void> {
  await out.end(() => repo.backup(db, { type: "full", labels: { of: "credentials" } }));
  await db.set("more", "x".repeat(2000));
  await out.end(() => repo.backup(db));
  await out.end(async () => {
    const replication = await repo.replicate(db, { interval: 60_000, onEvent: (event) => out.take(event) });
    try {
      await db.set("shipped", 1);
      out.take(await repo.metrics());
      await replication.flush();
    } finally {
      out.take(replication.status());
      await replication.stop();
    }
  });
  await out.end(() => repo.verify(undefined, { read: "all" }));
  await out.end(async () => await (await DB.open(":memory:")).restore(repo));
  for (const call of ["list", "recoveryPoints", "estimate", "stats", "metrics", "health", "history", "keys"] as const) {
    await out.end(() => repo[call]());
  }
  out.take(repo.status());
  await out.end(() => repo.prune({ keepLast: 1 }));
  await out.end(() => repo.repair());
  await out.end(() => repo.copyTo(other));
  out.take(repo);
}

async function search({ store, other: otherStore, proxy, failing, secrets }: Service): Promise<void> {
  const out = new Outputs();
  const db = await DB.open(":memory:", { onEvent: (event) => out.take(event) });
  await db.set("a", { some: "value" });
  const repo = await BackupRepository.open(store, options);
  const other = await BackupRepository.open(otherStore, { ...options, encryption: { passphrase: PASSPHRASE } });
  await work(out, repo, db, other);

  let failures = 0;
  // The call is refused at once, and what fails later is told by the audit log.
  for (const [at, fault] of BROKEN.entries()) {
    let requests = 0;
    // Later each time, so that it hits reads, writes and listings; and always again, so that no retry helps.
    proxy.faultOf = () => ++requests > 2 + 3 * at ? fault : undefined;
    for (
      const call of [
        () => repo.backup(db),
        at % 2 === 0 ? () => repo.verify() : () => repo.prune({ keepLast: 1 }),
      ]
    ) {
      requests = 0;
      if (await out.end(call)) failures++;
    }
    requests = 0;
    if (await out.end(() => other.addKey({ passphrase: WRONG_PASSPHRASE }))) failures++;
    // Only writing to the audit log works: it tells of the failure.
    proxy.faultOf = ({ url }) => /audit/.test(url) || /audit/.test(decodeURIComponent(url)) ? undefined : fault;
    if (await out.end(() => repo.backup(db))) failures++;
    proxy.faultOf = () => undefined;
  }

  for (const [name, failed] of Object.entries(failing)) {
    out.take(failed);
    out.take(failed.name);
    const calls: (() => Promise<unknown>)[] = [() => BackupRepository.open(failed, options), () => failed.list()];
    // Whoever is not there is asked again by it, with pauses.
    if (!name.startsWith("nobody")) calls.push(() => db.backup(failed), () => DB.restore(failed, "/nowhere"));
    for (const call of calls) {
      assert.ok(await out.end(call), `${name} fails`);
      failures++;
    }
  }

  const locked = (passphrase: string): Promise<BackupRepository> =>
    BackupRepository.open(otherStore, { ...options, encryption: { passphrase } });
  for (const call of [() => locked(marked("guess")), () => BackupRepository.open(otherStore, options)]) {
    assert.ok(await out.end(call));
    failures++;
  }
  await out.end(() => other.backup(db));
  for (const call of ["verify", "health", "history", "keys"] as const) await out.end(() => other[call]());
  out.take(other);

  const lines = (await repo.history()).filter(({ result }) => result === "failed");
  assert.ok(lines.length >= BROKEN.length, `${lines.length} failures in the audit log`);
  out.take(await repo.history());
  const keys = [...await out.objects(store), ...await out.objects(otherStore)];
  for (const part of ["backups/", "heads/", "audit/", "log/", "objects/", "repository.json", "keys/"]) {
    assert.ok(keys.some((key) => key.startsWith(part)), part);
  }
  for (const each of [repo, other]) await each.close();
  await db.close();

  const wanted = [...secrets, PASSPHRASE, WRONG_PASSPHRASE];
  assert.ok(failures > 20 && out.texts.length > 400, `${failures} failures, ${out.texts.length} outputs`);
  assert.deepEqual(out.found(wanted), []);
  // Who seeks finds.
  out.take(new Error("x", { cause: { deep: wanted[0] } }));
  assert.ok(out.found(wanted).length > 0);
  console.log(
    `${out.texts.length} outputs, ${failures} failures and ${keys.length} objects searched for ${wanted.length} secrets`,
  );
}

const ceph = await sharedServer("ceph");
if (ceph === undefined) it("Ceph is not here", () => {});
else {
  it("credentials of S3 are in no output of a repository and in no object", async () => {
    if (!isTime(0)) return;
    const bucket = await newBucket(ceph);
    const proxy = await startFaultyProxy(ceph.endpoint);
    after(() => proxy.close());
    const { accessKeyId, secretAccessKey } = ceph.credentials;
    const wrong = marked("wrongsecret");
    const token = marked("sessiontoken");
    const at = (options: S3Options, place = `${bucket}/p`): ObjectStore =>
      s3(`s3://${place}`, {
        ...{ endpoint: proxy.url, region: ceph.region, credentials: ceph.credentials, attempts: 1 },
        ...CEPH_CAN,
        ...options,
      });
    const denied = { accessKeyId: OTHER_USER.accessKeyId, secretAccessKey: OTHER_USER.secretAccessKey };
    await search({
      store: at({}),
      other: at({}, `${bucket}/other`),
      proxy,
      failing: {
        "a wrong key": at({ credentials: { accessKeyId, secretAccessKey: wrong } }),
        "an unknown key": at({ credentials: { accessKeyId: marked("unknownkeyid"), secretAccessKey: wrong } }),
        "a token": at({ credentials: { accessKeyId, secretAccessKey: wrong, sessionToken: token } }),
        "credentials that can't be had": at({
          credentials: () =>
            Promise.reject(
              new Error(`not JSON: {"SecretAccessKey": "${wrong}", "SessionToken": "${token}"}, token=${token}`),
            ),
        }),
        "no bucket": at({}, "no-such-bucket/p"),
        "no right": at({ credentials: denied }),
        "nobody there": at({ endpoint: "http://127.0.0.1:9" }),
        "another server": at({ endpoint: `${proxy.url}/not-here` }),
      },
      secrets: [secretAccessKey, wrong, token, denied.secretAccessKey],
    });
  });
}

it("credentials of Azure are in no output of a repository and in no object", async () => {
  if (!isTime(1)) return;
  const account = accountAt((await sharedServer("azurite"))!.endpoint);
  const container = await account.newContainer();
  const proxy = await startFaultyProxy(new URL(account.endpoint).origin);
  after(() => proxy.close());
  const wrong = Buffer.from(marked("wrongkey")).toString("base64");
  const signature = (permissions: string): string =>
    generateBlobSASQueryParameters({
      containerName: container,
      permissions: ContainerSASPermissions.parse(permissions),
      expiresOn: new Date(Date.now() + 3600_000),
    }, new StorageSharedKeyCredential(ACCOUNT, KEY)).toString();
  const [all, few] = [signature("rcwdl"), signature("c")];
  const at = (options: AzureOptions, place = `${container}/p`): ObjectStore =>
    azure(`azure://${ACCOUNT}/${place}`, { endpoint: `${proxy.url}/${ACCOUNT}`, attempts: 1, ...options });
  await search({
    store: at({ sasToken: all }),
    other: at({ accountKey: KEY }, `${container}/other`),
    proxy,
    failing: {
      "a wrong key": at({ accountKey: wrong }),
      "a wrong connection string": at({ connectionString: `AccountName=${ACCOUNT};AccountKey=${wrong}` }),
      "a wrong signature": at({ sasToken: all.replace(/sig=[^&]+/, `sig=${encodeURIComponent(wrong)}`) }),
      "no container": at({ accountKey: KEY }, "no-such-container/p"),
      "no right": at({ sasToken: few }),
      "nobody there": at({ sasToken: all, endpoint: `http://127.0.0.1:9/${ACCOUNT}` }),
      "another server": at({ accountKey: KEY, endpoint: `${proxy.url}/otheraccount` }),
    },
    secrets: [KEY, wrong, all, few, ...[all, few].map((each) => new URLSearchParams(each).get("sig")!)],
  });
});
