/**
 * The files and directories of a simulated disk, and what of them a power cut would leave.
 *
 * Every file and directory has two states: the one that programs see, and the one that has surely reached the disk.
 *
 * 1. A file's bytes are durable as they were when its last sync was called. Those appended since are there or not, in any
 *    part.
 * 2. A change of names (create, rename, link, remove) is durable after `syncDirectory` of a directory it concerns. Until
 *    then it may be lost, but within one directory changes reach the disk in their order, and each one whole.
 * 3. A file that was synced but whose name was not may be gone; a name that was synced but whose file was not may lead to
 *    a file without its bytes.
 *
 * @module
 */
import { ExistsError, IOError, NotFoundError } from "../../base/errors.ts";
import { MemoryContent } from "./memory_content.ts";

/** A sync that was called and has not taken effect: what was written since need not be in it. */
export interface SyncUnderWay {
  /** How many bytes there were at the call. */
  readonly size: number;
  /** Those bytes, kept once they were cut or written over; otherwise they are the first of the content. */
  content: MemoryContent | undefined;
  /** The least length since the call. */
  floor: number;
}

/** A file: its bytes, and what is known to be durable of them. */
export class MemoryFile {
  /** Tells it from a directory. */
  readonly kind = "file";
  /** The bytes that programs see. */
  content: MemoryContent = new MemoryContent();
  /** How many bytes were there at the last sync. */
  durableSize = 0;
  /** The bytes at the last sync, kept once they were cut or written over; otherwise they are the first of `content`. */
  durable: MemoryContent | undefined;
  /** The least length since the last sync: below it `content` is what was synced. */
  floor = 0;
  /** Syncs that have not taken effect, in the order of their calls. */
  #syncing: SyncUnderWay[] = [];
  /** Parts that a failed sync gave up on: seen by programs, never written by any later sync. */
  lost: { from: number; to: number }[] = [];
  /** Zeros behind the end, which the next appends go over. */
  ahead = 0;
  /** How many names and open handles lead here; without any the space is free again. */
  uses = 0;

  /** Appends, over the zeros ahead first. */
  append(bytes: Uint8Array): void {
    const over = Math.min(this.ahead, bytes.length);
    if (over > 0) this.#overwrite(this.content.size - this.ahead, bytes.subarray(0, over));
    this.ahead -= over;
    this.content.append(bytes.subarray(over));
  }

  /** Puts zeros behind the end, and behind those that are there. */
  fill(zeros: Uint8Array): void {
    this.content.append(zeros);
    this.ahead += zeros.length;
  }

  #overwrite(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    this.#touch(position);
    // What is written anew is written by the next sync, whatever became of the bytes before.
    this.lost = this.lost.flatMap(({ from, to }) => [
      { from, to: Math.min(to, position) },
      { from: Math.max(from, end), to },
    ]).filter(({ from, to }) => from < to);
    this.content.overwrite(position, bytes);
  }

  /** From `position` on the bytes are not those of the last sync any more. */
  #touch(position: number): void {
    if (position < this.durableSize && this.durable === undefined) this.durable = this.content.copy(this.durableSize);
    this.floor = Math.min(this.floor, position);
    for (const sync of this.#syncing) {
      if (position < sync.size && sync.content === undefined) sync.content = this.content.copy(sync.size);
      sync.floor = Math.min(sync.floor, position);
    }
  }

  /** Cuts or grows to `size`. */
  truncate(size: number): void {
    this.#touch(size);
    this.lost = this.lost.filter((part) => part.from < size).map(({ from, to }) => ({ from, to: Math.min(to, size) }));
    this.content.truncate(size);
    this.ahead = 0;
  }

  /** A sync is called. */
  beginSync(): SyncUnderWay {
    const { size } = this.content;
    const sync: SyncUnderWay = { size, content: undefined, floor: size };
    this.#syncing.push(sync);
    return sync;
  }

  /** It takes effect: what programs saw at its call is durable, but for what an earlier failed sync lost. */
  synced(sync: SyncUnderWay): void {
    // One called later may have taken effect already, and says more.
    if (!this.#syncing.includes(sync)) return;
    this.#syncing = this.#syncing.slice(this.#syncing.indexOf(sync) + 1);
    this.durable = sync.content;
    this.durableSize = sync.size;
    this.floor = sync.floor;
  }

  /** It is over, with or without effect. */
  endSync(sync: SyncUnderWay): void {
    this.#syncing = this.#syncing.filter((other) => other !== sync);
  }

  /** A sync failed: the system forgets what it had not written, and no later sync will bring it back. */
  syncFailed(): void {
    if (this.floor < this.content.size) this.lost.push({ from: this.floor, to: this.content.size });
  }
}

