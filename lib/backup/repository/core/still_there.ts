/**
 * That a repository is still one where something begins in it: a store that was emptied takes whatever is put.
 *
 * @module
 */
import { IntegrityError } from "../../../base/errors.ts";
import type { RepositoryContext } from "./context.ts";
import { REPOSITORY_KEY } from "./layout.ts";

/**
 * Refuses to begin anything where `repository.json` is gone: nobody could open what is made there. For whoever finds nothing
 * where something was or may be; others find out by what they miss.
 */
export async function assertStillThere({ store, name }: RepositoryContext): Promise<void> {
  if (await store.head(REPOSITORY_KEY) !== undefined) return;
  throw new IntegrityError(
    `Cannot go on in ${name}: its ${REPOSITORY_KEY} is gone, as if all had been removed there, and without it nobody could open ` +
      "what is put there; put it back from another copy, or run repair while it is open here, and add a key if it is encrypted",
    { path: REPOSITORY_KEY },
  );
}
