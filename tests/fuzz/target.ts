/**
 * What the fuzzing of decoders is told about one of them: valid inputs, how to read one, and how payloads lie in it, so that
 * damage can be put behind the checksums.
 */

/** A piece of an input that is changed by itself. */
export interface Part {
  bytes: Uint8Array;
  /** It is JSON in UTF-8, changed as a value more often than as bytes. */
  json?: boolean;
  /** How pieces lie in it in turn. */
  inner?: Structure;
  /** What `put` knows it by. */
  label?: string;
  /** Set once it is not what `take` gave any more. */
  changed?: boolean;
}

/** How an input is made of parts. Checksums belong to `put`. */
export interface Structure {
  /** The parts of an input; may throw, or give undefined, when it can't be taken apart. */
  take(bytes: Uint8Array): Part[] | undefined;
  /** The input of parts that were changed, dropped, doubled or moved, with checksums that hold; may throw. */
  put(parts: readonly Part[]): Uint8Array | Promise<Uint8Array>;
}

/** A decoder to be fuzzed. */
export interface Target {
  /** Also the folder of its corpus. */
  name: string;
  /** Valid inputs, made by the product's own writers. */
  seeds(): Promise<Uint8Array[]> | Uint8Array[];
  /**
   * Decodes, and checks what must hold of anything that decodes; loops that the input drives count their steps. Gives what
   * was decoded.
   */
  decode(bytes: Uint8Array, steps: Steps): unknown;
  /** How an input is made of parts. */
  structure?: Structure;
  /** Whether only errors with a code may come out: a decoder of the format alone may throw `DecodeError`. */
  coded?: boolean;
  /** Errors of other kinds that the decoder's documentation states. */
  refuses?: (error: unknown) => boolean;
  /** How many of the usual number of cases it gets: below 1 for slow ones. */
  share?: number;
}

/** The error of a decoder that went on for longer than its input is worth. */
export class EndlessError extends Error {
  constructor(most: number) {
    super(`more than ${most} steps`);
    this.name = "EndlessError";
  }
}

/** Counts steps, so that a loop that doesn't end is an error and not a hang. */
export class Steps {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether too many were taken: also when the decoder has caught the error. */
  get exceeded(): boolean {
    return this.#taken > this.#most;
  }

  take(count = 1): void {
    this.#taken += count;
    if (this.#taken > this.#most) throw new EndlessError(this.#most);
  }
}
