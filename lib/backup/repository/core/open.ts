/**
 * Opening and making repositories.
 *
 * | what is there | what happens |
 * |---|---|
 * | `repository.json` | it is opened: with its key, or refused |
 * | nothing | a repository is made, unless that was not asked for |
 * | parts of a repository, but no `repository.json` | `IntegrityError`: it was lost, and a new one must not be made over it |
 * | a database, or other files | `ExistsError` |
 *
 * @module
 */
import { DecryptionError, ExistsError, IntegrityError, NotFoundError } from "../../../base/errors.ts";
import { toHex } from "../../../base/bytes.ts";
import { monotonicNow, randomBytes } from "../../../base/simulation.ts";
import { delayWith, systemTimers, type Timers } from "../../../base/timers.ts";
import { MARKER_NAME } from "../../../engine/file_names.ts";
import type { FileSystem } from "../../../files/file_system.ts";
import { inWords } from "../../../files/kinds.ts";
import { join } from "../../../files/paths.ts";
import { openDocument, sealDocument } from "../../../format/repository/document.ts";
import type { ObjectCompression } from "../../../format/repository/object.ts";
import { type KeyRing, newKeyRing, type Secret } from "../../../format/repository/key_ring.ts";
import { type RepositoryDocument, repositoryDocument } from "../../../format/repository/repository_document.ts";
import { DirectoryStore, directoryStore } from "../../../storage/directory_store.ts";
import type { ObjectStore } from "../../../storage/object_store.ts";
import { Activities } from "./activities.ts";
import { Bandwidth } from "./bandwidth.ts";
import type { RepositoryContext } from "./context.ts";
import { firstKey, readBytes } from "./documents.ts";
import { addSlot, openRing } from "./keys.ts";
import { PART, REPOSITORY_COPY_KEY, REPOSITORY_KEY } from "./layout.ts";
import { RetryingStore } from "./retrying_store.ts";
import { decidesConditions, SoleWriter } from "./sole_writer.ts";
import { WriterClaim } from "./writer_claim.ts";

/** How a repository is opened; all settled. */
export interface OpenSettings {
  /** The key or passphrase. */
  encryption: Secret | undefined;
  /** How objects are compressed unless a call says otherwise. */
  compression: ObjectCompression | undefined;
  /** Objects at once. */
  concurrency: number;
  /** A limit on all transfers. */
  bytesPerSecond: number | undefined;
  /** Writes nothing. */
  readOnly: boolean;
  /** Opens an encrypted repository without its key, for checks. */
  keyless: boolean;
  /** Makes one where nothing is. */
  create: boolean;
  /** In which retention counts days. */
  timeZone: string;
  /** ms since the Unix epoch. */
  clock: () => number;
  /** For pauses, and for what is done now and then. */
  timers: Timers;
}

const REPOSITORY_BYTES_MAX = 64 * 1024;

/** The defaults of what is not given. */
export const OPEN_DEFAULTS: OpenSettings = {
  encryption: undefined,
  compression: undefined,
  concurrency: 4,
  bytesPerSecond: undefined,
  readOnly: false,
  keyless: false,
  create: true,
  timeZone: "UTC",
  clock: Date.now,
  timers: systemTimers,
};

/** The store of a repository in a directory. A directory that holds something else is refused. */
export async function storeAt(fs: FileSystem, path: string): Promise<ObjectStore> {
  // With a slash at its end a file would seem not to be there.
  const info = await fs.stat(fs.resolve(path));
  if (info !== undefined) {
    if (info.kind !== "directory") {
      throw new ExistsError(`Cannot use ${path} as a repository: it is ${inWords(info)}; give a directory (EXISTS)`, {
        path,
      });
    }
    const names = await fs.list(path);
    if (!names.includes(REPOSITORY_KEY)) {
      const parts: readonly string[] = Object.values(PART).map((part) => part.slice(0, -1));
      const foreign = names.find((name) => !parts.includes(name) && !name.startsWith("."));
      if (names.includes(MARKER_NAME)) {
        throw new ExistsError(`Cannot use ${path} as a repository: it is a database; give another directory (EXISTS)`, {
          path,
        });
      }
      if (foreign !== undefined) {
        throw new ExistsError(
          `Cannot use ${path} as a repository: it holds other files (${foreign}) and no ${REPOSITORY_KEY}; ` +
            "check the path, or give an empty or a new directory (EXISTS)",
          { path },
        );
      }
    }
  }
  return directoryStore(path, { fileSystem: fs });
}

/** Whether a directory is a repository. */
export async function isRepository(fs: FileSystem, path: string): Promise<boolean> {
  for (const key of [REPOSITORY_KEY, REPOSITORY_COPY_KEY]) {
    if ((await fs.stat(join(path, key)))?.kind === "file") return true;
  }
  return false;
}

