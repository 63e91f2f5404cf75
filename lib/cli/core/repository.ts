/**
 * Opening backup repositories for a command, and finding out what lies at a place.
 *
 * @module
 */
import type { Encryption } from "../../backup/encryption.ts";
import { isWithin } from "../../backup/destination.ts";
import { DecryptionError } from "../../base/errors.ts";
import { BackupRepository } from "../../db/repository/backup_repository.ts";
import type { RepositoryOptions } from "../../db/repository/repository_options.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./exit_code.ts";
import { type ArgumentSpec, type OptionSpec, under } from "./option_spec.ts";
import { expectKind, isRepository } from "./places.ts";
import { askPassphrase, givenSecret, newSecret, secretOptions, type Whose } from "./secrets.ts";
import { isAddress, storeAt } from "./store.ts";

/** The word for a repository. */
export const REPOSITORY: ArgumentSpec = {
  name: "REPO",
  help: "the repository: a directory, or s3://, gs:// or azure:// and where in there",
  kind: "path",
  takes: "a repository",
};

/** How a repository is opened. */
export const REPOSITORY_OPTIONS: readonly OptionSpec[] = under("Repository options", [
  ...secretOptions(""),
  {
    name: "store",
    kind: "text",
    value: "NAME=VALUE",
    many: true,
    help: "an option of the object store, such as region=eu-central-1",
  },
]);

/** How much goes over the line. */
export const TRANSFER_OPTIONS: readonly OptionSpec[] = under("Repository options", [
  { name: "concurrency", kind: "count", help: "so many objects on their way at once: 4 unless given" },
  { name: "bytes-per-second", kind: "bytes", help: "not faster than this" },
]);

/** Encrypts what is made. */
export const ENCRYPT: OptionSpec = {
  name: "encrypt",
  kind: "flag",
  help: "encrypt a repository that is made; its passphrase or key is given as below, or asked for",
};

/** Leaves no trace of reading. */
export const READ_ONLY: OptionSpec = {
  name: "read-only",
  kind: "flag",
  help: "write nothing into the repository: no lease, no line in its history",
};

/** Lets what isn't needed be done without the key. */
export const KEYLESS: OptionSpec = {
  name: "keyless",
  kind: "flag",
  help: "without the key of an encrypted repository",
};

/** In which days and weeks are counted. */
export const TIME_ZONE: OptionSpec = {
  name: "time-zone",
  kind: "text",
  value: "ZONE",
  help: "the time zone in which days begin, such as Europe/Berlin: UTC unless given",
};

/** What a command wants of a repository. */
export interface Access {
  /** Whether it writes. */
  readonly write: boolean;
  /** Makes one where there is none. */
  readonly create?: boolean;
  /** The database that is backed up there, which must not hold its own backups. */
  readonly of?: string;
  /** Whose options and secrets count: those of `copy`'s target have a prefix. */
  readonly whose?: Whose;
}

/** Opens a repository. Where it turns out to be encrypted, and someone is there, the passphrase is asked for. */
export async function openRepository(call: Call, place: string, access: Access): Promise<BackupRepository> {
  const { given, io } = call;
  const { write, create = false, of, whose = "" } = access;
  const settings = given.list(`${whose}store`);
  if (settings.length > 0 && !isAddress(place)) {
    throw new UsageError(`--${whose}store is for object stores, and ${place} is a directory`);
  }
  await expectKind(call, place, "a repository");
  // The library says so too, once the repository is made.
  if (of !== undefined && !isAddress(place) && isWithin(io.fileSystem.resolve(place), io.fileSystem.resolve(of))) {
    throw new UsageError(`${place} is the database's own directory or inside it; choose another place for its backups`);
  }
  const target = isAddress(place) ? await storeAt(io, place, settings) : place;
  const optional = <T>(name: string, value: T | undefined): Record<string, T> =>
    value === undefined ? {} : { [name]: value };
  const number = (name: string): number | undefined => given.has(name) ? given.number(name) : undefined;
  const keyless = given.has("keyless") && given.flag("keyless");
  const options: RepositoryOptions = {
    readOnly: !write || (given.has("read-only") && given.flag("read-only")),
    createIfMissing: create,
    clock: io.now,
    fileSystem: io.fileSystem,
    ...(keyless ? { keyless } : {}),
    ...optional("concurrency", number("concurrency")),
    ...optional("bytesPerSecond", number("bytes-per-second")),
    ...optional("timeZone", given.has("time-zone") ? given.text("time-zone") : undefined),
  };
  const encrypt = create && given.has("encrypt") && given.flag("encrypt");
  const secret = keyless ? undefined : encrypt ? await newSecret(call, whose, place) : await givenSecret(call, whose);
  const open = async (encryption: Encryption | undefined): Promise<BackupRepository> =>
    await BackupRepository.open(target, encryption === undefined ? options : { ...options, encryption });
  try {
    return await open(secret);
  } catch (error) {
    if (!(error instanceof DecryptionError) || secret !== undefined) throw error;
    const typed = await askPassphrase(call, place);
    if (typed === undefined) throw error;
    return await open(typed);
  }
}

/** What lies at a place, for commands that take either. */
export async function kindOf({ io, given }: Call, place: string): Promise<"database" | "repository"> {
  const kind = given.choice<"database" | "repository">("kind");
  if (kind !== undefined) {
    if (kind === "database" && isAddress(place)) throw new UsageError("a database lies in a directory, not in a store");
    return kind;
  }
  return await isRepository(io, place) ? "repository" : "database";
}

/** Refuses what concerns repositories alone, for a place that is none. */
export function refuseRepositoryOptions({ given }: Call, names: readonly string[], what: string): void {
  const own = [...REPOSITORY_OPTIONS, ...TRANSFER_OPTIONS, KEYLESS, READ_ONLY].map(({ name }) => name);
  const wrong = [...names, ...own].find((name) => given.has(name) && given.isGiven(name));
  if (wrong !== undefined) throw new UsageError(`--${wrong} is for repositories, and ${what}`);
}

/** Says which of both is meant where it can't be seen any more. */
export const KIND: OptionSpec = {
  name: "kind",
  kind: "choice",
  choices: ["database", "repository"],
  help: "what lies there, where too little of it is left to tell",
};

/** The word for either. */
export const PLACE: ArgumentSpec = { name: "PLACE", help: "a database's directory, or a repository", kind: "path" };
