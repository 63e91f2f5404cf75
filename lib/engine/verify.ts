/**
 * Reading everything back: every table, blob file and log segment of one pinned version, and the manifest.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { CorruptionError, HoldfastError } from "../base/errors.ts";
import { Slicer } from "../base/yield.ts";
import { fileName } from "./file_names.ts";
import { readCommits } from "./log/log_segment.ts";
import { loadManifest } from "./manifest/manifest.ts";
import type { Store } from "./store.ts";
import type { Pin, Problem, VerifyReport } from "./types.ts";

/** Checks a store; damage is reported, not thrown. */
export async function verifyStore(
  store: Store,
  takePin: () => Promise<Pin>,
  options: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void },
): Promise<VerifyReport> {
  const started = store.settings.monotonic();
  const slicer = new Slicer(store.settings.monotonic);
  const problems: Problem[] = [];
  const report = { files: 0, bytes: 0, entries: 0 };
  const pin = await takePin();
  const version = store.version.retain();
  const seen = (bytes: number): void => {
    report.files++;
    report.bytes += bytes;
    options.onBytes?.(bytes);
    throwIfAborted(options.signal);
  };
  try {
    for (const table of version.tables()) {
      const file = fileName("table", table.number);
      await gather(problems, file, async () => {
        for await (const { offset, detail } of table.reader().verify(slicer, table.meta.sha256)) {
          problems.push({ file, offset, detail });
        }
      });
      report.entries += table.meta.rows;
      seen(table.meta.size);
    }
    for (const blob of version.blobs.values()) {
      const file = fileName("blob", blob.number);
      await gather(problems, file, async () => {
        for await (const { offset, detail } of blob.reader().verify(slicer, blob.meta.sha256)) {
          problems.push({ file, offset, detail });
        }
      });
      seen(blob.meta.size);
    }
    for (const { kind, number, size, name } of pin.files) {
      if (kind !== "log") continue;
      await gather(problems, name, async () => {
        for (const _ of readCommits(store.fs, store.path, { number, database: store.database }, size)) {
          report.entries++;
          if (slicer.due()) await slicer.tick();
        }
      });
      seen(size);
    }
    const manifest = fileName("manifest", store.manifest.number);
    await gather(problems, manifest, async () => seen(await manifestSize(store)));
  } finally {
    version.release();
    pin.release();
  }
  return { ok: problems.length === 0, problems, ...report, durationMs: store.settings.monotonic() - started };
}

/** Reads the manifest back; what was read while the next one took its place says nothing. */
async function manifestSize(store: Store): Promise<number> {
  for (;;) {
    const { number } = store.manifest;
    try {
      return (await loadManifest(store.fs, store.path)).size;
    } catch (error) {
      if (store.manifest.number === number) throw error;
    }
  }
}

/** Runs one check; damage and missing files become problems. */
async function gather(problems: Problem[], file: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (error instanceof CorruptionError) {
      problems.push({ file: error.file.split("/").at(-1)!, offset: error.offset, detail: error.detail });
    } else if (error instanceof HoldfastError && ["NOT_FOUND", "IO", "UNSUPPORTED_FORMAT"].includes(error.code)) {
      problems.push({ file, offset: 0, detail: error.message });
    } else {
      throw error;
    }
  }
}
