/**
 * What the parts of an open KV share.
 *
 * @module
 */
import type { Timers } from "../../base/timers.ts";
import type { DB } from "../../db/db.ts";
import type { StructuredCodec } from "./structured.ts";
import type { KvConsistencyLevel } from "./types.ts";

/** The inside of an open KV. */
export interface KvCore {
  /** The database beneath. */
  readonly db: DB<Uint8Array>;
  /** For values that are more than JSON. */
  readonly codec: StructuredCodec;
  /** For delays, and for what expires while it is watched. */
  readonly timers: Timers;
  /** ms since the Unix epoch. */
  readonly clock: () => number;
  /** Tells of what nobody waits for. */
  report(error: unknown): void;
}

/** Stands at the end of a key for the versionstamp of the commit that sets it. */
export const COMMIT_VERSIONSTAMP: unique symbol = Symbol("commit versionstamp");

/** Refuses a level of consistency that is none; they are all the same here. */
export function checkConsistency(options: { consistency?: KvConsistencyLevel } | undefined): void {
  const level = options?.consistency ?? undefined;
  if (level === undefined || level === "strong" || level === "eventual") return;
  throw new TypeError(`unknown variant \`${String(level)}\`, expected \`strong\` or \`eventual\``);
}

/** The ms after which an entry vanishes, checked. */
export function expireInOf(options: { expireIn?: number } | null | undefined): number | undefined {
  const expireIn: unknown = options?.expireIn;
  if (expireIn === undefined) return undefined;
  if (!Number.isInteger(expireIn) || (expireIn as number) < 0) {
    throw new TypeError(`expireIn must be a non-negative integer: received ${String(expireIn)}`);
  }
  return Math.min(expireIn as number, Number.MAX_SAFE_INTEGER);
}
