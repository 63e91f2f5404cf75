/**
 * Reading the log as it grows, each byte once.
 *
 * @module
 */
import type { Store } from "../store.ts";
import type { LogFollower, LogStretch } from "../types.ts";
import type { Log } from "./log.ts";

/** A reader that remembers where in the log it stands. */
export class StoreFollower implements LogFollower {
  version: number;

  /** `settle` makes durable and readable what is visible; it throws when the engine was closed. */
  constructor(_store: Store, _log: Log, since: number, _settle: () => Promise<void>) {
    this.version = since;
  }

  next(_maxBytes: number): Promise<LogStretch | undefined> {
    return Promise.reject(new Error("the log can't be followed yet"));
  }

  close(): void {}
}
