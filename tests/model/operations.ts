/** All that may happen in a run, and how often. */
import { assertEntry, readKey, readRange } from "./compare.ts";
import { backUp, exportCopy, restore, restoreBeside, streamCopy } from "./copies.ts";
import { readChanges, useFollower } from "./follower.ts";
import { useList } from "./held_list.ts";
import { accident, compact, compareAll, flush, inspect, readBeside, reopen } from "./maintenance.ts";
import { useSnapshot } from "./snapshots.ts";
import { transact, transactAtOnce } from "./transactions.ts";
import { keyName, randomKey } from "./values.ts";
import { useWatch } from "./watch_pair.ts";
import type { World } from "./world.ts";
import { writeBurst, writeMany, writeOne } from "./writes.ts";

/** Something that is done to database and model, and compared. */
export type Operation = (world: World) => void | Promise<void>;

/** Each with its weight. */
export const OPERATIONS: readonly (readonly [weight: number, Operation])[] = [
  [300, writeOne],
  [40, writeBurst],
  [15, writeMany],
  [60, transact],
  [6, transactAtOnce],
  [220, readOne],
  [110, readSome],
  [70, useSnapshot],
  [60, useList],
  [60, useWatch],
  [30, useFollower],
  [10, readChanges],
  [60, (world) => world.passTime()],
  [8, compact],
  [8, flush],
  [3, compareAll],
  [3, inspect],
  [5, reopen],
  [5, accident],
  [3, readBeside],
  [3, exportCopy],
  [2, streamCopy],
  [4, backUp],
  [4, restore],
  [2, restoreBeside],
];

async function readOne(world: World): Promise<void> {
  await readKey(world, world.pickSpace(), world.model.at(world.point()));
}

async function readSome(world: World): Promise<void> {
  await readRange(world, world.pickSpace(), world.model.at(world.point()));
}

/** After every step: one key at present. */
export function glance(world: World): void {
  const { handle, name, encoding } = world.pickSpace();
  const key = randomKey(world.random, world.pool, encoding);
  assertEntry(handle.getEntrySync(key), world.model.at(world.point()).get(name, keyName(key)), `${name}:${key}`);
}
