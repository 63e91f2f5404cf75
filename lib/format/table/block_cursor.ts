/**
 * A place among the rows of one data block (see `data_block.ts`).
 *
 * Decoding an entry makes no objects: the numbers go to fields, the key is put together in one buffer that is used again
 * for the next row, the cell is a range of the block. Every length is checked against the block before it is used, so
 * that a block with a good checksum and bad contents ends in `CorruptionError` too.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { type DataBlock, TIMESTAMP_BELOW, VERSION_BELOW } from "./data_block.ts";

/** `find`: the row was found, and the cursor's fields (all but the key) are those of the row. */
export const FOUND = 1;
/** `find`: the block holds a later row and not the one looked for. */
export const ABSENT = 0;
/** `find`: all rows of the block come before it, so it could be in the next one. */
export const BEYOND: number = -1;

/** Moves over the rows of one block after the other. */
export class BlockCursor {
  /** Whether it stands on a row. */
  valid = false;
  /** The row's version. */
  version = 0;
  /** The row's time, ms. */
  timestamp = 0;
  #block: DataBlock | undefined;
  #bytes: Uint8Array = EMPTY_BYTES;
  #end = 0;
  #at = 0;
  #shared = 0;
  #suffix = 0;
  #cell = 0;
  #next = 0;
  #varintEnd = 0;
  #key: Uint8Array = new Uint8Array(128);
  #keyLength = 0;
  #keyView: Uint8Array = EMPTY_BYTES;

