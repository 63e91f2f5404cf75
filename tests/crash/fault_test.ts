import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HoldfastError, IOError, NoSpaceError, ReadOnlyError } from "../../lib/base/errors.ts";
import {
  type MemoryFileSystem,
  memoryFileSystem,
  type Operation,
  type PartialAppend,
} from "../../lib/files/memory/memory_file_system.ts";
import { Chronicle } from "./chronicle.ts";
import { checkContents } from "./contents.ts";
import { judge } from "./judge.ts";
import { LONG, mine, randomFrom, SEED } from "./random.ts";
import { again, record, type Recording } from "./recording.ts";
import { Run } from "./runner.ts";
import { diskFor, type Step } from "./workload.ts";
import { mixed, shortWorkloads, workloads } from "./workloads.ts";

/** What goes wrong, once. */
interface Fault {
  name: string;
  applies: (operation: Operation) => boolean;
  /** Throws, or answers, instead of the operation. */
  before?(operation: Operation): PartialAppend | void;
  /** Throws although the operation was carried out. */
  after?(operation: Operation): void;
}

const broken = ({ name, path }: Operation): IOError => new IOError(`Cannot ${name} ${path}: the test says so (EIO)`);
const full = ({ name, path }: Operation): NoSpaceError => new NoSpaceError(`Cannot ${name} ${path}: full (ENOSPC)`);
const isSync = ({ name }: Operation): boolean => name === "sync" || name === "syncDirectory";

const faults: Fault[] = [
  {
    name: "an error instead of it",
    applies: () => true,
    before(operation) {
      throw broken(operation);
    },
  },
  {
    name: "an error after it",
    applies: () => true,
    after(operation) {
      throw broken(operation);
    },
  },
  {
    name: "an error after half of it",
    applies: ({ name }) => name === "append",
    before: (operation) => ({ writtenBytes: operation.bytes! >> 1, error: broken(operation) }),
  },
  {
    name: "no space for it",
    applies: ({ name }) => !name.startsWith("remove"),
    before(operation) {
      if (operation.name !== "append") throw full(operation);
      return { writtenBytes: operation.bytes! >> 1, error: full(operation) };
    },
  },
  {
    name: "no space, said after it",
    applies: isSync,
    after(operation) {
      throw full(operation);
    },
  },
];

const all = LONG ? [...shortWorkloads(SEED), ...workloads(SEED), mixed(SEED, 100)] : shortWorkloads(SEED);

describe("an error at every file operation", () => {
  for (const fault of faults) {
    for (const workload of all) {
      it(`${workload.name}, ${fault.name}: is told, and what was acknowledged stays`, async () => {
        const started = performance.now();
        const recording = await record(workload);
        let cases = 0;
        for (const at of mine(recording.places)) {
          const operation = recording.operations[at - 1];
          if (operation === undefined || !fault.applies(operation)) continue;
          cases++;
          await again(recording, at, fault.name, () => runWith(recording, fault, at));
        }
        console.log(
          `${workload.name}, ${fault.name}: ${cases} cases, ${((performance.now() - started) / 1000).toFixed(1)} s`,
        );
      });
    }
  }
});

async function runWith({ workload }: Recording, fault: Fault, at: number): Promise<void> {
  const { settings } = workload;
  let hit: Operation | undefined;
  const disk = diskFor(workload, {
    beforeOperation(operation) {
      if (!operation.mutates || operation.index !== at) return;
      hit = operation;
      return fault.before?.(operation);
    },
    afterOperation(operation) {
      if (operation.mutates && operation.index === at) fault.after?.(operation);
    },
  });
  const run = new Run(disk, new Chronicle(), { settings, goOn: true });
  await run.steps(workload.steps);
  for (const { step, error } of run.failures) checkError(step, error);
  await checkEngine(run, hit);
  await run.end();
  const { chronicle, machine } = run;
  for (const [image, power] of imagesOf(disk, at)) await judge({ image, chronicle, machine, settings, power });
}

describe("a disk that is full from some file operation on", () => {
  for (const reserve of [false, true]) {
    for (const workload of all) {
      const name = `${workload.name}${reserve ? ", with a reserve" : ""}`;
      it(`${name}: refuses writes, keeps what it acknowledged, and goes on by itself`, async () => {
        const recording = await record({ ...workload, settings: { ...workload.settings, reserve } });
        const started = performance.now();
        const places = mine(recording.places);
        for (const at of places) await again(recording, at, "full disk", () => runFull(recording, at));
        console.log(
          `${name}, full disk: ${places.length} cases, ${((performance.now() - started) / 1000).toFixed(1)} s`,
        );
      });
    }
  }
});

