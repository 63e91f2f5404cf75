/** All that a database holds, as JSON that can be compared. */
import type { DB, Entry, KeySpace } from "../../mod.ts";

/** Entries of the root and of all namespaces, in order; bytes as lists of numbers. */
export async function contentsOf(db: DB): Promise<Record<string, unknown[]>> {
  const out: Record<string, unknown[]> = { "": await entriesOf(db) };
  for (const name of db.namespaces()) {
    const namespace = db.namespace(name);
    out[name] = await entriesOf(namespace);
    for (const inner of namespace.namespaces()) out[`${name}/${inner}`] = await entriesOf(namespace.namespace(inner));
  }
  return out;
}

async function entriesOf(space: KeySpace): Promise<unknown[]> {
  const out: unknown[] = [];
  for await (const entry of space.list()) out.push(plain(entry));
  return out;
}

function plain({ key, value, version, timestamp, tags, expiresAt }: Entry): unknown {
  const shown = (item: unknown): unknown => item instanceof Uint8Array ? { bytes: [...item].join(" ") } : item;
  return {
    key: shown(key),
    value: shown(value),
    version,
    timestamp,
    tags,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
}
