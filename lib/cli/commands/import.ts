/**
 * `import`.
 *
 * @module
 */
import { resolve } from "node:path";
import { unpack } from "../../backup/archive/packing.ts";
import { readPieces } from "../../backup/archive/streams.ts";
import type { ByteStream } from "../../backup/mod.ts";
import type { RestoreInfo } from "../../backup/info.ts";
import type { OnProgress } from "../../base/progress.ts";
import type { Key } from "../../db/data/keys.ts";
import type { Storable } from "../../db/data/values.ts";
import type { SetManyItem, SetManyResult } from "../../db/writing/set_many.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { basename } from "../../files/paths.ts";
import type { MigrateOptions, MigrationReport } from "../../adapters/migrate/migration.ts";
import type { MigrationSource, SourceEntry } from "../../adapters/migrate/source.ts";
import { DB } from "../../db/db.ts";
import type { Namespace } from "../../db/namespace.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import {
  CREATE,
  DATABASE,
  DURABILITY,
  KEY_ENCODING,
  keySpace,
  NAMESPACE,
  openToRead,
  openToWrite,
} from "../core/database.ts";
import { CommandFailure, EXIT, UsageError } from "../core/exit_code.ts";
import { inputPieces, VALUE_AS, type ValueForm, valueFrom } from "../core/forms.ts";
import { entryOfJson, keyFor, type LineEntry, linesOf } from "../core/import_lines.ts";
import { type Begun, begun, counted, type Format, type Read } from "../core/import_text.ts";
import { refuseStoreOptions, sourceOf, STORE_OPTIONS, storeAt, STORES } from "../core/import_store.ts";
import { expectKind, refusePipe, shellWord } from "../core/places.ts";
import { inShellWords } from "../core/wording.ts";
import { visible } from "../output/entries.ts";
import { showCounted, showDuration, showTime } from "../output/figures.ts";
import { printRestore } from "../output/reports.ts";
import { durabilityOf, ENTRY_OPTIONS, entryOptions } from "./entries.ts";

/** `import` */
export const importing: CommandSpec = {
  name: "import",
  summary: "Bring entries in from a file or from standard input",
  details:
    "jsonl: a JSON object a line, as list --json prints it: key, value, and if wanted tags and expiresAt. tsv: key, tab, value. " +
    "portable: what export, backup and skv write (.json, .jsonl); it comes in as one step or not at all, and namespaces with it. Files may be " +
    "packed (.gz, .zst). Other stores: a file of Deno KV, a directory of Level or LMDB, a table of SQLite, an address of Redis; " +
    "interrupted, they are gone on with by the next run, as are lines with --resume. Without --format the place itself " +
    "decides. Entries win over those that are there.",
  group: "Entries",
  args: [DATABASE, { name: "FROM", help: "a file, a directory, an address, or - for standard input", kind: "path" }],
  options: [
    { name: "format", kind: "choice", choices: ["jsonl", "tsv", "portable", ...STORES], help: "what comes in" },
    { name: "dry-run", kind: "flag", help: "only tell what would come in" },
    { name: "resume", kind: "flag", help: "remember how far lines came, and go on there after an interruption" },
    { name: "again", kind: "flag", help: "begin anew, also after a run that came to its end" },
    { name: "leave-out", kind: "flag", help: "leave out what can't be kept, and tell it with its key" },
    { ...VALUE_AS, choices: ["text", "json", "base64", "hex"], help: "what the values of tsv are: text unless given" },
    ...ENTRY_OPTIONS.map((each) => ({
      ...each,
      help: `${each.help.replace("it", "entries")}, unless their line does`,
    })),
    DURABILITY,
    CREATE,
    KEY_ENCODING,
    NAMESPACE,
    ...STORE_OPTIONS,
  ],
  examples: [
    { line: "import ./data users.jsonl --create", does: "from lines of JSON, into a new database" },
    { line: "import ./data - --format tsv < pairs.tsv", does: "from pairs of key and value" },
    { line: "import ./data dump.json.zst", does: "from a portable backup" },
    { line: "import ./data ./level-data --create", does: "from a database of Level" },
    {
      line: "import ./data shop.sqlite --table orders --key id --dry-run",
      does: "see what a table of SQLite would give",
    },
  ],
  async run(call) {
    const [path = "", from = ""] = call.words;
    await expectKind(call, path, "a database");
    const store = await storeAt(call, from);
    if (store === undefined) return await importFile(call, path, from);
    refuse(call, ["as", "tag", "expire-in", "expires-at", "durability", "resume"], "other stores");
    return await bring(call, path, await sourceOf(call, store, from));
  },
};

