/** Exported directories made to harm: links, pipes and directories where files belong, and manifests that lie. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { dirname, join } from "node:path";
import {
  BackupRepository,
  CorruptionError,
  DB,
  HoldfastError,
  IntegrityError,
  IOError,
  NotFoundError,
  PermissionError,
  StorageError,
} from "../../mod.ts";
import { encodeManifest, loadManifest } from "../../lib/engine/manifest/manifest.ts";
import type { ManifestState } from "../../lib/engine/manifest/manifest_state.ts";
import { fileName } from "../../lib/engine/file_names.ts";
import { directoryStore } from "../../lib/storage/directory_store.ts";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";
import { contentsOf, Shelter, stackOf } from "./shelter.ts";

const NAMED = (error: HoldfastError): boolean =>
  error instanceof IntegrityError || error instanceof CorruptionError || error instanceof IOError ||
  error instanceof NotFoundError;

/** Makes a pipe; false where the system has none. */
function makePipe(path: string): boolean {
  if (process.platform === "win32") return false;
  execFileSync("mkfifo", [path]);
  return true;
}

/** Puts a sound export below `input/`, and gives the names of its files. */
async function soundExport(shelter: Shelter): Promise<{ path: string; names: string[] }> {
  const path = shelter.path("input/export");
  rmSync(path, { recursive: true, force: true });
  const db = await shelter.open("input/source");
  await db.set("a", { n: 1 }, { tags: ["t"] });
  await db.set("large", new Uint8Array(40_000).fill(3));
  await db.compact();
  await db.set("later", "in the log");
  await db.export(path);
  await db.close();
  rmSync(shelter.path("input/source"), { recursive: true, force: true });
  return { path, names: readdirSync(path).sort() };
}

