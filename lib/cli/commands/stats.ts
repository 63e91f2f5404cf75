/**
 * `stats`, `compact`, `slots`.
 *
 * @module
 */
import type { Call, CommandSpec } from "../core/command.ts";
import { DATABASE, openToRead, openToWrite } from "../core/database.ts";
import { UsageError } from "../core/exit_code.ts";
import { confirm } from "../core/prompt.ts";
import {
  KEYLESS,
  KIND,
  kindOf,
  openRepository,
  PLACE,
  refuseRepositoryOptions,
  REPOSITORY_OPTIONS,
} from "../core/repository.ts";
import { showKey } from "../output/entries.ts";
import { showBytes, showCount, showCounted, showDuration, showShare, showTime } from "../output/figures.ts";
import { jsonLine } from "../output/json.ts";
import { YES } from "./entries.ts";

/** `stats` */
export const stats: CommandSpec = {
  name: "stats",
  summary: "Show what a database or a repository is, and its figures",
  group: "Databases",
  args: [PLACE],
  options: [
    { name: "prometheus", kind: "flag", help: "of a repository: in the text format of Prometheus" },
    KEYLESS,
    KIND,
    ...REPOSITORY_OPTIONS,
  ],
  examples: [
    { line: "stats ./data", does: "of a database" },
    { line: "stats ./backups --prometheus > backups.prom", does: "of a repository, for a collector of text files" },
  ],
  async run(call) {
    const [place = ""] = call.words;
    return await kindOf(call, place) === "database" ? await ofDatabase(call, place) : await ofRepository(call, place);
  },
};

async function ofDatabase(call: Call, path: string): Promise<void> {
  const { out } = call;
  refuseRepositoryOptions(call, ["prometheus"], `${path} is a database`);
  await using db = await openToRead(call, path);
  const { id, lineage, version, timestamp, keyEncoding } = db;
  const [figures, slots, namespaces] = [db.stats(), db.slots(), db.namespaces()];
  // What this command's own reading did says nothing of the database.
  const { levels, logBytes, tableBytes, blobBytes, blobGarbageBytes, memtableBytes } = figures;
  const sizes = { levels, logBytes, tableBytes, blobBytes, blobGarbageBytes, memtableBytes };
  await out.result(
    { path: db.path, id, lineage, version, timestamp, keyEncoding, namespaces, slots, ...sizes },
    async () => {
      await out.facts([
        ["database", db.path],
        ["id", id],
        ["lineage", lineage],
        ["version", `${version} of ${showTime(timestamp)}`],
        ["keys", keyEncoding === "utf8" ? "text" : "bytes"],
        namespaces.length === 0 ? undefined : ["namespaces", namespaces.map(showKey).join(", ")],
        [
          "tables",
          `${showBytes(tableBytes)} in ${showCounted(levels.reduce((sum, { tables }) => sum + tables, 0), "file")}`,
        ],
        ["large values", `${showBytes(blobBytes)}, of which garbage ${showBytes(blobGarbageBytes)}`],
        ["log", showBytes(logBytes)],
        ["not in tables yet", showBytes(memtableBytes)],
      ]);
      if (levels.length > 0) {
        await out.line("");
        await out.table(
          [{ title: "LEVEL", align: "right" }, { title: "TABLES", align: "right" }, { title: "SIZE", align: "right" }],
          levels.map(({ level, tables, bytes }) => [String(level), showCount(tables), showBytes(bytes)]),
        );
      }
    },
  );
}

async function ofRepository(call: Call, place: string): Promise<void> {
  const { out, given } = call;
  await using repo = await openRepository(call, place, { write: false });
  if (given.flag("prometheus")) {
    if (out.json) throw new UsageError("give --prometheus or --json, not both");
    return await out.write(await repo.metrics());
  }
  const figures = await repo.stats();
  const { full, snapshot, incremental } = figures.backups;
  await out.result({ id: repo.id, encrypted: repo.encrypted, ...figures }, () =>
    out.facts([
      ["repository", repo.name],
      ["id", repo.id],
      ["encrypted", repo.encrypted ? "yes" : "no"],
      ["backups", `${full} full, ${snapshot} snapshot, ${incremental} incremental`],
      ["size", `${showBytes(figures.totalBytes)}, stored as ${showBytes(figures.storedBytes)}`],
      [
        "saved",
        `${showBytes(figures.sharingSavedBytes)} by sharing, ${
          showBytes(figures.compressionSavedBytes)
        } by compression`,
      ],
      ["objects", showCount(figures.objects)],
      ["log", `${showBytes(figures.logBytes)} in ${showCounted(figures.logObjects, "object")}`],
      [
        "last backup",
        figures.lastBackup === undefined ? "-" : `${figures.lastBackup.id}, ${showTime(figures.lastBackup.at)}`,
      ],
      ["last failure", showTime(figures.lastFailureAt)],
      ["succeeded", showShare(figures.successRate)],
      figures.durations === undefined ? undefined : [
        "a backup takes",
        `${showDuration(figures.durations.median)}, at most ${showDuration(figures.durations.max)}`,
      ],
      figures.lag === undefined ? undefined : ["lag", showDuration(figures.lag)],
    ]));
}

/** `compact` */
export const compact: CommandSpec = {
  name: "compact",
  summary: "Rewrite tables, so that what was deleted or expired gives its space back",
  details: "A database does so by itself as it is written to; this does all of it now.",
  group: "Databases",
  args: [DATABASE],
  options: [],
  examples: [{ line: "compact ./data", does: "all of the database" }],
  async run(call) {
    const { out, io } = call;
    await using db = await openToWrite(call, call.words[0] ?? "");
    const sizeOf = (): number => db.stats().tableBytes + db.stats().blobBytes;
    const before = sizeOf();
    await db.compact(undefined, { signal: io.signal, onProgress: out.progress("compact") });
    out.endProgress();
    const after = sizeOf();
    await out.result(
      { before, after },
      () => out.line(`tables and large values: ${showBytes(before)} before, ${showBytes(after)} now`),
    );
  },
};

/** `slots` */
export const slots: CommandSpec = {
  name: "slots",
  summary: "List the repositories for which a database keeps its log, or forget one",
  details:
    "What a repository has not archived yet stays in the database's log. A repository that is gone for good is dropped here. " +
    "An id is that of the repository, as stats shows it.",
  group: "Databases",
  args: [DATABASE],
  options: [
    { name: "drop", kind: "text", value: "ID", help: "forget this one; its next backup has to start over" },
    YES,
  ],
  examples: [
    { line: "slots ./data", does: "list them" },
    { line: "slots ./data --drop 5d3a1f00c2e4b6a8", does: "keep no log for this one any more" },
  ],
  async run(call) {
    const { out, given } = call;
    const [path = ""] = call.words;
    const id = given.text("drop");
    if (id === undefined) {
      await using db = await openToRead(call, path);
      const found = db.slots();
      if (out.json) return await out.write(found.map(jsonLine).join(""));
      return await out.table(
        [{ title: "ID" }, { title: "ARCHIVED", align: "right" }, { title: "SINCE" }],
        found.map(({ id, version, createdAt }) => [out.paint("name", id), String(version), showTime(createdAt)]),
      );
    }
    await using db = await openToWrite(call, path);
    // One that isn't there is told so without a question.
    const isThere = db.slots().some((slot) => slot.id === id);
    if (given.flag("yes") || isThere) await confirm(call, `Keep no log of ${path} for slot ${id} any more?`);
    await db.dropSlot(id);
    await out.result({ id }, () => out.note(`dropped slot ${id}`));
  },
};