function refuse({ given }: Call, names: readonly string[], what: string): void {
  const wrong = names.find((each) => given.isGiven(each));
  if (wrong !== undefined) throw new UsageError(`--${wrong} is not for ${what}`);
}

async function importFile(call: Call, path: string, from: string): Promise<number | void> {
  const { given, out, io } = call;
  refuseStoreOptions(call, undefined, "files of entries");
  refuse(call, ["leave-out"], "files of entries: a line that is wrong ends it");
  const [dryRun, resume] = [given.flag("dry-run"), given.flag("resume")];
  if (given.flag("again") && !resume) {
    throw new UsageError("--again is for what is remembered: other stores, or --resume");
  }
  if (from !== "-") await refusePipe(io, from);
  const file = from === "-" ? undefined : await io.fileSystem.stat(from);
  const read: Read = { bytes: 0, sum: 0 };
  const source = counted(from === "-" ? inputPieces(io) : readPieces(io.fileSystem, from), read);
  const name = from === "-" ? "standard input" : basename(from);
  const text = await begun(unpack(source, name), given.choice<Format>("format"), name);
  if (text.format === "portable") {
    refuse(call, ["as", "tag", "expire-in", "expires-at", "durability", "namespace"], "portable files, which say it");
    refuse(call, ["resume"], "portable files, which come in as one step");
    await using db = await target(call, path, dryRun);
    const named: ByteStream = Object.assign(text.pieces, { path: name });
    const info: RestoreInfo = await db.restore(named, {
      ...{ mode: "merge", dryRun, signal: io.signal },
      onProgress: out.progress("import"),
    });
    out.endProgress();
    return await out.result(info, () => printRestore(out, info));
  }
  if (resume || dryRun) {
    if (resume && from === "-") throw new UsageError("--resume is for files: standard input is another one each time");
    refuse(call, ["durability"], "--resume and --dry-run");
    const id = `${text.format} ${from === "-" ? name : resolve(from)}`;
    try {
      return await bring(call, path, linesSource(call, text, { id, name, read }), {
        // What another run has brought in counts only for those that go on.
        again: !resume || given.flag("again"),
        ...(dryRun ? {} : { onUnsupported: ({ reason }) => refuseLine(text, reason) }),
      });
    } finally {
      // It may have come in before, so that nobody read it.
      await text.close();
    }
  }
  await using db = await openToWrite(call, path);
  const { space, encoding, path: namespace } = keySpace(call, db);
  const started = performance.now();
  let result: SetManyResult;
  try {
    result = await space.setMany(items(call, text, { encoding, path: namespace }, name), {
      ...durabilityOf(call),
      signal: io.signal,
      // Entries tell no end; the bytes of the file do.
      onProgress: withTotal(out.progress("import"), file?.size, read),
    });
  } catch (error) {
    const { committed } = error as { committed?: number };
    out.endProgress();
    if (committed !== undefined && committed > 0 && !out.json) {
      out.note(`${showCounted(committed, "entry", "entries")} before that ${committed === 1 ? "is" : "are"} in`);
    }
    const [, reason] = /^setMany: item \d+: (.*)/s.exec((error as Error).message) ?? [];
    if (reason !== undefined) refuseLine(text, reason, committed);
    throw error;
  }
  out.endProgress();
  await out.result(
    result,
    () => out.line(`${showCounted(result.count, "entry", "entries")} in ${showDuration(performance.now() - started)}`),
  );
}

