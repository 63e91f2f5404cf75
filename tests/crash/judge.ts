/** Opens what an accident left and judges it by the chronicle: rule 3 of the architecture, and that life goes on. */
import assert from "node:assert/strict";
import { encodeText } from "../../lib/base/bytes.ts";
import { HistoryGoneError } from "../../lib/base/errors.ts";
import { yieldToLoop } from "../../lib/base/yield.ts";
import { fileName, parseFileName } from "../../lib/engine/file_names.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import { databaseExists, openEngine } from "../../lib/engine/open.ts";
import type { Engine, EngineSettings } from "../../lib/engine/types.ts";
import type { CrashOptions, MemoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { type Chronicle, difference } from "./chronicle.ts";
import { checkContents, contentsOf } from "./contents.ts";
import { type Exported, type Machine, PATH, Run } from "./runner.ts";

/** How many of the newest commits are looked up in the log as well. */
const HISTORY_LOOKED_AT = 8;

/** What is to be judged. */
export interface Case {
  /** The disk as found. */
  image: MemoryFileSystem;
  /** What was asked of the database before. */
  chronicle: Chronicle;
  machine: Machine;
  settings: Partial<EngineSettings>;
  /** Whether the power was gone, or only the process. */
  power: boolean;
  /** What the next power cut leaves, right after it was opened; nothing of the unsynced unless given. */
  next?: CrashOptions;
}

/** Opens the database and checks that it stands at a version it may stand at, and holds exactly what that makes. */
export async function openJudged(one: Case): Promise<Engine> {
  const { image, chronicle, machine, power } = one;
  const engine = await openEngine(image, PATH, machine.settings(one.settings));
  try {
    checkContents(engine, chronicle, power ? chronicle.kept : chronicle.handedOver);
    return engine;
  } catch (error) {
    await engine.close().catch(() => {});
    throw error;
  }
}

/** The whole judgement: state, files, log and, unless it is `brief`, another power cut and going on from there. */
export async function judge(one: Case, { brief = false } = {}): Promise<void> {
  const engine = await openJudged(one);
  const version = engine.visibleVersion;
  const chronicle = one.chronicle.fork();
  chronicle.settleAt(version);
  try {
    const report = await engine.verify();
    assert.deepEqual(report.problems, [], "verify() finds nothing");
    await checkHistory(engine, chronicle);
    // What was shown is not lost by the next cut.
    if (!brief) await goOn({ ...one, chronicle, image: one.image.fork(one.next ?? { keep: "none" }), power: true });
  } finally {
    await engine.close();
  }
  await checkFiles(one.image);
}

/** Opens once more, writes, loses power at once, opens again. */
async function goOn(one: Case): Promise<void> {
  const { image, chronicle, machine, settings } = one;
  const run = new Run(image, chronicle, { machine, settings });
  run.engine = await openJudged(one);
  const value = encodeText(`written after ${chronicle.attempts.length}`);
  await run.steps([{ do: "commit", operations: [{ put: "k00", value }], durability: "commit" }]);
  assert.deepEqual(run.failures, [], "writing goes on");
  assert.equal(chronicle.kept, chronicle.attempts.length);
  const next = image.crash({ keep: "none" });
  await run.end();
  const again = await openJudged({ ...one, image: next });
  await again.close();
}

/** No numbered file is left behind that the manifest doesn't list, and none that it lists is missing. */
async function checkFiles(image: MemoryFileSystem): Promise<void> {
  // Files that nobody needs any more are removed by the way.
  await yieldToLoop();
  const { number, state } = await loadManifest(image, PATH);
  const listed = [
    fileName("manifest", number),
    ...[...state.tables.keys()].map((table) => fileName("table", table)),
    ...[...state.blobs.keys()].map((blob) => fileName("blob", blob)),
    ...[...state.logs.keys()].map((log) => fileName("log", log)),
    ...(state.openLog === undefined ? [] : [fileName("log", state.openLog.number)]),
  ];
  const there = (await image.list(PATH)).filter((name) => parseFileName(name) !== undefined);
  assert.deepEqual(there, listed.sort(), "the numbered files are those that the manifest lists");
}

/** The log tells the newest commits as they were made. */
async function checkHistory(engine: Engine, chronicle: Chronicle): Promise<void> {
  const version = engine.visibleVersion;
  let expected = Math.max(0, version - HISTORY_LOOKED_AT);
  try {
    for await (const event of engine.history(expected)) {
      assert.equal(event.version, ++expected, "the log has every version");
      const { log } = chronicle.attempts[expected - 1]!.change;
      if (log !== undefined) assert.deepEqual(event.ops, log, `the log of version ${expected}`);
    }
    assert.equal(expected, version, "the log reaches to the end");
  } catch (error) {
    if (!(error instanceof HistoryGoneError)) throw error;
  }
}

/** Copies are whole or not there; those that were finished are there. */
export async function judgeExports(one: Case, exported: readonly Exported[]): Promise<number> {
  let opened = 0;
  for (const { to, version } of exported) {
    const there = await databaseExists(one.image, to);
    assert.ok(there || version === undefined, `the export to ${to} was finished and is gone`);
    if (!there) continue;
    opened++;
    const copy = await openEngine(one.image, to, one.machine.settings(one.settings));
    try {
      if (version !== undefined) assert.equal(copy.visibleVersion, version, `the export to ${to}`);
      const wrong = difference(one.chronicle.stateAt(copy.visibleVersion), contentsOf(copy));
      assert.equal(wrong, undefined, `the export to ${to}, version ${copy.visibleVersion}: ${wrong}`);
      assert.deepEqual((await copy.verify()).problems, []);
    } finally {
      await copy.close();
    }
  }
  return opened;
}
