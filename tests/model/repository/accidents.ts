/** What goes wrong: stores that fail, processes that die, disks without power, clocks that are set. */
import assert from "node:assert/strict";
import { BackupRepository } from "../../../mod.ts";
import { DecryptionError } from "../../../lib/base/errors.ts";
import { randomDiskFault } from "../../../lib/files/memory/memory_file_system.ts";
import type { Home } from "./home.ts";
import type { Place } from "./place.ts";
import { whileAiling } from "./disk_fault.ts";
import { attempt, isOfStore } from "./tasks.ts";
import type { World } from "./world.ts";

/** The program ends, and begins again. */
export async function die(world: World, kind: "kill" | "power", ended: () => void = () => {}): Promise<void> {
  const { random, disk, homes, first, second } = world;
  world.note(kind === "power" ? "the power goes" : "the process is killed");
  world.catchUp();
  world.leaveLeases();
  for (const place of [first, second]) place.end(kind === "power");
  const next = kind === "power"
    ? disk.crash({ keep: random.pick(["none", "random", "scattered"]), random: random.next }, world.diskOptions)
    : disk.otherProcess();
  if (kind === "kill") disk.kill();
  for (const home of homes) {
    await home.replication?.stop().catch(() => {});
    home.replication = undefined;
    await home.db.close().catch(() => {});
  }
  ended();
  world.disk = next;
  world.simulation.beginProcess();
  for (const home of homes) await revive(world, home, kind);
  for (const place of [first, second]) await place.open();
}

/** Opens a database after an accident; now and then the disk fails at that too. */
async function revive(world: World, home: Home, kind: "kill" | "power"): Promise<void> {
  const { random, chance, disk } = world;
  if (world.faulty && random.chance(0.2)) {
    const probability = random.pick([0.01, 0.05, 0.2]);
    world.note(`${home.name} is opened while calls on the disk fail, ${probability}`);
    world.count("faults in recovery");
    const heal = disk.inject(whileAiling(world, faultsOf(chance.next, probability, home)));
    world.ails = true;
    const opened = await home.open(disk, kind).then(() => true, (error) => {
      if (isOfStore(error)) return false;
      throw error;
    });
    heal();
    world.ails = false;
    // What it shows by now was shown.
    if (opened) home.note();
    await home.db?.close().catch(() => {});
  }
  await home.open(disk, kind);
}

/** Faults of the files of one database. */
function faultsOf(random: () => number, probability: number, { name }: Home): ReturnType<typeof randomDiskFault> {
  const fault = randomDiskFault(random, probability);
  return { ...fault, at: (operation) => operation.path.startsWith(`${name}/`) && fault.at(operation) };
}

/** One database is closed and opened again. */
export async function reopen(world: World, home: Home): Promise<void> {
  const { replication } = home;
  home.replication = undefined;
  world.note(`reopen ${home.name}`);
  world.catchUp();
  if (world.random.chance(0.8)) {
    await attempt(world, "stop its replication", { places: [world.first] }, async () => await replication?.stop());
    await home.db.close();
  } else {
    await home.db.close();
    await replication?.stop().catch(() => {});
  }
  await home.open(world.disk, "close");
}

/** A repository is closed, with its replications, and opened again. */
export async function reopenPlace(world: World, place: Place): Promise<void> {
  world.note(`reopen the ${place.name} repository`);
  await attempt(world, "close it", { places: [place] }, () => place.repo.close());
  if (place === world.first) { for (const home of world.homes) home.replication = undefined; }
  await place.open();
}

/** Secrets that were given up open nothing. */
export async function checkSecrets(place: Place): Promise<void> {
  const [lost] = place.lost;
  if (lost === undefined) return;
  await assert.rejects(
    BackupRepository.open(place.store, { encryption: lost }),
    (error) => error instanceof DecryptionError,
    `${place.name}: a key that was given up`,
  );
}

/** Lets time go by, so that timers fire, or sets the clock. */
export async function passTime(world: World): Promise<void> {
  const { random, time } = world;
  const how = random.weighted([[6, "pass"], [2, "forward"], [1, "back"]] as const);
  if (how === "pass") {
    const ms = random.pick([1000, 11_000, 70_000, 3_700_000]);
    world.note(`${ms} ms go by`);
    await time.advance(ms, () => world.quiet());
    await world.quiet();
    return;
  }
  const ms = random.pick([1, 500, 60_000, 3_600_000, 86_400_000]);
  world.note(`the clock is set ${how} by ${ms}`);
  time.step(how === "forward" ? ms : -Math.min(ms, 3_600_000));
}

/** A database forgets the repository. */
export async function dropSlot(world: World, home: Home): Promise<void> {
  const { id } = world.first.repo;
  if (home.replication !== undefined || !home.db.slots().some((slot) => slot.id === id)) return;
  world.note(`${home.name} drops its slot`);
  await home.db.dropSlot(id);
}
