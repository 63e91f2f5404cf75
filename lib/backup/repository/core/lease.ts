/**
 * Leases: who works on a repository, for a time that runs out by itself when the program dies.
 *
 * (1) A lease of its own name (`backup-<database>`, `prune`, `keys`) is held by one at a time. Others get `RepositoryLockedError`.
 * (2) Before anything is deleted for good, every lease that was there when it was marked must be gone (`gc.ts`).
 * (3) Whoever publishes something there asks `assertHeld` just before; a copy of many backups `touch` before each, and the
 *     other once for several. A program that slept through its lease finds out there. Behind backups it is asked once more:
 *     those that were published since it held are taken back, but for what is whole.
 * (4) A lease that ran out by the clock of a pruning is broken before anything that it protected goes: its holder, whose
 *     clock may say otherwise, learns of it from `assertHeld`, which writes the lease anew.
 * (5) One whose holder was about to publish counts as held by who broke it: what a pruning marks then stays for the next one,
 *     which finds what was published, were it by a program that was killed right behind that.
 * (6) Of a lease that only one has (`prune`) who takes it over knows whether the other was about to publish, or to delete, and
 *     may have that on its way still.
 *
 * A lease is renewed as work goes on, by `touch`, and not by a timer: work that stands still lets go.
 *
 * @module
 */
import { PermissionError, RepositoryLockedError } from "../../../base/errors.ts";
import { toHex } from "../../../base/bytes.ts";
import { ofProcess } from "../../../base/simulation.ts";
import { type LeaseDocument, leaseDocument } from "../../../format/repository/house_documents.ts";
import type { RepositoryContext } from "./context.ts";
import { readAllDocuments, readDocument, writeDocument } from "./documents.ts";
import { PART } from "./layout.ts";
import { OtherWriterError } from "./writer_claim.ts";

/**
 * How long a lease holds without being renewed. Not shorter: one object of hundreds of megabytes over a slow line takes
 * minutes. Not longer: what a dead program marked can't be collected before.
 */
export const LEASE_MS: number = 15 * 60_000;

/** The kind of a lease whose holder publishes, or deletes. (5, 6) */
const PUBLISHES = "publish";

/** A lease is renewed when a third of it is used up. */
const RENEW_MS = LEASE_MS / 3;

/** A held lease. */
export interface Lease {
  /** Its name. */
  readonly name: string;
  /** Whether it is that of another who may still be about to publish or to delete. (6) */
  readonly overtook: boolean;
  /** To be called as work goes on; renews when it is time. */
  touch(): Promise<void>;
  /**
   * Throws `RepositoryLockedError` unless the lease surely still holds. `publishing`: manifests are put from here on (5), or
   * keys deleted (6).
   */
  assertHeld(publishing?: boolean): Promise<void>;
  /** Gives it back. */
  release(): Promise<void>;
}

const done = (): Promise<void> => Promise.resolve();
const NO_LEASE: Lease = { name: "", overtook: false, touch: done, assertHeld: done, release: done };

/** How a lease is taken. */
export interface LeaseOptions {
  /** For people: what is done. */
  kind: LeaseDocument["kind"];
  /** One at a time under this name; left out, a lease beside others. */
  name?: string;
  /** For people: who. */
  holder: string;
  /** Ends the wait for others that write, where one program at a time does. */
  signal?: AbortSignal | undefined;
  /**
   * Only one living program can be this holder, because it has locked its database: a lease of the same holder that this
   * process does not hold is a dead one's, and taken over at once.
   */
  sole?: boolean;
}

/** Runs `work` under a lease. A repository that may not be written to has none: nothing it deletes can come in between. */
export async function withLease<T>(
  context: RepositoryContext,
  options: LeaseOptions,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const lease = await takeLease(context, options);
  try {
    return await work(lease);
  } finally {
    await lease.release();
  }
}

/** As `withLease`, to be given back by the caller. */
export async function takeLease(context: RepositoryContext, options: LeaseOptions): Promise<Lease> {
  if (context.readOnly) return NO_LEASE;
  // Waited for here, where nothing is left behind that would have to be taken back.
  await context.turn?.(options.signal);
  return await HeldLease.take(context, options);
}

/** Leases of this process that could not be given back, because the store was away. */
const abandoned = ofProcess(() => new Set<string>());

/** Leases of this process that are held. */
const held = ofProcess(() => new Set<string>());

/** How a lease was taken. */
interface Taken {
  etag: string;
  overtook: boolean;
}