/** Opens a repository, or makes one. */
export async function openRepository(store: ObjectStore, settings: OpenSettings): Promise<RepositoryContext> {
  const { timers } = settings;
  const delay = (ms: number, signal?: AbortSignal): Promise<void> => delayWith(timers, ms, signal);
  // Times are stored as whole ms.
  const clock = (): number => Math.floor(settings.clock());
  const around = { clock, monotonic: monotonicNow, delay, timers, randomBytes };
  const plain = new RetryingStore(store, { delay });
  const name = store.name;
  const writes = !settings.readOnly && !settings.keyless;
  await plain.probe({ write: writes });
  const claim = writes && !decidesConditions(plain) ? new WriterClaim(plain, around) : undefined;
  const retrying = claim === undefined
    ? plain
    : new RetryingStore(store, { delay }, new SoleWriter(store, plain, claim));
  const turn = claim && ((signal?: AbortSignal): Promise<void> => claim.during(() => Promise.resolve(), signal));
  const letGo = claim && ((): Promise<void> => claim.letGo());
  try {
    const found = await readRepository(retrying, name);
    const { about, ring } = await unlock(retrying, found?.about ?? await make(retrying, settings), settings);
    // Nothing begins where it is gone.
    if (found?.isLost && writes) {
      await retrying.put(REPOSITORY_KEY, sealDocument("repository", about), { ifAbsent: true });
    }
    return {
      ...around,
      store: retrying,
      name,
      directory: store instanceof DirectoryStore ? store.root : undefined,
      id: about.id,
      ring,
      keyless: about.encryption !== null && ring === undefined,
      readOnly: !writes,
      compression: settings.compression,
      concurrency: settings.concurrency,
      bandwidth: new Bandwidth(settings.bytesPerSecond, monotonicNow, delay),
      timeZone: settings.timeZone,
      activities: new Activities(),
      turn,
      letGo,
    };
  } catch (error) {
    await letGo?.();
    throw error;
  }
}

/** What the repository says of itself, and its ring: by the copy where the key opens nothing by the first. */
async function unlock(
  store: ObjectStore,
  about: RepositoryDocument,
  settings: OpenSettings,
): Promise<{ about: RepositoryDocument; ring: KeyRing | undefined }> {
  try {
    return { about, ring: await ringOf(store, about, settings) };
  } catch (error) {
    if (!(error instanceof DecryptionError) || settings.encryption === undefined) throw error;
    // It may be that of another repository, which was put over it.
    const copy = await readIdentity(store, store.name, REPOSITORY_COPY_KEY).catch(() => undefined);
    const ring = copy && copy.id !== about.id && await ringOf(store, copy, settings).catch(() => undefined);
    if (!copy || !ring) throw error;
    return { about: copy, ring };
  }
}

async function ringOf(
  store: ObjectStore,
  about: RepositoryDocument,
  settings: OpenSettings,
): Promise<KeyRing | undefined> {
  if (about.encryption === null) {
    if (settings.encryption === undefined) return undefined;
    throw new DecryptionError(
      `Cannot open ${store.name} with a key: it is not encrypted, and what is written there would not be; ` +
        'leave option "encryption" out, or make a new repository and use copyTo (DECRYPTION)',
    );
  }
  if (settings.encryption === undefined) {
    if (settings.keyless) return undefined;
    throw new DecryptionError(
      `Cannot open ${store.name}: it is encrypted; pass encryption: { passphrase } or { key } (DECRYPTION)`,
    );
  }
  return await openRing(store, about, settings.encryption);
}

/** What the repository says of itself: in the second place where the first is lost or damaged. */
async function readRepository(
  store: ObjectStore,
  name: string,
): Promise<{ about: RepositoryDocument; isLost: boolean } | undefined> {
  let damage: unknown;
  try {
    const about = await readIdentity(store, name, REPOSITORY_KEY);
    if (about !== undefined) return { about, isLost: false };
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    damage = error;
  }
  const about = await readIdentity(store, name, REPOSITORY_COPY_KEY).catch((error) => {
    throw damage ?? error;
  });
  if (about !== undefined) return { about, isLost: damage === undefined };
  if (damage !== undefined) throw damage;
  return undefined;
}

async function readIdentity(store: ObjectStore, name: string, key: string): Promise<RepositoryDocument | undefined> {
  const found = await readBytes(store, key, REPOSITORY_BYTES_MAX);
  return found && openDocument("repository", found.bytes, `${key} in ${name}`, repositoryDocument);
}

async function make(
  store: ObjectStore,
  settings: OpenSettings,
): Promise<RepositoryDocument> {
  const other = await firstKey(store, "");
  // Keys come before what they open; whoever claims to write has yet to begin.
  if (other !== undefined && !other.startsWith(PART.keys) && !other.startsWith(PART.writers)) {
    // Another may have made it since we looked.
    const made = await readRepository(store, store.name);
    if (made !== undefined) return made.about;
    if (Object.values(PART).some((part) => other.startsWith(part))) {
      throw new IntegrityError(
        `Cannot open ${store.name}: it has parts of a repository (${other}) but no ${REPOSITORY_KEY}, nor its copy ` +
          `${REPOSITORY_COPY_KEY}; put one of them back from a copy of the repository`,
      );
    }
    throw new ExistsError(
      `Cannot use ${store.name} as a repository: it holds other objects (${other}); choose an empty place (EXISTS)`,
    );
  }
  if (settings.readOnly || settings.keyless || !settings.create) {
    throw new NotFoundError(`Cannot open ${store.name}: there is no repository; check the path (NOT_FOUND)`);
  }
  const id = toHex(randomBytes(16));
  const createdAt = Math.floor(settings.clock());
  const ring = settings.encryption === undefined ? undefined : newKeyRing(randomBytes);
  if (ring !== undefined) {
    await addSlot(store, { repository: id, ring, createdAt, randomBytes }, settings.encryption!);
  }
  const body: RepositoryDocument = {
    id,
    createdAt,
    encryption: ring === undefined ? null : { cipher: "aes-256-gcm", ringId: ring.id },
  };
  const bytes = sealDocument("repository", body);
  const put = await store.put(REPOSITORY_KEY, bytes, { ifAbsent: true });
  if (put !== undefined) {
    // Who may not put it has a repository all the same; a repair makes up for it.
    await store.put(REPOSITORY_COPY_KEY, bytes).catch(() => {});
    return body;
  }
  // Another was faster, or our own answer was lost: what is there now counts.
  const found = await readRepository(store, store.name);
  if (found === undefined) {
    throw new IntegrityError(`${REPOSITORY_KEY} in ${store.name} comes and goes; check the store`);
  }
  return found.about;
}
