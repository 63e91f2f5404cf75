/**
 * Handing writes to the engine.
 *
 * While a restore is under way, what is written to namespaces carries a check: should the restore's commit come first and
 * give them other key spaces, the writes are rewritten for the new ones at their turn, so that the order of calls holds.
 * Where the new catalog can't be read yet, they wait for the restore's end.
 *
 * Deletes in a namespace that isn't there are left out: its key space may be another namespace's one day, and the log must
 * not speak of that.
 *
 * @module
 */
import { ByteReader, concatBytes, copyBytes, isText, prefixEnd, startsWith } from "../../base/bytes.ts";
import type { Commit, Durability, ReadView } from "../../engine/types.ts";
import { type Batch, forEachOperation } from "../../format/log/batch.ts";
import { catalogKey } from "../../format/catalog.ts";
import { CATALOG_SPACE, spacePrefix } from "../../format/space.ts";
import type { Definition } from "../catalog/definition.ts";
import type { Context } from "../context.ts";
import type { Writes } from "./writes.ts";

/** How a commit is made. */
export interface CommitTerms {
  /** The default is the database's. */
  durability?: Durability | undefined;
  /** See `CommitOptions.check` of the engine. */
  check?: ((state: ReadView) => boolean) | undefined;
}

/** Commits; resolves to undefined when `check` refused. The writes must not be touched afterwards. */
export async function commitWrites(context: Context, writes: Writes, terms: CommitTerms): Promise<Commit | undefined> {
  context.assertCatalog();
  const { engine, catalog, restoring } = context;
  if (!writes.usesNamespaces) return await engine.commit(writes.batch, terms);
  // Put together before a restore gave the namespaces other key spaces.
  if (isElsewhere(writes)) rewrite(context, writes);
  let unclear = false;
  let { check } = terms;
  if (restoring !== undefined) {
    check = (state) => {
      // One that is not in the new catalog gets another key space as well.
      if (isElsewhere(writes)) rewrite(context, writes);
      unclear = !catalog.agrees(state, namespacesOf(writes));
      if (unclear || (terms.check !== undefined && !terms.check(state))) return false;
      leaveOutAbsent(writes, state);
      return true;
    };
  } else if (namespacesOf(writes).some((one) => one.arriving > 0 && !one.persisted && !writes.defined.has(one))) {
    // What would bring it may be refused yet: that is known at the turn.
    check = (state) => {
      if (terms.check !== undefined && !terms.check(state)) return false;
      leaveOutAbsent(writes, state);
      return true;
    };
  } else leaveOutAbsent(writes);
  for (const definition of writes.defined) arrive(definition, 1);
  let commit;
  try {
    commit = await engine.commit(writes.batch, { durability: terms.durability, check });
  } finally {
    for (const definition of writes.defined) arrive(definition, -1);
  }
  if (unclear) {
    await restoring;
    return await commitWrites(context, writes, terms);
  }
  if (commit !== undefined) { for (const definition of writes.defined) catalog.persisted(definition); }
  return commit;
}

/** As `commitWrites` without a check: there is always a commit. */
export function commitAll(context: Context, writes: Writes, durability: Durability | undefined): Promise<Commit> {
  return commitWrites(context, writes, { durability }) as Promise<Commit>;
}

/** Whether namespaces have other key spaces now than those written to, or their keys look otherwise. */
function isElsewhere(writes: Writes): boolean {
  for (const [space, { definition, encoding }] of writes.used) {
    if (definition.space !== space || definition.encoding !== encoding) return true;
  }
  return false;
}

function namespacesOf(writes: Writes): Definition[] {
  return Array.from(writes.used.values(), ({ definition }) => definition);
}

/** Counts a commit that brings the catalog rows of a namespace and of all around it. */
function arrive(definition: Definition, by: 1 | -1): void {
  for (let at: Definition | undefined = definition; at !== undefined; at = at.parent) at.arriving += by;
}

/** Leaves out what would be deleted in namespaces that aren't there, just before the commit where `state` is given. */
function leaveOutAbsent(writes: Writes, state?: ReadView): void {
  const absent = namespacesOf(writes)
    .filter((one) => !one.persisted && !writes.defined.has(one) && !isIn(state, one))
    .flatMap(({ prefix, tagsPrefix }) => [prefix, tagsPrefix]);
  if (absent.length === 0) return;
  const isThere = (key: Uint8Array): boolean => !absent.some((prefix) => startsWith(key, prefix));
  const { batch } = writes;
  forEachOperation(taken(batch), {
    put: (key, cell) => batch.put(key, cell),
    delete: (key) => isThere(key) && batch.delete(key),
    deleteRange: (start, end) => isThere(start) && batch.deleteRange(start, end),
    ingest: (info) => batch.ingest(info),
  });
}

/** Whether the catalog row of a namespace is in a state. */
function isIn(state: ReadView | undefined, { parent, name }: Definition): boolean {
  return state?.get(catalogKey(parent!.space, name)) !== undefined;
}

/**
 * Turns the operations into the same ones on the key spaces that the namespaces have now. Throws `TypeError` for a key that
 * is none there any more.
 */
function rewrite(context: Context, writes: Writes): void {
  const { batch } = writes;
  const before = taken(batch);
  const prefixes: { from: Uint8Array; to: Uint8Array; textIn?: string | undefined }[] = [];
  const used = [...writes.used];
  writes.used.clear();
  for (const [space, { definition, encoding }] of used) {
    const textIn = encoding === "bytes" && definition.encoding === "utf8" ? definition.name : undefined;
    prefixes.push({ from: spacePrefix(space), to: definition.prefix, textIn });
    prefixes.push({ from: spacePrefix(space + 1), to: definition.tagsPrefix });
    writes.used.set(definition.space, { definition, encoding: definition.encoding });
  }
  for (const definition of writes.defined) context.catalog.writeRows(batch, definition);
  const movedKey = (key: Uint8Array): Uint8Array => {
    const found = prefixes.find(({ from }) => startsWith(key, from));
    if (found === undefined) return key;
    const own = key.subarray(found.from.length);
    if (found.textIn !== undefined && !isText(own)) {
      throw new TypeError(
        `A restore gave the namespace "${found.textIn}" text keys, and a key written to it is not UTF-8`,
      );
    }
    return concatBytes(found.to, own);
  };
  // Bounds need not be text.
  const movedBound = (bound: Uint8Array, start: Uint8Array): Uint8Array => {
    const found = prefixes.find(({ from }) => startsWith(start, from));
    if (found === undefined) return bound;
    const isInside = startsWith(bound, found.from);
    return isInside ? concatBytes(found.to, bound.subarray(found.from.length)) : prefixEnd(found.to)!;
  };
  forEachOperation(before, {
    put(key, cell) {
      if (new ByteReader(key).varint() !== CATALOG_SPACE) batch.put(movedKey(key), cell);
    },
    delete: (key) => batch.delete(movedKey(key)),
    deleteRange: (start, end) => batch.deleteRange(movedBound(start, start), end && movedBound(end, start)),
    ingest: (info) => batch.ingest(info),
  });
}

/** The operations, taken out: the engine may have the batch already, so it is filled again. */
function taken(batch: Batch): Uint8Array {
  const ops = copyBytes(batch.ops.view());
  batch.reset();
  return ops;
}
