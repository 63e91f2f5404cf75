/**
 * The calls on a simulated disk, as hooks and faults are told of them.
 *
 * @module
 */

/** The calls that hooks are told of. */
export type OperationName =
  | "append"
  | "clone"
  | "create"
  | "fill"
  | "freeSpace"
  | "link"
  | "list"
  | "lock"
  | "makeDirectory"
  | "open"
  | "read"
  | "remove"
  | "removeDirectory"
  | "rename"
  | "size"
  | "stat"
  | "sync"
  | "syncDirectory"
  | "truncate";

/** One call on a simulated disk. */
export interface Operation {
  /** How many mutating operations there have been, this one included: the first is 1. A reading one has the last's. */
  index: number;
  /** The call. */
  name: OperationName;
  /** The (first) path concerned. */
  path: string;
  /** Whether it changes the disk or what of it is durable. */
  mutates: boolean;
  /** For an append and a fill, how many bytes. */
  bytes?: number;
}