describe("a full disk with a reserve", () => {
  const gone: Step[] = [{
    do: "commit",
    operations: [{ delete: "k1" }, { from: "k2", to: "k5" }],
    durability: "commit",
  }];
  const steps: [string, Step[]][] = [
    ["in use", []],
    ["closed and opened again", [{ do: "close" }]],
  ];
  for (const [name, before] of steps) {
    it(`${name}: lets deletes, compaction and close succeed`, async () => {
      const disk = memoryFileSystem();
      const settings = { reserve: true, memtableBytes: 64 * 1024 };
      const run = new Run(disk, new Chronicle(), { settings });
      const value = new Uint8Array(200).fill(7);
      const put = (key: string): Step => ({ do: "commit", operations: [{ put: key, value }], durability: "commit" });
      await run.steps([...Array(60).keys()].map((i) => put(`k${i}`)));
      await run.steps([...before, { do: "wait" }]);
      disk.capacityBytes = disk.usedBytes;
      await run.steps([...gone, { do: "wait" }, { do: "compact" }, { do: "close" }, ...gone, { do: "close" }]);
      assert.deepEqual(run.failures, []);
      const { chronicle, machine } = run;
      disk.capacityBytes = Infinity;
      await judge({ image: disk.crash({ keep: "none" }), chronicle, machine, settings, power: true });
    });
  }

  it("killed and opened again: lets deletes, compaction and close succeed", async () => {
    const disk = memoryFileSystem();
    const settings = { reserve: true, memtableBytes: 64 * 1024 };
    const run = new Run(disk, new Chronicle(), { settings });
    const operations = [{ put: "k1", value: new Uint8Array(20_000).fill(7) }];
    await run.steps([{ do: "commit", operations, durability: "commit" }, { do: "wait" }]);
    disk.kill();
    await run.end();
    const next = new Run(disk.otherProcess(), run.chronicle, { machine: run.machine, settings });
    disk.capacityBytes = disk.usedBytes;
    await next.steps([...gone, { do: "wait" }, { do: "compact" }, { do: "close" }]);
    assert.deepEqual(next.failures, []);
    await judge({
      image: disk.crash({ keep: "none" }),
      chronicle: run.chronicle,
      machine: run.machine,
      settings,
      power: true,
    });
  });
});

async function runFull({ workload }: Recording, at: number): Promise<void> {
  const { settings } = workload;
  let over = false;
  const disk: MemoryFileSystem = diskFor(workload, {
    beforeOperation({ index, mutates }) {
      if (mutates && index === at && !over) disk.capacityBytes = disk.usedBytes;
    },
  });
  const run = new Run(disk, new Chronicle(), { settings, goOn: true });
  await run.steps(workload.steps);
  const { engine, chronicle, machine } = run;
  for (const { step, error } of run.failures) assert.ok(error instanceof NoSpaceError, `${step}: ${error}`);
  if (engine !== undefined) checkContents(engine, chronicle, 0);
  over = true;
  disk.capacityBytes = Infinity;
  const before = run.failures.length;
  await run.steps([{ do: "commit", operations: [{ put: "last", value: new Uint8Array(3) }], durability: "commit" }]);
  await run.end();
  assert.deepEqual(run.failures.slice(before), [], "writing goes on once there is space");
  assert.equal(chronicle.acknowledged, chronicle.attempts.length, "what was refused is gone for good");
  const image = at % 4 === 0 ? disk : disk.crash({ keep: "none" });
  await judge({ image, chronicle, machine, settings, power: true });
}

/** Every call says what went wrong in the library's terms. */
function checkError(step: string, error: unknown): void {
  assert.ok(error instanceof HoldfastError, `${step}: ${error}`);
  assert.ok(["IO", "NO_SPACE", "READ_ONLY"].includes(error.code), `${step}: ${error.code} ${error.message}`);
}

/** Reads go on; writing goes on unless the failure is final, and then it says why not. */
async function checkEngine(run: Run, hit: Operation | undefined): Promise<void> {
  const { engine, chronicle, failures } = run;
  if (engine === undefined) return;
  checkContents(engine, chronicle, 0);
  // It is still to come, when the database is closed.
  if (hit === undefined) return;
  const operations = [{ put: "last", value: new Uint8Array([1, 2, 3]) }];
  const refusalOfCommit = async (): Promise<unknown> => {
    const before = failures.length;
    await run.steps([{ do: "commit", operations, durability: "commit" }]);
    return failures[before]?.error;
  };
  let refusal = await refusalOfCommit();
  // What failed beside the commit may have become known behind it.
  if (refusal === undefined && engine.failure !== undefined) refusal = await refusalOfCommit();
  if (engine.failure === undefined) {
    assert.equal(refusal, undefined, `writing goes on after ${hit.name} failed`);
  } else {
    assert.ok(refusal instanceof ReadOnlyError, `${refusal}`);
    assert.ok(refusal.cause instanceof HoldfastError, "it names the cause");
    await assert.rejects(engine.flush(), ReadOnlyError);
  }
  checkContents(engine, chronicle, 0);
}

/** The same machine goes on, or its power goes as well. */
function imagesOf(disk: MemoryFileSystem, at: number): [MemoryFileSystem, boolean][] {
  const random = randomFrom(SEED, at);
  const none = disk.fork({ keep: "none" });
  const some = disk.fork({ keep: "random", random });
  // The same handle: a close that failed has given the lock back all the same.
  return LONG ? [[none, true], [some, true], [disk, false]] : [[at % 2 === 0 ? none : some, true], [disk, false]];
}
