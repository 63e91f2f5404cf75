/**
 * What all parts of a repository share: the store with its retries, the keys, the clock, and how much may be done at once.
 *
 * @module
 */
import type { Timers } from "../../../base/timers.ts";
import type { ObjectCompression } from "../../../format/repository/object.ts";
import type { KeyRing } from "../../../format/repository/key_ring.ts";
import type { ObjectStore } from "../../../storage/object_store.ts";
import type { Activities } from "./activities.ts";
import type { Bandwidth } from "./bandwidth.ts";

/** An open repository, as its parts see it. */
export interface RepositoryContext {
  /** Where it lies; failures that may pass are tried again before they arrive here. */
  readonly store: ObjectStore;
  /** For messages. */
  readonly name: string;
  /** The directory that it lies in, if it is one. */
  readonly directory: string | undefined;
  /** Its id, 32 hex digits. */
  readonly id: string;
  /** The keys, when it is encrypted. */
  readonly ring: KeyRing | undefined;
  /** Encrypted, but opened without a key: only what needs none works. */
  readonly keyless: boolean;
  /** Nothing may be written. */
  readonly readOnly: boolean;
  /** How new objects are compressed, unless a call says otherwise. */
  readonly compression: ObjectCompression | undefined;
  /** How many objects are on their way at once. */
  readonly concurrency: number;
  /** Shared by all transfers. */
  readonly bandwidth: Bandwidth;
  /** In which retention counts days. */
  readonly timeZone: string;
  /** What is going on now. */
  readonly activities: Activities;
  /** ms since the Unix epoch. */
  readonly clock: () => number;
  /** ms of a clock that only goes forward. */
  readonly monotonic: () => number;
  /** Waits; rejects with the signal's reason. */
  readonly delay: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** For what is done now and then. */
  readonly timers: Timers;
  /** Waits until this program may write, or for the signal; undefined where the store itself keeps writers apart. */
  readonly turn: ((signal: AbortSignal | undefined) => Promise<void>) | undefined;
  /** Lets other programs write, until this one does again; undefined where the store itself keeps writers apart. */
  readonly letGo: (() => Promise<void>) | undefined;
  /** Random bytes, for ids, keys and salts. */
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What calls take as a repository: an open `BackupRepository`. */
export interface RepositoryHandle {
  /** Its id: 32 hex digits. */
  readonly id: string;
  /** Where it lies, for messages. */
  readonly name: string;
}

/** The parts of open repositories, kept aside, so that no public type shows them. */
const contexts = new WeakMap<object, RepositoryContext>();

/** Makes `handle` stand for a repository. */
export function ownContext<H extends RepositoryHandle>(handle: H, context: RepositoryContext): H {
  contexts.set(handle, context);
  return handle;
}

/** The parts of an open repository; undefined when it is none. */
export function contextOf(handle: unknown): RepositoryContext | undefined {
  return typeof handle === "object" && handle !== null ? contexts.get(handle) : undefined;
}

/** Whether a value is a store of objects. */
export function isObjectStore(value: unknown): value is ObjectStore {
  if (typeof value !== "object" || value === null) return false;
  const store = value as Partial<Record<keyof ObjectStore, unknown>>;
  return ["put", "get", "head", "list", "delete"].every((name) =>
    typeof store[name as keyof ObjectStore] === "function"
  ) &&
    typeof store.capabilities === "object";
}
