/**
 * `import`.
 *
 * @module
 */
import { unpack } from "../../backup/archive/packing.ts";
import { readPieces } from "../../backup/archive/streams.ts";
import type { ByteStream } from "../../backup/mod.ts";
import type { RestoreInfo } from "../../backup/info.ts";
import type { OnProgress } from "../../base/progress.ts";
import type { Key } from "../../db/data/keys.ts";
import type { SetManyItem, SetManyResult } from "../../db/writing/set_many.ts";
import type { KeyEncoding } from "../../engine/types.ts";
import { basename } from "../../files/paths.ts";
import type { Call, CommandSpec } from "../core/command.ts";
import { CREATE, DATABASE, DURABILITY, KEY_ENCODING, keySpace, NAMESPACE, openToWrite } from "../core/database.ts";
import { CommandFailure, UsageError } from "../core/exit_code.ts";
import { inputPieces, VALUE_AS, type ValueForm, valueFrom } from "../core/forms.ts";
import { entryOfJson, keyFor, type LineEntry, linesOf } from "../core/import_lines.ts";
import { showCounted, showDuration } from "../output/figures.ts";
import { printRestore } from "../output/reports.ts";
import { durabilityOf, ENTRY_OPTIONS, entryOptions } from "./entries.ts";

/** `import` */
export const importing: CommandSpec = {
  name: "import",
  summary: "Bring entries in from a file or from standard input",
  details:
    "jsonl: a JSON object a line, as list --json prints it: key, value, and if wanted tags and expiresAt. tsv: key, tab, value. " +
    "portable: what export and backup write (.json, .jsonl); it comes in as one step, and namespaces with it. Without " +
    "--format the first line decides. Files may be packed (.gz, .zst). Entries win over those that are there.",
  group: "Entries",
  args: [DATABASE, { name: "FROM", help: "a file, or - for standard input", kind: "path" }],
  options: [
    { name: "format", kind: "choice", choices: ["jsonl", "tsv", "portable"], help: "what comes in" },
    { ...VALUE_AS, choices: ["text", "json", "base64", "hex"], help: "what the values of tsv are: text unless given" },
    ...ENTRY_OPTIONS.map((each) => ({
      ...each,
      help: `${each.help.replace("it", "entries")}, unless their line does`,
    })),
    DURABILITY,
    CREATE,
    KEY_ENCODING,
    NAMESPACE,
  ],
  examples: [
    { line: "import ./data users.jsonl --create", does: "from lines of JSON, into a new database" },
    { line: "import ./data - --format tsv < pairs.tsv", does: "from pairs of key and value" },
    { line: "import ./data dump.json.zst", does: "from a portable backup" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [path = "", from = ""] = call.words;
    const file = from === "-" ? undefined : await io.fileSystem.stat(from);
    const read = { bytes: 0 };
    const source = counted(from === "-" ? inputPieces(io) : readPieces(io.fileSystem, from), read);
    const name = from === "-" ? "standard input" : basename(from);
    await using db = await openToWrite(call, path);
    const text = await begun(unpack(source, name), given.choice<Format>("format"), name);
    if (text.format === "portable") {
      const wrong = ["as", "tag", "expire-in", "expires-at", "durability", "namespace"].find((each) =>
        given.isGiven(each)
      );
      if (wrong !== undefined) throw new UsageError(`--${wrong} is not for portable files, which say it themselves`);
      const info: RestoreInfo = await db.restore(text.pieces as ByteStream, {
        mode: "merge",
        signal: io.signal,
        onProgress: out.progress("import"),
      });
      out.endProgress();
      return await out.result(info, () => printRestore(out, info));
    }
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
      if (committed !== undefined && committed > 0) {
        out.note(`${showCounted(committed, "entry", "entries")} before that are in`);
      }
      throw error;
    }
    out.endProgress();
    await out.result(
      result,
      () =>
        out.line(`${showCounted(result.count, "entry", "entries")} in ${showDuration(performance.now() - started)}`),
    );
  },
};

/** The pieces as they come, counted. */
async function* counted(pieces: AsyncIterable<Uint8Array>, read: { bytes: number }): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    read.bytes += piece.length;
    yield piece;
  }
}

function withTotal(report: OnProgress, totalBytes: number | undefined, read: { bytes: number }): OnProgress {
  if (totalBytes === undefined) return report;
  return ({ phase, doneItems }) =>
    report({ phase: phase === "write" ? "import" : phase, doneBytes: read.bytes, totalBytes, doneItems });
}

type Format = "jsonl" | "tsv" | "portable";

interface Begun {
  format: Format;
  pieces: AsyncIterable<Uint8Array>;
}

/** Looks at the first line for what it may be, and gives the text as if nobody had looked. */
async function begun(source: AsyncIterable<Uint8Array>, format: Format | undefined, name: string): Promise<Begun> {
  if (format !== undefined) return { format, pieces: source };
  const iterator = source[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let start = "";
  let ended = false;
  // A header of a portable file has a few hundred bytes.
  while (!ended && start.length < 4096 && !start.includes("\n")) {
    const { value, done } = await iterator.next();
    ended = done === true;
    if (done) break;
    seen.push(value.slice());
    start += new TextDecoder().decode(value);
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      yield* seen;
      if (!ended) yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  }
  return { format: formatOf(start.trimStart(), name), pieces: pieces() };
}

function formatOf(start: string, name: string): Format {
  const [line = ""] = start.split("\n", 1);
  if (line.startsWith("{")) return /^\{\s*"key"\s*:/.test(line) || isEntry(line) ? "jsonl" : "portable";
  if (line.startsWith("[")) return "portable";
  if (line.includes("\t")) return "tsv";
  throw new CommandFailure(`${name} is no file of entries that is known; give --format`);
}

function isEntry(line: string): boolean {
  try {
    const { key, value } = JSON.parse(line) as Record<string, unknown>;
    return key !== undefined && value !== undefined;
  } catch {
    return false;
  }
}

async function* items(
  call: Call,
  { format, pieces }: Begun,
  { encoding, path }: { encoding: KeyEncoding; path: readonly string[] },
  name: string,
): AsyncGenerator<SetManyItem<Key>> {
  const form = call.given.choice<ValueForm>("as");
  if (format === "jsonl" && form !== undefined) {
    throw new UsageError("--as is for tsv; lines of JSON say what their values are");
  }
  const { tags, expiresAt } = entryOptions(call);
  let number = 0;
  for await (const line of linesOf(pieces)) {
    number++;
    if (line.trim() === "") continue;
    const where = `line ${number} of ${name}`;
    const entry = format === "tsv" ? entryOfPair(line, form ?? "text", where) : entryOfJson(line, where);
    const { namespace = path } = entry;
    if (namespace.join("\0") !== path.join("\0")) {
      const wanted = namespace.map((each) => ` --namespace ${JSON.stringify(each)}`).join("") || " no --namespace";
      throw new CommandFailure(`${where}: it belongs into another namespace; give${wanted}`);
    }
    const until = entry.expiresAt ?? (expiresAt as number | undefined);
    yield {
      key: keyFor(encoding, entry.key, where),
      value: entry.value,
      tags: entry.tags ?? tags ?? [],
      ...(until === undefined ? {} : { expiresAt: until }),
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
