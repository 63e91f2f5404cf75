/** What tests of replay and slots share: a pin's tables staged as a directory, commits that touch everything, contents. */
import { ByteWriter, compareBytes, encodeText } from "../../lib/base/bytes.ts";
import assert from "node:assert/strict";
import type {
  CommitEvent,
  Engine,
  EngineSettings,
  IngestInfo,
  Pin,
  ReadView,
  ReplayOptions,
} from "../../lib/engine/types.ts";
import { openEngine } from "../../lib/engine/open.ts";
import type { FileSystem } from "../../lib/files/file_system.ts";
import { readFile } from "../../lib/files/read.ts";
import { KIND_JSON, KIND_TEXT, readCell, writeCell } from "../../lib/format/cell.ts";
import { Batch } from "../../lib/format/log/batch.ts";
import { internalKey, spacePrefix } from "../../lib/format/space.ts";
import type { Random } from "../model/random.ts";
import { name, tinySettings } from "./fixture.ts";

const SPACES = [spacePrefix(0), spacePrefix(4), spacePrefix(6)];
const FAR = 9_000_000_000_000;

/** Writes a file and nothing else. */
export async function write(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const handle = await fs.open(path, "create");
  await handle.append(bytes);
  await handle.sync();
  await handle.close();
}

/** Copies a whole file. */
export async function copy(fs: FileSystem, from: string, to: string): Promise<void> {
  await write(fs, to, await readFile(fs, from, 2 ** 30));
}

/** Makes a directory of a pin's base: its tables, blob files, manifest and marker. */
export async function stage(engine: Engine, pin: Pin, directory: string): Promise<void> {
  const { fs } = engine;
  await fs.makeDirectory(directory);
  for (const file of pin.files) {
    if (file.kind !== "log") await copy(fs, `${engine.path}/${file.name}`, `${directory}/${file.name}`);
  }
  await write(fs, `${directory}/${pin.base.manifestName}`, pin.base.manifest());
  await write(fs, `${directory}/CURRENT`, pin.base.marker());
  await fs.syncDirectory(directory);
}

/** Opens a directory with settings of its own. */
export function openAt(fs: FileSystem, directory: string, changes: Partial<EngineSettings> = {}): Promise<Engine> {
  return openEngine(fs, directory, tinySettings(changes));
}

/** A commit of a few random operations over a few hundred keys of three key spaces. */
export function randomBatch(random: Random): Batch {
  const batch = new Batch();
  for (let n = random.between(0, 6); n > 0; n--) {
    const space = SPACES[random.below(SPACES.length)]!;
    const id = encodeText(name(random.below(200)));
    const dice = random.below(10);
    if (dice < 6) {
      const text = encodeText("x".repeat(random.chance(0.2) ? random.between(300, 900) : random.below(60)) + n);
      const tags = random.chance(0.3) ? [encodeText("red"), encodeText("blue")] : [];
      batch.putCell(space, id, KIND_TEXT, text, tags, random.chance(0.3) ? FAR + n : undefined);
    } else if (dice < 9) {
      batch.deleteKey(space, id);
    } else {
      const end = internalKey(space, encodeText(name(random.below(200))));
      const start = internalKey(space, id);
      if (compareBytes(start, end) < 0) batch.deleteRange(start, random.chance(0.9) ? end : undefined);
    }
  }
  return batch;
}

/** Takes one sorted run in, some of its values large. */
export async function ingestSome(engine: Engine, from: number, to: number, replace: boolean): Promise<number> {
  const writer = engine.ingestWriter();
  for (let i = from; i < to; i++) {
    const cell = new ByteWriter();
    writeCell(cell, KIND_JSON, encodeText(`"${"y".repeat(i % 7 === 0 ? 500 : 20)}${i}"`));
    writer.add(internalKey(SPACES[1]!, encodeText(name(i))), cell.view());
    await writer.drain();
  }
  const ranges = replace ? [] : [{ start: internalKey(SPACES[0]!, encodeText(name(50))), end: SPACES[1] }];
  return (await engine.ingest(await writer.finish(), { replace, ranges })).version;
}

/** Everything visible: key, version, time, and all that the cell says, values in full. */
export function contents(engine: Engine, view: ReadView = engine.read()): string[] {
  const out: string[] = [];
  const cursor = view.cursor();
  try {
    while (cursor.next()) {
      const row = { version: cursor.version, timestamp: cursor.timestamp, cell: cursor.cell };
      const { kind, expiresAt, tags } = readCell(cursor.cell);
      const value = new TextDecoder().decode(engine.value(row));
      out.push([[...cursor.key], row.version, row.timestamp, kind, expiresAt ?? "-", tags, value].join(" "));
    }
  } finally {
    cursor.close();
  }
  return out;
}

/** Copies the files of an ingest from one database's directory into another. */
export function bring(from: Engine, directory: string): (info: IngestInfo) => Promise<void> {
  return async (info) => {
    for (const { path } of from.ingestedFiles(info) ?? []) {
      await copy(from.fs, path, `${directory}/${path.split("/").at(-1)}`);
    }
  };
}

/** Of a replay whose commits take no files in. */
export const NO_FILES: ReplayOptions = {
  ingestFiles: () => assert.fail("no files are taken in"),
};

/** Commits one by one. */
export async function* listed(commits: readonly CommitEvent[]): AsyncGenerator<CommitEvent> {
  for (const commit of commits) {
    yield commit;
    await undefined;
  }
}