class HeldLease implements Lease {
  readonly name: string;
  readonly overtook: boolean;
  readonly #context: RepositoryContext;
  readonly #key: string;
  /** As which it was taken. */
  readonly #kind: string;
  #body: LeaseDocument;
  #etag: string | undefined;
  #renewing: Promise<void> | undefined;
  #publishing = false;

  private constructor(context: RepositoryContext, key: string, body: LeaseDocument, { etag, overtook }: Taken) {
    this.name = key.slice(PART.locks.length, -".json".length);
    this.overtook = overtook;
    // Who takes it over from this one has to know as much.
    this.#publishing = overtook;
    this.#context = context;
    this.#key = key;
    this.#kind = body.kind;
    this.#body = body;
    this.#etag = etag;
  }

  static async take(context: RepositoryContext, options: LeaseOptions): Promise<HeldLease> {
    const id = toHex(context.randomBytes(8));
    const key = `${PART.locks}${options.name ?? `${options.kind}-${id}`}.json`;
    const now = context.clock();
    const body: LeaseDocument = {
      id,
      kind: options.kind,
      holder: options.holder,
      takenAt: now,
      expiresAt: now + LEASE_MS,
    };
    const isOver = (other: LeaseDocument): boolean =>
      other.expiresAt <= now || abandoned().has(other.id) ||
      (options.sole === true && other.holder === body.holder && !held().has(other.id));
    held().add(id);
    try {
      return new HeldLease(context, key, body, await HeldLease.#put(context, key, body, isOver));
    } catch (error) {
      held().delete(id);
      // It may have been written, and its answer lost.
      abandoned().add(id);
      throw error;
    }
  }

  static async #put(
    context: RepositoryContext,
    key: string,
    body: LeaseDocument,
    isOver: (other: LeaseDocument) => boolean,
  ): Promise<Taken> {
    let overtook = false;
    for (let tries = 0; tries < 3; tries++) {
      const put = await writeDocument(context, "lease", key, body, { ifAbsent: true });
      if (put !== undefined) return { etag: put.etag, overtook };
      const found = await readDocument(context, "lease", key, leaseDocument);
      if (found === undefined) continue;
      // The answer to our own put may have been lost.
      if (found.body.id === body.id) return { etag: found.etag!, overtook };
      if (!isOver(found.body)) throw locked(context, found.body, body.kind);
      overtook ||= found.body.kind === PUBLISHES && !abandoned().has(found.body.id);
      const kind = overtook ? PUBLISHES : body.kind;
      const taken = await writeDocument(context, "lease", key, { ...body, kind }, { ifMatch: found.etag });
      if (taken !== undefined) return { etag: taken.etag, overtook };
    }
    const found = await readDocument(context, "lease", key, leaseDocument);
    throw locked(context, found?.body ?? body, body.kind);
  }