/** Ends it at the line that was given last, which the database refuses. */
function refuseLine({ where }: Begun, reason: string, committed?: number): never {
  throw Object.assign(new CommandFailure(`${where}: ${reason}`), { committed });
}

/** The database; in a dry run it is only read, and where there is none yet, one in memory takes its place. */
async function target(call: Call, path: string, dryRun: boolean): Promise<DB<Key>> {
  if (!dryRun) return await openToWrite(call, path);
  const { io, given } = call;
  if (await DB.exists(path, { fileSystem: io.fileSystem }) || !given.flag("create")) {
    return await openToRead(call, path);
  }
  const keyEncoding = given.choice<KeyEncoding>("key-encoding");
  return await DB.open<Key>(":memory:", { clock: io.now, ...(keyEncoding === undefined ? {} : { keyEncoding }) });
}

/** Brings in what a source has, in a way that can be gone on with. */
async function bring(
  call: Call,
  path: string,
  source: MigrationSource,
  lines?: Pick<MigrateOptions, "again" | "onUnsupported">,
): Promise<number> {
  const { given, out, io } = call;
  const { migrate } = await import("../../adapters/migrate.ts");
  const dryRun = given.flag("dry-run");
  // A source that can't be read must leave no new database behind.
  const isNew = !dryRun && given.flag("create") && !await DB.exists(path, { fileSystem: io.fileSystem });
  const opened = isNew ? await source.open() : undefined;
  try {
    await using db = await target(call, path, dryRun);
    const { space, path: names } = keySpace(call, db);
    const held = opened && { ...source, open: async () => ({ ...opened, close: async () => {} }) };
    const report = await migrate(db, held ?? source, {
      ...{ dryRun, again: given.flag("again"), signal: io.signal, clock: io.now },
      unsupported: given.flag("leave-out") || lines?.onUnsupported !== undefined ? "report" : "stop",
      ...lines,
      into: names.length === 0 ? undefined : space as Namespace<Key>,
      onProgress: out.progress("import"),
    }).finally(() => out.endProgress());
    if (report.changed) {
      throw new CommandFailure(`${report.source} is not what it was when ${cameIn(report)}; --again brings it in`);
    }
    await out.result(report, () => out.lines(toldOf(report, call)));
    return report.unsupported > 0 ? EXIT.finding : EXIT.done;
  } finally {
    await opened?.close();
  }
}

/** What came of it, for people. */
function toldOf(report: MigrationReport, call: Call): string[] {
  const { entries, earlier, expired, unsupported, leftOut, doneBefore, dryRun, durationMs } = report;
  const all = showCounted(entries, "entry", "entries");
  const parts = dryRun ? [`${all} would come in`] : [`${all} in ${showDuration(durationMs)}`];
  if (earlier > 0) parts.push(`${showCounted(earlier, "entry", "entries")} of them by earlier runs`);
  if (expired > 0) parts.push(`${showCounted(expired, "entry", "entries")} had expired`);
  if (unsupported > 0) parts.push(`${showCounted(unsupported, "thing")} can't be kept`);
  const head = doneBefore === undefined ? parts.join(", ") : `${cameIn(report)}; --again brings them in anew`;
  const lines = leftOut.map(({ key, reason }) => `  ${visible(key)}: ${inShellWords(visible(reason), call)}`);
  const rest = unsupported - leftOut.length;
  return [head, ...lines, ...(rest > 0 ? [`  and ${rest} more`] : [])];
}

function cameIn({ entries, doneBefore = 0 }: MigrationReport): string {
  const all = entries === 1 ? "its only entry" : `all ${showCounted(entries, "entry", "entries")}`;
  return `${all} came in before, at ${showTime(doneBefore)}`;
}

