/** What is tried, and which failures of it are no failures of the database. */
import {
  ClosedError,
  HoldfastError,
  IOError,
  NoSpaceError,
  ReadOnlyError,
  RepositoryLockedError,
  StorageError,
} from "../../../lib/base/errors.ts";
import type { Place } from "./place.ts";
import type { World } from "./world.ts";

/** What else goes on while something is tried. */
export interface Circumstances {
  /** The repositories that take part. */
  places: readonly Place[];
  /** Others work on them at the same time. */
  beside?: boolean;
}

/** Resolves to what `work` does; undefined, when it failed and was allowed to. */
export async function attempt<T>(
  world: World,
  what: string,
  { places, beside = false }: Circumstances,
  work: () => Promise<T>,
  also: (error: unknown) => boolean = () => false,
): Promise<{ value: T } | undefined> {
  world.note(what);
  const busy = beside || places.some(isBusy);
  try {
    const value = await work();
    return { value };
  } catch (error) {
    const failing = world.ails || places.some((place) => place.failing);
    if (failing) world.leaveLeases();
    world.note(`${what} failed: ${error instanceof Error ? `${error.name} ${error.message}` : error}`);
    if (failing && isOfStore(error)) return undefined;
    // A listing that lacks what is there is noticed, and nothing is done by it.
    if (places.some((place) => place.stale) && hasCode(error, "INTEGRITY", "NOT_FOUND", "GAP")) return undefined;
    if (error instanceof RepositoryLockedError && (busy || world.mayBeLocked)) return undefined;
    if (also(error)) return undefined;
    if (world.mended && await doAsTold(world, { places, beside }, error)) return undefined;
    throw error;
  }
}

/** What errors say that is to be done, where a repository has lost heads and log. */
export async function doAsTold(world: World, circumstances: Circumstances, error: unknown): Promise<boolean> {
  const { places } = circumstances;
  const told = `${error}`;
  const isMissing = hasCode(error, "INTEGRITY");
  if (
    isMissing &&
    /log that it counted is there; run repair|archived log that it has to count; run verify, then repair/.test(told)
  ) {
    for (const { name, repo } of places) {
      await attempt(world, `${name}: repair, as told`, circumstances, () => repo.repair());
    }
    world.count("told: repair");
    return true;
  }
  if (isMissing && /an older state of the repository has been put back; db\.dropSlot/.test(told)) {
    for (const { db, replication } of world.homes) {
      if (replication !== undefined) continue;
      for (const { repo } of places) if (db.slots().some(({ id }) => id === repo.id)) await db.dropSlot(repo.id);
    }
    world.count("told: dropSlot");
    return true;
  }
  // Begun anew where a head was lost, and not in the copy.
  if (!hasCode(error, "LINEAGE") || !/neither goes on where the other ends/.test(told)) return false;
  world.count("told: copy into another repository");
  return true;
}

/** Whether something goes on that nobody waits for: a base of a replication. */
export function isBusy({ repo }: Place): boolean {
  return repo.status().activities.length > 0;
}

/** What a store or a disk that fails, or a process that dies, may lead to. */
export function isOfStore(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(isOfStore);
  return error instanceof StorageError || error instanceof IOError || error instanceof ClosedError ||
    error instanceof RepositoryLockedError || error instanceof NoSpaceError || error instanceof ReadOnlyError;
}

/** Whether an error is Holdfast's, with this code. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof HoldfastError && codes.includes(error.code);
}
