/** One run of a workload without accidents: how many operations it has, and that it does what it is for. */
import assert from "node:assert/strict";
import type { EngineEvent } from "../../lib/engine/types.ts";
import type { Operation } from "../../lib/files/memory/memory_file_system.ts";
import { Chronicle } from "./chronicle.ts";
import { isMine, LONG, SEED } from "./random.ts";
import { Run } from "./runner.ts";
import { diskFor, type Witness, type Workload } from "./workload.ts";

/** How far around an operation that matters accidents are tried as well. */
const NEAR = 1;

/** What was recorded. */
export interface Recording {
  workload: Workload;
  /** The mutating operations; the first has index 1. */
  operations: Operation[];
  /** The indices at which accidents happen. */
  places: number[];
}

/** Runs a workload and records it. */
export async function record(workload: Workload): Promise<Recording> {
  const operations: Operation[] = [];
  const seen = new Set<Witness>();
  let isSyncing = false;
  const disk = diskFor(workload, {
    beforeOperation: (operation) => {
      if (!operation.mutates) return;
      operations.push(operation);
      if (operation.path.endsWith(".blob")) seen.add("blob");
      if (isSyncing && operation.name === "append" && operation.path.endsWith(".log")) seen.add("overlap");
      if (operation.name === "remove" && /MANIFEST/.test(operation.path)) seen.add("manifest");
    },
  }, (isUnderWay) => isSyncing = isUnderWay);
  const onEvent = ({ type }: EngineEvent): void => {
    if (type === "flush" || type === "compaction") seen.add(type);
  };
  const run = new Run(disk, new Chronicle(), { settings: { ...workload.settings, onEvent } });
  await run.steps(workload.steps);
  await run.end();
  assert.deepEqual(run.failures, []);
  for (const witness of workload.shows) assert.ok(seen.has(witness), `${workload.name} shows no ${witness}`);
  // One more than there are: nothing happens, and all of it is there.
  const places = [...operations.keys(), operations.length].map((i) => i + 1);
  return { workload, operations, places: places.filter((at) => isMine(at) && isNear(workload, operations, at)) };
}

function isNear({ near }: Workload, operations: readonly Operation[], at: number): boolean {
  if (near === undefined || LONG) return true;
  return operations.slice(Math.max(0, at - 1 - NEAR), at + NEAR).some(({ name, path }) =>
    name !== "append" && name !== "sync" && near.test(path)
  );
}

/** Runs a case; what it throws says how to have it again. */
export async function again(recording: Recording, at: number, what: string, test: () => Promise<void>): Promise<void> {
  try {
    await test();
  } catch (error) {
    const { workload, operations } = recording;
    const operation = operations[at - 1];
    const place = operation === undefined ? "after the last operation" : `${operation.name} ${operation.path}`;
    throw new Error(
      `${workload.name}, at operation ${at} (${place}), "${what}"; again with HOLDFAST_SEED=${SEED}: ` +
        `${error instanceof Error ? error.message : error}`,
      { cause: error },
    );
  }
}
