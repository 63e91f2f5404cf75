/** What long work reports of itself comes to the totals that it announces. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OnProgress, Progress } from "../../lib/base/progress.ts";
import { backupTo, exportDatabase, restoreInto, restoreTo } from "../../lib/backup/mod.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { fillSample, NOW, openAt, put, settingsOf, write } from "./fixture.ts";

/** The last report of each phase, in order. */
async function phases(work: (onProgress: OnProgress) => Promise<unknown>): Promise<Progress[]> {
  const last: Progress[] = [];
  await work((progress) => {
    if (last.at(-1)?.phase === progress.phase) last.pop();
    last.push(progress);
  });
  return last;
}

describe("the progress of", () => {
  it("exports, backups and restores comes to what each phase announces", async () => {
    const fs = memoryFileSystem();
    const engine = await openAt(fs, "/db");
    await fillSample(engine);
    await engine.compact();
    await write(engine, (batch) => put(batch, 0, "tagged", { value: "in the log", tags: ["a", "b"] }));
    await write(engine, (batch) => put(batch, 0, "gone", { value: "soon", expiresAt: NOW - 1 }));
    const other = await openAt(fs, "/other");
    const settings = settingsOf();
    const works: Record<string, (onProgress: OnProgress) => Promise<unknown>> = {
      export: (onProgress) => exportDatabase(engine, "/copy", { onProgress }),
      "export of all bytes": (onProgress) => exportDatabase(engine, "/bytes", { link: "never", onProgress }),
      tar: (onProgress) => exportDatabase(engine, "/copy.tar", { onProgress }),
      portable: (onProgress) => backupTo(engine, "/dump.json", { onProgress }),
      backup: (onProgress) => backupTo(engine, "/repository/", { onProgress }),
      "backup of a part": (onProgress) => backupTo(engine, "/repository/", { filter: () => true, onProgress }),
      "restore of an export": (onProgress) => restoreTo(fs, settings, "/copy", "/from-copy", { onProgress }),
      "restore of a tar": (onProgress) => restoreTo(fs, settings, "/copy.tar", "/from-tar", { onProgress }),
      "restore of a portable file": (onProgress) => restoreTo(fs, settings, "/dump.json", "/from-dump", { onProgress }),
      "restore of a backup": (onProgress) => restoreTo(fs, settings, "/repository", "/from-repo", { onProgress }),
      "restore of entries": (onProgress) => restoreInto(other, "/copy", { onProgress }),
    };
    for (const [name, work] of Object.entries(works)) {
      for (const { phase, doneBytes, totalBytes, doneItems, totalItems } of await phases(work)) {
        const about = `${name}: ${phase}`;
        if (totalBytes !== undefined) assert.equal(doneBytes, totalBytes, `${about}, bytes`);
        if (totalItems !== undefined) assert.equal(doneItems, totalItems, `${about}, items`);
      }
    }
    await other.close();
    await engine.close();
  });
});