  /** Whether it is time to renew. */
  get #isDue(): boolean {
    return this.#context.clock() >= this.#body.expiresAt - LEASE_MS + RENEW_MS;
  }

  async touch(): Promise<void> {
    if (!this.#isDue) return;
    await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    const kind = this.#publishing ? PUBLISHES : this.#kind;
    const body = { ...this.#body, kind, expiresAt: this.#context.clock() + LEASE_MS };
    const put = await writeDocument(this.#context, "lease", this.#key, body, { ifMatch: this.#etag });
    if (put !== undefined) {
      this.#etag = put.etag;
      this.#body = body;
      return;
    }
    const found = await readDocument(this.#context, "lease", this.#key, leaseDocument);
    if (found?.body.id !== body.id) throw this.#lost();
    this.#etag = found.etag;
    this.#body = found.body;
    // What an earlier call wrote, whose answer was lost, says less.
    if (found.body.kind !== kind) await this.#renew();
  }

  async assertHeld(publishing = false): Promise<void> {
    this.#publishing ||= publishing;
    await this.#renewing?.catch(() => {});
    try {
      // Written, not only looked at by our own clock: another's may have gone faster, and the lease be broken (4).
      await (this.#renewing ??= this.#renew().finally(() => this.#renewing = undefined));
    } catch (error) {
      if (error instanceof RepositoryLockedError && !(error instanceof OtherWriterError)) throw error;
      // A store that takes no writes just now, or not from this program, has not broken it. Whether another has, a look tells.
      if (!await this.#isThere()) throw this.#lost();
    }
    if (this.#context.clock() >= this.#body.expiresAt) throw this.#lost();
  }

  /** Whether what is there is still ours. */
  async #isThere(): Promise<boolean> {
    const found = await readDocument(this.#context, "lease", this.#key, leaseDocument);
    return found?.body.id === this.#body.id;
  }

  #lost(): RepositoryLockedError {
    // By our own clock it may hold for long: what another has in its place is not ours to give back.
    this.#body = { ...this.#body, expiresAt: 0 };
    return new RepositoryLockedError(
      `The lease ${this.name} in ${this.#context.name} ran out while its work stood still, and others may have gone on; ` +
        `start again (REPOSITORY_LOCKED)`,
    );
  }

  /** Gives the lease back, unless another has it by now. Failing at that is no failure: it runs out by itself. */
  async release(): Promise<void> {
    held().delete(this.#body.id);
    await this.#renewing?.catch(() => {});
    if (this.#context.clock() >= this.#body.expiresAt) return;
    try {
      // Who has not renewed it for long may have lost it by another's clock.
      if (this.#isDue && !await this.#isThere()) return;
      await this.#context.store.delete(this.#key);
    } catch (error) {
      // The next to take it in this process knows that nobody holds it; others, where it may be written and not deleted.
      abandoned().add(this.#body.id);
      if (error instanceof PermissionError) await this.#end();
    }
  }

  /** Lets the lease run out now. */
  async #end(): Promise<void> {
    const body = { ...this.#body, kind: this.#kind, expiresAt: this.#context.clock() };
    await writeDocument(this.#context, "lease", this.#key, body, { ifMatch: this.#etag }).catch(() => {});
  }
}

function locked(context: RepositoryContext, held: LeaseDocument, wanted: string): RepositoryLockedError {
  const kind = held.kind === PUBLISHES ? wanted : held.kind;
  return new RepositoryLockedError(
    `Cannot ${kind} in ${context.name}: ${held.holder} has done so since ${new Date(held.takenAt).toISOString()}; ` +
      `wait for it, or until ${new Date(held.expiresAt).toISOString()} when it died (REPOSITORY_LOCKED)`,
  );
}

/** The leases that have not run out. One that can't be read counts as held. */
export async function activeLeases(context: RepositoryContext): Promise<LeaseDocument[]> {
  const now = context.clock();
  const all = await readAllDocuments(context, "lease", PART.locks, leaseDocument);
  return all.map(({ body }) => body).filter((lease) => lease.expiresAt > now);
}

/** A lease as it is found. */
export interface FoundLease {
  /** Its name. */
  name: string;
  /** What it says, or said. */
  body: LeaseDocument;
  /** Whether it was broken just now, and counts as held all the same (5). */
  broken?: boolean;
}

/** How long breaking an expired lease may take. */
const BREAK_MS = 60_000;

/**
 * The leases that hold, but for the one named `own`. Those that ran out are broken first and removed, so that their holders,
 * if they live, can publish nothing more; one that was renewed meanwhile holds. Without `breaking` they are only passed over.
 */
export async function clearLeases(context: RepositoryContext, own: string, breaking = true): Promise<FoundLease[]> {
  const holding: FoundLease[] = [];
  for (const { key, body } of await readAllDocuments(context, "lease", PART.locks, leaseDocument)) {
    const name = key.slice(PART.locks.length, -".json".length);
    if (name === own) continue;
    const isOver = body.expiresAt <= context.clock();
    const found = !isOver ? { body } : breaking ? await breakLease(context, key) : ifPublishing(body);
    if (found !== undefined) holding.push({ name, ...found });
  }
  return holding;
}

/** An expired lease, where it counts as held. (5) */
function ifPublishing(body: LeaseDocument): Omit<FoundLease, "name"> | undefined {
  return body.kind === PUBLISHES ? { body } : undefined;
}

/** Takes an expired lease over and gives it up; what holds there instead, or counts as held, if anything does. */
async function breakLease(context: RepositoryContext, key: string): Promise<Omit<FoundLease, "name"> | undefined> {
  const found = await readDocument(context, "lease", key, leaseDocument);
  if (found === undefined) return undefined;
  const now = context.clock();
  if (found.body.expiresAt > now) return { body: found.body };
  // Not deleted at once: that could hit a lease that was taken meanwhile, for deleting knows no condition.
  const id = toHex(context.randomBytes(8));
  const ours: LeaseDocument = { id, kind: "prune", holder: "prune", takenAt: now, expiresAt: now + BREAK_MS };
  const put = await writeDocument(context, "lease", key, ours, { ifMatch: found.etag });
  if (put === undefined) {
    const other = await readDocument(context, "lease", key, leaseDocument);
    if (other === undefined) return undefined;
    if (other.body.id !== id) return { body: other.body };
  }
  await context.store.delete(key);
  const publishing = ifPublishing(found.body);
  return publishing && { ...publishing, broken: true };
}
