/** Writing, flushing, compacting and collecting blobs through the public face, interrupted and gone on with. */
import assert from "node:assert/strict";
import { DB } from "../../../mod.ts";
import { ReadOnlyError } from "../../../lib/base/errors.ts";
import { long, PATH, stateOf } from "../public_database.ts";
import { errorOf, type Scenario } from "./sweep.ts";
import type { Trial, World } from "./trial.ts";

/** One step; it makes one commit at most. */
interface Step {
  do(db: DB): Promise<unknown>;
  /** How long its write surely stays: `"commit"` unless given. */
  durability?: "interval" | "buffered";
}

/** A workload, and what a run without accidents shows. */
interface Course {
  steps: readonly Step[];
  /** The version after each step. */
  versions: number[];
  /** What the database holds at each version. */
  states: Map<number, string>;
}

const interval = { durability: "interval" } as const;
const buffered = { durability: "buffered" } as const;

const writing: Step[] = [
  { do: (db) => db.set("user/1", { name: "Ada" }, { tags: ["admin", "old"] }) },
  { do: (db) => db.set("user/2", { name: "Bob" }, { tags: ["old"], ...interval }), ...interval },
  { do: (db) => db.namespace("log").set("first", "an entry of a namespace", buffered), ...buffered },
  { do: (db) => db.setMany([["a", 1], ["b", 2], { key: "c", value: "three", tags: ["old"] }]) },
  { do: (db) => db.set("user/1", { name: "Ada L." }, { tags: ["new"] }) },
  { do: (db) => db.atomic().check({ key: "none", version: null }).set("x", 1).set("y", 2).delete("a").commit() },
  { do: (db) => db.transaction(async (tx) => tx.set("sum", (await tx.get<number>("x") ?? 0) + 1)) },
  { do: (db) => db.deleteRange({ prefix: "user/" }) },
  { do: (db) => db.set("last", "not synced by itself", buffered), ...buffered },
];

/** Flushes, and tables that pile up until they merge. */
const flushing: Step[] = [];
for (let i = 0; i < 9; i++) {
  const value = `${i} `.repeat(150);
  flushing.push({
    do: (db) => db.set(`k${i % 5}`, value, { tags: [i % 2 === 0 ? "old" : "new"], ...interval }),
    ...interval,
  });
  if (i % 3 === 2) flushing.push({ do: (db) => db.flush() });
}
flushing.push({ do: (db) => db.deleteRange({ start: "k1", end: "k3" }) }, { do: (db) => db.compact() });
flushing.push({ do: (db) => db.set("k9", "at last") }, { do: (db) => db.compact() });

/** Large values, replaced until their files are collected. */
const collecting: Step[] = [];
for (let round = 0; round < 3; round++) {
  for (const key of ["p", "q", "r"].slice(0, 3 - round % 2)) {
    collecting.push({ do: (db) => db.set(key, long(`value ${key}${round}`), interval), ...interval });
  }
  collecting.push({ do: (db) => db.compact() });
}
collecting.push({ do: (db) => db.delete("q") }, { do: (db) => db.compact() }, {
  do: (db) => db.set("s", long("the value s")),
});

/** The scenarios. */
export const writes: Scenario<Course>[] = [
  scenarioOf("writes of every sort", writing, []),
  scenarioOf("flush and compaction", flushing, [/create .*\.sst/, /remove .*\.sst/]),
  scenarioOf("blob collection", collecting, [/create .*\.blob/, /remove .*\.blob/]),
];

function scenarioOf(name: string, steps: readonly Step[], shows: readonly RegExp[]): Scenario<Course> {
  return {
    name,
    async prepare({ disk, machine }) {
      const before = await DB.open(PATH, machine.options(disk));
      await before.set("there", "before", { tags: ["old"] });
      await before.close();
      // A rehearsal on another disk that tells what it does.
      const calls: string[] = [];
      const rehearsal = disk.fork({ keep: "all" }, {
        beforeOperation: ({ name, path, mutates }) => void (mutates && calls.push(`${name} ${path}`)),
      });
      const db = await DB.open(PATH, machine.fork().options(rehearsal));
      const course: Course = { steps, versions: [], states: new Map([[db.version, await stateOf(db)]]) };
      for (const step of steps) {
        await step.do(db);
        course.versions.push(db.version);
        course.states.set(db.version, await stateOf(db));
      }
      await db.close();
      for (const show of shows) assert.ok(calls.some((call) => show.test(call)), `${name} shows no ${show}`);
      return course;
    },
    run: (trial, course) => new Writer(trial, course).run(),
  };
}

