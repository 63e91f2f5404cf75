/**
 * Damage that a run lives on with: files of a database or objects of a repository are damaged or lost for good, what is
 * left is repaired, and backups, replication and prunings go on over that.
 */
import assert from "node:assert/strict";
import { DB } from "../../../mod.ts";
import { HoldfastError } from "../../../lib/base/errors.ts";
import { randomDamage } from "../../../lib/files/memory/memory_file_system.ts";
import { writeSynced } from "../../../lib/files/publish.ts";
import { readFile } from "../../../lib/files/read.ts";
import { die } from "./accidents.ts";
import { recount } from "./backups.ts";
import { elsewhere, giveUp } from "./beside.ts";
import { copyBack } from "./forks.ts";
import type { Home } from "./home.ts";
import { FAULTY, type Operation } from "./operations.ts";
import type { Place } from "./place.ts";
import { wasThere } from "./rot.ts";
import { contentsOf } from "./contents.ts";
import { attempt } from "./tasks.ts";
import type { World } from "./world.ts";

/** What happens in runs in which damage is lived on with, each with its weight. */
export const MENDING: readonly (readonly [weight: number, Operation])[] = [
  ...FAULTY,
  [5, mendDatabase],
  [5, (world) => mendRepository(world, world.random.chance(0.7) ? world.first : world.second)],
  [5, giveUp],
  [4, elsewhere],
  [3, copyBack],
];

/** Files of an open database's directory that hold it. */
async function filesOf({ disk }: World, { name: home }: Home): Promise<string[]> {
  const files: string[] = [];
  for (const name of await disk.list(home)) {
    const found = await disk.stat(`${home}/${name}`);
    if (found?.kind === "file" && found.size > 0 && !/LOCK|RESERVE/.test(name)) files.push(`${home}/${name}`);
  }
  return files;
}

/** A database loses files, is repaired, and goes on; one that can't be repaired is given up. */
export async function mendDatabase(world: World): Promise<void> {
  const { random, disk, homes } = world;
  const home = world.pickHome();
  const { replication, settings } = home;
  home.replication = undefined;
  world.catchUp();
  await attempt(
    world,
    "stop its replication",
    { places: [world.first, world.second] },
    async () => await replication?.stop(),
  );
  await home.db.close();
  const kind = random.pick(["any", "any", "manifest", "log", "sst", "blob"] as const);
  for (let i = random.between(1, 2); i > 0; i--) {
    const all = await filesOf(world, home);
    const some = kind === "any" ? all : all.filter((file) => file.toLowerCase().includes(kind));
    const path = random.pick(some.length > 0 ? some : all);
    const lost = random.chance(0.4);
    world.note(`${path} is ${lost ? "lost" : "damaged"}`);
    // A copy may share the file.
    const bytes = await readFile(disk, path, Infinity);
    await disk.remove(path);
    if (!lost) await writeSynced(disk, path, randomDamage(bytes, random.next));
  }
  world.count("databases mended");
  try {
    const { lost, setAside, kept } = await DB.repair(home.name, {
      fileSystem: disk,
      keyEncoding: settings.encoding,
      clock: settings.clock,
    });
    world.note(`${home.name} is repaired: ${kept} kept, ${lost.length} lost, ${setAside.length} set aside`);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    world.note(`repair refuses: ${error}`);
    world.count("databases given up");
    homes.splice(homes.indexOf(home), 1);
    if (homes.length === 0) await world.addHome(world.newPath(), settings.encoding);
    return;
  }
  const { lineage, version } = home;
  const before: Home = Object.create(home, { lineage: { value: lineage }, version: { value: version } });
  home.beginAnew();
  await home.open(disk);
  if (home.lineage === lineage && home.version === version) return;
  for (const [id, row] of contentsOf(home.db).entries) {
    if (row.expiresAt !== undefined && row.expiresAt <= world.time.latest) continue;
    assert.ok(wasThere(world, before, id, row.text, row.version), `repair brings back ${id}, which never was so`);
  }
}

/** A repository loses objects, is repaired, be it that it takes two tries, and goes on. */
export async function mendRepository(world: World, place: Place): Promise<void> {
  const { random } = world;
  await world.quiet();
  // Behind what the dead hold.
  if (world.mayBeLocked) world.time.step(world.lingering - world.time.clock() + 1);
  const kind = random.pick([/./, /./, /^heads\//, /^log\//, /^objects\//, /^backups\//]);
  for (let i = random.pick([1, 1, 1, 2, 4]); i > 0; i--) {
    const all = (await place.keys()).filter((each) => !/^(locks|audit|gc|keys|pins)\/|^repository\.json$/.test(each));
    const some = all.filter((each) => kind.test(each));
    if (all.length === 0) break;
    const key = random.pick(some.length > 0 ? some : all);
    const lost = random.chance(0.5);
    world.note(`${place.name}: ${key} is ${lost ? "lost" : "damaged"}`);
    await place.damage(
      key,
      lost ? () => undefined : (bytes) => bytes.length === 0 ? undefined : randomDamage(bytes, random.next),
    );
  }
  world.count("repositories mended");
  world.mended = true;
  if (random.chance(0.2)) {
    place.dieAt(random.between(1, 120), "die");
    world.leaveLeases();
  }
  const work = () => place.repo.repair();
  // A replication may move a head under it.
  const beside = world.homes.some(({ replication }) => replication !== undefined);
  let done = await attempt(world, `${place.name}: repair`, { places: [place], beside }, work);
  if (place.store.dead) {
    await die(world, random.pick(["kill", "power"]));
    done = await attempt(world, `${place.name}: repair again`, { places: [place] }, work);
    if (done === undefined) {
      // Leases of the dead.
      world.time.step(3_600_000);
      done = await attempt(world, `${place.name}: repair at last`, { places: [place] }, work);
    }
  } else {
    place.heal();
    await world.quiet();
    if (beside) done ??= await attempt(world, `${place.name}: repair again`, { places: [place] }, work);
  }
  assert.ok(done !== undefined, `${place.name} is repaired`);
  const { repaired, lostBackups, setAside } = done.value;
  world.note(`${place.name}: ${repaired.join("; ")}; lost ${lostBackups.map(({ id }) => id)}, aside ${setAside}`);
  await recount(place, true);
  const report = await place.repo.verify(undefined, { read: "all" });
  assert.deepEqual(report.problems, [], `${place.name}: verify() after a repair`);
}
