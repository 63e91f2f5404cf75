/**
 * Whether a repository's handle is still open: asked at each call that is given one, of this class or of another. What is
 * under way when it is closed goes on.
 *
 * @module
 */
import type { RepositoryHandle } from "../../backup/repository/mod.ts";
import { ClosedError } from "../../base/errors.ts";

const closed = new WeakSet<object>();

/** From now on the handle is closed. */
export function closeHandle(handle: RepositoryHandle): void {
  closed.add(handle);
}

/** Throws `ClosedError` for a handle that was closed; anything else passes. */
export function assertOpenHandle(call: string, given: unknown): void {
  if (typeof given !== "object" || given === null || !closed.has(given)) return;
  const { name } = given as RepositoryHandle;
  throw new ClosedError(`Cannot ${call}: the repository ${name} is closed; open it again (CLOSED)`);
}
