/**
 * Slots: the promise of a database to keep log for a repository until it is archived.
 *
 * @module
 */
import type { Engine } from "../../../engine/types.ts";
import type { SlotMeta } from "../../../format/manifest/manifest_edit.ts";
import type { RepositoryContext } from "../core/context.ts";
import { assertOriginal } from "./compare_log.ts";
import { readHead } from "./heads.ts";

/**
 * A slot is moved on when this much log could go, or at a heartbeat. Not at every shipment: that would cost the database a
 * sync a second, and a slot that lags only keeps a little more log than is needed.
 */
const SLOT_BYTES = 8 * 2 ** 20;

/** The database's slot for this repository. */
export function slotOf(engine: Engine, context: RepositoryContext): SlotMeta | undefined {
  return engine.slots().find((slot) => slot.repository === context.id);
}

/**
 * Makes sure there is a slot. A new one keeps log from the present version on; with `fromTables` from the last version that
 * is in tables, for a base that holds no more than these. It is never ahead of where archiving goes on, which `claim` says:
 * one that was dropped begins again where the archive ends (what of the log behind that is gone will be noted as a gap), and
 * a head that a copy puts must not look like one from before the slot. Either version is durable: the slot is, and one ahead
 * of what a power cut leaves would tell commits that are made anew behind it as archived. A reader gets none, and is only held
 * against what is archived, as a copy is: before anything of a base is written.
 */
export async function ensureSlot(
  engine: Engine,
  context: RepositoryContext,
  shipper: { claim(at: number): Promise<number> },
  fromTables = false,
): Promise<void> {
  if (engine.readOnly || engine.forked) {
    const head = await readHead(context, engine.id, engine.lineage);
    if (head !== undefined) await assertOriginal(context, engine, head.body);
  }
  if (engine.readOnly || context.readOnly || slotOf(engine, context) !== undefined) return;
  const createdAt = context.clock();
  const present = fromTables ? await tablesVersion(engine) : (await engine.settled()).version;
  // What is archived under a copy's lineage is its original's.
  const version = engine.forked ? present : Math.min(present, await shipper.claim(present));
  await engine.setSlot({ id: context.id, repository: context.id, version, createdAt });
}

async function tablesVersion(engine: Engine): Promise<number> {
  const pin = await engine.pin();
  try {
    return pin.base.version;
  } finally {
    pin.release();
  }
}

/**
 * Moves the slot on to `version`, up to which all is archived, when that is worth a write or `now` is set. The files of log that
 * it lets go of are removed when `until` has settled.
 */
export async function rememberSlot(
  engine: Engine,
  context: RepositoryContext,
  version: number,
  now: boolean,
  until?: Promise<unknown>,
): Promise<void> {
  const slot = slotOf(engine, context);
  if (slot === undefined || slot.version >= version) return;
  const behind = engine.unarchivedBytes(slot.version) - engine.unarchivedBytes(version);
  if (!now && behind < SLOT_BYTES) return;
  await engine.setSlot({ ...slot, version }, until);
}
