/**
 * Files that change at rest: on a copy of the disk or the store, which is thrown away again. What is read from it is right
 * or refused, and what a repair brings back once was.
 */
import assert from "node:assert/strict";
import { BackupRepository, DB, type Key } from "../../../mod.ts";
import { allKeys } from "../../../lib/backup/repository/core/documents.ts";
import { HoldfastError } from "../../../lib/base/errors.ts";
import { type MemoryFileSystem, randomDamage } from "../../../lib/files/memory/memory_file_system.ts";
import { check } from "./check.ts";
import { type Contents, contentsOf, differenceOf } from "./contents.ts";
import type { Home } from "./home.ts";
import { bytesOf, type Place } from "./place.ts";
import type { World } from "./world.ts";

/** One file of a database is damaged. */
export async function rotDatabase(world: World): Promise<void> {
  const { random, disk } = world;
  const home = world.pickHome();
  const image = disk.fork({ keep: "all" });
  const files: string[] = [];
  for (const name of await image.list(home.name)) {
    const path = `${home.name}/${name}`;
    const found = await image.stat(path);
    if (found?.kind === "file" && found.size > 0 && !/LOCK|reserve/.test(name)) files.push(path);
  }
  const path = random.pick(files);
  image.damage(path, (bytes) => randomDamage(bytes, random.next));
  world.note(`${path} rots in a copy`);
  world.count("files of databases rotten");
  const outcome = await readRotten(world, home, image);
  world.note(outcome);
  world.count(`rotten database: ${outcome}`);
  await repairRotten(world, home, image);
}

/** Reads everything of a damaged database: it is what once was there, or refused. */
async function readRotten(world: World, home: Home, image: MemoryFileSystem): Promise<string> {
  let db: DB<Key> | undefined;
  let refused: HoldfastError | undefined;
  try {
    db = await openCopy(home, image.fork({ keep: "all" }));
    assertOnce(world, home, db);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    refused = error;
  }
  try {
    if (db !== undefined && refused !== undefined) {
      const { problems } = await db.verify();
      assert.ok(problems.length > 0, `verify() finds nothing, and reading says: ${refused}`);
    }
  } finally {
    await db?.close().catch(() => {});
  }
  return refused === undefined ? "is read as it was" : `is refused, ${refused.code}`;
}

function openCopy({ settings }: Home, fileSystem: MemoryFileSystem): Promise<DB<Key>> {
  const { path, options, encoding, clock } = settings;
  return DB.open<Key>(path, { ...options, keyEncoding: encoding, fileSystem, clock });
}

/** What is shown was shown before, at that version. */
function assertOnce(world: World, home: Home, db: DB<Key>): void {
  const shown = contentsOf(db);
  const known = world.chronicle.state(home.lineage, db.version);
  assert.ok(known !== undefined, `a damaged ${home.name} shows version ${db.version}, which never was`);
  const difference = differenceOf(shown, known.contents, { moment: world.time.latest });
  assert.equal(difference, undefined, `a damaged ${home.name} at version ${db.version}`);
}

/** Every entry that a repair brings back was there once; the database works again. */
async function repairRotten(world: World, home: Home, image: MemoryFileSystem): Promise<void> {
  try {
    const { encoding: keyEncoding, clock } = home.settings;
    await DB.repair(home.name, { fileSystem: image, keyEncoding, clock });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    world.note(`repair refuses: ${error}`);
    world.count(`repair refused: ${error.code}`);
    return;
  }
  const db = await openCopy(home, image);
  try {
    assert.deepEqual((await db.verify()).problems, [], "verify() after a repair");
    const shown = contentsOf(db);
    for (const [id, row] of shown.entries) {
      // It may never have been seen: a clock that was set back shows what had expired when it was written.
      if (row.expiresAt !== undefined && row.expiresAt <= world.time.latest) continue;
      assert.ok(wasThere(world, home, id, row.text, row.version), `repair brings back ${id}, which never was so`);
    }
    await db.set(home.settings.encoding === "utf8" ? "on" : new Uint8Array([1]), "it goes");
  } finally {
    await db.close();
  }
}

/** Whether an entry with that text was there, at that version where it says one. */
export function wasThere({ chronicle }: World, home: Home, id: string, text: string, version: number): boolean {
  // The commit of files that a restore took in is in the manifest alone; without it their rows are the oldest of all. And a
  // namespace whose name is lost gets one of repair's.
  const isRenamed = id.startsWith("recovered-");
  if (version === 0 || isRenamed) {
    const key = id.slice(id.indexOf(":"));
    const states = [...chronicle.lines.values()].flatMap((line) => [...line.states.values()]);
    return states.some(({ contents: { entries } }) =>
      isRenamed
        ? [...entries].some(([other, row]) => row.text === text && other.slice(other.indexOf(":")) === key)
        : entries.get(id)?.text === text
    );
  }
  for (let at = version; at <= home.version; at++) {
    const row: Contents["entries"] extends Map<string, infer Row> ? Row | undefined : never = chronicle.state(
      home.lineage,
      at,
    )?.contents.entries.get(id);
    if (row !== undefined && row.version === version) return row.text === text;
  }
  return false;
}

/** One object of a repository is damaged, or lost. */
export async function rotRepository(world: World): Promise<void> {
  const { random, first } = world;
  await world.quiet();
  const store = await first.copied();
  const all = (await allKeys(store, "")).map(({ key }) => key);
  // Whoever held them is not there.
  for (const key of all) if (key.startsWith("locks/")) await store.delete(key);
  const key = random.pick(all.filter((each) => !/^(locks|audit|gc)\//.test(each)));
  const found = (await store.get(key))!;
  const bytes = await bytesOf(found.body);
  const lost = random.chance(0.3) || bytes.length === 0;
  if (lost) await store.delete(key);
  else await store.put(key, randomDamage(bytes, random.next));
  world.note(`${key} is ${lost ? "lost" : "damaged"} in a copy`);
  world.count("objects of repositories rotten");
  const [encryption] = first.secrets;
  let repo: BackupRepository;
  try {
    const options = { clock: world.time.clock, timers: world.time, createIfMissing: false };
    repo = await BackupRepository.open(store, encryption === undefined ? options : { ...options, encryption });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    world.count(`rotten repository: is not opened, ${error.code}`);
    return;
  }
  try {
    const report = await repo.verify(undefined, { read: "all" });
    if (report.ok) world.count("rotten repository: nothing that counts");
    else await repo.repair();
    world.count("rotten repository: repaired");
    const place: Place = Object.create(first, { repo: { value: repo }, backups: { value: new Map() } });
    await check(world, place, { share: 0.1, times: 1 });
  } finally {
    await repo.close();
  }
}
