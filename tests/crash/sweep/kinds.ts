/** The kinds of accident of a sweep: what happens at one call on the file system, and what a program may then be told. */
import { IOError, NoSpaceError, PermissionError } from "../../../lib/base/errors.ts";
import type { Operation, OperationName, PartialAppend } from "../../../lib/files/memory/memory_file_system.ts";

/** How a call fails. */
export type Failure = "instead" | "after" | "half";

/** One kind of accident. */
export interface Kind {
  name: string;
  /** Whether a call of this sort can be hit. */
  applies: (operation: Operation) => boolean;
  /** How many calls from there on: one, or every one that it applies to. */
  lasts: boolean;
  /** What happens: a call fails, the disk is full, the process is killed, the power goes and leaves so much. */
  does:
    | { fail: Failure; error: (operation: Operation) => Error }
    | { full: true }
    | { kill: true }
    | { cut: "none" | "random" | "scattered" | "all" };
  /** The codes of errors that a call may end with. */
  codes: readonly string[];
}

const broken = ({ name, path }: Operation): Error => new IOError(`Cannot ${name} ${path}: injected (EIO)`, { path });
const noSpace = ({ name, path }: Operation): Error =>
  new NoSpaceError(`Cannot ${name} ${path}: injected (ENOSPC)`, { path });
const forbidden = ({ name, path }: Operation): Error =>
  new PermissionError(`Cannot ${name} ${path}: injected (EACCES)`, { path });

const changes = ({ mutates }: Operation): boolean => mutates;
const reads = ({ mutates, name }: Operation): boolean => !mutates && name !== "clone";
const oneOf = (...names: OperationName[]) => ({ name }: Operation): boolean => names.includes(name);

const IO = ["IO", "READ_ONLY"];
/** Tried once more in another way, what took effect is in the way. */
const AFTER = [...IO, "EXISTS"];
const SPACE = ["NO_SPACE", "READ_ONLY"];
const RIGHTS = ["PERMISSION", "READ_ONLY"];
/** A dead program sees its own calls fail; what it makes of that no one reads any more. */
const GONE = ["IO", "READ_ONLY"];

/** All of them. */
export const kinds: readonly Kind[] = [
  {
    name: "EIO instead of a change, once",
    applies: changes,
    lasts: false,
    does: { fail: "instead", error: broken },
    codes: IO,
  },
  {
    name: "EIO after a change, once",
    applies: changes,
    lasts: false,
    does: { fail: "after", error: broken },
    codes: AFTER,
  },
  {
    name: "EIO after half a write, once",
    applies: oneOf("append"),
    lasts: false,
    does: { fail: "half", error: broken },
    codes: IO,
  },
  {
    name: "EIO instead of changes, lasting",
    applies: changes,
    lasts: true,
    does: { fail: "instead", error: broken },
    codes: IO,
  },
  {
    name: "EIO after changes, lasting",
    applies: changes,
    lasts: true,
    does: { fail: "after", error: broken },
    codes: AFTER,
  },
  {
    name: "ENOSPC, once",
    applies: (operation) => operation.mutates && !operation.name.startsWith("remove"),
    lasts: false,
    does: { fail: "half", error: noSpace },
    // Behind a sync or a cut of the log that found the disk full nobody knows what it holds: that is no refusal.
    codes: [...SPACE, "IO"],
  },
  {
    name: "ENOSPC, lasting, then space",
    applies: oneOf("append", "create", "makeDirectory", "link"),
    lasts: true,
    does: { fail: "half", error: noSpace },
    codes: SPACE,
  },
  { name: "disk full, then space", applies: changes, lasts: true, does: { full: true }, codes: SPACE },
  {
    name: "EIO at a read, once",
    applies: reads,
    lasts: false,
    does: { fail: "instead", error: broken },
    codes: IO,
  },
  {
    name: "EIO at reads, lasting",
    applies: reads,
    lasts: true,
    does: { fail: "instead", error: broken },
    codes: IO,
  },
  {
    name: "EIO at every call, lasting",
    applies: () => true,
    lasts: true,
    does: { fail: "instead", error: broken },
    codes: IO,
  },
  {
    name: "EACCES, once",
    applies: isNamed,
    lasts: false,
    does: { fail: "instead", error: forbidden },
    codes: RIGHTS,
  },
  {
    name: "EACCES, lasting",
    applies: isNamed,
    lasts: true,
    does: { fail: "instead", error: forbidden },
    codes: RIGHTS,
  },
  { name: "killed", applies: changes, lasts: true, does: { kill: true }, codes: GONE },
  { name: "power cut, nothing unsynced left", applies: changes, lasts: true, does: { cut: "none" }, codes: GONE },
  { name: "power cut, some left", applies: changes, lasts: true, does: { cut: "random" }, codes: GONE },
  {
    name: "power cut, some left, and some names",
    applies: changes,
    lasts: true,
    does: { cut: "scattered" },
    codes: GONE,
  },
  { name: "power cut, all left", applies: changes, lasts: true, does: { cut: "all" }, codes: GONE },
];

/** Rights are asked for by path; an open handle has them. */
function isNamed({ name }: Operation): boolean {
  return !["append", "sync", "truncate", "read", "size", "clone"].includes(name);
}

/** What a hook answers before a call that fails. */
export function failBefore(
  does: { fail: Failure; error: (o: Operation) => Error },
  operation: Operation,
): PartialAppend | void {
  if (does.fail === "after") return;
  const error = does.error(operation);
  if (does.fail === "half" && operation.name === "append") return { writtenBytes: operation.bytes! >> 1, error };
  throw error;
}
