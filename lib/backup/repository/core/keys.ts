/**
 * The key slots of an encrypted repository: several secrets may open the one key ring that all data is under. Changing them
 * wraps the ring anew and touches no data.
 *
 * @module
 */
import {
  DecryptionError,
  ExistsError,
  IntegrityError,
  NotFoundError,
  RepositoryLockedError,
} from "../../../base/errors.ts";
import { toHex } from "../../../base/bytes.ts";
import { openDocument, sealDocument } from "../../../format/repository/document.ts";
import {
  type KeyFile,
  keyFile,
  type KeyRing,
  type Secret,
  unwrapKeyRing,
  wrapKeyRing,
} from "../../../format/repository/key_ring.ts";
import type { RepositoryDocument } from "../../../format/repository/repository_document.ts";
import type { ObjectStore } from "../../../storage/object_store.ts";
import { allKeys, isDamage, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import type { Lease } from "./lease.ts";

const KEY_BYTES_MAX = 64 * 1024;

/** A key slot, as callers see it. */
export interface KeyInfo {
  /** Its id, for `removeKey`. */
  id: string;
  /** Whether a passphrase or a raw key opens it. */
  kind: "passphrase" | "key";
  /** When it was made, ms. */
  createdAt: number;
}

/** What a new slot is made of. */
export interface SlotParts {
  /** The repository's id. */
  repository: string;
  /** What it opens. */
  ring: KeyRing;
  /** The time, ms. */
  createdAt: number;
  /** Unpredictable bytes. */
  randomBytes: (count: number) => Uint8Array;
}

function slotKey(id: string): string {
  return `${PART.keys}${id}.json`;
}

/** Adds a slot that `secret` opens. */
export async function addSlot(store: ObjectStore, parts: SlotParts, secret: Secret): Promise<KeyInfo> {
  const { repository, ring, createdAt, randomBytes } = parts;
  const slot = toHex(randomBytes(8));
  const file = await wrapKeyRing(ring, secret, { repository, slot, createdAt, randomBytes });
  const put = await store.put(slotKey(slot), sealDocument("key", file), { ifAbsent: true });
  if (put === undefined && !await store.head(slotKey(slot))) {
    throw new ExistsError(`Cannot add a key to ${store.name}: slot ${slot} is taken; try again (EXISTS)`);
  }
  return infoOf(file);
}

/** All slots of a repository's ring; those left by a repository that was never finished are passed over. */
export async function readSlots(
  store: ObjectStore,
  ringId: string,
  onDamage?: (key: string, error: unknown) => void,
): Promise<KeyFile[]> {
  const slots: KeyFile[] = [];
  for (const { key } of await allKeys(store, PART.keys)) {
    try {
      const found = await readBytes(store, key, KEY_BYTES_MAX);
      if (found === undefined) continue;
      const file = openDocument("key", found.bytes, `${key} in ${store.name}`, keyFile);
      if (slotKey(file.id) !== key) throw new IntegrityError(`${key} in ${store.name} is the key slot ${file.id}`);
      if (file.ringId === ringId) slots.push(file);
    } catch (error) {
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(key, error);
    }
  }
  return slots;
}

/** The ring, or `DecryptionError` when the secret opens no slot. A damaged slot is passed over when another opens. */
export async function openRing(store: ObjectStore, about: RepositoryDocument, secret: Secret): Promise<KeyRing> {
  const { ringId } = about.encryption!;
  let damage: unknown;
  for (const file of await readSlots(store, ringId, (_key, error) => damage ??= error)) {
    const ring = await unwrapKeyRing(file, secret, about.id);
    if (ring !== undefined) return ring;
  }
  if (damage !== undefined) throw damage;
  throw new DecryptionError(
    `Cannot open ${store.name}: this ${"key" in secret ? "key" : "passphrase"} does not open it (DECRYPTION)`,
  );
}

/** The slots there are. */
export async function listSlots(store: ObjectStore, ringId: string): Promise<KeyInfo[]> {
  return (await readSlots(store, ringId)).map(infoOf);
}

/** Removes a slot; never the last one. Under a lease that only one has at a time. */
export async function removeSlot(store: ObjectStore, ringId: string, id: string, lease: Lease): Promise<void> {
  const slots = await readSlots(store, ringId);
  const removed = slots.find((slot) => slot.id === id);
  if (removed === undefined) {
    throw new NotFoundError(`Cannot remove key ${id}: ${store.name} has none of that id; see keys() (NOT_FOUND)`);
  }
  if (slots.length === 1) {
    throw new TypeError(
      `removeKey: ${id} is the only key of ${store.name}, without it nothing opens; add another first`,
    );
  }
  await lease.assertHeld();
  await store.delete(slotKey(id));
  await assertSomeLeft(store, removed);
}

/**
 * Makes `secret` the only one that opens the repository: the new slot first, then the old ones go. Under a lease, as
 * `removeSlot`.
 */
export async function replaceSlots(
  store: ObjectStore,
  parts: SlotParts,
  secret: Secret,
  lease: Lease,
): Promise<KeyInfo> {
  const old = await readSlots(store, parts.ring.id);
  const made = await addSlot(store, parts, secret);
  await lease.assertHeld();
  for (const { id } of old) await store.delete(slotKey(id));
  const last = old.at(-1);
  if (last !== undefined) await assertSomeLeft(store, last);
  return made;
}

/**
 * Whoever slept behind his last look at his lease may have removed the last slot, for the others went meanwhile: puts one back
 * that he has just removed.
 */
async function assertSomeLeft(store: ObjectStore, removed: KeyFile): Promise<void> {
  if ((await readSlots(store, removed.ringId, () => {})).length > 0) return;
  await store.put(slotKey(removed.id), sealDocument("key", removed), { ifAbsent: true });
  throw new RepositoryLockedError(
    `Cannot remove key ${removed.id}: another program removed the other keys of ${store.name} meanwhile, and without one nothing ` +
      "opens it; it was put back, see keys() (REPOSITORY_LOCKED)",
  );
}

function infoOf({ id, kdf, createdAt }: KeyFile): KeyInfo {
  return { id, kind: kdf.name === "scrypt" ? "passphrase" : "key", createdAt };
}
