/** Everything that a database says of itself when it is read in every way there is. */
import assert from "node:assert/strict";
import type { DB, Namespace } from "../../mod.ts";

/** The contents of one version, as text. */
export interface Picture {
  /** Of each key space, its entries in order: key, and the entry as text. */
  spaces: Map<string, [key: string, entry: string][]>;
  /** Names of namespaces. */
  namespaces: string[];
}

/** The key spaces of a specimen. */
export const SPACES = ["", "log", "log/inner"] as const;

/** Tags that a specimen uses. */
export const TAGS = ["even", "odd", "old", "new"] as const;

/** The numbers of these key spaces. */
export const SPACE_NUMBERS = [0, 4, 6] as const;

/** A key space by its path; after a repair perhaps under the name that it was given instead of one that is lost. */
export function spaceOf(db: DB, path: string): DB | Namespace {
  const number = SPACE_NUMBERS[(SPACES as readonly string[]).indexOf(path)];
  const names = db.namespaces();
  if (names.includes(`recovered-${number}`)) return db.namespace(`recovered-${number}`);
  let space: DB | Namespace = db;
  let isRoot = true;
  for (const name of path.split("/").filter((each) => each !== "")) {
    space = space.namespace(isRoot && names.includes("recovered-4") ? "recovered-4" : name);
    isRoot = false;
  }
  return space;
}

/** An entry as text. */
export function entryText(
  entry: { value: unknown; version: number; timestamp: number; tags?: readonly string[] },
): string {
  const value = entry.value instanceof Uint8Array
    ? `bytes ${new TextDecoder().decode(entry.value)}`
    : JSON.stringify(entry.value);
  return `${entry.version} ${entry.timestamp} [${[...entry.tags ?? []].join()}] ${value}`;
}

/** Reads everything from a database that is whole. */
export async function pictureOf(db: DB): Promise<Picture> {
  const spaces: Picture["spaces"] = new Map();
  for (const path of SPACES) {
    const entries: [string, string][] = [];
    for await (const entry of spaceOf(db, path).list()) entries.push([entry.key, entryText(entry)]);
    spaces.set(path, entries);
  }
  return { spaces, namespaces: db.namespaces() };
}

/** What lists by a tag give is what lists of everything do. */
export async function assertTags(db: DB, { spaces }: Picture): Promise<void> {
  for (const path of SPACES) {
    for (const tag of TAGS) {
      const tagged: [string, string][] = [];
      for await (const entry of spaceOf(db, path).list({ tag })) tagged.push([entry.key, entryText(entry)]);
      assert.deepEqual(tagged, spaces.get(path)!.filter(([, text]) => hasTag(text, tag)), `${path} by tag ${tag}`);
    }
  }
}

/** Whether an entry's text says that it has a tag. */
export function hasTag(text: string, tag: string): boolean {
  return /\[([^\]]*)\]/.exec(text)![1]!.split(",").includes(tag);
}
