/**
 * Taking back what was made when a backup is given up: as a pruning deletes (`gc.ts`), marked first.
 *
 * @module
 */
import { toHex } from "../../../base/bytes.ts";
import { knownObjects, readBackups } from "../core/catalog.ts";
import type { RepositoryContext } from "../core/context.ts";
import { writeDocument } from "../core/documents.ts";
import { PART } from "../core/layout.ts";
import { clearLeases, type Lease } from "../core/lease.ts";
import { markKey, UNSETTLED } from "../pruning/gc.ts";

/**
 * Deletes objects that one who gives up has just made, and who holds `lease`. Others may have found them by now: what is
 * referred to stays, and all of it, for the next pruning, as long as anybody else is at work.
 */
export async function takeBack(context: RepositoryContext, keys: readonly string[], lease: Lease): Promise<void> {
  if (keys.length === 0) return;
  const id = toHex(context.randomBytes(8));
  const mark = { id, markedAt: context.clock(), keys: [...keys], leases: [UNSETTLED] };
  await writeDocument(context, "gc", markKey(id), mark);
  if ((await clearLeases(context, lease.name)).length === 0) {
    const { referenced } = await knownObjects(context, await readBackups(context), false);
    // Who breaks the lease from here on leaves what is marked, however long the deletes take.
    await lease.assertHeld(true);
    for (const key of keys) if (!referenced.has(key.slice(PART.objects.length))) await context.store.delete(key);
  }
  await context.store.delete(markKey(id));
}
