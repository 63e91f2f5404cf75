/**
 * Reading everything back: every table, blob file and log segment of one pinned version, the log that is kept for
 * `changes()` and repositories, and the manifest.
 *
 * @module
 */
import { throwIfAborted } from "../base/abort.ts";
import { ClosedError, CorruptionError, HoldfastError, NotFoundError } from "../base/errors.ts";
import { Slicer } from "../base/yield.ts";
import { join } from "../files/paths.ts";
import { fileName, MARKER_NAME } from "./file_names.ts";
import { isLetGo } from "./log/history.ts";
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
  const slicer = new Slicer(store.settings.monotonic, options.signal);
  const problems: Problem[] = [];
  const report = { files: 0, bytes: 0, entries: 0 };
  const pin = await takePin();
  const version = store.version.retain();
  const needed = pin.files.filter(({ kind }) => kind === "log");
  const history = [...store.manifest.state.logs.values()]
    .filter(({ number }) => !needed.some((log) => log.number === number));
  const releaseHistory = store.holdLogs(history.map(({ number }) => number));
  // Another may have the database by now: that it removed files is no damage.
  const assertOpen = (): void => {
    if (!store.closed) return;
    throw new ClosedError(`Cannot verify ${store.path}: it was closed meanwhile; open it again (CLOSED)`);
  };
  const seen = (bytes: number): void => {
    assertOpen();
    report.files++;
    report.bytes += bytes;
    options.onBytes?.(bytes);
    throwIfAborted(options.signal);
  };
  try {
    for (const table of version.tables()) {
      const file = fileName("table", table.number);
      await gather(problems, file, async () => {
        expectPlace(store, table.meta.size, store.filePathOf("table", table.number));
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
        expectPlace(store, blob.meta.size, store.filePathOf("blob", blob.number));
        for await (const { offset, detail } of blob.reader().verify(slicer, blob.meta.sha256)) {
          problems.push({ file, offset, detail });
        }
      });
      seen(blob.meta.size);
    }
    for (const { number, size, name } of needed) {
      await gather(problems, name, async () => {
        await eachCommit(store, number, size, slicer, () => report.entries++);
      });
      seen(size);
    }
    for (const { number, end } of history) {
      await gather(problems, fileName("log", number), async () => {
        await eachCommit(store, number, end, slicer, () => {});
      });
      seen(end);
    }
    const manifest = fileName("manifest", store.manifest.number);
    await gather(problems, manifest, async () => seen(await manifestSize(store)));
    assertOpen();
  } finally {
    releaseHistory();
    version.release();
    pin.release();
  }
  return { ok: problems.length === 0, problems, ...report, durationMs: store.settings.monotonic() - started };
}

/** A file that is open can be read when its name is gone or bytes were put behind it; the next open would refuse both. */
function expectPlace({ fs, settings }: Store, size: number, path: string): void {
  // The writer beside a read-only engine removes what that one still reads.
  if (settings.readOnly) return;
  const found = fs.statSync(path)?.size;
  if (found === undefined) throw new CorruptionError(path, 0, "the file is not there");
  if (found !== size) {
    throw new CorruptionError(path, Math.min(found, size), `${found} bytes long where ${size} were written`);
  }
}

/** Reads a log segment; one that the writer beside a read-only engine has let go meanwhile is no concern of who reads. */
async function eachCommit(
  store: Store,
  number: number,
  end: number,
  slicer: Slicer,
  seen: () => void,
): Promise<void> {
  try {
    for (const _ of readCommits(store.fs, store.path, { number, database: store.database }, end)) {
      seen();
      if (slicer.due()) await slicer.tick();
    }
  } catch (error) {
    if (!(error instanceof NotFoundError) || !await isLetGo(store, number)) throw error;
  }
}

/** Reads the manifest back; what was read while the next one took its place says nothing. */
async function manifestSize(store: Store): Promise<number> {
  for (;;) {
    const { number, end } = store.manifest;
    try {
      const found = await loadManifest(store.fs, store.path);
      // A newer one is being put in its place just now, or was by the writer beside a read-only engine.
      if (found.number < number) {
        throw new CorruptionError(MARKER_NAME, 0, `names ${fileName("manifest", found.number)}, which is an older one`);
      }
      // To who opens it next a bad end is an edit that never counted. Here it is known which of them did.
      if (found.number === number && found.end < end) {
        throw new CorruptionError(fileName("manifest", number), found.end, "an edit that counts can't be read");
      }
      return found.size;
    } catch (error) {
      if (store.manifest.number !== number) continue;
      // The marker is named by mistake, where what it leads to is gone, and the manifest, where it is the marker.
      for (const name of [MARKER_NAME, fileName("manifest", number)]) await assertThere(store, name);
      throw error;
    }
  }
}

async function assertThere({ fs, path }: Store, name: string): Promise<void> {
  if (await fs.stat(join(path, name)) === undefined) throw new CorruptionError(name, 0, "it is not there");
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