class Writer {
  readonly #trial: Trial;
  readonly #course: Course;
  #at = 0;
  /** The versions that the end of the power, of the process and of the handle may not take back. */
  #kept = 1;
  #handedOver = 1;
  #acknowledged = 1;

  constructor(trial: Trial, course: Course) {
    this.#trial = trial;
    this.#course = course;
  }

  async run(): Promise<void> {
    const trial = this.#trial;
    let db = await DB.open(PATH, trial.machine.options(trial.disk));
    trial.arm();
    let error = await this.#goOn(db, (call) => errorOf(trial, call));
    if (!trial.dead) {
      if (error !== undefined && trial.broken) {
        await this.#checkReads(db);
        // Whoever tries again while it is broken is told again, or served.
        error = await this.#goOn(db, (call) => errorOf(trial, call));
      }
      trial.disarm();
      await this.#checkReads(db);
      // The same handle goes on, unless the failure was final.
      const final = await this.#goOn(db, (call) => call.then(() => undefined, (reason) => reason));
      if (final !== undefined) {
        assert.ok(final instanceof ReadOnlyError, `the call done again: ${final}`);
        await this.#checkReads(db);
      } else {
        await db.close();
        return await this.#judge({ disk: trial.disk.crash({ keep: "none" }), machine: trial.machine }, this.#at);
      }
    }
    const closed = await db.close().then(() => true, () => false);
    trial.disarm();
    const least = "cut" in trial.kind.does && trial.dead
      ? this.#kept
      : closed && !trial.dead
      ? this.#acknowledged
      : this.#handedOver;
    const world = trial.next();
    db = await DB.open(PATH, world.machine.options(world.disk));
    assert.ok(db.version >= least, `went back to ${db.version} from ${least}`);
    await this.#checkReads(db);
    this.#resume(db.version);
    assert.equal(await this.#goOn(db, (call) => call.then(() => undefined)), undefined);
    await db.close();
    await this.#judge({ disk: world.disk.crash({ keep: "none" }), machine: world.machine }, this.#at);
  }

  /** Goes on with the step that failed, up to the next failure. */
  async #goOn(db: DB, ask: (call: Promise<unknown>) => Promise<Error | undefined>): Promise<Error | undefined> {
    const { steps, versions } = this.#course;
    for (; this.#at < steps.length; this.#at++) {
      const step = steps[this.#at]!;
      const error = await ask(step.do(db));
      if (error !== undefined) return error;
      assert.equal(db.version, versions[this.#at], `the version after step ${this.#at}`);
      this.#acknowledged = db.version;
      if (step.durability !== "buffered") this.#handedOver = db.version;
      if (step.durability === undefined) this.#kept = db.version;
    }
    return undefined;
  }

  /** After a reopening: what is there counts as done, and what it has lost is done again. */
  #resume(version: number): void {
    const { versions } = this.#course;
    const missing = versions.findIndex((each) => each > version);
    this.#at = Math.max(this.#at, versions.indexOf(version) + 1);
    if (missing >= 0) this.#at = Math.min(this.#at, missing);
  }

  async #checkReads(db: DB): Promise<void> {
    const trial = this.#trial;
    const { version } = db;
    // Then it says so, or needs none.
    if (trial.readsFail && await errorOf(trial, stateOf(db)) !== undefined) return;
    assert.ok(version >= this.#kept);
    assert.equal(await stateOf(db), this.#course.states.get(version), `at version ${version}`);
  }

  async #judge({ disk, machine }: World, at: number): Promise<void> {
    const { steps, versions, states } = this.#course;
    assert.equal(at, steps.length);
    const db = await DB.open(PATH, machine.options(disk));
    try {
      assert.equal(db.version, versions.at(-1), "it comes to the same end");
      assert.equal(await stateOf(db), states.get(db.version));
      assert.deepEqual((await db.verify()).problems, []);
    } finally {
      await db.close();
    }
  }
}
