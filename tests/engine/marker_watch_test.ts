/** What the writer takes for a marker of its own. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IOError } from "../../lib/base/errors.ts";
import { MarkerWatch } from "../../lib/engine/manifest/marker_watch.ts";
import type { FileHandle, FileSystem } from "../../lib/files/file_system.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { publishFile, writeAside } from "../../lib/files/publish.ts";
import { writeMarker } from "../../lib/format/manifest/marker.ts";

const DATABASE = "a".repeat(32);

function marker(manifest: number): Uint8Array {
  return writeMarker({ database: DATABASE, lineage: "b".repeat(32), manifest });
}

function put(fs: FileSystem, manifest: number): Promise<void> {
  return publishFile(fs, "/CURRENT", marker(manifest));
}

describe("the marker, as the writer looks at it", () => {
  it("may name either manifest while it is switched, and no third one", async () => {
    const disk = memoryFileSystem();
    await put(disk, 1);
    const seen: boolean[] = [];
    const fs = new Proxy<FileSystem>(disk, {
      get(target, name) {
        const found: unknown = Reflect.get(target, name);
        if (name !== "syncDirectory") return typeof found === "function" ? found.bind(target) : found;
        return async () => {
          for (const manifest of [3, 2]) {
            await put(disk, manifest);
            seen.push(watch.isReplaced);
          }
        };
      },
    });
    const watch = new MarkerWatch(fs, "/", DATABASE, 1);
    const aside = await writeAside(fs, "/CURRENT", marker(2), "2");
    await watch.switchTo(2, aside, marker(1), () => seen.push(watch.isReplaced));
    assert.deepEqual(seen, [false, false, true, false]);
    assert.equal(watch.isReplaced, false);
    await put(disk, 1);
    assert.equal(watch.isReplaced, true);
    watch.close();
  });

  it("is read again where the one that is open can't be asked any more, as on a network", async () => {
    const disk = memoryFileSystem();
    let isStale = false;
    const fs = new Proxy<FileSystem>(disk, {
      get(target, name) {
        if (name === "openSync") {
          return (path: string, mode: "read"): FileHandle => {
            const handle = disk.openSync(path, mode);
            const isInPlaceSync = (): boolean => {
              if (isStale) throw new IOError("stale", { path });
              return handle.isInPlaceSync!();
            };
            return new Proxy<FileHandle>(handle, {
              get(target, name) {
                const found: unknown = name === "isInPlaceSync" ? isInPlaceSync : Reflect.get(target, name);
                return typeof found === "function" ? found.bind(target) : found;
              },
            });
          };
        }
        const found: unknown = Reflect.get(target, name);
        return typeof found === "function" ? found.bind(target) : found;
      },
    });
    await put(fs, 1);
    const watch = new MarkerWatch(fs, "/", DATABASE, 1);
    assert.equal(watch.isReplaced, false);
    await put(fs, 2);
    isStale = true;
    assert.equal(watch.isReplaced, true);
    watch.close();
  });
});
