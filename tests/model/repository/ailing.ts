/** Disks that fail while work goes on, fill up, or end it. */
import {
  type DiskFaultKind,
  type Operation as DiskOperation,
  randomDiskFault,
} from "../../../lib/files/memory/memory_file_system.ts";
import { die } from "./accidents.ts";
import { whileAiling } from "./disk_fault.ts";
import type { Operation } from "./operations.ts";
import { isOfStore } from "./tasks.ts";
import type { World } from "./world.ts";

const KINDS: readonly (readonly DiskFaultKind[])[] = [
  ["fail", "lose", "tear", "full"],
  ["fail"],
  ["lose"],
  ["tear"],
  ["full"],
];

/** Does a few things while calls on the disks fail now and then, or until one ends the process or the power. */
export async function ailing(world: World, choose: () => Operation): Promise<void> {
  const { random, chance, disk, first, second } = world;
  const ends = random.chance(0.4) ? random.pick(["kill", "cut"] as const) : undefined;
  let heal: () => void;
  if (ends === undefined) {
    const kinds = random.pick(KINDS);
    const fault = whileAiling(world, randomDiskFault(chance.next, random.pick([0.002, 0.01, 0.05]), kinds));
    world.note(`disks fail: ${kinds}`);
    for (const kind of kinds) world.count(`disk: ${kind}`);
    heal = disk.inject(fault);
    for (const place of [first, second]) place.ail(fault);
  } else {
    let calls = random.pick([random.between(1, 20), random.between(1, 400)]);
    world.note(`the disk: ${ends} at call ${calls} from now`);
    world.count(`disk: ${ends}`);
    const at = ({ mutates }: DiskOperation): boolean => mutates && --calls === 0;
    heal = disk.inject({ at, do: ends });
  }
  world.ails = true;
  world.leaveLeases();
  for (let i = random.between(1, 6); i > 0 && disk.powered && !disk.killed; i--) {
    try {
      await choose()(world);
    } catch (error) {
      if (!isOfStore(error)) throw error;
      world.note(`failed: ${error}`);
    }
  }
  await world.quiet();
  heal();
  for (const place of [first, second]) place.heal();
  const power = ends === "cut" || (ends === undefined && random.chance(0.5));
  await die(world, power ? "power" : "kill", () => world.ails = false);
}
