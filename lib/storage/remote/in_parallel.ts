/**
 * Several requests at once, in bounded memory: parts that are sent, ranges that are fetched.
 *
 * @module
 */
import { abortable, throwIfAborted, whenAborted } from "../../base/abort.ts";
import type { Part, Parts } from "./part_cutter.ts";

/** Sends one part; `index` counts from 0. */
export type SendPart<T> = (part: Part, index: number, signal: AbortSignal) => Promise<T>;

/**
 * Sends each part of a body, at most `concurrency` at once, and gives what `send` gave, in the order of the parts. `first`
 * are parts that were taken from `parts` before. The first failure ends it: what is under way is aborted and waited for, as
 * it holds memory, and no further part is read.
 */
export async function sendParts<T>(
  parts: Parts,
  first: readonly Part[],
  concurrency: number,
  signal: AbortSignal | undefined,
  send: SendPart<T>,
): Promise<T[]> {
  const results: T[] = [];
  const running = new Set<Promise<void>>();
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  const forget = signal && whenAborted(signal, onAbort);
  try {
    for (let index = 0;; index++) {
      while (running.size >= concurrency) await Promise.race(running);
      throwIfAborted(stop.signal);
      // A failed request need not wait for a slow producer.
      const part = first[index] ?? await abortable(parts.next(), stop.signal);
      if (part === undefined) break;
      const sending = send(part, index, stop.signal).then((result) => {
        results[index] = result;
        // The server has all of it, and no attempt reads it any more; one that was cut off and still does sends bytes
        // that don't match their checksum.
        parts.giveBack(part);
      }, (error) => stop.abort(error)).finally(() => running.delete(sending));
      running.add(sending);
    }
    while (running.size > 0) await Promise.race(running);
    throwIfAborted(stop.signal);
    return results;
  } catch (error) {
    if (!stop.signal.aborted) stop.abort(error);
    await Promise.all(running);
    throw error;
  } finally {
    forget?.();
  }
}

/**
 * Fetches `count` things, at most `concurrency` at once, and gives them in order. Those fetched ahead wait in memory, which
 * is why no more than `concurrency` are under way or waiting. Ends the rest when the reader leaves.
 */
export async function* inOrder<T>(
  count: number,
  concurrency: number,
  signal: AbortSignal | undefined,
  fetch: (index: number, signal: AbortSignal) => Promise<T>,
): AsyncGenerator<T> {
  const ahead: Promise<T>[] = [];
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(signal!.reason);
  if (signal?.aborted) onAbort();
  const forget = signal && whenAborted(signal, onAbort);
  try {
    let next = 0;
    for (let index = 0; index < count; index++) {
      while (next < count && ahead.length < concurrency) {
        const fetched = fetch(next++, stop.signal);
        // Its failure is told when its turn comes, or to nobody when the reader has left.
        fetched.catch(() => {});
        ahead.push(fetched);
      }
      const result = await abortable(ahead[0]!, signal);
      ahead.shift();
      yield result;
      throwIfAborted(signal);
    }
  } finally {
    forget?.();
    stop.abort(new Error("the reader has left"));
  }
}
