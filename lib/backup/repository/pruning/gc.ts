/**
 * Marking and sweeping: how keys are deleted while others work.
 *
 * ```
 * mark written ─► leases read ─► references read again ─► swept, or left marked for the next pruning ─► mark removed
 * ```
 *
 * (1) Who takes a lease after the leases were read finds the mark, and refers to none of its keys.
 * (2) Whoever held a lease then may have decided before: as long as one of those leases holds, nothing of the mark goes.
 * (3) What they published meanwhile is in the references that are read after that.
 * (4) A mark names these leases once they are known. One that does not (its program died in between) protects nobody's
 *     decision: it is made anew.
 * (5) Once a deletion was tried, a failure leaves the marks: a delete without an answer may still come to pass, and nothing
 *     may be put under its key before the next pruning has looked.
 * (6) So may one of a program that stood still for longer than its lease holds: who takes that over leaves the marks it finds
 *     to the next. And who has lost it touches none, for another goes by them.
 *
 * @module
 */
import { toHex } from "../../../base/bytes.ts";
import { DAY_MS } from "../../../base/duration.ts";
import { PermissionError, StorageError } from "../../../base/errors.ts";
import { type GcMark, gcMark } from "../../../format/repository/house_documents.ts";
import type { RepositoryContext } from "../core/context.ts";
import { readAllDocuments, writeDocument } from "../core/documents.ts";
import { deleteAll } from "../core/delete_all.ts";
import { PART } from "../core/layout.ts";
import { clearLeases, type FoundLease, type Lease } from "../core/lease.ts";

/** The only lease of a mark that does not know its leases yet (4). No lease has this id, for ids are hexadecimal. */
export const UNSETTLED = "unsettled";

/** What was marked. */
export interface Marked {
  /** What nobody may still refer to, if the references that are read from now on don't. */
  free: Set<string>;
  /** What somebody may. */
  pending: Set<string>;
  /** The leases that hold. */
  leases: FoundLease[];
}

interface OpenMark extends GcMark {
  /** Whether this collector made it. */
  own: boolean;
}

/** The marks of a repository in the hands of one who holds the lease `prune`. */
export class Collector {
  readonly #context: RepositoryContext;
  readonly #lease: Lease;
  readonly #dryRun: boolean;
  readonly #marks: OpenMark[];
  #deleting = false;
  /** Whether leases that ran out were broken. */
  #cleared = false;
  /** Those that count as held all the same. */
  readonly #broken: FoundLease[] = [];

  private constructor(context: RepositoryContext, lease: Lease, dryRun: boolean, marks: OpenMark[]) {
    this.#context = context;
    this.#lease = lease;
    this.#dryRun = dryRun;
    this.#marks = marks;
  }

  /** Takes up what earlier prunings left. A dry run writes no mark and breaks no lease. */
  static async begin(context: RepositoryContext, lease: Lease, dryRun: boolean): Promise<Collector> {
    const found = await readAllDocuments(context, "gc", PART.marks, gcMark);
    return new Collector(context, lease, dryRun, found.map(({ body }) => ({ ...body, own: false })));
  }

  /** Whether a deletion was tried. */
  get deleting(): boolean {
    return this.#deleting;
  }

  /** Marks keys, and says which of them nobody may need. Those marked before wait for the leases of then alone. */
  async mark(keys: Iterable<string>): Promise<Marked> {
    const before = new Map<string, OpenMark>();
    for (const mark of this.#marks) {
      if (mark.leases.includes(UNSETTLED)) continue;
      for (const key of mark.keys) before.set(key, mark);
    }
    const all = [...keys];
    const fresh = all.filter((key) => !before.has(key));
    const mark = fresh.length === 0 ? undefined : this.#newMark(fresh);
    if (mark !== undefined) await this.#write(mark);
    const leases = await this.#clearLeases();
    if (mark !== undefined) {
      mark.leases = leases.map(({ body }) => body.id);
      if (leases.length > 0) await this.#write(mark);
    }
    const holding = new Set(leases.map(({ body }) => body.id));
    const free = new Set(all.filter((key) => !(before.get(key) ?? mark!).leases.some((lease) => holding.has(lease))));
    return { free, pending: new Set(all.filter((key) => !free.has(key))), leases };
  }

