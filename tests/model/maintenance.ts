/** What keeps a database going: flushing, compaction, closing and opening, accidents, checks. */
import assert from "node:assert/strict";
import { DB, type Key } from "../../mod.ts";
import { assertAll, assertNames, randomRange } from "./compare.ts";
import type { World } from "./world.ts";
import { writeOne } from "./writes.ts";

/** Compacts everything or a range of the root. */
export async function compact(world: World): Promise<void> {
  const { random, db } = world;
  const range = random.chance(0.5) ? undefined : randomRange(world, world.spaces[0]!.encoding, false).given;
  world.note(range === undefined ? "compact" : "compact a range");
  await db.compact(range);
}

/** Makes all so far durable. */
export async function flush(world: World): Promise<void> {
  world.note("flush");
  await world.db.flush();
  world.allDurable();
}

/** Compares everything there is with the model. */
export function compareAll(world: World): void {
  const { model, spaces } = world;
  assertAll(spaces, model.at(world.point()), "at present");
  assertNames(spaces, model.namesAt(model.version), "at present");
  for (const { snapshot, point } of world.snapshots) {
    const inside = spaces.map(({ handle, name, encoding }) => ({ handle: snapshot.in(handle), name, encoding }));
    assertAll(inside, model.at(point), `the snapshot of version ${point.version}`);
  }
}

/** Closes the database and opens it again: everything must be there. */
export async function reopen(world: World): Promise<void> {
  world.note("reopen");
  const waiting = world.db.watch()[Symbol.asyncIterator]().next();
  await world.letGo();
  const { db } = world;
  await db.close();
  assert.deepEqual(await waiting, { value: undefined, done: true }, "closing ends a watch");
  assert.equal(db.closed, true);
  world.allDurable();
  await world.open();
  world.assertVersion();
}

/** The power goes or the process ends, without warning: some commits may be gone, the newest first, no acknowledged one. */
export async function accident(world: World): Promise<void> {
  const { random, disk, model } = world;
  if (disk.accident === undefined) return await reopen(world);
  const kind = random.pick(["power", "kill"] as const);
  const { db } = world;
  await world.letGo();
  disk.accident(kind, random);
  await db.close().catch(() => {});
  await world.open();
  const { version } = world.db;
  world.note(`${kind === "power" ? "power cut" : "killed"}, back at ${version}`);
  assert.ok(
    version >= (kind === "power" ? world.durable : world.written),
    `version ${version} lacks what was promised`,
  );
  assert.ok(version <= model.version, `version ${version} never was`);
  model.truncate(version);
  world.allDurable();
  world.assertVersion();
  compareAll(world);
}

/** Reads and checks every file, and asks for figures. */
export async function inspect(world: World): Promise<void> {
  const { db } = world;
  world.note("verify");
  const report = await db.verify();
  assert.deepEqual(report.problems, []);
  assert.equal(report.ok, true);
  world.allDurable();
  const stats = db.stats();
  assert.equal(stats.version, world.model.version);
  assert.equal(stats.failure, undefined);
  const { given } = randomRange(world, world.spaces[0]!.encoding, false);
  const size = await db.sizeOf(given as { prefix?: Key });
  assert.ok(size >= 0 && size <= stats.tableBytes + stats.blobBytes + 1000, `sizeOf is ${size}`);
}

/** Another process reads beside the writer: a state between what was handed to the system and the newest. */
export async function readBeside(world: World): Promise<void> {
  const { disk, model, random } = world;
  if (disk.beside === undefined) return;
  world.note("read beside");
  const reader = await DB.open<Key>(world.path, {
    ...world.copyOptions(),
    readOnly: true,
    fileSystem: disk.beside(),
  });
  try {
    const spaces = world.spacesOf(reader);
    let seen = world.written;
    for (let i = random.between(1, 3); i > 0; i--) {
      const { version } = reader;
      assert.ok(version >= seen && version <= model.version, `a reader beside sees version ${version}`);
      assertAll(spaces, model.at(world.point(version)), `beside, at version ${version}`);
      assertNames(spaces, model.namesAt(version), `beside, at version ${version}`);
      for (let writes = random.below(30); writes > 0; writes--) await writeOne(world);
      // It goes on to show what it showed, whatever the writer does.
      assert.equal(reader.version, version);
      assertAll(spaces, model.at(world.point(version)), `beside, still at version ${version}`);
      seen = world.written;
      await reader.refresh();
    }
  } finally {
    await reader.close();
  }
}
