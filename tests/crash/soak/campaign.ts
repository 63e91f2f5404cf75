/**
 * The parent of a soak: starts the child again and again, keeps what it acknowledged, kills it in between.
 *
 * ```
 * kills    many short runs, each killed at a random moment, a few at once after their start, a few closed in order
 * stretch  one long run, measured, closed in order
 * end      one run that only looks
 * ```
 *
 * Before each run the child's clock is set on by more than a lease of a dead process holds, so that what the dead one held
 * up goes on, and what was to expire has.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pick, randomFrom } from "../random_numbers.ts";
import type { Least } from "./compare.ts";
import type { Measured } from "./measure.ts";
import type { Orders, Paths } from "./orders.ts";
import type { Life } from "./plan.ts";
import { type Ended, handlesOf, SoakProcess } from "./process.ts";
import { nothingCounted, TELLERS } from "./tellers.ts";

/** What a soak is told. */
export interface Soak {
  /** The child's. */
  runtime: string;
  /** An empty directory on the disk that is meant. */
  directory: string;
  seed: number;
  /** How long, ms. */
  duration: number;
  /** How long kills go on, and how long an undisturbed run, ms. */
  phase: { kills: number; stretch: number };
  /** A life before its kill lasts up to this, ms from when it has looked at everything. */
  lifeMs: number;
  /** Kills of a child at work that there are at least, however slow the machine is and whatever time it takes. */
  killsMin: number;
  /** Entries; a prime number. */
  slots: number;
  paceMs: number;
  measureMs: number;
  /** Ends it before its time. */
  signal: AbortSignal;
  /** Told what happens. */
  onLine?: (line: string) => void;
}

/** What came of it. */
export interface Tally {
  /** Starts, kills, and orderly ends. */
  starts: number;
  kills: number;
  /** Kills before everything was looked at. */
  early: number;
  closes: number;
  /** Numbers that are in the database, and those that a kill took back (acknowledged only as "buffered", or not at all). */
  numbers: number;
  transfers: number;
  loads: number;
  /** Comparisons of the whole contents after a restart. */
  checked: number;
  /** What was said of jobs: `did backup`, `busy prune`, `compared an-export`, `backup full`, and how often. */
  said: Map<string, number>;
  /** The measurements of each long run. */
  stretches: Measured[][];
  /** What does not hold; undefined when all does. */
  failure: string | undefined;
}

/** More than a lease holds. */
const AHEAD_MS = 16 * 60_000;

/** The first number of a run that has not looked yet. */
const UNKNOWN = Number.MAX_SAFE_INTEGER;

/** How often the parent looks at what the child says, ms. */
const LOOK_MS = 25;

/** An orderly end that takes longer hangs. */
const END_MS = 120_000;

/** A restart that takes longer hangs. */
const OPEN_MS = 120_000;

/** Runs a soak to its end; never rejects for what it finds. */
export async function runSoak(soak: Soak): Promise<Tally> {
  const campaign = new Campaign(soak);
  try {
    await campaign.run();
  } catch (error) {
    campaign.tally.failure = (error as Error).message;
  }
  return campaign.tally;
}

/** How a run is to end. */
type End = { kill: "after start" | "after looking"; after: number } | { stop: number } | "by itself";

class Campaign {
  readonly tally: Tally = {
    starts: 0,
    kills: 0,
    early: 0,
    closes: 0,
    numbers: 0,
    transfers: 0,
    loads: 0,
    checked: 0,
    said: new Map(),
    stretches: [],
    failure: undefined,
  };
  readonly #soak: Soak;
  readonly #paths: Paths;
  readonly #random: () => number;
  readonly #lives: Life[] = [];
  readonly #least: Least = { n: -1, counted: nothingCounted() };
  readonly #started = performance.now();