  /** The row's key: a view that the next move overwrites. */
  get key(): Uint8Array {
    // A view of the right length is good for every row, because the key is always put together in the same memory.
    if (this.#keyView.length !== this.#keyLength) this.#keyView = this.#key.subarray(0, this.#keyLength);
    return this.#keyView;
  }

  /** The row's cell: a view of the block. */
  get cell(): Uint8Array {
    return this.#bytes.subarray(this.#cell, this.#next);
  }

  /** Where the row begins in the block. */
  get rowStart(): number {
    return this.#at;
  }

  /** Where the row's cell begins in the block. */
  get cellStart(): number {
    return this.#cell;
  }

  /** Where it ends. */
  get cellEnd(): number {
    return this.#next;
  }

  /** The block it moves in. */
  get block(): DataBlock | undefined {
    return this.#block;
  }

  /** Goes to another block, standing nowhere yet. */
  attach(block: DataBlock): void {
    this.#block = block;
    this.#bytes = block.bytes;
    this.#end = block.end;
    this.valid = false;
  }

  /** Stands on the first row. */
  first(): void {
    this.#restart(this.#block!.restart(0));
  }

  /** Stands on the last row. */
  last(): void {
    const block = this.#block!;
    this.#restart(block.restart(block.restarts - 1));
    while (this.#next < this.#end) this.#step(this.#next);
  }

  /** One row on; false when there is none in this block, and then it stands nowhere. */
  next(): boolean {
    if (this.#next >= this.#end) return this.valid = false;
    this.#step(this.#next);
    return true;
  }

  /** One row back; false when there is none in this block, and then it stands nowhere. */
  previous(): boolean {
    const block = this.#block!;
    const at = this.#at;
    if (at === block.restart(0)) return this.valid = false;
    let low = 0;
    let high = block.restarts - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (block.restart(middle) < at) low = middle;
      else high = middle - 1;
    }
    this.#restart(block.restart(low));
    while (this.#next < at) this.#step(this.#next);
    if (this.#next !== at) throw block.damaged(at, "entries do not meet");
    return true;
  }

  /** Stands on the first row at or after (`key`, `version`); false when there is none in this block. */
  seek(key: Uint8Array, version: number): boolean {
    this.#restart(this.#block!.restart(this.#lastRestartUpTo(key, version)));
    while (this.#compareTo(key, version) < 0) {
      if (this.#next >= this.#end) return this.valid = false;
      this.#step(this.#next);
    }
    return true;
  }

  /**
   * Looks for the newest row of `key` with a version up to `version`: `FOUND`, `ABSENT` or `BEYOND`. As fast as it gets,
   * so the key is not put together and no move may follow.
   */
  find(key: Uint8Array, version: number): number {
    this.valid = false;
    return this.#walk(this.#block!.restart(this.#lastRestartUpTo(key, version)), key, version);
  }

  /** As `find` for the key with this tag, in a block with hints (see `row_hints.ts`); `BEYOND` also for `ABSENT`. */
  findByHints(hints: Uint16Array, tag: number, key: Uint8Array, version: number): number {
    this.valid = false;
    const rows = hints.length >>> 1;
    let tried = -1;
    for (let i = 0; i < rows; i++) {
      if (hints[rows + i] !== tag) continue;
      const start = hints[i]!;
      if (start === tried) continue;
      tried = start;
      // Another key's tag may be the same.
      if (this.#walk(start, key, version) === FOUND) return FOUND;
    }
    return BEYOND;
  }

  /** Looks for it from the restart point `at` on. */
  #walk(at: number, key: Uint8Array, version: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    // How many bytes of `key` the row before shares with it; the row before is below `key` in the byte that follows.
    let matched = 0;
    while (at < end) {
      this.#read(at);
      at = this.#next;
      const shared = this.#shared;
      if (shared > matched) continue;
      if (shared < matched) {
        // A restart point shares nothing by decree, so only its bytes can tell.
        if (shared !== 0) return ABSENT;
        matched = 0;
      }
      const suffixEnd = this.#cell;
      let i = this.#suffix;
      while (i < suffixEnd && matched < key.length && bytes[i] === key[matched]) {
        i++;
        matched++;
      }
      if (i === suffixEnd) {
        if (matched === key.length && this.version <= version) return FOUND;
      } else if (matched === key.length || bytes[i]! > key[matched]!) return ABSENT;
    }
    return BEYOND;
  }

  /** The last restart point at or before (`key`, `version`), or the first when all come later. */
  #lastRestartUpTo(key: Uint8Array, version: number): number {
    const block = this.#block!;
    const bytes = this.#bytes;
    let low = 0;
    let high = block.restarts - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const at = block.restart(middle);
      this.#read(at);
      if (this.#shared !== 0) throw block.damaged(at, "a restart point shares key bytes");
      const start = this.#suffix;
      const length = this.#cell - start;
      const n = length < key.length ? length : key.length;
      let i = 0;
      while (i < n && bytes[start + i] === key[i]) i++;
      const order = i < n ? bytes[start + i]! - key[i]! : length - key.length;
      if (order < 0 || (order === 0 && this.version >= version)) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #compareTo(key: Uint8Array, version: number): number {
    const own = this.#key;
    const length = this.#keyLength;
    const n = length < key.length ? length : key.length;
    let i = 0;
    while (i < n && own[i] === key[i]) i++;
    if (i < n) return own[i]! - key[i]!;
    return length !== key.length ? length - key.length : version - this.version;
  }

  /** Stands on the entry at a restart point. */
  #restart(at: number): void {
    this.#keyLength = 0;
    this.#step(at);
  }

  /** Stands on the entry at `at`, which follows the one it stood on. */
  #step(at: number): void {
    this.valid = false;
    this.#read(at);
    const shared = this.#shared;
    const suffix = this.#suffix;
    const unshared = this.#cell - suffix;
    const length = shared + unshared;
    if (shared > this.#keyLength) throw this.#block!.damaged(at, "shares more key bytes than there are");
    if (length > this.#key.length) this.#growKey(length);
    const key = this.#key;
    const bytes = this.#bytes;
    for (let i = 0; i < unshared; i++) key[shared + i] = bytes[suffix + i]!;
    this.#keyLength = length;
    this.#at = at;
    this.valid = true;
  }

  /** Takes the numbers of the entry at `at` into the fields, without its key. */
  #read(at: number): void {
    const bytes = this.#bytes;
    const block = this.#block!;
    let head = bytes[at++]!;
    if (head >= 0x80) {
      head = this.#varint(head, at);
      at = this.#varintEnd;
    }
    let unshared = bytes[at++]!;
    if (unshared >= 0x80) {
      unshared = this.#varint(unshared, at);
      at = this.#varintEnd;
    }
    let cellLength = bytes[at++]!;
    if (cellLength >= 0x80) {
      cellLength = this.#varint(cellLength, at);
      at = this.#varintEnd;
    }
    let versionDistance = bytes[at++]!;
    if (versionDistance >= 0x80) {
      versionDistance = this.#varint(versionDistance, at);
      at = this.#varintEnd;
    }
    let timeDistance = bytes[at++]!;
    if (timeDistance >= 0x80) {
      timeDistance = this.#varint(timeDistance, at);
      at = this.#varintEnd;
    }
    this.#shared = head < 0x80000000 ? head >>> 2 : Math.floor(head / 4);
    this.version = head & VERSION_BELOW ? block.baseVersion - versionDistance : block.baseVersion + versionDistance;
    this.timestamp = head & TIMESTAMP_BELOW ? block.baseTimestamp - timeDistance : block.baseTimestamp + timeDistance;
    this.#suffix = at;
    this.#cell = at + unshared;
    this.#next = this.#cell + cellLength;
    // Written so that it also catches the NaN that reading past the memory would make.
    if (!(this.#next <= this.#end)) throw block.damaged(at, "an entry runs past the block");
  }

  /** The rest of a varint that began with `first`; leaves the position behind it in `#varintEnd`. */
  #varint(first: number, at: number): number {
    const bytes = this.#bytes;
    let value = first & 0x7f;
    let scale = 0x80;
    for (let n = 1; n < 8; n++) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#varintEnd = at;
        return value;
      }
      scale *= 0x80;
    }
    throw this.#block!.damaged(at, "a number that is too long");
  }

  #growKey(length: number): void {
    const grown = new Uint8Array(Math.max(length, this.#key.length * 2));
    grown.set(this.#key.subarray(0, this.#keyLength));
    this.#key = grown;
    this.#keyView = EMPTY_BYTES;
  }
}
