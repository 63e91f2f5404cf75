/**
 * Faults of a simulated disk: scripted (the n-th change, or calls that a predicate names) or drawn from a seeded generator.
 *
 * @module
 */
import { IOError, NoSpaceError } from "../../base/errors.ts";
import { checkFault } from "../../base/faults.ts";
import type { Operation } from "./disk_operation.ts";

/**
 * How a call on a simulated disk fails:
 *
 * | kind | what happens |
 * |---|---|
 * | `"fail"` | it rejects with `IOError`, and nothing happened; a sync that fails so loses what it was to make durable |
 * | `"lose"` | it takes effect, then rejects with `IOError` |
 * | `"tear"` | of an append a part is written, then it rejects; others as `"fail"` |
 * | `"full"` | calls that need space reject with `NoSpaceError`, of an append a part may be written; others go on |
 * | `"kill"` | the process ends at this call: it and all later ones of this process reject |
 * | `"cut"` | the power goes at this call: it and all later ones on this disk reject |
 */
export type DiskFaultKind = "fail" | "lose" | "tear" | "full" | "kill" | "cut";

const KINDS: readonly DiskFaultKind[] = ["fail", "lose", "tear", "full", "kill", "cut"];

/** A fault and when it strikes. */
export interface DiskFault {
  /** The mutating call with this index (see `Operation`), or each call for which this is true. */
  at: number | ((operation: Operation) => boolean);
  /** What happens; a function draws anew for each call. */
  do: DiskFaultKind | (() => DiskFaultKind);
  /** How often it strikes; once unless given, `Infinity` is for good. */
  times?: number | undefined;
  /** Of what is torn, which part is written, from 0 up to 1; half of it unless given. */
  part?: (() => number) | undefined;
}

/** A fault that strikes at random: at each call with this probability, in one of these ways. */
export function randomDiskFault(
  random: () => number,
  probability: number,
  kinds: readonly DiskFaultKind[] = ["fail", "lose", "tear", "full"],
): DiskFault & { at: (operation: Operation) => boolean } {
  return {
    at: () => random() < probability,
    do: () => kinds[Math.floor(random() * kinds.length)] ?? "fail",
    times: Infinity,
    part: random,
  };
}

/** What is to be done at a call. */
export type Strike =
  | { kind: "kill" | "cut" }
  | { kind: "fail" | "lose"; error: Error }
  /** Of an append so many bytes are written first. */
  | { kind: "tear"; bytes: number; error: Error };

interface ActiveFault {
  readonly fault: DiskFault;
  left: number;
}

/** What takes room on a disk. */
const NEEDS_SPACE: ReadonlySet<Operation["name"]> = new Set([
  ...["append", "clone", "create", "fill", "link", "makeDirectory", "rename"] as const,
]);

/** The faults of one disk. */
export class DiskFaults {
  #active: ActiveFault[] = [];

  /** Adds a fault; the function given back removes it. */
  inject(fault: DiskFault): () => void {
    checkFault(fault, KINDS, ["part"]);
    const active = { fault, left: fault.times ?? 1 };
    this.#active.push(active);
    return () => {
      this.#active = this.#active.filter((one) => one !== active);
    };
  }

  /** Whether any may still strike. */
  get any(): boolean {
    return this.#active.some(({ left }) => left > 0);
  }

  /** What happens at a call; the first fault that fits decides. */
  strike(operation: Operation): Strike | undefined {
    for (const active of this.#active) {
      const { at, do: kind, part = () => 0.5 } = active.fault;
      if (active.left <= 0 || !(typeof at === "number" ? isAt(at, operation) : at(operation))) continue;
      active.left--;
      return strikeOf(typeof kind === "function" ? kind() : kind, operation, part);
    }
    return undefined;
  }
}

function isAt(index: number, { index: at, mutates }: Operation): boolean {
  return mutates && index === at;
}

function strikeOf(kind: DiskFaultKind, operation: Operation, part: () => number): Strike | undefined {
  if (kind === "kill" || kind === "cut") return { kind };
  const { name, path, bytes = 0 } = operation;
  if (kind === "full") {
    if (!NEEDS_SPACE.has(name)) return undefined;
    const error = new NoSpaceError(`Cannot ${name} ${path}: no space is left on the disk (ENOSPC)`, { path });
    return name === "append" ? { kind: "tear", bytes: Math.floor(part() * bytes), error } : { kind: "fail", error };
  }
  const error = new IOError(`Cannot ${name} ${path}: a fault "${kind}" was injected (EIO)`, { path });
  // A lock that nobody knows of could not be given back.
  if (name === "lock") return { kind: "fail", error };
  if (kind !== "tear") return { kind, error };
  return name === "append" ? { kind, bytes: Math.floor(part() * bytes), error } : { kind: "fail", error };
}
