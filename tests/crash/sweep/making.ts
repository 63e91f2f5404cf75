/** Work that makes one thing (a copy, a backup, a new database): whole or absent after every accident, and done again. */
import assert from "node:assert/strict";
import { DB } from "../../../mod.ts";
import { CorruptionError, ReadOnlyError } from "../../../lib/base/errors.ts";
import type { MemoryFileSystem } from "../../../lib/files/memory/memory_file_system.ts";
import { long, PATH, stateOf, withoutVersions } from "../public_database.ts";
import { errorOf, type Scenario } from "./sweep.ts";
import type { Trial, World } from "./trial.ts";

/** What is made, and how. */
export interface Making {
  name: string;
  /** The destination: a file by its extension, else a directory. */
  to: string;
  /** Whether something of the kind is there already, which is to be replaced: an earlier state, or another database. */
  earlier: false | "same" | "other";
  /** Makes it: of the open database, or of `SOURCE` when there is none. */
  make(disk: MemoryFileSystem, db: DB | undefined, overwrite: boolean): Promise<unknown>;
  /** What it is made from, when not from the open database: made of one beforehand. */
  source?: { path: string; make(db: DB, path: string): Promise<unknown> };
}

interface Before {
  /** What the database held when the earlier copy was made, and what it holds. */
  earlier: string;
  now: string;
}

/** Writes that leave tables, blobs, log, tags and a namespace. */
export async function fill(db: DB, label: string): Promise<void> {
  const { length } = label;
  await db.set("user/1", { name: label }, { tags: ["admin", "old"] });
  await db.set("large", long(`a large value, ${label}`), { tags: ["new"] });
  await db.flush();
  await db.setMany([["a", label], ["b", length], { key: "c", value: "three", tags: ["old"] }]);
  await db.namespace("log").set(label, { of: "a namespace" }, { tags: ["new"] });
}

/** The scenario of a making. */
export function scenarioOf(making: Making): Scenario<Before> {
  return {
    name: making.name,
    async prepare({ disk, machine }) {
      const db = await DB.open(PATH, machine.options(disk));
      await fill(db, "before");
      let earlier = await stateOf(db);
      if (making.earlier === "same") await makeEarlier(db, disk, making);
      if (making.earlier === "other") earlier = await makeOther({ disk, machine }, making.to);
      await fill(db, "now");
      await db.compact();
      await db.delete("a");
      await db.set("z", long("in the log"));
      const now = await stateOf(db);
      await making.source?.make(db, making.source.path);
      await db.close();
      return { earlier, now };
    },
    run: (trial, before) => run(trial, before, making),
  };
}

async function makeEarlier(db: DB, disk: MemoryFileSystem, { source, to, make }: Making): Promise<void> {
  if (source === undefined) return void await make(disk, db, false);
  // Another history than the source's, so that files that have a name in common differ.
  await db.export("/earlier.tar");
  await DB.restore("/earlier.tar", to, { fileSystem: disk });
  await disk.remove("/earlier.tar");
}

async function makeOther({ disk, machine }: World, to: string): Promise<string> {
  const db = await DB.open(to, machine.options(disk));
  for (const label of ["another", "more", "again"]) await fill(db, label);
  const state = await stateOf(db);
  await db.close();
  return state;
}

async function run(trial: Trial, before: Before, making: Making): Promise<void> {
  const { to, earlier } = making;
  const fromDatabase = making.source === undefined;
  const open = ({ disk, machine }: World): Promise<DB> | undefined =>
    fromDatabase ? DB.open(PATH, machine.options(disk)) : undefined;
  let db = await open(trial);
  trial.arm();
  const error = await errorOf(trial, making.make(trial.disk, db, earlier !== false));
  if (db !== undefined && trial.broken) await checkReading(trial, db, before.now);
  trial.disarm();
  if (db !== undefined && !trial.dead) assert.equal(await stateOf(db), before.now);
  const names = trial.dead ? [] : await trial.disk.list("/");
  const world = trial.next();
  const found = await contentsOf(world, to);
  const allowed = error === undefined && trial.hit === undefined || error === undefined
    ? [before.now]
    : [before.now, earlier ? before.earlier : undefined];
  assert.ok(
    allowed.some((one) => sameContents(one, found)),
    `${error === undefined ? "done" : `failed with ${error.code}`}, and ${to} holds ${found}`,
  );
  if (error !== undefined && !trial.dead) checkLeftovers(trial, names);
  // The database it came from goes on.
  let reopen = trial.dead;
  if (db !== undefined && !trial.dead) {
    reopen = await db.set("after", error === undefined ? 1 : 2).then(() => false, (refusal) => {
      assert.ok(refusal instanceof ReadOnlyError, `${refusal}`);
      assert.ok([...trial.hitPaths].some((path) => path.startsWith(`${PATH}/`)), "its own files are well");
      return true;
    });
  }
  if (reopen) {
    await db?.close().catch(() => {});
    db = await open(world);
    await db?.set("after", 3);
  }
  const now = db === undefined ? before.now : await stateOf(db);
  await making.make(world.disk, db, found !== undefined);
  assert.ok(sameContents(now, await contentsOf(world, to)), "made again");
  await contentsOf({ ...world, disk: world.disk.fork({ keep: "none" }) }, to).then((kept) =>
    assert.ok(sameContents(now, kept), "made again, and kept through a power cut")
  );
  if ((await world.disk.stat(to))?.kind === "directory") {
    assert.deepEqual((await world.disk.list(to)).filter((name) => name.startsWith(".stage-")), []);
  }
  if (db !== undefined) assert.deepEqual((await db.verify()).problems, []);
  await db?.close();
}

/** Reading goes on beside what is broken; where reads fail too, they say so. */
export async function checkReading(trial: Trial, db: DB, expected: string): Promise<void> {
  let found: string | undefined;
  const error = await errorOf(trial, stateOf(db).then((state) => found = state));
  if (error === undefined) assert.equal(found, expected);
  else assert.ok(trial.readsFail || trial.dead, `reading fails as well: ${error}`);
}

/** A failure that is told leaves nothing behind, unless it was in the way of tidying up as well. */
function checkLeftovers({ hit, kind }: Trial, names: readonly string[]): void {
  if (kind.lasts || kind.name.includes("after a change") || hit!.name.startsWith("remove")) return;
  assert.deepEqual(names.filter((name) => name.endsWith(".tmp")), [], "nothing half done is left");
}

/** What the thing holds, looked at on a copy of the disk; undefined when it is not there. */
async function contentsOf({ disk, machine }: World, to: string): Promise<string | undefined> {
  const copy = disk.fork({ keep: "all" });
  const info = await copy.stat(to);
  if (info === undefined) return undefined;
  let path = to;
  if (info.kind === "file") {
    path = "/looked-at";
    await DB.restore(to, path, { fileSystem: copy });
  } else if (!await DB.exists(to, { fileSystem: copy })) {
    const former = (await copy.list(to)).find((name) => /^\.stage-.*-old$/.test(name));
    if (former === undefined) return undefined;
    await assert.rejects(DB.open(to, machine.fork().options(copy)), CorruptionError, "no empty one in its place");
    path = `${to}/${former}`;
  }
  const db = await DB.open(path, machine.fork().options(copy));
  try {
    assert.deepEqual((await db.verify()).problems, [], `verify of ${to}`);
    return await stateOf(db);
  } finally {
    await db.close();
  }
}

function sameContents(expected: string | undefined, found: string | undefined): boolean {
  if (expected === undefined || found === undefined) return expected === found;
  return withoutVersions(expected) === withoutVersions(found);
}
