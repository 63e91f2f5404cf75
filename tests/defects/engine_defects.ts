/** Defects of the database itself: log, tables, recovery, commits, reading at a version. */
import type { Defect, Tests } from "./defect.ts";

const QUEUE = "lib/engine/writing/commit_queue.ts";
const GROUP_SYNC = "lib/engine/writing/group_sync.ts";
const SEGMENT = "lib/engine/log/log_segment.ts";
const OUTPUT = "lib/engine/background/run_output.ts";
const READER = "lib/format/log/record_reader.ts";
const FILTER = "lib/engine/background/row_filter.ts";

const cuts: Tests = { file: "tests/crash/database_cut_test.ts", only: "leaves entries, tags and namespaces" };
const engine = (only: string): Tests => ({ file: "tests/engine/engine_test.ts", only });
const unseen = (only: string): Tests => ({ file: "tests/engine/unseen_rows_test.ts", only });
const publicFace = (only: string): Tests => ({ file: "tests/db/read_write_test.ts", only });

/** All of them. */
export const engineDefects: readonly Defect[] = [
  {
    name: "no sync of the log",
    breaks: "acknowledged commits are gone after a power cut",
    patches: [{ file: SEGMENT, find: "      await this.#handle.sync();\n", replace: "" }],
    caughtBy: publicFace("survives a power cut once a commit is acknowledged"),
  },
  {
    name: "no sync of a table",
    breaks: "a table is empty after a power cut, though the manifest names it and its log is gone",
    patches: [{ file: OUTPUT, find: "    await table.handle.sync();\n", replace: "" }],
    caughtBy: cuts,
  },
  {
    name: "no sync of a blob file",
    breaks: "large values are gone after a power cut",
    patches: [{ file: OUTPUT, find: "    await blob.handle.sync();\n", replace: "" }],
    caughtBy: cuts,
  },
  {
    name: "no sync of the directory behind a table",
    breaks: "a table has no name after a power cut",
    patches: [{
      file: OUTPUT,
      find: "    if (this.#made.length > 0) await this.#store.fs.syncDirectory(this.#store.path);\n",
      replace: "",
    }],
    caughtBy: cuts,
  },
  {
    name: "no sync of the directory behind a log segment",
    breaks: "a segment full of acknowledged commits has no name after a power cut",
    patches: [{ file: SEGMENT, find: "      await fs.syncDirectory(directory);\n", replace: "" }],
    caughtBy: publicFace("survives a power cut once a commit is acknowledged"),
  },
  {
    name: "no sync of the directory behind a published file",
    breaks: "the marker or a backup file that was reported done is the old one after a power cut",
    patches: [{ file: "lib/files/publish.ts", find: "  await fs.syncDirectory(dirname(path));\n", replace: "" }],
    caughtBy: { file: "tests/files/publish_test.ts", only: "puts bytes in place of what was there" },
  },
  {
    name: "no sync of the directory behind the first marker",
    breaks: "a database that was reported made is none after a power cut",
    patches: [{ file: "lib/files/publish.ts", find: "  await fs.syncDirectory(dirname(aside));\n", replace: "" }],
    caughtBy: { file: "tests/files/publish_test.ts", only: "puts in place what was written aside" },
  },
  {
    name: "a first marker over what is there",
    breaks: "of two that make a database at once one loses what it was told is kept",
    patches: [{
      file: "lib/files/publish.ts",
      find: "    await fs.link(aside, path);\n",
      replace: "    await fs.rename(aside, path);\n",
    }],
    caughtBy: { file: "tests/db/lost_lock_test.ts", only: "is refused though nothing was there when it looked last" },
  },
  {
    name: "no look behind the switch of the marker",
    breaks: "what another process was told is kept in that very moment is gone",
    patches: [{
      file: "lib/engine/manifest/marker_watch.ts",
      find: "() => come = thrownBy(untouched)",
      replace: "() => {}",
    }],
    caughtBy: { file: "tests/db/lost_lock_test.ts", only: "grows in the very step in which the marker is switched" },
  },
  {
    name: "no sync of an edit of the manifest",
    breaks: "tables and segments that count are unknown after a power cut",
    patches: [{ file: "lib/engine/manifest/manifest.ts", find: "      await this.#handle.sync();\n", replace: "" }],
    caughtBy: cuts,
  },
  {
    name: "rename before sync",
    breaks: "a published file is empty after a power cut, and the old one is gone",
    patches: [{
      file: "lib/files/publish.ts",
      find: "  const aside = await writeAside(fs, path, bytes, unique);\n  await putInPlace(fs, aside, path);\n",
      replace: `  const aside = path + "." + unique;
  const early = await fs.open(aside, "create");
  await early.append(bytes);
  await fs.rename(aside, path);
  await early.sync();
  await early.close();
`,
    }],
    caughtBy: { file: "tests/files/memory_crash_test.ts", only: "publishes whole or not at all" },
  },
  {
    name: "commit acknowledged before its sync",
    breaks: "what a caller was told is kept may be gone after a power cut",
    patches: [{
      file: QUEUE,
      find: "    try {\n      if (sync) await this.#syncs.sync(",
      replace: "    this.#show(written);\n    try {\n      if (sync) await this.#syncs.sync(",
    }, {
      file: QUEUE,
      find: "    else this.#later.note();\n    this.#show(written);\n",
      replace: "    else this.#later.note();\n",
    }],
    caughtBy: cuts,
  },
  {
    name: "group acknowledged by the sync of the one before it",
    breaks: "what was written while others were being synced may be gone after a power cut",
    patches: [{
      file: GROUP_SYNC,
      find: "      else await segment.sync();",
      replace: "      else await (this.#flights.length > 0 ? this.settle() : segment.sync());",
    }],
    caughtBy: {
      file: "tests/crash/power_cut_test.ts",
      only: "groups that overlap: leaves a prefix of the commits with all that was acknowledged",
    },
  },
  {
    name: "version reused after recovery",
    breaks: "two commits have one version, of which a later recovery refuses the second",
    patches: [{
      file: QUEUE,
      find: "    this.#lastVersion = store.visibleVersion;\n",
      replace: "    this.#lastVersion = store.manifest.state.lastVersion;\n",
    }],
    caughtBy: cuts,
  },
  {
    name: "failed sync not remembered",
    breaks: "commits are acknowledged on a disk that has lost bytes before them",
    patches: [
      {
        file: GROUP_SYNC,
        find: "      store.fail(error);\n",
        replace: "",
      },
      { file: SEGMENT, find: "    await earlier;\n", replace: "    await earlier.catch(() => {});\n" },
    ],
    caughtBy: engine("turns read-only for good after a failed sync"),
  },
  {
    name: "refused write of a full disk reappears",
    breaks: "a write that its caller was told had failed is there later",
    patches: [{
      file: QUEUE,
      find: `      start.cut();
      this.#lastVersion = start.version;
`,
      replace: "",
    }],
    caughtBy: engine("refuses writes on a full disk, shows none of them later"),
  },
  {
    name: "checksum of a log frame not checked",
    breaks: "damaged commits are replayed as if they were good",
    patches: [{
      file: READER,
      find: `      if (crc32(window.buffer, base, from, from + length) !== readU32(window.buffer, at + 4)) {
        return this.#bad`,
      replace: `      if (length < 0) {
        return this.#bad`,
    }],
    caughtBy: { file: "tests/format/record_reader_test.ts", only: "gives back a prefix of what was written" },
  },
  {
    name: "checksum of a table's block not checked",
    breaks: "wrong values are read from a damaged table",
    patches: [{
      file: "lib/format/table/block.ts",
      find: "  if (crc32(stored, seedAt(seed, offset), 0, end + 5) !== readU32(stored, end + 5)) {",
      replace: "  if (end < 0) {",
    }],
    caughtBy: { file: "tests/tree/table_damage_test.ts", only: "with any byte changed is found out" },
  },
  {
    name: "checksum of a large value not checked",
    breaks: "a wrong value is read from a damaged blob file",
    patches: [{
      file: "lib/tree/blob/blob_reader.ts",
      find: "    if (crc32(record, seedAt(this.#seed, offset), start) !== head.payloadCrc) {",
      replace: "    if (start < 0) {",
    }],
    caughtBy: { file: "tests/tree/blob_test.ts", only: "with any byte changed is found out" },
  },
  {
    name: "torn record accepted",
    breaks: "a commit of which only the beginning was written counts after a crash",
    patches: [{
      file: READER,
      find: 'return this.#bad(start, joined === undefined ? "bytes end early" : "bytes end early in a split record");',
      replace: `return joined === undefined
          ? this.#bad(start, "bytes end early")
          : this.#found(joined.view(), start, this.#size);`,
    }],
    caughtBy: { file: "tests/format/record_reader_test.ts", only: "says what is wrong with a bad place" },
  },
  {
    name: "damage taken for a torn end",
    breaks: "acknowledged commits behind a damaged byte are cut off without a word",
    patches: [{
      file: "lib/engine/recovery/recovery.ts",
      find: 'const laterSynced = stop.kind === "bad" && ',
      replace: "const laterSynced = reader === undefined && ",
    }],
    caughtBy: { file: "tests/engine/torn_log_test.ts", only: "is damaged where a bad record has a later one" },
  },
  {
    name: "delete dropped too early",
    breaks: "deleted entries come back when older tables lie below",
    patches: [{
      file: FILTER,
      find: '    if (cellOp(cell[0]!) === OP_DELETE) return gone() ? "drop" : "keep";',
      replace: '    if (cellOp(cell[0]!) === OP_DELETE) return stripe === 0 ? "drop" : "keep";',
    }],
    caughtBy: engine("keeps what was written across flushes, compactions and reopening"),
  },
  {
    name: "range tombstone dropped too early",
    breaks: "deleted ranges come back when older tables lie below",
    patches: [{
      file: "lib/engine/background/kept_ranges.ts",
      find: "(stripe === 0 && (bottom ??= isBottom(start, end)))",
      replace: "stripe === 0",
    }],
    caughtBy: engine("keeps what was written across flushes, compactions and reopening"),
  },
  {
    name: "snapshots ignored by compaction",
    breaks: "a snapshot shows less than it did",
    patches: [{
      file: "lib/engine/version/snapshots.ts",
      find: "      versions.add(held.version);\n",
      replace: "",
    }],
    caughtBy: engine("keeps a snapshot readable through overwriting"),
  },
  {
    name: "written where nobody saw a row",
    breaks: "lists leave out what was written after others had passed deleted entries there",
    patches: [{
      file: "lib/engine/writing/apply.ts",
      find: "      if (!unseen.isEmpty) unseen.touch(operations.key);\n",
      replace: "",
    }],
    caughtBy: unseen("find what is there at any version and moment"),
  },
  {
    name: "unseen for readers of before",
    breaks: "a list under way leaves out entries that were deleted after it began",
    patches: [{
      file: "lib/engine/read_view.ts",
      find: "Math.max(this.#version, visibleVersion)",
      replace: "this.#version",
    }],
    caughtBy: unseen("that are older than what was noted"),
  },
  {
    name: "file removed under a reader",
    breaks: "a cursor or a snapshot can't go on once compaction has replaced its files",
    patches: [{
      file: "lib/engine/version/live_file.ts",
      find: "    if (--this.#references > 0) return;\n",
      replace: "    this.#references--;\n",
    }],
    caughtBy: engine("keeps a cursor on its version while files come and go"),
  },
  {
    name: "lock not taken",
    breaks: "two writers in one directory destroy it",
    patches: [{
      file: "lib/engine/open.ts",
      find: "const lock = await fs.lock(lockPath);",
      replace: "const lock = { release() {} };",
    }],
    caughtBy: engine("lets one writer in"),
  },
  {
    name: "transaction's check skipped",
    breaks: "of two transactions that read the same the later one overwrites the earlier",
    patches: [{
      file: "lib/db/writing/transaction.ts",
      find: "const check = reads.isEmpty ? undefined :",
      replace: "const check = context !== undefined ? undefined :",
    }],
    caughtBy: { file: "tests/db/transaction_test.ts", only: "forbids write skew" },
  },
  {
    name: "tag index written in a commit of its own",
    breaks: "a list by tag misses entries that have the tag",
    patches: [{
      file: "lib/db/writing/writes.ts",
      find: "      this.#put(row, KIND_BYTES, EMPTY_BYTES, [], options.expiresAt);\n",
      replace: `      const later = new Batch();
      later.putCell(EMPTY_BYTES, row, KIND_BYTES, EMPTY_BYTES, [], options.expiresAt);
      queueMicrotask(() => void this.#context.engine.commit(later));
`,
    }],
    caughtBy: publicFace("find entries in key order, one tag or all of several"),
  },
  {
    name: "log trimmed before it is archived",
    breaks: "backups have a hole where the database let go of its log",
    patches: [{
      file: "lib/engine/log/log_retention.ts",
      find: "const waiting = slots.filter((slot) => slot.version < log.lastVersion);",
      replace: "const waiting = slots.filter((slot) => slot.version < 0);",
    }],
    caughtBy: { file: "tests/engine/decisions_test.ts", only: "keeps what a repository lacks" },
  },
];
