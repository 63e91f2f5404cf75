/**
 * The bytes of a file in memory: chunks that are filled one after the other and never written to again once full.
 *
 * Invariants:
 *
 * 1. All chunks but the last are full, and full chunks never change: copies share them.
 * 2. Bytes that any copy shows are never written over: a last chunk that came from a copy or was cut (`#shared`) is copied
 *    before anything is appended. The one copied from goes on in place, behind all that its copies show.
 *
 * So a copy costs one pointer a chunk, whatever the file's length, and a disk can be copied at every step of a test.
 *
 * @module
 */

/** Small enough that a block read rarely spans two, large enough that a 64 MiB table is a thousand pointers. */
const CHUNK_BYTES = 64 * 1024;

/** What the first chunk starts with: markers and other small files should not take 64 KiB each. */
const FIRST_BYTES = 256;

/** Bytes that grow at the end, can be cut, and copy cheaply. */
export class MemoryContent {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #shared = false;

  /** The length in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Adds `bytes` at the end. */
  append(bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const index = Math.floor(this.#size / CHUNK_BYTES);
      const at = this.#size % CHUNK_BYTES;
      const count = Math.min(bytes.length - done, CHUNK_BYTES - at);
      this.#writable(index, at, at + count).set(bytes.subarray(done, done + count), at);
      done += count;
      this.#size += count;
    }
  }

  /** Puts `bytes` over those from `position` on, all of which are there. */
  overwrite(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const index = Math.floor((position + done) / CHUNK_BYTES);
      const at = (position + done) % CHUNK_BYTES;
      const count = Math.min(bytes.length - done, CHUNK_BYTES - at);
      // A chunk of its own: others may show the one that is there (invariant 2).
      const own = this.#chunks[index]!.slice();
      own.set(bytes.subarray(done, done + count), at);
      this.#chunks[index] = own;
      done += count;
    }
  }

  /** The last chunk, of its own, with room up to `need`; its first `used` bytes kept. */
  #writable(index: number, used: number, need: number): Uint8Array {
    const chunk = this.#chunks[index];
    if (chunk !== undefined && chunk.length >= need && !this.#shared) return chunk;
    let room = chunk?.length ?? (index === 0 ? FIRST_BYTES : CHUNK_BYTES);
    while (room < need) room *= 2;
    const own = new Uint8Array(room);
    if (chunk !== undefined) own.set(chunk.subarray(0, used));
    this.#chunks[index] = own;
    this.#shared = false;
    return own;
  }

  /** Fills `into` from `position` on; how many bytes there were. */
  read(into: Uint8Array, position: number): number {
    const total = Math.max(0, Math.min(into.length, this.#size - position));
    let done = 0;
    while (done < total) {
      const at = (position + done) % CHUNK_BYTES;
      const count = Math.min(total - done, CHUNK_BYTES - at);
      const chunk = this.#chunks[Math.floor((position + done) / CHUNK_BYTES)]!;
      into.set(chunk.subarray(at, at + count), done);
      done += count;
    }
    return total;
  }

  /** Cuts to `size` bytes, or fills up with zeros to that many. */
  truncate(size: number): void {
    if (size > this.#size) return this.append(new Uint8Array(size - this.#size));
    this.#chunks.length = Math.ceil(size / CHUNK_BYTES);
    // The chunk that is now last was full and may be shared (invariant 1).
    if (size < this.#size) this.#shared = true;
    this.#size = size;
  }

  /** The first `size` bytes as a content of their own. */
  copy(size: number = this.#size): MemoryContent {
    const copy = new MemoryContent();
    copy.#chunks = this.#chunks.slice(0, Math.ceil(size / CHUNK_BYTES));
    copy.#size = size;
    copy.#shared = true;
    return copy;
  }

  /** Puts zeros, as of blocks that never reached the disk, over `[from, to)`. */
  erase(from: number, to: number): void {
    for (let at = from; at < to;) {
      const index = Math.floor(at / CHUNK_BYTES);
      const end = Math.min(to, (index + 1) * CHUNK_BYTES);
      const own = this.#chunks[index]!.slice();
      own.fill(0, at - index * CHUNK_BYTES, end - index * CHUNK_BYTES);
      this.#chunks[index] = own;
      at = end;
    }
  }
}
