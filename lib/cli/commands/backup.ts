/**
 * `backup`, `restore`.
 *
 * @module
 */
import type { BackupOptions } from "../../backup/backup_options.ts";
import type { RestoreInfo, RestoreSource } from "../../backup/mod.ts";
import type { RestoreOptions } from "../../backup/restore_options.ts";
import type { Key } from "../../db/data/keys.ts";
import { DB } from "../../db/db.ts";
import type { BackupRepository } from "../../db/repository/backup_repository.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { DATABASE, localPath, openToRead, openToWrite } from "../core/database.ts";
import { UsageError } from "../core/exit_code.ts";
import { inputPieces } from "../core/forms.ts";
import type { OptionSpec } from "../core/option_spec.ts";
import { POINT_OPTIONS, pointOf, wholeIds } from "../core/point.ts";
import { RETENTION_OPTIONS, retentionOf } from "../core/policy.ts";
import { SELECTION_OPTIONS, selectionOf } from "../core/prefix.ts";
import { expectKind, isRepository, refusePipe } from "../core/places.ts";
import { confirm } from "../core/prompt.ts";
import {
  ENCRYPT,
  openRepository,
  READ_ONLY,
  refuseRepositoryOptions,
  REPOSITORY_OPTIONS,
  TIME_ZONE,
  TRANSFER_OPTIONS,
} from "../core/repository.ts";
import { isAddress } from "../core/store.ts";
import { backupDone, printRestore } from "../output/reports.ts";
import { PROGRAM_NAME } from "../version.ts";
import { YES } from "./entries.ts";

/** Beside a writer. */
const BESIDE: OptionSpec = {
  name: "beside",
  kind: "flag",
  help: "beside a program that has the database open; such a backup has no log behind it",
};

/** Names and values of a backup. */
export const LABEL: OptionSpec = {
  name: "label",
  kind: "text",
  value: "NAME=VALUE",
  many: true,
  help: "keep this with it",
};

/** `["a=1"]` -> `{ a: "1" }` */
export function labelsOf({ given }: Call): Record<string, string> {
  return Object.fromEntries(
    given.list("label").map((label) => {
      const at = label.indexOf("=");
      if (at < 1) throw new UsageError(`--label takes NAME=VALUE, not ${JSON.stringify(label)}`);
      return [label.slice(0, at), label.slice(at + 1)];
    }),
  );
}

/** What makes no sense for a file. */
const REPOSITORY_ONLY = [
  "type",
  "id",
  "parent",
  "max-store",
  "exclude-log",
  "encrypt",
  "concurrency",
  "bytes-per-second",
];

