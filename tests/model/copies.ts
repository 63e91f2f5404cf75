/** Exports, portable backups and restores: each copy must show the one point in time it was made of. */
import assert from "node:assert/strict";
import { type BackupOptions, DB, type Key, type RestoreOptions } from "../../mod.ts";
import { readFile } from "../../lib/files/read.ts";
import { assertAll, assertNames, viewOf } from "./compare.ts";
import { isInside, type ModelContent } from "./model.ts";
import { beginningOf, keyName, randomKey } from "./values.ts";
import { behindPrefix } from "./versioned.ts";
import type { World } from "./world.ts";
import { writeOne } from "./writes.ts";

/** A file or directory to restore from, and what it holds. */
export interface StoredBackup {
  path: string;
  kind: "directory" | "tar" | "portable";
  content: ModelContent;
}

/** A part of the contents, as callers name it. */
interface Part {
  options: Pick<BackupOptions & RestoreOptions, "namespace" | "prefix">;
  /** The namespace; undefined: all. */
  space: string | undefined;
  prefix: string | undefined;
}

const WHOLE: Part = { options: {}, space: undefined, prefix: undefined };

function randomPart(world: World): Part {
  const { random } = world;
  if (random.chance(0.6)) return WHOLE;
  const space = random.pick(world.spaces);
  const namespace = space.name === ""
    ? {}
    : { namespace: space.name.includes("/") ? space.name.split("/") : space.name };
  if (space.name !== "" && random.chance(0.5)) return { options: namespace, space: space.name, prefix: undefined };
  const prefix = beginningOf(random, randomKey(random, world.pool, space.encoding));
  return { options: { ...namespace, prefix }, space: space.name, prefix: keyName(prefix) };
}

/** Whether a part has anything of a key space. */
function selects({ space, prefix }: Part, name: string): boolean {
  return space === undefined || (prefix === undefined ? isInside(name, space) : name === space);
}

function partOf(content: ModelContent, part: Part): ModelContent {
  const entries = [...content.entries].filter(([name]) => selects(part, name)).map(([name, found]) =>
    [name, found.filter(({ key }) => part.prefix === undefined || key.startsWith(part.prefix))] as const
  );
  return { entries: new Map(entries), spaces: content.spaces.filter((name) => selects(part, name)) };
}

/** Namespaces come with those around them, be they empty. */
function withOuter(names: readonly string[]): string[] {
  const all = new Set<string>();
  for (const name of names) {
    const parts = name.split("/");
    for (let i = 1; i <= parts.length; i++) all.add(parts.slice(0, i).join("/"));
  }
  return [...all];
}

function withoutExpired(content: ModelContent, moment: number): ModelContent {
  const entries = [...content.entries].map(([name, found]) =>
    [name, found.filter(({ item }) => item.expiresAt === undefined || item.expiresAt > moment)] as const
  );
  return { entries: new Map(entries), spaces: content.spaces };
}

function countOf(content: ModelContent): number {
  let count = 0;
  for (const entries of content.entries.values()) count += entries.length;
  return count;
}

/** What the model has at a version, expired entries too. */
function contentAt(world: World, version: number): ModelContent {
  return world.model.content({ version, moment: 0 });
}

/** Runs long work, amid which others may write. */
async function meddle<T>(world: World, work: Promise<T>): Promise<T> {
  const held = work.then((value) => ({ value }), (error: unknown) => ({ error }));
  for (let i = world.random.below(4); i > 0; i--) await writeOne(world);
  const done = await held;
  if ("error" in done) throw done.error;
  return done.value;
}

/** Exports to a directory or a tar file; a directory is opened and looked at. */
export async function exportCopy(world: World): Promise<void> {
  const { random } = world;
  const ending = random.pick(["", "", ".tar", ".tar.gz", ".tar.zst"]);
  const path = world.newPath(ending);
  world.note(`export to ${path}`);
  const link = random.pick(["auto", "never"] as const);
  const info = await meddle(world, world.db.export(path, { link, verify: random.chance(0.5) }));
  const content = contentAt(world, info.version);
  const kind = ending === "" ? "directory" : "tar";
  world.note(`exported version ${info.version}`);
  if (kind === "directory" && await lookInto(world, path, content, undefined)) {
    // It is another database now.
    return await DB.destroy(path, { fileSystem: world.disk.fileSystem });
  }
  await keep(world, { path, kind, content });
}

/**
 * Opens a copy, compares all of it, and may write to it: then it answers true. `commit`: that of all its entries, when it
 * has but one.
 */
async function lookInto(
  world: World,
  path: string,
  content: ModelContent,
  commit: { version: number; timestamp: number } | undefined,
): Promise<boolean> {
  const writes = world.random.chance(0.3);
  const copy = await DB.open<Key>(path, world.copyOptions());
  try {
    const spaces = world.spacesOf(copy);
    const view = viewOf(content, world.now, commit?.version, commit?.timestamp);
    assertAll(spaces, view, `the copy ${path}`);
    assertNames(spaces, withOuter(content.spaces), `the copy ${path}`);
    if (writes) {
      const { lineage, version } = copy;
      await copy.set(randomKey(world.random, world.pool, spaces[0]!.encoding), "written to the copy");
      assert.equal(copy.version, version + 1, "the first version of a copy's own");
      assert.notEqual(copy.lineage, lineage, "a copy begins a lineage of its own");
      await copy.delete(randomKey(world.random, world.pool, spaces[0]!.encoding));
      await copy.compact();
    }
    assert.deepEqual((await copy.verify()).problems, []);
    return writes;
  } finally {
    await copy.close();
  }
}

