/**
 * The claim to write to a repository whose store decides no conditions: one program at a time has it.
 *
 * A claim is an object of its own, `writers/<id>.json`, which its holder puts anew now and then for as long as it writes:
 *
 * ```
 * look for others ─► none ─► put the claim ─► look again ─► none: it holds, and dead ones are removed
 *   ▲        └► some: watch them                      └► some: take it back, and begin again after a while
 *   │             ├► one changes: its holder lives, and this program is refused
 *   └─────────────┴► each has gone, or stood still for `DEAD_MS`: its holder is dead
 * ```
 *
 * (1) Of two that claim at the same time at least one finds the other at its second look, for listings are complete.
 * (2) Who takes the place of a dead one has seen its claim stand still for `DEAD_MS`. A holder trusts its own for `TRUST_MS`
 *     from when it began to put it last: should the dead one wake, it has stopped doing so long before. It gives up what is
 *     on its way then, and claims anew under another name.
 * (3) No two clocks have to agree: each program measures by its own how long something took.
 * (4) Who writes nothing keeps nobody out: a claim is given back `IDLE_MS` after the last write.
 * (5) It stays, and is taken for a dead program's, where a put ended without an answer just before: that might arrive when
 *     another program has written.
 *
 * @module
 */
import process from "node:process";
import { abortable, throwIfAborted } from "../../../base/abort.ts";
import { keepNames } from "../../../base/class_names.ts";
import { RepositoryLockedError } from "../../../base/errors.ts";
import { equalBytes, toHex } from "../../../base/bytes.ts";
import { ofProcess, randomNumber } from "../../../base/simulation.ts";
import { openDocument, sealDocument, UNCHECKED } from "../../../format/repository/document.ts";
import { type LeaseDocument, leaseDocument } from "../../../format/repository/house_documents.ts";
import type { ObjectStore } from "../../../storage/object_store.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, isDamage, readBytes } from "./documents.ts";
import { PART } from "./layout.ts";
import { runPool, SMALL_REQUESTS } from "./pool.ts";

/** A claim is put anew this long after the last time. */
export const RENEW_MS = 20_000;

/** So long a holder trusts its claim without having put it anew. */
const TRUST_MS = 60_000;

/** A claim that others see standing still for so long is a dead program's. What its holder sent last has long arrived. */
const DEAD_MS = 120_000;

/** Between two looks at the claims of others. */
const LOOK_MS = 5000;

/** Whoever finds claims of others for so long is refused, though each has gone or stands still: two may have died, not more. */
const PATIENCE_MS = 2 * DEAD_MS;

/** Behind the last write others may have their turn. */
export const IDLE_MS = 5000;

/** Two that claim at the same time may give way to each other more than once. */
const TRIES = 5;

const CLAIM_BYTES_MAX = 64 * 1024;

/** Another program writes to the repository, and its store decides no conditions. */
export class OtherWriterError extends RepositoryLockedError {}
// To users it is of the kind that they know.
keepNames({ RepositoryLockedError: OtherWriterError });

/** What a claim needs to know of time and chance. */
export type ClaimSurroundings = Pick<RepositoryContext, "clock" | "monotonic" | "delay" | "timers" | "randomBytes">;

/** Claims that keep this process out no more: those that it put, and those of dead programs that it may not remove. */
const claimsOfProcess = ofProcess(() => new Set<string>());

/** A claim that holds. */
interface Held {
  key: string;
  takenAt: number;
  expiresAt: number;
  /** When it began to be put last, by either clock. */
  since: { clock: number; monotonic: number };
  /** Aborted when it is not to be trusted any more, and never will be. */
  lapse: AbortController;
  /** Ends its timers. */
  cancel: () => void;
}

/** The claim of one open repository. */
export class WriterClaim {
  readonly #store: ObjectStore;
  readonly #around: ClaimSurroundings;
  readonly #own: Set<string>;
  #held: Held | undefined;
  #taking: Promise<Held> | undefined;
  #renewing: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  /** What claims of others were like when they were seen first, and when that was (monotonic). */
  readonly #watched: Map<string, { bytes: Uint8Array; since: number }> = new Map();
  /** Until when claims are taken for those of living programs without being watched again (monotonic). */
  readonly #living: Map<string, number> = new Map();
  /** When what was sent without an answer has arrived, or never will (monotonic). */
  #doubtEnds = 0;
  #uses = 0;
  #cancelIdle: (() => void) | undefined;

  /** `own` are the claims that don't keep this process out. */
  constructor(store: ObjectStore, around: ClaimSurroundings, own: Set<string> = claimsOfProcess()) {
    this.#store = store;
    this.#around = around;
    this.#own = own;
  }