/** Lines as a source: the number of a line is where to go on behind it. */
function linesSource(
  call: Call,
  text: Begun,
  { id, name, read }: { id: string; name: string; read: Read },
): MigrationSource {
  const { given, io } = call;
  const [expireIn, expiresAt] = [given.number("expire-in"), given.number("expires-at")];
  return {
    id,
    plan: JSON.stringify({ as: given.choice("as"), tags: given.list("tag"), expireIn, expiresAt }),
    async stamp() {
      // Where all of it came in before, nobody has read it yet.
      for await (const _ of text.pieces) io.signal.throwIfAborted();
      return `${read.bytes} bytes, checksum ${read.sum}`;
    },
    open: async () => ({
      async *entries(encoding, after): AsyncGenerator<SourceEntry> {
        const into = { encoding, path: call.given.list("namespace") };
        const done = Number(after ?? 0);
        let seen = 0;
        for await (const { number, entry } of numbered(call, text, into, name)) {
          seen = number;
          if (number > done) yield { position: String(number), ...entry };
        }
        if (seen < done) {
          throw new CommandFailure(
            `${name} ends at line ${seen}, and line ${done} came in before: it is another file; --again begins anew`,
          );
        }
      },
      close: async () => {},
    }),
  };
}

function withTotal(report: OnProgress, totalBytes: number | undefined, read: Read): OnProgress {
  if (totalBytes === undefined) return report;
  return ({ phase, doneItems }) =>
    report({ phase: phase === "write" ? "import" : phase, doneBytes: read.bytes, totalBytes, doneItems });
}

/** What a line says, as it is written. */
interface Item {
  key: Key;
  value: Storable;
  tags: readonly string[];
  expiresAt?: number;
}

interface Into {
  encoding: KeyEncoding;
  path: readonly string[];
}

async function* items(call: Call, text: Begun, into: Into, name: string): AsyncGenerator<SetManyItem<Key>> {
  for await (const { entry } of numbered(call, text, into, name)) yield entry;
}

async function* numbered(
  call: Call,
  text: Begun,
  { encoding, path }: Into,
  name: string,
): AsyncGenerator<{ number: number; entry: Item }> {
  const { format, pieces } = text;
  const form = call.given.choice<ValueForm>("as");
  if (format === "jsonl" && form !== undefined) {
    throw new UsageError("--as is for tsv; lines of JSON say what their values are");
  }
  const { tags, expiresAt } = entryOptions(call);
  let number = 0;
  for await (const whole of linesOf(pieces, name)) {
    number++;
    // Editors and spreadsheets begin a file with a byte order mark, which is part of no key.
    const line = number === 1 ? whole.replace(/^\ufeff/, "") : whole;
    if (line.trim() === "") continue;
    const where = text.where = `line ${number} of ${name}`;
    const entry = format === "tsv" ? entryOfPair(line, form ?? "text", where) : entryOfJson(line, where);
    const { namespace = path } = entry;
    if (namespace.join("\0") !== path.join("\0")) {
      const wanted = namespace.map((each) => ` --namespace ${shellWord(each)}`).join("") || " no --namespace";
      throw new CommandFailure(`${where}: it belongs into another namespace; give${wanted}`);
    }
    const until = entry.expiresAt ?? (expiresAt as number | undefined);
    yield {
      number,
      entry: {
        key: keyFor(encoding, entry.key, where),
        value: entry.value,
        tags: entry.tags ?? tags ?? [],
        ...(until === undefined ? {} : { expiresAt: until }),
      },
    };
  }
}

function entryOfPair(line: string, form: ValueForm, where: string): LineEntry {
  const at = line.indexOf("\t");
  if (at < 1) throw new CommandFailure(`${where}: no key and value with a tab between them`);
  try {
    return { key: line.slice(0, at), value: valueFrom(line.slice(at + 1), form) };
  } catch (error) {
    throw new CommandFailure(`${where}: ${(error as Error).message}`);
  }
}
