/**
 * Slots: the repositories that the log is kept for, and how far each has come.
 *
 * @module
 */
import { NotFoundError } from "../../base/errors.ts";
import { FILE_HEADER_BYTES } from "../../format/identity.ts";
import type { SlotMeta } from "../../format/manifest/manifest_edit.ts";
import type { Store } from "../store.ts";
import { keptLogs } from "./history.ts";
import type { Log } from "./log.ts";
import { trimLog } from "./log_retention.ts";

/**
 * Adds a slot or moves it on, and lets go of the log that nobody needs any more; its files go when `until` has settled. An
 * equal slot changes nothing.
 */
export async function setSlot(store: Store, slot: SlotMeta, until?: Promise<unknown>): Promise<void> {
  if (until !== undefined) {
    const free = store.holdLogs([...store.manifest.state.logs.keys()]);
    until.then(free, free);
  }
  let present: SlotMeta | undefined;
  await store.edit(({ slots }) => {
    present = slots.get(slot.id);
    return present !== undefined && sameSlot(present, slot) ? undefined : { setSlots: [{ ...slot }] };
  });
  if (present !== undefined && present.version < slot.version) {
    store.report({ type: "archive", from: present.version + 1, to: slot.version, slot: slot.id });
  }
  await trimLog(store);
}

/** Forgets a slot, and lets go of the log that was kept for it alone. */
export async function dropSlot(store: Store, id: string): Promise<void> {
  await store.edit(({ slots }) => {
    if (slots.has(id)) return { removeSlots: [id] };
    throw new NotFoundError(`Cannot drop slot ${id} of ${store.path}: there is none of that name (NOT_FOUND)`);
  });
  await trimLog(store);
}

function sameSlot(a: SlotMeta, b: SlotMeta): boolean {
  return a.repository === b.repository && a.version === b.version && a.createdAt === b.createdAt;
}

/** About how many bytes of log lie behind a version; of a segment that holds it, the share of its later commits. */
export function logBytesAfter(store: Store, log: Log, version: number): number {
  let bytes = 0;
  for (const { firstVersion, lastVersion, end } of keptLogs(store, log)) {
    if (lastVersion <= version) continue;
    const share = (lastVersion - Math.max(version, firstVersion - 1)) / (lastVersion - firstVersion + 1);
    bytes += Math.ceil((end - FILE_HEADER_BYTES) * share);
  }
  return bytes;
}
