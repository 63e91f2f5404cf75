/** A database among neighbours that must stay as they are, whatever is restored beside it: on the real disk or in memory. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DB, type FileSystem, HoldfastError, nodeFileSystem, type RestoreSource } from "../../mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";

/** All that is below a directory: what each name is, and what is in it. */
export type Tree = Map<string, string>;

/** Where a test happens. */
export class Shelter implements AsyncDisposable {
  readonly fs: FileSystem;
  /** The directory that all happens in; its parent belongs to it, too, so that a single `..` is seen. */
  readonly root: string;
  readonly #top: string;
  #db: DB | undefined;
  #contents = "";

  private constructor(fs: FileSystem, top: string) {
    this.fs = fs;
    this.#top = top;
    this.root = join(top, "root");
  }

  /** On the real disk. */
  static real(): Promise<Shelter> {
    const top = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-hostile-")));
    return new Shelter(nodeFileSystem(), top).#furnish();
  }

  /** On a disk in memory. */
  static memory(): Promise<Shelter> {
    return new Shelter(memoryFileSystem(), "/top").#furnish();
  }

  /** One of each. */
  static async each(work: (shelter: Shelter) => Promise<void>): Promise<void> {
    for (const make of [Shelter.real, Shelter.memory]) {
      await using shelter = await make.call(Shelter);
      await work(shelter);
    }
  }

  async #furnish(): Promise<this> {
    const { fs } = this;
    for (const name of ["", "neighbour", "input"]) await fs.makeDirectory(this.path(name), { parents: true });
    await this.write("neighbour/secret.txt", new TextEncoder().encode("nobody changes this"));
    await this.write("../secret.txt", new TextEncoder().encode("nor this"));
    const old = await this.open("old");
    await old.set("old", "contents");
    await old.close();
    this.#db = await this.open("open");
    await this.#db.set("here", { first: true }, { tags: ["t"] });
    await this.#db.namespace("ns").set("inner", new Uint8Array([1, 2, 3]));
    this.#contents = await contentsOf(this.#db);
    return this;
  }

  /** The database that is open beside. */
  get db(): DB {
    return this.#db!;
  }

  /** A path in here. */
  path(name: string): string {
    return join(this.root, name);
  }

  /** Opens a database in here. */
  open(name: string): Promise<DB> {
    return DB.open(this.path(name), { fileSystem: this.fs, tuning: { reserve: false } });
  }

  /** Puts a file in here. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.path(name);
    if (await this.fs.stat(path) !== undefined) await this.fs.remove(path);
    const file = await this.fs.open(path, "create");
    await file.append(bytes);
    await file.close();
  }

  /** All that is here now, the neighbours above included. */
  async tree(): Promise<Tree> {
    const tree: Tree = new Map();
    if (this.fs.kind === "node") realTree(this.#top, "", tree);
    else await memoryTree(this.fs, this.#top, "", tree);
    return tree;
  }

  /**
   * Restores from a hostile source in every way there is; each must be refused by an error that `expected` takes, leave no
   * trace, and harm neither of the databases. `source` is asked anew for each, since a stream is read only once.
   */
  async refuses(what: string, source: () => RestoreSource, expected: (error: HoldfastError) => boolean): Promise<void> {
    const place = { fileSystem: this.fs };
    const before = await this.tree();
    const ways: [string, () => Promise<unknown>][] = [
      ["into a new database", () => DB.restore(source(), this.path("new"), place)],
      ["over a database", () => DB.restore(source(), this.path("old"), { ...place, overwrite: true })],
      ["as a rehearsal", () => DB.restore(source(), this.path("new"), { ...place, dryRun: true })],
      ["into an open database", () => this.db.restore(source())],
      ["merged into one", () => this.db.restore(source(), { mode: "merge" })],
    ];
    // The real disk takes its time, and differs in what links and paths lead to.
    for (const [way, restore] of this.fs.kind === "node" ? ways.filter((_, i) => i % 3 === 0) : ways) {
      const error = await restore().then(() => undefined, (error: unknown) => error);
      assert.ok(error !== undefined, `${what}: was restored ${way}`);
      assert.ok(error instanceof HoldfastError, `${what}, ${way}: not an error of ours: ${stackOf(error)}`);
      assert.ok(expected(error), `${what}, ${way}: another error: ${stackOf(error)}`);
      assert.ok(error.message.length < 1000, `${what}, ${way}: a message of ${error.message.length} characters`);
      assert.deepEqual(differences(before, await this.tree()), [], `${what}, ${way}: left a trace`);
    }
    await this.unharmed(what);
  }

  /** Checks that the open database holds what it held, and that nothing reached into the objects of the program. */
  async unharmed(what: string): Promise<void> {
    assert.equal(await contentsOf(this.db), this.#contents, `${what}: changed the open database`);
    assert.deepEqual(Object.keys(Object.prototype), [], `${what}: polluted all objects`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      // It goes on working after all that.
      await this.db.set("still", "writable");
      assert.equal(await this.db.get("still"), "writable");
      await this.db.close();
      const old = await this.open("old");
      assert.equal(await old.get("old"), "contents");
      await old.close();
    } finally {
      if (this.fs.kind === "node") rmSync(this.#top, { recursive: true, force: true });
    }
  }
}

/** All entries with all that is kept of them. */
export async function contentsOf(db: DB): Promise<string> {
  const out: unknown[] = [];
  for await (const entry of db.list({})) out.push(shown(entry));
  for (const name of db.namespaces()) {
    for await (const entry of db.namespace(name).list({})) out.push([name, shown(entry)]);
  }
  return JSON.stringify(out);
}

function shown(entry: object): object {
  return Object.entries(entry).map(([name, value]) => [name, value instanceof Uint8Array ? [...value] : value]);
}

/** Names of what is only in one of two trees, or not the same in both. */
export function differences(before: Tree, after: Tree): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name)).sort();
}

function realTree(top: string, below: string, tree: Tree): void {
  for (const name of readdirSync(join(top, below))) {
    const path = join(top, below, name);
    const info = lstatSync(path);
    const key = join(below, name);
    if (info.isSymbolicLink()) tree.set(key, `link to ${readlinkSync(path)}`);
    else if (info.isDirectory()) {
      tree.set(key, "directory");
      realTree(top, key, tree);
    } else if (!info.isFile()) tree.set(key, "special");
    // The kernel's lock lies on this file: to open and close it here would drop it.
    else if (name === "LOCK") tree.set(key, "lock");
    else tree.set(key, hashOf(readFileSync(path)));
  }
}

async function memoryTree(fs: FileSystem, top: string, below: string, tree: Tree): Promise<void> {
  for (const name of await fs.list(join(top, below))) {
    const key = join(below, name);
    const path = join(top, key);
    if ((await fs.stat(path))?.kind === "directory") {
      tree.set(key, "directory");
      await memoryTree(fs, top, key, tree);
      continue;
    }
    const file = await fs.open(path, "read");
    const bytes = new Uint8Array(file.sizeSync());
    file.readAtSync(bytes, 0);
    await file.close();
    tree.set(key, hashOf(bytes));
  }
}

function hashOf(bytes: Uint8Array): string {
  return `${bytes.length} ${createHash("sha256").update(bytes).digest("hex")}`;
}

/** An error as a failed assertion shows it. */
export function stackOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.stack?.slice(0, 1500)}` : String(error);
}

/** Makes a directory on the real disk and removes it afterwards. */
export async function withRealDirectory(work: (path: string) => Promise<void>): Promise<void> {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "holdfast-hostile-")));
  mkdirSync(join(path, "input"));
  try {
    await work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
