/** The log that a killed process left, which the next open writes anew before it shows it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, NoSpaceError } from "../../lib/base/errors.ts";
import { openSegment } from "../../lib/engine/log/log_segment.ts";
import { loadManifest } from "../../lib/engine/manifest/manifest.ts";
import { type MemoryFileSystem, memoryFileSystem, type Operation } from "../../lib/files/memory/memory_file_system.ts";
import { all, get, name, open, put } from "./fixture.ts";

/** A database that was killed, with these commits in its log. */
async function killed(values: readonly string[], beforeOperation?: (of: Operation) => void): Promise<MemoryFileSystem> {
  const fs = memoryFileSystem({ beforeOperation });
  const engine = await open(fs, LARGE);
  for (const [i, value] of values.entries()) await put(engine, { [name(i)]: value }, "interval");
  fs.kill();
  await engine.close().catch(() => {});
  return fs.otherProcess();
}

/** Nothing goes to tables. */
const LARGE = { memtableBytes: 2 ** 24, blobBytes: 2 ** 24 };

describe("log that an open writes anew", () => {
  it("is the same, of the same history, and finished, however long it is", async () => {
    const values = Array.from({ length: 5 }, (_, i) => `${i}`.repeat(600_000));
    const fs = await killed(values);
    const engine = await open(fs, LARGE);
    assert.deepEqual(all(engine), values.map((value, i) => [name(i), value]));
    const image = fs.fork({ keep: "none" });
    const { state } = await loadManifest(image, "/db");
    const { number, end } = state.openLog!;
    const { reader, header, close } = openSegment(image, "/db", { number, database: engine.id });
    while (reader.next() !== undefined);
    close();
    assert.deepEqual([reader.state.kind, reader.state.offset], ["footer", end]);
    assert.equal(header.lineage, engine.lineage);
    const again = await open(image, LARGE);
    assert.deepEqual(all(again), values.map((value, i) => [name(i), value]));
    await again.close();
    await engine.close();
  });

  it("is no lost part of the database before the manifest names it", async () => {
    const images: MemoryFileSystem[] = [];
    let isLate = false;
    const fs = await killed(["1", "2"], ({ name, path }) => {
      if (isLate && name === "create" && path.includes("MANIFEST")) images.push(fs.fork({ keep: "all" }));
    });
    isLate = true;
    await (await open(fs)).close();
    assert.equal(images.length, 1);
    const logs = (await images[0]!.list("/db")).filter((name) => name.endsWith(".log"));
    assert.equal(logs.length, 2);
    const engine = await open(images[0]!);
    assert.deepEqual(all(engine), [[name(0), "1"], [name(1), "2"]]);
    await engine.close();
  });

  it("does not open where its sync finds the disk full: nobody knows what is there", async () => {
    let isFull = false;
    const fs = await killed(["1"], ({ name, path }) => {
      if (isFull && name === "sync" && path.endsWith(".log")) {
        throw new NoSpaceError(`Cannot sync ${path}: full, says the test (ENOSPC)`);
      }
    });
    isFull = true;
    await assert.rejects(open(fs), (error) => error instanceof IOError && !(error instanceof NoSpaceError));
    isFull = false;
    const engine = await open(fs);
    assert.equal(get(engine, name(0)), "1");
    await engine.close();
    for (const file of await fs.list("/db")) await fs.remove(`/db/${file}`);
    assert.equal(fs.usedBytes, 0, "a file is left open");
  });
});
