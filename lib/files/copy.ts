/**
 * Copying a file the cheapest way that is safe.
 *
 * | way | costs | not when |
 * |---|---|---|
 * | link: a second name for the same bytes | nothing | the file can still be appended to, or only a part is wanted |
 * | clone: shared blocks until one is written to | nothing | the file system can't (most can't) |
 * | copy: through memory, 1 MiB at a time | its length | |
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { borrow, giveBack } from "../base/buffers.ts";
import type { Pace } from "../base/pace.ts";
import { ExistsError, IOError, NoSpaceError, NotFoundError } from "../base/errors.ts";
import type { FileSystem } from "./file_system.ts";
import { removeIfThere } from "./publish.ts";

/** How `copyFile` copies. */
export interface CopyFileOptions {
  /** `"never"` makes a copy of its own; `"auto"` (the default) may share bytes with the source. */
  link?: "auto" | "never" | undefined;
  /** Copies only the first so many bytes; all that are there unless given. */
  length?: number | undefined;
  /** The source may still be appended to, so it must not be linked: both names would grow. */
  appendable?: boolean | undefined;
  /** Gives up; the destination is removed. */
  signal?: AbortSignal | undefined;
  /** Told of every so many bytes done; sums up to the length, whichever way. */
  onBytes?: ((count: number) => void) | undefined;
  /** Lets others go first. */
  pace?: Pace | undefined;
}

/** How a file was copied. */
export type CopyWay = "link" | "clone" | "copy";

/** Large enough for the disk's full speed, small enough that many copies at once take little memory. */
const PIECE_BYTES = 2 ** 20;

/**
 * Copies `from` to `to`, which must not be there (`ExistsError`), and makes its bytes durable; its name is durable after
 * `syncDirectory`. A linked source is taken to be durable already. On failure nothing is left at `to`. Throws `IOError`
 * when the source has fewer bytes than `length`.
 */
export async function copyFile(
  fs: FileSystem,
  from: string,
  to: string,
  options: CopyFileOptions = {},
): Promise<CopyWay> {
  throwIfAborted(options.signal);
  const size = (await fs.stat(from))?.size;
  if (size === undefined) throw new NotFoundError(`Cannot copy ${from}: nothing is there (NOT_FOUND)`, { path: from });
  const length = options.length ?? size;
  if (length > size) throw endsEarly(from, length, size);
  if ((options.link ?? "auto") === "auto") {
    const way = await share(fs, from, to, length, !options.appendable && length === size);
    if (way !== undefined) {
      options.onBytes?.(length);
      return way;
    }
  }
  await stream(fs, from, to, length, options);
  return "copy";
}

/** Links or clones; undefined when neither can be had here. */
async function share(
  fs: FileSystem,
  from: string,
  to: string,
  length: number,
  linkable: boolean,
): Promise<CopyWay | undefined> {
  // A call that answers with an error may have taken effect; what was there before stays.
  const wasThere = await fs.stat(to) !== undefined;
  const undo = async (): Promise<void> => {
    if (!wasThere) await removeIfThere(fs, to);
  };
  if (linkable) {
    try {
      await fs.link(from, to);
      return "link";
    } catch (error) {
      if (isFinal(error)) throw error;
      await undo();
    }
  }
  try {
    await fs.clone(from, to);
  } catch (error) {
    if (isFinal(error)) throw error;
    await undo();
    return undefined;
  }
  await cleaningUp(fs, to, async () => {
    const handle = await fs.open(to, "append");
    try {
      // The source may have grown between measuring and cloning.
      if (handle.sizeSync() < length) throw endsEarly(from, length, handle.sizeSync());
      if (handle.sizeSync() > length) await handle.truncate(length);
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
  return "clone";
}

/** Whether copying byte by byte would meet the same obstacle. Others (another disk, no rights to link) it would not. */
function isFinal(error: unknown): boolean {
  return error instanceof ExistsError || error instanceof NotFoundError || error instanceof NoSpaceError;
}

async function stream(
  fs: FileSystem,
  from: string,
  to: string,
  length: number,
  options: CopyFileOptions,
): Promise<void> {
  const source = await fs.open(from, "read");
  try {
    const target = await fs.open(to, "create");
    await cleaningUp(fs, to, async () => {
      try {
        const piece = borrow(Math.min(PIECE_BYTES, length));
        for (let at = 0; at < length;) {
          throwIfAborted(options.signal);
          const count = await source.readAt(piece.subarray(0, Math.min(piece.length, length - at)), at);
          if (count === 0) throw endsEarly(from, length, at);
          await target.append(piece.subarray(0, count));
          at += count;
          options.onBytes?.(count);
          await options.pace?.took(count, options.signal);
        }
        giveBack(piece); // Not after a failure: a call may still be under way on it.
        await target.sync();
      } finally {
        await target.close();
      }
    });
  } finally {
    await source.close();
  }
}

async function cleaningUp(fs: FileSystem, path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await removeIfThere(fs, path).catch(() => {}); // The first failure is the one to tell.
    throw error;
  }
}

function endsEarly(path: string, wanted: number, found: number): IOError {
  return new IOError(`Cannot copy ${path}: it ends at byte ${found}, before the ${wanted} wanted (IO)`, { path });
}
