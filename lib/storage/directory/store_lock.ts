/**
 * The lock under which an object that is there is replaced or removed, so that looking and replacing are one step between
 * processes.
 *
 * Held for milliseconds: bodies are written before. Work that waits in this process goes on under one taking of the lock,
 * a few at a time, so that others get their turn.
 *
 * @module
 */
import { throwIfAborted } from "../../base/abort.ts";
import { ExistsError, LockedError } from "../../base/errors.ts";
import { Fifo } from "../../base/fifo.ts";
import type { FileLock, FileSystem } from "../../files/file_system.ts";

/** So many pieces of work under one taking of the lock, which costs about 0.3 ms: enough that it no longer matters. */
const WORKS_MAX = 32;

/** Pauses between attempts grow up to this; short, since the lock is held shortly. */
const PAUSE_MS_MAX = 50;

/** About ten seconds in all: whoever holds the lock for longer hangs, and no waiting helps. */
const ATTEMPTS_MAX = 200;

interface Waiting {
  readonly work: () => Promise<unknown>;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** A lock with a queue. */
export class StoreLock {
  readonly #fs: FileSystem;
  readonly #path: string;
  readonly #delay: (ms: number) => Promise<void>;
  readonly #queue = new Fifo<Waiting>();
  #running = false;

  /** On the file `path`, whose directory is there when it is used; `delay` waits between attempts. */
  constructor(fs: FileSystem, path: string, delay: (ms: number) => Promise<void>) {
    this.#fs = fs;
    this.#path = path;
    this.#delay = delay;
  }

  /** Runs `work` while nobody else holds the lock. The signal ends the waiting; what has begun is finished. */
  run<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, signal, resolve: resolve as (value: unknown) => void, reject });
      if (!this.#running) void this.#drain();
    });
  }

  /** Never rejects: each failure goes to who waits. */
  async #drain(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      let lock: FileLock | undefined;
      try {
        lock = await this.#take();
      } catch (error) {
        for (let waiting = this.#queue.shift(); waiting !== undefined; waiting = this.#queue.shift()) {
          waiting.reject(error);
        }
        break;
      }
      if (lock === undefined) continue;
      for (let done = 0; done < WORKS_MAX; done++) {
        const waiting = this.#queue.shift();
        if (waiting === undefined) break;
        try {
          throwIfAborted(waiting.signal);
          waiting.resolve(await waiting.work());
        } catch (error) {
          waiting.reject(error);
        }
      }
      lock.release();
    }
    this.#running = false;
  }

  /** Undefined when nobody waits for it any more. */
  async #take(): Promise<FileLock | undefined> {
    await this.#makePrivate();
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#fs.lock(this.#path);
      } catch (error) {
        if (!(error instanceof LockedError) || attempt === ATTEMPTS_MAX) throw error;
      }
      for (let first = this.#queue.first; first?.signal?.aborted; first = this.#queue.first) {
        this.#queue.shift();
        first.reject(first.signal.reason);
      }
      if (this.#queue.length === 0) return undefined;
      await this.#delay(Math.min(PAUSE_MS_MAX, attempt));
    }
  }

  /** Made before it is locked, for locking makes files that others may read. */
  async #makePrivate(): Promise<void> {
    if (await this.#fs.stat(this.#path) !== undefined) return;
    try {
      // Not opened when it is there, and closed at once: closing it later would drop a lock that this process took on it.
      this.#fs.openSync(this.#path, "create", { private: true }).closeSync();
    } catch (error) {
      if (!(error instanceof ExistsError)) throw error;
    }
  }
}
