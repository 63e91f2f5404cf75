/**
 * The keys of an open repository: what `keys`, `addKey`, `rotateKey` and `removeKey` do.
 *
 * @module
 */
import { DecryptionError } from "../../../base/errors.ts";
import type { KeyRing, Secret } from "../../../format/repository/key_ring.ts";
import { audited } from "./audit.ts";
import type { RepositoryContext } from "./context.ts";
import { addSlot, type KeyInfo, listSlots, removeSlot, replaceSlots, type SlotParts } from "./keys.ts";
import { type Lease, withLease } from "./lease.ts";

/** The keys that open a repository. */
export async function listKeys(context: RepositoryContext): Promise<KeyInfo[]> {
  return context.ring === undefined ? [] : await listSlots(context.store, context.ring.id);
}

/** Adds a key. */
export async function addKey(context: RepositoryContext, secret: Secret): Promise<KeyInfo> {
  const add = (): Promise<KeyInfo> => addSlot(context.store, partsOf(context, "add a key to"), secret);
  return await audited(context, "add-key", add, ({ id }) => ({ key: id }));
}

/** Makes a key the only one. */
export async function rotateKey(context: RepositoryContext, secret: Secret): Promise<KeyInfo> {
  const rotate = (): Promise<KeyInfo> =>
    alone(
      context,
      "rotateKey",
      (lease) => replaceSlots(context.store, partsOf(context, "rotate the key of"), secret, lease),
    );
  return await audited(context, "rotate-key", rotate, ({ id }) => ({ key: id }));
}

/** Removes a key; never the last one. */
export async function removeKey(context: RepositoryContext, id: string): Promise<void> {
  const { ring } = partsOf(context, "remove a key of");
  const remove = (): Promise<void> =>
    alone(context, "removeKey", (lease) => removeSlot(context.store, ring.id, id, lease));
  await audited(context, "remove-key", remove, () => ({}), { key: id });
}

/** One at a time: two that remove keys, each of which saw that of the other, would leave none. */
function alone<T>(context: RepositoryContext, holder: string, work: (lease: Lease) => Promise<T>): Promise<T> {
  return withLease(context, { kind: "rekey", name: "keys", holder }, work);
}

function partsOf(context: RepositoryContext, call: string): SlotParts & { ring: KeyRing } {
  const { ring, id: repository, randomBytes } = context;
  if (ring === undefined) {
    throw new DecryptionError(
      `Cannot ${call} ${context.name}: it is not encrypted; make a new repository with a key and use copyTo (DECRYPTION)`,
    );
  }
  return { repository, ring, createdAt: context.clock(), randomBytes };
}
