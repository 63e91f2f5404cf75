/** All that a database shows, read through its public face: what must come back from a backup, to the last byte. */
import { createHash } from "node:crypto";
import type { DB, Key, KeyEncoding, KeySpace, Namespace } from "../../../mod.ts";
import { engineOf } from "../../../lib/engine/owner.ts";
import { isInside } from "../model.ts";
import { keyName, plainOf } from "../values.ts";
import { show } from "../compare.ts";

/** An entry. */
export interface Row {
  /** Kind, value and tags. */
  text: string;
  version: number;
  timestamp: number;
  expiresAt: number | undefined;
}

/** Everything. */
export interface Contents {
  /** By the names of the namespace, joined by "/", then ":" and the key as a binary string. */
  entries: Map<string, Row>;
  /** Namespaces and how their keys look; "" is the root. */
  spaces: Map<string, KeyEncoding>;
}

/** A part of the contents, as backups and restores select it. */
export interface Part {
  /** The namespace; undefined: all. */
  space?: string;
  /** Beginning of a key, as a binary string. */
  prefix?: string;
  /** Only entries with this tag. */
  tag?: string;
}

/** The whole. */
export const WHOLE: Part = {};

/** Values longer than this are remembered by their hash. */
const LONG = 80;

/** Reads everything. */
export function contentsOf(db: DB<Key>): Contents {
  const contents: Contents = { entries: new Map(), spaces: new Map([["", engineOf(db)!.keyEncoding]]) };
  readSpace(db, "", contents);
  const into = (parent: DB<Key> | Namespace<Key>, path: string): void => {
    for (const name of parent.namespaces()) {
      const inner = path === "" ? name : `${path}/${name}`;
      const space = parent.namespace<Key>(name);
      contents.spaces.set(inner, space.keyEncoding);
      readSpace(space, inner, contents);
      into(space, inner);
    }
  };
  into(db, "");
  return contents;
}

function readSpace(space: KeySpace<Key>, name: string, { entries }: Contents): void {
  for (const { key, value, version, timestamp, tags, expiresAt } of space.listSync()) {
    const plain = plainOf(value);
    const short = plain.length <= LONG
      ? plain
      : `${plain.slice(0, 5)} ${plain.length} ${createHash("sha256").update(plain).digest("hex")}`;
    entries.set(`${name}:${keyName(key)}`, { text: `${short} [${tags.join(" ")}]`, version, timestamp, expiresAt });
  }
}

/** The tags' index must say what the entries say. */
export function assertTags(db: DB<Key>, tag: string): void {
  const tagged = [...db.listSync({ tag })].map(({ key }) => keyName(key));
  const expected = [...db.listSync()].filter(({ tags }) => tags.includes(tag)).map(({ key }) => keyName(key));
  if (tagged.join("\n") !== expected.join("\n")) {
    throw new Error(`the index of tag ${tag} does not agree with the entries`);
  }
}

/** Whether a part has anything of a namespace. */
export function selectsSpace({ space, prefix }: Part, name: string): boolean {
  if (space === undefined) return prefix === undefined || name === "";
  return prefix === undefined ? isInside(name, space) : name === space;
}

/** Whether an entry belongs to a part. */
export function selects(part: Part, id: string, row: Row): boolean {
  const colon = id.indexOf(":");
  if (!selectsSpace(part, id.slice(0, colon))) return false;
  if (part.prefix !== undefined && !id.startsWith(part.prefix, colon + 1)) return false;
  return part.tag === undefined || row.text.slice(row.text.lastIndexOf("[") + 1, -1).split(" ").includes(part.tag);
}

/** A part of contents; namespaces come with those around them. */
export function partOf(contents: Contents, part: Part): Contents {
  const spaces = new Map([["", contents.spaces.get("")!]]);
  for (const name of contents.spaces.keys()) {
    if (!selectsSpace(part, name)) continue;
    const path = name.split("/");
    for (let i = 1; i <= path.length; i++) {
      const outer = path.slice(0, i).join("/");
      spaces.set(outer, contents.spaces.get(outer)!);
    }
  }
  return { entries: new Map([...contents.entries].filter(([id, row]) => selects(part, id, row))), spaces };
}

/** What a restore makes of the contents of an open database. */
export function restoredOver(
  before: Contents,
  source: Contents,
  how: { part: Part; merge: boolean; version: number; timestamp: number; moment: number },
): Contents {
  const { part, merge, version, timestamp, moment } = how;
  const wholly = !merge && part === WHOLE;
  const taken = partOf(source, part);
  const entries = new Map(
    wholly ? [] : [...before.entries].filter(([id, row]) => merge || !selects(part, id, row)),
  );
  for (const [id, row] of taken.entries) if (isThere(row, moment)) entries.set(id, { ...row, version, timestamp });
  const spaces = wholly ? taken.spaces : new Map([...taken.spaces, ...before.spaces]);
  return { entries, spaces };
}

function isThere({ expiresAt }: Row, moment: number): boolean {
  return expiresAt === undefined || expiresAt > moment;
}

/** How two contents are compared. */
export interface CompareOptions {
  /** What had expired by then may be there or not. */
  moment: number;
  /** Versions and times too; true unless given. */
  versions?: boolean;
  /** Namespaces too, be they empty; true unless given. */
  spaces?: boolean;
}

/** The first difference; undefined: there is none. */
export function differenceOf(actual: Contents, expected: Contents, options: CompareOptions): string | undefined {
  const { moment, versions = true, spaces = true } = options;
  const id = (row: Row | undefined): string => {
    if (row === undefined || !isThere(row, moment)) return "nothing";
    return `${row.text} ${versions ? `version ${row.version} of ${row.timestamp}` : ""} ${row.expiresAt ?? ""}`;
  };
  for (const key of new Set([...expected.entries.keys(), ...actual.entries.keys()])) {
    const [is, must] = [id(actual.entries.get(key)), id(expected.entries.get(key))];
    if (is !== must) return `${show(key)} is ${is}, not ${must}`;
  }
  if (!spaces) return undefined;
  for (const name of new Set([...expected.spaces.keys(), ...actual.spaces.keys()])) {
    const [is, must] = [actual.spaces.get(name), expected.spaces.get(name)];
    if (is !== must) return `namespace ${name} is ${is ?? "not there"}, not ${must ?? "absent"}`;
  }
  return undefined;
}
