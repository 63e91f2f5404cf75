/**
 * Watches how much memory is asked for at once. The constructors of buffers are replaced by proxies while a fuzzing run goes
 * on: what JavaScript asks for is seen in all three runtimes, what zlib takes inside itself is not.
 */

const NAMES = ["ArrayBuffer", "Uint8Array", "Uint32Array", "Float64Array"] as const;

/** The error in place of memory that nobody should ask for. */
export class OversizedError extends Error {
  constructor(bytes: number) {
    super(`${bytes} bytes asked for at once`);
    this.name = "OversizedError";
  }
}

/** Sees every buffer that is made until `stop`. */
export class AllocationWatch {
  /** The largest request since `reset`, bytes. */
  largest = 0;
  readonly #limit: number;
  readonly #stop: () => void;

  /** Requests above `limit` bytes are not carried out. */
  constructor(limit: number) {
    this.#limit = limit;
    const globals = globalThis as unknown as Record<string, new (...args: unknown[]) => object>;
    const originals = NAMES.map((name) => [name, globals[name]!] as const);
    for (const [name, original] of originals) {
      const width = (original as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
      const watched: object = new Proxy(original, {
        construct: (target, args, newTarget) => {
          if (typeof args[0] === "number") this.#note(args[0] * width);
          return Reflect.construct(target, args, newTarget === watched ? target : newTarget) as object;
        },
      });
      globals[name] = watched as typeof original;
    }
    this.#stop = () => {
      for (const [name, original] of originals) globals[name] = original;
    };
  }

  reset(): void {
    this.largest = 0;
  }

  stop(): void {
    this.#stop();
  }

  #note(bytes: number): void {
    // Written so that NaN passes: it makes an empty buffer.
    if (bytes > this.largest) this.largest = bytes;
    if (bytes > this.#limit) throw new OversizedError(bytes);
  }
}