  /**
   * Runs `work` while the claim holds. It takes nothing for granted behind an `await` unless `trusted` still says so; the
   * signal it gets is aborted when that ends. `OtherWriterError` while another program writes. `signal` ends the wait for that.
   */
  async during<T>(
    work: (trusted: () => boolean, lapse: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    throwIfAborted(signal);
    this.#uses++;
    this.#cancelIdle?.();
    try {
      const held = await abortable(this.#holding(), signal);
      return await work(() => this.#isTrusted(held), held.lapse.signal);
    } finally {
      this.#uses--;
      // Who has given up waiting does not begin anew for a line that says so.
      if (this.#taking !== undefined && this.#uses === 0) {
        for (const key of this.#watched.keys()) this.#living.set(key, this.#around.monotonic() + LOOK_MS);
      }
      this.#whenIdle();
    }
  }

  /** Gives the claim back, unless something is being written. */
  async letGo(): Promise<void> {
    if (this.#uses > 0 || this.#taking !== undefined) return;
    this.#cancelIdle?.();
    await this.#withdraw();
    // Also where that was begun before: who closes a repository may end the process next.
    await this.#ending;
  }

  #whenIdle(): void {
    if (this.#uses > 0 || this.#taking !== undefined || this.#held === undefined) return;
    this.#cancelIdle?.();
    // A program that closes nothing stays for so long, or the next one would take it for dead.
    const wait = Math.max(IDLE_MS, this.#doubtEnds - this.#around.monotonic());
    this.#cancelIdle = this.#around.timers.set(wait, () => void this.letGo(), true);
  }

  /** To be called when a put has ended without an answer: for a while it may still arrive. */
  doubt(): void {
    this.#doubtEnds = this.#around.monotonic() + TRUST_MS;
  }

  #isTrusted(held: Held): boolean {
    // One that has lapsed may be put all the same, by a store that heeds no signal.
    return !held.lapse.signal.aborted && this.#ageOf(held) < TRUST_MS;
  }

  /** How long ago it was put: by the clock that says more, for a machine that sleeps has only one of them go on, ms. */
  #ageOf({ since }: Held): number {
    const byClock = this.#around.clock() - since.clock;
    return byClock < 0 ? Infinity : Math.max(byClock, this.#around.monotonic() - since.monotonic);
  }

  async #holding(): Promise<Held> {
    const held = this.#held;
    if (held !== undefined && this.#isTrusted(held)) return held;
    return await (this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
      this.#whenIdle();
    }));
  }

  async #take(): Promise<Held> {
    await this.#withdraw();
    for (let tries = 1;; tries++) {
      const dead = await this.#othersAreDead();
      const claim = this.#newClaim();
      if (await this.#isOnly(claim, dead)) {
        this.#held = claim;
        this.#keep(claim);
        this.#living.clear();
        // Who may not remove them knows them by now, and tells others.
        for (const key of dead) this.#own.add(key);
        await runPool([...dead], SMALL_REQUESTS, (key) => this.#giveBack({ key, takenAt: claim.takenAt }));
        return claim;
      }
      if (tries === TRIES) throw this.#refusal(undefined);
      await this.#around.delay(LOOK_MS * randomNumber());
    }
  }

  /** Puts a claim; whether no program has another. If not, or if that can't be found out, it is given back. */
  async #isOnly(claim: Held, dead: Set<string>): Promise<boolean> {
    let isOnly = false;
    try {
      await this.#put(claim);
      isOnly = (await this.#others()).every((key) => dead.has(key));
    } finally {
      if (!isOnly) await this.#giveBack(claim);
    }
    return isOnly;
  }

  /** Waits until no other claim is that of a living program; gives those of dead ones. */
  async #othersAreDead(): Promise<Set<string>> {
    const dead = new Set<string>();
    this.#watched.clear();
    const began = this.#around.monotonic();
    for (;;) {
      const others = (await this.#others()).filter((key) => !dead.has(key));
      if (others.length === 0) return dead;
      await runPool(others, SMALL_REQUESTS, async (key) => {
        if (await this.#isDead(key)) dead.add(key);
      });
      if (others.every((key) => dead.has(key))) continue;
      // Nobody waits for it any more, or others come and go all the time.
      if (this.#uses === 0 || this.#around.monotonic() - began >= PATIENCE_MS) throw this.#refusal(undefined);
      await this.#around.delay(LOOK_MS);
    }
  }

  /** Whether the holder of another claim has died; throws when it lives. */
  async #isDead(key: string): Promise<boolean> {
    const asked = this.#around.monotonic();
    const found = await readBytes(this.#store, key, CLAIM_BYTES_MAX);
    if (found === undefined) return false;
    const body = this.#read(key, found.bytes);
    const first = this.#watched.get(key);
    if (asked < (this.#living.get(key) ?? 0)) throw this.#refusal(body);
    if (first === undefined) this.#watched.set(key, { bytes: found.bytes, since: this.#around.monotonic() });
    else if (!equalBytes(first.bytes, found.bytes)) {
      this.#living.set(key, asked + RENEW_MS + LOOK_MS);
      throw this.#refusal(body);
    }
    if (body?.expiresAt === 0) return true;
    // From the first answer to the last question: an answer may be old when it arrives.
    return first !== undefined && asked - first.since >= DEAD_MS;
  }

  #read(key: string, bytes: Uint8Array): LeaseDocument | undefined {
    try {
      return openDocument("lease", bytes, key, leaseDocument, UNCHECKED);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return undefined;
    }
  }

  /** The keys of claims that other programs put, unless they are known to be dead ones'. */
  async #others(): Promise<string[]> {
    const keys = await allKeys(this.#store, PART.writers);
    return keys.map(({ key }) => key).filter((key) => !this.#own.has(key));
  }

  #newClaim(): Held {
    const key = `${PART.writers}${toHex(this.#around.randomBytes(8))}.json`;
    this.#own.add(key);
    return {
      key,
      takenAt: this.#around.clock(),
      expiresAt: 0,
      since: { clock: 0, monotonic: 0 },
      lapse: new AbortController(),
      cancel: () => {},
    };
  }

  async #put(claim: Held): Promise<void> {
    const since = { clock: this.#around.clock(), monotonic: this.#around.monotonic() };
    // Other bytes each time, whatever the clock says: that they change is how others know that it lives.
    claim.expiresAt = Math.max(claim.expiresAt + 1, since.clock + DEAD_MS);
    await this.#write(claim, claim.expiresAt, claim.lapse.signal);
    claim.since = since;
  }

  async #write(
    { key, takenAt }: Pick<Held, "key" | "takenAt">,
    expiresAt: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const id = key.slice(PART.writers.length, -".json".length);
    const body: LeaseDocument = { id, kind: "write", holder: `process ${process.pid}`, takenAt, expiresAt };
    await this.#store.put(key, sealDocument("lease", body), { signal });
  }

  /** Sets the timers: to put the claim anew, and to give up what is on its way when that does not succeed. */
  #keep(claim: Held): void {
    const { timers } = this.#around;
    claim.cancel();
    const renewal = timers.set(RENEW_MS, () => void (this.#renewing = this.#renew(claim)), false);
    const end = timers.set(TRUST_MS - this.#ageOf(claim), () => claim.lapse.abort(), false);
    claim.cancel = () => {
      renewal();
      end();
    };
  }

  async #renew(claim: Held): Promise<void> {
    // Who slept, and may have been taken for dead, begins anew with the next write.
    if (!this.#isTrusted(claim)) return claim.lapse.abort();
    try {
      await this.#put(claim);
    } catch {
      // The store may be away for a moment. Until the trust ends there is time for more.
    }
    if (this.#held === claim && this.#isTrusted(claim)) this.#keep(claim);
  }

  async #withdraw(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await (this.#ending = this.#end(held));
  }

  async #end(claim: Held): Promise<void> {
    claim.cancel();
    claim.lapse.abort();
    // What is put behind its removal would keep others out.
    await this.#renewing;
    // (5)
    if (this.#around.monotonic() >= this.#doubtEnds) await this.#giveBack(claim);
  }

  /** Removes a claim that keeps this process out no more. One that can't be is a dead one's to others. */
  async #giveBack(claim: Pick<Held, "key" | "takenAt">): Promise<void> {
    try {
      await this.#store.delete(claim.key);
      this.#own.delete(claim.key);
    } catch {
      // Who may write and not delete says that it is over.
      await this.#write(claim, 0).catch(() => {});
    }
  }

  #refusal(other: LeaseDocument | undefined): OtherWriterError {
    const who = other && ` (${other.holder}, since ${new Date(other.takenAt).toISOString()})`;
    return new OtherWriterError(
      `Cannot write to ${this.#store.name}: another program does${
        who ?? ""
      }, and one at a time may, for the store has no ` +
        `conditional writes; wait for it, or open it with readOnly (REPOSITORY_LOCKED)`,
    );
  }
}