/** `backup` */
export const backup: CommandSpec = {
  name: "backup",
  summary: "Back up a database into a repository or a portable file",
  details:
    "TO is a file when its name ends in .json or .jsonl (each also with .gz or .zst) and no directory is there, else a " +
    "repository, which is made where there is none. A backup of a part (--prefix, --namespace) holds entries only, and no points in time lead through it. " +
    "With rules of retention (--policy, --keep-daily and so on) what they don't keep is removed afterwards.",
  group: "Backups",
  args: [DATABASE, { name: "TO", help: "a directory, an address such as s3://BUCKET/PREFIX, or a file", kind: "path" }],
  options: [
    {
      name: "type",
      kind: "choice",
      choices: ["auto", "full", "incremental", "snapshot"],
      help: "how it relates to what is there: incremental where it can be and weekly a snapshot, unless given",
    },
    { name: "id", kind: "text", value: "ID", help: "its name: made from the time unless given" },
    { name: "parent", kind: "text", value: "ID", help: "the backup that an incremental one builds on" },
    LABEL,
    ...SELECTION_OPTIONS,
    { name: "compression", kind: "choice", choices: ["zstd", "gzip", "none"], help: "how it is compressed" },
    { name: "level", kind: "count", help: "how hard: gzip 0 to 9, zstd 1 to 22" },
    { name: "no-verify", kind: "flag", help: "don't read back what was written" },
    { name: "overwrite", kind: "flag", help: "replace a file that is there" },
    { name: "max-store", kind: "bytes", help: "give up when more than this would have to be stored" },
    { name: "exclude-log", kind: "flag", help: "leave out what is not in tables yet; it is a little older then" },
    BESIDE,
    ENCRYPT,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
    ...RETENTION_OPTIONS,
    TIME_ZONE,
  ],
  examples: [
    { line: "backup ./data ./backups", does: "incremental where it can be, else complete" },
    { line: "backup ./data ./backups --type full --keep-daily 7 --keep-weekly 4", does: "a full one; old ones go" },
    { line: "backup ./data s3://my-backups/shop --store region=eu-central-1", does: "into a bucket" },
    { line: "backup ./data ./safe --encrypt", does: "into an encrypted repository; the passphrase is asked for" },
    { line: "backup ./data dump.jsonl.zst", does: "into one portable file" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [path = "", to = ""] = call.words;
    const readOnly = given.flag("beside");
    const labels = labelsOf(call);
    const optional = <K extends keyof BackupOptions>(name: K, value: BackupOptions[K]): BackupOptions =>
      value === undefined ? {} : { [name]: value };
    const both: BackupOptions = {
      ...await selectionOf(call),
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...optional("compression", given.choice("compression")),
      ...optional("level", given.number("level")),
      ...(given.flag("no-verify") ? { verify: false } : {}),
      signal: io.signal,
    };
    const toFile = await isFile(call, to);
    const policy = retentionOf(call);
    if (toFile) {
      refuseRepositoryOptions(call, REPOSITORY_ONLY, `${to} is a file`);
      if (policy !== undefined) throw new UsageError(`rules of retention are for repositories, and ${to} is a file`);
    } else if (given.flag("overwrite")) {
      throw new UsageError("--overwrite is for files; what is in a repository is never replaced");
    }
    await using db = readOnly ? await openToRead(call, path) : await openToWrite(call, path);
    let info;
    if (toFile) {
      const onProgress = out.progress("backup");
      info = await db.backup(to, {
        ...both,
        onProgress,
        ...optional("overwrite", given.flag("overwrite") || undefined),
      });
    } else {
      await using repo = await openRepository(call, to, { write: true, create: true, of: path });
      info = await repo.backup(db, {
        ...both,
        // Not before: opening it may ask for a passphrase, and the line would be drawn over the question.
        onProgress: out.progress("backup"),
        ...optional("type", given.choice("type")),
        ...optional("id", given.text("id")),
        ...optional("parent", given.text("parent")),
        ...optional("maxBytes", given.number("max-store")),
        ...(given.flag("exclude-log") ? { excludeLog: true } : {}),
        ...optional("prune", policy),
      });
    }
    out.endProgress();
    await out.result(info, () => out.sentences([backupDone(info)]));
    if (info.selective && info.entryCount === 0) out.warn("no entry was chosen: look at --prefix and --namespace");
  },
};

/** Whether a portable file is meant: by its name, unless a directory is called so. */
async function isFile({ io }: Call, to: string): Promise<boolean> {
  if (isAddress(to) || !/\.jsonl?(?:\.gz|\.zst)?$/i.test(to)) return false;
  return (await io.fileSystem.stat(to))?.kind !== "directory";
}

/** `restore` */
export const restore: CommandSpec = {
  name: "restore",
  summary: "Restore a backup into a new directory, or into a database that is there",
  details:
    "FROM is a repository, an export (a directory or tar file), a portable file, or - for standard input. Without --at, " +
    "--at-version or --backup it is the newest state that can be had. Where DB is a database already, --mode says what " +
    "becomes of it: replace makes its contents those of the backup, in one step; merge lets the backup's entries win and " +
    "keeps other keys; --overwrite makes the directory anew. All three are asked about first.",
  group: "Backups",
  args: [
    { name: "FROM", help: "a repository, export, portable file or -", kind: "path" },
    { name: "DB", help: "a new directory, or a database", kind: "path", takes: "a database" },
  ],
  options: [
    ...POINT_OPTIONS,
    { name: "mode", kind: "choice", choices: ["replace", "merge"], help: "what becomes of a database that is there" },
    { name: "overwrite", kind: "flag", help: "make a new database in place of the one that is there" },
    ...SELECTION_OPTIONS,
    {
      name: "expiry",
      kind: "choice",
      choices: ["keep", "clear"],
      help: "clear lets expired entries come back for good",
    },
    { name: "no-verify-before", kind: "flag", help: "don't check the source's checksums first" },
    { name: "no-verify-after", kind: "flag", help: "don't read back what was written" },
    { name: "no-replay-log", kind: "flag", help: "only what is in the tables of the backup" },
    { name: "dry-run", kind: "flag", help: "say what it would be, change nothing" },
    {
      name: "key-encoding",
      kind: "choice",
      choices: ["utf8", "bytes"],
      help: "what keys are, where the source doesn't say",
    },
    YES,
    READ_ONLY,
    ...REPOSITORY_OPTIONS,
    ...TRANSFER_OPTIONS,
  ],
  examples: [
    { line: "restore ./backups ./restored", does: "the newest state, into a new directory" },
    { line: "restore ./backups ./restored --at '2026-11-26 14:59'", does: "the state of that minute, in UTC" },
    { line: "restore ./backups ./data --mode replace --at-version 1200", does: "take the database back to a version" },
    { line: "restore dump.jsonl ./data --mode merge --prefix user/", does: "bring some entries back" },
    { line: "restore ./backups ./restored --at '2h ago' --dry-run", does: "only say what it would be" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [from = "", to = ""] = call.words;
    // As a directory it would be one that nothing opens.
    localPath(to);
    await expectKind(call, to, "a database");
    const there = await DB.exists(to, { fileSystem: io.fileSystem });
    const [mode, overwrite, dryRun] = [
      given.choice<"replace" | "merge">("mode"),
      given.flag("overwrite"),
      given.flag("dry-run"),
    ];
    if (mode !== undefined && overwrite) throw new UsageError("give --mode or --overwrite, not both");
    if (there && mode === undefined && !overwrite && !dryRun) {
      throw new UsageError(
        `a database is in ${to} already: --mode replace or --mode merge puts the backup into it, --overwrite makes it anew`,
      );
    }
    if (!there && mode === "merge") {
      throw new UsageError(`there is no database in ${to} that --mode merge could merge with`);
    }
    const wanted = await optionsOf(call, mode);
    await using source = await sourceOf(call, from);
    const { repo } = source;
    const options = repo === undefined ? wanted : await wholeIds(repo, wanted);
    if (repo !== undefined) await warnOfNewer(call, repo, options);
    if (there && !dryRun) {
      const what = mode === "merge"
        ? `Let the entries of ${from} win over those in ${to}?`
        : overwrite
        ? `Remove the database in ${to} and restore ${from} in its place?`
        : `Replace the contents of ${to} by those of ${from}?`;
      await confirm(call, what);
    }
    const long = { signal: io.signal, onProgress: out.progress("restore") };
    const info = there && !overwrite && mode !== undefined
      ? await intoOpen(call, to, source.source, { ...options, ...long })
      : await DB.restore(source.source, to, {
        ...options,
        ...long,
        // A dry run changes nothing of what is there, so that it need not be allowed to.
        ...(overwrite || (there && dryRun) ? { overwrite: true } : {}),
        ...(given.text("key-encoding") === undefined
          ? {}
          : { keyEncoding: given.choice<"utf8" | "bytes">("key-encoding")! }),
        fileSystem: io.fileSystem,
      });
    out.endProgress();
    const part = ["prefix", "namespace"].filter((name) => given.isGiven(name));
    if (info.entries === 0 && part.length > 0) {
      out.warn(`${from} holds nothing under --${part.join(" and --")} at that point: no entry was restored`);
    }
    await out.result(info, () => printRestore(out, info));
  },
};

/**
 * Without a wish it is the newest state that can be had: that there was a newer one is to be known before it is taken. And a
 * time says little of commits that were made while the clock was ahead.
 */
async function warnOfNewer({ given, io, out }: Call, repo: BackupRepository, options: RestoreOptions): Promise<void> {
  if (["at-version", "backup"].some((name) => given.isGiven(name))) return;
  const { database, lineage, at, allowEarlier } = options;
  const history = { ...(database === undefined ? {} : { database }), ...(lineage === undefined ? {} : { lineage }) };
  const point = at === undefined ? {} : { at, ...(allowEarlier === undefined ? {} : { allowEarlier }) };
  // That nothing can be had is told by the restore.
  const found = await repo.estimate({ ...history, ...point, signal: io.signal }).catch(() => undefined);
  if (found === undefined) return;
  const listed = await repo.list({ database: found.database, lineage: found.lineage });
  const newest = listed.filter(({ selective, createdAt }) =>
    !selective && (at === undefined || createdAt <= Number(at))
  )
    .at(-1);
  if (newest === undefined || newest.version <= found.version) return;
  out.warn(
    at === undefined
      ? `backup ${newest.id} is of version ${newest.version}, which can't be restored: version ${found.version} is the ` +
        `newest that can; ${PROGRAM_NAME} verify says what is missing`
      : `backup ${newest.id} was made by then and is of version ${newest.version}, which was written while the clock was ` +
        `ahead and bears a later time: what comes back is version ${found.version}; --at-version goes by no clock`,
  );
}

async function intoOpen(
  call: Call,
  path: string,
  source: RestoreSource,
  options: RestoreOptions,
): Promise<RestoreInfo> {
  if (call.given.text("key-encoding") !== undefined) {
    throw new UsageError("--key-encoding is for a database that is made, and this one is there");
  }
  await using db: DB<Key> = options.dryRun ? await openToRead(call, path) : await openToWrite(call, path);
  return await db.restore(source, options);
}

async function optionsOf(call: Call, mode: "replace" | "merge" | undefined): Promise<RestoreOptions> {
  const { given } = call;
  const expiry = given.choice<"keep" | "clear">("expiry");
  return {
    ...pointOf(call),
    ...await selectionOf(call),
    ...(mode === undefined ? {} : { mode }),
    ...(expiry === undefined ? {} : { expiry }),
    ...(given.flag("no-verify-before") ? { verifyBefore: false } : {}),
    ...(given.flag("no-verify-after") ? { verifyAfter: false } : {}),
    ...(given.flag("no-replay-log") ? { replayLog: false } : {}),
    ...(given.flag("dry-run") ? { dryRun: true } : {}),
  };
}

/** A source of a restore, opened; disposing of it lets go. */
interface Source extends AsyncDisposable {
  source: RestoreSource;
  /** The same, where it is a repository. */
  repo?: BackupRepository;
}

async function sourceOf(call: Call, from: string): Promise<Source> {
  const nothing = async (): Promise<void> => {};
  if (from === "-") {
    refuseRepositoryOptions(call, [], "standard input is none");
    return { source: inputPieces(call.io), [Symbol.asyncDispose]: nothing };
  }
  await refusePipe(call.io, from);
  if (!await isRepository(call.io, from)) {
    refuseRepositoryOptions(call, [], `${from} is none`);
    return { source: from, [Symbol.asyncDispose]: nothing };
  }
  const write = !call.given.flag("read-only");
  const repo: BackupRepository = await openRepository(call, from, { write });
  return { source: repo, repo, [Symbol.asyncDispose]: () => repo.close() };
}