/** A directory: its names, and which of them are known to be durable. */
export class MemoryDirectory {
  /** Tells it from a file. */
  readonly kind = "directory";
  /** The names that programs see. */
  entries: Map<string, MemoryNode> = new Map();
  /** The names that have surely reached the disk. */
  durable: Map<string, MemoryNode> = new Map();
}

/** What a name leads to. */
export type MemoryNode = MemoryFile | MemoryDirectory;

/** One name set to lead to `node`, or removed. */
export interface NameEdit {
  /** Where the name is. */
  directory: MemoryDirectory;
  /** The name. */
  name: string;
  /** What it leads to from now on; undefined: it is gone. */
  node: MemoryNode | undefined;
}

/** Edits that reach the disk together or not at all. */
export type NameChange = readonly NameEdit[];

/** A path, taken apart. */
export interface Place {
  /** The directory that holds the name. */
  directory: MemoryDirectory;
  /** The last part of the path. */
  name: string;
  /** What is there. */
  node: MemoryNode | undefined;
}

/** A tree of names. */
export class MemoryVolume {
  /** The directory `/`. */
  readonly root: MemoryDirectory;
  /** Changes of names that a power cut may undo, oldest first. */
  pending: NameChange[] = [];
  readonly #track: boolean;

  /** Without `track`, nothing is remembered of what is durable. */
  constructor(track: boolean, root: MemoryDirectory = new MemoryDirectory()) {
    this.#track = track;
    this.root = root;
  }

  /** What is at a resolved path, if anything. */
  find(path: string): MemoryNode | undefined {
    let node: MemoryNode | undefined = this.root;
    for (const name of partsOf(path)) {
      if (node?.kind !== "directory") return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  /** The place of a resolved path whose directory must exist. */
  place(call: string, path: string): Place {
    const parts = partsOf(path);
    const name = parts.pop();
    if (name === undefined) throw new IOError(`Cannot ${call} ${path}: it is the root (EBUSY)`, { path });
    let directory: MemoryNode | undefined = this.root;
    for (const part of parts) directory = directory?.kind === "directory" ? directory.entries.get(part) : undefined;
    if (directory?.kind === "directory") return { directory, name, node: directory.entries.get(name) };
    const reason = directory === undefined
      ? "nothing is there (ENOENT)"
      : "a part of the path is not a directory (ENOTDIR)";
    throw new NotFoundError(`Cannot ${call} ${path}: ${reason}`, { path });
  }

  /** As `place`, where something must be. */
  existing(call: string, path: string): Place & { node: MemoryNode } {
    const place = this.place(call, path);
    if (place.node === undefined) {
      throw new NotFoundError(`Cannot ${call} ${path}: nothing is there (ENOENT)`, { path });
    }
    return place as Place & { node: MemoryNode };
  }

  /** As `place`, where nothing may be. */
  vacant(call: string, path: string): Place {
    const place = this.place(call, path);
    if (place.node === undefined) return place;
    throw new ExistsError(`Cannot ${call} ${path}: something is already there (EEXIST)`, { path });
  }

  /** Makes a change of names, all of it. */
  change(...edits: NameEdit[]): void {
    for (const { directory, name, node } of edits) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
    }
    if (this.#track) this.pending.push(edits);
  }

  /** Makes the names of a directory durable, with all changes elsewhere that must have come before (rule 2). */
  syncDirectory(directory: MemoryDirectory): void {
    const concerned = new Set([directory]);
    const kept: NameChange[] = [];
    const synced: NameChange[] = [];
    for (const change of this.pending.reverse()) {
      if (!change.some((edit) => concerned.has(edit.directory))) {
        kept.push(change);
        continue;
      }
      for (const edit of change) concerned.add(edit.directory);
      synced.push(change);
    }
    for (const change of synced.reverse()) {
      for (const edit of change) applyEdit(edit.directory.durable, edit);
    }
    this.pending = kept.reverse();
  }
}

/** Makes one edit in a table of names. */
export function applyEdit(names: Map<string, MemoryNode>, edit: NameEdit): void {
  if (edit.node === undefined) names.delete(edit.name);
  else names.set(edit.name, edit.node);
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
