/**
 * What a machine finds on a simulated disk after the power went: one of the states that the rules of `memory_volume.ts`
 * allow.
 *
 * @module
 */
import { checkOptions, choiceOption, functionOption } from "../../base/options.ts";
import type { MemoryContent } from "./memory_content.ts";
import {
  applyEdit,
  MemoryDirectory,
  MemoryFile,
  type MemoryNode,
  type MemoryVolume,
  type NameChange,
} from "./memory_volume.ts";

/**
 * What survives of what was not synced: `"none"`, `"all"` (as when only the process dies), or `"random"`: of each
 * directory the first so many changes, of each file nothing, all, a prefix cut at any byte, or pages with zeros between.
 * `"scattered"`: the same of files, and of the changes of names any, whatever came before: as on file systems that keep no
 * order.
 */
export type CrashKeep = "none" | "all" | "random" | "scattered";

/** How a power cut goes. */
export interface CrashOptions {
  /** What survives; `"random"` unless given. */
  keep?: CrashKeep | undefined;
  /** From 0 up to 1, for `"random"` and `"scattered"`: pass a seeded generator, so that a failing run can be run again. */
  random?: (() => number) | undefined;
}

const KEEPS: readonly CrashKeep[] = ["none", "all", "random", "scattered"];

/** Checks how the power is to go: a slip would leave another disk than a test is about. */
export function checkCrashOptions(
  call: string,
  options: CrashOptions | undefined,
): { keep: CrashKeep; random: (() => number) | undefined } {
  const checked = checkOptions(call, options, ["keep", "random"]);
  return {
    keep: choiceOption(call, checked, "keep", "random", KEEPS),
    random: functionOption<() => number>(call, checked, "random"),
  };
}

/** The unit in which systems write files back: bytes of a page go together. */
const PAGE_BYTES = 4096;

/** The root of a new disk in one of the states possible after a power cut. Everything on it is durable. */
export function imageAfterCut(volume: MemoryVolume, keep: CrashKeep, random: () => number): MemoryDirectory {
  const namesOf = keep === "all"
    ? entriesNow
    : keep === "none"
    ? entriesDurable
    : keep === "random"
    ? entriesPartly(volume.pending, random)
    : entriesScattered(volume.pending, random);
  // By node, so that two names of one file stay two names of one file.
  const files = new Map<MemoryFile, MemoryFile>();
  const image = (node: MemoryNode): MemoryNode => {
    if (node.kind === "directory") {
      const directory = new MemoryDirectory();
      for (const [name, child] of namesOf(node)) directory.entries.set(name, image(child));
      directory.durable = new Map(directory.entries);
      return directory;
    }
    let file = files.get(node);
    if (file === undefined) {
      file = new MemoryFile();
      file.content = survivingContent(node, keep, random);
      file.synced(file.beginSync());
      files.set(node, file);
    }
    file.uses++;
    return file;
  };
  return image(volume.root) as MemoryDirectory;
}

const entriesNow = (directory: MemoryDirectory): Map<string, MemoryNode> => directory.entries;
const entriesDurable = (directory: MemoryDirectory): Map<string, MemoryNode> => directory.durable;

/** For each directory, the durable names with the first so many pending changes made. */
function entriesPartly(
  pending: readonly NameChange[],
  random: () => number,
): (directory: MemoryDirectory) => Map<string, MemoryNode> {
  const left = new Map<MemoryDirectory, number>();
  for (const change of pending) {
    for (const { directory } of change) left.set(directory, (left.get(directory) ?? 0) + 1);
  }
  for (const [directory, count] of left) left.set(directory, Math.floor(random() * (count + 1)));
  const names = new Map<MemoryDirectory, Map<string, MemoryNode>>();
  for (const change of pending) {
    // A change that one of its directories has no more room for is lost, and with it all later ones of the others.
    const made = change.every(({ directory }) => left.get(directory)! > 0);
    for (const edit of change) {
      left.set(edit.directory, made ? left.get(edit.directory)! - 1 : 0);
      if (!made) continue;
      const table = names.get(edit.directory) ?? new Map(edit.directory.durable);
      applyEdit(table, edit);
      names.set(edit.directory, table);
    }
  }
  return (directory) => names.get(directory) ?? directory.durable;
}

/** For each directory, the durable names with any of the pending changes made. */
function entriesScattered(
  pending: readonly NameChange[],
  random: () => number,
): (directory: MemoryDirectory) => Map<string, MemoryNode> {
  const names = new Map<MemoryDirectory, Map<string, MemoryNode>>();
  for (const change of pending) {
    if (random() < 0.5) continue;
    for (const edit of change) {
      const table = names.get(edit.directory) ?? new Map(edit.directory.durable);
      applyEdit(table, edit);
      names.set(edit.directory, table);
    }
  }
  return (directory) => names.get(directory) ?? directory.durable;
}

function survivingContent(file: MemoryFile, keep: CrashKeep, random: () => number): MemoryContent {
  if (keep === "all") return file.content.copy();
  const content = keep === "none" ? contentDurable(file) : contentPartly(file, random);
  for (const { from, to } of file.lost) {
    const end = Math.min(to, content.size);
    if (from < end && (keep === "none" || random() < 0.5)) content.erase(from, end);
  }
  return content;
}

function contentDurable(file: MemoryFile): MemoryContent {
  return file.durable?.copy() ?? file.content.copy(file.durableSize);
}

function contentPartly(file: MemoryFile, random: () => number): MemoryContent {
  const { content, floor } = file;
  if (file.durable === undefined && content.size === floor) return content.copy();
  const fate = random();
  if (fate < 0.2) return contentDurable(file);
  if (fate < 0.4) return content.copy();
  const length = floor + Math.floor(random() * (content.size - floor + 1));
  if (fate < 0.7) return content.copy(length);
  // The length arrived, of the pages since the last sync some did not.
  const holed = content.copy(random() < 0.5 ? content.size : length);
  for (let from = floor; from < holed.size;) {
    const to = Math.min(holed.size, (Math.floor(from / PAGE_BYTES) + 1) * PAGE_BYTES);
    if (random() < 0.5) holed.erase(from, to);
    from = to;
  }
  return holed;
}
