/** Opening after a clean close: nothing is written or synced, and what it relies on is durable all the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError, ReadOnlyError } from "../../lib/base/errors.ts";
import type { SlotMeta } from "../../lib/format/manifest/manifest_edit.ts";
import { type MemoryFileSystem, memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { all, name, open, put } from "./fixture.ts";

const slot = (id: string): SlotMeta => ({ id, repository: `repository of ${id}`, version: 0, createdAt: 5 });

/** Opens, checks what is there and closes, and says how often the disk was changed by it. */
async function changesOfOpening(fs: MemoryFileSystem, entries: [string, string][]): Promise<number> {
  const before = fs.operations;
  const engine = await open(fs);
  assert.deepEqual(all(engine), entries);
  await engine.close();
  return fs.operations - before;
}

async function reopened(fs: MemoryFileSystem): Promise<void> {
  await (await open(fs)).close();
}

describe("an open after a clean close", () => {
  it("changes nothing on disk, whatever was done before the close", async () => {
    const before: Record<string, (fs: MemoryFileSystem) => Promise<[string, string][]>> = {
      async "made and never written to"(fs) {
        await reopened(fs);
        return [];
      },
      async "written to"(fs) {
        const engine = await open(fs);
        await put(engine, { a: "1" });
        await engine.close();
        return [["a", "1"]];
      },
      async "written to, and compacted when it was open again"(fs) {
        const engine = await open(fs);
        for (let i = 0; i < 100; i++) await put(engine, { [name(i)]: "x".repeat(50) });
        await engine.close();
        const again = await open(fs);
        await again.compact();
        await again.close();
        return Array.from({ length: 100 }, (_, i) => [name(i), "x".repeat(50)]);
      },
      async "killed, and opened once"(fs) {
        const other = fs.otherProcess();
        const engine = await open(other);
        await put(engine, { a: "1" });
        other.kill();
        await reopened(fs);
        return [["a", "1"]];
      },
      async "a slot was made for it when it was open again"(fs) {
        const engine = await open(fs);
        await put(engine, { a: "1" });
        await engine.close();
        const again = await open(fs);
        await again.setSlot(slot("s"));
        await again.setSlot(slot("t"));
        await again.close();
        return [["a", "1"]];
      },
    };
    for (const [what, make] of Object.entries(before)) {
      const fs = memoryFileSystem();
      const entries = await make(fs);
      for (let times = 0; times < 2; times++) assert.equal(await changesOfOpening(fs, entries), 0, what);
      // And all of it was durable without.
      const calls: string[] = [];
      const cut = fs.crash({ keep: "none" }, { delay: (call) => void calls.push(call) });
      await changesOfOpening(cut, entries);
      // Names that were removed may be back, and go again.
      assert.deepEqual(calls.filter((call) => call === "append" || call === "sync"), [], `${what}; power cut`);
    }
  });

  it("shows no edit that a power cut takes away, though an earlier close was clean", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await engine.close();
    const again = await open(fs);
    await again.setSlot(slot("s"));
    fs.inject({ at: ({ name, path }) => name === "sync" && path.includes("MANIFEST"), do: "fail" });
    await assert.rejects(again.setSlot(slot("t")), IOError);
    await assert.rejects(again.close(), ReadOnlyError);
    const shown = await open(fs);
    const slots = shown.slots();
    await shown.close();
    const cut = await open(fs.crash({ keep: "none" }));
    assert.deepEqual(cut.slots(), slots);
    await cut.close();
  });

  it("relies on no manifest that the marker may not lead to after a power cut", async () => {
    const fs = memoryFileSystem();
    const engine = await open(fs);
    await put(engine, { a: "1" });
    await engine.close();
    // The first edit begins a manifest anew; the process dies once the marker is renamed, before that is synced.
    const other = fs.otherProcess();
    const dying = await open(other);
    const remove = fs.inject({ at: ({ name, path }) => name === "rename" && path.includes("CURRENT"), do: "lose" });
    await assert.rejects(dying.setSlot(slot("s")));
    remove();
    other.kill();
    const shown = await open(fs);
    const slots = shown.slots();
    await shown.close();
    const cut = await open(fs.crash({ keep: "none" }));
    assert.deepEqual(cut.slots(), slots);
    assert.deepEqual(all(cut), [["a", "1"]]);
    await cut.close();
  });
});