describe("a hostile export", () => {
  it("with a pipe, a directory, a dangling link or a device in place of a file is refused, and never waits", async () => {
    await using shelter = await Shelter.real();
    const { path, names } = await soundExport(shelter);
    let tried = 0;
    for (const name of names) {
      const file = join(path, name);
      const bytes = readFileSync(file);
      const replacements: [string, () => boolean][] = [
        ["a pipe", () => makePipe(file)],
        ["a directory", () => (mkdirSync(file), true)],
        ["a dangling link", () => (symlinkSync("nowhere", file), true)],
        ["a link to itself", () => (symlinkSync(name, file), true)],
        ["a link to its directory", () => (symlinkSync(".", file), true)],
        ["a link to another's secret", () => (symlinkSync("../../neighbour/secret.txt", file), true)],
        ["a device", () => process.platform !== "win32" && (symlinkSync("/dev/zero", file), true)],
      ];
      for (const [what, replace] of replacements) {
        rmSync(file);
        if (replace()) {
          await shelter.refuses(`${what} in place of ${name}`, () => path, NAMED);
          tried++;
        }
        rmSync(file, { recursive: true, force: true });
        writeFileSync(file, bytes);
      }
    }
    console.log(`hostile exports: ${tried} with something else in place of a file`);
  });

  it("that is itself a pipe or a device is refused, and never waits", async () => {
    await using shelter = await Shelter.real();
    const path = shelter.path("input/pipe.tar");
    if (makePipe(path)) await shelter.refuses("a pipe", () => path, NAMED);
    if (process.platform !== "win32") await shelter.refuses("a device", () => "/dev/zero", NAMED);
  });

  it("with links to the very files is read through them, and what is made of it has files of its own", async () => {
    await using shelter = await Shelter.real();
    const { path, names } = await soundExport(shelter);
    mkdirSync(shelter.path("input/elsewhere"));
    for (const [i, name] of names.entries()) {
      const moved = shelter.path(`input/elsewhere/${name}`);
      renameSync(join(path, name), moved);
      if (i % 2 === 0) symlinkSync(moved, join(path, name));
      else linkSync(moved, join(path, name));
    }
    symlinkSync(path, shelter.path("input/linked"));
    const before = await shelter.tree();
    await DB.restore(shelter.path("input/linked"), shelter.path("new"));
    for (const name of readdirSync(shelter.path("new"))) {
      const info = lstatSync(shelter.path(`new/${name}`));
      assert.ok(info.isFile() && info.nlink === 1, `${name} is no file of its own`);
    }
    const db = await shelter.open("new");
    await db.set("a", "changed");
    await db.close();
    rmSync(shelter.path("new"), { recursive: true });
    assert.deepEqual(await shelter.tree(), before);
  });

  it("with a manifest or marker that lies is refused", async () => {
    await using shelter = await Shelter.real();
    const { path, names } = await soundExport(shelter);
    const fs = nodeFileSystem();
    const { number, state } = await loadManifest(fs, path);
    const manifest = join(path, fileName("manifest", number));
    const good = readFileSync(manifest);
    const table = [...state.tables.values()][0]!;
    const [log] = [...state.logs.values()];
    const blob = [...state.blobs.values()][0]!;
    const withTable = (change: object): Partial<ManifestState> => ({
      tables: new Map([[table.table.number, { ...table, table: { ...table.table, ...change } }]]),
    });
    const lies: [string, Partial<ManifestState>][] = [
      ["a table's length", withTable({ size: table.table.size + 1 })],
      ["a table's length of 2^53 - 1", withTable({ size: Number.MAX_SAFE_INTEGER })],
      ["a table of no bytes", withTable({ size: 0 })],
      ["a table's rows", withTable({ rows: table.table.rows + 1 })],
      ["a table's digest", withTable({ sha256: "0".repeat(64) })],
      ["a table's number", withTable({ number: 999_999 })],
      ["a table that is the blob", withTable({ number: blob.number })],
      ["a blob's length", { blobs: new Map([[blob.number, { ...blob, size: blob.size - 1 }]]) }],
      ["a blob's count", { blobs: new Map([[blob.number, { ...blob, count: 2 }]]) }],
      ["a blob's digest", { blobs: new Map([[blob.number, { ...blob, sha256: "0".repeat(64) }]]) }],
      ["another database", { database: { ...state.database, id: "0".repeat(32) } }],
      ...(log === undefined ? [] : [
        ["a log's end", { logs: new Map([[log.number, { ...log, end: log.end + 1 }]]) }],
        ["a log's versions", { logs: new Map([[log.number, { ...log, firstVersion: 1, lastVersion: 900 }]]) }],
        ["a log that is not there", { logs: new Map([[888_888, { ...log, number: 888_888 }]]) }],
      ] as [string, Partial<ManifestState>][]),
    ];
    for (const [what, change] of lies) {
      writeFileSync(manifest, encodeManifest({ ...state, ...change }, number).bytes);
      await shelter.refuses(`a manifest that lies about ${what}`, () => path, NAMED);
    }
    // A value that is nowhere is noticed by who asks for it.
    writeFileSync(manifest, encodeManifest({ ...state, blobs: new Map() }, number).bytes);
    const outcome = await DB.restore(path, shelter.path("new")).catch((error: unknown) => error);
    if (!(outcome instanceof HoldfastError)) {
      const db = await shelter.open("new");
      await assert.rejects(db.get("large"), HoldfastError);
      assert.deepEqual(await db.get("a"), { n: 1 });
      await db.close();
    }
    rmSync(shelter.path("new"), { recursive: true, force: true });
    writeFileSync(manifest, good);

    const marker = join(path, "CURRENT");
    const markers = [
      '{"database":"DB","lineage":"DB","manifest":"../../neighbour/secret.txt"}',
      '{"database":"DB","lineage":"DB","manifest":-1}',
      '{"database":"DB","lineage":"DB","manifest":1.5}',
      '{"database":"DB","lineage":"DB","manifest":9007199254740993}',
      '{"database":"DB","lineage":"DB","manifest":1e999}',
      '{"database":"../../x","lineage":"DB","manifest":7}',
      '{"__proto__":{"x":1},"database":"DB","lineage":"DB","manifest":7}',
      "[".repeat(900),
      "",
    ];
    const whole = readFileSync(marker, "utf8");
    const { crc32 } = await import("../../lib/base/checksum.ts");
    for (const text of markers) {
      const body = `HOLDFAST 1\n${text.replaceAll("DB", state.database.id)}\n`;
      const checksum = crc32(new TextEncoder().encode(body)).toString(16).padStart(8, "0");
      writeFileSync(marker, `${body}${checksum}\n`);
      await shelter.refuses(`the marker ${text.slice(0, 80)}`, () => path, NAMED);
    }
    writeFileSync(marker, whole.repeat(5000));
    await shelter.refuses("a long marker", () => path, NAMED);
    writeFileSync(marker, whole);
    await DB.restore(path, shelter.path("new"));
    assert.deepEqual(names, readdirSync(path).sort());
    console.log(`hostile exports: ${lies.length} lies of a manifest, ${markers.length + 1} of a marker`);
  });

  it("whose files grow or shrink while they are read gives what was there, or is refused", async () => {
    await using shelter = await Shelter.real();
    const { path, names } = await soundExport(shelter);
    const whole = await DB.open(path, { readOnly: true });
    const expected = await contentsOf(whole);
    await whole.close();
    let outcomes = "";
    for (const name of names) {
      for (const change of ["grow", "shrink"]) {
        const file = join(path, name);
        const bytes = readFileSync(file);
        let done = 0;
        const onProgress = (): void => {
          if (done++ > 3) return;
          if (change === "grow") appendFileSync(file, new Uint8Array(100_000).fill(done));
          else truncateSync(file, Math.max(0, readFileSync(file).length - 50));
        };
        const result = await DB.restore(path, shelter.path("new"), { onProgress }).catch((error: unknown) => error);
        assert.ok(done > 0);
        if (result instanceof Error) {
          assert.ok(result instanceof HoldfastError, `${name} ${change}: ${stackOf(result)}`);
          assert.equal(await shelter.fs.stat(shelter.path("new")), undefined);
          outcomes += "-";
        } else {
          const db = await shelter.open("new");
          assert.equal(await contentsOf(db), expected, `${name} ${change}: other contents`);
          await db.close();
          rmSync(shelter.path("new"), { recursive: true });
          outcomes += "+";
        }
        writeFileSync(file, bytes);
      }
    }
    console.log(`hostile exports: files that change while read: ${outcomes}`);
  });

  it("with a link in place of its lock's owner is opened without writing to where that leads", async () => {
    await using shelter = await Shelter.real();
    const { path } = await soundExport(shelter);
    const secret = shelter.path("neighbour/secret.txt");
    const before = readFileSync(secret, "utf8");
    rmSync(join(path, "LOCK.owner"), { force: true });
    symlinkSync(secret, join(path, "LOCK.owner"));
    const db = await DB.open(path);
    await db.close();
    assert.equal(readFileSync(secret, "utf8"), before);
  });

  it("as a store with links in place of directories takes and removes nothing through them", async () => {
    await using shelter = await Shelter.real();
    const neighbour = shelter.path("neighbour");
    for (const name of ["a", ".tmp~"]) {
      const path = shelter.path(`input/store${name.length}`);
      mkdirSync(path);
      symlinkSync(neighbour, join(path, name));
      const store = directoryStore(path);
      await assert.rejects(store.put(name === "a" ? "a/b" : "c", new Uint8Array(3)), PermissionError, name);
      if (name === "a") await assert.rejects(store.delete("a/secret.txt"), PermissionError);
      assert.ok(readFileSync(join(neighbour, "secret.txt")).length > 0);
    }
  });

  it("as a store with links below the name of an object clears no directories away behind them", async () => {
    await using shelter = await Shelter.real();
    const empty = shelter.path("neighbour/empty/deeper");
    mkdirSync(empty, { recursive: true });
    for (const [key, link] of [["a", "a"], ["b", "b/c"]] as const) {
      const path = shelter.path(`input/${key}`);
      mkdirSync(join(path, dirname(link)), { recursive: true });
      symlinkSync(dirname(dirname(empty)), join(path, link));
      await assert.rejects(directoryStore(path).put(key, new Uint8Array(3)), StorageError, link);
      assert.ok(existsSync(empty), link);
    }
  });

  it("as a repository with links in place of its directories is not written through them, nor deleted", async () => {
    await using shelter = await Shelter.real();
    const path = shelter.path("input/repo");
    const source = await shelter.open("input/source");
    await source.set("k", "v");
    const { id } = await source.backup(path + "/");
    await source.set("k", "w");
    const directories = readdirSync(path).filter((name) => lstatSync(join(path, name)).isDirectory());
    assert.ok(directories.length >= 6, directories.join());
    for (const name of directories) {
      const moved = shelter.path(`neighbour/${name}`);
      renameSync(join(path, name), moved);
      symlinkSync(moved, join(path, name));
      const outside = async (): Promise<string[]> =>
        [...await shelter.tree()].filter(([key]) => key.includes("neighbour")).map((each) => each.join());
      const before = await outside();
      for (const work of ["backup", "delete"] as const) {
        const error = await (async () => {
          await using repo = await BackupRepository.open(path);
          if (work === "backup") await source.backup(repo, { type: "full" });
          else await repo.delete(id);
        })().then(() => undefined, (reason: unknown) => reason);
        // Not all work has to do with all directories.
        assert.ok(error === undefined || error instanceof HoldfastError, `${work}, ${name}: ${stackOf(error)}`);
        assert.deepEqual(await outside(), before, `${work} with ${name} elsewhere`);
      }
      rmSync(join(path, name));
      renameSync(moved, join(path, name));
    }
    await source.close();
  });

  it("as a repository with pipes, directories and links in place of its files is refused, and never waits", async () => {
    await using shelter = await Shelter.real();
    const path = shelter.path("input/repo");
    const source = await shelter.open("input/source");
    await source.set("k", "v");
    await source.backup(path + "/");
    await source.close();
    const files = readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) =>
      lstatSync(join(path, name)).isFile() && !name.includes("~")
    );
    let tried = 0;
    for (const name of files) {
      if (/^(?:audit|proofs|locks)/.test(name)) continue;
      const file = join(path, name);
      const bytes = readFileSync(file);
      const replacements: [string, () => boolean][] = [
        ["a pipe", () => makePipe(file)],
        ["a directory", () => (mkdirSync(file), true)],
        ["a link to another's secret", () => (symlinkSync(shelter.path("neighbour/secret.txt"), file), true)],
        ["a device", () => process.platform !== "win32" && (symlinkSync("/dev/zero", file), true)],
      ];
      for (const [what, replace] of replacements) {
        rmSync(file);
        if (replace()) {
          // A reader leaves no lease, so that the tree stays as it is.
          const error = await (async () => {
            await using repo = await BackupRepository.open(path, { readOnly: true });
            await repo.restore(shelter.path("new"));
          })().catch((reason: unknown) => reason);
          if (error === undefined) {
            // Without its head a history still has its backups; what says who the repository is lies there twice.
            assert.ok(/^heads|(?:^|index.)repository\.json$/.test(name), `${what} in place of ${name} was restored`);
            const db = await shelter.open("new");
            assert.equal(await db.get("k"), "v");
            await db.close();
            rmSync(shelter.path("new"), { recursive: true });
          }
          assert.ok(error === undefined || error instanceof HoldfastError, `${what}, ${name}: ${stackOf(error)}`);
          // What was fetched may be kept for the next try, but is no database.
          assert.equal(await DB.exists(shelter.path("new")), false, `${what} in place of ${name}`);
          rmSync(shelter.path("new"), { recursive: true, force: true });
          tried++;
        }
        rmSync(file, { recursive: true, force: true });
        writeFileSync(file, bytes);
      }
    }
    await shelter.unharmed("a repository");
    console.log(`hostile exports: ${tried} with something else in place of a repository's file`);
  });
});
