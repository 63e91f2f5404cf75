/**
 * The errors of an id that a new backup can't have.
 *
 * @module
 */
import { ExistsError, RepositoryLockedError } from "../../../base/errors.ts";
import type { RepositoryContext } from "../core/context.ts";

/** Another backup has it. */
export function idTaken({ name }: RepositoryContext, id: string): ExistsError {
  return new ExistsError(`Cannot make backup ${id}: ${name} has one of that id; choose another (EXISTS)`);
}

/** A pruning or a repair has marked the backup that has it, or had. Marks of one that was killed go with the next pruning. */
export function idGoing({ name }: RepositoryContext, id: string): RepositoryLockedError {
  return new RepositoryLockedError(
    `Cannot make backup ${id}: a pruning of ${name}, or a repair, is about to delete the one of that id; try again when that is ` +
      "done, or, where it was killed, behind another pruning; or choose another id (REPOSITORY_LOCKED)",
  );
}
