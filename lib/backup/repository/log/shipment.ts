/**
 * What a shipment of log is told, and what it tells.
 *
 * @module
 */
import type { HeadDocument } from "../../../format/repository/head_document.ts";

/** Commits of a piece: enough to compress well, few enough to be held in memory. */
export const PIECE_BYTES: number = 2 * 2 ** 20;

/** An object is complete at this size: what is gathered for it takes memory, and fresh memory takes time. */
export const OBJECT_BYTES: number = 8 * 2 ** 20;

/** The head moves on after so much as stored: catching up after days must not start over when cut off. */
export const MOVE_BYTES: number = 16 * 2 ** 20;

/** An object that arrived. */
export interface LogObjectSent {
  /** Its key. */
  key: string;
  /** Its first version. */
  first: number;
  /** Its last version. */
  last: number;
  /** The time of the first, ms. */
  minTimestamp: number;
  /** The time of the last, ms. */
  maxTimestamp: number;
  /** The chain before it. */
  previous: string;
  /** The chain behind it. */
  chain: string;
  /** Its bytes as stored. */
  storedBytes: number;
}

/** What was taken in by one call. */
export interface Shipped {
  /** The head as it stands. */
  head: HeadDocument;
  /** Commits' bytes. */
  bytes: number;
  /** Bytes as stored. */
  storedBytes: number;
  /** The objects that the head was moved over, in the order of their commits. */
  objects: readonly LogObjectSent[];
  /** The part of the log that was gone, if one was: points in time are lost, and a new base is needed. */
  gap: { from: number; to: number } | undefined;
}

/** How a call ships. */
export interface ShipOptions {
  /** Writes the head though nothing changed, to say how long nothing did; and the slot. */
  heartbeat?: boolean;
  /** Proves that what is written is there; `true` unless given. */
  verify?: boolean | undefined;
  /** Hears of bytes. */
  onBytes?: ((count: number) => void) | undefined;
  /** The slot is moved on beside what the caller still does, and not waited for. */
  slot?: {
    /** Gets the promise of that. */
    onMoving: (moved: Promise<void>) => void;
    /** When the caller is done: then files of log are removed, which takes the disk for longer than all else here. */
    until: Promise<unknown>;
  } | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
}
