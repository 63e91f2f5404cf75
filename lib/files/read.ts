/**
 * Reading files whole or in part.
 *
 * @module
 */
import { IOError } from "../base/errors.ts";
import type { FileHandle, FileSystem } from "./file_system.ts";

/**
 * The whole file. Throws `IOError` when it is larger than `maxBytes`: what is read whole must be known to be small, or a
 * damaged or foreign file could take all memory.
 */
export async function readFile(fs: FileSystem, path: string, maxBytes: number): Promise<Uint8Array> {
  const handle = await fs.open(path, "read");
  try {
    const size = handle.sizeSync();
    if (size > maxBytes) {
      throw new IOError(`Cannot read ${path}: ${size} bytes, more than the ${maxBytes} it may have (IO)`, { path });
    }
    return await readRange(handle, 0, size);
  } finally {
    await handle.close();
  }
}

/** As `readFile`, at once. */
export function readFileSync(fs: FileSystem, path: string, maxBytes: number): Uint8Array {
  const handle = fs.openSync(path, "read");
  try {
    const size = handle.sizeSync();
    if (size > maxBytes) {
      throw new IOError(`Cannot read ${path}: ${size} bytes, more than the ${maxBytes} it may have (IO)`, { path });
    }
    return readRangeSync(handle, 0, size);
  } finally {
    handle.closeSync();
  }
}

/** `length` bytes from `position` on; fewer when the file ends before, which the caller judges. */
export async function readRange(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const count = await handle.readAt(bytes, position);
  return count === length ? bytes : bytes.subarray(0, count);
}

/** As `readRange`, at once. */
export function readRangeSync(handle: FileHandle, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const count = handle.readAtSync(bytes, position);
  return count === length ? bytes : bytes.subarray(0, count);
}