/** Streams an export into a new database. */
export async function streamCopy(world: World): Promise<void> {
  const { random, db } = world;
  const format = random.pick(["tar", "jsonl"] as const);
  world.note(`exportStream of ${format}`);
  const path = world.newPath();
  const version = world.model.version;
  const moment = world.now;
  const { fileSystem } = world.disk;
  const info = await DB.restore(db.exportStream({ format }), path, {
    fileSystem,
    verifyAfter: random.chance(0.5),
  });
  const content = contentAt(world, version);
  if (format === "tar") {
    assert.deepEqual(info.achieved, { version, timestamp: world.model.timestamp });
    await lookInto(world, path, content, undefined);
  } else await lookInto(world, path, withoutExpired(content, moment), info.achieved);
  await DB.destroy(path, { fileSystem });
}

/** Writes a portable backup. */
export async function backUp(world: World): Promise<void> {
  const { random, db, now } = world;
  const path = world.newPath(random.pick([".json", ".jsonl", ".json.gz", ".jsonl.gz", ".json.zst", ".jsonl.zst"]));
  const part = randomPart(world);
  world.note(`backup to ${path}, ${JSON.stringify(part.options)}`);
  const info = await meddle(world, db.backup(path, { ...part.options, verify: random.chance(0.5) }));
  const content = partOf(withoutExpired(contentAt(world, info.version), now), part);
  assert.equal(info.entryCount, countOf(content), "entryCount");
  assert.equal(info.selective, part !== WHOLE, "selective");
  const stored = (await readFile(world.disk.fileSystem, path, 2 ** 30)).length;
  assert.equal(info.storedBytes, stored, "storedBytes");
  await keep(world, { path, kind: "portable", content });
}

/** Keeps a copy for later restores, and only a few of them. */
async function keep(world: World, backup: StoredBackup): Promise<void> {
  const { random, backups, disk: { fileSystem } } = world;
  backups.push(backup);
  if (backups.length <= 4) return;
  const [old] = backups.splice(random.below(backups.length), 1);
  if (old!.kind === "directory") await DB.destroy(old!.path, { fileSystem });
  else await fileSystem.remove(old!.path);
}

/** Restores one of the copies into the open database. */
export async function restore(world: World): Promise<void> {
  const { random, db, backups } = world;
  if (backups.length === 0) return await backUp(world);
  const backup = random.pick(backups);
  const mode = random.pick(["replace", "merge"] as const);
  const part = randomPart(world);
  const whole = part === WHOLE;
  // What had expired when it was exported may have given its space back by then, so that it can't return.
  const expiry = backup.kind === "portable" && random.chance(0.2) ? "clear" : "keep";
  const dryRun = random.chance(0.1);
  world.note(
    `restore ${backup.path}, ${mode}, ${JSON.stringify(part.options)}${expiry === "clear" ? ", expiry cleared" : ""}`,
  );
  const options = { ...part.options, mode, expiry, dryRun, verifyBefore: random.chance(0.5) } as const;
  const info = await db.restore(backup.path, options);
  let content = partOf(backup.content, part);
  content = expiry === "keep" ? withoutExpired(content, world.now) : withoutExpiry(content);
  assert.equal(info.entries, countOf(content), "how many entries were restored");
  if (dryRun) return world.assertVersion();
  const ranges = whole || mode === "merge"
    ? []
    : world.spaces.filter(({ name }) => selects(part, name)).map(({ name }) => ({
      space: name,
      start: part.prefix ?? "",
      end: part.prefix === undefined ? undefined : behindPrefix(part.prefix),
    }));
  const expected = world.expectRestore(content, { all: whole && mode === "replace", ranges });
  assert.deepEqual(info.achieved, expected, "the commit of a restore");
  world.assertVersion();
  assertNames(world.spaces, world.model.namesAt(world.model.version), "after a restore");
  assertAll(world.spaces, world.model.at(world.point()), "after a restore");
}

function withoutExpiry(content: ModelContent): ModelContent {
  const entries = [...content.entries].map(([name, found]) =>
    [name, found.map(({ key, item }) => ({ key, item: { ...item, expiresAt: undefined } }))] as const
  );
  return { entries: new Map(entries), spaces: content.spaces };
}

/** Restores one of the copies into a database of its own. */
export async function restoreBeside(world: World): Promise<void> {
  const { random, backups, disk: { fileSystem } } = world;
  if (backups.length === 0) return await exportCopy(world);
  const backup = random.pick(backups);
  const part = randomPart(world);
  const path = world.newPath();
  world.note(`DB.restore ${backup.path}, ${JSON.stringify(part.options)}`);
  const keyEncoding = world.options.keyEncoding!;
  const info = await DB.restore(backup.path, path, { ...part.options, fileSystem, keyEncoding });
  const rowwise = backup.kind === "portable" || part !== WHOLE;
  const content = partOf(backup.content, part);
  await lookInto(world, path, content, rowwise ? info.achieved : undefined);
  await DB.destroy(path, { fileSystem });
}
