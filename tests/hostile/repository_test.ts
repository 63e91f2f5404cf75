/** Repositories made to harm: documents that are rightly sealed and say what no sound one says. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sealDocument, sealOf } from "../../lib/format/repository/document.ts";
import type { DocumentKind } from "../../lib/format/repository/document.ts";
import { BackupRepository, DB, HoldfastError, MemoryStore, UnsupportedFormatError } from "../../mod.ts";
import { LONG, pick, randomFrom, SEED } from "../crash/random.ts";
import { collect } from "../backup/helpers.ts";
import { contentsOf, stackOf } from "./shelter.ts";

type Fields = Record<string, unknown>;

/** A sound repository: two databases' worth of documents of every kind would only repeat themselves. */
async function soundStore(): Promise<{ store: MemoryStore; contents: string }> {
  const store = new MemoryStore();
  await using db = await DB.open(":memory:");
  await db.set("a", { n: 1 }, { tags: ["t"] });
  await db.set("b", new Uint8Array(30_000));
  await db.compact();
  await db.backup(store, { id: "base", type: "full", labels: { who: "me" } });
  await db.set("c", "later");
  await db.backup(store, { id: "next", type: "incremental" });
  await using repo = await BackupRepository.open(store);
  await repo.verify(undefined, { read: "all" });
  return { store, contents: await contentsOf(db) };
}

async function copyOf(store: MemoryStore): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for (const { key } of (await store.list()).objects) await copy.put(key, await bytesOf(store, key));
  return copy;
}

async function bytesOf(store: MemoryStore, key: string): Promise<Uint8Array> {
  return await collect((await store.get(key))!.body);
}

const KINDS: Record<string, DocumentKind> = {
  "repository.json": "repository",
  "backups/": "backup",
  "heads/": "head",
  "proofs/": "proof",
  "locks/": "lease",
  "gc/": "gc",
};

/** The documents of a store, their bodies parsed. */
async function documentsOf(store: MemoryStore): Promise<{ key: string; kind: DocumentKind; body: Fields }[]> {
  const found = [];
  for (const { key } of (await store.list()).objects) {
    const kind = Object.entries(KINDS).find(([prefix]) => key.startsWith(prefix))?.[1];
    if (kind === undefined) continue;
    const { format: _f, formatVersion: _v, checksum: _c, ...body } = JSON.parse(
      new TextDecoder().decode(await bytesOf(store, key)),
    );
    found.push({ key, kind, body });
  }
  return found;
}

/** Replaces a document by one that is sealed as rightly. */
async function replace(store: MemoryStore, key: string, kind: DocumentKind, body: Fields): Promise<void> {
  await store.delete(key);
  await store.put(key, sealDocument(kind, body));
}

/** What was thrown that is none of ours, or too long. */
const bad: string[] = [];

/** Checks that nothing bad was thrown. */
function nothingBad(): void {
  const found = bad.splice(0);
  assert.equal(found.length, 0, found.slice(0, 12).join("\n\n"));
}

/** Everything that reads a repository; each call must resolve, or reject with an error of ours. */
async function readAll(store: MemoryStore, what: string): Promise<string[]> {
  const errors: string[] = [];
  const attempt = async (call: string, work: () => Promise<unknown>): Promise<unknown> => {
    try {
      return await work();
    } catch (error) {
      // Several databases to choose from are the caller's to choose.
      const isChoice = error instanceof TypeError && /several databases/.test(error.message);
      if (!(error instanceof HoldfastError || isChoice)) bad.push(`${what}, ${call}: ${stackOf(error)}`);
      else if (error.message.length > 2000) bad.push(`${what}, ${call}: ${error.message.length} characters`);
      errors.push(call);
      return undefined;
    }
  };
  const repo = await attempt("open", () => BackupRepository.open(store, { readOnly: true })) as
    | BackupRepository
    | undefined;
  if (repo === undefined) return errors;
  try {
    await attempt("list", () => repo.list());
    await attempt("get", () => repo.get("base"));
    await attempt("latest", () => repo.latest());
    await attempt("verify", () => repo.verify(undefined, { read: "all" }));
    await attempt("recoveryPoints", () => repo.recoveryPoints());
    await attempt("estimate", () => repo.estimate());
    await attempt("stats", () => repo.stats());
    await attempt("health", () => repo.health({ maxAge: "100d" }));
    await attempt("history", () => repo.history());
    await attempt("copyTo", async () => {
      await using other = await BackupRepository.open(new MemoryStore());
      await repo.copyTo(other);
    });
    await attempt("prune", () => repo.prune({ keepLast: 1 }, { dryRun: true }));
    await using db = await DB.open(":memory:");
    await db.set("mine", 1);
    const restored = await attempt("restore", () => db.restore(repo));
    if (restored === undefined) assert.equal(await db.get("mine"), 1, what);
    for (const backupId of ["base", "next"]) await attempt(`restore ${backupId}`, () => db.restore(repo, { backupId }));
    await attempt("restore at", () => db.restore(repo, { at: { version: 2 } }));
    // What came of it is a database like any other.
    await attempt("write", () => db.set("after", 1));
    await attempt("read", () => contentsOf(db));
  } finally {
    await repo.close();
  }
  assert.deepEqual(Object.keys(Object.prototype), [], what);
  return errors;
}

