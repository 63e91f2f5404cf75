/**
 * Async iterables through a `node:stream` transform.
 *
 * @module
 */
import type { Transform } from "node:stream";

/**
 * Pumps pieces through a transform, waiting for both ends. An error of the source comes out as it is, one of the transform as
 * `failure` makes it.
 */
export async function* through(
  pieces: AsyncIterable<Uint8Array>,
  transform: Transform,
  failure: (cause: Error) => unknown = (cause) => cause,
): AsyncGenerator<Uint8Array> {
  let inputError: { error: unknown } | undefined;
  const pump = async (): Promise<void> => {
    try {
      for await (const piece of pieces) {
        if (transform.destroyed) return;
        if (!transform.write(piece)) await ready(transform);
      }
      if (!transform.destroyed) transform.end();
    } catch (error) {
      inputError = { error };
      transform.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const pumped = pump();
  try {
    for await (const chunk of transform) {
      const bytes = chunk as Uint8Array;
      yield new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    }
  } catch (cause) {
    if (inputError !== undefined) throw inputError.error;
    throw failure(cause as Error);
  } finally {
    transform.destroy();
    await pumped;
  }
}

/** Resolves when the transform takes more, or never will. */
function ready(transform: Transform): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      transform.off("drain", done);
      transform.off("close", done);
      resolve();
    };
    transform.on("drain", done);
    transform.on("close", done);
    if (transform.destroyed) done();
  });
}
