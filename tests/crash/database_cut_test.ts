/** The power cuts once more through the public face: tags, namespaces, transactions, backups and restores. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DB, type OpenOptions } from "../../mod.ts";
import { HoldfastError } from "../../lib/base/errors.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { LONG, randomFrom, SEED } from "./random.ts";

const PATH = "/data";

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

const long = (label: string): string => `${label} `.repeat(120);

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

/** Limits under which this little makes tables, blobs and compactions; clocks and ids that are the same in every run. */
function optionsFor(fileSystem: MemoryFileSystem): OpenOptions {
  let ids = 0;
  let clock = 1_000_000;
  let monotonic = 0;
  return {
    fileSystem,
    clock: () => clock++,
    flushInterval: 2 ** 31 - 1,
    memtableBytes: 1024,
    blobBytes: 1024,
    tuning: {
      blockBytes: 256,
      tableBytes: 2048,
      level0Tables: 3,
      levelBytes: 4096,
      reserve: false,
      randomId: () => new Uint8Array(16).fill(++ids),
      random: () => 0.5,
      delay: () => Promise.resolve(),
      monotonic: () => monotonic += 0.05,
    },
  };
}

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
  const db = await DB.open(PATH, optionsFor(disk));
  try {
    for (const step of steps) {
      await step.do(db);
      if (!db.closed) await done(db, step);
    }
  } finally {
    await db.close().catch(() => {});
  }
}

/** Everything there is, as text; along the way, that the index of tags says the same as the entries. */
async function stateOf(db: DB): Promise<string> {
  const lines: string[] = [];
  const inner = db.namespace("log").namespace("inner");
  for (const [name, space] of [["", db], ["log", db.namespace("log")], ["log/inner", inner]] as const) {
    const tagged = new Map<string, string[]>();
    for await (const { key, value, version, tags } of space.list()) {
      lines.push(`${name} ${key} ${version} ${tags} ${JSON.stringify(value)}`);
      for (const tag of tags) tagged.set(tag, [...tagged.get(tag) ?? [], key]);
    }
    for (const tag of ["admin", "old", "new"]) {
      const keys: string[] = [];
      for await (const { key } of space.list({ tag })) keys.push(key);
      assert.deepEqual(keys, tagged.get(tag) ?? [], `the index of tag ${tag} in "${name}"`);
    }
  }
  return lines.join("\n");
}

async function judge(image: MemoryFileSystem, states: Map<number, string>, kept: number): Promise<void> {
  const db = await DB.open(PATH, optionsFor(image));
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
  const options = optionsFor(image);
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

/** A portable backup keeps what entries hold, not when it was written. */
function withoutVersions(state: string): string {
  return state.replaceAll(/^(\S* \S+) \d+ /gm, "$1 ");
}