  constructor(soak: Soak) {
    this.#soak = soak;
    this.#random = randomFrom(soak.seed);
    const at = (name: string): string => join(soak.directory, name);
    this.#paths = {
      data: at("data"),
      backups: at("backups"),
      scratch: at("scratch"),
      said: at("said"),
      stop: at("stop"),
      orders: at("orders.json"),
    };
  }

  async run(): Promise<void> {
    const { duration, phase, signal } = this.#soak;
    const left = (): number => signal.aborted ? 0 : duration - (performance.now() - this.#started);
    while (left() > 0) {
      const until = left() - phase.kills;
      while (left() > Math.max(0, until) || this.#wantsKills()) await this.#killed();
      // A rest too short to be measured is spent on kills.
      if (left() >= phase.stretch / 2) await this.#stretch(Math.min(phase.stretch, left()));
    }
    await this.#life("by itself", true);
  }

  #wantsKills(): boolean {
    const { kills, early, numbers } = this.tally;
    return !this.#soak.signal.aborted && (kills - early < this.#soak.killsMin || numbers === 0);
  }

  async #killed(): Promise<void> {
    const kind = this.#random();
    const after = pick(this.#random, this.#soak.lifeMs);
    if (kind < 0.15) await this.#life({ kill: "after start", after: pick(this.#random, 1500) });
    else if (kind < 0.92) await this.#life({ kill: "after looking", after });
    else await this.#life({ stop: after });
  }

  async #stretch(ms: number): Promise<void> {
    this.tally.stretches.push(await this.#life({ stop: ms }));
  }

  /** One run of the child; gives its measurements. */
  async #life(end: End, last = false): Promise<Measured[]> {
    const { runtime, directory, signal, onLine } = this.#soak;
    const child = new SoakProcess(runtime, { root: directory, orders: this.#order(last), said: this.#paths.said });
    this.tally.starts++;
    let ended: Ended | undefined;
    void child.ended.then((how) => ended = how);
    const samples: Measured[] = [];
    let [killed, stopping, found] = [false, false, false];
    let pid = 0;
    let since = performance.now();
    while (true) {
      // Asked first: what it said before its end is then heard below.
      const over = ended !== undefined;
      for (const line of child.heard()) {
        const [word, ...rest] = line.split(" ");
        if (word === "open") pid = Number(rest[0]);
        else if (word === "found") [found, since] = [true, performance.now()];
        else if (word === "measure") samples.push({ ...JSON.parse(line.slice(8)), ...handlesOf(pid) });
        this.#hear(line);
      }
      if (over) break;
      const ms = performance.now() - since;
      const begun = found || (typeof end === "object" && "kill" in end && end.kill === "after start");
      if (!begun && ms > OPEN_MS) this.#giveUp(child, `it did not open within ${OPEN_MS / 1000} s`);
      if (typeof end === "object" && !killed && begun) {
        if ("kill" in end && (ms >= end.after || signal.aborted)) {
          killed = true;
          child.kill();
        } else if ("stop" in end && !stopping && (ms >= end.stop || signal.aborted)) {
          stopping = true;
          since = performance.now();
          writeFileSync(this.#paths.stop, "");
        } else if (stopping && ms > END_MS) this.#giveUp(child, `it did not end within ${END_MS / 1000} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    const { code, signal: by, complaints } = ended!;
    if (killed && by === "SIGKILL") {
      this.tally.kills++;
      if (!found) this.tally.early++;
    } else if (code === 0) this.tally.closes++;
    else throw new Error(this.tally.failure ?? `the child ended by itself (${by ?? code}): ${complaints}`);
    onLine?.(`${killed ? "killed" : "closed"} after ${found ? "" : "no "}comparison; number ${this.#least.n}`);
    return samples;
  }

  #giveUp(child: SoakProcess, why: string): never {
    child.kill();
    throw new Error(why);
  }

  /** Writes the next run's orders. */
  #order(last: boolean): string {
    const { seed, slots, paceMs, measureMs } = this.#soak;
    const { said, stop, scratch, orders: file } = this.#paths;
    for (const path of [said, stop, scratch]) rmSync(path, { recursive: true, force: true });
    mkdirSync(scratch, { recursive: true });
    const clockAhead = this.tally.starts * AHEAD_MS;
    // Its first number is known once it has looked; one that never came to that wrote nothing.
    if (this.#lives.at(-1)?.first === UNKNOWN) this.#lives.pop();
    const life: Life = { first: UNKNOWN, clock: Date.now() + clockAhead };
    this.#lives.push(life);
    const orders: Orders = {
      plan: { seed, slots, lives: this.#lives },
      paths: this.#paths,
      least: this.#least,
      clockAhead,
      paceMs,
      measureMs,
      last,
    };
    writeFileSync(file, JSON.stringify(orders));
    return file;
  }

  /** Takes note of a line. */
  #hear(line: string): void {
    const [word, ...rest] = line.split(" ");
    const numbers = rest.map(Number);
    const { counted } = this.#least;
    if (word === "found") {
      this.tally.checked++;
      this.#least.n = numbers[0]!;
      this.#lives.at(-1)!.first = numbers[0]! + 1;
      counted.transfers = numbers.slice(1, 1 + TELLERS);
      counted.loads = numbers.at(-1)!;
    } else if (word === "ack") this.#least.n = Math.max(this.#least.n, numbers[0]!);
    else if (word === "transfer") counted.transfers[numbers[0]!] = numbers[1]!;
    else if (word === "load") counted.loads = numbers[0]!;
    else if (word === "wrong") this.tally.failure = rest.join(" ").replaceAll("\\n", "\n");
    else if (word !== "open" && word !== "measure" && word !== "closed") {
      this.tally.said.set(line, (this.tally.said.get(line) ?? 0) + 1);
    }
    this.tally.numbers = this.#least.n + 1;
    this.tally.transfers = counted.transfers.reduce((sum, count) => sum + count, 0);
    this.tally.loads = counted.loads;
  }
}

/** Whether a directory may be soaked: nothing in it may be lost. */
export function isTaken(directory: string): boolean {
  return ["data", "backups", "scratch", "orders.json"].some((name) => existsSync(join(directory, name)));
}
