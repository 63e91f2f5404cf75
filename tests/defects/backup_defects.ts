/** Defects of backups, repositories, restores and replication. */
import type { Defect, Tests } from "./defect.ts";

const REPOSITORY = "lib/backup/repository";
const BACKUP = `${REPOSITORY}/making/backup.ts`;
const OBJECTS = `${REPOSITORY}/core/objects.ts`;
const RESTORE = "lib/backup/restore_to.ts";

const tests = (name: string, only: string): Tests => ({ file: `tests/backup/repository/${name}_test.ts`, only });

/** Put in front of a put of an object: kept, to be done once the manifest is there. */
const PUT_LATER = `  if (key.startsWith("objects/")) {
    const bytes: Uint8Array[] = [];
    for await (const piece of sealed()) bytes.push(piece.slice());
    later.push(() => context.store.put(key, new Uint8Array(Buffer.concat(bytes)), { ifAbsent: true }));
    return totals;
  }
`;

/** All of them. */
export const backupDefects: readonly Defect[] = [
  {
    name: "backup's manifest published before its objects",
    breaks: "a backup is listed that can't be restored, when the program ends in between",
    patches: [
      {
        file: OBJECTS,
        find: "/** How an object is written. */",
        replace: "export const later: (() => Promise<unknown>)[] = [];\n",
      },
      {
        file: OBJECTS,
        find: "  const put = await context.store.put(key, ",
        replace: `${PUT_LATER}  const put = await context.store.put(key, `,
      },
      {
        file: BACKUP,
        find: 'import { newBackupId } from "../core/backup_id.ts";',
        replace: 'import { newBackupId } from "../core/backup_id.ts";\nimport { later } from "../core/objects.ts";',
      },
      { file: BACKUP, find: '    this.#reporter.start("plan");\n', replace: "    later.length = 0;\n" },
      {
        file: BACKUP,
        find: "    await this.#assertPublished(id);\n",
        replace: "    for (const put of later.splice(0)) await put();\n    await this.#assertPublished(id);\n",
      },
    ],
    caughtBy: tests("sweep", "survives it: the first backup"),
  },
  {
    name: "replication reports shipped before stored",
    breaks: "the archive says that it has commits which never arrived there",
    patches: [{
      file: `${REPOSITORY}/log/log_outbox.ts`,
      find: "const { storedBytes } = await put;",
      replace: "const storedBytes = put === undefined ? 0 : 1;",
    }],
    caughtBy: tests("sweep", "survives it: continuous backup"),
  },
  {
    name: "two writers move one head",
    breaks: "two copies of a database mix their histories in one archive",
    patches: [{ file: `${REPOSITORY}/log/heads.ts`, find: "{ ifMatch: from.etag };", replace: "{};" }],
    caughtBy: tests("replication", "stops the older of two writers of one history"),
  },
  {
    name: "incremental backup without the files that a restore took in",
    breaks: "no state behind a restore into the open database can be restored",
    patches: [{
      file: `${REPOSITORY}/log/log_shipment.ts`,
      find: "        for (const { version, info } of joined) await this.#ship(version, info);\n",
      replace: "",
    }],
    caughtBy: tests("replication", "follows a restore into the database into its new history"),
  },
  {
    name: "snapshot backup skips a changed object",
    breaks: "a backup refers to the old content of what has changed since the last one",
    patches: [{
      file: `${REPOSITORY}/making/place.ts`,
      find: "const shared = known.shareable.get(content);",
      replace: `const shared = known.shareable.get(content) ??
    (source.name.endsWith(".sst") ? [...known.shareable.values()].at(0) : undefined);`,
    }],
    caughtBy: tests("backup", "is full at first, then incremental, and a snapshot in a new history"),
  },
  {
    name: "incremental backup states its log one commit short",
    breaks: "a pruning takes log for not needed that the backup can't be restored without",
    patches: [{
      file: BACKUP,
      find: "const log = { from: parent.version + 1, to: head.version",
      replace: "const log = { from: parent.version + 2, to: head.version",
    }],
    caughtBy: tests("prune", "keeps what the policy wants and what that needs, and frees the rest"),
  },
  {
    name: "pruning ignores the lease of a running backup",
    breaks: "objects that a backup is about to refer to are deleted",
    patches: [{
      file: `${REPOSITORY}/pruning/gc.ts`,
      find: "const holding = new Set(leases.map(({ body }) => body.id));",
      replace: "const holding = new Set<string>();",
    }],
    caughtBy: tests("gc", "that is under way: what it may have seen stays marked"),
  },
  {
    name: "backup ignores the marks of a pruning",
    breaks: "a backup builds on one that is being deleted",
    patches: [{
      file: BACKUP,
      find: "    this.#going = new Set((await readMarks(context)).flatMap(({ keys }) => keys));\n",
      replace: "",
    }],
    caughtBy: tests("gc", "that starts once its parent is marked"),
  },
  {
    name: "backup published though its lease was broken",
    breaks: "a backup is listed whose objects a pruning has deleted",
    patches: [{ file: BACKUP, find: "    await this.#assertPublished(id);\n", replace: "" }],
    caughtBy: tests("gc", "by a clock that jumped, of a backup that lives"),
  },
  {
    name: "checksum of a repository's chunk not checked",
    breaks: "damage of an object shows as wrong data, or not at all where nothing else is compared",
    patches: [{
      file: "lib/format/repository/object_codec.ts",
      find: "if (payload.length < COMPRESSED_HEAD_BYTES || readU32(payload, 1) !== crc32(body)) {",
      replace: "if (payload.length < COMPRESSED_HEAD_BYTES) {",
    }],
    caughtBy: {
      file: "tests/format/repository/object_damage_test.ts",
      only: "notices a flipped bit in every byte: zstd, plain",
    },
  },
  {
    name: "restore renames before it verifies",
    breaks: "a damaged database stands at the destination when a restore has failed",
    patches: [
      {
        file: RESTORE,
        find: "/** What it restored, before it is published. */\n",
        replace: "let verifyLater: ((path: string) => Promise<unknown>) | undefined;\n",
      },
      {
        file: RESTORE,
        find: "    await verifyDirectory(fs, stage, settings, { version }, reporter, signal, checked);\n",
        replace:
          "    verifyLater = (at) => verifyDirectory(fs, at, settings, { version }, reporter, signal, checked);\n",
      },
      {
        file: RESTORE,
        find: "    await stage.publish(names, signal, from);\n",
        replace: "    await stage.publish(names, signal, from);\n    await verifyLater?.(path);\n",
      },
    ],
    caughtBy: { file: "tests/backup/backup_restore_test.ts", only: "notices any changed byte of an exported file" },
  },
  {
    name: "restored files not held against their digests",
    breaks: "a restore from a damaged object or onto a failing disk succeeds",
    patches: [{
      file: `${REPOSITORY}/restoring/materialize.ts`,
      find: "throw differs(directory, file.name);",
      replace: "void file;",
    }],
    caughtBy: tests("restore", "blames the repository for a damaged object and the disk for a damaged file"),
  },
  {
    name: "objects of a backup not read back",
    breaks: "a full backup of a damaged file, or into a store that spoils it, succeeds",
    patches: [{
      file: `${REPOSITORY}/core/objects.ts`,
      find: "if (readsBack) await verifyStored(",
      replace: "if (readsBack && totals.rawBytes < 0) await verifyStored(",
    }],
    caughtBy: tests("spoiled", "names a file that is not what was written"),
  },
  {
    name: "point in time off by one commit",
    breaks: "a restore to a time lacks the last commit of that time",
    patches: [{
      file: `${REPOSITORY}/log/log_reader.ts`,
      find: "commit.timestamp > options.at) return;",
      replace: "commit.timestamp >= options.at) return;",
    }],
    caughtBy: tests("replication", "restores every second of the past exactly"),
  },
  {
    name: "wrong key not noticed at open",
    breaks: "backups are written under a key that nobody has",
    patches: [{
      file: "lib/format/repository/key_ring.ts",
      find: "return undefined; // The tag does not fit.",
      replace: "root = new Uint8Array(32);",
    }],
    caughtBy: {
      file: "tests/format/repository/key_ring_test.ts",
      only: "do not open a slot of a raw key by anything else",
    },
  },
  {
    name: "no key asked of an encrypted repository",
    breaks: "backups are written in the clear where all is to be encrypted",
    patches: [{
      file: `${REPOSITORY}/core/open.ts`,
      find: "if (settings.keyless) return undefined;",
      replace: "return undefined;",
    }],
    caughtBy: { file: "tests/db/backup_repository_test.ts", only: "are refused where nothing is encrypted" },
  },
  {
    name: "audit chain not checked",
    breaks: "a line of the audit log can be written anew without anyone noticing",
    patches: [{
      file: `${REPOSITORY}/core/audit.ts`,
      find: "else if (follows && previous !== undefined && line.previous !== previous) {",
      replace: "else if (line.seq < 0) {",
    }],
    caughtBy: tests("list", "names the line behind one that was written anew"),
  },
];
