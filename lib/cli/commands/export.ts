/**
 * `export`.
 *
 * @module
 */
import type { CommandSpec } from "../core/command.ts";
import { DATABASE, localPath, openToRead } from "../core/database.ts";
import { UsageError } from "../core/exit_code.ts";
import { isRepository } from "../core/places.ts";
import { isAddress } from "../core/store.ts";
import { showBytes, showCounted, showDuration, showTime } from "../output/figures.ts";
import { backupDone } from "../output/reports.ts";

/** `export` */
export const exporting: CommandSpec = {
  name: "export",
  summary: "Copy a database as it is at one moment, while it may be in use",
  details:
    "TO is a directory, which is a database then; one file (.tar, .tar.gz, .tar.zst); a portable file (.json, .jsonl, each " +
    "also .gz or .zst); or - for standard output, as a tar archive or in lines (--format).",
  group: "Entries",
  args: [DATABASE, { name: "TO", help: "a directory, a file, or - for standard output", kind: "path" }],
  options: [
    {
      name: "format",
      kind: "choice",
      choices: ["tar", "jsonl"],
      help: "of what goes to standard output: tar unless given",
    },
    { name: "overwrite", kind: "flag", help: "replace a database or file that is there" },
    { name: "no-verify", kind: "flag", help: "don't check the copy before it takes its name" },
    { name: "link", kind: "choice", choices: ["auto", "never"], help: "never: bytes of its own and no hard links" },
  ],
  examples: [
    { line: "export ./data ./copy", does: "into a directory that opens as a database" },
    { line: "export ./data copy.tar.zst", does: "into one file" },
    { line: "export ./data - --format jsonl | ssh backup 'cat > data.jsonl'", does: "to another machine, as text" },
  ],
  async run(call) {
    const { given, out, io } = call;
    const [path = "", to = ""] = call.words;
    const format = given.choice<"tar" | "jsonl">("format");
    const link = given.choice<"auto" | "never">("link");
    const overwrite = given.flag("overwrite");
    const noVerify = given.flag("no-verify");
    if (isAddress(to)) throw new UsageError("an export goes into a directory or file; backup goes into a bucket");
    // As a directory it would be one that nothing opens.
    localPath(to);
    const toStream = to === "-";
    if (toStream) {
      if (overwrite || noVerify || link !== undefined) {
        throw new UsageError("of these options only --format goes with -");
      }
      if (out.json) throw new UsageError("--json has nowhere to go: standard output is the export");
      if (out.isTerminal && format !== "jsonl") {
        throw new UsageError("a terminal can't show a tar archive; redirect it");
      }
    } else if (format !== undefined) {
      throw new UsageError("--format is for standard output; a file's name says its format");
    }
    const portable = /\.jsonl?(?:\.gz|\.zst)?$/i.test(to);
    if (portable && link !== undefined) throw new UsageError("--link is for directories");
    await using db = await openToRead(call, path);
    if (!toStream && await isRepository(io, to)) {
      throw new UsageError(`${to} is a repository; backup puts a state into it`);
    }
    const long = { signal: io.signal, onProgress: out.progress("export") };
    if (toStream) {
      for await (const piece of db.exportStream({ format: format ?? "tar", ...long })) await out.write(piece);
      return;
    }
    const options = { overwrite, verify: !noVerify, ...long };
    if (portable) {
      const info = await db.backup(to, options);
      out.endProgress();
      return await out.result(info, () => out.sentences([backupDone(info)]));
    }
    const info = await db.export(to, { ...options, ...(link === undefined ? {} : { link }) });
    out.endProgress();
    await out.result(info, () =>
      out.sentences([
        `${to}: version ${info.version} of ${showTime(info.timestamp)}, ${showCounted(info.files, "file")}, ` +
        `${showBytes(info.bytes)} (${showBytes(info.sharedBytes)} shared), in ${showDuration(info.durationMs)}`,
      ]));
  },
};
