/** Snapshots held for a while. */
import assert from "node:assert/strict";
import type { Key, Snapshot } from "../../mod.ts";
import { assertAll, readKey, readRange, type ReadSpace } from "./compare.ts";
import type { ModelPoint } from "./model.ts";
import type { SpaceHandle, World } from "./world.ts";

/** A snapshot, and the point at which the model shows the same. */
export interface HeldSnapshot {
  snapshot: Snapshot<Key>;
  point: ModelPoint;
}

function inside({ snapshot }: HeldSnapshot, { handle, name, encoding }: SpaceHandle): ReadSpace {
  return { handle: snapshot.in(handle), name, encoding };
}

/** Takes a snapshot, reads from one, or lets one go after a last look at all of it. */
export async function useSnapshot(world: World): Promise<void> {
  const { random, model, snapshots } = world;
  if (snapshots.length === 0 || (snapshots.length < 4 && random.chance(0.15))) {
    const snapshot = world.pickSpace().handle.snapshot();
    const point = world.point();
    assert.equal(snapshot.version, point.version, "the snapshot's version");
    assert.equal(snapshot.timestamp, model.timestamp, "the snapshot's time");
    snapshots.push({ snapshot, point });
    return;
  }
  const at = random.below(snapshots.length);
  const held = snapshots[at]!;
  const view = model.at(held.point);
  if (random.chance(0.1)) {
    world.note(`release the snapshot of version ${held.point.version}`);
    const spaces = world.spaces.map((space) => inside(held, space));
    assertAll(spaces, view, `the snapshot of version ${held.point.version}`);
    held.snapshot.release();
    snapshots.splice(at, 1);
    return;
  }
  const space = inside(held, world.pickSpace());
  for (let i = 0; i < 3; i++) await readKey(world, space, view);
  await readRange(world, space, view);
}