const ID = "0".repeat(32);
const CHAIN = "0".repeat(64);

/** Values that a field might not be made for. */
const NASTY: unknown[] = [
  ...[0, 1, 2, -1, 1.5, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER - 1, 2 ** 53, 1e308],
  ...["", ".", "..", "../x", "/etc/passwd", "CURRENT", "LOCK", "x".repeat(100_000), "\ud800", "__proto__", ID, CHAIN],
  ...[null, true, [], {}, [[]], [null], { __proto__: null, x: 1 }, JSON.parse('{"__proto__":{"polluted":1}}')],
];

/** All places in a body: its fields, and theirs. */
function placesIn(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== "object" || value === null) return [path];
  const inner = Object.keys(value).flatMap((name) =>
    placesIn((value as Fields)[name], [...path, Array.isArray(value) ? Number(name) : name])
  );
  return path.length === 0 ? inner : [path, ...inner];
}

function changed(body: Fields, path: readonly (string | number)[], value: unknown): Fields {
  const copy = structuredClone(body);
  let at = copy as Record<string | number, unknown>;
  for (const name of path.slice(0, -1)) at = at[name] as Record<string | number, unknown>;
  at[path.at(-1)!] = value;
  return copy;
}

describe("a hostile repository", () => {
  it("whose documents say anything at any place is read, or refused by name", async () => {
    const { store } = await soundStore();
    const documents = await documentsOf(store);
    assert.deepEqual([...new Set(documents.map(({ kind }) => kind))].sort(), ["backup", "head", "proof", "repository"]);
    const all = documents.flatMap(({ key, kind, body }) =>
      placesIn(body).flatMap((path) => NASTY.map((value) => ({ key, kind, body, path, value })))
    );
    const random = randomFrom(SEED);
    const chosen = LONG ? all : Array.from({ length: 40 }, () => all[pick(random, all.length)]!);
    let refused = 0;
    for (const { key, kind, body, path, value } of chosen) {
      const copy = await copyOf(store);
      await replace(copy, key, kind, changed(body, path, value));
      const what = `seed ${SEED}: ${key}: ${path.join(".")} = ${JSON.stringify(value)?.slice(0, 60)}`;
      if ((await readAll(copy, what)).length > 0) refused++;
    }
    console.log(
      `hostile repositories: ${chosen.length} of ${all.length} changed fields, ${refused} refused, seed ${SEED}`,
    );
  });

  it("with circles, absurd counts and places outside is read, or refused by name", async () => {
    const { store, contents } = await soundStore();
    const documents = await documentsOf(store);
    const base = documents.find(({ key }) => key === "backups/base.json")!;
    const next = documents.find(({ key }) => key === "backups/next.json")!;
    const head = documents.find(({ kind }) => kind === "head")!;
    const parents = (count: number): object[] => Array.from({ length: count }, (_, i) => ({ lineage: ID, version: i }));
    const files = (base.body["base"] as { files: Fields[] }).files;
    const withFiles = (change: (files: Fields[]) => Fields[]): Fields => ({
      ...base.body,
      base: { ...base.body["base"] as object, files: change(structuredClone(files)) },
    });
    const table = files.findIndex(({ kind }) => kind === "table");
    const named = (name: string): Fields => withFiles((list) => (list[table]!["name"] = name, list));
    const gap = { from: 1, to: 1, after: 0, before: 1, chain: CHAIN };
    const ingest = { kind: "table", number: 9, size: 1, object: `00/${CHAIN}`, stored: 1 };
    const cases: [string, string, DocumentKind, Fields, boolean][] = [
      ["a backup that is its own parent", next.key, "backup", { ...next.body, parentId: "next" }, false],
      ["two backups that are each other's parents", base.key, "backup", { ...base.body, parentId: "next" }, false],
      ["a history that came from itself", head.key, "head", {
        ...head.body,
        parents: [{ lineage: head.body["lineage"], version: 1 }],
      }, false],
      ["5,000 parents of a backup", base.key, "backup", { ...base.body, parents: parents(5000) }, false],
      ["5,000 parents of a head", head.key, "head", { ...head.body, parents: parents(5000) }, false],
      ["5,000 gaps", head.key, "head", {
        ...head.body,
        gaps: Array.from({ length: 5000 }, (_, i) => ({ ...gap, from: 1000 + i, to: 1000 + i })),
      }, false],
      ["5,000 files that joined", head.key, "head", {
        ...head.body,
        ingests: [{ version: 3, files: Array.from({ length: 5000 }, (_, i) => ({ ...ingest, number: i })) }],
      }, false],
      ["a head of version 2^53 - 1", head.key, "head", { ...head.body, version: Number.MAX_SAFE_INTEGER }, false],
      ["a base of version 2^53 - 1", base.key, "backup", { ...base.body, version: Number.MAX_SAFE_INTEGER }, false],
      [
        "1,000 files of nothing",
        base.key,
        "backup",
        withFiles((list) =>
          Array.from(
            { length: 1000 },
            (_, i) => ({ ...list[table], name: `${String(i + 100).padStart(6, "0")}.sst` }),
          )
        ),
        true,
      ],
      ["a file twice", base.key, "backup", withFiles((list) => [...list, list[table]!]), true],
      ["a table named as the lock", base.key, "backup", named("LOCK"), true],
      ["a table named as the marker", base.key, "backup", named("CURRENT"), true],
      ["a table named as a log", base.key, "backup", named("000001.log"), true],
      ["a table named as a program", base.key, "backup", named("run.sh"), true],
      [
        "a table of 2^53 - 1 bytes",
        base.key,
        "backup",
        withFiles((list) => (list[table]!["size"] = Number.MAX_SAFE_INTEGER, list)),
        true,
      ],
      ["a label for every letter, and more", base.key, "backup", {
        ...base.body,
        labels: JSON.parse('{"__proto__":"x","constructor":"y","toString":"z"}'),
      }, false],
    ];
    for (const [what, key, kind, body, isRefused] of cases) {
      const copy = await copyOf(store);
      await replace(copy, key, kind, body);
      const errors = await readAll(copy, what);
      if (isRefused) assert.ok(errors.includes("restore base"), `${what}: was restored`);
    }
    nothingBad();
    assert.deepEqual(await readAll(await copyOf(store), "a sound one"), []);
    await using db = await DB.open(":memory:");
    await db.restore(store);
    const plain = (text: string): string => text.replaceAll(/\["(?:version|timestamp)",\d+\]/g, "");
    assert.ok(plain(await contentsOf(db)) === plain(contents));
    console.log(`hostile repositories: ${cases.length} with circles, absurd counts or places outside`);
  });

  it("whose documents are nested deep, or long, is refused by name", async () => {
    const { store } = await soundStore();
    const deep = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));
    const wide = (levels: number, count: number): unknown =>
      JSON.parse("[".repeat(levels) + "1,".repeat(count) + "1" + "]".repeat(levels));
    const raw: [string, string][] = [
      ["100,000 levels", "[".repeat(100_000)],
      ["100,000 levels that end", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
      ["nothing", ""],
      ["a number", "1e999999"],
      ["a text that is not", "\ufeff{}"],
      ["a name twice", '{"format":"holdfast-head","format":"holdfast-head"}'],
    ];
    let tried = 0;
    for (const { key } of await documentsOf(store)) {
      for (const [what, text] of raw) {
        const copy = await copyOf(store);
        await copy.delete(key);
        await copy.put(key, new TextEncoder().encode(text));
        await readAll(copy, `${what} in ${key}`);
        tried++;
      }
    }
    // Sealed rightly, and laid out in far more bytes than it has.
    for (const value of [deep(1000), wide(400, 700_000)]) {
      const copy = await copyOf(store);
      const { kind, body } = (await documentsOf(store)).find(({ key }) => key === "repository.json")!;
      const sealed = { format: "holdfast-repository", formatVersion: 1, ...body, more: value };
      const checksum = sealOf(sealed, undefined)[1];
      for (const key of ["repository.json", "index/repository.json"]) await copy.delete(key);
      await copy.put("repository.json", new TextEncoder().encode(JSON.stringify({ ...sealed, checksum })));
      await assert.rejects(BackupRepository.open(copy, { readOnly: true }), HoldfastError, kind);
      tried++;
    }
    nothingBad();
    console.log(`hostile repositories: ${tried} documents that are deep, long or none`);
  });

  it("with a million foreign objects lists its backups all the same", async () => {
    const { store } = await soundStore();
    const foreign = LONG ? 1_000_000 : 5000;
    for (let i = 0; i < foreign; i++) {
      const folder = ["objects/aa", "log/x", "pins", "proofs/y", "strange"][i % 5];
      await store.put(`${folder}/${i}`, new Uint8Array(1));
    }
    await using repo = await BackupRepository.open(store, { readOnly: true });
    assert.deepEqual((await repo.list()).map(({ id }) => id), ["base", "next"]);
    await using db = await DB.open(":memory:");
    await db.restore(repo);
    assert.equal(await db.get("c"), "later");
  });

  it("with a key that asks for absurd work is refused before any is done", async () => {
    const store = new MemoryStore();
    const encryption = { passphrase: "a long passphrase" };
    await using repo = await BackupRepository.open(store, { encryption });
    await repo.close();
    const { key } = (await store.list({ prefix: "keys/" })).objects[0]!;
    const { format: _f, formatVersion: _v, checksum: _c, ...body } = JSON.parse(
      new TextDecoder().decode(await bytesOf(store, key)),
    );
    for (const cost of [{ N: 2 ** 40 }, { N: 2 ** 20 }, { r: 2 ** 30 }, { p: 2 ** 30 }, { N: 2 ** 53 - 1 }, { N: 3 }]) {
      await replace(store, key, "key", { ...body, kdf: { ...body.kdf, ...cost } });
      const started = performance.now();
      await assert.rejects(BackupRepository.open(store, { encryption }), UnsupportedFormatError);
      assert.ok(performance.now() - started < 5000, JSON.stringify(cost));
    }
  });
});