  #newMark(keys: string[]): OpenMark {
    const { clock, randomBytes } = this.#context;
    const mark: OpenMark = { id: toHex(randomBytes(8)), markedAt: clock(), keys, leases: [UNSETTLED], own: true };
    this.#marks.push(mark);
    return mark;
  }

  /** Deletes keys of which none needs another; `gone` hears of each. */
  async deleteAll(
    keys: readonly string[],
    signal: AbortSignal | undefined,
    gone: (key: string) => void = () => {},
  ): Promise<void> {
    if (this.#dryRun) return keys.forEach(gone);
    const before = async (): Promise<void> => {
      await this.#lease.touch();
      this.#deleting = true;
    };
    await deleteAll(this.#context.store, keys, { before, gone, signal });
  }

  /** Ends a pruning: of the marks only the keys stay that could not go yet. */
  async finish(pending: ReadonlySet<string>): Promise<void> {
    const marks = this.#marks.filter(({ own }) => own || !this.#lease.overtook);
    if (marks.length > 0) await this.#lease.assertHeld();
    for (const mark of marks) {
      const keys = mark.keys.filter((key) => pending.has(key));
      if (keys.length === 0) await this.#remove(mark);
      else if (keys.length < mark.keys.length) await this.#write({ ...mark, keys });
    }
  }

  /** Removes the leases of dead programs, where nothing was marked, and so nobody has asked for them. */
  async cleanUp(): Promise<void> {
    if (!this.#cleared) await whereAllowed(this.#clearLeases());
  }

  /** Whether anybody has the lease of that name. */
  async isHeld(lease: string): Promise<boolean> {
    return (await this.#clearLeases()).some(({ name }) => name === lease);
  }

  async #clearLeases(): Promise<FoundLease[]> {
    this.#cleared = true;
    const found = await clearLeases(this.#context, this.#lease.name || "prune", !this.#dryRun);
    this.#broken.push(...found.filter(({ broken }) => broken));
    return [...found.filter(({ broken }) => !broken), ...this.#broken];
  }

  /** Takes back what was marked for nothing; only as long as no deletion was tried (5). */
  async withdraw(): Promise<void> {
    await this.#lease.assertHeld();
    for (const mark of this.#marks) if (mark.own) await this.#remove(mark);
  }

  async #write({ own: _own, ...mark }: OpenMark): Promise<void> {
    if (this.#dryRun) return;
    await this.#lease.assertHeld();
    await writeDocument(this.#context, "gc", markKey(mark.id), mark);
  }

  async #remove({ id }: OpenMark): Promise<void> {
    if (!this.#dryRun) await this.#context.store.delete(markKey(id));
  }
}

/** What a put has begun may still end; no put takes so long. */
const UNFINISHED_MS = 7 * DAY_MS;

/**
 * Removes what puts left in the store that never ended, when they began a week ago or earlier. Behind a prune, which is done
 * by then: who may not list or end such things, or gives up now, has pruned all the same.
 */
export async function cleanUpStore(
  { store, clock }: RepositoryContext,
  signal: AbortSignal | undefined,
): Promise<void> {
  await whereAllowed(store.cleanUp?.({ before: clock() - UNFINISHED_MS, signal }), signal);
}

async function whereAllowed(work: Promise<unknown> | undefined, signal?: AbortSignal): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof StorageError || error instanceof PermissionError || signal?.aborted)) throw error;
  }
}

/** Where a mark lies. */
export function markKey(id: string): string {
  return `${PART.marks}${id}.json`;
}
