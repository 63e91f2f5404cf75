/** The power cuts once more through the public face: tags, namespaces, transactions, backups and restores. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB } from "../../mod.ts";
import { HoldfastError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { Clockwork, long, PATH, stateOf, withoutVersions } from "./public_database.ts";
import { LONG, randomFrom, SEED } from "./random.ts";

/** Of the places where power may go, each so many-th is tried. */
const EVERY = LONG ? 1 : 3;

/** What one step does. Each of them makes one commit at most, so that its version tells which steps are there. */
interface Step {
  do(db: DB): Promise<unknown>;
  /** A write that a power cut may take back. */
  loose?: true;
  /** What it makes beside the database. */
  makes?: "export" | "backup";
}

const steps: Step[] = [
  { do: (db) => db.set("user/1", { name: "Ada" }, { tags: ["admin", "old"] }) },
  { do: (db) => db.set("user/2", { name: "Bob" }, { tags: ["old"], durability: "interval" }), loose: true },
  {
    do: (db) => db.namespace("log").set("first", long("an entry of a namespace"), { durability: "buffered" }),
    loose: true,
  },
  { do: (db) => db.setMany([["a", 1], ["b", 2], { key: "c", value: long("blob"), tags: ["old"] }]) },
  { do: (db) => db.set("user/1", { name: "Ada L." }, { tags: ["new"] }) },
  { do: (db) => db.atomic().check({ key: "none", version: null }).set("x", 1).set("y", 2).delete("a").commit() },
  { do: (db) => db.transaction(async (tx) => tx.set("sum", (await tx.get<number>("x") ?? 0) + 1)) },
  { do: (db) => db.export("/copy"), makes: "export" },
  { do: (db) => db.deleteRange({ prefix: "user/" }) },
  { do: (db) => db.namespace("log").namespace("inner").set("deep", [1, 2, 3], { tags: ["old"] }) },
  { do: (db) => db.flush() },
  { do: (db) => db.backup("/dump.jsonl"), makes: "backup" },
  { do: (db) => db.set("z", long("after the backup"), { durability: "interval" }), loose: true },
  { do: (db) => db.namespace("log").clear() },
  { do: (db) => db.compact() },
  { do: (db) => db.restore("/dump.jsonl", { mode: "merge" }) },
  { do: (db) => db.set("z", long("after the first restore"), { tags: ["new"] }) },
  { do: (db) => db.restore("/dump.jsonl", { mode: "replace" }) },
  { do: (db) => db.set("user/3", "the last", { tags: ["new"], durability: "interval" }), loose: true },
  { do: (db) => db.close() },
];

describe("a power cut at file operations of the public face", () => {
  it("leaves entries, tags and namespaces as they were after some step, and backups whole or absent", async () => {
    const states = new Map<number, string>([[0, ""]]);
    const whole = memoryFileSystem();
    await run(whole, async (db) => void states.set(db.version, await stateOf(db)));
    assert.deepEqual([...states.keys()], [...Array(16).keys()], "one version for each step that writes");
    let cases = 0;
    for (let at = 1; at <= whole.operations; at += EVERY) {
      for (let outcome = 0; outcome < 2; outcome++) {
        const disk = memoryFileSystem();
        disk.cutPowerAt(at);
        let kept = 0;
        let exported: number | undefined;
        let dumped = false;
        await run(disk, (db, step) => {
          // A write of mode `commit` makes every earlier one durable too; so do flush and close.
          if (!step.loose) kept = db.version;
          if (step.makes === "export") exported = db.version;
          if (step.makes === "backup") dumped = true;
        }).catch((error) => assert.ok(error instanceof HoldfastError, `${error}`));
        const keep = outcome === 0 ? "none" : "random";
        const image = disk.crash({ keep, random: randomFrom(SEED, at) });
        try {
          await judge(image, states, kept);
          await judgeCopies(image, states, { exported, dumped });
        } catch (error) {
          throw new Error(`cut at operation ${at}, keep ${keep}, HOLDFAST_SEED=${SEED}: ${error}`, { cause: error });
        }
        cases++;
      }
    }
    console.log(`${cases} cuts of ${whole.operations} operations`);
  });
});

/** Does all steps, and tells of each one that resolved. */
async function run(disk: MemoryFileSystem, done: (db: DB, step: Step) => void | Promise<void>): Promise<void> {
  const db = await DB.open(PATH, new Clockwork().options(disk));
  try {
    for (const step of steps) {
      await step.do(db);
      if (!db.closed) await done(db, step);
    }
  } finally {
    await db.close().catch(() => {});
  }
}

async function judge(image: MemoryFileSystem, states: Map<number, string>, kept: number): Promise<void> {
  const db = await DB.open(PATH, new Clockwork().options(image));
  try {
    const { version } = db;
    assert.ok(version >= kept, `went back to ${version} from ${kept}`);
    assert.equal(await stateOf(db), states.get(version), `version ${version}`);
    assert.deepEqual((await db.verify()).problems, []);
    await db.set("on", "it goes", { tags: ["new"] });
    await db.namespace("log").set("on", "here too");
    assert.equal(db.version, version + 2);
    await stateOf(db);
  } finally {
    await db.close();
  }
}

async function judgeCopies(
  image: MemoryFileSystem,
  states: Map<number, string>,
  { exported, dumped }: { exported: number | undefined; dumped: boolean },
): Promise<void> {
  const options = new Clockwork().options(image);
  const there = await DB.exists("/copy", { fileSystem: image });
  assert.ok(there || exported === undefined, "the export is gone");
  if (there) {
    const copy = await DB.open("/copy", options);
    if (exported !== undefined) assert.equal(copy.version, exported);
    assert.equal(await stateOf(copy), states.get(copy.version), `the export of version ${copy.version}`);
    await copy.close();
  }
  const dump = await image.stat("/dump.jsonl");
  assert.ok(dump !== undefined || !dumped, "the backup is gone");
  if (dump === undefined) return;
  await DB.restore("/dump.jsonl", "/restored", { fileSystem: image });
  const restored = await DB.open("/restored", options);
  const contents = withoutVersions(await stateOf(restored));
  await restored.close();
  assert.ok([...states.values()].map(withoutVersions).includes(contents), `the backup holds ${contents}`);
}
